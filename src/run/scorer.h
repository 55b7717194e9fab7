/* A scorer: takes ended exchanges, has them read and judged, keeps its own statistics, hands the
 * samples on to main. */
#pragma once

#include "model/stats.h"
#include "run/line.h"

struct script;

enum { SCRIPT_ERROR_LIMIT = 100 }; /* so many requests failed by the script end the run */

struct scorer {
    struct line *line;
    struct script *script; /* its own state */
    struct stats *whole, *steady;
};

void *scorer_run(void *scorer); /* a thread's function */
