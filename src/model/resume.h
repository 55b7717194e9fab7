/* What a run that was cut off has left, for the run that goes on with it: which arrivals have their
 * results, and how far the stage under way had come. Plain facts, read from its database. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum resume_held { RESUME_MISSING, RESUME_BEFORE, RESUME_HERE };

struct resume {
    uint32_t stage;         /* that is gone on with; those before it have ended */
    uint64_t first_arrival; /* of that stage */
    uint64_t start_ns;      /* of it, as the database counts; 0 = it had not begun */
    uint64_t last_result;   /* result.id of the last one */
    uint64_t last_ns;       /* the latest time in the database */
    uint64_t elapsed_ns;    /* of the stage, when the run was cut off */
    unsigned char *held;    /* enum resume_held, one an arrival: its result is there, of a stage
                               before, or of this one; owned */
    uint64_t held_count;
    uint64_t ok, failed, cancelled; /* results of the stage that are there */
    uint64_t started;               /* of them, those that had been started */
    uint64_t body_bytes;            /* of bodies in the database */
    uint32_t max_in_flight;         /* the most that the stage had seen */
    unsigned times;                 /* how often the run was cut off, this time counted */
};

static inline enum resume_held resume_held(const struct resume *resume, uint64_t arrival)
{
    return resume && arrival < resume->held_count ? (enum resume_held)resume->held[arrival]
                                                  : RESUME_MISSING;
}
