/* Newline-delimited JSON framing, pure and incremental: one line that holds more than white space
 * is one item. Lines end in LF or CRLF; the last needs no end. A byte-order mark stays in its line:
 * the JSON reader skips it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

struct ndjson_item {
    struct span data;   /* the line without its end; lives for the call */
    uint64_t last_byte; /* offset in the stream of the line's LF; unfinished: of the last byte */
    bool unfinished;    /* ended without a line end */
};

/* Return false to stop. */
typedef bool ndjson_item_fn(void *arg, const struct ndjson_item *item);

struct ndjson {
    struct buf line;
    uint64_t offset; /* bytes fed before those of this call */
    bool stopped;
};

/* No line may be longer than `limit` bytes. */
void ndjson_init(struct ndjson *ndjson, size_t limit);
void ndjson_fini(struct ndjson *ndjson);
/* False, now and ever after, when the callback stopped it or a line passed the limit
 * (ndjson->line.full tells). */
bool ndjson_feed(struct ndjson *ndjson, const char *bytes, size_t len, ndjson_item_fn *fn,
                 void *arg);
/* Delivers a last line without an end; nothing may be fed afterwards. */
bool ndjson_end(struct ndjson *ndjson, ndjson_item_fn *fn, void *arg);
