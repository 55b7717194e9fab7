/* Conditions on a stage: what can be written, what it means, and what is said of what cannot. */
#include "model/condition.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "check.h"

static const struct own_metrics own = {
    .count = 3,
    .items = {{.name = "score", .unit = "points", .kind = UNIT_OWN, .over = OVER_SUCCESSES},
              {.name = "retry_after", .unit = "s", .kind = UNIT_SECONDS, .over = OVER_SUCCESSES},
              {.name = "told", .unit = "count", .kind = UNIT_COUNT, .over = OVER_STAGE}},
};

static void set_metric(struct summary_metric *metric, double n, double value)
{
    metric->present = true;
    for (size_t i = 0; i < STATISTICS; i++)
        metric->value[i] = value + (double)i / 1000;
    metric->value[STAT_COUNT_N] = n;
    metric->value[STAT_P99] = value;
}

/* TTFT has p99 0.4 of 120 values, ITL p99 0.01 of 50; 90 ok, 10 failed, of them 3 by 429. */
static struct summary *summary_new(void)
{
    struct summary *summary = MEM_NEW(struct summary);
    set_metric(&summary->metric[METRIC_TTFT], 120, 0.4);
    set_metric(&summary->metric[METRIC_ITL], 50, 0.01);
    set_metric(&summary->metric[METRIC_OUTPUT_TOKENS], 120, 64);
    set_metric(&summary->metric[METRIC_REQUEST_THROUGHPUT], 1, 0);
    summary->metric[METRIC_REQUEST_THROUGHPUT].value[STAT_MEAN] = 12.5;
    set_metric(&summary->metric[METRIC_COALESCED_SHARE], 1, 0);
    summary->metric[METRIC_COALESCED_SHARE].value[STAT_MEAN] = 0.02;
    summary->ok = summary->by_outcome[OUTCOME_OK] = 90;
    summary->failed = 10;
    summary->by_outcome[OUTCOME_HTTP_429] = 3;
    summary->facts.due = 101;
    summary->facts.not_started = 1;
    summary->own_count = own.count;
    for (size_t i = 0; i < own.count; i++) {
        summary->own[i].metric = &own.items[i];
        set_metric(&summary->own[i].value, 120, 0.7);
    }
    return summary;
}

enum wanted { FAILS, PASSES, EMPTY };

static void test_judging(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum wanted wanted;
        const char *shown;
        bool marked;
    } cases[] = {
        {"p99_ttft>500ms", PASSES, "400 ms", false},
        {"p99_ttft>399ms", FAILS, "400 ms", false},
        {"p99_ttft > 0.3", FAILS, "400 ms", false},
        {" p99_ttft  >=  400 ms ", FAILS, "400 ms", false},
        {"p99_ttft>0.4", PASSES, "400 ms", false},
        {"p99_ttft<0.4", PASSES, "400 ms", false},
        {"p99_ttft<=0.4", FAILS, "400 ms", false},
        {"ttft.p99>300ms", FAILS, "400 ms", false},
        {"ttft_p99>300ms", FAILS, "400 ms", false},
        {"mean_ttft<1s", FAILS, "401 ms", false},
        {"avg_ttft<1s", FAILS, "401 ms", false},
        {"p99.9_ttft>1s", PASSES, "417 ms", true},
        {"p99_9_ttft>1s", PASSES, "417 ms", true},
        {"ttft.p99.9>1s", PASSES, "417 ms", true},
        {"p999_ttft>1s", PASSES, "417 ms", true},
        {"p99_itl>1s", PASSES, "10 ms", true},
        {"median_itl>1s", PASSES, "19 ms", false},
        {"n_ttft<120", PASSES, "120", false},
        {"count_ttft<121", FAILS, "120", false},
        {"p99_tpot>1h", EMPTY, "-", false},
        {"p99_tpot<1h", EMPTY, "-", false},
        {"n_tpot<1", FAILS, "0", false},
        {"p99_output_tokens>=64", FAILS, "64 tokens", false},
        {"p99_output_tokens>64 tokens", PASSES, "64 tokens", false},
        {"request_throughput<12", PASSES, "12.5 1/s", false},
        {"request_throughput<13", FAILS, "12.5 1/s", false},
        {"output_throughput<1", EMPTY, "-", false},
        {"coalesced_share>1%", FAILS, "2%", false},
        {"error_rate>10%", PASSES, "10%", false},
        {"error_rate>=0.1", FAILS, "10%", false},
        {"http_429>2", FAILS, "3", false},
        {"http_5xx>0", PASSES, "0", false},
        {"ok<90", PASSES, "90", false},
        {"failed>=10", FAILS, "10", false},
        {"not_started>0", FAILS, "1", false},
        {"due<101", PASSES, "101", false},
        {"p99_score<0.5", PASSES, "0.7 points", false},
        {"p99_score<0.8points", FAILS, "0.7 points", false},
        {"p90_retry_after>10s", PASSES, "713 ms", false},
        {"told>0", FAILS, "0.701", false},
        {"unheard>0", EMPTY, "-", false},
        {"p99_unheard>0", EMPTY, "-", false},
    };
    struct summary *summary = summary_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct judgement judgement;
        condition_judge(cases[i].text, summary, &judgement);
        enum wanted got = isnan(judgement.value) ? EMPTY : judgement.failed ? FAILS : PASSES;
        CHECK_INT(cases[i].text, got, cases[i].wanted);
        CHECK_INT(cases[i].text, judgement.failed, cases[i].wanted != PASSES);
        CHECK_INT(cases[i].text, judgement.why[0] != 0, cases[i].wanted == EMPTY);
        CHECK_TEXT(cases[i].text, judgement.shown, cases[i].shown);
        CHECK_INT(cases[i].text, judgement.marked, cases[i].marked);
        CHECK_TEXT(cases[i].text, judgement.condition, cases[i].text);
    }
    free(summary);
}

static void test_nothing_ended(void **state)
{
    (void)state;
    struct summary *summary = MEM_NEW(struct summary);
    struct judgement judgement;
    condition_judge("error_rate>1%", summary, &judgement);
    CHECK_INT("failed", judgement.failed, true);
    CHECK_TEXT("why", judgement.why, "no request gave a value");
    condition_judge("p99_ttft>1", summary, &judgement);
    CHECK_INT("failed", judgement.failed, true);
    free(summary);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part; /* NULL = none */
        bool with_own, more;
    } cases[] = {
        {"p99_ttft>500ms", NULL, false, false},
        {"p99_tftt>500ms", "did you mean p99_ttft?", false, false},
        {"tftt_p99>500ms", "did you mean p99_ttft?", false, false},
        {"tftt.p90>500ms", "did you mean p90_ttft?", false, false},
        {"p99_latncy>1", "did you mean p99_latency?", false, false},
        {"tftt>1", "did you mean p99_ttft?", false, false},
        {"TTFT.p99>1", "did you mean p99_ttft?", false, false},
        {"requst_throughput<5", "did you mean request_throughput?", false, false},
        {"mean_requst_throughput<5", "did you mean request_throughput?", false, false},
        {"eror_rate>1", "did you mean error_rate?", false, false},
        {"http_42>1", "did you mean http_4", false, false},
        {"throughput>5", "there are request_throughput, output_throughput", false, false},
        {"nonsense>5", "such as p99_ttft", false, false},
        {"ttft>1", "say which statistic, such as p99_ttft or mean_ttft", false, false},
        {"p98.5_ttft>1", "there is no statistic 'p98.5'", false, false},
        {"p99_request_throughput>1", "is one number a stage", false, false},
        {"p99_ttft=5", "one of > >= < <=", false, false},
        {"p99_ttft==5", "one of > >= < <=", false, false},
        {"p99_ttft!=5", "one of > >= < <=", false, false},
        {"p99_ttft", "one of > >= < <=", false, false},
        {">5", "one of > >= < <=", false, false},
        {"", "one of > >= < <=", false, false},
        {"p99_ttft>", "not a duration", false, false},
        {"p99_ttft>5q", "not a duration", false, false},
        {"p99_ttft>-1s", "not a duration", false, false},
        {"p99_ttft>>1s", "not a duration", false, false},
        {"p99_ttft>1s<2s", "not a duration", false, false},
        {"error_rate>150%", "not a share", false, false},
        {"error_rate>1", "never holds; one in a hundred is 1%", false, false},
        {"coalesced_share<0", "never holds", false, false},
        {"error_rate>=1", NULL, false, false},
        {"error_rate<=0", NULL, false, false},
        {"ok<ten", "not a number", false, false},
        {"p99_output_tokens>5 words", "not a number", false, false},
        {"p99_score>1", "there is no 'p99_score'", false, false},
        {"p99_score>1", NULL, true, false},
        {"p99_score>1s", "not a number", true, false},
        {"p99_scor>1", "did you mean p99_score?", true, false},
        {"told>1", NULL, true, false},
        {"mean_told>1", "is one number a stage", true, false},
        {"p99_score>1", NULL, false, true},
        {"p99_score>500ms", NULL, false, true},
        {"p99_score>5%", NULL, false, true},
        {"p99_score>some", "not a duration", false, true},
        {"p98.5_ttft>1", "there is no statistic", false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        bool ok =
            condition_check(cases[i].text, cases[i].with_own ? &own : NULL, cases[i].more, &err);
        CHECK_INT(cases[i].text, ok, cases[i].part == NULL);
        if (cases[i].part && !strstr(err.text, cases[i].part))
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, err.text, cases[i].part);
    }
    char long_text[CONDITION_SIZE + 1];
    memset(long_text, 'x', sizeof long_text);
    long_text[CONDITION_SIZE] = 0;
    struct err err;
    CHECK_INT("too long", condition_check(long_text, NULL, true, &err), false);
}

/* Each name that reports show can be asked for. */
static void test_every_metric(void **state)
{
    (void)state;
    for (size_t id = 0; id < METRIC_COUNT; id++)
        for (enum statistic i = 0; i < STATISTICS; i++) {
            char text[CONDITION_SIZE];
            struct err err = {0};
            const char *name = metric_at(id)->name;
            if (id < METRIC_SAMPLED)
                snprintf(text, sizeof text, "%s_%s>=0.5", statistic_name(i), name);
            else
                snprintf(text, sizeof text, "%s>=0.5", name);
            if (!condition_check(text, NULL, false, &err))
                fail_msg("%s: %s", text, err.text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judging),
        cmocka_unit_test(test_nothing_ended),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_every_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
