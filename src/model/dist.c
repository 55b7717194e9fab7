#include "model/dist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/stats.h"

/* How many units of the histogram make one unit of the metric: times are in whole nanoseconds, and
 * speeds down to a thousandth of a token a second keep their three digits. */
static const double scales[] = {
    [UNIT_SECONDS] = 1e9, [UNIT_TOKENS] = 1,        [UNIT_TOKENS_PER_S] = 1e6,
    [UNIT_CHARS] = 1,     [UNIT_CHARS_PER_S] = 1e6, [UNIT_COUNT] = 1,
    [UNIT_PER_S] = 1e6,   [UNIT_SHARE] = 1e6,       [UNIT_OWN] = 1e6,
};

void dist_fini(struct dist *dist)
{
    free(dist->values);
    hist_free(dist->hist);
    hist_free(dist->below);
    *dist = (struct dist){0};
}

/* ---- filling ---- */

static void make_room(struct dist *dist, size_t more)
{
    if (dist->cap - dist->count >= more)
        return;
    dist->cap = dist->cap * 2 > dist->count + more ? dist->cap * 2 : dist->count + more;
    dist->values = mem_resize(dist->values, dist->cap, sizeof *dist->values);
}

void dist_keep(struct dist *dist, double value)
{
    make_room(dist, 1);
    dist->values[dist->count++] = value;
}

/* A dist with a histogram of negative values has the other one too: that says that it is folded. */
static struct hist *hist_of(struct dist *dist, bool negative)
{
    if (!dist->hist)
        dist->hist = hist_new();
    if (negative && !dist->below)
        dist->below = hist_new();
    return negative ? dist->below : dist->hist;
}

void dist_record(struct dist *dist, enum metric_unit unit, double value, uint64_t times)
{
    double scaled = round(value * scales[unit]), size = fabs(scaled);
    uint64_t whole = size < 0x1p63 ? (uint64_t)size : UINT64_MAX; /* counted as over */
    hist_record_n(hist_of(dist, scaled < 0), whole, times);
}

void dist_fold(struct dist *dist, enum metric_unit unit)
{
    for (size_t i = 0; i < dist->count; i++)
        dist_record(dist, unit, dist->values[i], 1);
    free(dist->values);
    dist->values = NULL;
    dist->count = dist->cap = 0;
}

void dist_merge(struct dist *into, const struct dist *from)
{
    if (from->count) {
        make_room(into, from->count);
        memcpy(into->values + into->count, from->values, from->count * sizeof *from->values);
        into->count += from->count;
    }
    if (from->hist)
        hist_merge(hist_of(into, false), from->hist);
    if (from->below)
        hist_merge(hist_of(into, true), from->below);
}

uint64_t dist_beyond(const struct dist *dist)
{
    return (dist->hist ? hist_over(dist->hist) : 0) + (dist->below ? hist_over(dist->below) : 0);
}

/* ---- summing up ---- */

static uint64_t dist_count(const struct dist *dist)
{
    uint64_t below = dist->below ? hist_count(dist->below) : 0;
    return dist->hist ? hist_count(dist->hist) + below : dist->count;
}

static int ascending(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;
    return first < second ? -1 : first > second;
}

static double *sorted_copy(const struct dist *dist)
{
    double *sorted = mem_zero(dist->count, sizeof *sorted);
    memcpy(sorted, dist->values, dist->count * sizeof *sorted);
    qsort(sorted, dist->count, sizeof *sorted, ascending);
    return sorted;
}

/* Linear interpolation between order statistics, numpy's default. */
static double quantile(const double *sorted, size_t count, double q)
{
    double position = q * (double)(count - 1);
    size_t rank = (size_t)position;
    if (rank + 1 >= count)
        return sorted[count - 1];
    return sorted[rank] + (sorted[rank + 1] - sorted[rank]) * (position - (double)rank);
}

/* In two passes, so that no digit is lost when all values are large and close together. */
static void moments(const double *values, size_t count, double out[STATISTICS])
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    out[STAT_MEAN] = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (values[i] - out[STAT_MEAN]) * (values[i] - out[STAT_MEAN]);
    out[STAT_STD] = sqrt(squares / (double)count);
}

static void sum_up_exact(const struct dist *dist, double out[STATISTICS])
{
    double *sorted = sorted_copy(dist);
    moments(sorted, dist->count, out);
    out[STAT_MIN] = sorted[0];
    out[STAT_MAX] = sorted[dist->count - 1];
    for (enum statistic i = STAT_P1; i < STATISTICS; i++)
        out[i] = quantile(sorted, dist->count, statistic_quantile(i));
    free(sorted);
}

static void sum_up_hist(const struct hist *hist, double scale, double out[STATISTICS])
{
    out[STAT_MEAN] = hist_mean(hist) / scale;
    out[STAT_STD] = hist_deviation(hist) / scale;
    out[STAT_MIN] = hist_min(hist) / scale;
    out[STAT_MAX] = hist_max(hist) / scale;
    for (enum statistic i = STAT_P1; i < STATISTICS; i++)
        out[i] = hist_quantile(hist, statistic_quantile(i)) / scale;
}

/* The order statistic of this rank, 0 … count − 1. */
static double hist_ranked(const struct hist *hist, uint64_t rank)
{
    uint64_t count = hist_count(hist);
    return hist_quantile(hist, count > 1 ? (double)rank / (double)(count - 1) : 0);
}

static double ranked_around_zero(const struct dist *dist, uint64_t rank)
{
    uint64_t below = hist_count(dist->below);
    return rank < below ? -hist_ranked(dist->below, below - 1 - rank)
                        : hist_ranked(dist->hist, rank - below);
}

static double quantile_around_zero(const struct dist *dist, double q)
{
    uint64_t last = dist_count(dist) - 1;
    double position = q * (double)last;
    uint64_t rank = (uint64_t)position;
    double low = ranked_around_zero(dist, rank);
    if (rank >= last)
        return low;
    return low + (ranked_around_zero(dist, rank + 1) - low) * (position - (double)rank);
}

/* Σ of the squared distances of a histogram's values from `from`. */
static double squares_from(const struct hist *hist, double from)
{
    double away = hist_mean(hist) - from, deviation = hist_deviation(hist);
    return hist_count(hist) ? (double)hist_count(hist) * (deviation * deviation + away * away) : 0;
}

static double sum_of(const struct hist *hist)
{
    return hist_count(hist) ? hist_mean(hist) * (double)hist_count(hist) : 0;
}

/* Some values are negative, perhaps all. */
static void sum_up_around_zero(const struct dist *dist, double scale, double out[STATISTICS])
{
    uint64_t n = dist_count(dist);
    double mean = (sum_of(dist->hist) - sum_of(dist->below)) / (double)n;
    double squares = squares_from(dist->hist, mean) + squares_from(dist->below, -mean);
    out[STAT_MEAN] = mean / scale;
    out[STAT_STD] = sqrt(squares / (double)n) / scale;
    out[STAT_MIN] = ranked_around_zero(dist, 0) / scale;
    out[STAT_MAX] = ranked_around_zero(dist, n - 1) / scale;
    for (enum statistic i = STAT_P1; i < STATISTICS; i++)
        out[i] = quantile_around_zero(dist, statistic_quantile(i)) / scale;
}

static void absent(struct summary_metric *out)
{
    *out = (struct summary_metric){0};
    for (size_t i = 0; i < STATISTICS; i++)
        out->value[i] = (double)NAN;
}

void dist_sum_up(const struct dist *dist, enum metric_unit unit, struct summary_metric *out)
{
    absent(out);
    out->value[STAT_COUNT_N] = (double)dist_count(dist);
    out->present = dist_count(dist) > 0;
    out->exact = out->present && !dist->hist;
    if (out->exact)
        sum_up_exact(dist, out->value);
    else if (out->present && dist->below && hist_count(dist->below))
        sum_up_around_zero(dist, scales[unit], out->value);
    else if (out->present)
        sum_up_hist(dist->hist, scales[unit], out->value);
}

/* The order statistic of this rank when everything past the last value is infinite. */
static double order_statistic(const struct dist *dist, const double *sorted, double scale,
                              uint64_t rank)
{
    uint64_t count = dist_count(dist);
    if (rank >= count)
        return (double)INFINITY;
    if (sorted)
        return sorted[rank];
    return hist_ranked(dist->hist, rank) / scale;
}

static double felt_quantile(const struct dist *dist, const double *sorted, double scale,
                            uint64_t failures, double q)
{
    double position = q * (double)(dist_count(dist) + failures - 1);
    uint64_t rank = (uint64_t)position;
    double low = order_statistic(dist, sorted, scale, rank);
    double fraction = position - (double)rank;
    if (fraction <= 0 || isinf(low))
        return low;
    return low + (order_statistic(dist, sorted, scale, rank + 1) - low) * fraction;
}

void dist_felt(const struct dist *dist, enum metric_unit unit, uint64_t failures,
               struct summary_metric *out)
{
    absent(out);
    if (dist_count(dist) == 0 || failures == 0)
        return;
    double *sorted = dist->hist ? NULL : sorted_copy(dist);
    out->present = true;
    out->exact = !dist->hist;
    out->value[STAT_COUNT_N] = (double)(dist_count(dist) + failures);
    for (enum statistic i = STAT_P1; i < STATISTICS; i++)
        out->value[i] = felt_quantile(dist, sorted, scales[unit], failures, statistic_quantile(i));
    free(sorted);
}
