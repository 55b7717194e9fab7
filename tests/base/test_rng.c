#include "check.h"

#include <math.h>

#include "base/rng.h"

/* Computed by an independent program; the first row is also the vector of other implementations. */
static void test_known_vectors(void **state)
{
    (void)state;
    struct rng plain = {.s = {1, 2, 3, 4}};
    static const uint64_t from_1234[] = {11520,
                                         0,
                                         1509978240,
                                         UINT64_C(1215971899390074240),
                                         UINT64_C(1216172134540287360),
                                         UINT64_C(607988272756665600)};
    for (size_t i = 0; i < sizeof from_1234 / sizeof *from_1234; i++)
        CHECK_INT("state 1 2 3 4", rng_u64(&plain), from_1234[i]);
    static const struct {
        uint64_t seed, want[4];
    } cases[] = {
        {0, {0x99ec5f36cb75f2b4, 0xbf6e1f784956452a, 0x1a5f849d4933e6e0, 0x6aa594f1262d2d2c}},
        {42, {0x15780b2e0c2ec716, 0x6104d9866d113a7e, 0xae17533239e499a1, 0xecb8ad4703b360a1}},
        {UINT64_MAX,
         {0x8f5520d52a7ead08, 0xc476a018caa1802d, 0x81de31c0d260469e, 0xbf658d7e065f3c2f}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rng rng;
        rng_init(&rng, cases[i].seed);
        for (int k = 0; k < 4; k++)
            CHECK_INT("seeded", rng_u64(&rng), cases[i].want[k]);
    }
}

static void test_below(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 1);
    unsigned seen[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint64_t value = rng_below(&rng, 7);
        assert_true(value < 7);
        seen[value]++;
    }
    /* Each is 10000 with a deviation of 93. */
    for (int i = 0; i < 7; i++)
        if (seen[i] < 9500 || seen[i] > 10500)
            fail_msg("%d came %u times of 70000", i, seen[i]);
    CHECK_INT("only zero is below one", rng_below(&rng, 1), 0);
    /* A bound at which plain multiplication would give even numbers twice as often: 2/3 of 2^64. */
    uint64_t bound = UINT64_C(12297829382473034411);
    unsigned rests[2] = {0};
    for (int i = 0; i < 30000; i++) {
        uint64_t value = rng_below(&rng, bound);
        assert_true(value < bound);
        rests[value % 2]++;
    }
    for (int i = 0; i < 2; i++)
        if (rests[i] < 14400 || rests[i] > 15600)
            fail_msg("rest %d came %u times of 30000", i, rests[i]);
}

struct moments {
    double mean, deviation, min, max;
};

static double unit(struct rng *rng)
{
    return rng_unit(rng);
}

static double exponential(struct rng *rng)
{
    return rng_exponential(rng, 2.5);
}

static double normal(struct rng *rng)
{
    return rng_normal(rng);
}

static struct moments sample(double (*draw)(struct rng *rng), int count)
{
    struct rng rng;
    rng_init(&rng, 99);
    double sum = 0, squares = 0;
    struct moments m = {.min = INFINITY, .max = -INFINITY};
    for (int i = 0; i < count; i++) {
        double value = draw(&rng);
        sum += value;
        squares += value * value;
        m.min = fmin(m.min, value);
        m.max = fmax(m.max, value);
    }
    m.mean = sum / count;
    m.deviation = sqrt(squares / count - m.mean * m.mean);
    return m;
}

static void test_distributions(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double (*draw)(struct rng *rng);
        double mean, deviation, least, most;
    } cases[] = {
        {"unit", unit, 0.5, 0.288675, 0, 0.99999999999999989},
        {"exponential", exponential, 2.5, 2.5, 0, 100},
        {"normal", normal, 0, 1, -7, 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct moments m = sample(cases[i].draw, 1000000);
        /* Six standard errors of a mean of a million. */
        double tolerance = 6 * cases[i].deviation / 1000;
        if (fabs(m.mean - cases[i].mean) > tolerance)
            fail_msg("%s: mean %g, want %g", cases[i].name, m.mean, cases[i].mean);
        if (fabs(m.deviation - cases[i].deviation) > 3 * tolerance)
            fail_msg("%s: deviation %g, want %g", cases[i].name, m.deviation, cases[i].deviation);
        if (m.min < cases[i].least || m.max > cases[i].most)
            fail_msg("%s: from %g to %g", cases[i].name, m.min, m.max);
    }
}

/* The share of values beyond one deviation tells a normal from anything of equal moments. */
static void test_normal_shape(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 4);
    int beyond[3] = {0};
    for (int i = 0; i < 100000; i++) {
        double away = fabs(rng_normal(&rng));
        for (int k = 0; k < 3; k++)
            beyond[k] += away > k + 1;
    }
    static const int want[3] = {31731, 4550, 270};
    for (int k = 0; k < 3; k++)
        if (abs(beyond[k] - want[k]) > 6 * sqrt(want[k]))
            fail_msg("beyond %d deviations: %d of 100000, want %d", k + 1, beyond[k], want[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_vectors),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_distributions),
        cmocka_unit_test(test_normal_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
