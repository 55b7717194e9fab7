/* The seam under libcurl. libcurl reads, writes and asks its sockets through the functions `recv`,
 * `send` and `poll` of the C library; this program defines the three itself, so that the kernel's
 * own receive stamp of each read and the moment of the first byte sent are known, and the middle of
 * an answer can be read without libcurl. Plain sockets and TLS go the same way, since libcurl hands
 * the TLS library its own socket functions.
 *
 * Only calls between seam_enter and seam_leave in the same thread, on sockets given to seam_socket,
 * are looked at; every other one passes through unchanged. One thread a seam. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/span.h"

struct chunks;
struct seam;

/* The last read of a socket; serial 0 = none yet. */
struct seam_read {
    uint64_t serial;    /* counts the reads of all sockets of the seam */
    uint64_t own_ns;    /* our stamp, taken when the read returned */
    uint64_t kernel_ns; /* the kernel's, of the last segment then queued, as a monotonic time;
                           0 = it gave none, or none that can be trusted */
    bool more; /* further bytes lay in the kernel already, so that its stamp may be theirs */
    bool end;  /* the peer had ended the connection: nothing was read */
};

/* Times at which the system's clock was set while the seam was in use, and by how much at most. */
struct seam_clock {
    uint64_t steps, largest_ns;
};

struct seam *seam_new(void);
void seam_free(struct seam *seam);
void seam_enter(struct seam *seam); /* NULL: nothing is looked at */
void seam_leave(void);
/* A socket has been opened: asks the kernel to stamp what it receives. What was known of an earlier
 * socket of the same number is forgotten. */
void seam_socket(struct seam *seam, int fd);
/* Its last read stays known until the number belongs to another socket. */
void seam_closed(struct seam *seam, int fd);
/* The next `send` in this thread that the kernel takes something of writes the time just before it
 * to *sent_ns. seam_leave ends the waiting: what could not be sent at once keeps what stands there.
 * On a connection that has carried a request before and holds bytes nobody asked for, it fails as
 * if the connection were broken; libcurl then takes a new one. */
void seam_await_send(struct seam *seam, uint64_t *sent_ns);
/* From inside the call with which libcurl hands over the end of a plain HTTP/1.1 response's
 * headers, which were `headers` bytes: `chunks` gets to know every byte of the body that libcurl
 * reads, from those that came with the headers on. False, and it does not: the bytes are not what
 * was said, as under TLS. */
bool seam_follow(struct seam *seam, int fd, uint64_t headers, struct chunks *chunks);
/* From now on libcurl finds nothing on this socket, and the house reads it by seam_recv, which
 * returns what recv returns. */
void seam_take(struct seam *seam, int fd);
ssize_t seam_recv(struct seam *seam, int fd, void *data, size_t len);
/* Gives the socket back: libcurl reads `bytes` first (the caller's, who keeps them until
 * seam_let_go), then the socket; an `error` that is not 0 stands for the next read of the socket.
 */
void seam_give_back(struct seam *seam, int fd, struct span bytes, int error);
/* Bytes given back that libcurl has not read. */
size_t seam_given(const struct seam *seam, int fd);
/* The answer on this socket is over: nothing follows, is taken or given back any more. */
void seam_let_go(struct seam *seam, int fd);
/* The last read of this socket; of any socket of the seam when `fd` is negative. */
struct seam_read seam_last(const struct seam *seam, int fd);
/* How many of its sockets are open and not closed by the peer. */
uint32_t seam_alive(const struct seam *seam);
struct seam_clock seam_clock(const struct seam *seam);
