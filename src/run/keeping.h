/* Which bodies the database is to keep: --store and --store-max. Main's; times, events and outcomes
 * are kept in any case. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct run_spec;
struct sample;

enum keep { KEEP_ALL, KEEP_FAILED, KEEP_NONE };

struct keeping {
    enum keep what;
    uint64_t max_bytes;           /* of bodies in the database; 0 = no limit */
    uint64_t bytes;               /* of them so far: by the run, and by those before it */
    bool full;                    /* one did not fit: none of the later ones goes in */
    uint64_t not_asked, past_max; /* exchanges of the stage whose bodies are not kept, and why */
};

void keeping_init(struct keeping *keeping, const struct run_spec *spec);
/* Whether the sample's bodies are to be kept; counts them, or why not. Those that were given up
 * before are neither. */
bool keeping_wants(struct keeping *keeping, const struct sample *sample);
