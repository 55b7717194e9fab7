#include "check.h"

#include <math.h>

#include "base/clock.h"
#include "model/plan.h"
#include "model/run_spec.h"

enum { MOST = 5000 };

/* The plan of a run of one stage; freed by nobody, it owns nothing. */
static struct plan plan_of(const struct run_spec *spec, bool one_prompt)
{
    struct plans plans;
    struct err err = {{0}};
    if (!plans_of(spec, one_prompt, MOST, &plans, &err))
        fail_msg("%s", err.text);
    CHECK_INT("stages", plans.count, 1);
    struct plan plan = plans.items[0];
    plans_fini(&plans);
    return plan;
}

static void test_stop_rules(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double number;
        uint64_t duration_ns, runtime_ns;
        bool one_prompt;
        uint64_t want_number, want_duration;
        bool want_cycles;
    } cases[] = {
        {"number", 500, 0, 0, false, 500, 0, true},
        {"duration", 0, 7, 0, false, 0, 7, true},
        {"number and duration", 500, 7, 0, false, 500, 7, true},
        {"neither: once over the data", 0, 0, 0, false, 0, 0, false},
        {"runtime: the data ends it too", 0, 0, 9, false, 0, 9, false},
        {"runtime with number", 500, 0, 9, false, 500, 9, true},
        {"prompt alone", 0, 0, 0, true, 1, 0, false},
        {"prompt with number", 9, 0, 0, true, 9, 0, true},
        {"prompt with duration", 0, 7, 0, true, 0, 7, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double number = cases[i].number, parallel = 3;
        struct run_spec spec = {
            .number = {&number, number > 0},
            .duration_ns = cases[i].duration_ns,
            .runtime_ns = cases[i].runtime_ns,
            .grace_ns = 11,
            .parallel = {&parallel, 1},
            .threads = 2,
        };
        struct plan plan = plan_of(&spec, cases[i].one_prompt);
        CHECK_INT(cases[i].name, plan.number, cases[i].want_number);
        CHECK_INT(cases[i].name, plan.cycles, cases[i].want_cycles);
        CHECK_INT(cases[i].name, plan.duration_ns, cases[i].want_duration);
        CHECK_INT(cases[i].name, plan.grace_ns, 11);
        CHECK_INT(cases[i].name, plan.parallel, 3);
        CHECK_INT(cases[i].name, plan.threads, 2);
        CHECK_INT(cases[i].name, plan.shape, PLAN_CLOSED);
    }
}

static struct plan of_load(double parallel, int64_t threads, double number)
{
    struct run_spec spec = {
        .parallel = {&parallel, 1}, .threads = threads, .number = {&number, number != 0}};
    return plan_of(&spec, false);
}

static void test_slots(void **state)
{
    (void)state;
    for (uint32_t parallel = 1; parallel <= 40; parallel++)
        for (uint32_t threads = 1; threads <= 12; threads++) {
            char name[64];
            snprintf(name, sizeof name, "%u over %u", parallel, threads);
            struct plan plan = of_load(parallel, threads, 0);
            uint32_t sum = 0, least = UINT32_MAX, most = 0;
            CHECK_INT(name, plan.threads, threads < parallel ? threads : parallel);
            for (uint32_t i = 0; i < plan.threads; i++) {
                uint32_t slots = plan_slots(&plan, i);
                sum += slots;
                least = slots < least ? slots : least;
                most = slots > most ? slots : most;
            }
            CHECK_INT(name, sum, parallel);
            if (most - least > 1)
                fail_msg("%s: from %u to %u slots", name, least, most);
            if (least == 0)
                fail_msg("%s: a worker without a slot", name);
            CHECK_INT(name, plan_slots(&plan, plan.threads), 0);
        }
}

static void test_ahead(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double parallel, number, rate;
        uint32_t want;
    } cases[] = {
        {"one slot", 1, 0, 0, 2},
        {"eleven", 11, 0, 0, 2},
        {"twelve", 12, 0, 0, 3},
        {"a thousand", 1000, 0, 0, 250},
        {"few asked", 1000, 100, 0, 100},
        {"one asked", 1, 1, 0, 1},
        {"number just enough", 8, 2, 0, 2},
        {"slow arrivals", 0, 0, 0.5, 16},
        {"a second's worth", 0, 0, 300, 300},
        {"all at once", 0, 0, -1, 8192},
        {"all of few at once", 0, 30, -1, 30},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double parallel = cases[i].parallel, number = cases[i].number, rate = cases[i].rate;
        struct run_spec spec = {.parallel = {&parallel, parallel > 0},
                                .number = {&number, number > 0},
                                .rate = {&rate, rate != 0},
                                .threads = 1};
        struct plan plan = plan_of(&spec, false);
        CHECK_INT(cases[i].name, plan_ahead(&plan), cases[i].want);
    }
}

static void test_closed_loop_has_no_due_times(void **state)
{
    (void)state;
    struct plan plan = of_load(4, 1, 0);
    struct plan_walk walk;
    plan_walk_begin(&walk, &plan);
    for (int i = 0; i < 10; i++)
        CHECK_INT("due", plan_walk_next_ns(&walk), 0);
}

static struct plan open_loop(double rate, const char *arrival, int64_t seed)
{
    struct run_spec spec = {
        .rate = {&rate, 1}, .arrival = (char *)arrival, .plan_seed = seed, .threads = 1};
    return plan_of(&spec, false);
}

static void test_constant_arrivals_do_not_drift(void **state)
{
    (void)state;
    struct plan plan = open_loop(3, "constant", 0);
    struct plan_walk walk;
    plan_walk_begin(&walk, &plan);
    for (uint64_t k = 0; k < 100000; k++) {
        uint64_t want = (uint64_t)((double)k * 1e9 / 3);
        CHECK_INT("due", plan_walk_next_ns(&walk), want);
    }
    CHECK_INT("due before a second", plan_due_by(&plan, NS_PER_S), 3);
    CHECK_INT("due before the start", plan_due_by(&plan, 0), 0);
}

/* Gaps against the exponential distribution: mean, deviation, and the share beyond the mean (1/e).
 */
static void test_poisson_arrivals(void **state)
{
    (void)state;
    enum { N = 200000 };
    struct plan plan = open_loop(50, "poisson", 7);
    struct plan_walk walk;
    double sum = 0, squares = 0;
    uint64_t last = 0, beyond = 0;
    plan_walk_begin(&walk, &plan);
    CHECK_INT("the first is due at once", plan_walk_next_ns(&walk), 0);
    for (int i = 0; i < N; i++) {
        uint64_t due = plan_walk_next_ns(&walk);
        assert_true(due >= last);
        double gap = (double)(due - last) / 1e9;
        sum += gap;
        squares += gap * gap;
        beyond += gap > 0.02;
        last = due;
    }
    double mean = sum / N, deviation = sqrt(squares / N - mean * mean);
    if (fabs(mean - 0.02) > 0.0003 || fabs(deviation - 0.02) > 0.0005)
        fail_msg("mean %g, deviation %g, want 0.02 for both", mean, deviation);
    if (fabs((double)beyond / N - exp(-1)) > 0.01)
        fail_msg("%g of the gaps are beyond the mean, want 1/e", (double)beyond / N);
}

static void test_same_seed_same_plan(void **state)
{
    (void)state;
    struct plan a = open_loop(10, "poisson", 3), b = open_loop(10, "poisson", 4);
    struct plan_walk first, again, other;
    unsigned differ = 0;
    plan_walk_begin(&first, &a);
    plan_walk_begin(&again, &a);
    plan_walk_begin(&other, &b);
    for (int i = 0; i < 100; i++) {
        uint64_t due = plan_walk_next_ns(&first);
        CHECK_INT("again", plan_walk_next_ns(&again), due);
        differ += plan_walk_next_ns(&other) != due;
    }
    assert_true(differ > 90);
}

static void test_open_loop(void **state)
{
    (void)state;
    struct plan plan = open_loop(2.5, "poisson", 0);
    CHECK_INT("shape", plan.shape, PLAN_OPEN);
    CHECK_INT("uncapped", plan.capped, false);
    CHECK_INT("as many as the system allows", plan.parallel, MOST);
    plan = open_loop(-1, "poisson", 0);
    CHECK_INT("all at once", plan.arrival, ARRIVAL_AT_ONCE);
    double rate = 2.5, cap = 8;
    struct run_spec spec = {.rate = {&rate, 1}, .parallel = {&cap, 1}, .threads = 1};
    plan = plan_of(&spec, false);
    CHECK_INT("capped", plan.capped, true);
    CHECK_INT("cap", plan.parallel, 8);
    char label[64];
    CHECK_TEXT("label", plan_label(&plan, label, sizeof label), "2.5/s, at most 8");
}

static void test_ramp_up(void **state)
{
    (void)state;
    struct plan plan = of_load(10, 3, 0);
    CHECK_INT("no ramp", plan_spawn_ns(&plan, 2, 2), 0);
    plan.spawn_rate = 2;
    CHECK_INT("first", plan_spawn_ns(&plan, 0, 0), 0);
    CHECK_INT("second", plan_spawn_ns(&plan, 1, 0), NS_PER_S / 2);
    CHECK_INT("tenth", plan_spawn_ns(&plan, 0, 3), 9 * NS_PER_S / 2);
}

static void test_stages(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t parallel, rate, number;
        int64_t warmup;
        size_t want;
        const char *error; /* a part of it */
    } cases[] = {
        {"none", 0, 0, 0, 0, 1, NULL},
        {"four loads", 4, 0, 1, 0, 4, NULL},
        {"a number each", 4, 0, 4, 0, 4, NULL},
        {"rates under one cap", 1, 3, 1, 0, 3, NULL},
        {"rates with a cap each", 3, 3, 1, 0, 3, NULL},
        {"with a warm-up", 2, 0, 1, 5, 3, NULL},
        {"loads and rates differ", 2, 3, 1, 0, 0, "--parallel has 2 values and --rate has 3"},
        {"numbers differ", 3, 0, 2, 0, 0, "--number has 2 values for 3 stages"},
    };
    double values[] = {1, 2, 4, 8};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run_spec spec = {.parallel = {values, cases[i].parallel},
                                .rate = {values, cases[i].rate},
                                .number = {values, cases[i].number},
                                .warmup_num = cases[i].warmup,
                                .sleep_interval_ns = 5,
                                .threads = 1};
        struct plans plans;
        struct err err = {{0}};
        bool ok = plans_of(&spec, false, MOST, &plans, &err);
        CHECK_INT(cases[i].name, ok, cases[i].error == NULL);
        if (cases[i].error && !strstr(err.text, cases[i].error))
            fail_msg("%s: \"%s\" without \"%s\"", cases[i].name, err.text, cases[i].error);
        CHECK_INT(cases[i].name, plans.count, cases[i].want);
        for (size_t k = 0; k < plans.count; k++) {
            size_t load = k - (cases[i].warmup > 0 && k > 0);
            CHECK_INT(cases[i].name, plans.items[k].warmup, cases[i].warmup > 0 && k == 0);
            CHECK_INT(cases[i].name, plans.items[k].rest_ns, load > 0 ? 5 : 0);
            if (cases[i].parallel > 1)
                CHECK_INT(cases[i].name, plans.items[k].parallel, values[load]);
        }
        plans_fini(&plans);
    }
}

static void test_nonsense_becomes_a_plan(void **state)
{
    (void)state;
    struct plan plan = of_load(-5, 0, -1);
    CHECK_INT("parallel", plan.parallel, 1);
    CHECK_INT("threads", plan.threads, 1);
    CHECK_INT("number", plan.number, 0);
    plan = of_load(1e18, INT64_MAX, 1e18);
    CHECK_INT("largest parallel", plan.parallel, UINT32_MAX);
    CHECK_INT("its slots", plan_slots(&plan, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_rules),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_closed_loop_has_no_due_times),
        cmocka_unit_test(test_constant_arrivals_do_not_drift),
        cmocka_unit_test(test_poisson_arrivals),
        cmocka_unit_test(test_same_seed_same_plan),
        cmocka_unit_test(test_open_loop),
        cmocka_unit_test(test_ramp_up),
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_nonsense_becomes_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
