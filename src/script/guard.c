/* The C stack. LuaJIT bounds Lua's stack but not how deep its own C functions call Lua that calls
 * them again: string.gsub in its own callback takes nine kilobytes a level and would end the
 * program. So functions that do look first whether there is room. */
#include <sys/resource.h>

#include "script/modules.h"
#include "script/state.h"

static const size_t STACK_MOST = (size_t)4 << 20;

static const char *stack_here(void)
{
    return __builtin_frame_address(0);
}

void guard_open(struct script *script)
{
    struct rlimit limit;
    script->stack_most = STACK_MOST;
    /* threads have as much as this allows the first one */
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur / 2 < STACK_MOST)
        script->stack_most = (size_t)limit.rlim_cur / 2;
}

void guard_begin(struct script *script)
{
    script->stack_base = stack_here();
}

void guard_check(lua_State *lua)
{
    const struct script *script = script_of(lua);
    if ((size_t)(script->stack_base - stack_here()) > script->stack_most)
        throw_error(lua, "stack overflow: too many calls inside one another");
}

int guard_lua_check(lua_State *lua)
{
    guard_check(lua);
    return 0;
}

static int guarded(lua_State *lua)
{
    guard_check(lua);
    return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
}

void guard_functions(lua_State *lua)
{
    static const struct {
        const char *library, *name;
    } calling[] = {{"string", "gsub"}, {"table", "sort"}};
    for (size_t i = 0; i < sizeof calling / sizeof *calling; i++) {
        lua_getglobal(lua, calling[i].library); // -- library
        lua_getfield(lua, -1, calling[i].name); // -- library function
        lua_pushcclosure(lua, guarded, 1);      // -- library guarded
        lua_setfield(lua, -2, calling[i].name); // -- library
        lua_pop(lua, 1);                        // --
    }
}
