/* Server-Sent Events framing, pure and incremental (WHATWG HTML, "Server-sent events", event stream
 * interpretation).
 *
 * Bytes go in, spans come out; no I/O, no clock. Lines end in LF, CR or CRLF; one leading BOM is
 * skipped; the result does not depend on how the stream is cut into pieces. Two things go beyond
 * the standard: an unfinished line or event at the end of the stream is delivered by sse_end,
 * flagged, since real servers forget the last blank line; and fields outside the standard (such as
 * llama.cpp's `error:`, or a bare JSON line) are not thrown away but delivered as a kind of their
 * own. As in the standard, a blank line without data before it dispatches nothing, a `retry` that
 * is not all digits and an `id` that holds NUL are ignored. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

enum sse_kind {
    SSE_EVENT,   /* a dispatched event: data (lines joined by LF), name, id */
    SSE_COMMENT, /* a line that begins with ':'; data is all that follows it */
    SSE_RETRY,   /* data is the digits of a valid retry field */
    SSE_FIELD,   /* an unknown field: name, data its value, line */
};

struct sse_item {
    enum sse_kind kind;
    struct span data; /* of a field: what follows the first colon, without one leading space */
    struct span name; /* SSE_EVENT: the event field, empty if none; SSE_FIELD: what precedes the
                         first colon, or the whole line */
    struct span id;   /* SSE_EVENT: the last event id in force, empty if none */
    struct span line; /* SSE_FIELD: the whole line as it stood, without its end */
    /* Offset in the stream of the byte that completed the item: the end of its line, of an event
     * the blank line's. The CR of a CRLF is that byte already, since it ends the line alone.
     * Unfinished items: the last byte of the stream. */
    uint64_t last_byte;
    bool unfinished; /* the stream ended before the line's end, or before the event's blank line */
};

/* Called for each item in stream order; spans live for the call. Return false to stop. */
typedef bool sse_item_fn(void *arg, const struct sse_item *item);

/* Spans point into the bytes just fed while they can; what must outlive them is in the buffers. */
struct sse {
    struct buf line, data, name, id;
    struct span data_now, name_now; /* of the event being gathered */
    uint64_t offset;                /* bytes fed before those of this call */
    bool has_data;
    bool after_cr; /* the last byte was a CR: a LF now belongs to it */
    bool begun;    /* the first line, which may hold a BOM, is over */
    bool stopped;
};

/* Neither a line nor an event's data may be longer than `limit` bytes. */
void sse_init(struct sse *sse, size_t limit);
void sse_fini(struct sse *sse);
/* False, now and ever after, when the callback stopped it or a line or an event passed the limit
 * (sse->line.full or sse->data.full tells). */
bool sse_feed(struct sse *sse, const char *bytes, size_t len, sse_item_fn *fn, void *arg);
/* Delivers what the stream's end left unfinished; nothing may be fed afterwards. */
bool sse_end(struct sse *sse, sse_item_fn *fn, void *arg);
