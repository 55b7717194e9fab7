#include "model/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/run_spec.h"

enum { AHEAD_LEAST = 16, AHEAD_MOST = 8192 }; /* of an open loop */
enum { WALK_MOST = 1 << 25 };                 /* arrivals counted one by one: below a second */
static const double LATEST_NS = 1e9 * NS_PER_S;
static const uint64_t EARLY_NS = 5 * NS_PER_S;

/* ---- from options to stages ---- */

/* A count the option table has bounded already; what it would not let through becomes the nearest
 * count a plan can have. */
static uint32_t at_least_one(double count)
{
    if (!(count >= 1))
        return 1;
    return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

/* The value of stage `i`: of a list, its own; of a single value, that one. */
static double value_of(const struct numbers *numbers, size_t i, double otherwise)
{
    if (!numbers->count)
        return otherwise;
    return numbers->items[numbers->count == 1 ? 0 : i];
}

bool plan_is_trace(const struct run_spec *spec)
{
    return spec->arrival && strcmp(spec->arrival, "trace") == 0;
}

static enum plan_arrival arrival_of(const struct run_spec *spec, double rate)
{
    if (plan_is_trace(spec))
        return ARRIVAL_TRACE;
    if (rate < 0)
        return ARRIVAL_AT_ONCE;
    return spec->arrival && strcmp(spec->arrival, "constant") == 0 ? ARRIVAL_CONSTANT
                                                                   : ARRIVAL_POISSON;
}

static void set_load(const struct run_spec *spec, size_t i, uint32_t most_in_flight,
                     struct plan *plan)
{
    plan->capped = spec->parallel.count > 0;
    plan->parallel = at_least_one(value_of(&spec->parallel, i, 1));
    plan->spawn_rate = spec->spawn_rate;
    if (!spec->rate.count && !plan_is_trace(spec))
        return;
    double rate = value_of(&spec->rate, i, 0);
    plan->shape = PLAN_OPEN;
    plan->arrival = arrival_of(spec, rate);
    plan->rate = rate > 0 ? rate : 0;
    plan->speed = spec->trace_speed > 0 ? spec->trace_speed : 1;
    if (!plan->capped)
        plan->parallel = most_in_flight;
}

static struct plan plan_of_stage(const struct run_spec *spec, size_t i, bool one_prompt,
                                 uint32_t most_in_flight)
{
    double number = value_of(&spec->number, i, 0);
    struct plan plan = {
        .number = number > 0 ? (uint64_t)number : 0,
        .duration_ns = spec->runtime_ns ? spec->runtime_ns : spec->duration_ns,
        .grace_ns = spec->grace_ns,
        .threads = at_least_one((double)spec->threads),
        .seed = (uint64_t)spec->plan_seed + i,
        .one_prompt = one_prompt,
        .same_prompts = spec->same_prompts,
    };
    set_load(spec, i, most_in_flight, &plan);
    plan.cycles = plan.number > 0 || (plan.duration_ns > 0 && !spec->runtime_ns);
    if (one_prompt && !plan.cycles && !plan.duration_ns)
        plan.number = 1;
    if (plan.threads > plan.parallel)
        plan.threads = plan.parallel;
    return plan;
}

/* With the first stage's load; but the times of a trace are for the stages. */
static struct plan plan_of_warmup(const struct run_spec *spec, bool one_prompt,
                                  uint32_t most_in_flight)
{
    struct run_spec first = *spec;
    if (plan_is_trace(spec))
        first.arrival = NULL;
    struct plan plan = plan_of_stage(&first, 0, one_prompt, most_in_flight);
    plan.warmup = plan.cycles = true;
    plan.number = (uint64_t)spec->warmup_num;
    plan.duration_ns = 0;
    return plan;
}

static bool lists_match(const char *a, size_t count_a, const char *b, size_t count_b,
                        struct err *err)
{
    if (count_a <= 1 || count_b <= 1 || count_a == count_b)
        return true;
    return err_set(err,
                   "--%s has %zu values and --%s has %zu; lists must be of one length, or one of "
                   "them a single value",
                   a, count_a, b, count_b);
}

static size_t more(size_t a, size_t b)
{
    return a > b ? a : b;
}

bool plans_of(const struct run_spec *spec, bool one_prompt, uint32_t most_in_flight,
              struct plans *plans, struct err *err)
{
    size_t parallel = spec->parallel.count, rate = spec->rate.count, number = spec->number.count;
    size_t stages = more(more(parallel, rate), 1), at = 0;
    bool warmup = spec->warmup_num > 0;
    *plans = (struct plans){0};
    if (!lists_match("parallel", parallel, "rate", rate, err))
        return false;
    if (number > 1 && number != stages)
        return err_set(err,
                       "--number has %zu values for %zu stages; give one for all or one for each",
                       number, stages);
    plans->count = stages + warmup;
    plans->items = mem_zero(plans->count, sizeof *plans->items);
    if (warmup)
        plans->items[at++] = plan_of_warmup(spec, one_prompt, most_in_flight);
    for (size_t i = 0; i < stages; i++) {
        plans->items[at] = plan_of_stage(spec, i, one_prompt, most_in_flight);
        plans->items[at++].rest_ns = i ? spec->sleep_interval_ns : 0;
    }
    return true;
}

void plans_fini(struct plans *plans)
{
    free(plans->items);
    *plans = (struct plans){0};
}

char *plan_label(const struct plan *plan, char *out, size_t size)
{
    const char *what = plan->warmup ? "warm-up, " : "";
    if (plan->shape == PLAN_CLOSED)
        snprintf(out, size, "%s%u parallel", what, plan->parallel);
    else if (plan->arrival == ARRIVAL_AT_ONCE)
        snprintf(out, size, "%sall at once", what);
    else if (plan->arrival == ARRIVAL_TRACE && plan->speed != 1)
        snprintf(out, size, "%strace, speed %g", what, plan->speed);
    else if (plan->arrival == ARRIVAL_TRACE)
        snprintf(out, size, "%strace", what);
    else
        snprintf(out, size, "%s%g/s", what, plan->rate);
    size_t used = strlen(out);
    if (plan->shape == PLAN_OPEN && plan->capped)
        snprintf(out + used, size - used, ", at most %u", plan->parallel);
    return out;
}

/* ---- due times ---- */

void plan_walk_begin(struct plan_walk *walk, const struct plan *plan)
{
    *walk = (struct plan_walk){.plan = plan};
    rng_init(&walk->rng, plan->seed);
}

static uint64_t constant_ns(const struct plan *plan, uint64_t k)
{
    return (uint64_t)((double)k * (double)NS_PER_S / plan->rate);
}

uint64_t plan_walk_next_ns(struct plan_walk *walk)
{
    const struct plan *plan = walk->plan;
    uint64_t k = walk->next++;
    if (plan->arrival == ARRIVAL_TRACE)
        return walk->due_ns;
    if (plan->shape == PLAN_CLOSED || plan->arrival == ARRIVAL_AT_ONCE || k == 0)
        return 0;
    double mean_ns = (double)NS_PER_S / plan->rate;
    if (plan->arrival == ARRIVAL_CONSTANT)
        return constant_ns(plan, k);
    walk->at_ns += rng_exponential(&walk->rng, mean_ns);
    return (uint64_t)walk->at_ns;
}

bool plan_walk_trace(struct plan_walk *walk, uint64_t at_ns, struct err *err)
{
    double due_ns = (double)walk->pass_ns + (double)at_ns / walk->plan->speed;
    if (due_ns > LATEST_NS)
        return err_set(err,
                       "arrival %llu of the trace would be due %.6g s after the start of the "
                       "stage, more than the %.6g s there may be",
                       (unsigned long long)walk->next + 1, due_ns / (double)NS_PER_S,
                       LATEST_NS / (double)NS_PER_S);
    walk->due_ns = walk->pass_ns + (uint64_t)((double)at_ns / walk->plan->speed);
    return true;
}

bool plan_walk_again(struct plan_walk *walk)
{
    bool took_time = walk->due_ns > walk->pass_ns;
    walk->pass_ns = walk->due_ns;
    return took_time;
}

/* By division, then corrected by what rounding may have cost. */
static uint64_t constant_by(const struct plan *plan, uint64_t offset_ns)
{
    uint64_t due = (uint64_t)((double)offset_ns * plan->rate / (double)NS_PER_S);
    while (constant_ns(plan, due) < offset_ns)
        due++;
    while (due > 0 && constant_ns(plan, due - 1) >= offset_ns)
        due--;
    return due;
}

static uint64_t poisson_by(const struct plan *plan, uint64_t offset_ns)
{
    struct plan_walk walk;
    uint64_t due = 0, at_ns = 0, most = WALK_MOST;
    if (plan->number && plan->number < most)
        most = plan->number;
    plan_walk_begin(&walk, plan);
    while (due < most && (at_ns = plan_walk_next_ns(&walk)) < offset_ns)
        due++;
    if (due < most)
        return due;
    return due + (uint64_t)((double)(offset_ns - at_ns) * plan->rate / (double)NS_PER_S);
}

uint64_t plan_due_by(const struct plan *plan, uint64_t offset_ns)
{
    uint64_t due;
    if (offset_ns == 0)
        return 0;
    if (plan->shape == PLAN_CLOSED || plan->arrival == ARRIVAL_AT_ONCE)
        due = UINT64_MAX;
    else if (plan->arrival == ARRIVAL_CONSTANT)
        due = constant_by(plan, offset_ns);
    else
        due = poisson_by(plan, offset_ns);
    return plan->number && due > plan->number ? plan->number : due;
}

/* ---- slots ---- */

uint32_t plan_slots(const struct plan *plan, uint32_t worker)
{
    if (worker >= plan->threads)
        return 0;
    return plan->parallel / plan->threads + (worker < plan->parallel % plan->threads ? 1 : 0);
}

uint64_t plan_spawn_ns(const struct plan *plan, uint32_t worker, uint32_t slot)
{
    if (plan->shape != PLAN_CLOSED || plan->spawn_rate <= 0)
        return 0;
    double place = (double)slot * plan->threads + worker;
    return (uint64_t)(place / plan->spawn_rate * (double)NS_PER_S);
}

static double ahead_wanted(const struct plan *plan)
{
    if (plan->shape == PLAN_CLOSED)
        return plan->parallel / 4 > 2 ? plan->parallel / 4 : 2;
    if (plan->arrival == ARRIVAL_TRACE)
        return AHEAD_MOST;
    if (plan->arrival == ARRIVAL_AT_ONCE)
        return plan->capped ? fmin(fmax(plan->parallel * 4.0, AHEAD_LEAST), AHEAD_MOST)
                            : AHEAD_MOST;
    return fmin(fmax(plan->rate, AHEAD_LEAST), AHEAD_MOST);
}

uint32_t plan_ahead(const struct plan *plan)
{
    uint32_t ahead = (uint32_t)ahead_wanted(plan);
    return plan->number && plan->number < ahead ? (uint32_t)plan->number : ahead;
}

uint64_t plan_early_ns(void)
{
    return EARLY_NS;
}
