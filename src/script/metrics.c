/* The script's own metrics: checked when it is loaded, computed in the scorer of each answer. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "script/state.h"

/* ---- reading their definitions ---- */

/* -- metrics key metric */
static void check_fields(lua_State *lua, const char *where)
{
    const struct script_word *word;
    lua_pushnil(lua); // -- … metric name
    while (lua_next(lua, -2)) {
        // -- … metric name value
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "[1]";
        if (!(word = script_word_find(WORD_METRIC, name)))
            word_unknown(lua, WORD_METRIC, name, where);
        word_check(lua, word, where);
        lua_pop(lua, 1); // -- … metric name
    }
    for (size_t i = 0; (word = script_word_at(i)); i++) {
        if (word->kind != WORD_METRIC || !word->required)
            continue;
        lua_getfield(lua, -1, word->name); // -- … metric value
        if (lua_isnil(lua, -1))
            throw_error(lua, "%s: '%s' is missing: %s", where, word->name, word->sentence);
        lua_pop(lua, 1); // -- … metric
    }
}

/* The text stays on the stack, so that it lives; NULL data = the field is absent. -- text */
static struct span push_text(lua_State *lua, int metric, const char *name)
{
    lua_getfield(lua, metric, name); // -- text
    return lua_span(lua, -1);
}

/* What messages call its function. */
static const char *hook_name(struct script *script, const struct own_metric *metric)
{
    char name[OWN_NAME + 16];
    snprintf(name, sizeof name, "metric '%s'", metric->name);
    list_add(&script->texts, name);
    return script->texts.items[script->texts.count - 1];
}

/* Adds the metric at the top, and its function to the list in SLOT_METRICS. */
static void add_metric(lua_State *lua, struct script *script, const char *where)
{
    int metric = lua_gettop(lua);
    struct err err;
    const struct own_metric_texts texts = {
        .name = push_text(lua, metric, "name"),
        .title = push_text(lua, metric, "title"),
        .unit = push_text(lua, metric, "unit"),
        .formula = push_text(lua, metric, "formula"),
    };
    bool all = span_equals(push_text(lua, metric, "over"), "all");
    if (!own_metrics_add(script->own, &texts, all ? OVER_ALL_WITH_RESPONSE : OVER_SUCCESSES, &err))
        throw_error(lua, "%s: %s", where, err.text);
    const char *hook = hook_name(script, &script->own->items[script->own->count - 1]);
    script->own_hooks[script->own->count - 1] = hook;
    slot_push(lua, SLOT_METRICS);    // -- metric … functions
    lua_getfield(lua, metric, "of"); // -- metric … functions function
    place_note(lua, script, hook);
    lua_rawseti(lua, -2, (int)script->own->count); // -- metric … functions
    lua_settop(lua, metric);                       // -- metric
}

/* A list of tables and nothing else. -- metrics */
static void check_list(lua_State *lua, const char *where)
{
    size_t count = 0, len = lua_objlen(lua, -1);
    lua_pushnil(lua); // -- metrics key
    while (lua_next(lua, -2)) {
        // -- metrics key metric
        double place = lua_type(lua, -2) == LUA_TNUMBER ? lua_tonumber(lua, -2) : 0;
        if (!whole_number(place) || place < 1 || place > (double)len)
            throw_error(lua, "%s: 'metrics' must be a list of tables without gaps", where);
        if (!lua_istable(lua, -1))
            throw_error(lua, "%s: metrics[%zu] must be a table, not %s", where, (size_t)place,
                        value_kind(lua, -1));
        count++;
        lua_pop(lua, 1); // -- metrics key
    }
    if (count != len)
        throw_error(lua, "%s: 'metrics' must be a list of tables without gaps", where);
}

void metrics_read(lua_State *lua, struct script *script)
{
    // -- api
    lua_getfield(lua, -1, "metrics"); // -- api metrics
    size_t len = lua_istable(lua, -1) ? lua_objlen(lua, -1) : 0;
    const char *file = place_in(script, "metrics", script->facts.api_where);
    if (lua_istable(lua, -1))
        check_list(lua, file);
    if (len) {
        script->own = MEM_NEW(struct own_metrics);
        lua_newtable(lua);            // -- api metrics functions
        slot_take(lua, SLOT_METRICS); // -- api metrics
    }
    for (size_t i = 1; i <= len; i++) {
        char where[1024];
        snprintf(where, sizeof where, "%s: metrics[%zu]", file, i);
        lua_rawgeti(lua, -1, (int)i); // -- api metrics metric
        check_fields(lua, where);
        add_metric(lua, script, where);
        lua_pop(lua, 1); // -- api metrics
    }
    script->facts.own = script->own;
    lua_pop(lua, 1); // -- api
}

/* ---- the fields of `sample`: looked up when they are asked for ---- */

static void push_optional(lua_State *lua, const char *text)
{
    if (text && *text)
        lua_pushstring(lua, text);
    else
        lua_pushnil(lua);
}

static void push_tokens(lua_State *lua, int64_t tokens)
{
    if (tokens == TOKENS_UNKNOWN)
        lua_pushnil(lua);
    else
        lua_pushnumber(lua, (lua_Number)tokens);
}

static void push_value(lua_State *lua, double value)
{
    if (isnan(value))
        lua_pushnil(lua);
    else
        lua_pushnumber(lua, value);
}

static void push_outcome(lua_State *lua, const struct sample *sample)
{
    lua_pushstring(lua, outcome_name(sample->outcome));
}

static void push_status(lua_State *lua, const struct sample *sample)
{
    push_value(lua, sample->exchange->status > 0 ? sample->exchange->status : (double)NAN);
}

static void push_index(lua_State *lua, const struct sample *sample)
{
    lua_pushnumber(lua, (lua_Number)sample->exchange->request->index);
}

static void push_stage(lua_State *lua, const struct sample *sample)
{
    lua_pushnumber(lua, sample->exchange->request->stage);
}

static void push_streamed(lua_State *lua, const struct sample *sample)
{
    lua_pushboolean(lua, sample->streamed);
}

static void push_finish(lua_State *lua, const struct sample *sample)
{
    push_optional(lua, sample->finish_reason);
}

static void push_answer(lua_State *lua, const struct sample *sample)
{
    if (sample->text)
        lua_pushlstring(lua, sample->text, sample->text_len);
    else
        lua_pushnil(lua);
}

static void push_error(lua_State *lua, const struct sample *sample)
{
    push_optional(lua, sample->error);
}

static void push_prompt_tokens(lua_State *lua, const struct sample *sample)
{
    push_tokens(lua, sample->prompt_tokens);
}

static void push_completion_tokens(lua_State *lua, const struct sample *sample)
{
    push_tokens(lua, sample->completion_tokens);
}

static void push_cached_tokens(lua_State *lua, const struct sample *sample)
{
    push_tokens(lua, sample->cached_tokens);
}

static void push_reasoning_tokens(lua_State *lua, const struct sample *sample)
{
    push_tokens(lua, sample->reasoning_tokens);
}

static void push_event(lua_State *lua, const struct sample *sample, const struct event *event)
{
    lua_createtable(lua, 0, 5);                                                  // -- event
    push_value(lua, sample_interval(sample->exchange->sent_ns, event->time_ns)); // -- event time
    lua_setfield(lua, -2, "time");                                               // -- event
    lua_pushlstring(lua, &event->kind, 1);                                       // -- event kind
    lua_setfield(lua, -2, "kind");                                               // -- event
    push_tokens(lua, event->tokens ? event->tokens : TOKENS_UNKNOWN);            // -- event tokens
    lua_setfield(lua, -2, "tokens");                                             // -- event
    lua_pushnumber(lua, event->index);                                           // -- event index
    lua_setfield(lua, -2, "index");                                              // -- event
    lua_pushboolean(lua, event->coalesced); // -- event coalesced
    lua_setfield(lua, -2, "coalesced");     // -- event
}

/* Made once a sample, since all its metrics may ask for it. */
static void push_events(lua_State *lua, const struct sample *sample)
{
    slot_push(lua, SLOT_EVENTS); // -- events
    if (!lua_isnil(lua, -1))
        return;
    lua_pop(lua, 1); // --
    int count = sample->event_count > INT_MAX ? INT_MAX : (int)sample->event_count;
    lua_createtable(lua, count, 0); // -- events
    for (int i = 0; i < count; i++) {
        push_event(lua, sample, &sample->events[i]); // -- events event
        lua_rawseti(lua, -2, i + 1);                 // -- events
    }
    lua_pushvalue(lua, -1);      // -- events events
    slot_take(lua, SLOT_EVENTS); // -- events
}

static const struct {
    const char *name;
    void (*push)(lua_State *lua, const struct sample *sample);
} fields[] = {
    {"outcome", push_outcome},
    {"status", push_status},
    {"index", push_index},
    {"stage", push_stage},
    {"streamed", push_streamed},
    {"finish", push_finish},
    {"text", push_answer},
    {"error", push_error},
    {"prompt_tokens", push_prompt_tokens},
    {"completion_tokens", push_completion_tokens},
    {"cached_tokens", push_cached_tokens},
    {"reasoning_tokens", push_reasoning_tokens},
    {"events", push_events},
};

static const char *nearest_field(const char *name)
{
    const char *nearest = script_word_nearest(WORD_SAMPLE, name);
    unsigned best = nearest ? word_distance(nearest, name) : word_slips(name) + 1;
    for (size_t i = 0; i < METRIC_SAMPLED; i++) {
        unsigned distance = word_distance(metric_at(i)->name, name);
        if (!metric_at(i)->of || distance >= best || distance >= strlen(name))
            continue;
        best = distance;
        nearest = metric_at(i)->name;
    }
    return nearest;
}

static int refuse_field(lua_State *lua, const char *name)
{
    const char *nearest = nearest_field(name);
    if (metric_find(name))
        return luaL_error(lua, "sample has no '%s': it is not one value a request", name);
    if (nearest)
        return luaL_error(lua, "sample has no '%s' (did you mean '%s'?)", name, nearest);
    return luaL_error(lua, "sample has no '%s'", name);
}

/* __index: (sample, name) → value */
static int sample_field(lua_State *lua)
{
    const struct sample *sample = script_of(lua)->sample;
    slot_push(lua, SLOT_SAMPLE); // -- sample name current
    if (!sample || !lua_rawequal(lua, 1, 3))
        return luaL_error(lua, "this sample is over: keep its values, not the sample");
    if (lua_type(lua, 2) != LUA_TSTRING)
        return luaL_error(lua, "sample is read by the names of its fields, not by %s",
                          value_kind(lua, 2));
    const char *name = lua_tostring(lua, 2);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(fields[i].name, name) == 0) {
            fields[i].push(lua, sample);
            return 1;
        }
    const struct metric *metric = metric_find(name);
    if (!metric || !metric->of)
        return refuse_field(lua, name);
    push_value(lua, metric_value(metric, sample));
    return 1;
}

static int refuse_write(lua_State *lua)
{
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?";
    return luaL_error(lua, "sample is read-only: '%s' cannot be set", name);
}

/* ---- computing ---- */

/* -- meta: made when first needed */
static void push_meta(lua_State *lua)
{
    slot_push(lua, SLOT_SAMPLE_META); // -- meta
    if (!lua_isnil(lua, -1))
        return;
    lua_pop(lua, 1);                      // --
    lua_newtable(lua);                    // -- meta
    lua_pushcfunction(lua, sample_field); // -- meta index
    lua_setfield(lua, -2, "__index");     // -- meta
    lua_pushcfunction(lua, refuse_write); // -- meta newindex
    lua_setfield(lua, -2, "__newindex");  // -- meta
    lua_pushliteral(lua, "sample");       // -- meta name
    lua_setfield(lua, -2, "__metatable"); // -- meta
    lua_pushvalue(lua, -1);               // -- meta meta
    slot_take(lua, SLOT_SAMPLE_META);     // -- meta
}

/* A table of its own for each sample, so that one that a script kept is known for an old one. */
static void begin_sample(lua_State *lua, struct script *script, void *arg)
{
    (void)script;
    (void)arg;
    lua_newtable(lua);           // -- sample
    push_meta(lua);              // -- sample meta
    lua_setmetatable(lua, -2);   // -- sample
    slot_take(lua, SLOT_SAMPLE); // --
    slot_clear(lua, SLOT_EVENTS);
}

static void end_sample(lua_State *lua, struct script *script, void *arg)
{
    (void)arg;
    script->sample = NULL;
    slot_clear(lua, SLOT_SAMPLE);
    slot_clear(lua, SLOT_EVENTS);
}

struct measure_job {
    size_t i;
    double value;
};

static void measure(lua_State *lua, struct script *script, void *arg)
{
    struct measure_job *job = arg;
    (void)script;
    slot_push(lua, SLOT_METRICS);          // -- functions
    lua_rawgeti(lua, -1, (int)job->i + 1); // -- functions function
    slot_push(lua, SLOT_SAMPLE);           // -- functions function sample
    slot_push(lua, SLOT_CTX);              // -- functions function sample ctx
    lua_call(lua, 2, 1);                   // -- functions value
    if (lua_isnil(lua, -1))
        return;
    if (lua_type(lua, -1) != LUA_TNUMBER)
        throw_error(lua, "must return a number or nil, not %s", value_kind(lua, -1));
    if (!isfinite(lua_tonumber(lua, -1)))
        throw_error(lua, "must return a number or nil, not %g", lua_tonumber(lua, -1));
    job->value = lua_tonumber(lua, -1);
}

static void note_failure(struct sample *sample, size_t i, const struct err *err)
{
    sample->own_failed |= UINT32_C(1) << i;
    if (!sample->own_error)
        sample->own_error = mem_text(err->text);
}

/* After one that did not return, which ends the run, the others are not waited for. */
static void measure_all(struct script *script, struct sample *sample)
{
    const struct own_metrics *own = sample->own;
    struct err err;
    bool able = state_run(script, "sample", begin_sample, NULL, &err);
    for (size_t i = 0; i < own->count; i++) {
        struct measure_job job = {.i = i, .value = (double)NAN};
        if (!metric_over_holds(own->items[i].over, sample))
            continue;
        if (!able || !state_run(script, script->own_hooks[i], measure, &job, &err))
            note_failure(sample, i, &err);
        else
            sample->own_values[i] = job.value;
        able = able && !script->watched.overdue;
    }
}

/* Without ctx the answer could not even be begun, which its outcome says. */
static bool has_ctx(struct script *script)
{
    slot_push(script->lua, SLOT_CTX); // -- … ctx
    bool has = lua_istable(script->lua, -1);
    lua_pop(script->lua, 1); // -- …
    return has;
}

void script_measure(struct script *script, struct sample *sample)
{
    struct err err;
    if (!script->own)
        return;
    sample->own = script->own;
    sample->own_values = mem_zero(script->own->count, sizeof *sample->own_values);
    for (size_t i = 0; i < script->own->count; i++)
        sample->own_values[i] = (double)NAN;
    if (!has_ctx(script))
        return;
    script->sample = sample;
    measure_all(script, sample);
    if (!state_run(script, NULL, end_sample, NULL, &err))
        log_warn(script->log, "%s", err.text);
}
