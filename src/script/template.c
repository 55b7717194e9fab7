/* Query templates: %m and %p in every string value of a tree, and the module `template` over it. */
#include <string.h>

#include "script/modules.h"
#include "script/state.h"

/* ---- looking ---- */

static bool holds(struct span text, char mark)
{
    for (size_t i = 0; i + 1 < text.len; i++)
        if (text.data[i] == '%' && text.data[i + 1] == mark)
            return true;
    return false;
}

static void step_to(lua_State *lua, struct walk *walk, int key)
{
    if (lua_type(lua, key) == LUA_TSTRING)
        walk_name(walk, lua_span(lua, key));
    else
        walk_number(walk, lua_tonumber(lua, key));
}

static bool look(lua_State *lua, struct walk *walk, int index, char mark)
{
    if (lua_type(lua, index) == LUA_TSTRING)
        return holds(lua_span(lua, index), mark);
    if (!lua_istable(lua, index))
        return false;
    bool found = false;
    walk_enter(lua, walk, index);
    lua_pushnil(lua); // -- key
    while (!found && lua_next(lua, index)) {
        // -- key value
        int value = lua_gettop(lua);
        step_to(lua, walk, value - 1);
        found = look(lua, walk, value, mark);
        lua_pop(lua, found ? 2 : 1); // -- [key]
    }
    walk_leave(walk);
    return found;
}

bool template_has(lua_State *lua, int index, char mark)
{
    struct walk walk = {.root = "template"};
    return look(lua, &walk, absolute(lua, index), mark);
}

/* ---- filling ---- */

/* What stands for "%x"; NULL data: nothing does. */
static struct span value_of(const struct fill *fill, char mark)
{
    return mark == 'm' ? fill->model : mark == 'p' ? fill->prompt : span_of(NULL, 0);
}

/* One pass, so that a "%m" within the prompt stays what it is. -- filled */
static void push_text(lua_State *lua, struct script *script, struct walk *walk, struct span text,
                      const struct fill *fill)
{
    struct buf *out = &script->text;
    buf_clear(out);
    for (size_t i = 0; i < text.len; i++) {
        struct span value = span_of(NULL, 0);
        if (text.data[i] == '%' && i + 1 < text.len)
            value = value_of(fill, text.data[i + 1]);
        if (value.data) {
            buf_add_span(out, value);
            i++;
        } else {
            buf_add_char(out, text.data[i]);
        }
        if (out->full || out->len > script->limits.body)
            walk_throw(lua, walk, "filled in, it is larger than --max-request-bytes, %zu",
                       script->limits.body);
    }
    push_span(lua, buf_span(out)); // -- filled
}

static void push_filled(lua_State *lua, struct script *script, struct walk *walk, int index,
                        const struct fill *fill);

static void push_table(lua_State *lua, struct script *script, struct walk *walk, int index,
                       const struct fill *fill)
{
    walk_enter(lua, walk, index);
    lua_newtable(lua); // -- copy
    int copy = lua_gettop(lua);
    if (lua_getmetatable(lua, index))
        lua_setmetatable(lua, copy);
    lua_pushnil(lua); // -- copy key
    while (lua_next(lua, index)) {
        // -- copy key value
        step_to(lua, walk, copy + 1);
        push_filled(lua, script, walk, copy + 2, fill); // -- copy key value filled
        lua_pushvalue(lua, copy + 1);                   // -- copy key value filled key
        lua_insert(lua, -2);                            // -- copy key value key filled
        lua_rawset(lua, copy);                          // -- copy key value
        lua_pop(lua, 1);                                // -- copy key
    }
    walk_leave(walk);
}

static void push_filled(lua_State *lua, struct script *script, struct walk *walk, int index,
                        const struct fill *fill)
{
    struct span text = span_of(NULL, 0);
    if (lua_type(lua, index) == LUA_TSTRING)
        text = lua_span(lua, index);
    if (lua_istable(lua, index))
        push_table(lua, script, walk, index, fill); // -- copy
    else if (memchr(text.data ? text.data : "", '%', text.len))
        push_text(lua, script, walk, text, fill); // -- filled
    else
        lua_pushvalue(lua, index); // -- value
}

void template_push(lua_State *lua, struct script *script, int index, const struct fill *fill)
{
    struct walk walk = {.root = "template"};
    push_filled(lua, script, &walk, absolute(lua, index), fill); // -- copy
}

/* ---- the module ---- */

/* The field stays on the stack, so that its text lives. */
static struct span field_text(lua_State *lua, const char *name)
{
    lua_getfield(lua, 2, name); // -- text
    if (lua_isnil(lua, -1))
        return span_of(NULL, 0);
    if (lua_type(lua, -1) != LUA_TSTRING)
        throw_error(lua, "template.fill: '%s' must be a string, not %s", name, value_kind(lua, -1));
    return lua_span(lua, -1);
}

int template_lua_fill(lua_State *lua)
{
    luaL_checkany(lua, 1);
    luaL_checktype(lua, 2, LUA_TTABLE);
    lua_settop(lua, 2); // -- value texts
    lua_pushnil(lua);   // -- value texts key
    while (lua_next(lua, 2)) {
        // -- value texts key text
        const char *name = lua_type(lua, 3) == LUA_TSTRING ? lua_tostring(lua, 3) : "";
        if (strcmp(name, "m") != 0 && strcmp(name, "p") != 0)
            throw_error(lua, "template.fill: there are 'm' and 'p' to be filled in, not '%s'",
                        name);
        lua_pop(lua, 1); // -- value texts key
    }
    struct fill fill = {.model = field_text(lua, "m"), .prompt = field_text(lua, "p")};
    template_push(lua, script_of(lua), 1, &fill); // -- … copy
    return 1;
}
