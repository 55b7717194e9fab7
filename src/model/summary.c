#include <math.h>

#include "base/clock.h"
#include "model/stats_inner.h"

struct window {
    uint64_t start_ns, end_ns;
    double seconds; /* 0 = there was none */
};

static struct window window_of(const struct stats *stats, const struct stage_facts *facts)
{
    struct window window = {facts->window_start_ns, facts->window_end_ns, 0};
    if (stats->steady) {
        window.start_ns = facts->steady_start_ns;
        window.end_ns = facts->last_start_ns;
    }
    if (window.start_ns && window.end_ns > window.start_ns)
        window.seconds = clock_seconds(window.end_ns - window.start_ns);
    return window;
}

/* Now that the end of the window is known, the exchanges that outlived it find their place. */
static struct flow flow_in(const struct stats *stats, const struct window *window)
{
    struct flow flow = stats->flow;
    for (size_t i = 0; i < stats->pending_count; i++) {
        const struct ended *ended = &stats->pending[i];
        if (ended->end_ns <= window->end_ns)
            flow_add(&flow, &ended->flow);
        else if (ended->from_ns < window->end_ns)
            flow.busy_ns += window->end_ns - ended->from_ns;
    }
    return flow;
}

/* Of the answers that succeeded, some have a known count (or none succeeded: then nothing came,
 * which is known too). */
static bool known(const struct summary *counts, uint64_t with)
{
    return counts->ok == 0 || with > 0;
}

static void set(struct summary *out, enum metric_id id, bool present, double value)
{
    out->metric[id].present = out->metric[id].exact = present;
    if (present)
        out->metric[id].value[STAT_MEAN] = value;
}

static void sum_up_stage(const struct stats *stats, const struct window *window,
                         struct summary *out)
{
    struct flow flow = flow_in(stats, window);
    bool any = window->seconds > 0;
    double seconds = window->seconds;
    bool tokens = any && known(out, out->ok - out->by_source[TOKENS_NONE]);
    bool both = tokens && known(out, stats->with_prompt);
    set(out, METRIC_REQUEST_THROUGHPUT, any, (double)flow.ended / seconds);
    set(out, METRIC_OUTPUT_THROUGHPUT, tokens, flow.tokens / seconds);
    set(out, METRIC_TOTAL_THROUGHPUT, both, (flow.tokens + flow.prompt_tokens) / seconds);
    set(out, METRIC_CHAR_THROUGHPUT, any && known(out, out->streamed), flow.chars / seconds);
    set(out, METRIC_ACHIEVED_CONCURRENCY, any, (double)flow.busy_ns / 1e9 / seconds);
    const struct stage_facts *facts = &out->facts;
    bool rate = facts->open && facts->started > 1 && facts->last_start_ns > facts->window_start_ns;
    set(out, METRIC_ACHIEVED_RATE, rate && !out->steady,
        (double)(facts->started - 1) /
            clock_seconds(facts->last_start_ns - facts->window_start_ns));
    set(out, METRIC_MAX_CONCURRENCY, out->scored > 0, (double)out->facts.max_in_flight);
    set(out, METRIC_TIME_PER_OUTPUT_TOKEN, tokens && flow.tokens > 0, seconds / flow.tokens);
    set(out, METRIC_COALESCED_SHARE, out->gaps > 0,
        (double)out->coalesced_gaps / (double)out->gaps);
}

static void clear_stage(struct summary *out)
{
    for (size_t id = METRIC_SAMPLED; id < METRIC_COUNT; id++)
        for (size_t i = 0; i < STATISTICS; i++)
            out->metric[id].value[i] = (double)NAN;
}

static void sum_up_own(const struct stats *stats, struct summary *out)
{
    for (size_t i = 0; i < out->own_count; i++) {
        dist_sum_up(&stats->own[i], own_unit(out->own[i].metric), &out->own[i].value);
        out->beyond_range += dist_beyond(&stats->own[i]);
    }
}

bool summary_add_own(struct summary *summary, const struct own_metric *metric, double value)
{
    if (summary->own_count == OWN_METRICS)
        return false;
    struct summary_own *own = &summary->own[summary->own_count++];
    *own = (struct summary_own){.metric = metric};
    for (size_t i = 0; i < STATISTICS; i++)
        own->value.value[i] = (double)NAN;
    own->value.present = own->value.exact = isfinite(value);
    if (own->value.present)
        own->value.value[STAT_MEAN] = value;
    return true;
}

uint64_t summary_own_failed(const struct summary *summary)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < summary->own_count; i++)
        failed += summary->own[i].failed;
    return failed;
}

void stats_summarise(const struct stats *stats, const struct stage_facts *facts,
                     struct summary *out)
{
    struct window window = window_of(stats, facts);
    *out = stats->counts;
    out->facts = *facts;
    out->steady = stats->steady;
    out->window_s = window.seconds;
    for (size_t id = 0; id < METRIC_SAMPLED; id++) {
        dist_sum_up(&stats->dists[id], metric_at(id)->unit, &out->metric[id]);
        out->beyond_range += dist_beyond(&stats->dists[id]);
    }
    dist_sum_up(&stats->ttft_on[false], UNIT_SECONDS, &out->ttft_new);
    dist_sum_up(&stats->ttft_on[true], UNIT_SECONDS, &out->ttft_kept);
    sum_up_own(stats, out);
    clear_stage(out);
    sum_up_stage(stats, &window, out);
    dist_felt(&stats->dists[METRIC_LATENCY], UNIT_SECONDS, out->failed, &out->felt_latency);
    dist_felt(&stats->dists[METRIC_TTFT], UNIT_SECONDS, out->failed, &out->felt_ttft);
}
