/* A growing byte buffer with a ceiling given at birth.
 *
 * An addition that would pass the ceiling adds nothing and sets `full`, which stays set: a writer
 * may add many pieces and look at `full` once at the end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/span.h"

struct buf {
    char *data; /* not terminated; NULL while empty */
    size_t len;
    size_t cap;
    size_t limit; /* ceiling for len in bytes */
    bool full;    /* an addition was refused */
};

void buf_init(struct buf *buf, size_t limit);
void buf_fini(struct buf *buf);
void buf_clear(struct buf *buf); /* keeps the memory, forgets the bytes and `full` */

bool buf_add(struct buf *buf, const void *data, size_t len);
bool buf_add_char(struct buf *buf, char c);
bool buf_add_text(struct buf *buf, const char *text);
bool buf_add_span(struct buf *buf, struct span span);
bool buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Room for `len` more bytes at data + buf->len, or NULL past the ceiling; the caller then raises
 * len itself. */
char *buf_reserve(struct buf *buf, size_t len);

/* Gives the bytes away, NUL-terminated, to be released by free(); the buffer is empty afterwards.
 */
char *buf_take(struct buf *buf);

static inline struct span buf_span(const struct buf *buf)
{
    return span_of(buf->data, buf->len);
}
