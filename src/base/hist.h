/* Log-linear histogram of unsigned 64-bit values with three significant digits, plus exact count,
 * sum, squares, min, max.
 *
 * Holds any value up to 2^63 without clamping; larger ones are counted in `hist_over` and nowhere
 * else. Sums are kept as whole numbers, so merging in any order gives the same mean and deviation
 * to the last digit. Small while empty (some 2 kB; 4 kB for each quarter of a power of two that has
 * values). Not thread-safe: one writer each, then merge. */
#pragma once

#include <stdint.h>

struct hist;

struct hist *hist_new(void);
void hist_free(struct hist *hist);
void hist_record(struct hist *hist, uint64_t value);
void hist_record_n(struct hist *hist, uint64_t value, uint64_t n);
void hist_merge(struct hist *into, const struct hist *from);

uint64_t hist_count(const struct hist *hist);
uint64_t hist_over(const struct hist *hist);
double hist_min(const struct hist *hist); /* NAN when empty, like all below */
double hist_max(const struct hist *hist);
double hist_mean(const struct hist *hist);
double hist_deviation(const struct hist *hist); /* of the population */
/* q in 0…1; linear interpolation between order statistics (numpy's default), each order statistic
 * known to three significant digits (relative error below 0.025 %, none below 4096); q = 0 and
 * q = 1 are exact; NAN for any other q. */
double hist_quantile(const struct hist *hist, double q);
