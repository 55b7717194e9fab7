/* HTTP/1.1 requests, pure and incremental: bytes go in, one whole request comes out; no I/O.
 *
 * Strict where a client's mistake would otherwise pass unseen: a missing Host, an unknown transfer
 * coding, two lengths, a bad chunk are refused with the status that says so. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

enum mock_http_state {
    MOCK_HTTP_HEAD, /* request line and header lines */
    MOCK_HTTP_BODY, /* by Content-Length */
    MOCK_HTTP_CHUNK_SIZE,
    MOCK_HTTP_CHUNK_DATA,
    MOCK_HTTP_CHUNK_END,
    MOCK_HTTP_TRAILER,
    MOCK_HTTP_DONE,
    MOCK_HTTP_BAD, /* status and problem say why; the connection cannot be used further */
};

enum { MOCK_HTTP_MAX_HEAD = 64 * 1024 };

struct mock_http {
    enum mock_http_state state;
    struct buf head; /* the lines as they came; the spans below point into it */
    struct buf line; /* of a chunk size or a trailer */
    struct buf body;
    size_t line_start;  /* of the head's unfinished line */
    size_t trailer_len; /* bytes of the trailers so far */
    uint64_t left;      /* bytes of the body or of the chunk still to come */
    uint64_t bytes;     /* of the whole request so far */
    struct span method, path, query, authorization;
    bool old;       /* HTTP/1.0: no chunked answers, closed after the answer */
    bool close;     /* the client asked for Connection: close */
    bool expecting; /* the client waits for 100 Continue */
    bool chunked, has_length, has_host;
    int status;
    const char *problem;
};

void mock_http_init(struct mock_http *http, size_t max_body);
void mock_http_fini(struct mock_http *http);
/* Ready for the next request; big buffers are given back. */
void mock_http_reset(struct mock_http *http);
/* Takes bytes up to the end of one request and says how many it took; the state says what came of
 * it. */
size_t mock_http_feed(struct mock_http *http, const char *bytes, size_t len);

/* The trimmed value of the first header line of that name; empty when there is none. The request
 * must be complete. */
struct span mock_http_header(const struct mock_http *http, const char *name);
