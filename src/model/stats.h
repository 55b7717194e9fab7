/* Accumulates samples of one stage and sums them up. One writer a struct; merge at the end.
 *
 * Per-request metrics keep exact values up to STATS_EXACT requests a stage and a histogram beyond;
 * per-event metrics are histograms. Which of the two served is a fact of the summary. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/metric.h"
#include "model/outcome.h"
#include "model/own_metric.h"
#include "model/sample.h"

enum { STATS_EXACT = 100000 };

/* The statistics of every distribution, in the order of report columns. */
enum statistic {
    STAT_COUNT_N,
    STAT_MEAN,
    STAT_STD,
    STAT_MIN,
    STAT_MAX,
    STAT_P1,
    STAT_P5,
    STAT_P10,
    STAT_P25,
    STAT_P50,
    STAT_P66,
    STAT_P75,
    STAT_P80,
    STAT_P90,
    STAT_P95,
    STAT_P98,
    STAT_P99,
    STAT_P99_9,
    STATISTICS
};

const char *statistic_name(
    enum statistic statistic); /* "n", "mean", "std", "min", "max", "p1" … "p99_9": JSON keys */
double statistic_quantile(enum statistic statistic); /* 0.99 for p99; NAN for the others */
/* Whether n samples are enough to believe it: p99 asks for 100, p99.9 for 1,000, p1 for 100, p90
 * for 10, … */
bool statistic_trusted(enum statistic statistic, uint64_t n);

struct stats;

/* What the end of a stage adds to the samples. */
struct stage_facts {
    uint64_t window_start_ns; /* first `started` */
    uint64_t window_end_ns; /* the moment starting stopped, or the last `end` when the run ended by
                               count or data */
    uint64_t drain_end_ns;  /* last `end` */
    uint64_t last_start_ns;
    uint64_t steady_start_ns; /* in flight first reached what was asked; 0 = never */
    uint64_t due;             /* arrivals whose time came before the stop */
    uint64_t not_started;
    uint32_t max_in_flight;
    uint32_t asked_concurrency; /* 0 in an open loop */
    bool open;                  /* arrivals by plan */
    double asked_rate;          /* open loop; 0 = all at once, or a trace */
    uint64_t started;
    uint64_t delayed;  /* requests with think time, which lowers the concurrency on purpose */
    bool stream_asked; /* --stream was given */
};

struct summary_metric {
    bool present;             /* has at least one value */
    bool exact;               /* exact values rather than a histogram */
    double value[STATISTICS]; /* NAN = absent; stage metrics: STAT_MEAN holds the one number */
};

/* One of a script's own metrics, summed up. */
struct summary_own {
    const struct own_metric *metric; /* borrowed from the run's facts, or from the report */
    uint64_t failed;                 /* values that its function failed to give */
    struct summary_metric value;     /* OVER_STAGE: STAT_MEAN holds the one number */
};

/* The server's usage beside the tokenizer's counts, over the successes that have both. */
struct token_check {
    uint64_t answers, differ;        /* how many have both; of them, with two different numbers */
    int64_t usage, tokenizer, apart; /* sums; the last: of the differences without their signs */
};
enum token_kind { TOKENS_PROMPT, TOKENS_COMPLETION, TOKEN_KINDS };
/* Whether they differ by more than such counts do (the end token, a template's estimate). */
bool token_check_apart(const struct token_check *check, enum token_kind kind);

struct summary {
    struct stage_facts facts;
    bool steady; /* this summary is of the steady part */
    uint64_t by_outcome[OUTCOME_COUNT];
    uint64_t ok, failed, cancelled, scored;   /* scored = ok + failed + cancelled */
    uint64_t streamed, plain;                 /* of the successes */
    uint64_t resent;                          /* exchanges that libcurl sent more than once */
    uint64_t reused;                          /* that went out on a kept connection */
    uint64_t by_source[TOKEN_SOURCES];        /* successes by source of their completion tokens */
    uint64_t by_prompt_source[TOKEN_SOURCES]; /* … and of their prompt tokens */
    uint64_t by_event_source[TOKEN_SOURCES];  /* streamed successes by who counted per event */
    uint64_t token_errors;                    /* parse_responses failed or refused */
    uint64_t uncounted;                       /* the tokenizer failed */
    struct token_check check[TOKEN_KINDS];
    int64_t prompt_tokens, completion_tokens, cached_tokens,
        reasoning_tokens; /* Σ over successes, unknown = 0; stays at INT64_MAX rather than wrap */
    int64_t template_tokens; /* Σ of prompt_tokens that are estimates for the chat template */
    uint64_t text_chars;
    uint64_t events, text_events, coalesced_events, reads, answer_bytes; /* of all exchanges */
    uint64_t gaps, coalesced_gaps; /* ITL gaps; those that touch a coalesced event */
    uint64_t impossible_times; /* exchanges with two times in an order that cannot be; such pairs
                                  give no value */
    uint64_t beyond_range;     /* values too large for a histogram, left out of its percentiles */
    double window_s;           /* of this summary: of the steady part when `steady` */
    struct summary_metric metric[METRIC_COUNT];
    struct summary_own own[OWN_METRICS]; /* the script's, in its order */
    size_t own_count;
    /* Latency and TTFT as users felt them: every failure counts as infinite ("errors at infinity").
     * Only n and percentiles; INFINITY where a percentile falls among the failures. Present when
     * something failed and something succeeded. */
    struct summary_metric felt_latency, felt_ttft;
    struct summary_metric ttft_new, ttft_kept; /* TTFT by connection: new, or kept */
};

struct stats *stats_new(void);
/* From now on also the values that samples carry of these, which the summary will point to. Before
 * the first sample. NULL = the script has none. */
void stats_own(struct stats *stats, const struct own_metrics *metrics);
void stats_free(struct stats *stats);
/* `stop_ns`: the end of the window if starting has already stopped, else 0 (metrics.md: tokens of
 * events inside the window). 0 throughout when the window ends with the last answer. */
void stats_add(struct stats *stats, const struct sample *sample, uint64_t stop_ns);
/* The same for a struct that sums up the steady part; every sample of the stage goes there.
 * `steady_start_ns`: when in flight first reached what was asked, as known now (0 = not yet).
 * Metrics and counts are over the samples that started in the steady part; its concurrency and
 * throughputs also know the ones that started before and ended in it. A struct takes either
 * stats_add or stats_add_steady. */
void stats_add_steady(struct stats *stats, const struct sample *sample, uint64_t steady_start_ns);
void stats_merge(struct stats *into, const struct stats *from);
/* Adds a metric of one number for the stage, which must live as long as the summary. False: there
 * is no room for more than OWN_METRICS. */
bool summary_add_own(struct summary *summary, const struct own_metric *metric,
                     double value) MUST_CHECK;
/* Values of own metrics that their functions failed to give, in all. */
uint64_t summary_own_failed(const struct summary *summary);
/* `facts` are the stage's, also for the steady part, whose window (steady start … last start) is
 * taken from them; `steady` of the summary is then true. */
void stats_summarise(const struct stats *stats, const struct stage_facts *facts,
                     struct summary *out);
