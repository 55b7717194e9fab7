/* Where the data of a run comes from: a file of the user's, the cache, a download, or the sample
 * inside the binary. Main thread, before the run. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "model/run_spec.h"

struct data_source {
    char *path; /* what the dataset script opens, owned; NULL = nothing */
    char *said; /* for the report: "cache PATH", "bundled sample (200 prompts)", …; owned */
    int fd;     /* keeps a bundled sample readable as /proc/self/fd/N; -1 = none */
};

enum data_result { DATA_FOUND, DATA_FAILED, DATA_INTERRUPTED };

/* `show`: stderr is a terminal that may show progress. Release with data_source_fini in any case.
 */
enum data_result data_find(const struct run_spec *spec, struct log *log, bool show,
                           struct data_source *out, struct err *err);
void data_source_fini(struct data_source *source);
