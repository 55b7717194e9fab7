#include "script/experiment.h"

#include <luajit.h>
#include <stdlib.h>
#include <string.h>

#include "base/embedded.h"
#include "base/mem.h"
#include "model/report.h"
#include "script/find.h"
#include "script/state.h"
#include "script/summary_lua.h"

/* Lua instructions between two looks for a signal: well under a millisecond. */
enum { LOOK_EVERY = 20000 };

static const struct experiment_host *host_of(lua_State *lua)
{
    return script_of(lua)->host;
}

/* ---- what bench.lua is built from ---- */

/* -- nil message */
static int refused(lua_State *lua, const struct err *err)
{
    lua_pushnil(lua);
    lua_pushstring(lua, err->text);
    return 2;
}

/* run(json): a summary for each stage, or nil and a message */
static int host_run(lua_State *lua)
{
    struct err err = {0};
    const struct reports *reports = NULL;
    luaL_checktype(lua, 1, LUA_TSTRING);
    if (!host_of(lua)->run(host_of(lua)->arg, lua_span(lua, 1), &reports, &err))
        return refused(lua, &err);
    luaL_checkstack(lua, (int)reports->count + LUA_MINSTACK, "too many stages in one run");
    for (size_t i = 0; i < reports->count; i++)
        summary_push(lua, &reports->items[i]);
    return (int)reports->count;
}

static int host_print(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TSTRING);
    host_of(lua)->print(host_of(lua)->arg, lua_span(lua, 1));
    return 0;
}

/* write(path, text, replace): true, or nil and a message */
static int host_write(lua_State *lua)
{
    struct err err;
    const char *path = luaL_checkstring(lua, 1);
    luaL_checktype(lua, 2, LUA_TSTRING);
    if (!host_of(lua)->write(host_of(lua)->arg, path, lua_span(lua, 2), lua_toboolean(lua, 3),
                             &err))
        return refused(lua, &err);
    lua_pushboolean(lua, 1);
    return 1;
}

static void options_taken(lua_State *lua, struct script *script, struct script_options *own)
{
    lua_pushfstring(lua, "Options of %s", script->facts.api_name); // -- group
    option_rows_take(lua, 1, "bench.options", lua_tostring(lua, -1), script->opts, own);
    lua_pop(lua, 1); // --
}

/* options(rows): all options by name, or nil and a message. What is wrong with a row is thrown. */
static int host_options(lua_State *lua)
{
    struct err err = {0};
    struct script *script = script_of(lua);
    const struct experiment_host *host = script->host;
    luaL_checktype(lua, 1, LUA_TTABLE);
    options_taken(lua, script, host->own);
    if (!host->options(host->arg, &script->opts, &err))
        return refused(lua, &err);
    opts_push(lua, script); // -- opts
    return 1;
}

/* distance(a, b): how many letters must change to make one text of the other */
static int host_distance(lua_State *lua)
{
    lua_pushinteger(lua, word_distance(luaL_checkstring(lua, 1), luaL_checkstring(lua, 2)));
    return 1;
}

static const luaL_Reg host_functions[] = {
    {"run", host_run},     {"options", host_options},   {"print", host_print},
    {"write", host_write}, {"distance", host_distance}, {NULL, NULL},
};

/* ---- opening ---- */

/* The names of the statistics, for bench.lua's checks: as a set. */
static void set_statistics(lua_State *lua)
{
    // -- host
    lua_newtable(lua); // -- host names
    for (int i = 0; i < STATISTICS; i++) {
        const char *name = statistic_name((enum statistic)i);
        lua_pushboolean(lua, 1);     // -- host names true
        lua_setfield(lua, -2, name); // -- host names
    }
    lua_setfield(lua, -2, "statistics"); // -- host
}

/* package.loaded.bench, made by bench.lua. */
static void open_bench(lua_State *lua, struct script *script, void *arg)
{
    (void)script;
    source_push(lua, arg); // -- chunk
    lua_newtable(lua);     // -- chunk host
    for (const luaL_Reg *function = host_functions; function->name; function++) {
        lua_pushcfunction(lua, function->func); // -- chunk host function
        lua_setfield(lua, -2, function->name);  // -- chunk host
    }
    set_statistics(lua);             // -- chunk host
    lua_call(lua, 1, 1);             // -- bench
    lua_getglobal(lua, "package");   // -- bench package
    lua_getfield(lua, -1, "loaded"); // -- bench package loaded
    lua_pushvalue(lua, -3);          // -- bench package loaded bench
    lua_setfield(lua, -2, "bench");  // -- bench package loaded
}

/* A signal ends whatever Lua does. The next instruction throws again, so that catching the error
 * does not help. */
static void look_for_signals(lua_State *lua, lua_Debug *frame)
{
    (void)frame;
    if (!host_of(lua)->interrupted(host_of(lua)->arg))
        return;
    lua_sethook(lua, look_for_signals, LUA_MASKCOUNT, 1);
    throw_plain(lua, "interrupted");
}

/* Compiled code looks for nothing, so this state is interpreted: it has no work that hurries. */
static void watch_signals(lua_State *lua, struct script *script, void *arg)
{
    (void)script;
    (void)arg;
    luaJIT_setmode(lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_sethook(lua, look_for_signals, LUA_MASKCOUNT, LOOK_EVERY);
}

static void load_chunk(lua_State *lua, struct script *script, void *arg)
{
    (void)script;
    source_push(lua, arg);           // -- chunk
    slot_take(lua, SLOT_EXPERIMENT); // --
}

static bool open_state(struct script *script, struct source *source, struct err *err)
{
    struct source bench = {0};
    bool ok = state_open(script, NULL, err) && source_builtin(&bench, "bench.lua", err) &&
              state_run(script, NULL, open_bench, &bench, err) &&
              state_run(script, NULL, load_chunk, source, err) &&
              state_run(script, NULL, watch_signals, NULL, err);
    source_fini(&bench);
    return ok;
}

struct script *experiment_open(const char *name, const struct experiment_host *host,
                               const struct script_config *config, struct err *err)
{
    struct source source = {0};
    struct script_config plain = *config;
    plain.opts = NULL;
    struct script *script = script_new(&plain);
    script->opts = config->opts; /* names alone, until the command line is read */
    script->host = host;
    script->may_block = true;
    bool ok = source_find(&source, "experiments", "experiment", name, err);
    if (ok && source.folder)
        list_add(&script->beside, source.folder);
    list_add(&script->texts, source.name ? source.name : name);
    script->facts.api_name = script->texts.items[0];
    ok = ok && open_state(script, &source, err);
    source_fini(&source);
    if (ok)
        return script;
    script_close(script);
    return NULL;
}

static void run_chunk(lua_State *lua, struct script *script, void *arg)
{
    (void)script;
    (void)arg;
    slot_push(lua, SLOT_EXPERIMENT); // -- chunk
    lua_call(lua, 0, 0);             // --
}

bool experiment_run(struct script *script, struct err *err)
{
    return state_run(script, NULL, run_chunk, NULL, err);
}
