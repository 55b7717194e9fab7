/* Progress: a live line on a terminal, else one plain line every so many finished requests. Writes
 * to stderr. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "model/sink.h"

struct progress;

/* `terminal`: stderr is one, draw the live line (at most five times a second of the run's time);
 * else a plain line whenever `every` more requests have been scored since the last (0 = none). A
 * fast run may pass several multiples between two ticks: that is one line, with the newest counts.
 * `log` is borrowed and may be NULL. */
struct progress *progress_new(struct log *log, bool terminal, uint64_t every);
void progress_free(struct progress *progress); /* clears the live line; NULL is allowed */
struct sink progress_sink(struct progress *progress);
