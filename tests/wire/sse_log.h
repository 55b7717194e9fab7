/* What an SSE stream holds as text, one item a line, so that two ways of feeding it can be compared
 * and tables can be read. */
#pragma once

#include "portions.h"
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

/* Of a body in portions. */
static inline void sse_log_body(struct buf *log, struct span body, size_t cut, size_t limit)
{
    struct portions portions = {.text = body, .cut = cut};
    struct sse sse;
    size_t len;
    sse_init(&sse, limit);
    bool ok = true;
    for (char *piece; ok && (piece = portions_next(&portions, &len)); free(piece))
        ok = sse_feed(&sse, piece, len, sse_log_item, log);
    if (!sse_end(&sse, sse_log_item, log))
        buf_printf(log, "stopped%s%s\n", sse.line.full ? " line" : "",
                   sse.data.full ? " data" : "");
    sse_fini(&sse);
}
