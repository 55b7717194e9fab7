/* What --debug shows: requests and answers with their times, as notes in the log. A sink: it tells
 * of finished exchanges, so that looking costs the clock nothing. Main thread only. */
#pragma once

#include <stdint.h>

#include "base/log.h"
#include "base/secrets.h"
#include "model/sink.h"

struct debug;

/* Borrows log and secrets. Times of requests count from `start_ns`. */
struct debug *debug_new(struct log *log, struct secrets *secrets, uint64_t start_ns);
void debug_free(struct debug *debug); /* NULL is allowed */
struct sink debug_sink(struct debug *debug);
