#include "check.h"
#include "model/plan.h"
#include "model/run_spec.h"

static void test_stop_rules(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t number;
        uint64_t duration_ns;
        bool one_prompt;
        uint64_t want_number;
        bool want_cycles;
    } cases[] = {
        {"number", 500, 0, false, 500, true},
        {"duration", 0, 7, false, 0, true},
        {"number and duration", 500, 7, false, 500, true},
        {"neither: once over the data", 0, 0, false, 0, false},
        {"prompt alone", 0, 0, true, 1, false},
        {"prompt with number", 9, 0, true, 9, true},
        {"prompt with duration", 0, 7, true, 0, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run_spec spec = {
            .number = cases[i].number,
            .duration_ns = cases[i].duration_ns,
            .grace_ns = 11,
            .parallel = 3,
            .threads = 2,
        };
        struct plan plan = plan_of(&spec, cases[i].one_prompt);
        CHECK_INT(cases[i].name, plan.number, cases[i].want_number);
        CHECK_INT(cases[i].name, plan.cycles, cases[i].want_cycles);
        CHECK_INT(cases[i].name, plan.duration_ns, cases[i].duration_ns);
        CHECK_INT(cases[i].name, plan.grace_ns, 11);
        CHECK_INT(cases[i].name, plan.parallel, 3);
        CHECK_INT(cases[i].name, plan.threads, 2);
        CHECK_INT(cases[i].name, plan.shape, PLAN_CLOSED);
    }
}

static struct plan of_load(int64_t parallel, int64_t threads, int64_t number)
{
    struct run_spec spec = {.parallel = parallel, .threads = threads, .number = number};
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
        int64_t parallel, number;
        uint32_t want;
    } cases[] = {
        {"one slot", 1, 0, 2},           {"eleven", 11, 0, 2},          {"twelve", 12, 0, 3},
        {"a thousand", 1000, 0, 250},    {"few asked", 1000, 100, 100}, {"one asked", 1, 1, 1},
        {"number just enough", 8, 2, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plan plan = of_load(cases[i].parallel, 1, cases[i].number);
        CHECK_INT(cases[i].name, plan_ahead(&plan), cases[i].want);
    }
}

static void test_closed_loop_has_no_due_times(void **state)
{
    (void)state;
    struct plan plan = of_load(4, 1, 0);
    CHECK_INT("first", plan_due_ns(&plan, 0), 0);
    CHECK_INT("later", plan_due_ns(&plan, 12345), 0);
}

static void test_nonsense_becomes_a_plan(void **state)
{
    (void)state;
    struct plan plan = of_load(-5, 0, -1);
    CHECK_INT("parallel", plan.parallel, 1);
    CHECK_INT("threads", plan.threads, 1);
    CHECK_INT("number", plan.number, 0);
    plan = of_load(INT64_MAX, INT64_MAX, INT64_MAX);
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
        cmocka_unit_test(test_nonsense_becomes_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
