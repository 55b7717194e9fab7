/* HTTP over libcurl's multi interface, wired to the loop: the only code in the house that owns
 * sockets. One thread each.
 *
 * http_start never calls back before it returns; on_end is called once for each started exchange,
 * from the loop, never from inside a libcurl callback and never inside another on_end, so it may
 * start others. Marks, times and status are written into the exchange; nothing is parsed but the
 * status line, Content-Type and Content-Encoding.
 *
 * What is written: `headers` holds the lines of the final response without status line and blank
 * line, trailers left out. `sent_ns` is taken when the connection is ready, just before the request
 * goes out; a resend takes it again, and where the new connection cannot be made it is 0, for then
 * nothing of the last try was sent. `end_ns` is the time at which libcurl reported the end (or we
 * gave up), one stamp for all that ended in the same call; with FINISH_MARKER it is that of the
 * read which completed the marker. After the marker the message gets 20 ms to end by itself, and
 * then it is FINISH_COMPLETE and the connection is kept; from the marker on nothing can break the
 * answer any more: neither a cut, nor a timeout, nor a cancel. Where three messages in a row did
 * not end in their 20 ms, only one in 16 gets them and the others none, until one ends again: a
 * server that holds its messages open must not cost a slot 20 ms each time.
 *
 * The request's header lines go out as they are. A line without a value ("Accept:") takes libcurl's
 * own header of that name away, and "Name;" sends that name without a value. libcurl adds Host,
 * User-Agent, Accept and Content-Length, and no other, unless the request has its own. Redirects
 * are not followed.
 *
 * Several multi handles of at most HTTP_SHARD connections each keep libcurl's cost per request flat
 * (libcurl walks the busy connections of a host at each start). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "io/seam.h"
#include "model/exchange.h"

enum { HTTP_SHARD = 256 };

struct http;
struct loop;

struct http_config {
    bool insecure;
    const char *cacert; /* NULL = the system's */
    /* PEM files of a client certificate and its key, and what opens the key; NULL = none, and a key
     * that stands with the certificate. */
    const char *cert, *key, *key_password;
    bool compressed; /* ask for compressed answers; compressed ones are decoded in any case */
    uint64_t connect_timeout_ns; /* until the connection is ready, TLS included; 0 = none */
    uint64_t read_timeout_ns;    /* from `sent` to the first header line, and from there from one
                                    header line or read of the body to the next; 0 = none */
    uint64_t total_timeout_ns;   /* from `started`; 0 = none */
    uint32_t connections;        /* at most this many at once */
    struct span end_marker; /* empty = none: an answer whose bytes end with it (white space after it
                               ignored) is complete */
    const char *resolve;    /* "host:port:addr" as CURLOPT_RESOLVE wants it, from http_probe;
                               NULL = none */
    const char *user_agent;
    /* An answer's buffers have grown by so much. From inside a libcurl callback: may neither start
     * nor cancel. False: no body is read any more; http_cancel_all is to follow. (libcurl does not
     * come back while a server sends a body that it reads itself faster than it reads.) NULL =
     * nobody asks. */
    bool (*on_grown)(void *arg, size_t bytes);
};

typedef void
http_end_fn(void *arg,
            struct exchange *exchange); /* finish is set; the exchange is the caller's again */

/* `arg` is what on_end and on_grown get. */
struct http *http_new(struct loop *loop, const struct http_config *config, http_end_fn *on_end,
                      void *arg, struct err *err);
void http_free(struct http *http); /* nothing may be in flight */
/* Starts the transfer. started_ns must be set by the caller just before. False (with a sentence):
 * it could not even begin; not started. */
bool http_start(struct http *http, struct exchange *exchange, struct err *err) MUST_CHECK;
void http_cancel_all(struct http *http); /* ends everything in flight with FINISH_CANCELLED; on_end
                                            runs from the loop soon */
/* Whether further exchanges have ended already and on_end follows at once: in on_end, the caller
 * may wait for the last of them before it starts others, so that what has ended is not counted as
 * in flight beside what begins. */
bool http_more_to_end(const struct http *http);
uint32_t http_in_flight(const struct http *http);
/* Connections that are open and that the server has not closed, as far as the kernel knows now. */
uint32_t http_open_connections(const struct http *http);
/* The URL's scheme, host and port with another path, which begins with /; owned by the caller. */
char *http_url_with_path(const char *url, const char *path);
uint64_t
http_reads(const struct http *http); /* of bodies, so far; may be asked from another thread */

uint64_t http_no_descriptor(const struct http *http);  /* connections not made because this process
                                                          or the system had no descriptor left */
struct seam_clock http_clock(const struct http *http); /* what was seen of the system's clock */

/* Before a run: resolves the name and opens (then closes) one connection with TLS, to tell a dead
 * or wrong target in one sentence. Blocks for at most the connect timeout; a SIGINT, SIGTERM or
 * SIGHUP that is pending ends it within a second, with the sentence "interrupted". `resolve`
 * receives what http_config.resolve wants (released by free): the address that answered; NULL for a
 * literal address, or if it is, or may be, a proxy's. */
bool http_probe(const char *url, const struct http_config *config, char **resolve,
                struct err *err) MUST_CHECK;
/* Process-wide start and end of libcurl; before the first and after the last of the others. */
bool http_global_init(struct err *err) MUST_CHECK;
void http_global_fini(void);
/* Whether the URL's host is this machine, so that no proxy is to be asked. */
bool http_is_local(const char *url);
const char *http_library(void); /* "libcurl/7.88.1 OpenSSL/3.0.…" */
