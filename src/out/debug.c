#include "out/debug.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/sample.h"
#include "out/events_json.h"
#include "wire/json.h"
#include "wire/utf8.h"

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

static uint32_t code_point(const char *at, unsigned len)
{
    static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)at[0] & first_bits[len];
    for (unsigned i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3f);
    return code;
}

/* What moves a terminal's cursor, breaks the line or turns the direction of writing. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

static void add_control(struct buf *out, uint32_t code)
{
    static const char known[] = "\n\r\t", letters[] = "nrt";
    const char *at = code && code < 0x20 ? strchr(known, (int)code) : NULL;
    if (at)
        buf_printf(out, "\\%c", letters[at - known]);
    else if (code < 0x80)
        buf_printf(out, "\\x%02x", (unsigned)code);
    else
        buf_printf(out, "\\u%04x", (unsigned)code);
}

/* One character; returns its length in bytes. */
static unsigned add_character(struct buf *out, const char *at, const char *end)
{
    bool valid = true;
    unsigned len = utf8_step(at, end, &valid);
    uint32_t code = valid ? code_point(at, len) : 0;
    if (!valid)
        buf_add_text(out, UTF8_REPLACEMENT);
    else if (is_control(code))
        add_control(out, code);
    else
        buf_add(out, at, len);
    return len;
}

/* The characters from..to of the text, in one line. */
static void add_range(struct buf *out, struct span text, uint64_t from, uint64_t to)
{
    const char *at = text.data, *end = text.data + text.len;
    bool valid = true;
    for (uint64_t i = 0; at < end && i < to; i++)
        at += i < from ? utf8_step(at, end, &valid) : add_character(out, at, end);
}

static uint64_t characters(struct span text)
{
    uint64_t count = 0;
    bool valid = true;
    for (const char *at = text.data, *end = text.data + text.len; at < end; count++)
        at += utf8_step(at, end, &valid);
    return count;
}

/* Secrets go before the text is cut: half a secret would not be known as one. */
static void add_text(struct debug *debug, struct span text, uint64_t first, uint64_t last)
{
    struct buf *out = &debug->line;
    buf_clear(&debug->hidden);
    if (text.len)
        secrets_hide(debug->secrets, text, &debug->hidden);
    struct span shown = buf_span(&debug->hidden);
    if (!shown.len)
        return;
    uint64_t count = characters(shown);
    if (count <= first + last) {
        add_range(out, shown, 0, count);
        return;
    }
    add_range(out, shown, 0, first);
    buf_printf(out, " … (%llu characters)", (unsigned long long)(count - first - last));
    if (last) {
        buf_add_text(out, " … ");
        add_range(out, shown, count - last, count);
    }
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

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Where the value begins in "Name: value". A line without a colon is no header: to be on the safe
 * side all behind its first word is its value. */
static size_t value_of(struct span line)
{
    const char *colon = line.len ? memchr(line.data, ':', line.len) : NULL;
    size_t at = colon ? (size_t)(colon - line.data) + 1 : 0;
    while (!colon && at < line.len && !strchr("=; \t", line.data[at]))
        at++;
    while (at < line.len && is_blank(line.data[at]))
        at++;
    return at;
}

/* `confidential`: whether the line before was; a line that begins with a blank continues it. */
static void show_header(struct debug *debug, const struct sample *sample, char arrow,
                        struct span line, bool *confidential)
{
    bool continues = line.len && is_blank(line.data[0]);
    size_t value = continues ? 1 : value_of(line);
    *confidential = continues ? *confidential : secrets_name(span_of(line.data, value));
    begin_line(debug, sample);
    buf_printf(&debug->line, " %c ", arrow);
    add_text(debug, *confidential ? span_of(line.data, value) : line, HEADER_FIRST, 0);
    if (*confidential)
        buf_add_text(&debug->line, "[redacted]");
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
    return true;
}

struct sink debug_sink(struct debug *debug)
{
    return (struct sink){.name = "debug", .self = debug, .sample = take_sample};
}
