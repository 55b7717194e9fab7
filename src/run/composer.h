/* The composer: walks the plan, takes prompts from the data, has the API script build requests and
 * keeps a few of them ready. */
#pragma once

#include "run/line.h"

struct script;

struct composer {
    struct line *line;
    struct script *script; /* used by this thread alone while it runs */
    uint64_t composed;
    char *failure; /* why the data ended early; owned, NULL = it did not */
};

void *
composer_run(void *composer); /* a thread's function; closes `ready` when nothing more comes */
