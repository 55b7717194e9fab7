/* Seeded random numbers (xoshiro256**, seeded through splitmix64): the same seed gives the same run
 * everywhere. */
#pragma once

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_u64(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t bound); /* uniform in [0, bound), bound > 0 */
double rng_unit(struct rng *rng);                    /* uniform in [0, 1) */
double rng_exponential(struct rng *rng, double mean);
double rng_normal(struct rng *rng); /* mean 0, deviation 1 */
