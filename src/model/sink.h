/* A sink gets every sample, a reporter gets the summaries; both are named operations over an opaque
 * self. Main thread only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct live;
struct plan;
struct report;
struct reports;
struct run_facts;
struct sample;

struct sink {
    const char *name;
    void *self;
    /* A failure does not end it: it goes on being given everything, and tells none but the first.
     */
    bool lasts;
    uint64_t (*lost)(void *self); /* samples so far that it was given and has not kept */
    bool (*sample)(void *self, const struct sample *sample, bool with_bodies,
                   struct err *err); /* any pointer may be NULL */
    bool (*tick)(void *self, const struct live *live, struct err *err); /* some times a second */
    /* A stage begins (warm-ups too) and ends (summarised ones only); the run ends. */
    bool (*stage_begin)(void *self, uint32_t stage, const struct plan *plan, struct err *err);
    bool (*stage_end)(void *self, const struct report *report, struct err *err);
    bool (*end)(void *self, const struct reports *reports, struct err *err);
};
