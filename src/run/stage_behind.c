#include "run/stage_behind.h"

#include <math.h>

#include "base/clock.h"
#include "run/stage.h"

static double seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    return from_ns && to_ns > from_ns ? clock_seconds(to_ns - from_ns) : 0;
}

static uint64_t scorers_left_ns(const struct stage *stage)
{
    uint64_t left_ns = 0;
    for (size_t i = 0; i < stage->scorer_count; i++)
        if (stage->scorers[i].left_ns > left_ns)
            left_ns = stage->scorers[i].left_ns;
    return left_ns;
}

/* Scorers that wait for main are behind through no fault of theirs. */
static void behind_scorers(const struct stage *stage, uint64_t drained_ns, struct trust *trust)
{
    for (size_t i = 0; i < stage->scorer_count; i++)
        trust->scorers_blocked_s += clock_seconds(stage->scorers[i].blocked_ns);
    double tail_s = seconds_between(drained_ns, scorers_left_ns(stage));
    trust->scoring_tail_s =
        fmax(0, tail_s - trust->scorers_blocked_s / (double)stage->scorer_count);
}

static void behind_outputs(const struct stage *stage, uint64_t begun_ns, struct trust *trust)
{
    const struct collector *collector = stage->collector;
    double whole_s = seconds_between(begun_ns, collector->done_ns);
    trust->outputs_s = clock_seconds(collector->sinks_ns);
    trust->outputs_slowest_s = clock_seconds(collector->sinks_slowest_ns);
    trust->outputs_share = whole_s > 0 ? trust->outputs_s / whole_s : NAN;
    trust->outputs_tail_s = seconds_between(scorers_left_ns(stage), collector->done_ns);
}

static void behind_workers(const struct stage *stage, double window_s, struct trust *trust)
{
    trust->worker_wait_share = NAN;
    for (size_t i = 0; i < stage->worker_count; i++) {
        struct worker_facts facts = worker_facts(stage->workers[i]);
        trust->held_outputs += facts.held_outputs;
        trust->no_descriptor += facts.no_descriptor;
        if (facts.wait_ns != UINT64_MAX && window_s > 0)
            trust->worker_wait_share =
                fmax(trust->worker_wait_share, clock_seconds(facts.wait_ns) / window_s);
    }
}

/* The rate that the plan had for the very requests that were started: of what was asked for, chance
 * is left out. */
static double planned_rate(const struct stage *stage, uint64_t started)
{
    const struct collector *collector = stage->collector;
    double span_s = seconds_between(collector->first_due_ns, collector->last_due_ns);
    if (stage->plan->shape != PLAN_OPEN || stage->plan->arrival == ARRIVAL_AT_ONCE || span_s <= 0)
        return NAN;
    return (double)(started - 1) / span_s;
}

void stage_behind(const struct stage *stage, struct report *report)
{
    struct trust *trust = &report->trust;
    const struct plan *plan = stage->plan;
    const struct stage_facts *facts = &report->whole.facts;
    uint64_t begun_ns = facts->window_start_ns, drained_ns = facts->drain_end_ns;
    behind_scorers(stage, drained_ns, trust);
    behind_outputs(stage, begun_ns, trust);
    behind_workers(stage, seconds_between(begun_ns, drained_ns), trust);
    trust->planned_rate = planned_rate(stage, facts->started);
    trust->most_in_flight = plan->shape == PLAN_OPEN && !plan->capped ? plan->parallel : 0;
}
