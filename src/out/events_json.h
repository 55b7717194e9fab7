/* The raw events of one exchange as compact JSON, as out/schema.sql describes it. Only for this
 * folder. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "model/sample.h"

/* The moment that event times count from: sent, else started. */
uint64_t events_origin_ns(const struct exchange *exchange);
void events_json(const struct sample *sample, struct buf *out);
/* JSON list of the Unix times (seconds) of the data events. */
void events_chunk_times(const struct sample *sample, int64_t wall_offset_ns, struct buf *out);
