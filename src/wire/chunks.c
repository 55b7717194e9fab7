#include "wire/chunks.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The size that a whole line says; 0 for every line that is not of the plain form, and for the last
 * chunk's. */
static uint64_t size_of(const char *line, unsigned len)
{
    uint64_t size = 0;
    if (len < 3 || line[len - 2] != '\r')
        return 0;
    for (unsigned i = 0; i < len - 2; i++) {
        int digit = hex_digit(line[i]);
        if (digit < 0)
            return 0;
        size = size * 16 + (uint64_t)digit;
    }
    return size;
}

/* One more byte of a size line; false when it is to be read by another. */
static bool take_size(struct chunks *chunks, char c)
{
    if (chunks->held_len == CHUNKS_HELD) {
        chunks->state = CHUNKS_ODD;
        return false;
    }
    chunks->held[chunks->held_len++] = c;
    if (c != '\n')
        return true;
    chunks->left = size_of(chunks->held, chunks->held_len);
    chunks->state = chunks->left ? CHUNKS_DATA : CHUNKS_ODD;
    if (chunks->left)
        chunks->held_len = 0;
    return true;
}

/* CRLF, or LF behind any number of CR: what libcurl takes. */
static bool take_after(struct chunks *chunks, char c)
{
    if (c == '\n')
        chunks->state = CHUNKS_SIZE;
    else if (c != '\r')
        chunks->state = CHUNKS_BAD;
    return chunks->state != CHUNKS_BAD;
}

static bool take_byte(struct chunks *chunks, char c)
{
    return chunks->state == CHUNKS_SIZE ? take_size(chunks, c) : take_after(chunks, c);
}

/* Of the data that lies at the front of `len` bytes. */
static size_t take_data(struct chunks *chunks, size_t len)
{
    size_t part = chunks->left < len ? (size_t)chunks->left : len;
    chunks->left -= part;
    if (!chunks->left)
        chunks->state = CHUNKS_AFTER;
    return part;
}

size_t chunks_strip(struct chunks *chunks, char *bytes, size_t len, size_t *used)
{
    size_t at = 0, kept = 0;
    while (at < len && !chunks_stopped(chunks)) {
        if (chunks->state != CHUNKS_DATA) {
            at += take_byte(chunks, bytes[at]);
            continue;
        }
        size_t part = take_data(chunks, len - at);
        if (kept != at)
            memmove(bytes + kept, bytes + at, part);
        kept += part;
        at += part;
    }
    *used = at;
    return kept;
}

void chunks_follow(struct chunks *chunks, struct span bytes)
{
    size_t at = 0;
    while (at < bytes.len && !chunks_stopped(chunks)) {
        if (chunks->state == CHUNKS_DATA)
            at += take_data(chunks, bytes.len - at);
        else
            at += take_byte(chunks, bytes.data[at]);
    }
}
