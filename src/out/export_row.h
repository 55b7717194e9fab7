/* What the texts of one row of a run's database become in an export. Pure: JSON in, base64 of
 * pickles out. Only for export.c. */
#pragma once

#include <stdint.h>

#include "base/buf.h"

/* Appends the request body as the base64 of a pickle: a dict for a JSON object. A body that is not
 * JSON becomes a str, with U+FFFD for what is no text. */
void export_request(struct span body, struct buf *out);
/* Appends the strings of a JSON list as the base64 of a pickled list: without the end marker
 * [DONE], which the originals never stored, and only those that are `wanted` (NULL: all); the
 * others are added to `left_out`. False when it is not such a list. */
bool export_messages(struct span list, bool (*wanted)(struct span message), struct buf *out,
                     uint64_t *left_out, struct err *err) MUST_CHECK;
/* Is it JSON whose choices[0].delta.content is a string? */
bool export_has_content(struct span message);

/* What the original programs derive from the times of an answer's events. */
struct export_chunks {
    uint64_t count;
    double first, last, before_last; /* Unix seconds; as far as there are so many */
};

/* From a JSON list of numbers; false when it is not one. */
bool export_chunk_times(struct span list, struct export_chunks *chunks, struct err *err) MUST_CHECK;
