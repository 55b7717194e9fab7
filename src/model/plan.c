#include "model/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/run_spec.h"

enum { AHEAD_LEAST = 16, AHEAD_MOST = 8192 }; /* of an open loop */

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

static enum plan_arrival arrival_of(const struct run_spec *spec, double rate)
{
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
    if (!spec->rate.count)
        return;
    double rate = value_of(&spec->rate, i, 0);
    plan->shape = PLAN_OPEN;
    plan->arrival = arrival_of(spec, rate);
    plan->rate = rate > 0 ? rate : 0;
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
    if (warmup) {
        struct plan *plan = &plans->items[at++];
        *plan = plan_of_stage(spec, 0, one_prompt, most_in_flight);
        plan->warmup = plan->cycles = true;
        plan->number = (uint64_t)spec->warmup_num;
        plan->duration_ns = 0;
    }
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

uint64_t plan_walk_next_ns(struct plan_walk *walk)
{
    const struct plan *plan = walk->plan;
    uint64_t k = walk->next++;
    if (plan->shape == PLAN_CLOSED || plan->arrival == ARRIVAL_AT_ONCE || k == 0)
        return 0;
    double mean_ns = (double)NS_PER_S / plan->rate;
    if (plan->arrival == ARRIVAL_CONSTANT)
        return (uint64_t)((double)k * (double)NS_PER_S / plan->rate);
    walk->at_ns += rng_exponential(&walk->rng, mean_ns);
    return (uint64_t)walk->at_ns;
}

uint64_t plan_due_by(const struct plan *plan, uint64_t offset_ns)
{
    struct plan_walk walk;
    uint64_t due = 0;
    plan_walk_begin(&walk, plan);
    while ((!plan->number || due < plan->number) && plan_walk_next_ns(&walk) < offset_ns)
        due++;
    return due;
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
