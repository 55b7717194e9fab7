/* An exchange: a request being carried out. A worker fills in times, bytes and marks and nothing
 * else; a scorer reads them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/outcome.h"
#include "model/request.h"

/* One read of the answer's body: the bytes up to `end` had arrived at these times. */
struct mark {
    uint64_t end : 63; /* length of the body after this read */
    uint64_t more : 1; /* further bytes were there already: its times are upper bounds only */
    uint64_t own_ns;   /* our stamp */
    uint64_t
        kernel_ns; /* the kernel's receive stamp, converted to the monotonic clock; 0 = not known */
};

/* How the transport saw the answer end. */
enum finish {
    FINISH_NONE,      /* still under way */
    FINISH_COMPLETE,  /* the HTTP message is complete */
    FINISH_MARKER,    /* the API's end marker was seen, the message itself still open */
    FINISH_BROKEN,    /* `fault` says how */
    FINISH_CANCELLED, /* by the operator or the end of the run */
};

struct exchange {
    struct request *request; /* owned */
    uint32_t worker;

    uint64_t due_ns;       /* times as metrics.md defines them, clock_now_ns; 0 = did not happen */
    uint64_t slot_wait_ns; /* how long after `due` a slot became free, where `capped` */
    uint64_t started_ns;
    uint64_t connected_ns;
    uint64_t tls_done_ns;
    uint64_t sent_ns;
    uint64_t first_byte_ns;
    uint64_t headers_ns;
    uint64_t end_ns;

    int status;         /* HTTP status, 0 = none arrived */
    struct buf headers; /* raw response header lines of the final response */
    char *content_type; /* owned, NULL = none */
    struct buf body;
    struct mark *marks;
    size_t mark_count, mark_cap;

    enum finish finish;
    enum outcome fault; /* when FINISH_BROKEN: connect_failed … too_large */
    char *error;        /* one sentence when broken, owned */
    unsigned resent;    /* how often libcurl sent it again on a fresh connection */
    bool fresh;         /* wants a new connection, whatever is kept */
    bool capped;        /* of an open loop with a cap on what is in flight */
    bool reused;        /* went out on a kept connection */
};

/* The most that libcurl takes of an answer's head, a little rounded down (its own ceiling, 300 KB,
 * ends the transfer). */
enum { EXCHANGE_HEAD_MOST = 256 * 1024 };

/* Takes the request. The limits are bytes of the answer. */
struct exchange *exchange_new(struct request *request, size_t head_limit, size_t body_limit);
void exchange_free(struct exchange *exchange);
size_t exchange_bytes(const struct exchange *exchange); /* its memory, the request's too */
/* Its part that grows while the answer comes in. */
static inline size_t exchange_answer_bytes(const struct exchange *exchange)
{
    return exchange->headers.cap + exchange->body.cap +
           exchange->mark_cap * sizeof *exchange->marks;
}
/* Appends body bytes with the mark of the read that brought them; bytes with the stamps of the last
 * mark belong to the same read and extend it. False past the body's ceiling (nothing is added). */
bool exchange_read(struct exchange *exchange, const char *data, size_t len, uint64_t own_ns,
                   uint64_t kernel_ns);
/* Says of the last read that further bytes lay in the kernel when it was done. */
void exchange_more(struct exchange *exchange);
/* The mark of the read that brought byte `offset` of the body (offset < body.len): its index in
 * marks. Start from `hint`. */
size_t exchange_mark_of(const struct exchange *exchange, uint64_t offset, size_t hint);
/* The time a mark stands for: the kernel's where it gave one, else ours. */
static inline uint64_t mark_time_ns(const struct mark *mark)
{
    return mark->kernel_ns ? mark->kernel_ns : mark->own_ns;
}
