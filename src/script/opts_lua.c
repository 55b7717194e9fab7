/* `opts`, the read-only table of the options: values stand in a hidden table behind it; what is not
 * there is either an option without a value (nil) or no option at all (an error). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "script/state.h"

enum { NAME_LIMIT = 64 };

/* ---- options by name ---- */

static const void *field_by_name(const struct opt_set *set, const char *name, enum opt_kind kind)
{
    const struct opt_row *row = set ? opt_find(set, name) : NULL;
    return row && row->type->kind == kind ? opt_field(set, row) : NULL;
}

const char *opts_text(const struct opt_set *set, const char *name)
{
    char *const *field = field_by_name(set, name, OPT_KIND_TEXT);
    return field ? *field : NULL;
}

const struct list *opts_list(const struct opt_set *set, const char *name)
{
    return field_by_name(set, name, OPT_KIND_LIST);
}

bool opts_flag(const struct opt_set *set, const char *name)
{
    const bool *field = field_by_name(set, name, OPT_KIND_FLAG);
    return field && *field;
}

bool opts_integer(const struct opt_set *set, const char *name, int64_t *value)
{
    const int64_t *field = field_by_name(set, name, OPT_KIND_INTEGER);
    const struct opt_row *row = field ? opt_find(set, name) : NULL;
    if (!row || row->type != &opt_integer || opt_origin(set, row) == OPT_UNSET)
        return false;
    *value = *field;
    return true;
}

/* ---- the table ---- */

/* Known whatever rows there are. */
static const char *const own_names[] = {"model", "endpoint", "model_type", "url", "dataset_path"};

static void lua_name(const char *name, char out[NAME_LIMIT])
{
    size_t i = 0;
    memset(out, 0, NAME_LIMIT);
    for (; i < NAME_LIMIT - 1 && name[i]; i++)
        out[i] = name[i] == '-' ? '_' : name[i];
}

static void push_list(lua_State *lua, const struct list *list)
{
    lua_createtable(lua, (int)list->count, 0); // -- list
    slot_push(lua, SLOT_ARRAY_MARK);           // -- list mark
    lua_setmetatable(lua, -2);                 // -- list
    for (size_t i = 0; i < list->count; i++) {
        lua_pushstring(lua, list->items[i]); // -- list text
        lua_rawseti(lua, -2, (int)i + 1);    // -- list
    }
}

static void push_numbers(lua_State *lua, const struct numbers *numbers)
{
    lua_createtable(lua, (int)numbers->count, 0); // -- list
    slot_push(lua, SLOT_ARRAY_MARK);              // -- list mark
    lua_setmetatable(lua, -2);                    // -- list
    for (size_t i = 0; i < numbers->count; i++) {
        lua_pushnumber(lua, numbers->items[i]); // -- list number
        lua_rawseti(lua, -2, (int)i + 1);       // -- list
    }
}

/* Whole numbers beyond 2^53 stay what they are. */
static void push_exact_integer(lua_State *lua, const char *digits)
{
    if (*digits == '-')
        integer_push_signed(lua, strtoll(digits, NULL, 10));
    else
        integer_push_unsigned(lua, strtoull(digits, NULL, 10));
}

void opt_push(lua_State *lua, const struct opt_set *set, const struct opt_row *row)
{
    const void *field = opt_field(set, row);
    switch (row->type->kind) {
    case OPT_KIND_FLAG: lua_pushboolean(lua, *(const bool *)field); break;
    case OPT_KIND_TEXT: lua_pushstring(lua, *(char *const *)field); break;
    case OPT_KIND_LIST: push_list(lua, field); break;
    case OPT_KIND_NUMBERS: push_numbers(lua, field); break;
    case OPT_KIND_INTEGER:
        if (row->type == &opt_integer) {
            integer_push_signed(lua, *(const int64_t *)field);
            break;
        }
        if (row->type == &opt_exact_integer) {
            push_exact_integer(lua, *(char *const *)field);
            break;
        }
        /* fall through */
    case OPT_KIND_NUMBER: lua_pushnumber(lua, row->type->number(field)); break;
    }
}

/* A row may have a value that no origin tells of: other options add to its list. */
static bool has_value(const struct opt_set *set, const struct opt_row *row)
{
    const void *field = opt_field(set, row);
    if (row->type->kind == OPT_KIND_LIST)
        return ((const struct list *)field)->count > 0;
    if (row->type->kind == OPT_KIND_NUMBERS)
        return ((const struct numbers *)field)->count > 0;
    if (row->type->kind == OPT_KIND_FLAG)
        return *(const bool *)field;
    return opt_origin(set, row) != OPT_UNSET;
}

static void fill(lua_State *lua, const struct opt_set *set)
{
    char name[NAME_LIMIT];
    for (size_t i = 0; i < set->count; i++) {
        if (!has_value(set, &set->rows[i]))
            continue;
        lua_name(set->rows[i].name, name);
        opt_push(lua, set, &set->rows[i]); // -- values value
        lua_setfield(lua, -2, name);       // -- values
    }
}

static void fill_text(lua_State *lua, const char *name, const char *text)
{
    if (text) {
        lua_pushstring(lua, text);   // -- values text
        lua_setfield(lua, -2, name); // -- values
    }
}

/* ---- what is not among the values ---- */

static void try_name(const char *known, const char *name, char nearest[NAME_LIMIT], unsigned *best)
{
    char spelt[NAME_LIMIT];
    lua_name(known, spelt);
    unsigned distance = word_distance(spelt, name);
    if (distance >= *best || distance >= strlen(name))
        return;
    *best = distance;
    memcpy(nearest, spelt, sizeof spelt);
}

/* The option that was most likely meant; false when none is close. */
static bool nearest_option(const struct opt_set *set, const char *name, char nearest[NAME_LIMIT])
{
    enum { FAR = 4 };
    unsigned best = FAR;
    for (size_t i = 0; set && i < set->count; i++)
        try_name(set->rows[i].name, name, nearest, &best);
    for (size_t i = 0; i < sizeof own_names / sizeof *own_names; i++)
        try_name(own_names[i], name, nearest, &best);
    return best < FAR;
}

static bool is_own_name(const char *name)
{
    for (size_t i = 0; i < sizeof own_names / sizeof *own_names; i++)
        if (strcmp(own_names[i], name) == 0)
            return true;
    return false;
}

/* __index of the values: (values, name) → nil, the value under the option's first name, or an
 * error. */
static int missing(lua_State *lua)
{
    const struct opt_set *set = script_of(lua)->opts;
    if (lua_type(lua, 2) != LUA_TSTRING)
        return luaL_error(lua, "opts is read by the names of options, not by %s",
                          value_kind(lua, 2));
    const char *name = lua_tostring(lua, 2);
    const struct opt_row *row = set ? opt_find(set, name) : NULL;
    char known[NAME_LIMIT];
    if (row) {
        lua_name(row->name, known);
        lua_pushstring(lua, known); // -- values name known
        lua_rawget(lua, 1);         // -- values name value
        return 1;
    }
    if (is_own_name(name))
        return 0;
    if (!nearest_option(set, name, known))
        return luaL_error(lua, "no option '%s'", name);
    return luaL_error(lua, "no option '%s' (did you mean '%s'?)", name, known);
}

static int refuse(lua_State *lua)
{
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?";
    return luaL_error(lua, "opts is read-only: '%s' cannot be set", name);
}

void opts_push(lua_State *lua, struct script *script)
{
    lua_newtable(lua); // -- opts
    lua_newtable(lua); // -- opts meta
    lua_newtable(lua); // -- opts meta values
    if (script->opts)
        fill(lua, script->opts);
    if (script->stream)
        lua_pushboolean(lua, 1); // -- opts meta values true
    else
        lua_pushnil(lua);            // -- opts meta values nil
    lua_setfield(lua, -2, "stream"); // -- opts meta values
    fill_text(lua, "url", script->url);
    fill_text(lua, "model", script->model);
    fill_text(lua, "dataset_path", script->data_path);
    lua_newtable(lua);                    // -- opts meta values rest
    lua_pushcfunction(lua, missing);      // -- opts meta values rest missing
    lua_setfield(lua, -2, "__index");     // -- opts meta values rest
    lua_setmetatable(lua, -2);            // -- opts meta values
    lua_setfield(lua, -2, "__index");     // -- opts meta
    lua_pushcfunction(lua, refuse);       // -- opts meta refuse
    lua_setfield(lua, -2, "__newindex");  // -- opts meta
    lua_pushliteral(lua, "opts");         // -- opts meta name
    lua_setfield(lua, -2, "__metatable"); // -- opts meta
    lua_setmetatable(lua, -2);            // -- opts
}
