#include "model/metric.h"

#include "base/clock.h"

#include <math.h>
#include <string.h>

/* ---- per request ---- */

static double ttfb(const struct sample *sample)
{
    return sample_interval(sample->exchange->sent_ns, sample->exchange->first_byte_ns);
}

static double ttft(const struct sample *sample)
{
    return sample_interval(sample->exchange->sent_ns, sample->first_token_ns);
}

static double ttfc(const struct sample *sample)
{
    return sample_interval(sample->exchange->sent_ns, sample->first_chunk_ns);
}

static double ttfa(const struct sample *sample)
{
    return sample_interval(sample->exchange->sent_ns, sample->first_answer_ns);
}

static double stream_end(const struct sample *sample)
{
    return sample_interval(sample->exchange->sent_ns, sample->exchange->end_ns);
}

/* How long the text took from its first event to its last; NAN unless some time passed. */
static double text_time(const struct sample *sample)
{
    double time = sample_interval(sample->first_token_ns, sample->last_token_ns);
    return time > 0 ? time : (double)NAN;
}

static double tpot(const struct sample *sample)
{
    if (sample->completion_tokens <= 1)
        return (double)NAN;
    return text_time(sample) / (double)(sample->completion_tokens - 1);
}

static double user_speed(const struct sample *sample)
{
    if (sample->completion_tokens <= 1)
        return (double)NAN;
    return (double)(sample->completion_tokens - 1) / text_time(sample);
}

static double ttft_from_due(const struct sample *sample)
{
    return sample_interval(sample->exchange->due_ns, sample->first_token_ns);
}

static double ttfa_from_due(const struct sample *sample)
{
    return sample_interval(sample->exchange->due_ns, sample->first_answer_ns);
}

static double latency_from_due(const struct sample *sample)
{
    return sample_interval(sample->exchange->due_ns,
                           sample->streamed ? sample->last_token_ns : sample->exchange->end_ns);
}

static double setup(const struct sample *sample)
{
    return sample_interval(sample->exchange->started_ns, sample->exchange->sent_ns);
}

static double schedule_lag(const struct sample *sample)
{
    return sample_interval(sample->exchange->due_ns, sample->exchange->started_ns);
}

static double slot_wait(const struct sample *sample)
{
    const struct exchange *exchange = sample->exchange;
    return exchange->capped ? clock_seconds(exchange->slot_wait_ns) : (double)NAN;
}

static double own_lag(const struct sample *sample)
{
    return schedule_lag(sample) - clock_seconds(sample->exchange->slot_wait_ns);
}

static double connect_time(const struct sample *sample)
{
    return sample_interval(sample->exchange->started_ns, sample->exchange->connected_ns);
}

static double tokens(int64_t count)
{
    return count < 0 ? (double)NAN : (double)count;
}

static double input_tokens(const struct sample *sample)
{
    return tokens(sample->prompt_tokens);
}

static double output_tokens(const struct sample *sample)
{
    return tokens(sample->completion_tokens);
}

static double cached_tokens(const struct sample *sample)
{
    return tokens(sample->cached_tokens);
}

static double reasoning_tokens(const struct sample *sample)
{
    return tokens(sample->reasoning_tokens);
}

static double output_chars(const struct sample *sample)
{
    return (double)sample->text_chars;
}

static double user_char_speed(const struct sample *sample)
{
    return (double)sample->text_chars / text_time(sample);
}

static double packages(const struct sample *sample)
{
    return (double)sample->data_events;
}

static double package_latency(const struct sample *sample)
{
    const struct event *first = NULL, *last = NULL;
    size_t count = 0;
    for (size_t i = 0; i < sample->event_count; i++) {
        if (!event_is_data(&sample->events[i]))
            continue;
        last = &sample->events[i];
        if (count++ == 0)
            first = last;
    }
    if (count < 2)
        return (double)NAN;
    return sample_interval(first->time_ns, last->time_ns) / (double)(count - 1);
}

/* ---- per event ---- */

struct values {
    void (*add)(void *arg, double value, uint64_t times);
    void *arg;
};

static void add_gap(void *arg, const struct event *before, const struct event *after)
{
    const struct values *values = arg;
    double seconds = sample_interval(before->time_ns, after->time_ns);
    if (!isnan(seconds))
        values->add(values->arg, seconds, 1);
}

static void itl(const struct sample *sample, void (*add)(void *arg, double value, uint64_t times),
                void *arg)
{
    struct values values = {add, arg};
    sample_gaps(sample, add_gap, &values);
}

static void receive_delay(const struct sample *sample,
                          void (*add)(void *arg, double value, uint64_t times), void *arg)
{
    const struct exchange *exchange = sample->exchange;
    for (size_t i = 0; i < exchange->mark_count; i++) {
        double seconds = sample_interval(exchange->marks[i].kernel_ns, exchange->marks[i].own_ns);
        if (!isnan(seconds))
            add(arg, seconds, 1);
    }
}

/* ---- the table ---- */

static const struct metric metrics[] = {
    [METRIC_TTFB] =
        {
            .name = "ttfb",
            .title = "TTFB",
            .unit = UNIT_SECONDS,
            .over = OVER_ALL_WITH_RESPONSE,
            .formula = "first_byte − sent",
            .of = ttfb,
        },
    [METRIC_TTFT] =
        {
            .name = "ttft",
            .title = "TTFT",
            .unit = UNIT_SECONDS,
            .over = OVER_STREAMED_SUCCESSES,
            .formula = "first_token − sent",
            .of = ttft,
        },
    [METRIC_TTFC] =
        {
            .name = "ttfc",
            .title = "TTFC",
            .unit = UNIT_SECONDS,
            .over = OVER_STREAMED_SUCCESSES,
            .formula = "first_chunk − sent",
            .of = ttfc,
        },
    [METRIC_TTFA] =
        {
            .name = "ttfa",
            .title = "TTFA",
            .unit = UNIT_SECONDS,
            .over = OVER_STREAMED_SUCCESSES,
            .formula = "first_answer − sent",
            .of = ttfa,
        },
    [METRIC_LATENCY] =
        {
            .name = "latency",
            .title = "Latency",
            .unit = UNIT_SECONDS,
            .over = OVER_SUCCESSES,
            .formula = "last_token − sent when streamed, end − sent when plain",
            .of = sample_latency,
        },
    [METRIC_STREAM_END] =
        {
            .name = "stream_end",
            .title = "Stream end",
            .unit = UNIT_SECONDS,
            .over = OVER_SUCCESSES,
            .formula = "end − sent",
            .of = stream_end,
        },
    [METRIC_ITL] =
        {
            .name = "itl",
            .title = "ITL",
            .unit = UNIT_SECONDS,
            .over = OVER_STREAMED_SUCCESSES,
            .formula = "gaps between successive text events of a choice, pooled over requests",
            .each = itl,
        },
    [METRIC_TPOT] =
        {
            .name = "tpot",
            .title = "TPOT",
            .unit = UNIT_SECONDS,
            .over = OVER_STREAMED_SUCCESSES,
            .formula = "(last_token − first_token) / (completion tokens − 1)",
            .of = tpot,
        },
    [METRIC_USER_SPEED] =
        {
            .name = "user_speed",
            .title = "User speed",
            .unit = UNIT_TOKENS_PER_S,
            .over = OVER_STREAMED_SUCCESSES,
            .formula = "1 / TPOT",
            .of = user_speed,
        },
    [METRIC_TTFT_FROM_DUE] =
        {
            .name = "ttft_from_due",
            .title = "TTFT from plan",
            .unit = UNIT_SECONDS,
            .over = OVER_STREAMED_SUCCESSES,
            .formula = "first_token − due",
            .of = ttft_from_due,
        },
    [METRIC_TTFA_FROM_DUE] =
        {
            .name = "ttfa_from_due",
            .title = "TTFA from plan",
            .unit = UNIT_SECONDS,
            .over = OVER_STREAMED_SUCCESSES,
            .formula = "first_answer − due",
            .of = ttfa_from_due,
        },
    [METRIC_LATENCY_FROM_DUE] =
        {
            .name = "latency_from_due",
            .title = "Latency from plan",
            .unit = UNIT_SECONDS,
            .over = OVER_SUCCESSES,
            .formula = "last_token − due when streamed, end − due when plain",
            .of = latency_from_due,
        },
    [METRIC_SETUP] =
        {
            .name = "setup",
            .title = "Set-up",
            .unit = UNIT_SECONDS,
            .over = OVER_ALL_SENT,
            .formula = "sent − started",
            .of = setup,
        },
    [METRIC_SCHEDULE_LAG] =
        {
            .name = "schedule_lag",
            .title = "Schedule lag",
            .unit = UNIT_SECONDS,
            .over = OVER_ALL_SENT,
            .formula = "started − due",
            .of = schedule_lag,
        },
    [METRIC_SLOT_WAIT] =
        {
            .name = "slot_wait",
            .title = "Wait for a slot",
            .unit = UNIT_SECONDS,
            .over = OVER_ALL_SENT,
            .formula = "how long after due a slot became free, open loop with a cap only",
            .of = slot_wait,
        },
    [METRIC_OWN_LAG] =
        {
            .name = "own_lag",
            .title = "Own lag",
            .unit = UNIT_SECONDS,
            .over = OVER_ALL_SENT,
            .formula = "started − due − slot_wait",
            .of = own_lag,
        },
    [METRIC_CONNECT] =
        {
            .name = "connect",
            .title = "Connect",
            .unit = UNIT_SECONDS,
            .over = OVER_ALL_SENT,
            .formula = "connected − started, new connections only",
            .of = connect_time,
        },
    [METRIC_RECEIVE_DELAY] =
        {
            .name = "receive_delay",
            .title = "Receive delay",
            .unit = UNIT_SECONDS,
            .over = OVER_ALL_WITH_RESPONSE,
            .formula = "our stamp − kernel stamp of each read that has both",
            .each = receive_delay,
        },
    [METRIC_INPUT_TOKENS] =
        {
            .name = "input_tokens",
            .title = "Input tokens",
            .unit = UNIT_TOKENS,
            .over = OVER_SUCCESSES,
            .formula = "prompt tokens of a request",
            .of = input_tokens,
        },
    [METRIC_OUTPUT_TOKENS] =
        {
            .name = "output_tokens",
            .title = "Output tokens",
            .unit = UNIT_TOKENS,
            .over = OVER_SUCCESSES,
            .formula = "completion tokens of a request",
            .of = output_tokens,
        },
    [METRIC_CACHED_TOKENS] =
        {
            .name = "cached_tokens",
            .title = "Cached tokens",
            .unit = UNIT_TOKENS,
            .over = OVER_SUCCESSES,
            .formula = "cached prompt tokens of a request, as the server said",
            .of = cached_tokens,
        },
    [METRIC_REASONING_TOKENS] =
        {
            .name = "reasoning_tokens",
            .title = "Reasoning tokens",
            .unit = UNIT_TOKENS,
            .over = OVER_SUCCESSES,
            .formula = "reasoning tokens of a request, as the server said",
            .of = reasoning_tokens,
        },
    [METRIC_OUTPUT_CHARS] =
        {
            .name = "output_chars",
            .title = "Output characters",
            .unit = UNIT_CHARS,
            .over = OVER_STREAMED_SUCCESSES,
            .formula = "code points of content and reasoning of a request",
            .of = output_chars,
        },
    [METRIC_USER_CHAR_SPEED] =
        {
            .name = "user_char_speed",
            .title = "User character speed",
            .unit = UNIT_CHARS_PER_S,
            .over = OVER_STREAMED_SUCCESSES,
            .formula = "output characters / (last_token − first_token)",
            .of = user_char_speed,
        },
    [METRIC_PACKAGES] =
        {
            .name = "packages",
            .title = "Packages",
            .unit = UNIT_COUNT,
            .over = OVER_STREAMED_SUCCESSES,
            .formula = "data events of a request",
            .of = packages,
        },
    [METRIC_PACKAGE_LATENCY] =
        {
            .name = "package_latency",
            .title = "Package latency",
            .unit = UNIT_SECONDS,
            .over = OVER_STREAMED_SUCCESSES,
            .formula = "(last data event − first data event) / (data events − 1)",
            .of = package_latency,
        },
    [METRIC_ITL_PER_TOKEN] =
        {
            .name = "itl_per_token",
            .title = "ITL per token",
            .unit = UNIT_SECONDS,
            .over = OVER_STREAMED_SUCCESSES,
            .formula = "gap / k, counted k times, for each gap before an event of k tokens",
            .each = sample_gaps_per_token,
        },
    [METRIC_REQUEST_THROUGHPUT] =
        {
            .name = "request_throughput",
            .title = "Request throughput",
            .unit = UNIT_PER_S,
            .over = OVER_STAGE,
            .formula = "successes that ended in the window / window",
        },
    [METRIC_OUTPUT_THROUGHPUT] =
        {
            .name = "output_throughput",
            .title = "Output throughput",
            .unit = UNIT_TOKENS_PER_S,
            .over = OVER_STAGE,
            .formula = "Σ completion tokens of events inside the window / window",
        },
    [METRIC_TOTAL_THROUGHPUT] =
        {
            .name = "total_throughput",
            .title = "Total throughput",
            .unit = UNIT_TOKENS_PER_S,
            .over = OVER_STAGE,
            .formula = "(Σ completion tokens of events inside the window + Σ prompt tokens of "
                       "successes that ended in it) / window",
        },
    [METRIC_CHAR_THROUGHPUT] =
        {
            .name = "char_throughput",
            .title = "Character throughput",
            .unit = UNIT_CHARS_PER_S,
            .over = OVER_STAGE,
            .formula = "Σ output characters of events inside the window / window",
        },
    [METRIC_ACHIEVED_RATE] =
        {
            .name = "achieved_rate",
            .title = "Achieved rate",
            .unit = UNIT_PER_S,
            .over = OVER_STAGE,
            .formula =
                "requests started / (last started − first started) × (n − 1) / n, open loop only",
        },
    [METRIC_ACHIEVED_CONCURRENCY] =
        {
            .name = "achieved_concurrency",
            .title = "Achieved concurrency",
            .unit = UNIT_COUNT,
            .over = OVER_STAGE,
            .formula = "∫ in flight dt over the window / window",
        },
    [METRIC_MAX_CONCURRENCY] =
        {
            .name = "max_concurrency",
            .title = "Maximum concurrency",
            .unit = UNIT_COUNT,
            .over = OVER_STAGE,
            .formula = "largest number in flight",
        },
    [METRIC_TIME_PER_OUTPUT_TOKEN] =
        {
            .name = "time_per_output_token",
            .title = "Average time per output token",
            .unit = UNIT_SECONDS,
            .over = OVER_STAGE,
            .formula = "window / Σ completion tokens of events inside the window",
        },
    [METRIC_COALESCED_SHARE] =
        {
            .name = "coalesced_share",
            .title = "Coalesced share",
            .unit = UNIT_SHARE,
            .over = OVER_STAGE,
            .formula = "ITL gaps that touch a coalesced event / ITL gaps",
        },
};

_Static_assert(sizeof metrics / sizeof *metrics == METRIC_COUNT, "a row for each metric");

const struct metric *metric_at(size_t id)
{
    return &metrics[id];
}

const struct metric *metric_find(const char *name)
{
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (strcmp(metrics[i].name, name) == 0)
            return &metrics[i];
    return NULL;
}

const char *metric_unit_name(enum metric_unit unit)
{
    static const char *const names[METRIC_UNITS] = {
        [UNIT_SECONDS] = "s",
        [UNIT_TOKENS] = "tokens",
        [UNIT_TOKENS_PER_S] = "tokens/s",
        [UNIT_CHARS] = "characters",
        [UNIT_CHARS_PER_S] = "characters/s",
        [UNIT_COUNT] = "count",
        [UNIT_PER_S] = "1/s",
        [UNIT_SHARE] = "share",
        [UNIT_OWN] = "",
    };
    return names[unit];
}

const char *metric_over_name(enum metric_over over)
{
    static const char *const names[] = {
        [OVER_ALL_SENT] = "all sent",   [OVER_ALL_WITH_RESPONSE] = "all with a response",
        [OVER_SUCCESSES] = "successes", [OVER_STREAMED_SUCCESSES] = "streamed successes",
        [OVER_STAGE] = "stage",
    };
    return names[over];
}

bool metric_over_holds(enum metric_over over, const struct sample *sample)
{
    switch (over) {
    case OVER_ALL_SENT: return sample->exchange->sent_ns != 0;
    case OVER_ALL_WITH_RESPONSE: return sample->exchange->first_byte_ns != 0;
    case OVER_SUCCESSES: return sample->outcome == OUTCOME_OK;
    case OVER_STREAMED_SUCCESSES: return sample->outcome == OUTCOME_OK && sample->streamed;
    case OVER_STAGE: return false;
    }
    return false;
}

bool metric_applies(const struct metric *metric, const struct sample *sample)
{
    return metric_over_holds(metric->over, sample);
}

double metric_value(const struct metric *metric, const struct sample *sample)
{
    return metric->of && metric_applies(metric, sample) ? metric->of(sample) : (double)NAN;
}
