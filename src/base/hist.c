#include "base/hist.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"

__extension__ typedef unsigned __int128 uint128;

/* Every power of two from 2^11 up is cut into 2^11 buckets of equal width, so a bucket's middle is
 * off by less than 2^-12 of the value. Buckets stand in pages that are made when first needed: an
 * empty histogram is a table of pointers. */
#define SUB_BITS 11
#define PAGE_BITS 9
#define PAGE_BUCKETS (1u << PAGE_BITS)
#define LIMIT (UINT64_C(1) << 63)
#define PAGES ((64u - SUB_BITS + 1) << (SUB_BITS - PAGE_BITS))

/* 192 bits, least word first: holds 2^64 squares of 2^63, so sums of squares stay exact in
 * whatever order histograms are merged. */
struct wide {
    uint64_t word[3];
};

struct hist {
    uint64_t count, over;
    uint64_t min, max;
    uint128 sum;
    struct wide squares;
    uint64_t *pages[PAGES];
};

static struct wide wide_product(uint128 a, uint64_t b)
{
    uint128 low = (uint128)(uint64_t)a * b;
    uint128 high = (uint128)(uint64_t)(a >> 64) * b + (uint64_t)(low >> 64);
    return (struct wide){.word = {(uint64_t)low, (uint64_t)high, (uint64_t)(high >> 64)}};
}

static struct wide wide_add(struct wide a, struct wide b)
{
    uint128 carry = 0;
    for (int i = 0; i < 3; i++) {
        carry += (uint128)a.word[i] + b.word[i];
        a.word[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return a;
}

static struct wide wide_subtract(struct wide a, struct wide b)
{
    uint64_t borrow = 0;
    for (int i = 0; i < 3; i++) {
        uint128 difference = (uint128)a.word[i] - b.word[i] - borrow;
        a.word[i] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) & 1;
    }
    return a;
}

static long double wide_value(struct wide a)
{
    return ldexpl((long double)a.word[2], 128) + ldexpl((long double)a.word[1], 64) +
           (long double)a.word[0];
}

struct hist *hist_new(void)
{
    struct hist *hist = MEM_NEW(struct hist);
    hist->min = UINT64_MAX;
    return hist;
}

void hist_free(struct hist *hist)
{
    if (!hist)
        return;
    for (size_t i = 0; i < PAGES; i++)
        free(hist->pages[i]);
    free(hist);
}

static size_t bucket_of(uint64_t value)
{
    if (value < (UINT64_C(1) << SUB_BITS))
        return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - SUB_BITS;
    return ((size_t)shift << SUB_BITS) + (size_t)(value >> shift);
}

static double bucket_middle(size_t bucket)
{
    if (bucket < (1u << SUB_BITS))
        return (double)bucket;
    unsigned shift = (unsigned)(bucket >> SUB_BITS) - 1;
    uint64_t low = (uint64_t)(bucket - ((size_t)shift << SUB_BITS)) << shift;
    return (double)low + (double)((UINT64_C(1) << shift) - 1) / 2;
}

static uint64_t *page_of(struct hist *hist, size_t page)
{
    if (!hist->pages[page])
        hist->pages[page] = mem_zero(PAGE_BUCKETS, sizeof **hist->pages);
    return hist->pages[page];
}

void hist_record_n(struct hist *hist, uint64_t value, uint64_t n)
{
    if (n == 0)
        return;
    if (value > LIMIT) {
        hist->over += n;
        return;
    }
    size_t bucket = bucket_of(value);
    page_of(hist, bucket >> PAGE_BITS)[bucket & (PAGE_BUCKETS - 1)] += n;
    hist->count += n;
    hist->sum += (uint128)value * n;
    hist->squares = wide_add(hist->squares, wide_product((uint128)value * value, n));
    if (value < hist->min)
        hist->min = value;
    if (value > hist->max)
        hist->max = value;
}

void hist_record(struct hist *hist, uint64_t value)
{
    hist_record_n(hist, value, 1);
}

void hist_merge(struct hist *into, const struct hist *from)
{
    for (size_t i = 0; i < PAGES; i++) {
        if (!from->pages[i])
            continue;
        uint64_t *page = page_of(into, i);
        for (size_t k = 0; k < PAGE_BUCKETS; k++)
            page[k] += from->pages[i][k];
    }
    into->count += from->count;
    into->over += from->over;
    into->sum += from->sum;
    into->squares = wide_add(into->squares, from->squares);
    if (from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
}

uint64_t hist_count(const struct hist *hist)
{
    return hist->count;
}

uint64_t hist_over(const struct hist *hist)
{
    return hist->over;
}

double hist_min(const struct hist *hist)
{
    return hist->count ? (double)hist->min : (double)NAN;
}

double hist_max(const struct hist *hist)
{
    return hist->count ? (double)hist->max : (double)NAN;
}

double hist_mean(const struct hist *hist)
{
    return hist->count ? (double)((long double)hist->sum / (long double)hist->count) : (double)NAN;
}

/* With the mean split into its whole part m and the rest r/n, the sum of (v - m)² is the whole
 * number squares - m·(sum + r): no digit is lost where the naive formula loses all of them. */
double hist_deviation(const struct hist *hist)
{
    if (hist->count == 0)
        return (double)NAN;
    uint64_t mean = (uint64_t)(hist->sum / hist->count);
    uint64_t rest = (uint64_t)(hist->sum % hist->count);
    struct wide around = wide_subtract(hist->squares, wide_product(hist->sum + rest, mean));
    long double n = (long double)hist->count, fraction = (long double)rest / n;
    long double variance = wide_value(around) / n - fraction * fraction;
    return variance > 0 ? (double)sqrtl(variance) : 0;
}

static double within(const struct hist *hist, double value)
{
    return fmax((double)hist->min, fmin((double)hist->max, value));
}

/* The values at `rank` and `rank` + 1 of the sorted values, counted from 0. */
static void order_statistics(const struct hist *hist, uint64_t rank, double pair[2])
{
    uint64_t before = 0;
    int found = 0;
    for (size_t i = 0; i < PAGES; i++) {
        if (!hist->pages[i])
            continue;
        for (size_t k = 0; k < PAGE_BUCKETS; k++) {
            before += hist->pages[i][k];
            while (before > rank + (uint64_t)found) {
                pair[found++] = within(hist, bucket_middle((i << PAGE_BITS) + k));
                if (found == 2)
                    return;
            }
        }
    }
}

double hist_quantile(const struct hist *hist, double q)
{
    if (hist->count == 0 || !(q >= 0 && q <= 1))
        return (double)NAN;
    uint64_t last = hist->count - 1;
    double position = q * (double)last;
    uint64_t rank = (uint64_t)position;
    if (rank >= last)
        return (double)hist->max;
    double pair[2];
    order_statistics(hist, rank, pair);
    if (rank == 0)
        pair[0] = (double)hist->min;
    if (rank + 1 == last)
        pair[1] = (double)hist->max;
    return pair[0] + (pair[1] - pair[0]) * (position - (double)rank);
}
