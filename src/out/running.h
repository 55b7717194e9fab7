/* The running metrics of a run, as its progress lines and history rows name them: the one list of
 * them. Pure. */
#pragma once

#include <stddef.h>

#include "model/live.h"

struct running {
    const char *name;                      /* "time to first token" */
    int decimals;                          /* when shown as text */
    double (*of)(const struct live *live); /* seconds, counts, per second; NAN = not known yet */
};

extern const struct running running_metrics[];
extern const size_t running_metric_count;

/* All of them as a table under a line that says how far the run is; `rests`: between this stage and
 * the next. Released by free(). */
char *running_table(const struct live *live, bool rests);
