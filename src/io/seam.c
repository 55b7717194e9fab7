#include "io/seam.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/stamp.h"
#include "wire/chunks.h"

/* What is known of one socket. */
struct seam_socket {
    bool open;
    bool used;             /* a request has gone out on it */
    bool taken;            /* the house reads it, not libcurl */
    bool drained;          /* its last read took all that there was, and no end waits */
    bool plain;            /* what has been read since the request begins as HTTP/1.1 does */
    int error;             /* of a read of ours, for libcurl's next; 0 = none */
    uint64_t count;        /* bytes read since the request */
    struct chunks *chunks; /* follow the body; NULL = none do */
    struct seam_read last;
};

struct seam {
    struct seam_socket *sockets; /* by descriptor */
    size_t socket_count;
    struct seam_read last; /* of any of them */
    struct span piece;     /* the bytes of the read that libcurl is busy with; it owns them */
    struct span given;     /* what libcurl reads first on … */
    int given_to;          /* this socket */
    int read_fd;           /* libcurl's last read in this call into it; -1 = none */
    uint64_t *sent_ns;     /* where the next send is noted; NULL = nowhere */
    struct stamp_clock clock;
    int keeper; /* a socket that keeps the kernel stamping; -1 = none */
};

/* The C library's interface has no place for a context, so the seam in use is known by thread. */
static _Thread_local struct seam *here;

/* ---- the functions that libcurl calls ---- */

static void seam_read_clocks(struct stamp_clock *clock)
{
    uint64_t before_ns = clock_now_ns(), wall_ns = clock_wall_ns();
    stamp_clock_sample(clock, before_ns, wall_ns, clock_now_ns());
}

/* What the kernel says of a read: its stamp by the wall clock (0 = none), and how many bytes it
 * still has. */
static void seam_control(struct msghdr *message, uint64_t *wall_ns, int *left)
{
    *wall_ns = 0;
    *left = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec at;
            memcpy(&at, CMSG_DATA(part), sizeof at);
            *wall_ns = (uint64_t)at.tv_sec * NS_PER_S + (uint64_t)at.tv_nsec;
        } else if (part->cmsg_level == IPPROTO_TCP && part->cmsg_type == TCP_CM_INQ) {
            memcpy(left, CMSG_DATA(part), sizeof *left);
        }
    }
}

/* Whether bytes are left. TCP_INQ says 1 for an end of the connection, too. */
static bool seam_left(int fd, int left)
{
    if (left == 1 && ioctl(fd, FIONREAD, &left) != 0)
        return true;
    return left > 0;
}

static void seam_note_read(struct seam *seam, int fd, struct msghdr *message, bool end)
{
    struct seam_socket *sock = &seam->sockets[fd];
    uint64_t own_ns = clock_now_ns(), wall_ns, kernel_ns = 0;
    int left;
    seam_control(message, &wall_ns, &left);
    if (wall_ns) {
        if (stamp_clock_due(&seam->clock, wall_ns, own_ns))
            seam_read_clocks(&seam->clock);
        kernel_ns = stamp_clock_convert(&seam->clock, wall_ns, own_ns);
    }
    sock->drained = left == 0 && !end;
    sock->last = (struct seam_read){
        .serial = seam->last.serial + 1,
        .own_ns = own_ns,
        .kernel_ns = kernel_ns,
        .more = seam_left(fd, left),
        .end = end,
    };
    seam->last = sock->last;
}

static struct seam_socket *seam_find(struct seam *seam, int fd)
{
    bool known = seam && fd >= 0 && (size_t)fd < seam->socket_count && seam->sockets[fd].open;
    return known ? &seam->sockets[fd] : NULL;
}

static ssize_t seam_read_stamped(struct seam *seam, int fd, void *data, size_t len, int flags)
{
    struct iovec place = {.iov_base = data, .iov_len = len};
    union {
        char space[CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control;
    struct msghdr message = {
        .msg_iov = &place,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    ssize_t got = recvmsg(fd, &message, flags);
    if (got >= 0)
        seam_note_read(seam, fd, &message, got == 0);
    return got;
}

static void seam_look_at(struct seam *seam, struct seam_socket *sock, struct span piece)
{
    static const char BEGIN[] = "HTTP/1.1 ";
    if (!sock->count)
        sock->plain = piece.len >= sizeof BEGIN && memcmp(piece.data, BEGIN, sizeof BEGIN - 1) == 0;
    sock->count += piece.len;
    seam->piece = piece;
    if (sock->chunks)
        chunks_follow(sock->chunks, piece);
}

/* What was given back, then the error that goes with it; nothing while the house reads. */
static ssize_t seam_read_given(struct seam *seam, struct seam_socket *sock, void *data, size_t len)
{
    if (sock->taken || !seam->given.len) {
        errno = sock->taken ? EAGAIN : sock->error;
        sock->error = 0;
        return -1;
    }
    size_t part = seam->given.len < len ? seam->given.len : len;
    memcpy(data, seam->given.data, part);
    seam->given = span_of(seam->given.data + part, seam->given.len - part);
    return (ssize_t)part;
}

ssize_t recv(int fd, void *data, size_t len, int flags)
{
    struct seam *seam = here;
    struct seam_socket *sock = seam_find(seam, fd);
    if (!sock || flags & MSG_PEEK)
        return recvfrom(fd, data, len, flags, NULL, NULL);
    if (sock->taken || seam_given(seam, fd) || sock->error)
        return seam_read_given(seam, sock, data, len);
    ssize_t got = seam_read_stamped(seam, fd, data, len, flags);
    if (got > 0)
        seam_look_at(seam, sock, span_of(data, (size_t)got));
    seam->read_fd = got > 0 ? fd : -1;
    return got;
}

/* After each read libcurl asks whether there is more. The read has just said so itself, and what
 * comes later is for the loop: otherwise a fast server would hold libcurl, and all the other
 * sockets wait. */
static bool seam_knows_of_none(const struct pollfd *asked)
{
    const struct seam_socket *sock = seam_find(here, asked->fd);
    return sock && sock->drained && here->read_fd == asked->fd && !(asked->events & POLLOUT);
}

/* By this name, because the C library's header says of `poll` that it never reads what stands at
 * fds. */
int seam_poll(struct pollfd *fds, nfds_t count, int timeout_ms) __asm__("poll");

int seam_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    const struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                                     .tv_nsec = timeout_ms % 1000 * (long)NS_PER_MS};
    if (count == 1 && timeout_ms == 0 && seam_knows_of_none(fds)) {
        fds->revents = 0;
        return 0;
    }
    return ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, NULL);
}

/* A request begins to go out: what is read from now on is its answer. */
static void seam_begin(struct seam *seam, int fd)
{
    struct seam_socket *sock = seam_find(seam, fd);
    if (!sock)
        return;
    seam_let_go(seam, fd);
    sock->used = true;
    sock->count = 0;
}

/* Whether bytes wait on a kept connection, which can be no answer to what is about to go out. On a
 * plain one libcurl itself has looked when it took it; under TLS it does not. */
static bool seam_has_left_over(struct seam *seam, int fd)
{
    const struct seam_socket *sock = seam_find(seam, fd);
    int left = 0;
    return sock && sock->used && !sock->plain && ioctl(fd, FIONREAD, &left) == 0 && left > 0;
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    struct seam *seam = here;
    if (!seam || !seam->sent_ns)
        return sendto(fd, data, len, flags, NULL, 0);
    if (seam_has_left_over(seam, fd)) {
        seam->sent_ns = NULL;
        errno = EPIPE;
        return -1;
    }
    uint64_t now = clock_now_ns();
    ssize_t taken = sendto(fd, data, len, flags, NULL, 0);
    if (taken > 0) {
        *seam->sent_ns = now;
        seam->sent_ns = NULL;
        seam_begin(seam, fd);
    }
    return taken;
}

/* ---- what the house calls ---- */

/* Where the kernel will not, reads come without its stamp and are counted as such. TCP_INQ (Linux
 * 4.18) has each read say whether it left bytes behind. */
static void seam_ask(int fd)
{
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_INQ, &on, sizeof on);
}

/* The kernel begins to stamp some time after the first socket asks, and stops with the last: one
 * that is there from the start has it ready when the first answer comes. */
static int seam_keeper(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        seam_ask(fd);
    return fd;
}

struct seam *seam_new(void)
{
    struct seam *seam = MEM_NEW(struct seam);
    seam->keeper = seam_keeper();
    seam_read_clocks(&seam->clock);
    return seam;
}

void seam_free(struct seam *seam)
{
    if (!seam)
        return;
    if (seam->keeper >= 0)
        close(seam->keeper);
    free(seam->sockets);
    free(seam);
}

void seam_enter(struct seam *seam)
{
    if (seam)
        seam->read_fd = -1;
    here = seam;
}

void seam_leave(void)
{
    if (here)
        here->sent_ns = NULL;
    here = NULL;
}

static void seam_make_room(struct seam *seam, size_t fd)
{
    if (fd < seam->socket_count)
        return;
    size_t count = seam->socket_count ? seam->socket_count : 64;
    while (count <= fd)
        count *= 2;
    seam->sockets = mem_resize(seam->sockets, count, sizeof *seam->sockets);
    memset(seam->sockets + seam->socket_count, 0,
           (count - seam->socket_count) * sizeof *seam->sockets);
    seam->socket_count = count;
}

void seam_socket(struct seam *seam, int fd)
{
    if (fd < 0)
        return;
    seam_make_room(seam, (size_t)fd);
    seam->sockets[fd] = (struct seam_socket){.open = true};
    seam_ask(fd);
}

void seam_closed(struct seam *seam, int fd)
{
    struct seam_socket *sock = seam_find(seam, fd);
    if (!sock)
        return;
    seam_let_go(seam, fd); /* the next socket may have its number */
    sock->open = false;
}

uint32_t seam_alive(const struct seam *seam)
{
    uint32_t alive = 0;
    for (size_t fd = 0; fd < seam->socket_count; fd++) {
        char byte;
        /* 0: the peer has closed; EAGAIN: nothing has come, so all is well */
        if (seam->sockets[fd].open)
            alive += recv((int)fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0 || errno == EAGAIN;
    }
    return alive;
}

bool seam_follow(struct seam *seam, int fd, uint64_t headers, struct chunks *chunks)
{
    struct seam_socket *sock = seam_find(seam, fd);
    if (!sock || !sock->plain || sock->count < headers)
        return false;
    uint64_t body = sock->count - headers;
    if (body >= seam->piece.len || seam->piece.data[seam->piece.len - body - 1] != '\n')
        return false;
    sock->chunks = chunks;
    chunks_follow(chunks, span_of(seam->piece.data + seam->piece.len - body, (size_t)body));
    return true;
}

void seam_take(struct seam *seam, int fd)
{
    struct seam_socket *sock = seam_find(seam, fd);
    if (!sock)
        return;
    sock->taken = true;
    sock->chunks = NULL;
}

ssize_t seam_recv(struct seam *seam, int fd, void *data, size_t len)
{
    return seam_read_stamped(seam, fd, data, len, MSG_DONTWAIT);
}

void seam_give_back(struct seam *seam, int fd, struct span bytes, int error)
{
    struct seam_socket *sock = seam_find(seam, fd);
    if (!sock)
        return;
    sock->taken = false;
    sock->error = error;
    seam->given = bytes;
    seam->given_to = fd;
}

size_t seam_given(const struct seam *seam, int fd)
{
    return seam->given_to == fd ? seam->given.len : 0;
}

void seam_let_go(struct seam *seam, int fd)
{
    struct seam_socket *sock = seam_find(seam, fd);
    if (seam_given(seam, fd))
        seam->given = span_of(NULL, 0);
    if (!sock)
        return;
    sock->chunks = NULL;
    sock->taken = sock->plain = false;
    sock->error = 0;
}

void seam_await_send(struct seam *seam, uint64_t *sent_ns)
{
    seam->sent_ns = sent_ns;
}

struct seam_read seam_last(const struct seam *seam, int fd)
{
    if (fd < 0)
        return seam->last;
    return (size_t)fd < seam->socket_count ? seam->sockets[fd].last : (struct seam_read){0};
}

struct seam_clock seam_clock(const struct seam *seam)
{
    return seam->clock.said;
}
