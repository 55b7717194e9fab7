/* What stats.c gathers and summary.c sums up; nobody else looks inside. */
#pragma once

#include "model/dist.h"
#include "model/stats.h"

/* What happened inside a window. */
struct flow {
    uint64_t busy_ns; /* ∫ in flight dt */
    uint64_t ended;   /* successes that ended in it */
    double tokens, prompt_tokens, chars;
};

/* A finished exchange whose end may turn out to lie behind the last start, which is only known when
 * the stage is over. */
struct ended {
    uint64_t from_ns, end_ns; /* in flight within the steady part: since then, till then */
    struct flow flow;         /* what it adds if it ended in time */
};

struct stats {
    struct summary counts; /* its counters alone */
    struct dist dists[METRIC_SAMPLED];
    struct dist ttft_on[2]; /* of METRIC_TTFT: on new connections, on kept ones */
    struct dist *own;       /* of counts.own_count; owned, NULL when there are none */
    bool folded;            /* past STATS_EXACT: per-request metrics are histograms too */
    struct flow flow;
    uint64_t with_prompt; /* successes whose prompt tokens are known */

    bool steady;
    uint64_t newest_start_ns; /* of the samples seen: the last start is no earlier */
    struct ended *pending;    /* owned */
    size_t pending_count, pending_cap;
};

void flow_add(struct flow *into, const struct flow *from);
enum metric_unit own_unit(const struct own_metric *metric);
