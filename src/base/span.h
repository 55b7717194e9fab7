/* A borrowed piece of somebody else's bytes: may hold NUL, is not terminated. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *data;
    size_t len;
};

static inline struct span span_of(const char *data, size_t len)
{
    return (struct span){.data = data, .len = len};
}

static inline struct span span_text(const char *text)
{
    return span_of(text, text ? strlen(text) : 0);
}

static inline bool span_ends_with(struct span span, struct span tail)
{
    return span.len >= tail.len &&
           (tail.len == 0 || memcmp(span.data + span.len - tail.len, tail.data, tail.len) == 0);
}

/* The span without the blanks, tabs and line ends that stand last. */
static inline struct span span_without_tail(struct span span)
{
    while (span.len && span.data[span.len - 1] && strchr(" \t\r\n", span.data[span.len - 1]))
        span.len--;
    return span;
}

static inline bool span_equals(struct span span, const char *text)
{
    size_t len = strlen(text);
    return span.len == len && (len == 0 || memcmp(span.data, text, len) == 0);
}
