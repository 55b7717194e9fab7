/* The bundled modules, registered from the contract's rows, and the prelude over them. */
#include "script/modules.h"

#include <stdio.h>
#include <string.h>

#include "base/embedded.h"
#include "script/state.h"

/* -- package.loaded["json"], made when it is missing */
static void push_module(lua_State *lua, const char *name, size_t len)
{
    lua_getglobal(lua, "package");   // -- package
    lua_getfield(lua, -1, "loaded"); // -- package loaded
    lua_remove(lua, -2);             // -- loaded
    lua_pushlstring(lua, name, len); // -- loaded name
    lua_rawget(lua, -2);             // -- loaded module
    if (lua_isnil(lua, -1)) {
        lua_pop(lua, 1);                 // -- loaded
        lua_newtable(lua);               // -- loaded module
        lua_pushlstring(lua, name, len); // -- loaded module name
        lua_pushvalue(lua, -2);          // -- loaded module name module
        lua_rawset(lua, -4);             // -- loaded module
    }
    lua_remove(lua, -2); // -- module
}

static void register_functions(lua_State *lua)
{
    const struct script_word *word;
    for (size_t i = 0; (word = script_word_at(i)); i++) {
        const char *dot = strchr(word->name, '.');
        if (word->kind != WORD_MODULE)
            continue;
        if (!dot) {
            lua_pushcfunction(lua, word->function); // -- function
            lua_setglobal(lua, word->name);         // --
            continue;
        }
        push_module(lua, word->name, (size_t)(dot - word->name)); // -- module
        if (word->function) {
            lua_pushcfunction(lua, word->function); // -- module function
            lua_setfield(lua, -2, dot + 1);         // -- module
        }
        lua_pop(lua, 1); // --
    }
    push_module(lua, "json", 4);   // -- json
    json_push_null(lua);           // -- json null
    lua_setfield(lua, -2, "null"); // -- json
    lua_pop(lua, 1);               // --
}

/* require looks at what is loaded, then asks require_find; never the working directory. */
static void open_require(lua_State *lua)
{
    lua_getglobal(lua, "package");        // -- package
    lua_createtable(lua, 2, 0);           // -- package loaders
    lua_getfield(lua, -2, "loaders");     // -- package loaders old
    lua_rawgeti(lua, -1, 1);              // -- package loaders old preload
    lua_rawseti(lua, -3, 1);              // -- package loaders old
    lua_pop(lua, 1);                      // -- package loaders
    lua_pushcfunction(lua, require_find); // -- package loaders find
    lua_rawseti(lua, -2, 2);              // -- package loaders
    lua_setfield(lua, -2, "loaders");     // -- package
    static const char *const paths[] = {"path", "cpath"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        lua_pushliteral(lua, "");        // -- package ""
        lua_setfield(lua, -2, paths[i]); // -- package
    }
    lua_pop(lua, 1); // --
}

/* write(level, text): what the prelude builds log.* and print from. */
static int log_lua_write(lua_State *lua)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {
        {"debug", LOG_DEBUG},
        {"info", LOG_INFO},
        {"warn", LOG_WARN},
        {"error", LOG_ERROR},
    };
    const char *name = luaL_checkstring(lua, 1);
    const char *text = luaL_checkstring(lua, 2);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(levels[i].name, name) != 0)
            continue;
        log_write(script_of(lua)->log, levels[i].level, "%s", text);
        return 0;
    }
    return luaL_argerror(lua, 1, "a log level is expected");
}

static void run_prelude(lua_State *lua, struct script *script)
{
    const struct embedded_file *prelude =
        embedded_find(embedded_lua_files, embedded_lua_file_count, "llmbench.lua");
    if (!prelude)
        throw_error(lua, "llmbench.lua is missing from this program");
    if (luaL_loadbufferx(lua, (const char *)prelude->data, prelude->len, "=builtin:llmbench.lua",
                         "t") != 0)
        lua_error(lua);
    // -- prelude
    lua_pushcfunction(lua, log_lua_write);         // -- prelude write
    lua_pushnumber(lua, (lua_Number)script->seed); // -- prelude write seed
    lua_pushcfunction(lua, random_lua_generator);  // -- prelude write seed generator
    lua_pushcfunction(lua, guard_lua_check);       // -- prelude write seed generator guard
    lua_call(lua, 4, 0);                           // --
}

/* Throws: what a script looks up in a module and does not find is a mistake; a nil would only show
 * when it is called. (module, key) */
static int unknown_name(lua_State *lua)
{
    const char *module = lua_tostring(lua, lua_upvalueindex(1));
    if (lua_type(lua, 2) != LUA_TSTRING)
        return 0;
    const char *name = lua_pushfstring(lua, "%s.%s", module, lua_tostring(lua, 2));
    const char *nearest = script_word_nearest(WORD_MODULE, name);
    if (nearest)
        throw_error(lua, "the module '%s' has no '%s' (did you mean '%s'?)", module,
                    lua_tostring(lua, 2), strchr(nearest, '.') + 1);
    throw_error(lua, "the module '%s' has no '%s'; --help=lua shows what it has", module,
                lua_tostring(lua, 2));
}

static void close_modules(lua_State *lua)
{
    const struct script_word *word;
    for (size_t i = 0; (word = script_word_at(i)); i++) {
        const char *dot = strchr(word->name, '.');
        if (word->kind != WORD_MODULE || !dot)
            continue;
        size_t len = (size_t)(dot - word->name);
        push_module(lua, word->name, len); // -- module
        lua_createtable(lua, 0, 1);        // -- module meta
        lua_pushlstring(lua, word->name, len);
        lua_pushcclosure(lua, unknown_name, 1); // -- module meta function
        lua_setfield(lua, -2, "__index");       // -- module meta
        lua_setmetatable(lua, -2);              // -- module
        lua_pop(lua, 1);                        // --
    }
}

void modules_open(lua_State *lua, struct script *script)
{
    json_open(lua, script);
    dataset_open(lua);
    register_functions(lua);
    open_require(lua);
    guard_functions(lua);
    run_prelude(lua, script);
    close_modules(lua);
}
