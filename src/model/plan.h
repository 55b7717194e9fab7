/* The plan: a pure function of the options and the seed that says when arrival k is due; the same
 * for any number of threads.
 *
 * A closed loop has no due times of its own: an arrival is due when a slot becomes free (plus its
 * think time), so plan_due_ns is 0. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct run_spec;

enum plan_shape { PLAN_CLOSED };

struct plan {
    enum plan_shape shape;
    uint64_t number;      /* arrivals at most; 0 = no bound of its own */
    uint64_t duration_ns; /* starting stops this long after the start of the stage; 0 = no bound */
    uint64_t grace_ns;    /* what in-flight exchanges are given after that */
    uint32_t parallel;
    uint32_t threads; /* never more than `parallel`: a worker without a slot would idle */
    bool cycles; /* the data starts again at its end (a number larger than the data, or a duration)
                  */
};

/* Closed loop of this spec. `one_prompt`: the data is a single --prompt, so "neither number nor
 * duration" means one request. */
struct plan plan_of(const struct run_spec *spec, bool one_prompt);
uint64_t plan_due_ns(const struct plan *plan,
                     uint64_t arrival); /* offset from the start of the stage */
/* Slots of worker `worker` of `threads`: they add up to `parallel`, no two differ by more than one.
 */
uint32_t plan_slots(const struct plan *plan, uint32_t worker);
/* How many requests the composer keeps ready: max(2, parallel / 4), never more than the number. */
uint32_t plan_ahead(const struct plan *plan);
