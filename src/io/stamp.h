/* Which read of the socket a piece of an answer came with, and when that read was: every stamp of
 * an exchange that is not a mere bookkeeping time is taken here.
 *
 * libcurl hands a body over in pieces: one read of the socket that holds five chunks makes five
 * calls. They are one read all the same and share one stamp; otherwise events that arrived together
 * would seem to be some hundred nanoseconds apart.
 *
 * The kernel stamps what it receives by the wall clock; struct stamp_clock turns that into the one
 * clock. It is pure: readings of both clocks come from outside. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/seam.h"

/* How much one read of ours takes at most. Events are small; and of bytes that have waited the
 * kernel tells only when the last of a read came, so that short reads tell more. */
enum { STAMP_BUFFER = 4096 };

/* The last read of one transfer; zeroed at the start. */
struct stamp_read {
    uint64_t own_ns;
    uint64_t kernel_ns; /* 0 = not known */
    bool more;          /* further bytes were there already */
    uint64_t number;    /* the seam's serial, or the turn where the seam saw nothing */
};

/* Notes a piece of an answer that came by `last`. True: it begins a new read, which has been
 * stamped. False: it belongs to the read noted last. `turn` numbers the calls into libcurl: where
 * the seam saw no read, all pieces of a turn count as one read at the time of the first. */
bool stamp_read(struct stamp_read *read, struct seam_read last, uint64_t turn);
/* The time a read stands for: the kernel's where it gave one, else ours. */
static inline uint64_t stamp_ns(const struct stamp_read *read)
{
    return read->kernel_ns ? read->kernel_ns : read->own_ns;
}

/* How far the wall clock stands before the monotonic one, and since when. */
struct stamp_clock {
    int64_t offset_ns;
    uint64_t sampled_ns; /* when the offset was last looked at; 0 = never */
    uint64_t valid_ns;   /* stamps from before this moment are of another offset */
    struct seam_clock said;
};

/* A reading of both clocks: monotonic, wall, monotonic, one right after the other. Readings that
 * took long are left out. An offset other than the last is a step of the wall clock: counted, and
 * stamps from before this reading are no longer taken. */
void stamp_clock_sample(struct stamp_clock *clock, uint64_t before_ns, uint64_t wall_ns,
                        uint64_t after_ns);
/* Whether both clocks should be read (again) before a stamp read at `own_ns` is converted: the last
 * reading is old, or the stamp looks odd, as after a step. */
bool stamp_clock_due(const struct stamp_clock *clock, uint64_t wall_ns, uint64_t own_ns);
/* The kernel's wall-clock stamp as a monotonic time; 0 when it cannot be trusted: it would be later
 * than our own, or from before a step. */
uint64_t stamp_clock_convert(const struct stamp_clock *clock, uint64_t wall_ns, uint64_t own_ns);
