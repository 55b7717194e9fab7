#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "script/state.h"

/* One tag byte, then the value. Tables are key, value, key, value … TAG_END, which may follow in
 * place of any key. Numbers are in the machine's own order: the bytes never leave the process. */
enum tag {
    TAG_NIL = 'z',
    TAG_FALSE = 'f',
    TAG_TRUE = 't',
    TAG_NULL = '0', /* json.null */
    TAG_NUMBER = 'd',
    TAG_SIGNED = 'i',
    TAG_UNSIGNED = 'u',
    TAG_STRING = 's',
    TAG_TABLE = 'T',
    TAG_ARRAY = 'A', /* marked by json.array */
    TAG_OBJECT = 'O',
    TAG_END = 'e',
};

/* ---- packing ---- */

static void pack(lua_State *lua, struct walk *walk, int index, struct buf *out);

static void pack_string(lua_State *lua, int index, struct buf *out)
{
    struct span text = lua_span(lua, index);
    buf_add_char(out, TAG_STRING);
    buf_add(out, &text.len, sizeof text.len);
    buf_add_span(out, text);
}

static enum tag table_tag(lua_State *lua, int index)
{
    if (!lua_getmetatable(lua, index))
        return TAG_TABLE;
    // -- meta
    slot_push(lua, SLOT_ARRAY_MARK);  // -- meta array
    slot_push(lua, SLOT_OBJECT_MARK); // -- meta array object
    enum tag tag = lua_rawequal(lua, -3, -2)   ? TAG_ARRAY
                   : lua_rawequal(lua, -3, -1) ? TAG_OBJECT
                                               : TAG_TABLE;
    lua_pop(lua, 3); // --
    return tag;
}

static void walk_key(lua_State *lua, struct walk *walk, int index)
{
    if (lua_type(lua, index) == LUA_TSTRING)
        walk_name(walk, lua_span(lua, index));
    else if (lua_type(lua, index) == LUA_TNUMBER)
        walk_number(walk, lua_tonumber(lua, index));
    else
        walk_throw(lua, walk, "%s cannot be the name of a field", value_kind(lua, index));
}

static void pack_table(lua_State *lua, struct walk *walk, int index, struct buf *out)
{
    walk_enter(lua, walk, index);
    buf_add_char(out, (char)table_tag(lua, index));
    lua_pushnil(lua); // -- key
    while (lua_next(lua, index)) {
        // -- key value
        int top = lua_gettop(lua);
        walk_key(lua, walk, top - 1);
        pack(lua, walk, top - 1, out);
        pack(lua, walk, top, out);
        lua_pop(lua, 1); // -- key
        if (out->full)
            walk_throw(lua, walk, "more than %zu bytes of data", out->limit);
    }
    buf_add_char(out, TAG_END);
    walk_leave(walk);
}

static void pack_integer(lua_State *lua, struct walk *walk, int index, struct buf *out)
{
    char text[32];
    if (!integer_text(lua, index, text, sizeof text))
        walk_throw(lua, walk, "FFI data cannot go from one Lua state to another");
    buf_add_char(out, text[0] == '-' ? TAG_SIGNED : TAG_UNSIGNED);
    uint64_t bits = text[0] == '-' ? (uint64_t)strtoll(text, NULL, 10) : strtoull(text, NULL, 10);
    buf_add(out, &bits, sizeof bits);
}

static void pack(lua_State *lua, struct walk *walk, int index, struct buf *out)
{
    int type = lua_type(lua, index);
    if (type == LUA_TNIL) {
        buf_add_char(out, TAG_NIL);
    } else if (type == LUA_TBOOLEAN) {
        buf_add_char(out, lua_toboolean(lua, index) ? TAG_TRUE : TAG_FALSE);
    } else if (type == LUA_TNUMBER) {
        lua_Number number = lua_tonumber(lua, index);
        buf_add_char(out, TAG_NUMBER);
        buf_add(out, &number, sizeof number);
    } else if (type == LUA_TSTRING) {
        pack_string(lua, index, out);
    } else if (type == LUA_TTABLE) {
        pack_table(lua, walk, index, out);
    } else if (json_is_null(lua, index)) {
        buf_add_char(out, TAG_NULL);
    } else if (type == LUA_TFUNCTION || type == LUA_TTHREAD || type == LUA_TUSERDATA ||
               type == LUA_TLIGHTUSERDATA) {
        walk_throw(lua, walk, "%s cannot go from one Lua state to another; only plain data can",
                   value_kind(lua, index));
    } else {
        pack_integer(lua, walk, index, out);
    }
}

void value_pack(lua_State *lua, int index, const char *root, struct buf *out)
{
    struct walk walk = {.root = root};
    pack(lua, &walk, absolute(lua, index), out);
    if (out->full)
        walk_throw(lua, &walk, "more than %zu bytes of data", out->limit);
}

/* ---- unpacking ---- */

static void take(lua_State *lua, struct span *rest, void *out, size_t len)
{
    if (rest->len < len)
        throw_error(lua, "packed data ends too early");
    memcpy(out, rest->data, len);
    *rest = span_of(rest->data + len, rest->len - len);
}

static void unpack(lua_State *lua, struct span *rest, unsigned depth);

static void unpack_string(lua_State *lua, struct span *rest)
{
    size_t len = 0;
    take(lua, rest, &len, sizeof len);
    if (len > rest->len)
        throw_error(lua, "packed data ends too early");
    push_span(lua, span_of(rest->data, len)); // -- text
    *rest = span_of(rest->data + len, rest->len - len);
}

static void unpack_table(lua_State *lua, struct span *rest, char tag, unsigned depth)
{
    if (depth == WALK_DEPTH || !lua_checkstack(lua, 8))
        throw_error(lua, "packed data is nested too deep");
    lua_newtable(lua); // -- table
    if (tag != TAG_TABLE) {
        slot_push(lua, tag == TAG_ARRAY ? SLOT_ARRAY_MARK : SLOT_OBJECT_MARK); // -- table mark
        lua_setmetatable(lua, -2);                                             // -- table
    }
    while (rest->len > 0 && *rest->data != TAG_END) {
        unpack(lua, rest, depth + 1); // -- table key
        if (lua_isnil(lua, -1) ||
            (lua_type(lua, -1) == LUA_TNUMBER && isnan(lua_tonumber(lua, -1))))
            throw_error(lua, "packed data has a field without a name");
        unpack(lua, rest, depth + 1); // -- table key value
        lua_rawset(lua, -3);          // -- table
    }
    char end = 0;
    take(lua, rest, &end, 1);
}

static void unpack_number(lua_State *lua, struct span *rest, char tag)
{
    union {
        lua_Number number;
        int64_t negative;
        uint64_t positive;
    } value;
    take(lua, rest, &value, sizeof value);
    if (tag == TAG_NUMBER)
        lua_pushnumber(lua, value.number);
    else if (tag == TAG_SIGNED)
        integer_push_signed(lua, value.negative);
    else
        integer_push_unsigned(lua, value.positive);
}

static void unpack(lua_State *lua, struct span *rest, unsigned depth)
{
    char tag = 0;
    take(lua, rest, &tag, 1);
    switch (tag) {
    case TAG_NIL: lua_pushnil(lua); break;
    case TAG_FALSE: lua_pushboolean(lua, 0); break;
    case TAG_TRUE: lua_pushboolean(lua, 1); break;
    case TAG_NULL: json_push_null(lua); break;
    case TAG_NUMBER:
    case TAG_SIGNED:
    case TAG_UNSIGNED: unpack_number(lua, rest, tag); break;
    case TAG_STRING: unpack_string(lua, rest); break;
    case TAG_TABLE:
    case TAG_ARRAY:
    case TAG_OBJECT: unpack_table(lua, rest, tag, depth); break;
    default: throw_error(lua, "packed data has an unknown tag %d", tag);
    }
}

void value_unpack(lua_State *lua, struct span packed)
{
    if (packed.len == 0) {
        lua_pushnil(lua);
        return;
    }
    struct span rest = packed;
    unpack(lua, &rest, 0);
    if (rest.len > 0)
        throw_error(lua, "packed data has %zu bytes too many", rest.len);
}
