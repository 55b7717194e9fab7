/* A recorded answer: a whole HTTP response as it came over the wire or as `curl -i` writes it
 * (status line, headers, body, chunked or not), or the bytes of a body alone. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

struct recorded {
    int status;         /* 200 for a body alone */
    struct buf headers; /* lines of the final response */
    char *content_type; /* owned; NULL = none */
    struct buf body;
    const char *broken; /* the answer is not complete: why; NULL = it is */
    const char *note;   /* what a reader should know of it; NULL = nothing */
};

enum { RECORDED_LIMIT = 256 << 20 }; /* bytes */

/* False: it begins like an HTTP response but is none. Release with recorded_fini in any case. */
bool recorded_parse(struct recorded *recorded, struct span bytes, struct err *err) MUST_CHECK;
void recorded_fini(struct recorded *recorded);
