/* The hooks of main: `interval` and `done` of the scripts, in a Lua state of their own, which is
 * there only if a script has one of them. Main thread. */
#pragma once

#include "base/log.h"
#include "model/live.h"
#include "model/report.h"
#include "run/line.h"
#include "script/script.h"
#include "script/shared.h"

struct hooks {
    struct shared *shared; /* of the run; borrowed */
    struct log *log;
    struct script *script; /* for the run to close; NULL = no script has a hook of main */
    bool interval, done;   /* still called */
    uint64_t next_ns;      /* when interval is due */
};

/* `composer`: its state is open. */
bool hooks_open(struct hooks *hooks, const struct script_config *config,
                const struct script *composer, struct err *err) MUST_CHECK;
void hooks_begin(struct hooks *hooks, uint64_t now_ns); /* a stage does */
/* Calls interval if a second has passed. An error ends these calls, no return in time the run. */
void hooks_tick(struct hooks *hooks, struct line *line, const struct live *live, uint64_t now_ns);
/* The report is complete but for what scripts say of it, which this adds. `last`: no stage follows.
 */
void hooks_report(struct hooks *hooks, struct report *report, bool last);
