/* The plan: a pure function of the options and the seed that says when arrival k is due; the same
 * for any number of threads.
 *
 * A run is a list of stages, each with one load shape and one end rule. In a closed loop an arrival
 * is due when a slot becomes free (plus its think time); in an open loop its due time is fixed from
 * the start, however slow the answers are. Those of a trace are in the data; the plan says how they
 * become due times. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

struct run_spec;

enum plan_shape { PLAN_CLOSED, PLAN_OPEN };
enum plan_arrival { ARRIVAL_POISSON, ARRIVAL_CONSTANT, ARRIVAL_AT_ONCE, ARRIVAL_TRACE };

struct plan {
    enum plan_shape shape;
    enum plan_arrival arrival; /* open loop: how due times follow each other */
    double rate;     /* open loop: arrivals a second; 0 when all are due at once, or by a trace */
    double speed;    /* of a trace: its times are divided by it */
    uint64_t seed;   /* of the arrivals */
    uint64_t number; /* arrivals at most; 0 = no bound of its own */
    uint64_t duration_ns; /* starting stops this long after the start of the stage; 0 = no bound */
    uint64_t grace_ns;    /* what in-flight exchanges are given after that */
    uint32_t parallel;    /* slots; an open loop without a cap has as many as descriptors allow */
    bool capped;          /* open loop: `parallel` was asked for */
    uint32_t threads;     /* never more than `parallel`: a worker without a slot would idle */
    double spawn_rate;    /* closed loop: slots that come into being a second; 0 = all at once */
    bool cycles; /* the data starts again at its end (a number larger than the data, or a duration)
                  */
    bool one_prompt;   /* the data is a single --prompt: its coming again is no news */
    bool same_prompts; /* the data starts again with this stage; so it does for every trace */
    bool warmup;       /* not summarised */
    uint64_t rest_ns;  /* pause before it starts */
};

struct plans {
    struct plan *items; /* owned */
    size_t count;
};

/* The stages of this spec, a warm-up first (of a trace: a closed loop, its times are for the
 * stages). `one_prompt`: the data is a single --prompt, so "neither number nor duration" means one
 * request. `most_in_flight`: what an open loop without a cap may reach. Fails when lists do not
 * match. */
bool plans_of(const struct run_spec *spec, bool one_prompt, uint32_t most_in_flight,
              struct plans *plans, struct err *err) MUST_CHECK;
bool plan_is_trace(const struct run_spec *spec); /* --arrival trace */
void plans_fini(struct plans *plans);

/* "8 parallel", "2.5/s", "2.5/s, at most 8", "trace": what tells a stage from the others. Returns
 * `out`. */
char *plan_label(const struct plan *plan, char *out, size_t size);

/* The due times of the arrivals one after another, as offsets from the start of the stage in ns;
 * the first is 0 unless a trace says otherwise. Closed loop: always 0. */
struct plan_walk {
    const struct plan *plan;
    struct rng rng;
    uint64_t next;
    double at_ns;
    uint64_t pass_ns, due_ns; /* of a trace: where this pass over it began, the last due time */
};

void plan_walk_begin(struct plan_walk *walk, const struct plan *plan);
uint64_t plan_walk_next_ns(struct plan_walk *walk);
/* Of a trace: the next arrival stands at `at_ns` in it. Fails when it would be due more than 10^9 s
 * after the start of the stage. */
bool plan_walk_trace(struct plan_walk *walk, uint64_t at_ns, struct err *err) MUST_CHECK;
/* Of a trace: another pass over it begins where this one ended. False: it took no time. */
bool plan_walk_again(struct plan_walk *walk);

/* How many arrivals of an open loop, but not of a trace, are due before `offset_ns`. Poisson
 * arrivals are walked; beyond some 30 million of them the mean rate serves, which is then right to
 * some 0.02 %, so that a rate that nothing could reach does not keep the report waiting. */
uint64_t plan_due_by(const struct plan *plan, uint64_t offset_ns);

/* Slots of worker `worker` of `threads`: they add up to `parallel`, no two differ by more than one.
 */
uint32_t plan_slots(const struct plan *plan, uint32_t worker);
/* When slot `slot` of worker `worker` comes into being, as an offset from the start of the stage.
 */
uint64_t plan_spawn_ns(const struct plan *plan, uint32_t worker, uint32_t slot);
/* How many requests the composer keeps ready, never more than the number: max(2, parallel / 4) in a
 * closed loop, so that nothing goes out stale; a second's worth in an open one, 16 at
 * least; all that the queue takes when all are due at once. Where requests have times of their own
 * that is the most; see plan_early_ns. */
uint32_t plan_ahead(const struct plan *plan);
/* In an open loop: how long before its time a request is composed at the earliest; where arrivals
 * follow a rate, how long before that of the one before it. */
uint64_t plan_early_ns(void);
