/* What `llmbench report` makes of --fail-on: its exit code, and a sentence on stderr for each
 * reason why it is not 0. */
#pragma once

#include "app/report_options.h"
#include "out/reread.h"

/* Whether the conditions that were given are of figures that some stage has. */
bool report_pass_check(const struct list *fail_on, const struct reports *reports,
                       struct err *err) MUST_CHECK;
/* EXIT_DONE where nothing was asked. Else EXIT_NOTHING_SUCCEEDED if a stage that is reported fails
 * a condition, or if the run would have had another code than 0 whatever its conditions: a stage
 * without a success, an early end, the end cut off. */
int report_pass(const struct report_spec *spec, const struct reports *reports);
/* A sentence that may hold words of the database, which may be anybody's. */
void report_say(const struct err *err);
