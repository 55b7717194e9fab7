/* The module `shared`. */
#include "script/modules.h"
#include "script/shared.h"
#include "script/state.h"

static int give(lua_State *lua, const char *function, enum shared_kind kind, double value)
{
    struct err err;
    double now = 0;
    struct span name = lua_span(lua, 1);
    if (!shared_give(script_of(lua)->shared, name, kind, value, &now, &err))
        throw_error(lua, "shared.%s: %s", function, err.text);
    lua_pushnumber(lua, now); // -- value
    return 1;
}

/* A number written as a string is a slip that would show nowhere else. */
static void check_arguments(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TSTRING);
    luaL_checktype(lua, 2, LUA_TNUMBER);
}

int shared_lua_add(lua_State *lua)
{
    if (lua_isnoneornil(lua, 2)) {
        luaL_checktype(lua, 1, LUA_TSTRING);
        return give(lua, "add", SHARED_SUM, 1);
    }
    check_arguments(lua);
    return give(lua, "add", SHARED_SUM, lua_tonumber(lua, 2));
}

int shared_lua_max(lua_State *lua)
{
    check_arguments(lua);
    return give(lua, "max", SHARED_MAX, lua_tonumber(lua, 2));
}

int shared_lua_min(lua_State *lua)
{
    check_arguments(lua);
    return give(lua, "min", SHARED_MIN, lua_tonumber(lua, 2));
}

int shared_lua_get(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TSTRING);
    lua_pushnumber(lua, shared_value(script_of(lua)->shared, lua_span(lua, 1))); // -- value
    return 1;
}

void shared_push(lua_State *lua, const struct counter *counters, size_t count)
{
    lua_createtable(lua, 0, (int)count); // -- shared
    for (size_t i = 0; i < count; i++) {
        lua_pushnumber(lua, counters[i].value);  // -- shared value
        lua_setfield(lua, -2, counters[i].name); // -- shared
    }
}
