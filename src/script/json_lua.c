#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "script/modules.h"
#include "script/state.h"

enum {
    TEXT_LIMIT = 1 << 30, /* bytes of one json.encode */
    TEXT_KEPT = 1 << 20,  /* bytes of scratch kept for the next one */
};

void json_push_null(lua_State *lua)
{
    lua_pushlightuserdata(lua, NULL);
}

bool json_is_null(lua_State *lua, int index)
{
    return lua_type(lua, index) == LUA_TLIGHTUSERDATA && !lua_touserdata(lua, index);
}

/* ---- reading ---- */

void json_push_exact(lua_State *lua, struct span digits)
{
    void *box = lua_newuserdata(lua, digits.len); // -- number
    memcpy(box, digits.data, digits.len);
    slot_push(lua, SLOT_NUMBER_MARK); // -- number mark
    lua_setmetatable(lua, -2);        // -- number
}

static void push_number(lua_State *lua, struct span text, unsigned how)
{
    int64_t small = 0;
    if (how & JSON_EXACT) {
        json_push_exact(lua, text);
        return;
    }
    if (json_integer(text, &small)) {
        integer_push_signed(lua, small);
        return;
    }
    char digits[24];
    bool whole = text.len < sizeof digits && strspn(text.data, "0123456789") >= text.len;
    if (whole) {
        memcpy(digits, text.data, text.len);
        digits[text.len] = '\0';
        char *end = NULL;
        unsigned long long large = strtoull(digits, &end, 10);
        if (large != ULLONG_MAX || strcmp(digits, "18446744073709551615") == 0) {
            integer_push_unsigned(lua, large);
            return;
        }
    }
    lua_pushnumber(lua, json_number(text));
}

static bool push_array(lua_State *lua, struct json *json, unsigned how)
{
    lua_newtable(lua);               // -- list
    slot_push(lua, SLOT_ARRAY_MARK); // -- list mark
    lua_setmetatable(lua, -2);       // -- list
    for (int i = 1;; i++) {
        enum json_token token = json_next(json);
        if (token == JSON_ARRAY_END)
            return true;
        if (token == JSON_NULL)
            json_push_null(lua); // -- list null: a hole would shift what follows
        else if (!json_push_value(lua, json, token, how))
            break;
        lua_rawseti(lua, -2, i); // -- list
    }
    lua_pop(lua, 1); // --
    return false;
}

static bool push_object(lua_State *lua, struct json *json, unsigned how)
{
    lua_newtable(lua); // -- object
    for (;;) {
        enum json_token token = json_next(json);
        if (token == JSON_OBJECT_END)
            return true;
        if (token != JSON_KEY)
            break;
        push_span(lua, json->text); // -- object key
        token = json_next(json);
        if (token == JSON_NULL && !(how & JSON_KEEP_NULL)) {
            lua_pushnil(lua); // -- object key nil
        } else if (!json_push_value(lua, json, token, how)) {
            lua_pop(lua, 1); // -- object
            break;
        }
        lua_rawset(lua, -3); // -- object
    }
    lua_pop(lua, 1); // --
    return false;
}

bool json_push_value(lua_State *lua, struct json *json, enum json_token token, unsigned how)
{
    luaL_checkstack(lua, 8, "JSON is nested too deep");
    switch (token) {
    case JSON_OBJECT_BEGIN: return push_object(lua, json, how);
    case JSON_ARRAY_BEGIN: return push_array(lua, json, how);
    case JSON_STRING: push_span(lua, json->text); return true;
    case JSON_NUMBER: push_number(lua, json->text, how); return true;
    case JSON_TRUE: lua_pushboolean(lua, 1); return true;
    case JSON_FALSE: lua_pushboolean(lua, 0); return true;
    case JSON_NULL:
        if (how & JSON_KEEP_NULL)
            json_push_null(lua);
        else
            lua_pushnil(lua);
        return true;
    default: return false; /* JSON_ERROR: the reader knows more */
    }
}

bool json_push_text(lua_State *lua, struct script *script, struct span text, unsigned how)
{
    struct json *json = &script->reader;
    json_fini(json); /* what a thrown error may have left there */
    json_init(json, text.data, text.len);
    if (!json_push_value(lua, json, json_next(json), how))
        return false;
    // -- value
    if (json_next(json) == JSON_END)
        return true;
    lua_pop(lua, 1); // --
    return false;
}

const char *json_text_error(struct script *script)
{
    return json_error(&script->reader);
}

/* {null=true}: the only field of decode's second argument. */
static bool decode_keeps_null(lua_State *lua)
{
    bool keep = false;
    if (lua_isnoneornil(lua, 2))
        return false;
    luaL_checktype(lua, 2, LUA_TTABLE);
    lua_pushnil(lua); // -- key
    while (lua_next(lua, 2)) {
        // -- key value
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "[1]";
        if (strcmp(name, "null") != 0)
            throw_error(lua, "json.decode takes the field null, not '%.64s'", name);
        if (!lua_isboolean(lua, -1))
            throw_error(lua, "json.decode: null must be true or false, not %s",
                        value_kind(lua, -1));
        keep = lua_toboolean(lua, -1);
        lua_pop(lua, 1); // -- key
    }
    return keep;
}

int json_lua_decode(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TSTRING);
    bool keep_null = decode_keeps_null(lua);
    struct script *script = script_of(lua);
    if (json_push_text(lua, script, lua_span(lua, 1), keep_null ? JSON_KEEP_NULL : 0))
        return 1;
    lua_pushnil(lua);
    lua_pushstring(lua, json_text_error(script));
    return 2;
}

/* ---- one field of a text, as it stands ---- */

/* The text from the colon on, without it and the blanks around it. */
static struct span field_text(struct span text)
{
    while (text.len > 0 && strchr(" \t\r\n:", text.data[0]) && text.data[0])
        text = span_of(text.data + 1, text.len - 1);
    return text;
}

/* Of fields of the same name the last counts, as json.decode has it. */
int json_lua_field(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TSTRING);
    luaL_checktype(lua, 2, LUA_TSTRING);
    struct script *script = script_of(lua);
    struct span text = lua_span(lua, 1), name = lua_span(lua, 2), found = {0};
    struct json *json = &script->reader;
    json_fini(json);
    json_init(json, text.data, text.len);
    enum json_token token = json_next(json);
    bool object = token == JSON_OBJECT_BEGIN;
    while (object && (token = json_next(json)) == JSON_KEY) {
        bool same = json->text.len == name.len && memcmp(json->text.data, name.data, name.len) == 0;
        size_t from = (size_t)json_offset(json);
        if (json_next(json) == JSON_ERROR || !json_skip(json))
            break;
        if (same)
            found = field_text(span_of(text.data + from, (size_t)json_offset(json) - from));
    }
    bool whole = object && token == JSON_OBJECT_END && json_next(json) == JSON_END;
    if (whole && found.data)
        push_span(lua, found); // -- … field
    else
        lua_pushnil(lua); // -- … nil
    return 1;
}

/* ---- writing ---- */

/* What the fields of a table allow it to be. */
struct shape {
    size_t names, numbers; /* fields by the kind of their key */
    double highest;        /* number */
    struct span name;      /* one of the names */
};

enum shape_mark { MARK_NONE, MARK_ARRAY, MARK_OBJECT };

static enum shape_mark mark_of(lua_State *lua, struct walk *walk, int index)
{
    if (!lua_getmetatable(lua, index))
        return MARK_NONE;
    // -- meta
    slot_push(lua, SLOT_ARRAY_MARK);  // -- meta array
    slot_push(lua, SLOT_OBJECT_MARK); // -- meta array object
    enum shape_mark mark = lua_rawequal(lua, -3, -2)   ? MARK_ARRAY
                           : lua_rawequal(lua, -3, -1) ? MARK_OBJECT
                                                       : MARK_NONE;
    lua_pop(lua, 2);                 // -- meta
    lua_pushliteral(lua, "__index"); // -- meta name
    lua_rawget(lua, -2);             // -- meta lookup
    bool hides = !lua_isnil(lua, -1);
    lua_pop(lua, 2);                    // --
    lua_pushnil(lua);                   // -- nil
    bool empty = !lua_next(lua, index); // -- [key value]
    if (!empty)
        lua_pop(lua, 2); // --
    if (hides && empty)
        walk_throw(lua, walk, "a table that only stands for another (such as opts) cannot be JSON");
    return mark;
}

static struct shape shape_of(lua_State *lua, struct walk *walk, int index)
{
    struct shape shape = {0};
    lua_pushnil(lua); // -- key
    while (lua_next(lua, index)) {
        // -- key value
        lua_pop(lua, 1); // -- key
        if (lua_type(lua, -1) == LUA_TSTRING) {
            shape.names++;
            shape.name = lua_span(lua, -1);
        } else if (lua_type(lua, -1) == LUA_TNUMBER) {
            double number = lua_tonumber(lua, -1);
            if (number < 1 || !whole_number(number))
                walk_throw(lua, walk, "[%.17g] cannot be a place in a list", number);
            shape.numbers++;
            shape.highest = number > shape.highest ? number : shape.highest;
        } else {
            walk_throw(lua, walk, "%s cannot be the name of a field", value_kind(lua, -1));
        }
    }
    return shape;
}

static bool is_list(lua_State *lua, struct walk *walk, const struct shape *shape,
                    enum shape_mark mark)
{
    if (shape->numbers > 0 && (shape->names > 0 || mark == MARK_OBJECT))
        walk_throw(lua, walk, "a table with list elements and named fields%s%.*s cannot be JSON",
                   shape->names ? " such as " : "",
                   shape->name.len > 60 ? 60 : (int)shape->name.len,
                   shape->names ? shape->name.data : "");
    if (shape->names > 0 && mark == MARK_ARRAY)
        walk_throw(lua, walk, "a list (json.array) has the named field %.*s",
                   shape->name.len > 60 ? 60 : (int)shape->name.len, shape->name.data);
    if (shape->highest > (double)shape->numbers)
        walk_throw(lua, walk, "a list with holes: %zu elements, the last at %.17g", shape->numbers,
                   shape->highest);
    return shape->numbers > 0 || mark == MARK_ARRAY;
}

static void encode(lua_State *lua, struct script *script, struct walk *walk, int index,
                   struct buf *out);

static void encode_list(lua_State *lua, struct script *script, struct walk *walk, int index,
                        size_t count, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 1; i <= count && !out->full; i++) {
        if (i > 1)
            buf_add_char(out, ',');
        walk_number(walk, (double)i);
        lua_rawgeti(lua, index, (int)i); // -- element
        encode(lua, script, walk, lua_gettop(lua), out);
        lua_pop(lua, 1); // --
    }
    buf_add_char(out, ']');
}

static int compare_keys(const void *left, const void *right)
{
    const struct span *a = left, *b = right;
    size_t common = a->len < b->len ? a->len : b->len;
    int order = common ? memcmp(a->data, b->data, common) : 0;
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

/* Puts the table's names, sorted, on the script's key stack; they live in the table. */
static void sort_keys(lua_State *lua, struct script *script, int index, size_t count)
{
    if (count == 0)
        return;
    size_t need = script->key_count + count;
    if (need > script->key_cap) {
        script->key_cap = need * 2;
        script->keys = mem_resize(script->keys, script->key_cap, sizeof *script->keys);
    }
    struct span *first = script->keys + script->key_count;
    lua_pushnil(lua); // -- key
    while (lua_next(lua, index)) {
        // -- key value
        script->keys[script->key_count++] = lua_span(lua, -2);
        lua_pop(lua, 1); // -- key
    }
    qsort(first, count, sizeof *first, compare_keys);
}

static void encode_string(struct script *script, struct span text, struct buf *out);

static void encode_object(lua_State *lua, struct script *script, struct walk *walk, int index,
                          size_t count, struct buf *out)
{
    size_t base = script->key_count;
    sort_keys(lua, script, index, count);
    buf_add_char(out, '{');
    for (size_t i = 0; i < count && !out->full; i++) {
        struct span key = script->keys[base + i]; /* the stack may move meanwhile */
        if (i > 0)
            buf_add_char(out, ',');
        encode_string(script, key, out);
        buf_add_char(out, ':');
        walk_name(walk, key);
        push_span(lua, key);    // -- key
        lua_rawget(lua, index); // -- value
        encode(lua, script, walk, lua_gettop(lua), out);
        lua_pop(lua, 1); // --
    }
    buf_add_char(out, '}');
    script->key_count = base;
}

static void encode_table(lua_State *lua, struct script *script, struct walk *walk, int index,
                         struct buf *out)
{
    walk_enter(lua, walk, index);
    enum shape_mark mark = mark_of(lua, walk, index);
    struct shape shape = shape_of(lua, walk, index);
    if (is_list(lua, walk, &shape, mark))
        encode_list(lua, script, walk, index, shape.numbers, out);
    else
        encode_object(lua, script, walk, index, shape.names, out);
    walk_leave(walk);
}

/* Length of the UTF-8 sequence at `at`, 0 when it is none. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    static const unsigned char lows[] = {[0xE0] = 0xA0, [0xF0] = 0x90};
    static const unsigned char highs[] = {[0xED] = 0x9F, [0xF4] = 0x8F};
    unsigned char lead = at[0];
    if (lead < 0x80)
        return 1;
    size_t len = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || left < len)
        return 0;
    unsigned char low = lead < sizeof lows && lows[lead] ? lows[lead] : 0x80;
    unsigned char high = lead < sizeof highs && highs[lead] ? highs[lead] : 0xBF;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (at[i] < 0x80 || at[i] > 0xBF)
            return 0;
    return len;
}

static bool utf8_valid(struct span text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    for (size_t left = text.len; left > 0;) {
        size_t len = utf8_length(at, left);
        if (len == 0)
            return false;
        at += len;
        left -= len;
    }
    return true;
}

static void encode_string(struct script *script, struct span text, struct buf *out)
{
    if (!utf8_valid(text) && script->bad_utf8++ == 0)
        log_warn(script->log, "a script's text is not valid UTF-8; U+FFFD goes into the JSON in "
                              "place of the wrong bytes (said once)");
    json_write_string(out, text);
}

static void encode_number(lua_State *lua, struct walk *walk, double number, struct buf *out)
{
    if (!isfinite(number))
        walk_throw(lua, walk, "%s cannot be JSON", isnan(number) ? "NaN" : "an infinite number");
    json_write_number(out, number);
}

static bool is_exact(lua_State *lua, int index)
{
    if (lua_type(lua, index) != LUA_TUSERDATA || !lua_getmetatable(lua, index))
        return false;
    // -- meta
    slot_push(lua, SLOT_NUMBER_MARK); // -- meta mark
    bool exact = lua_rawequal(lua, -1, -2);
    lua_pop(lua, 2); // --
    return exact;
}

static void encode_other(lua_State *lua, struct walk *walk, int index, struct buf *out)
{
    char digits[32];
    int type = lua_type(lua, index);
    bool ffi = type > LUA_TTHREAD;
    if (json_is_null(lua, index))
        buf_add_text(out, "null");
    else if (is_exact(lua, index))
        buf_add(out, lua_touserdata(lua, index), lua_objlen(lua, index));
    else if (ffi && integer_text(lua, index, digits, sizeof digits))
        buf_add_text(out, digits);
    else
        walk_throw(lua, walk, "%s cannot be JSON", value_kind(lua, index));
}

static void encode(lua_State *lua, struct script *script, struct walk *walk, int index,
                   struct buf *out)
{
    switch (lua_type(lua, index)) {
    case LUA_TBOOLEAN: buf_add_text(out, lua_toboolean(lua, index) ? "true" : "false"); break;
    case LUA_TNUMBER: encode_number(lua, walk, lua_tonumber(lua, index), out); break;
    case LUA_TSTRING: encode_string(script, lua_span(lua, index), out); break;
    case LUA_TTABLE: encode_table(lua, script, walk, index, out); break;
    default: encode_other(lua, walk, index, out); break;
    }
}

void json_encode(lua_State *lua, struct script *script, int index, const char *root,
                 const char *option, struct buf *out)
{
    struct walk walk = {.root = root};
    script->key_count = 0;
    encode(lua, script, &walk, absolute(lua, index), out);
    if (out->full)
        throw_error(lua, "%s: its JSON is larger than %s%zu bytes", root, option, out->limit);
}

int json_lua_encode(lua_State *lua)
{
    luaL_checkany(lua, 1);
    struct script *script = script_of(lua);
    struct buf *text = &script->text;
    buf_clear(text);
    json_encode(lua, script, 1, "value", "", text);
    push_span(lua, buf_span(text)); // -- … json
    if (text->cap > TEXT_KEPT)
        buf_fini(text);
    return 1;
}

/* ---- marks ---- */

static int set_mark(lua_State *lua, enum slot mark)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    if (lua_getmetatable(lua, 1)) {
        // -- table meta
        slot_push(lua, SLOT_ARRAY_MARK);  // -- table meta array
        slot_push(lua, SLOT_OBJECT_MARK); // -- table meta array object
        if (!lua_rawequal(lua, -3, -2) && !lua_rawequal(lua, -3, -1))
            return luaL_argerror(lua, 1, "a table without a metatable is expected");
    }
    lua_settop(lua, 1);       // -- table
    slot_push(lua, mark);     // -- table mark
    lua_setmetatable(lua, 1); // -- table
    return 1;
}

int json_lua_array(lua_State *lua)
{
    return set_mark(lua, SLOT_ARRAY_MARK);
}

int json_lua_object(lua_State *lua)
{
    return set_mark(lua, SLOT_OBJECT_MARK);
}

static void open_mark(lua_State *lua, enum slot slot, const char *name)
{
    lua_newtable(lua);                    // -- mark
    lua_pushstring(lua, name);            // -- mark name
    lua_setfield(lua, -2, "__metatable"); // -- mark
    slot_take(lua, slot);                 // --
}

void json_open(lua_State *lua, struct script *script)
{
    buf_init(&script->text, TEXT_LIMIT);
    open_mark(lua, SLOT_ARRAY_MARK, "json.array");
    open_mark(lua, SLOT_OBJECT_MARK, "json.object");
    open_mark(lua, SLOT_NUMBER_MARK, "json number");
    lua_getglobal(lua, "tostring"); // -- tostring
    slot_take(lua, SLOT_TOSTRING);  // --
    lua_getglobal(lua, "require");  // -- require
    lua_pushliteral(lua, "ffi");    // -- require "ffi"
    lua_call(lua, 1, 1);            // -- ffi
    static const struct {
        enum slot slot;
        const char *type;
    } boxes[] = {{SLOT_INT64, "int64_t"}, {SLOT_UINT64, "uint64_t"}};
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
        lua_getfield(lua, -1, "typeof");    // -- ffi typeof
        lua_pushstring(lua, boxes[i].type); // -- ffi typeof name
        lua_call(lua, 1, 1);                // -- ffi constructor
        slot_take(lua, boxes[i].slot);      // -- ffi
    }
    lua_pop(lua, 1); // --
}
