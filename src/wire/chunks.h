/* The framing of a chunked HTTP body (RFC 9112, section 7.1), pure and incremental, in the plain
 * form that nearly every server sends: a size in hexadecimal digits, CRLF, the data, CRLF. Whatever
 * else may stand there (extensions, the last chunk with its trailers, what is malformed) is left to
 * a more patient reader, which can take over at the boundary between two chunks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum {
    CHUNKS_DIGITS = 15,              /* of a size: less than 2^60 */
    CHUNKS_HELD = CHUNKS_DIGITS + 2, /* bytes of a size line that may be held back */
};

enum chunks_state {
    CHUNKS_SIZE,  /* in the line of a size; with nothing held: between two chunks */
    CHUNKS_DATA,  /* in the data */
    CHUNKS_AFTER, /* the data's line end is to follow */
    CHUNKS_ODD,   /* final: from `held` on the bytes are for another reader */
    CHUNKS_BAD,   /* final: the data of a chunk did not end where its size said */
};

/* Zeroed at the start. */
struct chunks {
    enum chunks_state state;
    uint64_t left;          /* of the data */
    char held[CHUNKS_HELD]; /* the part of a size line that has been taken */
    unsigned held_len;
};

/* Takes bytes of the body and moves the data among them to the front. Returns the length of the
 * data; *used says how many bytes were taken: all of them, but in a final state. */
size_t chunks_strip(struct chunks *chunks, char *bytes, size_t len, size_t *used);
/* The same for somebody who only wants to know the state after these bytes. */
void chunks_follow(struct chunks *chunks, struct span bytes);

static inline bool chunks_between(const struct chunks *chunks)
{
    return chunks->state == CHUNKS_SIZE && chunks->held_len == 0;
}

static inline bool chunks_stopped(const struct chunks *chunks)
{
    return chunks->state == CHUNKS_ODD || chunks->state == CHUNKS_BAD;
}
