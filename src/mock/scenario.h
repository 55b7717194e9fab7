/* What a misbehaving server does, line by line: wait, send these bytes, stall, reset. The language
 * stands in docs/mock.md. Reading a scenario is here, carrying it out in scene.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

enum mock_step_kind {
    MOCK_STEP_SEND,   /* bytes, in one send */
    MOCK_STEP_DRIP,   /* bytes, each in a send of its own, `ns` after the last */
    MOCK_STEP_WAIT,   /* for `ns` */
    MOCK_STEP_REPEAT, /* the lines up to `jump`, `times` times */
    MOCK_STEP_END,    /* of the repeat at `jump` */
    MOCK_STEP_ANSWER, /* what a server that behaves would answer; then as NEXT */
    MOCK_STEP_NEXT,   /* the answer is over; goes on below with the connection's next request */
    MOCK_STEP_STALL,  /* nothing more, the connection stays open; the last of its answer */
    MOCK_STEP_CLOSE,  /* likewise */
    MOCK_STEP_RESET,  /* likewise */
};

struct mock_step {
    enum mock_step_kind kind;
    uint64_t ns;
    uint64_t times; /* UINT64_MAX = for ever */
    char *bytes;    /* owned */
    size_t len;
    size_t jump; /* index of the step that belongs to it */
};

enum {
    MOCK_SCENARIO_STEPS = 10000,
    MOCK_SCENARIO_BYTES = 64 << 20, /* of all it sends, and of its text */
    MOCK_SCENARIO_DEPTH = 8,        /* of repeats within repeats */
};

struct mock_scenario {
    struct mock_step *steps; /* at least one */
    size_t count;
};

/* Reads a scenario's text; files that it names are looked for in `folder` (NULL: it may name none).
 * On failure the sentence begins with "NAME:LINE: ". */
bool mock_scenario_parse(struct mock_scenario *scenario, const char *name, struct span text,
                         const char *folder, struct err *err) MUST_CHECK;
bool mock_scenario_load(struct mock_scenario *scenario, const char *path,
                        struct err *err) MUST_CHECK;
void mock_scenario_fini(struct mock_scenario *scenario);
