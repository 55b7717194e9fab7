#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/http_inner.h"

/* How much white space after the end marker is looked through. */
enum { MARKER_TAIL = 64 };

/* Forgets a try that failed. libcurl tries again only when no byte of an answer had come, so most
 * of this is for certainty. */
static void http_answer_forget(struct transfer *transfer)
{
    struct exchange *exchange = transfer->exchange;
    exchange->status = 0;
    exchange->sent_ns = 0;
    exchange->first_byte_ns = exchange->headers_ns = 0;
    exchange->mark_count = 0;
    buf_clear(&exchange->headers);
    buf_clear(&exchange->body);
    free(exchange->content_type);
    exchange->content_type = NULL;
    transfer->text[0] = '\0'; /* libcurl keeps the first; the next come by http_on_words */
    transfer->in_headers = transfer->provisional = transfer->encoded = transfer->chunked = false;
    transfer->followed = transfer->taken = false;
    transfer->read_fd = CURL_SOCKET_BAD; /* libcurl is about to tell the next one */
    transfer->header_bytes = 0;
    transfer->marker_ns = 0;
    waits_drop(&transfer->http->idle, &transfer->idle);
    waits_drop(&transfer->http->tails, &transfer->tail);
    waits_drop(&transfer->http->cuts, &transfer->cut);
}

/* CURLOPT_OPENSOCKETFUNCTION: libcurl's own words for a socket that could not be had do not tell
 * whose fault it was. */
curl_socket_t http_on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct transfer *transfer = arg;
    transfer->error[0] = '\0';
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
        return fd;
    transfer->http->no_descriptor++;
    transfer->fault = OUTCOME_CONNECT_FAILED;
    snprintf(transfer->error, sizeof transfer->error,
             errno == EMFILE ? "no connection: this program's limit of open files is reached "
                               "(EMFILE; see ulimit -n)"
                             : "no connection: this system's limit of open files is reached "
                               "(ENFILE; see fs.file-max)");
    return CURL_SOCKET_BAD;
}

/* CURLOPT_SOCKOPTFUNCTION and CURLOPT_RESOLVER_START_FUNCTION: a new connection begins. If the
 * request had gone out, it was on a kept connection that turned out to be dead. */
int http_on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    (void)purpose;
    struct transfer *transfer = arg;
    if (transfer->exchange->sent_ns)
        http_answer_forget(transfer);
    seam_socket(transfer->http->seam, fd);
    return CURL_SOCKOPT_OK;
}

/* CURLOPT_CLOSESOCKETFUNCTION, in place of close. */
int http_on_close(void *arg, curl_socket_t fd)
{
    const struct http *http = arg;
    seam_closed(http->seam, fd);
    return close(fd);
}

int http_on_resolve(void *resolver, void *reserved, void *arg)
{
    (void)resolver, (void)reserved;
    struct transfer *transfer = arg;
    if (transfer->exchange->sent_ns)
        http_answer_forget(transfer);
    return 0;
}

/* CURLOPT_PREREQFUNCTION: the connection is ready, the request goes out when this returns. Where
 * the kernel takes nothing of it at once, this moment stands for the sending. */
int http_on_ready(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    uint64_t now = clock_now_ns();
    (void)remote, (void)local, (void)remote_port, (void)local_port;
    struct transfer *transfer = arg;
    struct exchange *exchange = transfer->exchange;
    if (exchange->sent_ns) /* the last try was on a kept connection, and so is this */
        http_answer_forget(transfer);
    exchange->resent += transfer->tried;
    http_easy_talk(transfer, transfer->tried);
    transfer->tried = true;
    transfer->asked_serial = seam_last(transfer->http->seam, CURL_SOCKET_BAD).serial;
    transfer->ready_ns = exchange->sent_ns = now;
    seam_await_send(transfer->http->seam, &exchange->sent_ns);
    waits_note(&transfer->http->idle, &transfer->idle, now);
    return CURL_PREREQFUNC_OK;
}

/* Makes libcurl give up; returns what the callback then returns. */
static size_t http_answer_refuse(struct transfer *transfer, const char *what, size_t limit)
{
    transfer->fault = OUTCOME_TOO_LARGE;
    snprintf(transfer->error, sizeof transfer->error,
             "the response's %s larger than the ceiling of %zu bytes", what, limit);
    return 0;
}

static size_t http_answer_refuse_unasked(struct transfer *transfer)
{
    transfer->fault = OUTCOME_BAD_RESPONSE;
    snprintf(transfer->error, sizeof transfer->error,
             "the connection held the rest of an earlier answer, or one that nobody asked for");
    return 0;
}

static bool http_line_named(struct span line, const char *name, struct span *value)
{
    size_t len = strlen(name);
    if (line.len <= len || line.data[len] != ':' || strncasecmp(line.data, name, len) != 0)
        return false;
    const char *from = line.data + len + 1, *to = line.data + line.len;
    while (from < to && strchr(" \t", *from))
        from++;
    while (to > from && strchr(" \t\r\n", to[-1]))
        to--;
    *value = span_of(from, (size_t)(to - from));
    return true;
}

/* Codings of several lines add up. */
static void http_answer_header(struct transfer *transfer, struct span line)
{
    struct exchange *exchange = transfer->exchange;
    struct span value;
    if (http_line_named(line, "Content-Type", &value)) {
        free(exchange->content_type);
        exchange->content_type = mem_copy(value.data, value.len);
    } else if (http_line_named(line, "Content-Encoding", &value)) {
        transfer->encoded |= value.len && !span_equals(value, "identity");
    } else if (http_line_named(line, "Transfer-Encoding", &value)) {
        transfer->chunked = value.len == 7 && strncasecmp(value.data, "chunked", 7) == 0;
        transfer->encoded |= !transfer->chunked;
    }
}

/* The status as libcurl read it; that of a 1xx is not the answer's (but for 101, after which
 * there is no other). */
static void http_answer_status(struct transfer *transfer)
{
    long code = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &code);
    transfer->in_headers = true;
    transfer->provisional = code >= 100 && code < 200 && code != 101;
    transfer->exchange->status = transfer->provisional ? 0 : (int)code;
}

static void http_answer_blank(struct transfer *transfer)
{
    transfer->in_headers = false;
    if (transfer->provisional)
        return;
    transfer->exchange->headers_ns = stamp_ns(&transfer->read);
    if (transfer->exchange->status != 101) /* what follows that is no HTTP */
        http_body_follow(transfer);
}

/* Stamps what libcurl hands over. True: it came with a new read. */
static bool http_answer_stamp(struct transfer *transfer)
{
    struct http *http = transfer->http;
    struct exchange *exchange = transfer->exchange;
    struct stamp_read *read = &transfer->read;
    bool fresh = stamp_read(read, seam_last(http->seam, transfer->read_fd), http->turn);
    if (fresh)
        waits_note(&http->idle, &transfer->idle, read->own_ns);
    if (!exchange->first_byte_ns)
        exchange->first_byte_ns = stamp_ns(read);
    return fresh;
}

static void http_answer_grown(struct transfer *transfer, size_t before)
{
    struct http *http = transfer->http;
    size_t now = exchange_answer_bytes(transfer->exchange);
    if (now > before && http->config.on_grown)
        http->full = !http->config.on_grown(http->arg, now - before);
}

/* Between the status line and the blank one; below the ceiling. */
static void http_answer_line(struct transfer *transfer, struct span line)
{
    struct exchange *exchange = transfer->exchange;
    if (transfer->provisional)
        return;
    size_t before = exchange_answer_bytes(exchange);
    buf_add_span(&exchange->headers, line);
    http_answer_grown(transfer, before);
    http_answer_header(transfer, line);
}

/* An answer begins, and nothing has been read since its request went out: the TLS library had it
 * left over from the last answer. */
static bool http_answer_unasked(const struct transfer *transfer)
{
    const struct seam *seam = transfer->http->seam;
    uint64_t serial = seam_last(seam, transfer->read_fd).serial;
    return !transfer->header_bytes && serial && serial <= transfer->asked_serial;
}

/* One complete line. Lines after the headers are trailers and of no interest; but libcurl keeps
 * them, and those of each 1xx, so that there is a ceiling on all of them. */
size_t http_on_header(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    const struct exchange *exchange = transfer->exchange;
    struct span line = span_of(data, size * count);
    if (http_answer_unasked(transfer))
        return http_answer_refuse_unasked(transfer);
    http_answer_stamp(transfer);
    transfer->header_bytes += line.len;
    if (transfer->header_bytes > exchange->headers.limit)
        return http_answer_refuse(transfer, "headers are", exchange->headers.limit);
    if (exchange->headers_ns)
        return line.len;
    if (!transfer->in_headers)
        http_answer_status(transfer);
    else if (line.len == 0 || line.data[0] == '\r' || line.data[0] == '\n')
        http_answer_blank(transfer);
    else
        http_answer_line(transfer, line);
    return line.len;
}

/* Does the body end with the marker, at the start of a line, but for white space? */
static bool http_answer_marked(struct span body, struct span marker)
{
    size_t len = body.len, least = len > MARKER_TAIL ? len - MARKER_TAIL : 0;
    while (len > least && strchr(" \t\r\n", body.data[len - 1]) && body.data[len - 1])
        len--;
    if (len < marker.len || memcmp(body.data + len - marker.len, marker.data, marker.len) != 0)
        return false;
    char before = len > marker.len ? body.data[len - marker.len - 1] : '\n';
    return before == '\n' || before == '\r';
}

static bool http_answer_lingers(struct http *http)
{
    return http->held < HELD_LIMIT || ++http->cut_count % HELD_PROBE == 0;
}

/* The server mostly ends the message right after the marker, and then the connection can be kept:
 * so it gets a moment, unless it is one that never does. */
static void http_answer_watch(struct transfer *transfer)
{
    struct http *http = transfer->http;
    if (!http->config.end_marker.len)
        return;
    if (!http_answer_marked(buf_span(&transfer->exchange->body), http->config.end_marker)) {
        transfer->marker_ns = 0;
        waits_drop(&http->tails, &transfer->tail);
        waits_drop(&http->cuts, &transfer->cut);
    } else if (!transfer->marker_ns) {
        transfer->marker_ns = stamp_ns(&transfer->read);
        if (http_answer_lingers(http))
            waits_note(&http->tails, &transfer->tail, transfer->read.own_ns);
        else
            waits_note(&http->cuts, &transfer->cut, transfer->read.own_ns);
    }
}

/* A piece of the body; equal stamps make pieces of one read one mark. */
size_t http_on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    struct http *http = transfer->http;
    struct exchange *exchange = transfer->exchange;
    struct stamp_read *read = &transfer->read;
    size_t len = size * count;
    if (http->full)
        return CURL_WRITEFUNC_PAUSE;
    if (http_answer_stamp(transfer)) {
        uint64_t reads = atomic_load_explicit(&http->reads, memory_order_relaxed);
        atomic_store_explicit(&http->reads, reads + 1, memory_order_relaxed);
    }
    size_t before = exchange_answer_bytes(exchange);
    if (!exchange_read(exchange, data, len, read->own_ns, read->kernel_ns))
        return http_answer_refuse(transfer, "body is", exchange->body.limit);
    if (read->more)
        exchange_more(exchange);
    http_answer_grown(transfer, before);
    http_answer_watch(transfer);
    return len;
}

/* libcurl's phases, in microseconds from its own start, placed by the moment that both clocks
 * know: just before the request was sent. */
static uint64_t http_answer_phase(struct transfer *transfer, CURLINFO phase)
{
    const struct exchange *exchange = transfer->exchange;
    curl_off_t at = 0, sent = 0;
    curl_easy_getinfo(transfer->easy, phase, &at);
    curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
    if (at <= 0 || sent < at)
        return 0;
    uint64_t before = (uint64_t)(sent - at) * NS_PER_US;
    uint64_t longest = transfer->ready_ns - exchange->started_ns;
    return transfer->ready_ns - (before < longest ? before : longest);
}

void http_answer_phases(struct transfer *transfer)
{
    struct exchange *exchange = transfer->exchange;
    long connects = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
    if (!exchange->sent_ns)
        return;
    exchange->reused = connects == 0;
    if (exchange->reused)
        return;
    exchange->connected_ns = http_answer_phase(transfer, CURLINFO_CONNECT_TIME_T);
    exchange->tls_done_ns = http_answer_phase(transfer, CURLINFO_APPCONNECT_TIME_T);
}
