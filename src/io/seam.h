/* The seam under libcurl. libcurl reads and writes its sockets through the functions `recv` and
 * `send` of the C library; this program defines the two itself, so that the kernel's own receive
 * stamp of each read and the moment of the first byte sent are known. Plain sockets and TLS go the
 * same way, since libcurl hands the TLS library its own socket functions.
 *
 * Only calls between seam_enter and seam_leave in the same thread, on sockets given to seam_socket,
 * are looked at; every other one passes through unchanged. One thread a seam. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

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
void seam_closed(struct seam *seam, int fd);
/* The next `send` in this thread that the kernel takes something of writes the time just before it
 * to *sent_ns. seam_leave ends the waiting: what could not be sent at once keeps what stands there.
 */
void seam_await_send(struct seam *seam, uint64_t *sent_ns);
/* The last read of this socket; of any socket of the seam when `fd` is negative. */
struct seam_read seam_last(const struct seam *seam, int fd);
/* How many of its sockets are open and not closed by the peer. */
uint32_t seam_alive(const struct seam *seam);
struct seam_clock seam_clock(const struct seam *seam);
