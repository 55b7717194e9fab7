/* What `llmbench try` prints: requests as they would go out, and what a script reads in a recorded
 * answer. Into a buffer; secrets are hidden, and nothing that a terminal would obey comes through.
 */
#pragma once

#include "base/buf.h"
#include "base/secrets.h"
#include "model/sample.h"
#include "run/answer.h"
#include "script/script.h"

/* What `setup` returned. */
void try_show_setup(struct buf *out, struct script *script, struct secrets *secrets);
/* `open`: of an open loop, whose arrivals are due at fixed times. */
void try_show_request(struct buf *out, const struct request *request, bool open,
                      struct secrets *secrets);

/* Looks on while an answer is read, and then tells. */
struct try_reading {
    struct secrets *secrets;
    const char *how;  /* it was cut into events */
    struct buf *said; /* one for each event of the sample, empty for a ping */
    size_t said_count;
    char *fault; /* of a hook, owned */
    bool counted;
    int64_t prompt, completion; /* by parse_responses */
};

void try_reading_init(struct try_reading *reading, struct secrets *secrets);
struct answer_watch try_reading_watch(struct try_reading *reading);
void try_reading_show(struct buf *out, const struct try_reading *reading,
                      const struct sample *sample);
void try_reading_fini(struct try_reading *reading);
