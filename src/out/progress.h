/* Progress: a live line on a terminal, else one plain line every so many finished requests. Writes
 * to stderr. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "model/sink.h"

struct progress;

/* `terminal`: stderr is one, draw the live line (at most five times a second of the run's time);
 * else a plain line at every `every`-th request of a stage that ends with an answer or a failure,
 * with the figures of that moment (0 = none). It is one line for every so many, however fast they
 * come: a small number floods. `log` is borrowed and may be NULL. */
struct progress *progress_new(struct log *log, bool terminal, uint64_t every);
void progress_free(struct progress *progress); /* clears the live line; NULL is allowed */
struct sink progress_sink(struct progress *progress);
