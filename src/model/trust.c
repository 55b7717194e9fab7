/* The trust figures by name: reports, database and scripts show the same ones. */
#include <math.h>
#include <stddef.h>

#include "model/report.h"

enum kind { NUMBER, COUNT };

struct row {
    const char *group, *name;
    enum kind kind;
    bool asked; /* 0 = nothing was asked for */
    size_t offset;
};

#define KIND(FIELD) _Generic(((struct trust *)NULL)->FIELD, double : NUMBER, uint64_t : COUNT)
#define PART(GROUP, FIELD, NAME)                                                                   \
    {                                                                                              \
        .group = GROUP, .name = NAME, .kind = KIND(FIELD), .offset = offsetof(struct trust, FIELD) \
    }
#define FIGURE(FIELD)                                                                              \
    {                                                                                              \
        .name = #FIELD, .kind = KIND(FIELD), .offset = offsetof(struct trust, FIELD)               \
    }
#define ASKED(FIELD)                                                                               \
    {                                                                                              \
        .name = #FIELD, .kind = KIND(FIELD), .asked = true,                                        \
        .offset = offsetof(struct trust, FIELD)                                                    \
    }

static const struct row rows[] = {
    PART("loop_lag", loop_lag_p50, "p50"),
    PART("loop_lag", loop_lag_p99, "p99"),
    PART("loop_lag", loop_lag_max, "max"),
    PART("schedule_lag", schedule_lag_p50, "p50"),
    PART("schedule_lag", schedule_lag_p99, "p99"),
    PART("schedule_lag", schedule_lag_max, "max"),
    PART("receive_delay", receive_delay_p50, "p50"),
    PART("receive_delay", receive_delay_p99, "p99"),
    PART("receive_delay", receive_delay_max, "max"),
    FIGURE(reads_kernel),
    FIGURE(reads_user),
    FIGURE(clock_steps),
    FIGURE(clock_step_s),
    FIGURE(worker_cpu_share),
    FIGURE(composer_cpu_share),
    FIGURE(scorer_cpu_share),
    FIGURE(worker_cpu_s),
    FIGURE(composer_cpu_s),
    FIGURE(scorer_cpu_s),
    FIGURE(process_cpu_s),
    FIGURE(worker_wait_share),
    FIGURE(starved),
    FIGURE(starved_s),
    FIGURE(held),
    FIGURE(held_outputs),
    FIGURE(bodies_left_out),
    FIGURE(bodies_not_asked),
    FIGURE(bodies_past_max),
    FIGURE(scoring_tail_s),
    FIGURE(outputs_tail_s),
    FIGURE(outputs_s),
    FIGURE(outputs_share),
    FIGURE(outputs_slowest_s),
    FIGURE(scorers_blocked_s),
    FIGURE(no_descriptor),
    ASKED(most_in_flight),
    FIGURE(data_cycles),
    FIGURE(malformed_rows),
    FIGURE(preconnect_asked),
    FIGURE(preconnected),
    FIGURE(missing),
    FIGURE(paused),
    FIGURE(sinks_broken),
    FIGURE(results_lost),
    FIGURE(resumed),
    ASKED(asked_concurrency),
    FIGURE(achieved_concurrency),
    ASKED(asked_rate),
    FIGURE(planned_rate),
    FIGURE(achieved_rate),
    FIGURE(warnings),
};

static double number_of(uint64_t count)
{
    return count == TRUST_UNKNOWN ? (double)NAN : (double)count;
}

bool trust_figure_at(const struct trust *trust, size_t i, struct trust_figure *out)
{
    if (i >= sizeof rows / sizeof *rows)
        return false;
    const void *field = (const char *)trust + rows[i].offset;
    double value =
        rows[i].kind == COUNT ? number_of(*(const uint64_t *)field) : *(const double *)field;
    if (rows[i].asked && !(value > 0))
        value = NAN;
    *out = (struct trust_figure){rows[i].group, rows[i].name, value};
    return true;
}

/* What was asked for and is not known was not asked for. */
void trust_figure_put(struct trust *trust, size_t i, double value)
{
    void *field = (char *)trust + rows[i].offset;
    bool none = rows[i].asked && isnan(value);
    if (rows[i].kind == NUMBER)
        *(double *)field = none ? 0 : value;
    else if (none)
        *(uint64_t *)field = 0;
    else
        *(uint64_t *)field = value >= 0 && value < 1e19 ? (uint64_t)value : TRUST_UNKNOWN;
}
