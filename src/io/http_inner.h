/* What the files of http share among themselves; nobody else includes it.
 *
 *   http.c         the life of a transfer: start, end, delivery, timeouts
 *   http_shard.c   multi handles, their sockets and timers, and which one a start goes to
 *   http_easy.c    easy handles: the options, the request
 *   http_body.c  the middle of a chunked body, read without libcurl
 *   http_answer.c  what libcurl calls while a transfer is under way
 *   http_fault.c   from libcurl's result to an outcome and a sentence
 *   http_url.c     what must be known of a URL
 *   http_probe.c   before a run
 */
#pragma once

#include <curl/curl.h>
#include <ev.h>
#include <stdatomic.h>

#include "io/http.h"
#include "io/stamp.h"
#include "io/waits.h"
#include "wire/chunks.h"

struct http;

/* After the end marker the message gets a moment to end. Where it did not HELD_LIMIT times in a row
 * only one in HELD_PROBE gets it, until one does end again. */
enum { HELD_LIMIT = 3, HELD_PROBE = 16 };

/* One multi handle. */
struct shard {
    struct http *http;
    CURLM *multi;
    ev_timer timer;
    uint32_t running;
    uint32_t idle; /* kept connections, as far as we know */
};

/* A socket of libcurl's that is watched. */
struct sock {
    ev_io io;
    struct shard *shard;
    struct transfer *transfer; /* whose socket it is; NULL = one of libcurl's own handles */
    struct sock *next;         /* of the spare ones */
};

/* An easy handle and the exchange that it carries out; rests in a pool in between. */
struct transfer {
    struct http *http;
    struct shard *shard;
    CURL *easy;
    curl_socket_t fd;          /* that libcurl watches for it; CURL_SOCKET_BAD = none */
    curl_socket_t read_fd;     /* that it watched last, also when it no longer does */
    struct exchange *exchange; /* the caller's again after on_end; NULL = resting */
    struct transfer *next;     /* in the pool, or among the ended */

    char *url;                /* what the easy handle was last given */
    CURLU *parts;             /* the same */
    struct curl_slist *lines; /* likewise */
    size_t line_count;        /* how many of the lines are the request's own */
    bool direct;              /* likewise: no proxy */
    bool fresh;               /* likewise: a new connection */
    bool talks;               /* it is to say all that it does: see http_on_words */

    struct wait life; /* in http.running */
    struct wait idle; /* in http.idle: since the request was sent or the last read */
    struct wait tail; /* in http.tails: the end marker has been seen */
    struct wait cut;  /* in http.cuts: likewise */
    uint64_t marker_ns;

    struct stamp_read read;
    uint64_t ready_ns;     /* the connection was ready for the request */
    uint64_t asked_serial; /* the seam's last read when the request went out */
    bool tried;            /* the request has gone out, be it on a connection that died */
    bool in_headers;       /* the status line has come */
    bool provisional;      /* these headers are those of a 1xx */
    bool encoded;          /* the body is compressed */
    bool chunked;          /* it comes in chunks, and nothing else was done to it */

    uint64_t header_bytes; /* of all header lines so far, as they came; of trailers, too */
    bool reading_only;     /* libcurl waits for bytes alone, not for room to send */
    bool followed;         /* `chunks` know every byte of the body */
    bool taken;            /* the body is read by us: see http_body.c */
    struct chunks chunks;

    enum outcome fault;         /* ours, when a callback of ours made libcurl stop */
    char error[256];            /* the sentence for it */
    char text[CURL_ERROR_SIZE]; /* libcurl's own */
};

struct http {
    struct loop *loop;
    struct http_config config; /* texts are copies */
    char *marker;              /* config.end_marker's bytes */
    http_end_fn *on_end;
    void *arg;

    CURLSH *share;
    struct curl_slist *resolve;
    struct shard *shards;
    uint32_t shard_count;
    uint32_t *warm; /* stack of shard numbers, one for each idle connection, newest last */
    uint32_t warm_count;

    struct transfer *pool;
    struct sock *spare;
    struct transfer *ended, **ended_last; /* first in, first out */
    ev_prepare deliver;                   /* never started, only fed: brings on_end soon */
    uint32_t in_flight;
    struct seam *seam;
    char *buffer; /* of http_body.c: room for what is held back of a size line, then STAMP_BUFFER */
    uint64_t no_descriptor;
    uint64_t turn;        /* calls into libcurl so far */
    uint64_t turn_serial; /* the seam's last read when this turn began */
    atomic_uint_fast64_t reads;

    struct waits running; /* every running transfer, for the total timeout */
    struct waits idle;
    struct waits tails; /* whose messages get a moment to end */
    struct waits cuts;  /* … and whose do not: they end with this call into libcurl */
    uint32_t held;      /* answers in a row whose messages did not end by themselves */
    uint32_t cut_count; /* since `held` reached its limit */

    char *origin; /* the last URL's "scheme://host:port" */
    bool direct;  /* it needs no proxy */
    bool full;    /* on_grown wants no more */
};

/* http.c */
void http_finished(struct transfer *transfer, CURLcode code, uint64_t now_ns); /* by libcurl */
void http_deliver(struct http *http); /* calls on_end for all that has ended */

/* http_shard.c */
bool http_shards_init(struct http *http, struct err *err) MUST_CHECK;
void http_shards_fini(struct http *http);
bool http_shard_add(struct transfer *transfer, struct err *err) MUST_CHECK;
void http_shard_remove(struct transfer *transfer, bool kept); /* kept: the connection lives on */
/* Has libcurl read what lies in the kernel for this transfer, if anything does, which may end it
 * (then its shard is NULL); nothing is delivered. */
bool http_shard_look(struct transfer *transfer);

/* Calls into libcurl for a socket, or for its timers; does not begin a turn. */
void http_shard_call(struct shard *shard, curl_socket_t fd, int bits);

/* http_body.c */
void http_body_follow(struct transfer *transfer); /* inside libcurl: the headers are complete */
void http_body_take(
    struct transfer *transfer); /* after a call into libcurl: if it can be, from now on */
void http_body_read(struct transfer *transfer); /* one read, which may end the transfer */

/* http_easy.c */
struct transfer *http_transfer_new(struct http *http);
void http_transfer_free(struct transfer *transfer);
bool http_transfer_dress(struct transfer *transfer, struct exchange *exchange,
                         struct err *err) MUST_CHECK;
void http_easy_secure(CURL *easy, const struct http_config *config);
void http_easy_direct(CURL *easy, bool direct);
void http_easy_talk(struct transfer *transfer, bool talks);

/* http_answer.c */
curl_socket_t http_on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address);
int http_on_socket(void *arg, curl_socket_t fd, curlsocktype purpose);
int http_on_close(void *arg, curl_socket_t fd);
int http_on_resolve(void *resolver, void *reserved, void *arg);
int http_on_ready(void *arg, char *remote, char *local, int remote_port, int local_port);
size_t http_on_header(char *line, size_t size, size_t count, void *arg);
size_t http_on_body(char *data, size_t size, size_t count, void *arg);
void http_answer_phases(struct transfer *transfer); /* connected_ns, tls_done_ns, reused */

/* http_fault.c */
enum outcome http_fault_of(const struct transfer *transfer, CURLcode code);
char *http_fault_text(const struct transfer *transfer, CURLcode code);
/* CURLOPT_DEBUGFUNCTION. libcurl writes down the words of the first failure of a transfer and none
 * of the next, but says them here: the only way to learn how a request that was sent again has
 * failed. Keeps those that the table of faults knows. */
int http_on_words(CURL *easy, curl_infotype kind, char *data, size_t len, void *arg);

/* http_url.c */
struct http_url {
    char *scheme, *host, *port; /* the port also if the URL leaves it out */
    char *shown;                /* "scheme://host:port/path": nothing secret in it */
    bool literal;               /* the host is an address */
    bool loopback;              /* … of this machine, or localhost */
};
bool http_url_parse(const char *text, struct http_url *url, struct err *err) MUST_CHECK;
void http_url_fini(struct http_url *url);
size_t http_url_origin(const char *text); /* length of "scheme://host:port", 0 = none */
