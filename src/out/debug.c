#include "out/debug.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/own_metric.h"
#include "model/sample.h"
#include "out/events_json.h"
#include "out/harmless.h"
#include "wire/json.h"

/* Characters that are shown of the beginning and the end of a text. */
enum {
    BODY_FIRST = 100,
    BODY_LAST = 100,
    PAYLOAD_FIRST = 200,
    HEADER_FIRST = 300,
    ERROR_FIRST = 2000,
    MOST_HEADERS = 100
};

struct debug {
    struct log *log;
    struct secrets *secrets;
    uint64_t start_ns;
    struct buf line, hidden; /* kept for their memory */
};

struct debug *debug_new(struct log *log, struct secrets *secrets, uint64_t start_ns)
{
    struct debug *debug = MEM_NEW(struct debug);
    *debug = (struct debug){.log = log, .secrets = secrets, .start_ns = start_ns};
    buf_init(&debug->line, 1 << 20);
    buf_init(&debug->hidden, SIZE_MAX / 4);
    return debug;
}

void debug_free(struct debug *debug)
{
    if (!debug)
        return;
    buf_fini(&debug->line);
    buf_fini(&debug->hidden);
    free(debug);
}

/* ---- texts ---- */

/* Secrets go before the text is cut: half a secret would not be known as one. */
static void add_text(struct debug *debug, struct span text, uint64_t first, uint64_t last)
{
    buf_clear(&debug->hidden);
    if (text.len)
        secrets_hide(debug->secrets, text, &debug->hidden);
    harmless_line(&debug->line, buf_span(&debug->hidden), first, last);
}

/* ---- lines ---- */

static double ms_between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns >= from_ns ? (double)(to_ns - from_ns) / 1e6 : -(double)(from_ns - to_ns) / 1e6;
}

static void begin_line(struct debug *debug, const struct sample *sample)
{
    buf_clear(&debug->line);
    buf_printf(&debug->line, "request %llu", (unsigned long long)sample->exchange->request->index);
}

static void end_line(struct debug *debug)
{
    log_note(debug->log, "%.*s", (int)debug->line.len, debug->line.data);
}

static void show_request(struct debug *debug, const struct sample *sample, bool with_bodies)
{
    const struct exchange *exchange = sample->exchange;
    const struct request *request = exchange->request;
    uint64_t begin = events_origin_ns(exchange);
    begin_line(debug, sample);
    if (begin)
        buf_printf(&debug->line, " %s at %.3f ms", exchange->sent_ns ? "sent" : "begun, not sent,",
                   ms_between(debug->start_ns, begin));
    else
        buf_add_text(&debug->line, " never begun");
    char *url = secrets_url(debug->secrets, request->url);
    buf_printf(&debug->line, ": %s %s, %zu bytes: ", request->method ? request->method : "POST",
               url ? url : "", request->body_len);
    free(url);
    if (with_bodies && request->body)
        add_text(debug, span_of(request->body, request->body_len), BODY_FIRST, BODY_LAST);
    else
        buf_add_text(&debug->line, with_bodies ? "no body" : "body left out, the store is behind");
    end_line(debug);
}

/* ---- headers ---- */

static void show_header(struct debug *debug, const struct sample *sample, char arrow,
                        struct span line, bool *confidential)
{
    begin_line(debug, sample);
    buf_printf(&debug->line, " %c ", arrow);
    harmless_header(&debug->line, line, HEADER_FIRST, debug->secrets, confidential);
    end_line(debug);
}

static void show_more_headers(struct debug *debug, const struct sample *sample, char arrow,
                              size_t count)
{
    if (count <= MOST_HEADERS)
        return;
    begin_line(debug, sample);
    buf_printf(&debug->line, " %c … (%zu more headers)", arrow, count - MOST_HEADERS);
    end_line(debug);
}

static void show_request_headers(struct debug *debug, const struct sample *sample)
{
    const struct list *headers = &sample->exchange->request->headers;
    bool confidential = false;
    for (size_t i = 0; i < headers->count && i < MOST_HEADERS; i++)
        show_header(debug, sample, '>', span_text(headers->items[i]), &confidential);
    show_more_headers(debug, sample, '>', headers->count);
}

/* The next line of the text without its end; false when there is none. */
static bool next_line(struct span *text, struct span *line)
{
    if (!text->len)
        return false;
    const char *end = memchr(text->data, '\n', text->len);
    size_t len = end ? (size_t)(end - text->data) : text->len;
    size_t used = len + (end != NULL);
    *line = span_of(text->data, len);
    *text = span_of(text->data + used, text->len - used);
    if (line->len && line->data[line->len - 1] == '\r')
        line->len--;
    return true;
}

static void show_answer_headers(struct debug *debug, const struct sample *sample)
{
    struct span text = buf_span(&sample->exchange->headers), line;
    bool confidential = false;
    size_t count = 0;
    if (!text.len)
        return;
    begin_line(debug, sample);
    buf_printf(&debug->line, " < HTTP %d", sample->exchange->status);
    end_line(debug);
    while (next_line(&text, &line))
        if (count++ < MOST_HEADERS)
            show_header(debug, sample, '<', line, &confidential);
    show_more_headers(debug, sample, '<', count);
}

/* ---- the answer ---- */

static void show_event(struct debug *debug, const struct sample *sample, const struct event *event,
                       const struct span *payload)
{
    begin_line(debug, sample);
    buf_printf(&debug->line, " +%.3f ms %c",
               ms_between(events_origin_ns(sample->exchange), event->time_ns), event->kind);
    if (payload) {
        buf_add_text(&debug->line, ": ");
        add_text(debug, *payload, PAYLOAD_FIRST, 0);
    }
    end_line(debug);
}

/* Payloads stand in the order of the events; pings have none. */
static void show_events(struct debug *debug, const struct sample *sample, bool with_bodies)
{
    struct json json;
    bool left = with_bodies && sample->responses;
    json_init(&json, left ? sample->responses : "", left ? sample->responses_len : 0);
    left = left && json_next(&json) == JSON_ARRAY_BEGIN;
    for (size_t i = 0; i < sample->event_count; i++) {
        const struct event *event = &sample->events[i];
        bool payload = left && event->kind != EVENT_PING;
        if (payload)
            payload = left = json_next(&json) == JSON_STRING;
        show_event(debug, sample, event, payload ? &json.text : NULL);
    }
    json_fini(&json);
}

static void add_tokens(struct debug *debug, const char *what, int64_t tokens)
{
    if (tokens != TOKENS_UNKNOWN)
        buf_printf(&debug->line, ", %lld %s tokens", (long long)tokens, what);
}

static void show_outcome(struct debug *debug, const struct sample *sample)
{
    const struct exchange *exchange = sample->exchange;
    begin_line(debug, sample);
    if (exchange->end_ns)
        buf_printf(&debug->line, " +%.3f ms",
                   ms_between(events_origin_ns(exchange), exchange->end_ns));
    buf_printf(&debug->line, " %s", outcome_name(sample->outcome));
    if (exchange->status)
        buf_printf(&debug->line, ", HTTP %d", exchange->status);
    buf_printf(&debug->line, ", %zu events", sample->event_count);
    add_tokens(debug, "prompt", sample->prompt_tokens);
    add_tokens(debug, "completion", sample->completion_tokens);
    if (sample->finish_reason[0]) {
        buf_add_text(&debug->line, ", finished: ");
        add_text(debug, span_text(sample->finish_reason), PAYLOAD_FIRST, 0);
    }
    if (sample->error) {
        buf_add_text(&debug->line, ": ");
        add_text(debug, span_text(sample->error), ERROR_FIRST, 0);
    }
    end_line(debug);
}

static void show_own_metrics(struct debug *debug, const struct sample *sample)
{
    bool any = sample->own_error != NULL;
    for (size_t i = 0; sample->own_values && i < sample->own->count; i++)
        any |= !isnan(sample->own_values[i]);
    if (!any)
        return;
    begin_line(debug, sample);
    buf_add_text(&debug->line, " metrics:");
    for (size_t i = 0; sample->own_values && i < sample->own->count; i++)
        if (!isnan(sample->own_values[i]))
            buf_printf(&debug->line, " %s %.6g", sample->own->items[i].name, sample->own_values[i]);
    if (sample->own_error) {
        buf_add_text(&debug->line, "; failed: ");
        add_text(debug, span_text(sample->own_error), ERROR_FIRST, 0);
    }
    end_line(debug);
}

/* ---- the sink ---- */

static bool take_sample(void *self, const struct sample *sample, bool with_bodies, struct err *err)
{
    struct debug *debug = self;
    (void)err;
    show_request(debug, sample, with_bodies);
    show_request_headers(debug, sample);
    show_answer_headers(debug, sample);
    show_events(debug, sample, with_bodies);
    show_outcome(debug, sample);
    show_own_metrics(debug, sample);
    return true;
}

struct sink debug_sink(struct debug *debug)
{
    return (struct sink){.name = "debug", .self = debug, .sample = take_sample};
}
