/* A report as a Lua table. */
#include <math.h>

#include <lauxlib.h>
#include <lualib.h>

#include "check.h"
#include "model/report.h"
#include "script/summary_lua.h"

static void fill_metrics(struct summary *summary, double mean)
{
    for (size_t i = 0; i < METRIC_COUNT; i++)
        for (size_t s = 0; s < STATISTICS; s++)
            summary->metric[i].value[s] = NAN;
    struct summary_metric *ttft = &summary->metric[METRIC_TTFT];
    *ttft = (struct summary_metric){.present = true, .exact = true};
    for (size_t s = 0; s < STATISTICS; s++)
        ttft->value[s] = mean + (double)s;
    ttft->value[STAT_COUNT_N] = 12;
    ttft->value[STAT_P99_9] = NAN;
    struct summary_metric *rate = &summary->metric[METRIC_REQUEST_THROUGHPUT];
    rate->present = true;
    rate->value[STAT_MEAN] = 17.5;
}

static void fill(struct report *report, const struct own_metric *own)
{
    *report = (struct report){.stage = 2, .label = "8 in flight", .end = RUN_END_DURATION};
    struct summary *whole = &report->whole;
    fill_metrics(whole, 100);
    fill_metrics(&report->steady, 200);
    report->steady.facts.steady_start_ns = 1;
    report->steady.window_s = 4.5;
    report->steady.ok = 11;
    whole->window_s = 9.25;
    whole->ok = 12;
    whole->failed = 3;
    whole->cancelled = 1;
    whole->scored = 16;
    whole->facts.due = 18;
    whole->facts.not_started = 2;
    whole->by_outcome[OUTCOME_OK] = 12;
    whole->by_outcome[OUTCOME_HTTP_429] = 3;
    whole->completion_tokens = 9007199254740991;
    whole->by_source[TOKENS_USAGE] = 12;
    whole->events = 77;
    whole->felt_latency.present = true;
    whole->felt_latency.value[STAT_P99] = INFINITY;
    if (!summary_add_own(whole, own, 0.5))
        fail_msg("no room for one metric");
    report->trust.loop_lag_p99 = 0.002;
    report->trust.receive_delay_p50 = NAN;
    report->trust.starved = 4;
    report->verdict = (struct verdict){.count = 2, .remark = {false, true}};
    snprintf(report->verdict.reason[0], sizeof report->verdict.reason[0], "too few");
    snprintf(report->verdict.reason[1], sizeof report->verdict.reason[1], "by the way");
}

static const char *const cases[] = {
    "s.stage == 2",
    "s.label == '8 in flight'",
    "s['end'] == 'duration'",
    "s.stop_reason == nil",
    "s.interrupted == false",
    "s.window == 9.25",
    "s.due == 18 and s.ok == 12 and s.failed == 3 and s.cancelled == 1 and s.scored == 16",
    "s.not_started == 2",
    "s.due == s.ok + s.failed + s.cancelled + s.not_started",
    "s.resent == 0",
    "s.outcomes.ok == 12 and s.outcomes.http_429 == 3 and s.outcomes.reset == 0",
    "s.tokens.completion == 9007199254740991",
    "s.tokens.sources.usage == 12",
    "s.events.all == 77",
    "s.metrics.ttft.n == 12 and s.metrics.ttft.exact == true",
    "s.metrics.ttft.mean == 101 and s.metrics.ttft.p99 == 116 and s.metrics.ttft.p99_9 == nil",
    "s.metrics.request_throughput.value == 17.5",
    "s.metrics.latency.n == 0 and s.metrics.latency.p50 == nil and s.metrics.latency.exact == nil",
    "type(s.metrics.output_throughput) == 'table' and s.metrics.output_throughput.value == nil",
    "s.metrics.made_up.value == 0.5",
    "s.steady.seconds == 4.5 and s.steady.ok == 11 and s.steady.metrics.ttft.mean == 201",
    "s.felt.latency.p99 == math.huge and s.felt.ttft == nil",
    "s.trust.loop_lag.p99 == 0.002 and s.trust.starved == 4",
    "s.trust.receive_delay.p50 == nil and s.trust.asked_rate == nil",
    "s.verdict.sound == false",
    "#s.verdict.reasons == 1 and s.verdict.reasons[1] == 'too few'",
    "#s.verdict.remarks == 1 and s.verdict.remarks[1] == 'by the way'",
    "getmetatable(s) == nil and getmetatable(s.metrics) == nil",
};

static void test_table(void **state)
{
    (void)state;
    struct own_metrics own = {.count = 0};
    struct own_metric_texts texts = {.name = span_text("made_up")};
    struct err err;
    if (!own_metrics_add(&own, &texts, OVER_STAGE, &err))
        fail_msg("%s", err.text);
    static struct report report;
    fill(&report, &own.items[0]);
    lua_State *lua = luaL_newstate();
    luaL_openlibs(lua);
    summary_push(lua, &report); // -- summary
    assert_int_equal(lua_gettop(lua), 1);
    lua_setglobal(lua, "s"); // --
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lua_settop(lua, 0);
        lua_pushfstring(lua, "return %s", cases[i]); // -- text
        if (luaL_dostring(lua, lua_tostring(lua, 1)) != 0 || !lua_toboolean(lua, -1))
            fail_msg("not so: %s (%s)", cases[i],
                     lua_isstring(lua, -1) ? lua_tostring(lua, -1) : "false");
    }
    lua_close(lua);
}

/* What there was none of is nil, so that `if summary.steady` reads as it should. */
static void test_absent(void **state)
{
    (void)state;
    static struct report report;
    report.stop_reason = "why";
    lua_State *lua = luaL_newstate();
    summary_push(lua, &report); // -- summary
    lua_getfield(lua, 1, "steady");
    lua_getfield(lua, 1, "felt");
    assert_true(lua_isnil(lua, 2) && lua_isnil(lua, 3));
    lua_getfield(lua, 1, "stop_reason");
    assert_string_equal(lua_tostring(lua, 4), "why");
    lua_close(lua);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
