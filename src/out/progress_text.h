/* The words of the progress display. Pure; only for progress.c and its test. */
#pragma once

#include "base/buf.h"
#include "model/live.h"

/* Over the last few seconds. */
struct progress_rates {
    double requests, events, reads; /* per second; NAN = not known yet */
};

/* "12.3s  340/1000  100 in flight  81.2 req/s  5,160 events/s  TTFT p50 52 ms  errors 0  ETA 8s",
 * of at most `columns` characters: where there is no room, the less important parts are left out
 * and the words are shortened (how far is ETA, the last thing to go). */
void progress_live_line(const struct live *live, const struct progress_rates *rates, size_t columns,
                        struct buf *out);
/* "Time: 7.5, concurrency: 1, completed: 15, …" on one line; "-" for what is not known. */
void progress_plain_line(const struct live *live, struct buf *out);
