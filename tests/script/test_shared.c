/* Counters of many threads. */
#include <pthread.h>

#include "check.h"
#include "script/shared.h"

enum { THREADS = 4, ROUNDS = 2000 };

struct giver {
    struct shared *shared;
    int number;
    pthread_t id;
};

static double must_give(struct shared *shared, const char *name, enum shared_kind kind,
                        double value)
{
    struct err err;
    double now = 0;
    if (!shared_give(shared, span_text(name), kind, value, &now, &err))
        fail_msg("%s: %s", name, err.text);
    return now;
}

static void *give_all(void *arg)
{
    const struct giver *giver = arg;
    char own[16];
    snprintf(own, sizeof own, "thread %d", giver->number);
    for (int i = 0; i < ROUNDS; i++) {
        must_give(giver->shared, "sum", SHARED_SUM, 1);
        must_give(giver->shared, own, SHARED_SUM, 0.5);
        must_give(giver->shared, "high", SHARED_MAX, giver->number * ROUNDS + i);
        must_give(giver->shared, "low", SHARED_MIN, giver->number * ROUNDS + i);
        double seen = shared_value(giver->shared, span_text("sum"));
        if (seen < i + 1 || seen > THREADS * ROUNDS)
            fail_msg("the sum is %g after %d of %d", seen, i + 1, THREADS * ROUNDS);
        size_t count;
        if (i % 100 == 0)
            free(shared_counters(giver->shared, &count));
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct shared *shared = shared_new();
    struct giver givers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        givers[i] = (struct giver){.shared = shared, .number = i};
        assert_int_equal(pthread_create(&givers[i].id, NULL, give_all, &givers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(givers[i].id, NULL);
    static const struct counter want[] = {
        {"high", THREADS * ROUNDS - 1}, {"low", 0},
        {"sum", THREADS * ROUNDS},      {"thread 0", ROUNDS / 2.0},
        {"thread 1", ROUNDS / 2.0},     {"thread 2", ROUNDS / 2.0},
        {"thread 3", ROUNDS / 2.0},
    };
    size_t count = 0;
    struct counter *got = shared_counters(shared, &count);
    CHECK_INT("counters", count, sizeof want / sizeof *want);
    for (size_t i = 0; i < count; i++) {
        CHECK_TEXT("name", got[i].name, want[i].name);
        if (got[i].value != want[i].value)
            fail_msg("%s: got %g, want %g", got[i].name, got[i].value, want[i].value);
    }
    free(got);
    shared_free(shared);
}

static void test_values(void **state)
{
    (void)state;
    struct shared *shared = shared_new();
    size_t count = 1;
    assert_null(shared_counters(shared, &count));
    CHECK_INT("counters", count, 0);
    assert_true(shared_value(shared, span_text("nobody")) == 0);
    assert_true(must_give(shared, "a", SHARED_SUM, 9007199254740991.0) == 9007199254740991.0);
    assert_true(must_give(shared, "a", SHARED_SUM, 1) == 9007199254740992.0);
    assert_true(must_give(shared, "neg", SHARED_MAX, -5) == -5);
    assert_true(must_give(shared, "neg", SHARED_MAX, -7) == -5);
    assert_true(must_give(shared, "pos", SHARED_MIN, 5) == 5);
    assert_true(must_give(shared, "pos", SHARED_MIN, 7) == 5);
    shared_free(shared);
}

/* A name one byte too long, or one name too many, changes nothing. */
static void test_ceilings(void **state)
{
    (void)state;
    struct shared *shared = shared_new();
    struct err err;
    char name[COUNTER_NAME + 1];
    double now = 0;
    memset(name, 'x', sizeof name);
    assert_true(shared_give(shared, span_of(name, COUNTER_NAME - 1), SHARED_SUM, 1, &now, &err));
    assert_false(shared_give(shared, span_of(name, COUNTER_NAME), SHARED_SUM, 1, &now, &err));
    for (int i = 1; i < COUNTERS_MOST; i++) {
        snprintf(name, sizeof name, "n%d", i);
        must_give(shared, name, SHARED_SUM, 1);
    }
    assert_false(shared_give(shared, span_text("more"), SHARED_SUM, 1, &now, &err));
    assert_true(must_give(shared, "n1", SHARED_SUM, 1) == 2);
    size_t count;
    free(shared_counters(shared, &count));
    CHECK_INT("counters", count, COUNTERS_MOST);
    shared_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_ceilings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
