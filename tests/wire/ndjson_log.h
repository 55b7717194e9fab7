/* What an NDJSON stream holds as text, one item a line, so that two ways of feeding it can be
 * compared and tables can be read. */
#pragma once

#include "portions.h"
#include "wire/json.h"
#include "wire/ndjson.h"

/* The text of the item as in a JSON string, without its quotes. */
static inline bool ndjson_log_item(void *arg, const struct ndjson_item *item)
{
    struct buf *log = arg, text;
    buf_init(&text, SIZE_MAX);
    json_write_string(&text, item->data);
    buf_add(log, text.data + 1, text.len - 2);
    buf_fini(&text);
    return buf_printf(log, "@%llu%s\n", (unsigned long long)item->last_byte,
                      item->unfinished ? " unfinished" : "");
}

/* Of a body in portions. */
static inline void ndjson_log_body(struct buf *log, struct span body, size_t cut, size_t limit)
{
    struct portions portions = {.text = body, .cut = cut};
    struct ndjson ndjson;
    size_t len;
    ndjson_init(&ndjson, limit);
    bool ok = true;
    for (char *piece; ok && (piece = portions_next(&portions, &len)); free(piece))
        ok = ndjson_feed(&ndjson, piece, len, ndjson_log_item, log);
    if (!ndjson_end(&ndjson, ndjson_log_item, log))
        buf_printf(log, "stopped%s\n", ndjson.line.full ? " full" : "");
    ndjson_fini(&ndjson);
}
