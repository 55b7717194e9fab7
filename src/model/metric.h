/* The metrics table: name, title, unit, what it is taken over, formula. The only list of metrics;
 * console, JSON, database, docs and Lua read it. Definitions: docs/metrics.md, which a test
 * compares with this table. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/sample.h"

enum metric_unit {
    UNIT_SECONDS,
    UNIT_TOKENS,
    UNIT_TOKENS_PER_S,
    UNIT_CHARS,
    UNIT_CHARS_PER_S,
    UNIT_COUNT,
    UNIT_PER_S,
    UNIT_SHARE,
    UNIT_OWN, /* a word of a script's own (own_metric.h); no built-in metric has it */
    METRIC_UNITS
};

enum metric_over {
    OVER_ALL_SENT,
    OVER_ALL_WITH_RESPONSE,
    OVER_SUCCESSES,
    OVER_STREAMED_SUCCESSES,
    OVER_STAGE, /* one number a stage, computed in the summary */
};

struct metric {
    const char *name;  /* key in JSON, database, Lua: "ttft" */
    const char *title; /* "TTFT" */
    enum metric_unit unit;
    enum metric_over over;
    const char *formula;                       /* one line for the glossary */
    double (*of)(const struct sample *sample); /* per request, of a sample it applies to; NAN = no
                                                  value; NULL for per-event and per-stage metrics */
    void (*each)(const struct sample *sample, void (*add)(void *arg, double value, uint64_t times),
                 void *arg); /* per-event metrics */
};

/* Indices into the table, in its order; the table is checked against them by a static assertion and
 * a test. */
enum metric_id {
    METRIC_TTFB,
    METRIC_TTFT,
    METRIC_TTFC,
    METRIC_TTFA,
    METRIC_LATENCY,
    METRIC_STREAM_END,
    METRIC_ITL,
    METRIC_TPOT,
    METRIC_USER_SPEED,
    METRIC_TTFT_FROM_DUE,
    METRIC_TTFA_FROM_DUE,
    METRIC_LATENCY_FROM_DUE,
    METRIC_SETUP,
    METRIC_SCHEDULE_LAG,
    METRIC_SLOT_WAIT,
    METRIC_OWN_LAG,
    METRIC_CONNECT,
    METRIC_RECEIVE_DELAY,
    METRIC_INPUT_TOKENS,
    METRIC_OUTPUT_TOKENS,
    METRIC_CACHED_TOKENS,
    METRIC_REASONING_TOKENS,
    METRIC_OUTPUT_CHARS,
    METRIC_USER_CHAR_SPEED,
    METRIC_PACKAGES,
    METRIC_PACKAGE_LATENCY,
    METRIC_ITL_PER_TOKEN,
    METRIC_SAMPLED, /* how many metrics above have a distribution; below: one number a stage */
    METRIC_REQUEST_THROUGHPUT = METRIC_SAMPLED,
    METRIC_OUTPUT_THROUGHPUT,
    METRIC_TOTAL_THROUGHPUT,
    METRIC_CHAR_THROUGHPUT,
    METRIC_ACHIEVED_RATE,
    METRIC_ACHIEVED_CONCURRENCY,
    METRIC_MAX_CONCURRENCY,
    METRIC_TIME_PER_OUTPUT_TOKEN,
    METRIC_COALESCED_SHARE,
    METRIC_COUNT
};

const struct metric *metric_at(size_t id);
const struct metric *metric_find(const char *name);  /* or NULL */
const char *metric_unit_name(enum metric_unit unit); /* "s", "tokens/s" */
const char *metric_over_name(enum metric_over over); /* "streamed successes" */
/* Whether this sample belongs to what the metric is taken over. */
bool metric_applies(const struct metric *metric, const struct sample *sample);
bool metric_over_holds(enum metric_over over, const struct sample *sample);
/* Its value for this sample; NAN when the metric does not apply, is not one per request, or has no
 * value. */
double metric_value(const struct metric *metric, const struct sample *sample);
