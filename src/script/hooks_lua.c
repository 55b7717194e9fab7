/* The hooks of main: `interval` while a stage goes on, `done` at its end. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/live.h"
#include "model/report.h"
#include "script/state.h"
#include "script/summary_lua.h"

enum {
    INTERVAL_LINE = 4096, /* bytes of what interval returns */
    DONE_LINES = 200,
    DONE_LINE = 1000, /* bytes */
};

/* Calls the hook with the table at the top. table -- result */
static void call_hook(lua_State *lua, const char *name, const char *wanted)
{
    int base = lua_gettop(lua) - 1;
    slot_push(lua, SLOT_HOOKS);         // -- table hooks
    lua_getfield(lua, -1, name);        // -- table hooks hook
    lua_insert(lua, -3);                // -- hook table hooks
    lua_pop(lua, 1);                    // -- hook table
    lua_createtable(lua, 0, 1);         // -- hook table ctx
    slot_push(lua, SLOT_SETUP);         // -- hook table ctx setup
    lua_setfield(lua, -2, "setup");     // -- hook table ctx
    lua_call(lua, 2, LUA_MULTRET);      // -- result…
    results_keep(lua, base, 1, wanted); // -- result
}

/* ---- interval ---- */

struct interval_job {
    const struct live *live;
    const struct counter *counters;
    size_t counter_count;
    char **line;
};

static void run_interval(lua_State *lua, struct script *script, void *arg)
{
    struct interval_job *job = arg;
    (void)script;
    live_push(lua, job->live);                           // -- stats
    shared_push(lua, job->counters, job->counter_count); // -- stats shared
    lua_setfield(lua, -2, "shared");                     // -- stats
    call_hook(lua, "interval", "nil or a string");       // -- line
    if (lua_isnil(lua, -1))
        return;
    if (lua_type(lua, -1) != LUA_TSTRING)
        throw_error(lua, "must return nil or a string, not %s", value_kind(lua, -1));
    struct span line = lua_span(lua, -1);
    if (line.len > INTERVAL_LINE)
        throw_error(lua, "returned a string of %zu bytes; at most %d are shown", line.len,
                    INTERVAL_LINE);
    if (line.len && memchr(line.data, 0, line.len))
        throw_error(lua, "returned a string that holds a NUL byte");
    if (line.len)
        *job->line = mem_copy(line.data, line.len);
}

bool script_interval(struct script *script, const struct live *live, char **line, struct err *err)
{
    struct interval_job job = {.live = live, .line = line};
    struct counter *counters = shared_counters(script->shared, &job.counter_count);
    job.counters = counters;
    *line = NULL;
    bool ok = state_run(script, "interval", run_interval, &job, err);
    free(counters);
    return ok;
}

/* ---- done: lines ---- */

struct done_job {
    struct report *report;
    bool last;
};

static void add_line(lua_State *lua, struct said *said, struct span line)
{
    size_t number = said->lines.count + 1;
    if (line.len > DONE_LINE)
        throw_error(lua, "line %zu of its result has %zu bytes; a line may have %d", number,
                    line.len, DONE_LINE);
    if (line.len && memchr(line.data, 0, line.len))
        throw_error(lua, "line %zu of its result holds a NUL byte", number);
    char text[DONE_LINE + 1] = "";
    if (line.len)
        memcpy(text, line.data, line.len);
    text[line.len] = 0;
    list_add(&said->lines, text);
}

/* A line of the report, or several: a string may hold line feeds. */
static void take_text(lua_State *lua, struct said *said)
{
    struct span text = lua_span(lua, -1);
    while (true) {
        const char *feed = text.len ? memchr(text.data, '\n', text.len) : NULL;
        size_t len = feed ? (size_t)(feed - text.data) : text.len;
        if (said->lines.count == DONE_LINES)
            throw_error(lua, "its result has more than %d lines", DONE_LINES);
        add_line(lua, said, span_of(text.data, len));
        if (!feed || len + 1 == text.len)
            return;
        text = span_of(text.data + len + 1, text.len - len - 1);
    }
}

/* The strings of the list at the top. */
static void take_lines(lua_State *lua, struct said *said, const char *what)
{
    size_t count = lua_objlen(lua, -1);
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(lua, -1, (int)i); // -- list line
        if (lua_type(lua, -1) != LUA_TSTRING)
            throw_error(lua, "%s[%zu] must be a string, not %s", what, i, value_kind(lua, -1));
        take_text(lua, said);
        lua_pop(lua, 1); // -- list
    }
}

/* Throws unless every key of the table at the top is a number from 1 to its length. */
static void check_list(lua_State *lua, const char *what)
{
    size_t count = lua_objlen(lua, -1), keys = 0;
    lua_pushnil(lua); // -- list key
    while (lua_next(lua, -2)) {
        // -- list key value
        if (lua_type(lua, -2) != LUA_TNUMBER)
            throw_error(lua, "%s must be a list; it has a field named by %s", what,
                        value_kind(lua, -2));
        keys++;
        lua_pop(lua, 1); // -- list key
    }
    if (keys != count)
        throw_error(lua, "%s must be a list without gaps", what);
}

/* ---- done: metrics ---- */

/* A field of the table at the top, which keeps it alive; NULL data when it is nil. */
static struct span text_field(lua_State *lua, const char *name, const char *where)
{
    const struct script_word *word = script_word_find(WORD_FIGURE, name);
    struct span text = {NULL, 0};
    lua_getfield(lua, -1, name); // -- figure text
    if (!lua_isnil(lua, -1) || word->required) {
        word_check(lua, word, where);
        text = lua_span(lua, -1);
    }
    lua_pop(lua, 1); // -- figure
    return text;
}

static double number_field(lua_State *lua, const char *name, const char *where)
{
    lua_getfield(lua, -1, name); // -- figure value
    word_check(lua, script_word_find(WORD_FIGURE, name), where);
    double value = lua_tonumber(lua, -1);
    if (isinf(value))
        throw_error(lua, "%s: '%s' must be a finite number, not %g", where, name, value);
    lua_pop(lua, 1); // -- figure
    return value;
}

static void check_fields(lua_State *lua, enum word_kind kind, const char *where)
{
    lua_pushnil(lua); // -- table key
    while (lua_next(lua, -2)) {
        // -- table key value
        if (lua_type(lua, -2) != LUA_TSTRING)
            throw_error(lua, "%s has a field named by %s; names are strings", where,
                        value_kind(lua, -2));
        if (!script_word_find(kind, lua_tostring(lua, -2)))
            word_unknown(lua, kind, lua_tostring(lua, -2), where);
        lua_pop(lua, 1); // -- table key
    }
}

static bool is_taken(const struct summary *whole, const char *name)
{
    for (size_t i = 0; i < whole->own_count; i++)
        if (strcmp(whole->own[i].metric->name, name) == 0)
            return true;
    return false;
}

/* The figure at the top becomes a metric of the stage. */
static void take_figure(lua_State *lua, struct report *report, const char *where)
{
    struct said *said = &report->said;
    struct err err;
    if (!lua_istable(lua, -1))
        throw_error(lua, "%s must be a table {name=, value=, …}, not %s", where,
                    value_kind(lua, -1));
    check_fields(lua, WORD_FIGURE, where);
    double value = number_field(lua, "value", where);
    const struct own_metric_texts texts = {
        .name = text_field(lua, "name", where),
        .title = text_field(lua, "title", where),
        .unit = text_field(lua, "unit", where),
    };
    if (!said->metrics)
        said->metrics = MEM_NEW(struct own_metrics);
    if (!own_metrics_add(said->metrics, &texts, OVER_STAGE, &err))
        throw_error(lua, "%s: %s", where, err.text);
    const struct own_metric *metric = &said->metrics->items[said->metrics->count - 1];
    if (is_taken(&report->whole, metric->name))
        throw_error(lua, "%s: there is a metric '%s' already", where, metric->name);
    if (!summary_add_own(&report->whole, metric, value))
        throw_error(lua, "%s: a script may have %d metrics in all", where, OWN_METRICS);
}

/* The figures of the list at the top. */
static void take_figures(lua_State *lua, struct report *report)
{
    char where[32];
    size_t count = lua_objlen(lua, -1);
    for (size_t i = 1; i <= count; i++) {
        snprintf(where, sizeof where, "metrics[%zu]", i);
        lua_rawgeti(lua, -1, (int)i); // -- list figure
        take_figure(lua, report, where);
        lua_pop(lua, 1); // -- list
    }
}

/* ---- done: the whole ---- */

/* -- list: a field of the result at the top, nil when there is none; true: it is a list */
static bool push_list(lua_State *lua, const char *name)
{
    lua_getfield(lua, -1, name); // -- result list
    if (lua_isnil(lua, -1))
        return false;
    word_check(lua, script_word_find(WORD_DONE, name), "its result");
    check_list(lua, name);
    return true;
}

/* Lines first: what can be shown is shown, whatever is wrong with the numbers. */
static void take_fields(lua_State *lua, struct report *report)
{
    check_fields(lua, WORD_DONE, "its result");
    if (push_list(lua, "lines")) // -- result lines
        take_lines(lua, &report->said, "lines");
    lua_pop(lua, 1);               // -- result
    if (push_list(lua, "metrics")) // -- result metrics
        take_figures(lua, report);
    lua_pop(lua, 1); // -- result
}

static void run_done(lua_State *lua, struct script *script, void *arg)
{
    struct done_job *job = arg;
    (void)script;
    summary_push(lua, job->report);      // -- summary
    lua_pushboolean(lua, job->last);     // -- summary last
    lua_setfield(lua, -2, "last");       // -- summary
    call_hook(lua, "done", "one value"); // -- result
    if (lua_type(lua, -1) == LUA_TSTRING) {
        take_text(lua, &job->report->said);
    } else if (lua_istable(lua, -1) && lua_objlen(lua, -1) > 0) {
        check_list(lua, "its result");
        take_lines(lua, &job->report->said, "its result");
    } else if (lua_istable(lua, -1)) {
        take_fields(lua, job->report);
    } else if (!lua_isnil(lua, -1)) {
        throw_error(lua, "must return nil, a string or a table, not %s", value_kind(lua, -1));
    }
}

bool script_done(struct script *script, struct report *report, bool last, struct err *err)
{
    struct done_job job = {.report = report, .last = last};
    return state_run(script, "done", run_done, &job, err);
}
