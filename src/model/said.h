/* What scripts told of a stage besides their metrics: shared counters and the lines of `done`.
 * Strings are as the script gave them, hostile to a terminal perhaps: whoever shows them cleans
 * them. */
#pragma once

#include <stddef.h>

#include "base/list.h"

enum {
    COUNTERS_MOST = 256,
    COUNTER_NAME = 64, /* bytes with the NUL at the end */
};

/* One value that all threads of a run share. */
struct counter {
    char name[COUNTER_NAME]; /* UTF-8 without control characters */
    double value;
};

struct own_metrics;

struct said {
    struct counter *counters; /* by name; owned, NULL = none */
    size_t counter_count;
    struct list lines;           /* of `done` */
    struct own_metrics *metrics; /* that `done` added to the summary; owned, NULL = none */
    char *error;                 /* how `done` failed; owned, NULL = it did not */
};

void said_fini(struct said *said);
