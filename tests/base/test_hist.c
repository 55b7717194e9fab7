#include "check.h"

#include <math.h>

#include "base/hist.h"
#include "base/mem.h"
#include "base/rng.h"

/* What the header promises of an order statistic. */
#define BOUND 0.00025

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* numpy's default on exact, sorted values. */
static double exact_quantile(const uint64_t *sorted, size_t count, double q)
{
    double position = q * (double)(count - 1);
    size_t rank = (size_t)position;
    if (rank + 1 >= count)
        return (double)sorted[count - 1];
    double low = (double)sorted[rank], high = (double)sorted[rank + 1];
    return low + (high - low) * (position - (double)rank);
}

static void check_near(const char *name, double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("%s: got %.17g, want %.17g", name, got, want);
}

static void test_empty(void **state)
{
    (void)state;
    struct hist *hist = hist_new();
    CHECK_INT("count", hist_count(hist), 0);
    CHECK_INT("over", hist_over(hist), 0);
    assert_true(isnan(hist_min(hist)));
    assert_true(isnan(hist_max(hist)));
    assert_true(isnan(hist_mean(hist)));
    assert_true(isnan(hist_deviation(hist)));
    assert_true(isnan(hist_quantile(hist, 0.5)));
    hist_record_n(hist, 5, 0);
    assert_true(isnan(hist_min(hist)));
    hist_free(hist);
    hist_free(NULL);
}

static uint64_t draw_small(struct rng *rng)
{
    return rng_below(rng, 4096);
}

static uint64_t draw_exponential(struct rng *rng)
{
    return (uint64_t)rng_exponential(rng, 50e6);
}

static uint64_t draw_any_magnitude(struct rng *rng)
{
    uint64_t value = rng_u64(rng);
    return value >> (1 + rng_below(rng, 63));
}

static uint64_t draw_two_peaks(struct rng *rng)
{
    uint64_t peak = rng_below(rng, 2) ? 20000000 : 5000000000;
    return peak + rng_below(rng, 1000);
}

static uint64_t draw_same(struct rng *rng)
{
    (void)rng;
    return 123456789;
}

static const struct {
    const char *name;
    uint64_t (*draw)(struct rng *rng);
    double bound; /* of a quantile's relative error */
} shapes[] = {
    {"below 4096", draw_small, 1e-15},
    {"exponential", draw_exponential, BOUND},
    {"any magnitude", draw_any_magnitude, BOUND},
    {"two peaks", draw_two_peaks, BOUND},
    {"all the same", draw_same, 1e-15},
};

static void check_shape(size_t shape, size_t count)
{
    static const double quantiles[] = {0,   0.001, 0.01, 0.1,  0.25, 0.333, 0.5,
                                       0.6, 0.75,  0.9,  0.95, 0.99, 0.999, 1};
    struct rng rng;
    rng_init(&rng, 7 + shape);
    uint64_t *values = mem_zero(count, sizeof *values);
    struct hist *hist = hist_new();
    long double sum = 0;
    for (size_t i = 0; i < count; i++) {
        values[i] = shapes[shape].draw(&rng);
        sum += (long double)values[i];
        hist_record(hist, values[i]);
    }
    qsort(values, count, sizeof *values, compare);
    CHECK_INT(shapes[shape].name, hist_count(hist), count);
    check_near(shapes[shape].name, hist_mean(hist), (double)(sum / (long double)count), 1e-14);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        double want = exact_quantile(values, count, quantiles[i]);
        double got = hist_quantile(hist, quantiles[i]);
        if (!(fabs(got - want) <= shapes[shape].bound * want))
            fail_msg("%s, %zu values, quantile %g: got %.17g, want %.17g", shapes[shape].name,
                     count, quantiles[i], got, want);
    }
    check_near("q = 0", hist_quantile(hist, 0), (double)values[0], 0);
    check_near("q = 1", hist_quantile(hist, 1), (double)values[count - 1], 0);
    check_near("min", hist_min(hist), (double)values[0], 0);
    check_near("max", hist_max(hist), (double)values[count - 1], 0);
    hist_free(hist);
    free(values);
}

static void test_quantiles_against_sorted_values(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 3, 10, 101, 20000};
    for (size_t shape = 0; shape < sizeof shapes / sizeof *shapes; shape++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            check_shape(shape, counts[i]);
}

/* Every bucket's edge: the values around each power of two, alone between two far ones. */
static void test_each_value_is_found_again(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 63; bit++)
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t value = (UINT64_C(1) << bit) + (uint64_t)(int64_t)delta;
            struct hist *hist = hist_new();
            hist_record(hist, 0);
            hist_record(hist, value);
            hist_record(hist, UINT64_C(1) << 63);
            double got = hist_quantile(hist, 0.5);
            if (fabs(got - (double)value) > (value < 4096 ? 0 : BOUND * (double)value))
                fail_msg("2^%u%+d: got %.17g, want %.17g", bit, delta, got, (double)value);
            hist_free(hist);
        }
}

static void test_quantiles_grow_with_q(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 3);
    struct hist *hist = hist_new();
    for (int i = 0; i < 5000; i++)
        hist_record(hist, draw_any_magnitude(&rng));
    double last = hist_min(hist);
    for (int i = 0; i <= 1000; i++) {
        double now = hist_quantile(hist, i / 1000.0);
        if (now < last)
            fail_msg("quantile %d/1000 is %g after %g", i, now, last);
        last = now;
    }
    assert_true(isnan(hist_quantile(hist, -0.001)));
    assert_true(isnan(hist_quantile(hist, 1.001)));
    assert_true(isnan(hist_quantile(hist, NAN)));
    hist_free(hist);
}

static void test_over(void **state)
{
    (void)state;
    struct hist *hist = hist_new();
    hist_record(hist, UINT64_C(1) << 63);
    hist_record(hist, (UINT64_C(1) << 63) + 1);
    hist_record_n(hist, UINT64_MAX, 3);
    CHECK_INT("counted", hist_count(hist), 1);
    CHECK_INT("over", hist_over(hist), 4);
    check_near("max", hist_max(hist), 0x1p63, 0);
    check_near("mean", hist_mean(hist), 0x1p63, 0);
    hist_free(hist);
}

/* Deviations with known answers, where sums of squares in double would lose every digit. */
static void test_deviation(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t a, b, n; /* n times each */
        double mean, deviation;
    } cases[] = {
        {"one value", 1000000000000, 1000000000000, 1, 1e12, 0},
        {"1 and 3", 1, 3, 5, 2, 1},
        {"neighbours", 1000000000000, 1000000000001, 50000000, 1000000000000.5, 0.5},
        {"1 ns around 1000 s", 999999999999, 1000000000001, 50000000, 1e12, 1},
        {"wide", 0, 1000000000000, 50000000, 5e11, 5e11},
        {"widest", 0, UINT64_C(1) << 63, UINT64_C(1) << 62, 0x1p62, 0x1p62},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hist *hist = hist_new();
        hist_record_n(hist, cases[i].a, cases[i].n);
        hist_record_n(hist, cases[i].b, cases[i].n);
        check_near(cases[i].name, hist_mean(hist), cases[i].mean, 1e-15);
        check_near(cases[i].name, hist_deviation(hist), cases[i].deviation, 1e-12);
        hist_free(hist);
    }
}

static void check_deviation(uint64_t base, uint64_t spread)
{
    enum { COUNT = 1000 };
    static uint64_t values[COUNT];
    struct rng rng;
    rng_init(&rng, base);
    struct hist *hist = hist_new();
    long double sum = 0, squares = 0;
    for (int i = 0; i < COUNT; i++) {
        values[i] = base + rng_below(&rng, spread);
        sum += (long double)values[i];
        hist_record(hist, values[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        long double away = (long double)values[i] - sum / COUNT;
        squares += away * away;
    }
    check_near("deviation", hist_deviation(hist), (double)sqrtl(squares / COUNT), 1e-9);
    hist_free(hist);
}

static void test_deviation_of_many(void **state)
{
    (void)state;
    for (uint64_t base = 1; base < 2000000000000; base = base * 3 + 7)
        check_deviation(base, 1000);
    for (uint64_t spread = 2; spread < UINT64_C(1) << 62; spread = spread * 3 + 7)
        check_deviation(1, spread);
}

/* Both neighbours of the quantile are the ends here, and the ends are exact, although each stands
 * at the far end of its bucket. */
static void test_two_values(void **state)
{
    (void)state;
    struct hist *hist = hist_new();
    hist_record(hist, 8388608);
    hist_record(hist, 16785407);
    for (int i = 0; i <= 4; i++)
        check_near("of two", hist_quantile(hist, i / 4.0), 8388608 + 8396799 * (i / 4.0), 1e-15);
    hist_free(hist);
}

static void check_same(const char *name, double got, double want)
{
    if (memcmp(&got, &want, sizeof got) != 0)
        fail_msg("%s: got %.17g, want %.17g", name, got, want);
}

static void test_merge_equals_single(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 5);
    struct hist *whole = hist_new(), *merged = hist_new(), *parts[7];
    for (int i = 0; i < 7; i++)
        parts[i] = hist_new();
    for (int i = 0; i < 30000; i++) {
        uint64_t value = rng_u64(&rng);
        value >>= rng_below(&rng, 64);
        hist_record(whole, value);
        hist_record(parts[rng_below(&rng, 6)], value); /* the seventh stays empty */
    }
    for (int i = 6; i >= 0; i--) {
        hist_merge(merged, parts[i]);
        hist_free(parts[i]);
    }
    CHECK_INT("count", hist_count(merged), hist_count(whole));
    CHECK_INT("over", hist_over(merged), hist_over(whole));
    assert_true(hist_over(whole) > 0);
    check_same("min", hist_min(merged), hist_min(whole));
    check_same("max", hist_max(merged), hist_max(whole));
    check_same("mean", hist_mean(merged), hist_mean(whole));
    check_same("deviation", hist_deviation(merged), hist_deviation(whole));
    for (int i = 0; i <= 100; i++)
        check_same("quantile", hist_quantile(merged, i / 100.0), hist_quantile(whole, i / 100.0));
    hist_free(merged);
    hist_free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_quantiles_against_sorted_values),
        cmocka_unit_test(test_each_value_is_found_again),
        cmocka_unit_test(test_quantiles_grow_with_q),
        cmocka_unit_test(test_over),
        cmocka_unit_test(test_deviation),
        cmocka_unit_test(test_deviation_of_many),
        cmocka_unit_test(test_two_values),
        cmocka_unit_test(test_merge_equals_single),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
