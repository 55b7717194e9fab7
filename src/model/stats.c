#include "model/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/stats_inner.h"

static const struct {
    const char *name;
    double quantile;
} statistics[] = {
    [STAT_COUNT_N] = {"n", (double)NAN},
    [STAT_MEAN] = {"mean", (double)NAN},
    [STAT_STD] = {"std", (double)NAN},
    [STAT_MIN] = {"min", (double)NAN},
    [STAT_MAX] = {"max", (double)NAN},
    [STAT_P1] = {"p1", 0.01},
    [STAT_P5] = {"p5", 0.05},
    [STAT_P10] = {"p10", 0.10},
    [STAT_P25] = {"p25", 0.25},
    [STAT_P50] = {"p50", 0.50},
    [STAT_P66] = {"p66", 0.66},
    [STAT_P75] = {"p75", 0.75},
    [STAT_P80] = {"p80", 0.80},
    [STAT_P90] = {"p90", 0.90},
    [STAT_P95] = {"p95", 0.95},
    [STAT_P98] = {"p98", 0.98},
    [STAT_P99] = {"p99", 0.99},
    [STAT_P99_9] = {"p99_9", 0.999},
};

_Static_assert(sizeof statistics / sizeof *statistics == STATISTICS, "a row for each statistic");

const char *statistic_name(enum statistic statistic)
{
    return statistics[statistic].name;
}

double statistic_quantile(enum statistic statistic)
{
    return statistics[statistic].quantile;
}

bool statistic_trusted(enum statistic statistic, uint64_t n)
{
    double q = statistics[statistic].quantile;
    if (isnan(q))
        return n >= (statistic == STAT_STD ? 2 : 1);
    double beyond = (double)n * fmin(q, 1 - q); /* how many values lie past it, about */
    return beyond > 1 - 1e-9;
}

struct stats *stats_new(void)
{
    return MEM_NEW(struct stats);
}

void stats_own(struct stats *stats, const struct own_metrics *metrics)
{
    if (!metrics || !metrics->count)
        return;
    stats->own = mem_zero(metrics->count, sizeof *stats->own);
    stats->counts.own_count = metrics->count;
    for (size_t i = 0; i < metrics->count; i++)
        stats->counts.own[i].metric = &metrics->items[i];
}

void stats_free(struct stats *stats)
{
    if (!stats)
        return;
    for (size_t i = 0; i < stats->counts.own_count; i++)
        dist_fini(&stats->own[i]);
    free(stats->own);
    for (size_t i = 0; i < METRIC_SAMPLED; i++)
        dist_fini(&stats->dists[i]);
    for (size_t i = 0; i < 2; i++)
        dist_fini(&stats->ttft_on[i]);
    free(stats->pending);
    free(stats);
}

/* ---- counts ---- */

static void add_tokens(int64_t *sum, int64_t tokens)
{
    if (tokens > 0 && __builtin_add_overflow(*sum, tokens, sum))
        *sum = INT64_MAX;
}

static void add_check(struct token_check *check, int64_t usage, int64_t tokenizer)
{
    if (usage == TOKENS_UNKNOWN || tokenizer == TOKENS_UNKNOWN)
        return;
    check->answers++;
    check->differ += usage != tokenizer;
    add_tokens(&check->usage, usage);
    add_tokens(&check->tokenizer, tokenizer);
    add_tokens(&check->apart, usage > tokenizer ? usage - tokenizer : tokenizer - usage);
}

static void merge_check(struct token_check *into, const struct token_check *from)
{
    into->answers += from->answers;
    into->differ += from->differ;
    add_tokens(&into->usage, from->usage);
    add_tokens(&into->tokenizer, from->tokenizer);
    add_tokens(&into->apart, from->apart);
}

/* More than a fiftieth, and more tokens a request than an end token, or than a template's may be
 * away from their estimate. */
bool token_check_apart(const struct token_check *check, enum token_kind kind)
{
    double margin = kind == TOKENS_PROMPT ? 20 : 2;
    return check->answers > 0 && (double)check->apart > 0.02 * (double)check->usage &&
           (double)check->apart > margin * (double)check->answers;
}

static void count_gap(void *arg, const struct event *before, const struct event *after)
{
    struct summary *counts = arg;
    if (after->time_ns < before->time_ns)
        return; /* counted as impossible, and no value of ITL either */
    counts->gaps++;
    counts->coalesced_gaps += before->coalesced || after->coalesced;
}

static void count_success(struct stats *stats, const struct sample *sample)
{
    struct summary *counts = &stats->counts;
    counts->ok++;
    counts->streamed += sample->streamed;
    counts->plain += !sample->streamed;
    counts->by_source[sample->completion_source]++;
    counts->by_prompt_source[sample->prompt_source]++;
    counts->by_event_source[sample->event_source] += sample->streamed;
    add_check(&counts->check[TOKENS_PROMPT], sample->usage_prompt, sample->counted_prompt);
    add_check(&counts->check[TOKENS_COMPLETION], sample->usage_completion,
              sample->counted_completion);
    counts->token_errors += sample->token_error && !sample->uncounted;
    counts->uncounted += sample->uncounted;
    add_tokens(&counts->prompt_tokens, sample->prompt_tokens);
    add_tokens(&counts->completion_tokens, sample->completion_tokens);
    add_tokens(&counts->cached_tokens, sample->cached_tokens);
    add_tokens(&counts->reasoning_tokens, sample->reasoning_tokens);
    add_tokens(&counts->template_tokens, sample->template_tokens);
    counts->text_chars += sample->text_chars;
    stats->with_prompt += sample->prompt_tokens >= 0;
    if (sample->streamed)
        sample_gaps(sample, count_gap, counts);
}

static void count_sample(struct stats *stats, const struct sample *sample)
{
    const struct exchange *exchange = sample->exchange;
    struct summary *counts = &stats->counts;
    counts->scored++;
    counts->by_outcome[sample->outcome]++;
    counts->failed += outcome_is_failure(sample->outcome);
    counts->cancelled += sample->outcome == OUTCOME_CANCELLED;
    counts->resent += exchange->resent > 0;
    counts->reused += exchange->reused;
    counts->impossible_times += sample_impossible(sample);
    counts->reads += exchange->mark_count;
    counts->answer_bytes += exchange->body.len;
    counts->events += sample->event_count;
    counts->text_events += sample->text_events;
    for (size_t i = 0; i < sample->event_count; i++)
        counts->coalesced_events += sample->events[i].coalesced;
    if (sample->outcome == OUTCOME_OK)
        count_success(stats, sample);
}

static void merge_counts(struct summary *into, const struct summary *from)
{
    static const size_t sums[] = {
        offsetof(struct summary, ok),
        offsetof(struct summary, failed),
        offsetof(struct summary, cancelled),
        offsetof(struct summary, scored),
        offsetof(struct summary, streamed),
        offsetof(struct summary, plain),
        offsetof(struct summary, resent),
        offsetof(struct summary, reused),
        offsetof(struct summary, token_errors),
        offsetof(struct summary, uncounted),
        offsetof(struct summary, text_chars),
        offsetof(struct summary, events),
        offsetof(struct summary, text_events),
        offsetof(struct summary, coalesced_events),
        offsetof(struct summary, reads),
        offsetof(struct summary, answer_bytes),
        offsetof(struct summary, gaps),
        offsetof(struct summary, coalesced_gaps),
        offsetof(struct summary, impossible_times),
    };
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        *(uint64_t *)((char *)into + sums[i]) += *(const uint64_t *)((const char *)from + sums[i]);
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        into->by_outcome[i] += from->by_outcome[i];
    for (size_t i = 0; i < TOKEN_SOURCES; i++) {
        into->by_source[i] += from->by_source[i];
        into->by_prompt_source[i] += from->by_prompt_source[i];
        into->by_event_source[i] += from->by_event_source[i];
    }
    for (size_t i = 0; i < TOKEN_KINDS; i++)
        merge_check(&into->check[i], &from->check[i]);
    for (size_t i = 0; i < into->own_count; i++)
        into->own[i].failed += from->own[i].failed;
    add_tokens(&into->prompt_tokens, from->prompt_tokens);
    add_tokens(&into->completion_tokens, from->completion_tokens);
    add_tokens(&into->cached_tokens, from->cached_tokens);
    add_tokens(&into->reasoning_tokens, from->reasoning_tokens);
    add_tokens(&into->template_tokens, from->template_tokens);
}

/* ---- distributions ---- */

/* What a histogram of its values is cut by: nobody knows what a script counts, so every unit but
 * seconds keeps its millionths. */
enum metric_unit own_unit(const struct own_metric *metric)
{
    return metric->kind == UNIT_SECONDS ? UNIT_SECONDS : UNIT_OWN;
}

struct target {
    struct dist *dist;
    enum metric_unit unit;
};

static void record(void *arg, double value, uint64_t times)
{
    const struct target *target = arg;
    dist_record(target->dist, target->unit, value, times);
}

/* One value of a request; NAN = it has none. */
static void add_value(struct stats *stats, const struct target *target, double value)
{
    if (isnan(value))
        return;
    if (stats->folded)
        dist_record(target->dist, target->unit, value, 1);
    else
        dist_keep(target->dist, value);
}

static void add_metric(struct stats *stats, size_t id, const struct sample *sample)
{
    const struct metric *metric = metric_at(id);
    struct target target = {&stats->dists[id], metric->unit};
    if (!metric_applies(metric, sample))
        return;
    if (metric->each) {
        metric->each(sample, record, &target);
        return;
    }
    add_value(stats, &target, metric->of(sample));
}

static void add_own(struct stats *stats, const struct sample *sample)
{
    for (size_t i = 0; i < stats->counts.own_count; i++) {
        struct summary_own *own = &stats->counts.own[i];
        struct target target = {&stats->own[i], own_unit(own->metric)};
        own->failed += sample->own_failed >> i & 1;
        add_value(stats, &target, sample->own_values[i]);
    }
}

static void add_ttft_on(struct stats *stats, const struct sample *sample)
{
    const struct metric *metric = metric_at(METRIC_TTFT);
    struct target target = {&stats->ttft_on[sample->exchange->reused], metric->unit};
    add_value(stats, &target, metric_value(metric, sample));
}

/* Exact values give way to histograms when the stage has more than STATS_EXACT requests. */
static void fold_if_many(struct stats *stats)
{
    if (stats->folded || stats->counts.scored <= STATS_EXACT)
        return;
    stats->folded = true;
    for (size_t i = 0; i < METRIC_SAMPLED; i++)
        dist_fold(&stats->dists[i], metric_at(i)->unit);
    for (size_t i = 0; i < 2; i++)
        dist_fold(&stats->ttft_on[i], UNIT_SECONDS);
    for (size_t i = 0; i < stats->counts.own_count; i++)
        dist_fold(&stats->own[i], own_unit(stats->counts.own[i].metric));
}

static void measure(struct stats *stats, const struct sample *sample)
{
    count_sample(stats, sample);
    fold_if_many(stats);
    for (size_t i = 0; i < METRIC_SAMPLED; i++)
        add_metric(stats, i, sample);
    add_ttft_on(stats, sample);
    if (sample->own_values)
        add_own(stats, sample);
}

/* ---- the whole stage ---- */

void flow_add(struct flow *into, const struct flow *from)
{
    into->busy_ns += from->busy_ns;
    into->ended += from->ended;
    into->tokens += from->tokens;
    into->prompt_tokens += from->prompt_tokens;
    into->chars += from->chars;
}

/* What lies between two moments; UINT64_MAX = no end. */
static uint64_t overlap_ns(const struct exchange *exchange, uint64_t from_ns, uint64_t until_ns)
{
    uint64_t start = exchange->started_ns > from_ns ? exchange->started_ns : from_ns;
    uint64_t end = exchange->end_ns < until_ns ? exchange->end_ns : until_ns;
    return exchange->started_ns && end > start ? end - start : 0;
}

/* A success's requests and prompt tokens belong to the moment it ended, its text to the moments of
 * its events; a cancelled answer's text came as well. */
static struct flow flow_until(const struct sample *sample, uint64_t until_ns)
{
    struct flow flow = {.busy_ns = overlap_ns(sample->exchange, 0, until_ns)};
    bool ok = sample->outcome == OUTCOME_OK;
    if (!ok && sample->outcome != OUTCOME_CANCELLED)
        return flow;
    flow.tokens = sample_tokens_until(sample, until_ns);
    if (sample->streamed)
        flow.chars = (double)sample->text_chars * sample_share_until(sample, until_ns);
    if (ok && sample->exchange->end_ns <= until_ns) {
        flow.ended = 1;
        flow.prompt_tokens = sample->prompt_tokens > 0 ? (double)sample->prompt_tokens : 0;
    }
    return flow;
}

void stats_add(struct stats *stats, const struct sample *sample, uint64_t stop_ns)
{
    struct flow flow = flow_until(sample, stop_ns ? stop_ns : UINT64_MAX);
    flow_add(&stats->flow, &flow);
    measure(stats, sample);
}

/* ---- the steady part ---- */

/* Whole answers that ended in it: the moment where it ends is not known yet. */
static struct flow flow_whole(const struct sample *sample, uint64_t from_ns)
{
    struct flow flow = {0};
    if (sample->outcome == OUTCOME_OK)
        flow = flow_until(sample, UINT64_MAX);
    flow.busy_ns = overlap_ns(sample->exchange, from_ns, UINT64_MAX);
    return flow;
}

/* The newest start seen proves of older ends that they lie before the last start. */
static void settle(struct stats *stats)
{
    size_t kept = 0;
    for (size_t i = 0; i < stats->pending_count; i++) {
        if (stats->pending[i].end_ns <= stats->newest_start_ns)
            flow_add(&stats->flow, &stats->pending[i].flow);
        else
            stats->pending[kept++] = stats->pending[i];
    }
    stats->pending_count = kept;
}

static void pend(struct stats *stats, const struct ended *ended)
{
    if (stats->pending_count == stats->pending_cap) {
        settle(stats);
        if (stats->pending_count * 2 >= stats->pending_cap) {
            stats->pending_cap = stats->pending_cap ? stats->pending_cap * 2 : 64;
            stats->pending = mem_resize(stats->pending, stats->pending_cap, sizeof *stats->pending);
        }
    }
    stats->pending[stats->pending_count++] = *ended;
}

void stats_add_steady(struct stats *stats, const struct sample *sample, uint64_t steady_start_ns)
{
    const struct exchange *exchange = sample->exchange;
    stats->steady = true;
    if (!steady_start_ns || !exchange->started_ns || exchange->end_ns < steady_start_ns)
        return;
    bool earlier = exchange->started_ns < steady_start_ns;
    struct ended ended = {
        .from_ns = earlier ? steady_start_ns : exchange->started_ns,
        .end_ns = exchange->end_ns,
        .flow = flow_whole(sample, steady_start_ns),
    };
    if (exchange->started_ns > stats->newest_start_ns)
        stats->newest_start_ns = exchange->started_ns;
    pend(stats, &ended);
    if (!earlier)
        measure(stats, sample);
}

/* ---- merging ---- */

static void merge_own(struct stats *into, const struct stats *from)
{
    for (size_t i = 0; i < into->counts.own_count; i++) {
        dist_merge(&into->own[i], &from->own[i]);
        if (into->folded)
            dist_fold(&into->own[i], own_unit(into->counts.own[i].metric));
    }
}

void stats_merge(struct stats *into, const struct stats *from)
{
    merge_counts(&into->counts, &from->counts);
    for (size_t i = 0; i < METRIC_SAMPLED; i++) {
        dist_merge(&into->dists[i], &from->dists[i]);
        if (into->folded)
            dist_fold(&into->dists[i], metric_at(i)->unit);
    }
    for (size_t i = 0; i < 2; i++) {
        dist_merge(&into->ttft_on[i], &from->ttft_on[i]);
        if (into->folded)
            dist_fold(&into->ttft_on[i], UNIT_SECONDS);
    }
    merge_own(into, from);
    fold_if_many(into);
    flow_add(&into->flow, &from->flow);
    into->with_prompt += from->with_prompt;
    into->steady = into->steady || from->steady;
    if (from->newest_start_ns > into->newest_start_ns)
        into->newest_start_ns = from->newest_start_ns;
    for (size_t i = 0; i < from->pending_count; i++)
        pend(into, &from->pending[i]);
}
