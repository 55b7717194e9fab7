#include "io/http.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/http_inner.h"
#include "io/loop.h"

#define LINGER_NS (20 * NS_PER_MS) /* for the message's end after the end marker */

enum { TOTAL_LOOKS = 256 }; /* a buffer each */

#define OWNER(member, wait)                                                                        \
    ((struct transfer *)(void *)((char *)(wait)-offsetof(struct transfer, member)))

/* ---- the end of a transfer ---- */

static void http_end(struct transfer *transfer, enum finish finish, uint64_t end_ns)
{
    struct http *http = transfer->http;
    struct exchange *exchange = transfer->exchange;
    exchange->finish = finish;
    exchange->end_ns = end_ns;
    http_answer_phases(transfer);
    seam_let_go(http->seam, transfer->read_fd);
    http_shard_remove(transfer, finish == FINISH_COMPLETE);
    waits_drop(&http->running, &transfer->life);
    waits_drop(&http->idle, &transfer->idle);
    waits_drop(&http->tails, &transfer->tail);
    waits_drop(&http->cuts, &transfer->cut);
    transfer->next = NULL;
    *http->ended_last = transfer;
    http->ended_last = &transfer->next;
}

/* The answer is complete once its end marker is there, whatever happens to the message then. */
static void http_break(struct transfer *transfer, enum outcome fault, char *error, uint64_t now_ns)
{
    if (transfer->marker_ns) {
        free(error);
        http_end(transfer, FINISH_MARKER, transfer->marker_ns);
        return;
    }
    transfer->exchange->fault = fault;
    transfer->exchange->error = error;
    http_end(transfer, FINISH_BROKEN, now_ns);
}

/* When the message was complete: the read that brought its last byte, where that was in this turn.
 */
static uint64_t http_complete_ns(const struct transfer *transfer, uint64_t now_ns)
{
    const struct http *http = transfer->http;
    struct seam_read last = seam_last(http->seam, transfer->read_fd);
    if (last.serial > http->turn_serial)
        return last.kernel_ns && !last.end ? last.kernel_ns : last.own_ns;
    bool closed = !last.serial && transfer->read.number > http->turn_serial;
    return closed ? stamp_ns(&transfer->read) : now_ns;
}

void http_finished(struct transfer *transfer, CURLcode code, uint64_t now_ns)
{
    /* Headers without a body are an answer; libcurl calls a lone 101 "nothing". */
    if (transfer->exchange->headers_ns && (code == CURLE_OK || code == CURLE_GOT_NOTHING)) {
        if (transfer->marker_ns)
            transfer->http->held = 0;
        http_end(transfer, FINISH_COMPLETE, http_complete_ns(transfer, now_ns));
        return;
    }
    http_break(transfer, http_fault_of(transfer, code), http_fault_text(transfer, code), now_ns);
}

/* The message has not ended in its time: a last look. */
static void http_end_held(struct transfer *transfer)
{
    http_shard_look(transfer);
    if (!transfer->shard || !transfer->marker_ns || transfer->tail.next || transfer->cut.next)
        return;
    if (transfer->http->held < HELD_LIMIT)
        transfer->http->held++;
    http_end(transfer, FINISH_MARKER, transfer->marker_ns);
}

/* libcurl counts an easy handle's tries over its whole life, and gives up at five. */
static void http_put_away(struct transfer *transfer)
{
    struct http *http = transfer->http;
    const struct exchange *exchange = transfer->exchange;
    bool whole = exchange->finish == FINISH_COMPLETE || exchange->finish == FINISH_MARKER;
    if (!whole || exchange->resent) {
        http_transfer_free(transfer);
        return;
    }
    transfer->exchange = NULL;
    transfer->next = http->pool;
    http->pool = transfer;
}

void http_deliver(struct http *http)
{
    struct wait *cut;
    while ((cut = waits_first(&http->cuts))) {
        waits_drop(&http->cuts, cut);
        http_end_held(OWNER(cut, cut));
    }
    while (http->ended) {
        struct transfer *transfer = http->ended;
        struct exchange *exchange = transfer->exchange;
        http->ended = transfer->next;
        if (!http->ended)
            http->ended_last = &http->ended;
        http_put_away(transfer);
        http->in_flight--;
        http->on_end(http->arg, exchange);
    }
}

bool http_more_to_end(const struct http *http)
{
    return http->ended != NULL;
}

static void http_on_deliver(struct ev_loop *ev, ev_prepare *prepare, int events)
{
    (void)ev, (void)events;
    http_deliver(prepare->data);
}

void http_cancel_all(struct http *http)
{
    uint64_t now = clock_now_ns();
    struct wait *first;
    while ((first = waits_first(&http->running))) {
        struct transfer *transfer = OWNER(life, first);
        if (transfer->marker_ns)
            http_end(transfer, FINISH_MARKER, transfer->marker_ns);
        else
            http_end(transfer, FINISH_CANCELLED, now);
    }
    ev_feed_event(loop_ev(http->loop), &http->deliver, EV_PREPARE);
}

/* ---- timeouts ---- */

/* A timeout may be found while the bytes lie in the kernel: when this process was stopped, or had
 * too little of the machine. So each looks first. */

static void http_on_total(void *arg, struct wait *wait, uint64_t now_ns)
{
    const struct http *http = arg;
    struct transfer *transfer = OWNER(life, wait);
    for (int i = 0; i < TOTAL_LOOKS && transfer->shard && http_shard_look(transfer);)
        i++;
    if (!transfer->shard)
        return;
    double limit = clock_seconds(http->config.total_timeout_ns);
    bool sent = transfer->exchange->sent_ns;
    char *error = sent ? mem_printf("not complete after %g s (the total timeout)", limit)
                       : mem_printf("not connected after %g s (the total timeout)", limit);
    http_break(transfer, sent ? OUTCOME_TIMEOUT_TOTAL : OUTCOME_TIMEOUT_CONNECT, error, now_ns);
}

/* Bytes that libcurl hands nothing on of, such as the frame of a chunk or half a header line. */
static bool http_trickles(struct http *http, struct transfer *transfer)
{
    uint64_t last_ns = transfer->read_fd >= 0 ? seam_last(http->seam, transfer->read_fd).own_ns : 0;
    bool later = last_ns > transfer->idle.since_ns;
    if (later)
        waits_note(&http->idle, &transfer->idle, last_ns);
    return later;
}

static void http_on_idle(void *arg, struct wait *wait, uint64_t now_ns)
{
    struct http *http = arg;
    struct transfer *transfer = OWNER(idle, wait);
    http_shard_look(transfer);
    if (!transfer->shard || transfer->idle.next || http_trickles(http, transfer))
        return;
    char *error = mem_printf("no bytes for %g s (the read timeout)",
                             clock_seconds(http->config.read_timeout_ns));
    http_break(transfer, OUTCOME_TIMEOUT_READ, error, now_ns);
}

static void http_on_tail(void *arg, struct wait *wait, uint64_t now_ns)
{
    (void)arg, (void)now_ns;
    http_end_held(OWNER(tail, wait));
}

static void http_after_expiry(void *arg)
{
    http_deliver(arg);
}

/* ---- the start of a transfer ---- */

/* What is known of the last URL's host serves the next one as well. */
static bool http_look_at(struct http *http, const char *url, struct err *err)
{
    size_t len = url ? http_url_origin(url) : 0;
    if (len && http->origin && strlen(http->origin) == len && !memcmp(http->origin, url, len))
        return true;
    struct http_url parsed;
    if (!http_url_parse(url, &parsed, err))
        return false;
    free(http->origin);
    http->origin = mem_copy(url, len);
    http->direct = parsed.loopback;
    http_url_fini(&parsed);
    return true;
}

static struct transfer *http_take(struct http *http)
{
    struct transfer *transfer = http->pool;
    if (!transfer)
        return http_transfer_new(http);
    http->pool = transfer->next;
    return transfer;
}

static void http_begin(struct transfer *transfer, struct exchange *exchange)
{
    transfer->exchange = exchange;
    transfer->fd = transfer->read_fd = CURL_SOCKET_BAD;
    transfer->marker_ns = 0;
    transfer->read = (struct stamp_read){0};
    transfer->tried = transfer->in_headers = transfer->provisional = transfer->encoded = false;
    transfer->chunked = transfer->followed = transfer->taken = transfer->reading_only = false;
    transfer->header_bytes = 0;
    transfer->fault = OUTCOME_OK;
    transfer->error[0] = transfer->text[0] = '\0';
}

bool http_start(struct http *http, struct exchange *exchange, struct err *err)
{
    if (http->in_flight >= http->config.connections)
        return err_set(err, "%u requests are in flight already, which is the limit",
                       http->in_flight);
    if (!http_look_at(http, exchange->request->url, err))
        return false;
    struct transfer *transfer = http_take(http);
    if (!transfer)
        return err_set(err, "libcurl gave no easy handle");
    http_begin(transfer, exchange);
    if (!http_transfer_dress(transfer, exchange, err) || !http_shard_add(transfer, err)) {
        transfer->exchange = NULL;
        transfer->next = http->pool;
        http->pool = transfer;
        return false;
    }
    http->in_flight++;
    waits_note(&http->running, &transfer->life, exchange->started_ns);
    return true;
}

uint32_t http_in_flight(const struct http *http)
{
    return http->in_flight;
}

uint64_t http_reads(const struct http *http)
{
    return atomic_load_explicit(&http->reads, memory_order_relaxed);
}

uint64_t http_no_descriptor(const struct http *http)
{
    return http->no_descriptor;
}

uint32_t http_open_connections(const struct http *http)
{
    return seam_alive(http->seam);
}

struct seam_clock http_clock(const struct http *http)
{
    return seam_clock(http->seam);
}

/* ---- the whole ---- */

static void http_keep_config(struct http *http, const struct http_config *config)
{
    struct span marker = span_without_tail(config->end_marker); /* what follows is ignored anyway */
    http->config = *config;
    http->config.cacert = mem_text(config->cacert);
    http->config.user_agent = mem_text(config->user_agent);
    http->config.resolve = NULL;
    http->marker = mem_copy(marker.data, marker.len);
    http->config.end_marker = span_of(http->marker, marker.len);
}

static bool http_open(struct http *http, const char *resolve, struct err *err)
{
    const char *cacert = http->config.cacert;
    if (http->config.connections == 0)
        return err_set(err, "the number of connections is 0; it must be at least 1");
    if (cacert && access(cacert, R_OK) != 0)
        return err_set(err, "the file of certificates \"%s\" cannot be read", cacert);
    http->share = curl_share_init();
    if (!http->share)
        return err_set(err, "libcurl gave no share handle");
    /* One thread: no locks. */
    curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    if (resolve)
        http->resolve = curl_slist_append(NULL, resolve);
    return http_shards_init(http, err);
}

struct http *http_new(struct loop *loop, const struct http_config *config, http_end_fn *on_end,
                      void *arg, struct err *err)
{
    struct http *http = MEM_NEW(struct http);
    struct ev_loop *ev = loop_ev(loop);
    http->loop = loop;
    http->on_end = on_end;
    http->arg = arg;
    http->ended_last = &http->ended;
    http->seam = seam_new();
    http->buffer = mem_alloc(CHUNKS_HELD + STAMP_BUFFER);
    http_keep_config(http, config);
    waits_init(&http->running, ev, config->total_timeout_ns, http_on_total, http_after_expiry,
               http);
    waits_init(&http->idle, ev, config->read_timeout_ns, http_on_idle, http_after_expiry, http);
    waits_init(&http->tails, ev, LINGER_NS, http_on_tail, http_after_expiry, http);
    waits_init(&http->cuts, ev, 0, NULL, NULL, http);
    ev_prepare_init(&http->deliver, http_on_deliver);
    http->deliver.data = http;
    if (http_open(http, config->resolve, err))
        return http;
    http_free(http);
    return NULL;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    assert(http->in_flight == 0);
    ev_clear_pending(loop_ev(http->loop), &http->deliver);
    http_shards_fini(http);
    while (http->pool) {
        struct transfer *transfer = http->pool;
        http->pool = transfer->next;
        http_transfer_free(transfer);
    }
    curl_share_cleanup(http->share);
    seam_free(http->seam);
    curl_slist_free_all(http->resolve);
    free((char *)http->config.cacert);
    free((char *)http->config.user_agent);
    free(http->marker);
    free(http->origin);
    free(http->buffer);
    free(http);
}

bool http_global_init(struct err *err)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_ALL);
    if (code != CURLE_OK)
        return err_set(err, "libcurl does not start: %s", curl_easy_strerror(code));
    return true;
}

void http_global_fini(void)
{
    curl_global_cleanup();
}

const char *http_library(void)
{
    return curl_version();
}
