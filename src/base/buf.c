#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void buf_init(struct buf *buf, size_t limit)
{
    *buf = (struct buf){.limit = limit};
}

void buf_fini(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.limit = buf->limit};
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->full = false;
}

char *buf_reserve(struct buf *buf, size_t len)
{
    if (len > buf->limit || buf->len > buf->limit - len) {
        buf->full = true;
        return NULL;
    }
    size_t need = buf->len + len;
    if (need > buf->cap || !buf->data) {
        size_t cap = buf->cap ? buf->cap : 64;
        while (cap < need)
            cap = cap > buf->limit - cap / 2 ? buf->limit : cap + cap / 2;
        buf->data = mem_resize(buf->data, cap, 1);
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

bool buf_add(struct buf *buf, const void *data, size_t len)
{
    if (len == 0)
        return true;
    char *room = buf_reserve(buf, len);
    if (!room)
        return false;
    memcpy(room, data, len);
    buf->len += len;
    return true;
}

bool buf_add_char(struct buf *buf, char c)
{
    return buf_add(buf, &c, 1);
}

bool buf_add_text(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

bool buf_add_span(struct buf *buf, struct span span)
{
    return buf_add(buf, span.data, span.len);
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0) {
        buf->full = true;
        return false;
    }
    bool ok = buf_add(buf, text, (size_t)len);
    free(text);
    return ok;
}

char *buf_take(struct buf *buf)
{
    char *data = mem_resize(buf->data, buf->len + 1, 1);
    data[buf->len] = '\0';
    *buf = (struct buf){.limit = buf->limit};
    return data;
}
