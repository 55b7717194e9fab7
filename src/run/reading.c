#include "run/reading.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/answer.h"
#include "wire/json.h"
#include "wire/utf8.h"

void reading_init(struct reading *reading, struct script *script, struct sample *sample)
{
    *reading = (struct reading){
        .script = script,
        .sample = sample,
        .exchange = sample->exchange,
        .usage = {TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN},
    };
}

void reading_begin(struct reading *reading)
{
    struct err err;
    if (!script_answer_begin(reading->script, reading->exchange, &err))
        reading_fault(reading, &err);
}

void reading_fini(struct reading *reading)
{
    for (size_t i = 0; i < reading->choice_count * TEXT_KINDS; i++)
        buf_fini(&reading->choices[i / TEXT_KINDS].text[i % TEXT_KINDS]);
    free(reading->choices);
    free(reading->steps);
    for (size_t i = 0; i < reading->copy_count; i++)
        free(reading->copies[i]);
    free(reading->copies);
    free(reading->payloads);
    free(reading->stored);
    free(reading->error);
    free(reading->script_error);
}

void reading_fault(struct reading *reading, const struct err *err)
{
    if (reading->script_error)
        return;
    reading->script_error = mem_text(err->text);
    if (reading->watch)
        reading->watch->fault(reading->watch->arg, err->text);
}

/* ---- payloads ---- */

static bool in_body(const struct reading *reading, struct span data)
{
    const struct buf *body = &reading->exchange->body;
    return body->data && data.data >= body->data && data.data + data.len <= body->data + body->len;
}

static struct span keep(struct reading *reading, struct span data)
{
    if (data.len == 0 || in_body(reading, data))
        return data.len ? data : span_of("", 0);
    if (reading->copy_count == reading->copy_cap) {
        reading->copy_cap = reading->copy_cap ? reading->copy_cap * 2 : 8;
        reading->copies = mem_resize(reading->copies, reading->copy_cap, sizeof *reading->copies);
    }
    char *copy = mem_copy(data.data, data.len);
    reading->copies[reading->copy_count++] = copy;
    return span_of(copy, data.len);
}

static void append(struct span **spans, size_t *count, size_t *cap, struct span span)
{
    if (*count == *cap) {
        *cap = *cap ? *cap * 2 : 32;
        *spans = mem_resize(*spans, *cap, sizeof **spans);
    }
    (*spans)[(*count)++] = span;
}

/* ---- events ---- */

/* Whether the read that brought this byte brought, or left behind, more than the end of the event:
 * then its stamp may be that of the rest. */
static bool rest_came_too(const struct exchange *exchange, const struct mark *mark,
                          uint64_t last_byte)
{
    const char *data = exchange->body.data;
    uint64_t at = last_byte + 1;
    while (at < mark->end && (data[at] == '\r' || data[at] == '\n'))
        at++;
    return mark->more || at < mark->end;
}

static struct event *event_new(struct reading *reading, size_t bytes, uint64_t last_byte)
{
    struct sample *sample = reading->sample;
    if (sample->event_count == reading->event_cap) {
        reading->event_cap = reading->event_cap ? reading->event_cap * 2 : 32;
        sample->events = mem_resize(sample->events, reading->event_cap, sizeof *sample->events);
    }
    reading->mark = exchange_mark_of(reading->exchange, last_byte, reading->mark);
    struct event *event = &sample->events[sample->event_count++];
    const struct mark *mark = &reading->exchange->marks[reading->mark];
    *event = (struct event){
        .time_ns = mark_time_ns(mark),
        .coalesced = rest_came_too(reading->exchange, mark, last_byte),
        .read = (uint32_t)reading->mark,
        .bytes = (uint32_t)bytes,
        .kind = EVENT_UNKNOWN,
    };
    return event;
}

/* An event that carries several things takes the first of these. */
static char kind_of(const struct delta *delta)
{
    const struct {
        bool present;
        char kind;
    } order[] = {
        {delta->error.data != NULL, EVENT_ERROR},
        {delta->content.data != NULL, EVENT_CONTENT},
        {delta->refusal.data != NULL, EVENT_REFUSAL},
        {delta->tool.data != NULL, EVENT_TOOL},
        {delta->reasoning.data != NULL, EVENT_REASONING},
        {delta->has_usage, EVENT_USAGE},
        {delta->done, EVENT_DONE},
    };
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (order[i].present)
            return order[i].kind;
    return EVENT_OPENING;
}

static void note_times(struct sample *sample, const struct event *event, bool opening)
{
    bool text = event_has_text(event);
    sample->text_events += text;
    if (!sample->streamed)
        return; /* a plain answer arrives as one: it has no first token */
    if (!sample->first_chunk_ns && (text || opening || event->kind == EVENT_OPENING))
        sample->first_chunk_ns = event->time_ns;
    if (!text)
        return;
    if (!sample->first_token_ns)
        sample->first_token_ns = event->time_ns;
    if (!sample->first_answer_ns && event->kind != EVENT_REASONING)
        sample->first_answer_ns = event->time_ns;
    sample->last_token_ns = event->time_ns;
}

static void later(int64_t *known, int64_t said)
{
    if (said != TOKENS_UNKNOWN)
        *known = said;
}

static struct choice *choice_at(struct reading *reading, int64_t index)
{
    size_t at = (size_t)index;
    if (at >= reading->choice_count) {
        reading->choices = mem_resize(reading->choices, at + 1, sizeof *reading->choices);
        for (; reading->choice_count <= at; reading->choice_count++)
            for (size_t kind = 0; kind < TEXT_KINDS; kind++)
                buf_init(&reading->choices[reading->choice_count].text[kind], SIZE_MAX / 2);
    }
    return &reading->choices[at];
}

static void note_step(struct reading *reading, size_t stream, size_t len)
{
    if (reading->step_count == reading->step_cap) {
        reading->step_cap = reading->step_cap ? reading->step_cap * 2 : 64;
        reading->steps = mem_resize(reading->steps, reading->step_cap, sizeof *reading->steps);
    }
    reading->steps[reading->step_count++] = (struct text_step){
        .event = (uint32_t)(reading->sample->event_count - 1),
        .stream = (uint32_t)stream,
        .len = len,
    };
}

static void note_text(struct reading *reading, const struct delta *delta)
{
    struct choice *choice = choice_at(reading, delta->index);
    const struct span pieces[] = {
        [TEXT_CONTENT] = delta->content,
        [TEXT_REASONING] = delta->reasoning,
        [TEXT_REFUSAL] = delta->refusal,
        [TEXT_TOOL] = delta->tool,
    };
    for (size_t kind = 0; kind < (reading->counting ? TEXT_KINDS : TEXT_REFUSAL); kind++) {
        if (!pieces[kind].data)
            continue;
        if (delta->cumulative)
            buf_clear(&choice->text[kind]);
        buf_add_span(&choice->text[kind], pieces[kind]);
        if (reading->counting)
            note_step(reading, (size_t)delta->index * TEXT_KINDS + kind, choice->text[kind].len);
    }
}

/* In a C string a NUL would hide the rest. */
static void blank_nuls(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!text[i])
            text[i] = ' ';
}

static char *sentence_of(struct span error)
{
    char *sentence = mem_copy(error.data, error.len);
    blank_nuls(sentence, error.len);
    return sentence;
}

static void note_delta(struct reading *reading, const struct delta *delta)
{
    struct sample *sample = reading->sample;
    note_text(reading, delta);
    if (delta->error.data && !reading->error)
        reading->error = sentence_of(delta->error);
    if (delta->finish.len) {
        size_t len = delta->finish.len < sizeof sample->finish_reason - 1
                         ? delta->finish.len
                         : sizeof sample->finish_reason - 1;
        memcpy(sample->finish_reason, delta->finish.data, len);
        blank_nuls(sample->finish_reason, len);
        sample->finish_reason[len] = '\0';
        if (len < delta->finish.len)
            err_mark_cut(sample->finish_reason, sizeof sample->finish_reason);
    }
    if (delta->has_usage) {
        later(&reading->usage.prompt, delta->usage.prompt);
        later(&reading->usage.completion, delta->usage.completion);
        later(&reading->usage.cached, delta->usage.cached);
        later(&reading->usage.reasoning, delta->usage.reasoning);
    }
    reading->done = reading->done || delta->done;
    reading->tokens_said = reading->tokens_said || delta->tokens != TOKENS_UNKNOWN;
}

/* What an event record can hold; more is a fault that is named, not a number that is cut. */
static bool within_bounds(const struct delta *delta, struct err *err)
{
    if (delta->index >= READING_CHOICES)
        return err_set(err, "read_event: index %lld: choices are kept apart up to %d",
                       (long long)delta->index, READING_CHOICES - 1);
    if (delta->tokens != TOKENS_UNKNOWN && delta->tokens > TOKENS_MOST)
        return err_set(err, "read_event: tokens %lld: an event carries at most %d",
                       (long long)delta->tokens, TOKENS_MOST);
    return true;
}

/* What the event's choices carry together decides its kind. */
static void join(struct delta *all, const struct delta *delta)
{
    struct span *const into[] = {&all->content, &all->refusal, &all->tool, &all->reasoning,
                                 &all->error};
    const struct span from[] = {delta->content, delta->refusal, delta->tool, delta->reasoning,
                                delta->error};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        if (!into[i]->data)
            *into[i] = from[i];
    all->has_usage = all->has_usage || delta->has_usage;
    all->done = all->done || delta->done;
}

/* Of a choice with text of unknown count one is taken, as of an event. */
static int64_t tokens_of(const struct delta *delta)
{
    bool text =
        delta->content.data || delta->refusal.data || delta->tool.data || delta->reasoning.data;
    return delta->tokens != TOKENS_UNKNOWN ? delta->tokens : text;
}

/* The last event, or choice `choice` of it, is shown to whoever looks on. */
static void show(const struct reading *reading, size_t choice, struct span name, struct span data,
                 const struct delta *delta)
{
    const struct answer_seen seen = {
        .number = reading->sample->event_count - 1,
        .choice = choice,
        .name = name,
        .data = data,
        .delta = delta,
    };
    if (reading->watch)
        reading->watch->event(reading->watch->arg, &seen);
}

/* The event's further choices. */
static void note_more(struct reading *reading, struct event *event, struct delta *all)
{
    struct err err;
    all->tokens = tokens_of(all);
    for (size_t i = 1; i <= all->more; i++) {
        struct delta delta;
        if (!script_read_more(reading->script, i, &delta, &err) || !within_bounds(&delta, &err)) {
            reading_fault(reading, &err);
            return;
        }
        show(reading, i, span_of("", 0), span_of("", 0), &delta);
        all->tokens += tokens_of(&delta);
        note_delta(reading, &delta);
        join(all, &delta);
    }
    event->kind = kind_of(all);
    if (within_bounds(all, &err))
        event->tokens = (uint32_t)all->tokens;
    else
        reading_fault(reading, &err);
}

void reading_event(struct reading *reading, struct span data, struct span name, uint64_t last_byte)
{
    struct event *event = event_new(reading, data.len, last_byte);
    struct delta delta = {0};
    struct err err;
    struct span kept = keep(reading, data);
    append(&reading->stored, &reading->stored_count, &reading->stored_cap, kept);
    if (!reading->script_error && !script_read_event(reading->script, data, name, &delta, &err))
        reading_fault(reading, &err);
    show(reading, 0, name, data, reading->script_error ? NULL : &delta);
    if (!delta.done)
        append(&reading->payloads, &reading->payload_count, &reading->payload_cap, kept);
    if (!delta.understood) {
        reading->unknown++;
        return;
    }
    if (!within_bounds(&delta, &err)) {
        reading->unknown++;
        reading_fault(reading, &err);
        return;
    }
    reading->understood++;
    event->kind = kind_of(&delta);
    event->index = (uint32_t)delta.index;
    event->tokens = delta.tokens == TOKENS_UNKNOWN ? 0 : (uint32_t)delta.tokens;
    note_delta(reading, &delta);
    if (delta.more)
        note_more(reading, event, &delta);
    note_times(reading->sample, event, delta.opening);
}

void reading_ping(struct reading *reading, struct span data, uint64_t last_byte)
{
    event_new(reading, data.len, last_byte)->kind = EVENT_PING;
}

/* ---- the end ---- */

/* Reads with an equal kernel stamp are one group, since the kernel gives the stamp of the last
 * segment then queued. */
static bool same_group(const struct exchange *exchange, uint32_t a, uint32_t b)
{
    const struct mark *first = &exchange->marks[a], *second = &exchange->marks[b];
    return a == b || (first->kernel_ns && first->kernel_ns == second->kernel_ns);
}

static void mark_coalesced(struct sample *sample)
{
    for (size_t i = 0; i + 1 < sample->event_count; i++)
        sample->events[i].coalesced |=
            same_group(sample->exchange, sample->events[i].read, sample->events[i + 1].read);
}

static void count_data_events(struct sample *sample)
{
    for (size_t i = 0; i < sample->event_count; i++)
        sample->data_events +=
            sample->events[i].kind != EVENT_PING && sample->events[i].kind != EVENT_DONE;
}

static char *joined_text(struct reading *reading, size_t *len)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    for (size_t i = 0; i < reading->choice_count; i++) {
        if (i)
            buf_add_char(&out, '\n');
        buf_add_span(&out, buf_span(&reading->choices[i].text[TEXT_CONTENT]));
    }
    *len = out.len;
    return reading->choice_count ? buf_take(&out) : NULL;
}

void reading_finish(struct reading *reading)
{
    struct sample *sample = reading->sample;
    if (reading->tokens_said)
        sample->event_source = TOKENS_SCRIPT;
    mark_coalesced(sample);
    count_data_events(sample);
    for (size_t i = 0; i < reading->choice_count; i++)
        sample->text_chars += utf8_count(buf_span(&reading->choices[i].text[TEXT_CONTENT])) +
                              utf8_count(buf_span(&reading->choices[i].text[TEXT_REASONING]));
    sample->text = joined_text(reading, &sample->text_len);
}
