/* The times of sends and reads: every stamp of an exchange that is not a mere bookkeeping time is
 * taken here, so that the kernel's own times can take over without touching the rest.
 *
 * libcurl hands the body over in pieces: one read of the socket that holds five chunks makes five
 * calls. They are one read all the same and share one stamp; otherwise events that arrived together
 * would seem to be some hundred nanoseconds apart. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The size of the buffer that libcurl reads into: pieces of one read lie no further apart. */
enum { STAMP_BUFFER = 4096 };

/* The last read of one transfer; zeroed at the start. */
struct stamp_read {
    uint64_t own_ns;
    uint64_t kernel_ns; /* 0 = not known */
    uint64_t turn;
    const char *end; /* where its last piece ended in libcurl's buffer */
};

uint64_t stamp_now_ns(void);  /* for the bytes that are being handed over right now */
uint64_t stamp_sent_ns(void); /* for a request of which the first byte is about to be sent */
/* Notes a piece of the body. True: it begins a new read, which has been stamped. False: it belongs
 * to the read noted last. `turn` numbers the calls into libcurl (from 1). `decoded`: the bytes were
 * unpacked elsewhere, so that their place tells nothing and all pieces of a turn count as one
 * read. */
bool stamp_read(struct stamp_read *read, uint64_t turn, const char *data, size_t len, bool decoded);
