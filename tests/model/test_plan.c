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

/* The count by division is the count by walking, to the nanosecond. */
static void test_constant_arrivals_are_counted(void **state)
{
    (void)state;
    static const double rates[] = {0.3, 1, 3, 7.77, 1000, 123456.7, 1e6};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct plan plan = open_loop(rates[i], "constant", 0);
        struct plan_walk walk;
        char name[32];
        snprintf(name, sizeof name, "%g/s", rates[i]);
        plan_walk_begin(&walk, &plan);
        CHECK_INT(name, plan_walk_next_ns(&walk), 0);
        for (uint64_t k = 1; k < 3000; k++) {
            uint64_t due = plan_walk_next_ns(&walk);
            CHECK_INT(name, plan_due_by(&plan, due - 1), k);
            CHECK_INT(name, plan_due_by(&plan, due), k);
            CHECK_INT(name, plan_due_by(&plan, due + 1), k + 1);
        }
        CHECK_INT(name, plan_due_by(&plan, 0), 0);
        plan.number = 7;
        CHECK_INT("no more than the number", plan_due_by(&plan, 3600 * NS_PER_S), 7);
    }
}

/* A day at a rate that nobody reaches is counted at once. */
static void test_huge_counts_are_quick(void **state)
{
    (void)state;
    static const char *const arrivals[] = {"constant", "poisson"};
    for (size_t i = 0; i < 2; i++) {
        struct plan plan = open_loop(1e6, arrivals[i], 5);
        uint64_t begin_ns = clock_now_ns();
        double due = (double)plan_due_by(&plan, 86400 * NS_PER_S);
        double seconds = clock_seconds(clock_now_ns() - begin_ns);
        if (fabs(due / 86400e6 - 1) > 0.001)
            fail_msg("%s: %g due in a day, want 8.64e10", arrivals[i], due);
        if (seconds > 30)
            fail_msg("%s: counted for %g s", arrivals[i], seconds);
    }
}

static struct plan trace_of(double speed, double number, uint64_t duration_ns)
{
    struct run_spec spec = {.arrival = "trace",
                            .trace_speed = speed,
                            .number = {&number, number > 0},
                            .duration_ns = duration_ns,
                            .threads = 1};
    return plan_of(&spec, false);
}

static uint64_t due_at(struct plan_walk *walk, uint64_t at_ns)
{
    struct err err = {{0}};
    if (!plan_walk_trace(walk, at_ns, &err))
        fail_msg("%s", err.text);
    return plan_walk_next_ns(walk);
}

static void test_a_trace_gives_the_times(void **state)
{
    (void)state;
    struct plan plan = trace_of(0, 0, 0);
    struct plan_walk walk;
    struct err err = {{0}};
    CHECK_INT("shape", plan.shape, PLAN_OPEN);
    CHECK_INT("arrival", plan.arrival, ARRIVAL_TRACE);
    CHECK_INT("played once", plan.cycles, false);
    CHECK_INT("no cap", plan.parallel, MOST);
    CHECK_INT("no rate", plan.rate, 0);
    CHECK_INT("ahead", plan_ahead(&plan), 8192);
    plan_walk_begin(&walk, &plan);
    CHECK_INT("first", due_at(&walk, 5), 5);
    CHECK_INT("burst", due_at(&walk, 5), 5);
    CHECK_INT("later", due_at(&walk, 70), 70);
    assert_true(plan_walk_again(&walk));
    CHECK_INT("a pass goes on after the last", due_at(&walk, 5), 75);
    CHECK_INT("and so on", due_at(&walk, 70), 140);
    assert_true(plan_walk_again(&walk));
    CHECK_INT("third pass", due_at(&walk, 0), 140);
    assert_false(plan_walk_again(&walk)); /* one that took no time */
    assert_false(plan_walk_trace(&walk, UINT64_MAX, &err));
    assert_non_null(strstr(err.text, "arrival 7 of the trace"));
}

static void test_speed_of_a_trace(void **state)
{
    (void)state;
    static const struct {
        double speed;
        uint64_t at_ns, want_ns;
        const char *label;
    } cases[] = {
        {0, 3000, 3000, "trace"},
        {1, 3000, 3000, "trace"},
        {2, 3000, 1500, "trace, speed 2"},
        {0.25, 3000, 12000, "trace, speed 0.25"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plan plan = trace_of(cases[i].speed, 4, 9);
        struct plan_walk walk;
        char label[64];
        plan_walk_begin(&walk, &plan);
        CHECK_INT(cases[i].label, due_at(&walk, cases[i].at_ns), cases[i].want_ns);
        CHECK_TEXT("label", plan_label(&plan, label, sizeof label), cases[i].label);
        CHECK_INT("number", plan.number, 4);
        CHECK_INT("duration", plan.duration_ns, 9);
        CHECK_INT("cycles", plan.cycles, true);
        CHECK_INT("ahead", plan_ahead(&plan), 4);
    }
}

static void test_a_trace_with_stages(void **state)
{
    (void)state;
    double caps[] = {2, 8};
    struct run_spec spec = {
        .arrival = "trace", .parallel = {caps, 2}, .warmup_num = 3, .threads = 1};
    struct plans plans;
    struct err err = {{0}};
    if (!plans_of(&spec, false, MOST, &plans, &err))
        fail_msg("%s", err.text);
    CHECK_INT("stages", plans.count, 3);
    CHECK_INT("the warm-up is a closed loop", plans.items[0].shape, PLAN_CLOSED);
    CHECK_INT("of the first cap", plans.items[0].parallel, 2);
    for (size_t i = 1; i < 3; i++) {
        CHECK_INT("arrival", plans.items[i].arrival, ARRIVAL_TRACE);
        CHECK_INT("cap", plans.items[i].parallel, caps[i - 1]);
        CHECK_INT("capped", plans.items[i].capped, true);
    }
    plans_fini(&plans);
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
        cmocka_unit_test(test_constant_arrivals_are_counted),
        cmocka_unit_test(test_huge_counts_are_quick),
        cmocka_unit_test(test_a_trace_gives_the_times),
        cmocka_unit_test(test_speed_of_a_trace),
        cmocka_unit_test(test_a_trace_with_stages),
        cmocka_unit_test(test_poisson_arrivals),
        cmocka_unit_test(test_same_seed_same_plan),
        cmocka_unit_test(test_open_loop),
        cmocka_unit_test(test_ramp_up),
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_nonsense_becomes_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
