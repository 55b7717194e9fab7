/* What --debug shows: requests and answers with their times, as notes in the log. A sink: it tells
 * of finished exchanges, so that looking costs the clock nothing. Headers are a note each, ">"
 * those of the request and "<" those of the answer; the values of confidential ones
 * ("Authorization", "Set-Cookie") are never shown. Main thread only. */
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
