/* A script's own metrics: what is accepted, and how their values are summed up. */
#include "made.h"
#include "model/own_metric.h"
#include "model/stats.h"
#include "summaries.h"

#define LONG "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"

static struct own_metric_texts texts_of(const char *name, const char *title, const char *unit,
                                        const char *formula)
{
    return (struct own_metric_texts){span_text(name), span_text(title), span_text(unit),
                                     span_text(formula)};
}

static void add(struct own_metrics *metrics, const char *name, const char *unit)
{
    struct own_metric_texts texts = texts_of(name, NULL, unit, NULL);
    struct err err;
    if (!own_metrics_add(metrics, &texts, OVER_SUCCESSES, &err))
        fail_msg("%s: %s", name, err.text);
}

static void test_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *name, *title, *unit, *formula;
        const char *want_title, *want_unit;
        enum metric_unit kind;
    } cases[] = {
        {"words", "Words", "count", "text split at blanks", "Words", "count", UNIT_COUNT},
        {"w2_x", NULL, NULL, NULL, "w2_x", "count", UNIT_COUNT},
        {"a", NULL, "seconds", NULL, "a", "s", UNIT_SECONDS},
        {"b", NULL, "s", NULL, "b", "s", UNIT_SECONDS},
        {"c", NULL, "tokens/s", NULL, "c", "tokens/s", UNIT_TOKENS_PER_S},
        {"d", NULL, "share", NULL, "d", "share", UNIT_SHARE},
        {"e", "Größe", "°C", "", "Größe", "°C", UNIT_OWN},
    };
    struct own_metrics metrics = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err;
        struct own_metric_texts texts =
            texts_of(cases[i].name, cases[i].title, cases[i].unit, cases[i].formula);
        if (!own_metrics_add(&metrics, &texts, OVER_ALL_WITH_RESPONSE, &err))
            fail_msg("%s: %s", cases[i].name, err.text);
        const struct own_metric *metric = own_metrics_find(&metrics, cases[i].name);
        assert_ptr_equal(metric, &metrics.items[i]);
        CHECK_TEXT(cases[i].name, metric->title, cases[i].want_title);
        CHECK_TEXT(cases[i].name, metric->unit, cases[i].want_unit);
        CHECK_TEXT(cases[i].name, metric->formula, cases[i].formula ? cases[i].formula : "");
        CHECK_INT(cases[i].name, metric->kind, cases[i].kind);
        CHECK_INT(cases[i].name, metric->over, OVER_ALL_WITH_RESPONSE);
    }
    assert_null(own_metrics_find(&metrics, "word"));
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        struct own_metric_texts texts;
        const char *says;
    } cases[] = {
        {{.name = {"", 0}}, "must be lower-case letters"},
        {{.name = {NULL, 0}}, "must be lower-case letters"},
        {{.name = {"Words", 5}}, "must be lower-case letters"},
        {{.name = {"2words", 6}}, "must be lower-case letters"},
        {{.name = {"_w", 2}}, "must be lower-case letters"},
        {{.name = {"a b", 3}}, "must be lower-case letters"},
        {{.name = {"a\0b", 3}}, "must be lower-case letters"},
        {{.name = {LONG, sizeof LONG - 1}}, "at most 47 letters"},
        {{.name = {"ttft", 4}}, "'ttft': that is the name of a built-in metric"},
        {{.name = {"coalesced_share", 15}}, "built-in"},
        {{.name = {"there", 5}}, "'there': two metrics have this name"},
        {{.name = {"x", 1}, .title = {"", 0}}, "'x': 'title' must be"},
        {{.name = {"x", 1}, .title = {"a\nb", 3}}, "'x': 'title' must be"},
        {{.name = {"x", 1}, .title = {LONG LONG, 100}}, "1 to 63 bytes"},
        {{.name = {"x", 1}, .unit = {"", 0}}, "'x': 'unit' must be s, tokens"},
        {{.name = {"x", 1}, .unit = {"a\0", 2}}, "'x': 'unit' must be"},
        {{.name = {"x", 1}, .unit = {LONG, 24}}, "at most 23 bytes"},
        {{.name = {"x", 1}, .formula = {"\x7f", 1}}, "'x': 'formula' must be"},
        {{.name = {"x", 1}, .formula = {LONG LONG LONG LONG, 200}}, "at most 199 bytes"},
    };
    struct own_metrics metrics = {0};
    add(&metrics, "there", "count");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {.text = ""};
        assert_false(own_metrics_add(&metrics, &cases[i].texts, OVER_SUCCESSES, &err));
        if (!strstr(err.text, cases[i].says))
            fail_msg("%zu: \"%s\", want \"%s\"", i, err.text, cases[i].says);
        CHECK_INT("nothing added", metrics.count, 1);
    }
}

static void test_how_many(void **state)
{
    (void)state;
    struct own_metrics metrics = {0};
    struct summary summary = {0};
    struct err err;
    for (int i = 0; i < OWN_METRICS; i++) {
        char name[8];
        snprintf(name, sizeof name, "m%d", i);
        add(&metrics, name, NULL);
        assert_true(summary_add_own(&summary, &metrics.items[i], i));
    }
    struct own_metric_texts more = texts_of("more", NULL, NULL, NULL);
    assert_false(own_metrics_add(&metrics, &more, OVER_STAGE, &err));
    CHECK_TEXT("too many", err.text, "'more': there may be at most 32 metrics");
    assert_false(summary_add_own(&summary, &metrics.items[0], 1));
    CHECK_INT("none beside", summary.own_count, OWN_METRICS);
    check_near("the one number", summary.own[5].value.value[STAT_MEAN], 5, 0);
}

static void test_equal(void **state)
{
    (void)state;
    struct own_metrics a = {0}, b = {0};
    assert_true(own_metrics_equal(NULL, &a));
    add(&a, "x", "s");
    assert_false(own_metrics_equal(&a, NULL));
    add(&b, "x", "seconds");
    assert_true(own_metrics_equal(&a, &b));
    b.items[0].over = OVER_ALL_WITH_RESPONSE;
    assert_false(own_metrics_equal(&a, &b));
}

/* ---- summing up ---- */

static const double nothing = (double)NAN;

/* One request with these values of `x` and `y`. */
static void give(struct stats *stats, const struct own_metrics *metrics, double x, double y,
                 uint32_t failed)
{
    struct sample *sample = made_sample(0, 0, 0, 1);
    sample->own = metrics;
    sample->own_values = mem_zero(2, sizeof *sample->own_values);
    sample->own_values[0] = x;
    sample->own_values[1] = y;
    sample->own_failed = failed;
    stats_add(stats, sample, 0);
    sample_free(sample);
}

static void two_metrics(struct own_metrics *metrics)
{
    add(metrics, "x", "points");
    add(metrics, "y", "s");
}

static void sum_up(const struct stats *stats, struct summary *out)
{
    struct stage_facts facts = {0};
    stats_summarise(stats, &facts, out);
}

static void test_few_values(void **state)
{
    (void)state;
    struct own_metrics metrics = {0};
    struct stats *stats = stats_new();
    struct summary summary;
    two_metrics(&metrics);
    stats_own(stats, &metrics);
    sum_up(stats, &summary);
    CHECK_INT("listed without a sample", summary.own_count, 2);
    CHECK_INT("and absent", summary.own[0].value.present, false);
    give(stats, &metrics, -4, nothing, 2);
    give(stats, &metrics, 0.5, nothing, 0);
    give(stats, &metrics, 2, nothing, 3);
    give(stats, &metrics, nothing, nothing, 1);
    sum_up(stats, &summary);
    const struct summary_metric *x = &summary.own[0].value;
    CHECK_TEXT("name", summary.own[0].metric->name, "x");
    CHECK_INT("exact", x->exact, true);
    check_near("n", x->value[STAT_COUNT_N], 3, 0);
    check_near("mean", x->value[STAT_MEAN], -0.5, EXACTLY);
    check_near("min", x->value[STAT_MIN], -4, 0);
    check_near("p50", x->value[STAT_P50], 0.5, 0);
    check_near("p75", x->value[STAT_P75], 1.25, EXACTLY);
    CHECK_INT("y", summary.own[1].value.present, false);
    CHECK_INT("x failed", summary.own[0].failed, 2);
    CHECK_INT("y failed", summary.own[1].failed, 2);
    CHECK_INT("failed", summary_own_failed(&summary), 4);
    stats_free(stats);
}

/* Requests of which no value was asked for, of a script that has metrics. */
static void test_samples_without(void **state)
{
    (void)state;
    struct own_metrics metrics = {0};
    struct stats *stats = stats_new();
    struct summary summary;
    struct sample *sample = made_sample(0, 0, 0, 1);
    two_metrics(&metrics);
    stats_own(stats, &metrics);
    stats_add(stats, sample, 0);
    sum_up(stats, &summary);
    CHECK_INT("ok", summary.ok, 1);
    CHECK_INT("absent", summary.own[0].value.present, false);
    stats_free(stats);
    sample_free(sample);
}

/* Thousandths around zero, and small times: more values than are kept. */
static void test_many_values(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int low; /* of x, in thousandths */
    } cases[] = {{"around zero", -60000}, {"all below", -500000}, {"all above", 1}};
    const int n = STATS_EXACT + 20001;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct own_metrics metrics = {0};
        two_metrics(&metrics);
        struct stats *stats = stats_new();
        stats_own(stats, &metrics);
        for (int i = 0; i < n; i++)
            give(stats, &metrics, (cases[c].low + (int)((int64_t)i * 7919 % n)) / 1e3, 1e-6, 0);
        struct summary summary;
        sum_up(stats, &summary);
        const struct summary_metric *x = &summary.own[0].value;
        CHECK_INT(cases[c].name, x->exact, false);
        check_near("n", x->value[STAT_COUNT_N], n, 0);
        check_near("mean", x->value[STAT_MEAN], (cases[c].low + (n - 1) / 2.0) / 1e3, 1e-9);
        check_near("std", x->value[STAT_STD], sqrt(((double)n * n - 1) / 12) / 1e3, 1e-9);
        check_near("min", x->value[STAT_MIN], cases[c].low / 1e3, EXACTLY);
        check_near("max", x->value[STAT_MAX], (cases[c].low + n - 1) / 1e3, EXACTLY);
        for (enum statistic i = STAT_P1; i < STATISTICS; i++) {
            double want = (cases[c].low + statistic_quantile(i) * (n - 1)) / 1e3;
            if (fabs(x->value[i] - want) > 1e-3 * fabs(want) + 1e-3)
                fail_msg("%s %s: %g, want %g", cases[c].name, statistic_name(i), x->value[i], want);
        }
        check_near("y", summary.own[1].value.value[STAT_P99], 1e-6, EXACTLY);
        stats_free(stats);
    }
}

/* In whatever parts the values came, and whether or not a part is folded. */
static void test_merged(void **state)
{
    (void)state;
    static const int sizes[] = {1000, STATS_EXACT / 2 + 10, STATS_EXACT + 10};
    for (size_t c = 0; c < sizeof sizes / sizeof *sizes; c++) {
        struct own_metrics metrics = {0};
        struct stats *one = stats_new(), *left = stats_new(), *right = stats_new();
        two_metrics(&metrics);
        stats_own(one, &metrics);
        stats_own(left, &metrics);
        stats_own(right, &metrics);
        for (int i = 0; i < 2 * sizes[c]; i++) {
            double x = i % 97 - 40, y = i % 3 ? i / 1e3 : nothing;
            give(one, &metrics, x, y, i % 3 ? 0 : 2);
            give(i < sizes[c] ? left : right, &metrics, x, y, i % 3 ? 0 : 2);
        }
        stats_merge(left, right);
        struct summary got, want;
        sum_up(left, &got);
        sum_up(one, &want);
        check_same_summary("merged", &got, &want);
        CHECK_INT("exact", got.own[1].value.exact, 2 * sizes[c] <= STATS_EXACT);
        stats_free(one);
        stats_free(left);
        stats_free(right);
    }
}

static void test_beyond_range(void **state)
{
    (void)state;
    struct own_metrics metrics = {0};
    struct stats *stats = stats_new();
    struct summary summary;
    two_metrics(&metrics);
    stats_own(stats, &metrics);
    for (int i = 0; i <= STATS_EXACT; i++)
        give(stats, &metrics, i == 7 ? 1e300 : i == 8 ? -1e300 : 1, nothing, 0);
    sum_up(stats, &summary);
    CHECK_INT("left out", summary.beyond_range, 2);
    check_near("n", summary.own[0].value.value[STAT_COUNT_N], STATS_EXACT - 1, 0);
    check_near("p50", summary.own[0].value.value[STAT_P50], 1, 1e-3);
    check_near("min", summary.own[0].value.value[STAT_MIN], 1, 0);
    stats_free(stats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_how_many),     cmocka_unit_test(test_equal),
        cmocka_unit_test(test_few_values),   cmocka_unit_test(test_samples_without),
        cmocka_unit_test(test_many_values),  cmocka_unit_test(test_merged),
        cmocka_unit_test(test_beyond_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
