/* A scorer: takes ended exchanges, has them read and judged, keeps its own statistics, hands the
 * samples on to main. */
#pragma once

#include "model/stats.h"
#include "run/line.h"

struct counter;
struct script;
struct exchange;

enum { SCRIPT_ERROR_LIMIT = 100 }; /* so many requests failed by the script end the run */

struct scorer {
    struct line *line;
    struct script *script;              /* its own state */
    struct counter *counter;            /* its own too; NULL = there is no tokenizer */
    _Atomic(struct exchange *) current; /* being scored, or the last that was */
    struct stats *whole, *steady;
    uint64_t cpu_ns;     /* of its thread in this stage, once that has ended … */
    uint64_t left_ns;    /* … which was then */
    uint64_t blocked_ns; /* it waited for main, whose queue was full */
};

void *scorer_run(void *scorer); /* a thread's function */
/* The same for a scorer whose thread was given up: what it was at, and what no other scorer is left
 * to take, goes on unread. */
void *scorer_stand_in(void *scorer);
