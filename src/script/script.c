/* Opening and closing a script: the order in which its parts come to life. */
#include <stdlib.h>

#include <luajit.h>

#include "base/mem.h"
#include "script/state.h"

enum { SETUP_LIMIT = 64 * 1024 * 1024 };
#define MEMORY_DEFAULT ((size_t)1 << 30)
#define BODY_DEFAULT ((size_t)256 << 20)

static const char *prompt_of(const struct opt_set *opts)
{
    const struct opt_row *row = opts ? opt_find(opts, "prompt") : NULL;
    if (!row || row->type->kind != OPT_KIND_TEXT)
        return NULL;
    return *(char *const *)opt_field(opts, row);
}

static struct script *script_new(const struct script_config *config)
{
    struct script *script = MEM_NEW(struct script);
    script->role = config->role;
    script->opts = config->opts;
    script->log = config->log;
    script->secrets = config->secrets;
    script->seed = config->seed;
    script->memory_limit = config->memory_limit ? config->memory_limit : MEMORY_DEFAULT;
    script->body_limit = config->body_limit ? (size_t)config->body_limit : BODY_DEFAULT;
    script->model = mem_text(config->model);
    script->data_path = mem_text(config->data_path);
    script->prompt = prompt_of(config->opts);
    buf_init(&script->setup, SETUP_LIMIT);
    return script;
}

static void make_opts(lua_State *lua, struct script *script, void *arg)
{
    (void)arg;
    opts_push(lua, script);    // -- opts
    slot_take(lua, SLOT_OPTS); // --
}

static void run_setup(lua_State *lua, struct script *script, void *arg)
{
    (void)arg;
    slot_push(lua, SLOT_API);                          // -- api
    lua_getfield(lua, -1, "setup");                    // -- api setup
    slot_push(lua, SLOT_OPTS);                         // -- api setup opts
    lua_call(lua, 1, 1);                               // -- api result
    value_pack(lua, -1, "its result", &script->setup); // -- api result
    value_unpack(lua, buf_span(&script->setup));       // -- api result copy
    slot_take(lua, SLOT_SETUP);                        // -- api result
}

static bool open_composer(struct script *script, const struct script_config *config,
                          struct err *err)
{
    if (!target_open(script, config, err) || !state_run(script, NULL, make_opts, NULL, err))
        return false;
    if (script->facts.has_setup && !state_run(script, "setup", run_setup, NULL, err))
        return false;
    return items_open(script, err);
}

struct script *script_open(const struct script_config *config, struct err *err)
{
    struct script *script = script_new(config);
    bool ok = state_open(script, err) && load_scripts(script, config, err);
    if (ok && config->role == SCRIPT_COMPOSER)
        ok = open_composer(script, config, err);
    if (ok)
        return script;
    script_close(script);
    return NULL;
}

void script_close(struct script *script)
{
    if (!script)
        return;
    state_close(script);
    for (size_t i = 0; i < script->seen_count; i++)
        free(script->seen[i].path);
    free(script->seen);
    free(script->keys);
    json_fini(&script->reader);
    buf_fini(&script->text);
    buf_fini(&script->setup);
    list_fini(&script->texts);
    list_fini(&script->beside);
    list_fini(&script->host_headers);
    list_fini(&script->user_headers);
    free(script->url);
    free(script->model);
    free(script->data_path);
    free(script);
}

const struct script_facts *script_facts(const struct script *script)
{
    return &script->facts;
}

uint64_t script_malformed(const struct script *script)
{
    return script->malformed;
}

/* ---- what setup returned, from one state to the others ---- */

struct span script_setup_result(const struct script *script)
{
    return buf_span(&script->setup);
}

static void set_setup(lua_State *lua, struct script *script, void *arg)
{
    (void)script;
    const struct span *packed = arg;
    value_unpack(lua, *packed); // -- result
    slot_take(lua, SLOT_SETUP); // --
}

bool script_set_setup(struct script *script, struct span packed, struct err *err)
{
    return state_run(script, NULL, set_setup, &packed, err);
}

const char *script_library(void)
{
    return LUAJIT_VERSION;
}
