#include "model/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/own_metric.h"

static const char *const source_names[] = {
    [TOKENS_NONE] = "none",           [TOKENS_SCRIPT] = "script", [TOKENS_USAGE] = "usage",
    [TOKENS_TOKENIZER] = "tokenizer", [TOKENS_EVENTS] = "events",
};

_Static_assert(sizeof source_names / sizeof *source_names == TOKEN_SOURCES,
               "a name for each source");

const char *token_source_name(enum token_source source)
{
    return source_names[source];
}

const char *event_kind_name(char kind)
{
    static const struct {
        char kind;
        const char *name;
    } kinds[] = {
        {EVENT_OPENING, "no text"}, {EVENT_CONTENT, "content"}, {EVENT_REASONING, "reasoning"},
        {EVENT_TOOL, "tool"},       {EVENT_REFUSAL, "refusal"}, {EVENT_USAGE, "usage"},
        {EVENT_DONE, "done"},       {EVENT_ERROR, "error"},     {EVENT_PING, "ping"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].kind == kind)
            return kinds[i].name;
    return "unknown";
}

void sample_free(struct sample *sample)
{
    if (!sample)
        return;
    if (!sample->exchange_kept)
        exchange_free(sample->exchange);
    free(sample->error);
    free(sample->token_error);
    free(sample->own_values);
    free(sample->own_error);
    free(sample->events);
    free(sample->responses);
    free(sample->text);
    free(sample);
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

size_t sample_bytes(const struct sample *sample)
{
    return sizeof *sample + exchange_bytes(sample->exchange) +
           sample->event_count * sizeof *sample->events + sample->responses_len +
           text_bytes(sample->text) + text_bytes(sample->error) + text_bytes(sample->token_error) +
           text_bytes(sample->own_error) +
           (sample->own_values ? sample->own->count * sizeof *sample->own_values : 0);
}

/* ---- times ---- */

double sample_interval(uint64_t from_ns, uint64_t to_ns)
{
    if (from_ns == 0 || to_ns < from_ns)
        return (double)NAN;
    return clock_seconds(to_ns - from_ns);
}

double sample_latency(const struct sample *sample)
{
    const struct exchange *exchange = sample->exchange;
    return sample_interval(exchange->sent_ns,
                           sample->streamed ? sample->last_token_ns : exchange->end_ns);
}

static void shift(uint64_t *time_ns, uint64_t by_ns)
{
    if (*time_ns)
        *time_ns += by_ns;
}

void sample_shift(struct sample *sample, uint64_t by_ns)
{
    struct exchange *exchange = sample->exchange;
    uint64_t *const times[] = {
        &exchange->due_ns,       &exchange->started_ns,    &exchange->connected_ns,
        &exchange->tls_done_ns,  &exchange->sent_ns,       &exchange->first_byte_ns,
        &exchange->headers_ns,   &exchange->end_ns,        &sample->first_chunk_ns,
        &sample->first_token_ns, &sample->first_answer_ns, &sample->last_token_ns,
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        shift(times[i], by_ns);
    for (size_t i = 0; i < sample->event_count; i++)
        shift(&sample->events[i].time_ns, by_ns);
}

static bool impossible(uint64_t from_ns, uint64_t to_ns)
{
    return from_ns && to_ns && to_ns < from_ns;
}

static bool events_impossible(const struct sample *sample)
{
    for (size_t i = 1; i < sample->event_count; i++)
        if (impossible(sample->events[i - 1].time_ns, sample->events[i].time_ns))
            return true;
    return false;
}

static bool marks_impossible(const struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->mark_count; i++)
        if (impossible(exchange->marks[i].kernel_ns, exchange->marks[i].own_ns))
            return true;
    return false;
}

bool sample_impossible(const struct sample *sample)
{
    const struct exchange *exchange = sample->exchange;
    const uint64_t order[][2] = {
        {exchange->due_ns, exchange->started_ns},
        {exchange->started_ns, exchange->connected_ns},
        {exchange->started_ns, exchange->sent_ns},
        {exchange->started_ns, exchange->end_ns},
        {exchange->sent_ns, exchange->first_byte_ns},
        {exchange->sent_ns, exchange->end_ns},
        {exchange->sent_ns, sample->first_chunk_ns},
        {exchange->sent_ns, sample->first_token_ns},
        {sample->first_token_ns, sample->first_answer_ns},
        {sample->first_token_ns, sample->last_token_ns},
        {sample->last_token_ns, exchange->end_ns},
    };
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (impossible(order[i][0], order[i][1]))
            return true;
    return events_impossible(sample) || marks_impossible(exchange);
}

/* ---- tokens ---- */

void sample_no_tokens(struct sample *sample)
{
    sample->prompt_tokens = sample->completion_tokens = TOKENS_UNKNOWN;
    sample->cached_tokens = sample->reasoning_tokens = TOKENS_UNKNOWN;
    sample->usage_prompt = sample->usage_completion = TOKENS_UNKNOWN;
    sample->counted_prompt = sample->counted_completion = TOKENS_UNKNOWN;
}

/* Whether every text event says how many tokens it carries; of the tokenizer's counts, 0 is one. */
static bool tokens_by_event(const struct sample *sample)
{
    if (sample->event_source == TOKENS_TOKENIZER)
        return true;
    for (size_t i = 0; i < sample->event_count; i++)
        if (event_has_text(&sample->events[i]) && sample->events[i].tokens == 0)
            return false;
    return true;
}

double sample_share_until(const struct sample *sample, uint64_t until_ns)
{
    bool by_event = tokens_by_event(sample);
    double inside = 0, all = 0;
    for (size_t i = 0; sample->streamed && i < sample->event_count; i++) {
        const struct event *event = &sample->events[i];
        double weight = by_event ? (double)event->tokens : (double)event_has_text(event);
        all += weight;
        if (event->time_ns <= until_ns)
            inside += weight;
    }
    if (all > 0)
        return inside / all;
    return sample->exchange->end_ns <= until_ns ? 1 : 0;
}

double sample_tokens_until(const struct sample *sample, uint64_t until_ns)
{
    if (sample->completion_tokens <= 0)
        return 0;
    return (double)sample->completion_tokens * sample_share_until(sample, until_ns);
}

/* ---- gaps ---- */

static int by_choice(const void *a, const void *b)
{
    const struct event *first = *(const struct event *const *)a;
    const struct event *second = *(const struct event *const *)b;
    if (first->index != second->index)
        return first->index < second->index ? -1 : 1;
    return first < second ? -1 : first > second;
}

void sample_gaps(const struct sample *sample, sample_gap_fn *gap, void *arg)
{
    if (sample->event_count == 0)
        return;
    const struct event **texts = mem_zero(sample->event_count, sizeof *texts);
    size_t count = 0;
    bool sorted = true;
    for (size_t i = 0; i < sample->event_count; i++) {
        if (!event_has_text(&sample->events[i]))
            continue;
        sorted = sorted && (count == 0 || texts[count - 1]->index == sample->events[i].index);
        texts[count++] = &sample->events[i];
    }
    if (!sorted)
        qsort(texts, count, sizeof *texts, by_choice);
    for (size_t i = 1; i < count; i++)
        if (texts[i - 1]->index == texts[i]->index)
            gap(arg, texts[i - 1], texts[i]);
    free(texts);
}

struct gaps_per_token {
    sample_value_fn *add;
    void *arg;
    bool zero_known;            /* an event without a token lengthens the next gap */
    const struct event *from;   /* the gap began with it */
    const struct event *newest; /* looked at last */
};

static void add_gap_per_token(void *arg, const struct event *before, const struct event *after)
{
    struct gaps_per_token *gaps = arg;
    if (gaps->newest != before)
        gaps->from = before; /* another choice's first */
    gaps->newest = after;
    if (after->tokens == 0 && gaps->zero_known)
        return;
    double seconds = sample_interval(gaps->from->time_ns, after->time_ns);
    if (!isnan(seconds) && after->tokens > 0)
        gaps->add(gaps->arg, seconds / (double)after->tokens, after->tokens);
    gaps->from = after;
}

void sample_gaps_per_token(const struct sample *sample, sample_value_fn *add, void *arg)
{
    struct gaps_per_token gaps = {
        .add = add,
        .arg = arg,
        .zero_known = sample->event_source == TOKENS_TOKENIZER,
    };
    sample_gaps(sample, add_gap_per_token, &gaps);
}
