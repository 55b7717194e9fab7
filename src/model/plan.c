#include "model/plan.h"

#include "model/run_spec.h"

/* A count the option table has bounded already; what it would not let through becomes the nearest
 * count a plan can have. */
static uint32_t at_least_one(int64_t count)
{
    if (count < 1)
        return 1;
    return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

struct plan plan_of(const struct run_spec *spec, bool one_prompt)
{
    struct plan plan = {
        .shape = PLAN_CLOSED,
        .number = spec->number > 0 ? (uint64_t)spec->number : 0,
        .duration_ns = spec->duration_ns,
        .grace_ns = spec->grace_ns,
        .parallel = at_least_one(spec->parallel),
        .threads = at_least_one(spec->threads),
    };
    plan.cycles = plan.number > 0 || plan.duration_ns > 0;
    if (one_prompt && !plan.cycles)
        plan.number = 1;
    if (plan.threads > plan.parallel)
        plan.threads = plan.parallel;
    return plan;
}

uint64_t plan_due_ns(const struct plan *plan, uint64_t arrival)
{
    (void)arrival;
    switch (plan->shape) {
    case PLAN_CLOSED: return 0;
    }
    return 0;
}

uint32_t plan_slots(const struct plan *plan, uint32_t worker)
{
    if (worker >= plan->threads)
        return 0;
    return plan->parallel / plan->threads + (worker < plan->parallel % plan->threads ? 1 : 0);
}

uint32_t plan_ahead(const struct plan *plan)
{
    uint32_t ahead = plan->parallel / 4 > 2 ? plan->parallel / 4 : 2;
    return plan->number && plan->number < ahead ? (uint32_t)plan->number : ahead;
}
