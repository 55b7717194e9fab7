/* The middle of a chunked body, read without libcurl, which spends some ten times as many
 * instructions on an event as the read itself needs. libcurl reads the headers and the end of every
 * answer, and all of those that are not plain: under TLS, compressed, of a known length, ended by
 * the connection.
 *
 * libcurl's own decoder stands between two chunks while we read, so that it can go on where we
 * stop: with the last chunk, and with whatever is not of the plain form, so that what is malformed
 * is judged in one place. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "io/http_inner.h"

void http_body_follow(struct transfer *transfer)
{
    transfer->chunks = (struct chunks){0};
    transfer->followed = transfer->chunked && !transfer->encoded &&
                         seam_follow(transfer->http->seam, transfer->read_fd,
                                     transfer->header_bytes, &transfer->chunks);
}

void http_body_take(struct transfer *transfer)
{
    if (!transfer->shard || !transfer->followed || !transfer->reading_only ||
        transfer->http->full || transfer->fd != transfer->read_fd ||
        !chunks_between(&transfer->chunks))
        return;
    transfer->followed = false;
    transfer->taken = true;
    seam_take(transfer->http->seam, transfer->fd);
}

/* libcurl goes on from the boundary behind the last whole chunk: with what is held back of a size
 * line, and `len` bytes of the buffer behind the first `used`. It may read less at a time. */
static void body_give_back(struct transfer *transfer, size_t used, size_t len, int error)
{
    struct http *http = transfer->http;
    curl_socket_t fd = transfer->fd;
    size_t held = transfer->chunks.held_len, before;
    char *from = http->buffer + CHUNKS_HELD + used - held;
    memcpy(from, transfer->chunks.held, held);
    transfer->taken = false;
    seam_give_back(http->seam, fd, span_of(from, held + len), error);
    do {
        before = seam_given(http->seam, fd);
        http_shard_call(transfer->shard, fd, CURL_CSELECT_IN);
    } while (transfer->shard && seam_given(http->seam, fd) && seam_given(http->seam, fd) < before);
    seam_let_go(http->seam, fd);
}

static void body_bad(struct transfer *transfer)
{
    transfer->fault = OUTCOME_BAD_RESPONSE;
    snprintf(transfer->error, sizeof transfer->error,
             "a chunk of the body does not end where its size says (chunked-encoding)");
    http_finished(transfer, CURLE_RECV_ERROR, clock_now_ns());
}

/* False: the transfer is over, or soon will be. */
static bool body_hand_over(struct transfer *transfer, char *data, size_t len)
{
    if (!len || http_on_body(data, 1, len, transfer) == len)
        return true;
    if (!transfer->http->full)
        http_finished(transfer, CURLE_WRITE_ERROR, clock_now_ns());
    return false;
}

void http_body_read(struct transfer *transfer)
{
    struct http *http = transfer->http;
    char *bytes = http->buffer + CHUNKS_HELD;
    ssize_t got = seam_recv(http->seam, transfer->fd, bytes, STAMP_BUFFER);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        body_give_back(transfer, 0, 0, got ? errno : 0);
        return;
    }
    size_t used, len = chunks_strip(&transfer->chunks, bytes, (size_t)got, &used);
    if (!body_hand_over(transfer, bytes, len))
        return;
    if (transfer->chunks.state == CHUNKS_BAD)
        body_bad(transfer);
    else if (transfer->chunks.state == CHUNKS_ODD)
        body_give_back(transfer, used, (size_t)got - used, 0);
}
