/* The distribution of one metric: exact values, or a histogram once there are too many (or from the
 * start, for per-event metrics). Used by stats.c and summary.c alone. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"
#include "model/metric.h"

struct summary_metric;

struct dist {
    double *values; /* exact, unsorted; owned */
    size_t count, cap;
    struct hist *hist;  /* NULL until something is recorded; owned */
    struct hist *below; /* magnitudes of negative values; NULL until there is one; owned */
};

void dist_fini(struct dist *dist);
/* Keeps the exact value. */
void dist_keep(struct dist *dist, double value);
/* Records it in the histogram, in whole numbers that keep three significant digits of the unit. */
void dist_record(struct dist *dist, enum metric_unit unit, double value, uint64_t times);
/* Moves the exact values into the histogram. */
void dist_fold(struct dist *dist, enum metric_unit unit);
void dist_merge(struct dist *into, const struct dist *from);
/* Values that were too large for the histogram. */
uint64_t dist_beyond(const struct dist *dist);
/* All statistics. A dist holds either exact values or a histogram. */
void dist_sum_up(const struct dist *dist, enum metric_unit unit, struct summary_metric *out);
/* n and the percentiles with `failures` infinite values added; absent when there is no value. */
void dist_felt(const struct dist *dist, enum metric_unit unit, uint64_t failures,
               struct summary_metric *out);
