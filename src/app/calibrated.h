/* Where the last calibration of this host is kept, for the runs after it. */
#pragma once

#include "base/err.h"
#include "base/log.h"
#include "base/span.h"

struct run_facts;

/* $XDG_STATE_HOME/llmbench/calibration.json, else below ~/.local/state; owned, NULL when the
 * environment names no place. */
char *calibrated_path(void);
bool calibrated_keep(const char *path, struct span json, struct err *err) MUST_CHECK;
/* The calibration that there is becomes part of the facts, whose host is known; none: nothing. One
 * that cannot be read is named in the log. */
void calibrated_look(struct run_facts *facts, struct log *log);
