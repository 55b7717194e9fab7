/* Opening and closing a script: the order in which its parts come to life. */
#include <stdlib.h>

#include <luajit.h>

#include "base/clock.h"
#include "base/mem.h"
#include "script/find.h"
#include "script/state.h"

enum { SETUP_LIMIT = 64 * 1024 * 1024 };
#define MEMORY_DEFAULT ((size_t)1 << 30)
#define BODY_DEFAULT ((size_t)256 << 20)
#define ROW_DEFAULT ((size_t)64 << 20)
#define ANSWER_DEFAULT ((size_t)64 << 20)

/* What the options say of prompts. */
static void take_prompt_options(struct script *script)
{
    int64_t length = 0;
    const struct opt_set *opts = script->opts;
    script->prompt = opts_text(opts, "prompt");
    script->prompt_max = UINT64_MAX;
    if (opts_integer(opts, "min-prompt-length", &length))
        script->prompt_min = (uint64_t)length;
    if (opts_integer(opts, "max-prompt-length", &length))
        script->prompt_max = (uint64_t)length;
    script->prompt_tokens_max = UINT64_MAX;
    if (opts_integer(opts, "min-prompt-tokens", &length))
        script->prompt_tokens_min = (uint64_t)length;
    if (opts_integer(opts, "max-prompt-tokens", &length))
        script->prompt_tokens_max = (uint64_t)length;
    bool known = opts && opt_find(opts, "apply-chat-template");
    script->raw_prompts = known && !opts_flag(opts, "apply-chat-template");
}

static void take_limits(struct script_limits *limits, const struct script_limits *given)
{
    *limits = (struct script_limits){
        .body = given->body ? given->body : BODY_DEFAULT,
        .row = given->row ? given->row : ROW_DEFAULT,
        .head = given->head ? given->head : EXCHANGE_HEAD_MOST,
        .answer = given->answer ? given->answer : ANSWER_DEFAULT,
    };
}

struct script *script_new(const struct script_config *config)
{
    struct script *script = MEM_NEW(struct script);
    script->role = config->role;
    script->pace = config->pace;
    script->opts = config->opts;
    script->log = config->log;
    script->secrets = config->secrets;
    script->seed = config->seed;
    script->own_shared = config->shared ? NULL : shared_new();
    script->shared = config->shared ? config->shared : script->own_shared;
    rng_init(&script->random, config->seed ^ (uint64_t)config->role);
    script->services = config->services;
    script->memory_limit = config->memory_limit ? config->memory_limit : MEMORY_DEFAULT;
    take_limits(&script->limits, &config->limits);
    script->model = mem_text(config->model);
    script->data_path = mem_text(config->data_path);
    take_prompt_options(script);
    buf_init(&script->setup, SETUP_LIMIT);
    return script;
}

static void make_opts(lua_State *lua, struct script *script, void *arg)
{
    (void)arg;
    opts_push(lua, script);    // -- opts
    slot_take(lua, SLOT_OPTS); // --
}

/* ---- setup and refresh ---- */

/* Setup and refresh may have changed it, so it is read again after each. */
static void take_refresh_every(lua_State *lua, struct script *script)
{
    slot_push(lua, SLOT_API);               // -- api
    lua_getfield(lua, -1, "refresh");       // -- api refresh
    lua_getfield(lua, -2, "refresh_every"); // -- api refresh seconds
    bool has_hook = !lua_isnil(lua, -2), has_time = !lua_isnil(lua, -1);
    const char *there = has_hook ? "refresh" : "refresh_every";
    const char *where = place_in(script, there, script->facts.api_where);
    if (has_time)
        word_check(lua, script_word_find(WORD_API, "refresh_every"), where);
    if (has_hook != has_time)
        throw_error(lua, "%s: '%s' is there without '%s'", where, there,
                    has_hook ? "refresh_every" : "refresh");
    script->refresh_every_ns = (uint64_t)(lua_tonumber(lua, -1) * (double)NS_PER_S);
    script->refresh_due_ns = clock_now_ns() + script->refresh_every_ns;
    lua_pop(lua, 3); // --
}

static void only_refresh_every(lua_State *lua, struct script *script, void *arg)
{
    (void)arg;
    take_refresh_every(lua, script);
}

static void run_refresh(lua_State *lua, struct script *script, void *arg)
{
    struct buf *packed = arg;
    slot_push(lua, SLOT_API); // -- api
    int base = lua_gettop(lua);
    lua_getfield(lua, -1, "refresh");                    // -- api refresh
    lua_createtable(lua, 0, 1);                          // -- api refresh ctx
    slot_push(lua, SLOT_SETUP);                          // -- api refresh ctx setup
    lua_setfield(lua, -2, "setup");                      // -- api refresh ctx
    slot_push(lua, SLOT_OPTS);                           // -- api refresh ctx opts
    lua_call(lua, 2, LUA_MULTRET);                       // -- api result…
    results_keep(lua, base, 1, "one value, plain data"); // -- api result
    if (!lua_isnil(lua, -1)) {
        value_pack(lua, -1, "its result", packed); // -- api result
        value_unpack(lua, buf_span(packed));       // -- api result copy
        slot_take(lua, SLOT_SETUP);                // -- api result
    }
    take_refresh_every(lua, script); // -- api result
}

static bool run_blocking(struct script *script, const char *hook, script_job_fn *job, void *arg,
                         struct err *err)
{
    script->may_block = true;
    bool ok = state_run(script, hook, job, arg, err);
    script->may_block = false;
    return ok;
}

void script_refresh(struct script *script)
{
    struct err err;
    struct buf packed;
    if (!script->refresh_every_ns || clock_now_ns() < script->refresh_due_ns)
        return;
    buf_init(&packed, SETUP_LIMIT);
    if (!run_blocking(script, "refresh", run_refresh, &packed, &err)) {
        log_error(script->log, "%s\nwhat setup or an earlier refresh returned stays in use",
                  err.text);
        script->refresh_due_ns = clock_now_ns() + script->refresh_every_ns;
    }
    buf_fini(&packed);
}

static void run_setup(lua_State *lua, struct script *script, void *arg)
{
    (void)arg;
    slot_push(lua, SLOT_API); // -- api
    int base = lua_gettop(lua);
    lua_getfield(lua, -1, "setup");                      // -- api setup
    slot_push(lua, SLOT_OPTS);                           // -- api setup opts
    lua_call(lua, 1, LUA_MULTRET);                       // -- api result…
    results_keep(lua, base, 1, "one value, plain data"); // -- api result
    value_pack(lua, -1, "its result", &script->setup);   // -- api result
    value_unpack(lua, buf_span(&script->setup));         // -- api result copy
    slot_take(lua, SLOT_SETUP);                          // -- api result
}

/* ---- opening ---- */

static bool open_composer(struct script *script, const struct script_config *config,
                          struct err *err)
{
    if (!target_open(script, config, err) || !state_run(script, NULL, merge_read, NULL, err) ||
        !state_run(script, NULL, make_opts, NULL, err))
        return false;
    if (script->facts.has_setup && !config->no_setup &&
        !run_blocking(script, "setup", run_setup, NULL, err))
        return false;
    return state_run(script, NULL, only_refresh_every, NULL, err) && items_open(script, err);
}

static void take_options_of(lua_State *lua, const struct script *script, enum slot slot,
                            struct script_options *out)
{
    bool api = slot == SLOT_API;
    const char *name = api ? script->facts.api_name : script->facts.dataset_name;
    slot_push(lua, slot);             // -- script
    lua_getfield(lua, -1, "options"); // -- script options
    if (!lua_isnil(lua, -1)) {
        lua_pushfstring(lua, "Options of %s", name); // -- script options group
        const char *where = api ? script->facts.api_where : script->facts.dataset_where;
        option_rows_take(lua, -2, place_in(script, "options", where), lua_tostring(lua, -1),
                         script->opts, out);
        lua_pop(lua, 1); // -- script options
    }
    lua_pop(lua, 2); // --
}

static void take_options(lua_State *lua, struct script *script, void *arg)
{
    slot_push(lua, SLOT_API);     // -- api
    slot_push(lua, SLOT_DATASET); // -- api dataset
    bool both = lua_rawequal(lua, -1, -2), any = !lua_isnil(lua, -1);
    lua_pop(lua, 2); // --
    take_options_of(lua, script, SLOT_API, arg);
    if (any && !both)
        take_options_of(lua, script, SLOT_DATASET, arg);
}

/* The scripts in the binary declare no options, so they need not be asked: a start without scripts
 * of one's own costs nothing. */
static bool only_built_in(const struct script_config *config)
{
    return !config->file && !source_on_disk("apis", config->api ? config->api : API_DEFAULT) &&
           !source_on_disk("datasets", config->dataset ? config->dataset : DATASET_DEFAULT);
}

bool script_options(const struct script_config *config, struct script_options *out, struct err *err)
{
    *out = (struct script_options){0};
    if (only_built_in(config))
        return true;
    struct script *script = script_new(config);
    bool ok = state_open(script, config->watch, err) && load_scripts(script, config, err) &&
              state_run(script, NULL, take_options, out, err);
    script_close(script);
    return ok;
}

void script_options_fini(struct script_options *options)
{
    free(options->rows);
    list_fini(&options->texts);
    *options = (struct script_options){0};
}

struct script *script_open(const struct script_config *config, struct err *err)
{
    struct script *script = script_new(config);
    bool ok = state_open(script, config->watch, err) && load_scripts(script, config, err);
    if (ok && !script->foreign) /* those of this program are known to come to an end */
        luaJIT_setmode(script->lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_ON);
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
    items_report(script);
    state_close(script);
    tokenizer_close(script);
    for (size_t i = 0; i < script->seen_count; i++)
        free(script->seen[i].path);
    free(script->seen);
    free(script->keys);
    free(script->own);
    json_fini(&script->reader);
    buf_fini(&script->text);
    buf_fini(&script->setup);
    list_fini(&script->sent_headers);
    buf_fini(&script->answer.headers);
    buf_fini(&script->answer.body);
    list_fini(&script->texts);
    list_fini(&script->beside);
    list_fini(&script->host_headers);
    list_fini(&script->user_headers);
    shared_free(script->own_shared);
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

static void show_setup(lua_State *lua, struct script *script, void *arg)
{
    slot_push(lua, SLOT_SETUP); // -- result
    if (!lua_isnil(lua, -1))
        json_encode(lua, script, -1, "setup", "", arg); // -- result
}

bool script_setup_json(struct script *script, struct buf *out, struct err *err)
{
    return state_run(script, NULL, show_setup, out, err);
}

const char *script_library(void)
{
    return LUAJIT_VERSION;
}
