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
