/* The composer: walks the plan, takes prompts from the data, has the API script build requests and
 * keeps a few of them ready. */
#pragma once

#include "run/line.h"

struct script;

struct composer {
    struct line *line;     /* of this stage */
    struct script *script; /* used by this thread alone while it runs */
    uint32_t stage;
    uint64_t first;    /* arrival number of this stage's first request */
    uint64_t composed; /* in this stage */
    bool data_ended;   /* the next stage has to start the data again */
    char *failure;     /* why the data ended early; owned, NULL = it did not */
};

void *
composer_run(void *composer); /* a thread's function; closes `ready` when nothing more comes */
