#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/http_inner.h"
#include "io/loop.h"

/* Takes what has ended out of the multi handle. One stamp serves them all: the answers were
 * complete when libcurl returned. */
static void shard_collect(struct shard *shard)
{
    uint64_t now = 0;
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(shard->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct transfer *transfer = NULL;
        CURLcode code = message->data.result;
        if (!now)
            now = clock_now_ns();
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        http_finished(transfer, code, now);
    }
}

void http_shard_call(struct shard *shard, curl_socket_t fd, int bits)
{
    int running;
    seam_enter(shard->http->seam);
    curl_multi_socket_action(shard->multi, fd, bits, &running);
    seam_leave();
    shard_collect(shard);
}

static void shard_begin_turn(struct http *http)
{
    http->turn++;
    http->turn_serial = seam_last(http->seam, CURL_SOCKET_BAD).serial;
}

/* `transfer` may be NULL. It may have ended when this returns. */
static void shard_drive(struct shard *shard, struct transfer *transfer, curl_socket_t fd, int bits)
{
    shard_begin_turn(shard->http);
    if (transfer && transfer->taken) {
        http_body_read(transfer);
        return;
    }
    http_shard_call(shard, fd, bits);
    if (transfer)
        http_body_take(transfer);
}

bool http_shard_look(struct transfer *transfer)
{
    struct pollfd ready = {.fd = transfer->fd, .events = POLLIN};
    if (transfer->fd == CURL_SOCKET_BAD || poll(&ready, 1, 0) != 1)
        return false;
    shard_drive(transfer->shard, transfer, transfer->fd, CURL_CSELECT_IN);
    return true;
}

/* The sock may be gone when libcurl returns. */
static void sock_on_ready(struct ev_loop *ev, ev_io *io, int events)
{
    (void)ev;
    struct sock *sock = io->data;
    struct http *http = sock->shard->http;
    loop_note_lag(http->loop);
    int bits =
        (events & EV_READ ? CURL_CSELECT_IN : 0) | (events & EV_WRITE ? CURL_CSELECT_OUT : 0);
    shard_drive(sock->shard, sock->transfer, io->fd, bits);
    http_deliver(http);
}

static void shard_on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev, (void)events;
    struct shard *shard = timer->data;
    shard_drive(shard, NULL, CURL_SOCKET_TIMEOUT, 0);
    http_deliver(shard->http);
}

/* CURLMOPT_TIMERFUNCTION. A timer of 0 ms rings in the loop's next turn: libcurl must not be
 * entered from here, and a server that keeps one transfer busy must not starve the others. */
static int shard_set_timer(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    struct shard *shard = arg;
    struct ev_loop *ev = loop_ev(shard->http->loop);
    ev_timer_stop(ev, &shard->timer);
    if (ms < 0)
        return 0;
    ev_timer_set(&shard->timer, (double)ms / 1e3, 0.);
    ev_timer_start(ev, &shard->timer);
    return 0;
}

static struct sock *sock_take(struct shard *shard, curl_socket_t fd)
{
    struct http *http = shard->http;
    struct sock *sock = http->spare;
    if (sock)
        http->spare = sock->next;
    else
        sock = MEM_NEW(struct sock);
    sock->shard = shard;
    ev_io_init(&sock->io, sock_on_ready, fd, 0);
    sock->io.data = sock;
    curl_multi_assign(shard->multi, fd, sock);
    return sock;
}

static void sock_give_back(struct shard *shard, struct sock *sock)
{
    struct http *http = shard->http;
    curl_multi_assign(shard->multi, sock->io.fd, NULL);
    sock->next = http->spare;
    http->spare = sock;
}

/* libcurl tells a transfer's socket only here (CURLINFO_ACTIVESOCKET is that of the last one), and
 * names handles of its own, too. */
static struct transfer *shard_note_socket(CURL *easy, curl_socket_t fd, int what)
{
    struct transfer *transfer = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    if (!transfer)
        return NULL;
    transfer->reading_only = what == CURL_POLL_IN;
    if (what != CURL_POLL_REMOVE)
        transfer->fd = transfer->read_fd = fd;
    else if (transfer->fd == fd)
        transfer->fd = CURL_SOCKET_BAD;
    return transfer;
}

/* CURLMOPT_SOCKETFUNCTION. */
static int shard_set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock_arg)
{
    struct shard *shard = arg;
    struct transfer *transfer = shard_note_socket(easy, fd, what);
    struct sock *sock = sock_arg;
    struct ev_loop *ev = loop_ev(shard->http->loop);
    if (sock)
        ev_io_stop(ev, &sock->io);
    if (what == CURL_POLL_REMOVE) {
        if (sock)
            sock_give_back(shard, sock);
        return 0;
    }
    if (!sock)
        sock = sock_take(shard, fd);
    sock->transfer = transfer;
    int events = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);
    if (!events)
        return 0;
    ev_io_set(&sock->io, fd, events);
    ev_io_start(ev, &sock->io);
    return 0;
}

static bool shard_init(struct shard *shard, struct http *http, struct err *err)
{
    shard->http = http;
    ev_timer_init(&shard->timer, shard_on_timer, 0., 0.);
    shard->timer.data = shard;
    shard->multi = curl_multi_init();
    if (!shard->multi)
        return err_set(err, "libcurl gave no multi handle");
    curl_multi_setopt(shard->multi, CURLMOPT_SOCKETFUNCTION, shard_set_socket);
    curl_multi_setopt(shard->multi, CURLMOPT_SOCKETDATA, shard);
    curl_multi_setopt(shard->multi, CURLMOPT_TIMERFUNCTION, shard_set_timer);
    curl_multi_setopt(shard->multi, CURLMOPT_TIMERDATA, shard);
    curl_multi_setopt(shard->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    /* Never close a kept connection for want of room: a shard holds HTTP_SHARD, and as many again
     * that servers have closed and libcurl has not looked at since. */
    curl_multi_setopt(shard->multi, CURLMOPT_MAXCONNECTS, 2L * HTTP_SHARD);
    return true;
}

bool http_shards_init(struct http *http, struct err *err)
{
    http->shard_count = (http->config.connections + HTTP_SHARD - 1) / HTTP_SHARD;
    http->shards = mem_zero(http->shard_count, sizeof *http->shards);
    http->warm = mem_zero((size_t)http->shard_count * HTTP_SHARD, sizeof *http->warm);
    for (uint32_t i = 0; i < http->shard_count; i++)
        if (!shard_init(&http->shards[i], http, err))
            return false;
    return true;
}

void http_shards_fini(struct http *http)
{
    for (uint32_t i = 0; i < http->shard_count; i++) {
        if (http->shards[i].multi)
            curl_multi_cleanup(http->shards[i].multi);
        ev_timer_stop(loop_ev(http->loop), &http->shards[i].timer);
    }
    free(http->shards);
    free(http->warm);
    while (http->spare) {
        struct sock *sock = http->spare;
        http->spare = sock->next;
        free(sock);
    }
}

/* Idle connections are counted, not known: each complete answer is taken to leave one behind, each
 * start there to use it up. That a server closed it meanwhile, or that it leads to another host,
 * costs a new connection in that shard and nothing else. So `running + idle` never passes
 * HTTP_SHARD: a shard without an idle connection is chosen only when there is none anywhere. */
static struct shard *shard_pick(struct http *http, bool fresh)
{
    if (http->warm_count && !fresh) {
        struct shard *newest = &http->shards[http->warm[--http->warm_count]];
        newest->idle--;
        return newest;
    }
    struct shard *least = &http->shards[0];
    for (uint32_t i = 1; i < http->shard_count; i++)
        if (http->shards[i].running + http->shards[i].idle < least->running + least->idle)
            least = &http->shards[i];
    return least;
}

bool http_shard_add(struct transfer *transfer, struct err *err)
{
    struct shard *shard = shard_pick(transfer->http, transfer->exchange->fresh);
    CURLMcode code = curl_multi_add_handle(shard->multi, transfer->easy);
    if (code != CURLM_OK)
        return err_set(err, "libcurl does not take the request: %s", curl_multi_strerror(code));
    transfer->shard = shard;
    shard->running++;
    return true;
}

void http_shard_remove(struct transfer *transfer, bool kept)
{
    struct shard *shard = transfer->shard;
    struct http *http = transfer->http;
    curl_multi_remove_handle(shard->multi, transfer->easy);
    transfer->shard = NULL;
    shard->running--;
    if (!kept)
        return;
    shard->idle++;
    http->warm[http->warm_count++] = (uint32_t)(shard - http->shards);
}
