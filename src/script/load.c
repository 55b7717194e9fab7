/* Loading scripts and holding what they return against the contract's table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "script/find.h"
#include "script/lines.h"
#include "script/state.h"

/* ---- running a chunk ---- */

/* Lua calls its own compiled form by its first byte. */
static bool is_compiled(struct span text)
{
    return text.len > 0 && text.data[0] == LUA_SIGNATURE[0];
}

void source_push(lua_State *lua, const struct source *source)
{
    struct span text = buf_span(&source->text);
    if (is_compiled(text))
        throw_error(lua, "%s: compiled Lua is not accepted; give the source text", source->where);
    if (luaL_loadbufferx(lua, text.len ? text.data : "", text.len, source->chunk, "t") != 0)
        lua_error(lua);
    // -- chunk
}

enum { PLACE_MOST = 1024 };

struct load_job {
    const struct source *source;
    bool file;         /* --script names it: hooks of main may stand in it beside anything */
    bool api, dataset; /* out: what the script turned out to be */
    bool hooks;        /* out: it holds hooks of main */
    bool api_fields;   /* out: it holds what only an API script has a use for */
};

/* What makes a file an API or a data set, which must then be complete: own metrics of a file that
 * holds a data set alone would never be computed. */
static bool is_hook_of(enum word_kind kind, const char *name)
{
    const struct script_word *word = script_word_find(kind, name);
    return word && (word->required || word->type == WORD_FUNCTION || strcmp(name, "metrics") == 0);
}

/* "mine.lua:12", or the file alone when it is not certain where the field is given. */
static void field_place(const struct source *source, const char *field, char *out, size_t size)
{
    unsigned line = source->folder ? line_of_field(buf_span(&source->text), field) : 0;
    snprintf(out, size, line ? "%s:%u" : "%s", source->where, line);
}

/* -- key value */
static void check_field(lua_State *lua, struct load_job *job)
{
    char where[PLACE_MOST];
    if (lua_type(lua, -2) != LUA_TSTRING)
        throw_error(lua, "%s: the script's table has a field named by %s; names are strings",
                    job->source->where, value_kind(lua, -2));
    const char *name = lua_tostring(lua, -2);
    if (name[0] == '_')
        return;
    field_place(job->source, name, where, sizeof where);
    const struct script_word *api = script_word_find(WORD_API, name);
    const struct script_word *dataset = script_word_find(WORD_DATASET, name);
    if (!api && !dataset) {
        const char *nearest = script_word_nearest(WORD_API, name);
        if (!nearest && script_word_nearest(WORD_DATASET, name))
            word_unknown(lua, WORD_DATASET, name, where);
        word_unknown(lua, WORD_API, name, where);
    }
    word_check(lua, api ? api : dataset, where);
    job->hooks |= api && api->alone;
    job->api_fields |= api && !api->alone;
    job->api |= api && !api->alone && is_hook_of(WORD_API, name);
    job->dataset |= dataset && is_hook_of(WORD_DATASET, name);
}

/* Remembers where the field is given, for what may have to be said of it later. -- key value */
static void note_place(lua_State *lua, struct script *script, const struct source *source)
{
    const struct script_word *word = script_word_find(WORD_API, lua_tostring(lua, -2));
    if (!word)
        word = script_word_find(WORD_DATASET, lua_tostring(lua, -2));
    if (!word)
        return;
    if (lua_isfunction(lua, -1)) {
        place_note(lua, script, word->name);
    } else {
        char place[PLACE_MOST];
        field_place(source, word->name, place, sizeof place);
        place_put(script, word->name, mem_text(place));
    }
}

static void check_required(lua_State *lua, enum word_kind kind, const char *where)
{
    const struct script_word *word;
    for (size_t i = 0; (word = script_word_at(i)); i++) {
        if (word->kind != kind || !word->required)
            continue;
        lua_getfield(lua, -1, word->name); // -- table hook
        if (lua_isnil(lua, -1))
            throw_error(lua, "%s: the hook '%s%s' is missing; it %s", where, word->name,
                        word->arguments, word->sentence);
        lua_pop(lua, 1); // -- table
    }
}

/* A hook of an API in what holds nothing but a data set. -- table */
static void check_api_meant(lua_State *lua, const struct script *script, const struct load_job *job)
{
    const struct script_word *word, *odd = NULL;
    bool meant = !job->dataset;
    for (size_t i = 0; (word = script_word_at(i)); i++) {
        if (word->kind != WORD_API)
            continue;
        lua_getfield(lua, -1, word->name); // -- table value
        bool there = !lua_isnil(lua, -1);
        lua_pop(lua, 1); // -- table
        meant |= there && word->required;
        if (there && !odd && is_hook_of(WORD_API, word->name) && !(word->alone && job->file))
            odd = word;
    }
    if (!meant && odd && odd->alone)
        throw_error(lua, "%s: '%s' is called of an API script or of the file of --script alone",
                    job->source->where, odd->name);
    if (!meant && odd)
        throw_error(lua,
                    "%s: '%s' belongs to an API script, but this is a data set script: it has "
                    "neither build_request nor parse_responses",
                    place_in(script, odd->name, job->source->where), odd->name);
}

/* -- table: the chunk's result, every field checked */
static void push_table(lua_State *lua, struct script *script, struct load_job *job)
{
    source_push(lua, job->source); // -- chunk
    lua_call(lua, 0, 1);           // -- table
    if (!lua_istable(lua, -1))
        throw_error(lua,
                    "%s: a script must return its table of hooks, not %s; its last line is "
                    "'return' and the table",
                    job->source->where, value_kind(lua, -1));
    lua_pushnil(lua); // -- table key
    while (lua_next(lua, -2)) {
        // -- table key value
        check_field(lua, job);
        note_place(lua, script, job->source);
        lua_pop(lua, 1); // -- table key
    }
    check_api_meant(lua, script, job);
}

static void load_both(lua_State *lua, struct script *script, void *arg)
{
    struct load_job *job = arg;
    push_table(lua, script, job); // -- table
    if (!job->api && !job->dataset && !job->hooks)
        throw_error(lua,
                    "%s: neither an API script (build_request, parse_responses) nor a dataset "
                    "script (build_messages), and no hook of main (interval, done)",
                    job->source->where);
    job->api |= job->hooks && job->api_fields && !job->dataset;
    if (job->api)
        check_required(lua, WORD_API, job->source->where);
    if (job->dataset)
        check_required(lua, WORD_DATASET, job->source->where);
    static const enum slot slots[] = {SLOT_API, SLOT_DATASET, SLOT_HOOKS};
    const bool is[] = {job->api, job->dataset, job->hooks};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        if (!is[i])
            continue;
        lua_pushvalue(lua, -1);   // -- table table
        slot_take(lua, slots[i]); // -- table
    }
}

static void load_api(lua_State *lua, struct script *script, void *arg)
{
    struct load_job *job = arg;
    push_table(lua, script, job); // -- table
    check_required(lua, WORD_API, job->source->where);
    slot_take(lua, SLOT_API); // --
}

static void load_dataset(lua_State *lua, struct script *script, void *arg)
{
    struct load_job *job = arg;
    push_table(lua, script, job); // -- table
    check_required(lua, WORD_DATASET, job->source->where);
    slot_take(lua, SLOT_DATASET); // --
}

/* ---- what the scripts say of themselves ---- */

static const char *keep_text(struct script *script, const char *text)
{
    list_add(&script->texts, text);
    return script->texts.items[script->texts.count - 1];
}

static const char *field_text(lua_State *lua, struct script *script, const char *name)
{
    lua_getfield(lua, -1, name); // -- api text
    const char *text = lua_tostring(lua, -1);
    if (text && strlen(text) != lua_objlen(lua, -1))
        throw_error(lua, "%s: '%s' holds a NUL byte",
                    place_in(script, name, script->facts.api_where), name);
    text = text ? keep_text(script, text) : NULL;
    lua_pop(lua, 1); // -- api
    return text;
}

static bool has_field(lua_State *lua, const char *name)
{
    lua_getfield(lua, -1, name); // -- api value
    bool has = !lua_isnil(lua, -1);
    lua_pop(lua, 1); // -- api
    return has;
}

static void check_api_texts(lua_State *lua, const struct script *script)
{
    const char *path = script->api_path;
    const char *where = script->facts.api_where;
    if (path && path[0] != '/')
        throw_error(lua, "%s: 'path' is \"%s\"; it must begin with '/'",
                    place_in(script, "path", where), path);
    struct span at = script->params_at;
    bool bad = at.data && (at.len == 0 || at.data[0] == '.' || at.data[at.len - 1] == '.' ||
                           strstr(at.data, ".."));
    if (bad)
        throw_error(lua, "%s: 'params_at' is \"%s\"; it must be names joined by dots",
                    place_in(script, "params_at", where), at.data);
    const char *auth = script->api_auth;
    if (auth && !header_name_valid(span_text(auth)))
        throw_error(lua,
                    "%s: 'auth' is \"%s\"; it must be \"bearer\", \"none\" or the name of a header",
                    place_in(script, "auth", where), auth);
    if (script->facts.end_marker.data && script->facts.end_marker.len == 0)
        throw_error(lua,
                    "%s: 'end_marker' is empty or white space, which may follow any marker; leave "
                    "it out if there is none",
                    place_in(script, "end_marker", where));
}

/* param_names: texts by texts. -- api */
static void check_param_names(lua_State *lua, const struct script *script)
{
    lua_getfield(lua, -1, "param_names"); // -- api names
    if (lua_istable(lua, -1)) {
        lua_pushnil(lua); // -- api names key
        while (lua_next(lua, -2)) {
            // -- api names key name
            if (lua_type(lua, -2) != LUA_TSTRING || lua_type(lua, -1) != LUA_TSTRING)
                throw_error(lua, "%s: 'param_names' must name strings by strings, not %s by %s",
                            place_in(script, "param_names", script->facts.api_where),
                            value_kind(lua, -1), value_kind(lua, -2));
            lua_pop(lua, 1); // -- api names key
        }
    }
    lua_pop(lua, 1); // -- api
}

void param_put(lua_State *lua, const char *key)
{
    // -- table value
    slot_push(lua, SLOT_API);             // -- table value api
    lua_getfield(lua, -1, "param_names"); // -- table value api names
    if (lua_istable(lua, -1))
        lua_getfield(lua, -1, key); // -- table value api names name
    else
        lua_pushnil(lua); // -- table value api names nil
    if (lua_isnil(lua, -1)) {
        lua_pop(lua, 1);          // -- table value api names
        lua_pushstring(lua, key); // -- table value api names key
    }
    lua_insert(lua, -4); // -- table name value api names
    lua_pop(lua, 2);     // -- table name value
    lua_rawset(lua, -3); // -- table
}

static bool flag_field(lua_State *lua, const char *name, bool fallback)
{
    lua_getfield(lua, -1, name); // -- api flag
    bool flag = lua_isnil(lua, -1) ? fallback : lua_toboolean(lua, -1);
    lua_pop(lua, 1); // -- api
    return flag;
}

/* Those in the file of --script go before those of the API. */
static void read_hooks(lua_State *lua, struct script_facts *facts)
{
    slot_push(lua, SLOT_HOOKS); // -- hooks
    if (lua_isnil(lua, -1)) {
        slot_push(lua, SLOT_API);   // -- nil api
        slot_take(lua, SLOT_HOOKS); // -- nil
        lua_pop(lua, 1);            // --
        slot_push(lua, SLOT_HOOKS); // -- hooks
    }
    facts->has_interval = has_field(lua, "interval");
    facts->has_done = has_field(lua, "done");
    lua_pop(lua, 1); // --
}

static void read_facts(lua_State *lua, struct script *script, void *arg)
{
    (void)arg;
    struct script_facts *facts = &script->facts;
    slot_push(lua, SLOT_API); // -- api
    facts->framing = field_text(lua, script, "framing");
    facts->end_marker = span_without_tail(span_text(field_text(lua, script, "end_marker")));
    script->params_at = span_text(field_text(lua, script, "params_at"));
    script->api_path = field_text(lua, script, "path");
    script->api_auth = field_text(lua, script, "auth");
    facts->text = flag_field(lua, "text", true);
    facts->ends = flag_field(lua, "ends", facts->end_marker.len > 0);
    facts->has_read_event = has_field(lua, "read_event");
    facts->has_frame = has_field(lua, "frame");
    facts->has_setup = has_field(lua, "setup");
    check_api_texts(lua, script);
    check_param_names(lua, script);
    metrics_read(lua, script);
    read_hooks(lua, facts);
}

/* ---- which scripts ---- */

static void describe(struct script *script, const struct source *source, bool api, bool dataset)
{
    if (api) {
        script->facts.api_name = keep_text(script, source->name);
        script->facts.api_where = keep_text(script, source->where);
        script->facts.api_shipped = source_is_shipped(source);
    }
    if (dataset) {
        script->facts.dataset_name = keep_text(script, source->name);
        script->facts.dataset_where = keep_text(script, source->where);
    }
}

/* require then finds what stands beside the script. */
static void look_beside(struct script *script, const struct source *source)
{
    if (source->folder)
        list_add(&script->beside, source->folder);
}

static bool run_load(struct script *script, const struct source *source, script_job_fn *job_fn,
                     struct load_job *job, struct err *err)
{
    script->foreign = script->foreign || !source_is_shipped(source);
    free(script->loading);
    script->loading = mem_printf("loading %s", source->where);
    return state_do(script, script->loading, job_fn, job, err);
}

static bool load_named(struct script *script, const char *kind, const char *option,
                       const char *name, script_job_fn *job_fn, struct err *err)
{
    bool api = strcmp(kind, "apis") == 0;
    struct source source = {0};
    struct load_job job = {.source = &source};
    bool ok = source_find(&source, kind, option, name, err);
    if (ok) {
        describe(script, &source, api, !api);
        look_beside(script, &source);
        ok = run_load(script, &source, job_fn, &job, err);
    }
    source_fini(&source);
    return ok;
}

static bool load_file(struct script *script, const char *path, struct load_job *job,
                      struct err *err)
{
    struct source source = {0};
    job->source = &source; /* cppcheck-suppress autoVariables ; for the call of run_load alone */
    bool ok = source_read(&source, path, err);
    if (ok) {
        look_beside(script, &source);
        ok = run_load(script, &source, load_both, job, err);
    }
    if (ok)
        describe(script, &source, job->api, job->dataset);
    source_fini(&source);
    job->source = NULL;
    return ok;
}

/* What --api and --dataset name goes before what the file of --script holds. */
static bool check_file_used(const struct script_config *config, const struct load_job *file,
                            bool prompt, struct err *err)
{
    bool api_used = file->api && !config->api;
    bool dataset_used = file->dataset && !config->dataset && !prompt;
    if (!config->file || api_used || dataset_used || file->hooks ||
        (config->role != SCRIPT_COMPOSER && file->dataset))
        return true;
    return err_set(err, "--script %s: nothing of it would be used, since %s its place",
                   config->file,
                   file->api && !file->dataset   ? "--api takes"
                   : file->dataset && !file->api ? (prompt ? "--prompt takes" : "--dataset takes")
                                                 : "--api and --dataset or --prompt take");
}

bool load_scripts(struct script *script, const struct script_config *config, struct err *err)
{
    struct load_job file = {.file = true};
    bool prompt = script->prompt != NULL;
    if (config->file && !load_file(script, config->file, &file, err))
        return false;
    if (!check_file_used(config, &file, prompt, err))
        return false;
    if ((config->api || !file.api) &&
        !load_named(script, "apis", "--api", config->api ? config->api : API_DEFAULT, load_api,
                    err))
        return false;
    if (!state_run(script, NULL, read_facts, NULL, err))
        return false;
    if (prompt) {
        script->facts.dataset_name = "--prompt";
        script->facts.dataset_where = "command line";
        return true;
    }
    if (config->role != SCRIPT_COMPOSER || (file.dataset && !config->dataset))
        return true;
    return load_named(script, "datasets", "--dataset",
                      config->dataset ? config->dataset : DATASET_DEFAULT, load_dataset, err);
}

/* ---- require ---- */

/* Throws, with the place of who called require. */
static void __attribute__((noreturn)) not_found(lua_State *lua, const char *name)
{
    char nearest[32];
    luaL_where(lua, 2); // -- … place
    if (script_module_nearest(name, nearest, sizeof nearest))
        lua_pushfstring(lua, "module '%s' not found (did you mean '%s'?)", name, nearest);
    else
        lua_pushfstring(lua,
                        "module '%s' not found: neither beside the script nor among the bundled "
                        "modules",
                        name);
    // -- … place message
    lua_concat(lua, 2); // -- … sentence
    lua_error(lua);
    abort(); /* lua_error does not return, but does not say so */
}

/* Runs the lookup with no Lua error in its midst, then hands over. */
int require_find(lua_State *lua)
{
    const char *name = luaL_checkstring(lua, 1);
    struct script *script = script_of(lua);
    struct source source = {0};
    struct err err;
    bool found = source_module(&source, &script->beside, name, &err);
    struct span text = buf_span(&source.text);
    int status = 0;
    if (found && is_compiled(text))
        found = err_set(&err, "%s: compiled Lua is not accepted", source.where);
    char *chunk = source.chunk;
    source.chunk = NULL;
    struct buf kept = source.text;
    source.text = (struct buf){0};
    source_fini(&source);
    if (found)
        status = luaL_loadbufferx(lua, kept.data ? kept.data : "", kept.len, chunk, "t");
    buf_fini(&kept);
    free(chunk);
    if (status != 0)
        return lua_error(lua);
    if (found)
        return 1;
    if (err.text[0])
        throw_error(lua, "%s", err.text);
    not_found(lua, name);
}
