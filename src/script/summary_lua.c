#include "script/summary_lua.h"

#include <math.h>

#include "model/live.h"
#include "model/report.h"
#include "script/state.h"

/* A counter of struct summary by the name that the JSON report has for it. */
struct count_row {
    const char *name;
    size_t offset;
};

#define COUNT_ROW(NAME, FIELD)                                                                     \
    {                                                                                              \
        NAME, offsetof(struct summary, FIELD)                                                      \
    }

static void set_number(lua_State *lua, const char *name, double value)
{
    // -- table
    if (isnan(value))
        return;
    lua_pushnumber(lua, value);
    lua_setfield(lua, -2, name);
}

static void set_text(lua_State *lua, const char *name, const char *text)
{
    // -- table
    if (!text)
        return;
    lua_pushstring(lua, text);
    lua_setfield(lua, -2, name);
}

static void set_flag(lua_State *lua, const char *name, bool flag)
{
    // -- table
    lua_pushboolean(lua, flag);
    lua_setfield(lua, -2, name);
}

/* ---- counters ---- */

static void set_counts(lua_State *lua, const struct summary *summary, const struct count_row *rows,
                       size_t count)
{
    // -- table
    for (size_t i = 0; i < count; i++) {
        const void *field = (const char *)summary + rows[i].offset;
        set_number(lua, rows[i].name, (double)*(const uint64_t *)field);
    }
}

static void set_whole_counts(lua_State *lua, const struct summary *whole)
{
    static const struct count_row rows[] = {
        COUNT_ROW("due", facts.due),
        COUNT_ROW("ok", ok),
        COUNT_ROW("failed", failed),
        COUNT_ROW("cancelled", cancelled),
        COUNT_ROW("scored", scored),
        COUNT_ROW("not_started", facts.not_started),
        COUNT_ROW("streamed", streamed),
        COUNT_ROW("plain", plain),
        COUNT_ROW("resent", resent),
        COUNT_ROW("reused", reused),
        COUNT_ROW("impossible_times", impossible_times),
        COUNT_ROW("beyond_range", beyond_range),
    };
    set_counts(lua, whole, rows, sizeof rows / sizeof *rows);
}

static void set_outcomes(lua_State *lua, const struct summary *whole)
{
    lua_createtable(lua, 0, OUTCOME_COUNT); // -- summary outcomes
    for (int i = 0; i < OUTCOME_COUNT; i++)
        set_number(lua, outcome_name((enum outcome)i), (double)whole->by_outcome[i]);
    lua_setfield(lua, -2, "outcomes"); // -- summary
}

static void set_sources(lua_State *lua, const char *name, const uint64_t *by)
{
    lua_createtable(lua, 0, TOKEN_SOURCES); // -- tokens sources
    for (int i = 0; i < TOKEN_SOURCES; i++)
        set_number(lua, token_source_name((enum token_source)i), (double)by[i]);
    lua_setfield(lua, -2, name); // -- tokens
}

/* Nothing unless some answer has both counts. */
static void set_check(lua_State *lua, const struct summary *whole)
{
    static const char *const names[] = {
        [TOKENS_PROMPT] = "prompt", [TOKENS_COMPLETION] = "completion"};
    if (!whole->check[TOKENS_PROMPT].answers && !whole->check[TOKENS_COMPLETION].answers)
        return;
    lua_createtable(lua, 0, TOKEN_KINDS); // -- tokens check
    for (size_t i = 0; i < TOKEN_KINDS; i++) {
        const struct token_check *check = &whole->check[i];
        lua_createtable(lua, 0, 6); // -- tokens check kind
        set_number(lua, "answers", (double)check->answers);
        set_number(lua, "differ", (double)check->differ);
        set_number(lua, "usage", (double)check->usage);
        set_number(lua, "tokenizer", (double)check->tokenizer);
        set_number(lua, "difference", (double)(check->usage - check->tokenizer));
        set_number(lua, "apart", (double)check->apart);
        lua_setfield(lua, -2, names[i]); // -- tokens check
    }
    lua_setfield(lua, -2, "check"); // -- tokens
}

static void set_tokens(lua_State *lua, const struct summary *whole)
{
    lua_createtable(lua, 0, 12); // -- summary tokens
    set_number(lua, "prompt", (double)whole->prompt_tokens);
    set_number(lua, "completion", (double)whole->completion_tokens);
    set_number(lua, "cached", (double)whole->cached_tokens);
    set_number(lua, "reasoning", (double)whole->reasoning_tokens);
    set_number(lua, "template", (double)whole->template_tokens);
    set_number(lua, "text_chars", (double)whole->text_chars);
    set_number(lua, "errors", (double)whole->token_errors);
    set_number(lua, "uncounted", (double)whole->uncounted);
    set_sources(lua, "sources", whole->by_source);
    set_sources(lua, "prompt_sources", whole->by_prompt_source);
    set_sources(lua, "event_sources", whole->by_event_source);
    set_check(lua, whole);
    lua_setfield(lua, -2, "tokens"); // -- summary
}

static void set_events(lua_State *lua, const struct summary *whole)
{
    static const struct count_row rows[] = {
        COUNT_ROW("all", events),
        COUNT_ROW("with_text", text_events),
        COUNT_ROW("coalesced", coalesced_events),
        COUNT_ROW("reads", reads),
        COUNT_ROW("answer_bytes", answer_bytes),
        COUNT_ROW("gaps", gaps),
        COUNT_ROW("coalesced_gaps", coalesced_gaps),
    };
    lua_createtable(lua, 0, sizeof rows / sizeof *rows); // -- summary events
    set_counts(lua, whole, rows, sizeof rows / sizeof *rows);
    lua_setfield(lua, -2, "events"); // -- summary
}

/* ---- metrics ---- */

static void set_statistics(lua_State *lua, const struct summary_metric *metric,
                           enum statistic first)
{
    // -- metric
    for (enum statistic i = first; i < STATISTICS; i++)
        set_number(lua, statistic_name(i), metric->value[i]);
}

/* Present or not, so that looking a statistic up is never an error. */
static void set_metric(lua_State *lua, const char *name, const struct summary_metric *metric,
                       bool one_number)
{
    lua_createtable(lua, 0, one_number ? 1 : STATISTICS + 1); // -- metrics metric
    if (one_number) {
        set_number(lua, "value", metric->present ? metric->value[STAT_MEAN] : (double)NAN);
    } else {
        set_number(lua, statistic_name(STAT_COUNT_N),
                   metric->present ? metric->value[STAT_COUNT_N] : 0);
        if (metric->present) {
            set_statistics(lua, metric, STAT_COUNT_N + 1);
            set_flag(lua, "exact", metric->exact);
        }
    }
    lua_setfield(lua, -2, name); // -- metrics
}

static void set_metrics(lua_State *lua, const struct summary *summary)
{
    lua_createtable(lua, 0, METRIC_COUNT); // -- summary metrics
    for (size_t i = 0; i < METRIC_COUNT; i++)
        set_metric(lua, metric_at(i)->name, &summary->metric[i], i >= METRIC_SAMPLED);
    for (size_t i = 0; i < summary->own_count; i++) {
        const struct own_metric *own = summary->own[i].metric;
        set_metric(lua, own->name, &summary->own[i].value, own->over == OVER_STAGE);
    }
    lua_setfield(lua, -2, "metrics"); // -- summary
}

static void set_steady(lua_State *lua, const struct report *report)
{
    static const struct count_row rows[] = {COUNT_ROW("ok", ok), COUNT_ROW("failed", failed),
                                            COUNT_ROW("cancelled", cancelled)};
    const struct summary *steady = &report->steady;
    if (!steady->facts.steady_start_ns)
        return;
    lua_createtable(lua, 0, 5); // -- summary steady
    set_number(lua, "seconds", steady->window_s);
    set_counts(lua, steady, rows, sizeof rows / sizeof *rows);
    set_metrics(lua, steady);
    lua_setfield(lua, -2, "steady"); // -- summary
}

static void set_felt_metric(lua_State *lua, enum metric_id id, const struct summary_metric *felt)
{
    if (!felt->present)
        return;
    lua_createtable(lua, 0, STATISTICS); // -- felt metric
    set_statistics(lua, felt, STAT_P1);
    lua_setfield(lua, -2, metric_at(id)->name); // -- felt
}

static void set_felt(lua_State *lua, const struct summary *whole)
{
    if (!whole->felt_latency.present)
        return;
    lua_createtable(lua, 0, 2); // -- summary felt
    set_felt_metric(lua, METRIC_LATENCY, &whole->felt_latency);
    set_felt_metric(lua, METRIC_TTFT, &whole->felt_ttft);
    lua_setfield(lua, -2, "felt"); // -- summary
}

/* ---- trust ---- */

/* -- table: the one field of the table at the top, made when it is missing */
static void push_group(lua_State *lua, const char *name)
{
    lua_getfield(lua, -1, name); // -- trust group
    if (!lua_isnil(lua, -1))
        return;
    lua_pop(lua, 1);
    lua_createtable(lua, 0, 3);  // -- trust group
    lua_pushvalue(lua, -1);      // -- trust group group
    lua_setfield(lua, -3, name); // -- trust group
}

static void set_trust(lua_State *lua, const struct trust *trust)
{
    struct trust_figure figure;
    lua_newtable(lua); // -- summary trust
    for (size_t i = 0; trust_figure_at(trust, i, &figure); i++) {
        if (figure.group)
            push_group(lua, figure.group); // -- summary trust group
        set_number(lua, figure.name, figure.value);
        if (figure.group)
            lua_pop(lua, 1); // -- summary trust
    }
    lua_setfield(lua, -2, "trust"); // -- summary
}

/* The sentences of one kind as a list. */
static void set_sentences(lua_State *lua, const char *name, const struct verdict *verdict,
                          bool remarks)
{
    int count = 0;
    lua_newtable(lua); // -- verdict sentences
    for (size_t i = 0; i < verdict->count && i < VERDICT_REASONS; i++) {
        if (verdict->remark[i] != remarks)
            continue;
        lua_pushstring(lua, verdict->reason[i]);
        lua_rawseti(lua, -2, ++count);
    }
    lua_setfield(lua, -2, name); // -- verdict
}

static void set_verdict(lua_State *lua, const struct verdict *verdict)
{
    lua_createtable(lua, 0, 3); // -- summary verdict
    set_flag(lua, "sound", verdict->sound);
    set_sentences(lua, "reasons", verdict, false);
    set_sentences(lua, "remarks", verdict, true);
    lua_setfield(lua, -2, "verdict"); // -- summary
}

void summary_push(lua_State *lua, const struct report *report)
{
    luaL_checkstack(lua, 16, "too little room for a summary");
    lua_createtable(lua, 0, 32); // -- summary
    set_number(lua, "stage", report->stage);
    set_text(lua, "label", report->label);
    set_text(lua, "end", run_end_name(report->end));
    set_text(lua, "stop_reason", report->stop_reason);
    set_flag(lua, "interrupted", report->interrupted);
    set_number(lua, "window", report->whole.window_s);
    set_whole_counts(lua, &report->whole);
    set_outcomes(lua, &report->whole);
    set_tokens(lua, &report->whole);
    set_events(lua, &report->whole);
    set_metrics(lua, &report->whole);
    set_steady(lua, report);
    set_felt(lua, &report->whole);
    set_trust(lua, &report->trust);
    set_verdict(lua, &report->verdict);
    shared_push(lua, report->said.counters, report->said.counter_count); // -- summary shared
    lua_setfield(lua, -2, "shared");                                     // -- summary
}

/* ---- while a stage goes on ---- */

/* nil for a bound that there is not. */
static double bound(double value)
{
    return value > 0 ? value : (double)NAN;
}

void live_push(lua_State *lua, const struct live *live)
{
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"elapsed", live->elapsed_s},
        {"window", live->window_s},
        {"stage", live->stage},
        {"stages", live->stages},
        {"asked", bound((double)live->asked)},
        {"duration", bound(live->duration_s)},
        {"parallel", bound(live->parallel)},
        {"started", (double)live->started},
        {"ended", (double)live->ended},
        {"in_flight", live->in_flight},
        {"scored", (double)live->scored},
        {"ok", (double)live->ok},
        {"failed", (double)live->failed},
        {"cancelled", (double)live->cancelled},
        {"rate", live->window_s > 0 ? (double)live->ended / live->window_s : 0},
        {"reads", (double)live->reads},
        {"events", (double)live->events},
        {"packages", (double)live->packages},
        {"prompt_tokens", (double)live->prompt_tokens},
        {"completion_tokens", (double)live->completion_tokens},
        {"ttft_p50", live->ttft_p50},
        {"ttft_mean", live->ttft_mean},
        {"latency_mean", live->latency_mean},
        {"package_latency_mean", live->package_latency_mean},
    };
    luaL_checkstack(lua, 8, "too little room for stats");
    lua_createtable(lua, 0, sizeof numbers / sizeof *numbers + 3); // -- stats
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        set_number(lua, numbers[i].name, numbers[i].value);
    set_text(lua, "label", live->label);
    set_flag(lua, "draining", live->draining);
}
