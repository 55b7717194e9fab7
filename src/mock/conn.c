#include "mock/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mock/answer.h"
#include "mock/routes.h"

enum {
    DEFAULT_MAX_BODY = 64 << 20,
    READ_BYTES = 64 << 10, /* size of server->in */
    KEEP_BYTES = 16 << 10, /* a larger buffer is not kept while idle */
};

static const uint64_t linger_ns = 2 * NS_PER_S;

/* ---- states and interest ---- */

static void want(struct mock_server *server, struct mock_conn *conn)
{
    unsigned interest = 0;
    if (mock_conn_blocked(conn))
        interest |= EPOLLOUT;
    if (!conn->eof && !conn->deaf)
        interest |= EPOLLIN;
    if (interest == conn->interest || conn->state == MOCK_CONN_DEAD)
        return;
    struct epoll_event event = {.events = interest, .data.ptr = conn};
    epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event);
    conn->interest = interest;
}

void mock_conn_open(struct mock_server *server, int fd)
{
    struct mock_conn *conn = MEM_NEW(struct mock_conn);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn->fd = fd;
    conn->interest = EPOLLIN;
    size_t max_body = server->config->max_body;
    mock_http_init(&conn->http, max_body ? max_body : DEFAULT_MAX_BODY);
    buf_init(&conn->in, READ_BYTES);
    buf_init(&conn->out, SIZE_MAX / 2); /* one event, or one body bounded by MOCK_MAX_TOKENS */
    conn->next = server->conns;
    if (conn->next)
        conn->next->prev = conn;
    server->conns = conn;
    server->stats.accepted++;
    server->stats.open++;
    struct epoll_event event = {.events = conn->interest, .data.ptr = conn};
    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        mock_conn_close(server, conn);
}

static void leave_flight(struct mock_server *server, struct mock_conn *conn)
{
    if (conn->in_flight)
        mock_stats_leave(&server->stats, clock_now_ns());
    conn->in_flight = false;
    mock_slots_leave(server, conn);
}

void mock_conn_close(struct mock_server *server, struct mock_conn *conn)
{
    if (conn->state == MOCK_CONN_DEAD)
        return;
    leave_flight(server, conn);
    mock_timer_clear(&server->timers, &conn->timer);
    close(conn->fd);
    server->stats.open--;
    conn->state = MOCK_CONN_DEAD;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    conn->next = server->dead;
    server->dead = conn;
}

void mock_conn_bury(struct mock_server *server)
{
    while (server->dead) {
        struct mock_conn *conn = server->dead;
        server->dead = conn->next;
        mock_http_fini(&conn->http);
        buf_fini(&conn->in);
        buf_fini(&conn->out);
        mock_answer_fini(conn);
        free(conn);
    }
}

/* The client went away, or its connection broke. */
static void lose(struct mock_server *server, struct mock_conn *conn)
{
    if (conn->in_flight)
        server->stats.aborted_by_client++;
    mock_conn_close(server, conn);
}

void mock_conn_drop(struct mock_server *server, struct mock_conn *conn, bool reset)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    mock_conn_close(server, conn);
}

void mock_conn_stall(struct mock_server *server, struct mock_conn *conn)
{
    conn->state = MOCK_CONN_HELD;
    conn->deaf = false;
    if (conn->eof && !mock_conn_blocked(conn))
        lose(server, conn);
    else
        want(server, conn);
}

/* ---- after an answer ---- */

static void begin_closing(struct mock_server *server, struct mock_conn *conn)
{
    if (conn->eof) {
        mock_conn_close(server, conn);
        return;
    }
    shutdown(conn->fd, SHUT_WR);
    conn->state = MOCK_CONN_CLOSING;
    conn->deaf = false;
    mock_timer_set(&server->timers, &conn->timer, clock_now_ns() + linger_ns);
    want(server, conn);
}

static void next_request(struct mock_conn *conn)
{
    conn->ended = conn->continued = conn->uncounted = conn->deaf = false;
    conn->kept = true;
    mock_http_reset(&conn->http);
    conn->state = MOCK_CONN_READING;
}

/* The answer's last byte has left. */
static void settle(struct mock_server *server, struct mock_conn *conn)
{
    server->stats.completed += conn->in_flight && conn->answer.whole;
    leave_flight(server, conn);
    mock_answer_fini(conn);
    if (conn->hold)
        mock_conn_stall(server, conn);
    else if (conn->last)
        begin_closing(server, conn);
    else
        next_request(conn);
}

void mock_conn_end_answer(struct mock_server *server, struct mock_conn *conn)
{
    conn->ended = true;
    if (!mock_conn_blocked(conn))
        settle(server, conn);
}

/* ---- sending ---- */

/* How many bytes the socket took; SIZE_MAX when the connection is broken. */
static size_t push(struct mock_server *server, struct mock_conn *conn, const char *bytes,
                   size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t sent = send(conn->fd, bytes + done, len - done, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (sent < 0)
            return SIZE_MAX;
        done += (size_t)sent;
    }
    if (!conn->uncounted)
        server->stats.bytes_out += done;
    return done;
}

bool mock_conn_send(struct mock_server *server, struct mock_conn *conn, struct span bytes)
{
    if (conn->state == MOCK_CONN_DEAD)
        return false;
    size_t sent = 0;
    if (!mock_conn_blocked(conn))
        sent = push(server, conn, bytes.data, bytes.len);
    if (sent == SIZE_MAX) {
        lose(server, conn);
        return false;
    }
    if (sent < bytes.len) {
        buf_add(&conn->out, bytes.data + sent, bytes.len - sent);
        want(server, conn);
    }
    return true;
}

static void flush(struct mock_server *server, struct mock_conn *conn)
{
    size_t sent =
        push(server, conn, conn->out.data + conn->out_sent, conn->out.len - conn->out_sent);
    if (sent == SIZE_MAX) {
        lose(server, conn);
        return;
    }
    conn->out_sent += sent;
    if (mock_conn_blocked(conn))
        return;
    conn->out_sent = 0;
    if (conn->out.cap > KEEP_BYTES)
        buf_fini(&conn->out);
    buf_clear(&conn->out);
    if (conn->ended && conn->state == MOCK_CONN_ANSWERING)
        settle(server, conn);
    else if (conn->state == MOCK_CONN_ANSWERING)
        mock_answer_resume(server, conn);
    else if (conn->state == MOCK_CONN_HELD && conn->eof)
        lose(server, conn);
}

/* ---- reading ---- */

static void answer_expectation(struct mock_server *server, struct mock_conn *conn)
{
    bool waits = conn->http.state > MOCK_HTTP_HEAD && conn->http.state < MOCK_HTTP_DONE;
    if (!waits || !conn->http.expecting || conn->continued)
        return;
    conn->continued = true;
    mock_conn_send(server, conn, span_text("HTTP/1.1 100 Continue\r\n\r\n"));
}

static void begin_answer(struct mock_server *server, struct mock_conn *conn)
{
    conn->state = MOCK_CONN_ANSWERING;
    conn->last = conn->http.close || conn->http.old;
    mock_route(server, conn);
}

/* Feeds bytes to the parser, answers every request that they complete, and keeps what comes after a
 * request whose answer takes its time. */
static void take(struct mock_server *server, struct mock_conn *conn, struct span bytes)
{
    while (bytes.len && conn->state == MOCK_CONN_READING) {
        size_t taken = mock_http_feed(&conn->http, bytes.data, bytes.len);
        bytes = span_of(bytes.data + taken, bytes.len - taken);
        if (conn->http.state >= MOCK_HTTP_DONE)
            begin_answer(server, conn);
        else
            answer_expectation(server, conn);
    }
    if (bytes.len && conn->state == MOCK_CONN_ANSWERING)
        buf_add(&conn->in, bytes.data, bytes.len);
}

/* Goes on with what arrived while an answer was on its way. Stands at the end of every way in, so
 * that a long row of requests in one read needs no recursion. */
static void proceed(struct mock_server *server, struct mock_conn *conn)
{
    while (conn->in.len && conn->state == MOCK_CONN_READING) {
        struct buf kept = conn->in;
        buf_init(&conn->in, READ_BYTES);
        take(server, conn, buf_span(&kept));
        buf_fini(&kept);
    }
    if (conn->state == MOCK_CONN_READING && conn->eof)
        mock_conn_close(server, conn);
    else
        want(server, conn);
}

/* A client that only closed its sending half still gets its answer; one that is gone shows itself
 * at the next send. */
static void see_eof(struct mock_server *server, struct mock_conn *conn)
{
    conn->eof = true;
    if (conn->state != MOCK_CONN_ANSWERING && !mock_conn_blocked(conn))
        lose(server, conn);
}

static void read_some(struct mock_server *server, struct mock_conn *conn)
{
    bool busy = conn->state == MOCK_CONN_ANSWERING;
    size_t size = busy ? 1 : READ_BYTES;
    ssize_t got = recv(conn->fd, server->in, size, busy ? MSG_PEEK : 0);
    if (got > 0 && busy)
        conn->deaf = true; /* not its turn: stays in the socket until the answer is out */
    else if (got > 0 && conn->state == MOCK_CONN_READING)
        take(server, conn, span_of(server->in, (size_t)got));
    else if (got == 0)
        see_eof(server, conn);
    else if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        lose(server, conn);
}

void mock_conn_ready(struct mock_server *server, struct mock_conn *conn, unsigned events)
{
    if (conn->state == MOCK_CONN_DEAD)
        return;
    if (events & (EPOLLERR | EPOLLHUP)) {
        lose(server, conn);
        return;
    }
    if (events & EPOLLOUT)
        flush(server, conn);
    if ((events & EPOLLIN) && conn->state != MOCK_CONN_DEAD)
        read_some(server, conn);
    proceed(server, conn);
}

void mock_conn_due(struct mock_server *server, struct mock_conn *conn)
{
    if (conn->state == MOCK_CONN_CLOSING)
        mock_conn_close(server, conn);
    else
        mock_answer_due(server, conn);
    proceed(server, conn);
}
