/* Hand-made samples, reports and options for the tests of this floor. */
#pragma once

#include "check.h"

#include <math.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/opt.h"
#include "base/secrets.h"
#include "model/live.h"
#include "model/report.h"
#include "model/sample.h"

#define FIXTURE_SECRET "sk-very-secret-key"
#define FIXTURE_START_NS UINT64_C(5000000000000)
#define FIXTURE_MS UINT64_C(1000000)

/* ---- options ---- */

struct fixture_spec {
    char *url, *api_key, *model;
    int64_t number, seed;
    double temperature, top_p;
    uint64_t read_timeout_ns;
    bool stream;
    struct list stop;
};

static const struct opt_row fixture_rows[] = {
    {.name = "url", .type = &opt_text, OPT_FIELD(struct fixture_spec, url, char *)},
    {.name = "api-key",
     .type = &opt_text,
     OPT_FIELD(struct fixture_spec, api_key, char *),
     .secret = true},
    {.name = "model", .type = &opt_text, OPT_FIELD(struct fixture_spec, model, char *)},
    {.name = "number", .type = &opt_integer, OPT_FIELD(struct fixture_spec, number, int64_t)},
    {.name = "seed", .type = &opt_integer, OPT_FIELD(struct fixture_spec, seed, int64_t)},
    {.name = "temperature",
     .type = &opt_number,
     OPT_FIELD(struct fixture_spec, temperature, double)},
    {.name = "top-p", .type = &opt_number, OPT_FIELD(struct fixture_spec, top_p, double)},
    {.name = "read-timeout",
     .type = &opt_duration,
     OPT_FIELD(struct fixture_spec, read_timeout_ns, uint64_t)},
    {.name = "stream", .type = &opt_flag, OPT_FIELD(struct fixture_spec, stream, bool)},
    {.name = "stop", .type = &opt_list, OPT_FIELD(struct fixture_spec, stop, struct list)},
};

/* All given but top-p. */
static inline void fixture_options(struct opt_set *set, struct fixture_spec *spec)
{
    static const char *const given[][2] = {
        {"url", "http://user:password@127.0.0.1:8000/v1?access_token=abcdef"},
        {"api-key", FIXTURE_SECRET},
        {"model", "m\"1"},
        {"number", "350"},
        {"seed", "9007199254740993"},
        {"temperature", "0.8"},
        {"read-timeout", "90s"},
        {"stream", "true"},
        {"stop", "a"},
        {"stop", "say " FIXTURE_SECRET},
    };
    struct err err;
    opt_set_init(set, fixture_rows, sizeof fixture_rows / sizeof *fixture_rows, spec);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (!opt_assign(set, given[i][0], given[i][1], OPT_CONFIG, &err))
            fail_msg("%s: %s", given[i][0], err.text);
}

static inline struct secrets *fixture_secrets(void)
{
    struct secrets *secrets = secrets_new();
    assert_true(secrets_add(secrets, span_text(FIXTURE_SECRET)));
    return secrets;
}

/* ---- samples ---- */

struct fixture_sample {
    uint64_t index;
    enum outcome outcome;
    bool plain;
    uint64_t ttft_ms; /* then an event every 10 ms */
    size_t tokens;
    const char *body;
    size_t body_len; /* 0 = strlen */
    const char *error, *text, *responses;
};

static inline void fixture_events(struct sample *sample, uint64_t first_ns, size_t tokens)
{
    sample->event_count = tokens + 3; /* opening, usage, end marker */
    sample->events = mem_zero(sample->event_count, sizeof *sample->events);
    for (size_t i = 0; i < sample->event_count; i++) {
        sample->events[i] = (struct event){
            .time_ns = first_ns + (i ? i - 1 : 0) * 10 * FIXTURE_MS,
            .read = (uint32_t)i,
            .bytes = 20,
            .kind = i == 0            ? EVENT_OPENING
                    : i == tokens + 1 ? EVENT_USAGE
                    : i == tokens + 2 ? EVENT_DONE
                                      : EVENT_CONTENT,
            .coalesced = i == 0,
        };
    }
    sample->data_events = tokens + 2;
    sample->text_events = tokens;
    sample->first_chunk_ns = sample->first_token_ns = sample->first_answer_ns = first_ns;
    sample->last_token_ns = first_ns + (tokens - 1) * 10 * FIXTURE_MS;
}

static inline struct sample *fixture_sample(const struct fixture_sample *of)
{
    struct request *request = MEM_NEW(struct request);
    const char *body = of->body ? of->body : "{\"model\":\"m\",\"messages\":[]}";
    request->index = of->index;
    request->body_len = of->body_len ? of->body_len : strlen(body);
    request->body = mem_copy(body, request->body_len);
    struct exchange *exchange = exchange_new(request, EXCHANGE_HEAD_MOST, 1 << 20);
    struct sample *sample = MEM_NEW(struct sample);
    const char *responses = of->responses ? of->responses : "[\"{\\\"id\\\":\\\"x\\\"}\"]";
    bool ok = of->outcome == OUTCOME_OK;
    exchange->due_ns = exchange->started_ns = FIXTURE_START_NS + of->index * FIXTURE_MS;
    exchange->sent_ns = exchange->started_ns + 100000;
    exchange->first_byte_ns = exchange->headers_ns = exchange->sent_ns + of->ttft_ms * FIXTURE_MS;
    exchange->end_ns = exchange->headers_ns + of->tokens * 10 * FIXTURE_MS;
    exchange->status = ok ? 200 : 500;
    exchange->worker = 3;
    *sample = (struct sample){
        .exchange = exchange,
        .outcome = of->outcome,
        .streamed = !of->plain,
        .error = mem_text(of->error),
        .text = mem_text(of->text),
        .text_len = of->text ? strlen(of->text) : 0,
        .prompt_tokens = ok ? 12 : TOKENS_UNKNOWN,
        .completion_tokens = ok ? (int64_t)of->tokens : TOKENS_UNKNOWN,
        .cached_tokens = TOKENS_UNKNOWN,
        .reasoning_tokens = TOKENS_UNKNOWN,
        .usage_prompt = TOKENS_UNKNOWN,
        .usage_completion = TOKENS_UNKNOWN,
        .counted_prompt = TOKENS_UNKNOWN,
        .counted_completion = TOKENS_UNKNOWN,
        .prompt_source = ok ? TOKENS_USAGE : TOKENS_NONE,
        .completion_source = ok ? TOKENS_USAGE : TOKENS_NONE,
        .responses = mem_text(responses),
        .responses_len = strlen(responses),
        .data_events = 1,
    };
    if (!of->plain && of->tokens)
        fixture_events(sample, exchange->headers_ns, of->tokens);
    return sample;
}

/* ---- reports ---- */

static inline struct run_facts fixture_facts(const struct opt_set *options)
{
    return (struct run_facts){
        .version = "0.1.0",
        .libraries = "libcurl/7.88.1",
        .name = mem_text("run-1"),
        .url = mem_text("http://127.0.0.1:8000/v1/chat/completions"),
        .model = mem_text("qwen"),
        .api = mem_text("openai (built in)"),
        .dataset = mem_text("openqa (built in)"),
        .data_source = mem_text("bundled sample (200 prompts)"),
        .db_path = mem_text("./outputs/run-1.db"),
        .log_path = mem_text("./outputs/run-1.log"),
        .host = mem_text("Linux x86_64, 2 CPUs"),
        .started_wall_ns = UINT64_C(1700000000) * 1000000000,
        .options = options,
    };
}

static inline void fixture_nothing(struct summary *summary)
{
    *summary = (struct summary){0};
    for (size_t i = 0; i < METRIC_COUNT; i++)
        for (int s = 0; s < STATISTICS; s++)
            summary->metric[i].value[s] = (double)NAN;
    summary->felt_latency = summary->felt_ttft = summary->metric[0];
}

/* Quantile q of a distribution between half and three halves of its mean. */
static inline void fixture_metric(struct summary_metric *metric, bool stage, double n, double mean)
{
    metric->present = true;
    metric->exact = true;
    metric->value[STAT_MEAN] = mean;
    if (stage)
        return;
    metric->value[STAT_COUNT_N] = n;
    metric->value[STAT_STD] = n > 1 ? mean / 4 : 0;
    metric->value[STAT_MIN] = n > 1 ? mean / 2 : mean;
    metric->value[STAT_MAX] = n > 1 ? mean * 1.5 : mean;
    for (enum statistic s = STAT_P1; s < STATISTICS; s++)
        metric->value[s] = n > 1 ? mean * (0.5 + statistic_quantile(s)) : mean;
}

/* Only n and percentiles, the highest two among the failures. */
static inline void fixture_felt(struct summary_metric *felt, double n, double mean)
{
    fixture_metric(felt, false, n, mean);
    for (enum statistic s = STAT_MEAN; s < STAT_P1; s++)
        felt->value[s] = (double)NAN;
    felt->value[STAT_P99] = felt->value[STAT_P99_9] = (double)INFINITY;
}

static inline void fixture_metrics(struct summary *summary, double n)
{
    static const struct {
        enum metric_id id;
        double mean;
    } values[] = {
        {METRIC_TTFB, 0.0251},
        {METRIC_TTFT, 0.0263},
        {METRIC_TTFC, 0.0255},
        {METRIC_TTFA, 0.0263},
        {METRIC_LATENCY, 1.3341},
        {METRIC_STREAM_END, 1.3349},
        {METRIC_ITL, 0.0201},
        {METRIC_TPOT, 0.0203},
        {METRIC_USER_SPEED, 49.26},
        {METRIC_SETUP, 0.0003},
        {METRIC_SCHEDULE_LAG, 0.0001},
        {METRIC_INPUT_TOKENS, 40.133},
        {METRIC_OUTPUT_TOKENS, 64},
        {METRIC_OUTPUT_CHARS, 240},
        {METRIC_USER_CHAR_SPEED, 184.5},
        {METRIC_PACKAGES, 66},
        {METRIC_PACKAGE_LATENCY, 0.02},
        {METRIC_REQUEST_THROUGHPUT, 71.84},
        {METRIC_OUTPUT_THROUGHPUT, 4598},
        {METRIC_TOTAL_THROUGHPUT, 7481},
        {METRIC_CHAR_THROUGHPUT, 17241},
        {METRIC_ACHIEVED_CONCURRENCY, 95.8},
        {METRIC_MAX_CONCURRENCY, 100},
        {METRIC_TIME_PER_OUTPUT_TOKEN, 0.0002175},
        {METRIC_COALESCED_SHARE, 0.012},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        fixture_metric(&summary->metric[values[i].id], values[i].id >= METRIC_SAMPLED,
                       values[i].id == METRIC_ITL ? n * 63 : n, values[i].mean);
}

/* One of the script's own; once for the facts, then for each summary. */
static inline void fixture_add_own(struct own_metrics *metrics, enum metric_over over,
                                   const char *name, const char *title, const char *unit,
                                   const char *formula)
{
    struct own_metric_texts texts = {span_text(name), span_text(title), span_text(unit),
                                     span_text(formula)};
    struct err err;
    if (!own_metrics_add(metrics, &texts, over, &err))
        fail_msg("%s", err.text);
}

static inline void fixture_sum_own(struct summary *summary, const struct own_metrics *metrics,
                                   double n)
{
    static const double means[] = {43.5, -0.0625, 1.25, 52.5};
    for (size_t i = 0; i < metrics->count; i++) {
        assert_true(summary_add_own(summary, &metrics->items[i], (double)NAN));
        fixture_metric(&summary->own[i].value, metrics->items[i].over == OVER_STAGE, n, means[i]);
    }
    summary->own[1].failed = 3;
    fixture_metric(&summary->own[1].value, false, n - 3, means[1]);
}

/* A script with metrics of its own, one of which fails at times; the last is a number a stage. */
static inline void fixture_own(struct report *report)
{
    struct own_metrics *metrics = report->facts->own = MEM_NEW(struct own_metrics);
    fixture_add_own(metrics, OVER_SUCCESSES, "words", "Words", "count", NULL);
    fixture_add_own(metrics, OVER_SUCCESSES, "gain", "Gain", "points", "after - " FIXTURE_SECRET);
    fixture_add_own(metrics, OVER_ALL_WITH_RESPONSE, "server_time", "Server time", "s", NULL);
    fixture_add_own(metrics, OVER_STAGE, "word_rate", "Word rate", "1/s", NULL);
    fixture_sum_own(&report->whole, metrics, (double)report->whole.ok);
    fixture_sum_own(&report->steady, metrics, (double)report->steady.ok);
    report->own_error = mem_text("metric 'gain': mine.lua:3: no " FIXTURE_SECRET "\nstack");
}

/* What scripts told: counters, hostile lines, a failure. */
static inline void fixture_said(struct report *report)
{
    static const struct counter counters[] = {{"cache hits", 12}, {"tok " FIXTURE_SECRET, 0.5}};
    struct said *said = &report->said;
    said->counters = memcpy(mem_zero(2, sizeof *said->counters), counters, sizeof counters);
    said->counter_count = 2;
    list_add(&said->lines, "a  b \x1b[31m" FIXTURE_SECRET);
    list_add(&said->lines, "");
    said->error = mem_text("done: mine.lua:3: oops\nstack");
}

/* One that passes, on few values, one that fails and one that has no value. */
static inline void fixture_judged(struct report *report)
{
    static const char *const conditions[] = {"p99.9_ttft>500ms", "error_rate > 1%",
                                             "p50_cached_tokens<10"};
    struct list list = {0};
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++)
        list_add(&list, conditions[i]);
    report_judge(report, &list);
    list_fini(&list);
}

/* Everything there is: successes, failures, cancelled, a steady part. */
static inline struct report fixture_report(struct run_facts *facts, uint64_t ok)
{
    struct report report = {
        .facts = facts,
        .end = RUN_END_NUMBER,
        .trust =
            {
                .loop_lag_p50 = 0.00002,
                .loop_lag_p99 = 0.0003,
                .loop_lag_max = 0.0012,
                .schedule_lag_p50 = 0.00004,
                .schedule_lag_p99 = 0.0002,
                .schedule_lag_max = 0.0007,
                .receive_delay_p50 = (double)NAN,
                .receive_delay_p99 = (double)NAN,
                .receive_delay_max = (double)NAN,
                .reads_user = 23456,
                .worker_cpu_share = 0.34,
                .composer_cpu_share = 0.02,
                .scorer_cpu_share = 0.11,
                .process_cpu_s = 2.5,
                .asked_concurrency = 100,
                .achieved_concurrency = 99.6,
                .data_cycles = 1,
                .warnings = 2,
            },
        .verdict = {.sound = true},
    };
    struct summary *whole = &report.whole;
    fixture_nothing(whole);
    fixture_nothing(&report.steady);
    whole->facts = (struct stage_facts){
        .window_start_ns = FIXTURE_START_NS,
        .window_end_ns = FIXTURE_START_NS + 4872 * FIXTURE_MS,
        .drain_end_ns = FIXTURE_START_NS + 4872 * FIXTURE_MS,
        .last_start_ns = FIXTURE_START_NS + 3500 * FIXTURE_MS,
        .due = ok,
        .max_in_flight = 100,
        .asked_concurrency = 100,
    };
    whole->ok = whole->scored = whole->streamed = whole->by_outcome[OUTCOME_OK] = ok;
    whole->by_source[TOKENS_USAGE] = whole->by_prompt_source[TOKENS_USAGE] = ok;
    whole->window_s = 4.872;
    whole->reused = ok > 100 ? ok - 100 : 0;
    whole->prompt_tokens = (int64_t)ok * 40;
    whole->completion_tokens = (int64_t)ok * 64;
    whole->events = ok * 67;
    whole->coalesced_events = ok;
    if (ok)
        fixture_metrics(whole, (double)ok);
    return report;
}

static inline void fixture_failures(struct report *report)
{
    struct summary *whole = &report->whole;
    whole->by_outcome[OUTCOME_HTTP_5XX] = 7;
    whole->by_outcome[OUTCOME_TRUNCATED] = 2;
    whole->by_outcome[OUTCOME_CANCELLED] = 1;
    whole->failed = 9;
    whole->cancelled = 1;
    whole->scored += 10;
    whole->facts.due = whole->scored + 3;
    whole->facts.not_started = 3;
    list_add(&report->first_errors,
             "http_5xx: HTTP 503: {\"error\":\n \"\xe8\xbf\x87\xe8\xbd\xbd\xe4\xba\x86"
             " \x1b[31mkey " FIXTURE_SECRET " refused\"}");
    list_add(&report->first_errors, "truncated: the stream ended without its end marker");
    if (!whole->ok)
        return;
    fixture_felt(&whole->felt_latency, (double)(whole->ok + 9), 1.4);
    fixture_felt(&whole->felt_ttft, (double)(whole->ok + 9), 0.03);
}

static inline void fixture_steady(struct report *report)
{
    struct summary *steady = &report->steady;
    steady->steady = true;
    steady->facts = report->whole.facts;
    steady->facts.steady_start_ns = report->whole.facts.steady_start_ns =
        FIXTURE_START_NS + 50 * FIXTURE_MS;
    steady->window_s = 3.45;
    steady->ok = steady->scored = 250;
    fixture_metrics(steady, 250);
}

static inline char *fixture_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s cannot be read", path);
    char *text = mem_zero(1 << 20, 1);
    size_t len = fread(text, 1, (1 << 20) - 1, file);
    assert_false(ferror(file));
    text[len] = '\0';
    fclose(file);
    return text;
}
