/* The same facts as JSON, each once; keys are stable and documented in docs/json.md. Every time is
 * in seconds. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/opt.h"
#include "base/secrets.h"

struct reports;

/* The options of this origin and, as null, those taken away (`without`): JSON text, owned. */
char *json_report_given(const struct opt_set *options, enum opt_origin origin,
                        const struct list *without, struct secrets *secrets);

void json_report(const struct reports *reports, struct secrets *secrets, struct buf *out);
/* To a file (atomically: written beside it, then renamed) or to stdout for "-". */
bool json_report_write(const struct reports *reports, struct secrets *secrets, const char *path,
                       struct err *err) MUST_CHECK;
