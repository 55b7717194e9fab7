/* What an SSE stream holds as text, one item a line, so that two ways of feeding it can be compared
 * and tables can be read. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "wire/json.h"
#include "wire/sse.h"

static inline void sse_log_part(struct buf *log, const char *label, struct span part)
{
    buf_add_text(log, label);
    json_write_string(log, part);
}

static inline bool sse_log_item(void *arg, const struct sse_item *item)
{
    static const char *const kinds[] = {
        [SSE_EVENT] = "event ",
        [SSE_COMMENT] = "comment ",
        [SSE_RETRY] = "retry ",
        [SSE_FIELD] = "field ",
    };
    struct buf *log = arg;
    sse_log_part(log, kinds[item->kind], item->data);
    if (item->name.len > 0)
        sse_log_part(log, " name ", item->name);
    if (item->id.len > 0)
        sse_log_part(log, " id ", item->id);
    if (item->line.len > 0)
        sse_log_part(log, " line ", item->line);
    buf_printf(log, " @%llu%s\n", (unsigned long long)item->last_byte,
               item->unfinished ? " unfinished" : "");
    return true;
}

/* Feeds the pieces body[0…cut) and body[cut…), or with cut = 0 single bytes, into a new `log`.
 * Each piece is fed from a block of its own that is gone afterwards. */
static inline void sse_log_body(struct buf *log, struct span body, size_t cut, size_t limit)
{
    struct sse sse;
    sse_init(&sse, limit);
    bool ok = true;
    for (size_t at = 0; ok && at < body.len;) {
        size_t len = cut == 0 ? 1 : at == 0 && cut < body.len ? cut : body.len - at;
        char *piece = malloc(len);
        memcpy(piece, body.data + at, len);
        ok = sse_feed(&sse, piece, len, sse_log_item, log);
        free(piece);
        at += len;
    }
    if (!sse_end(&sse, sse_log_item, log))
        buf_printf(log, "stopped%s%s\n", sse.line.full ? " line" : "",
                   sse.data.full ? " data" : "");
    sse_fini(&sse);
}
