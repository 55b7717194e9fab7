/* The same facts as JSON, each once; keys are stable and documented in docs/json.md. Every time is
 * in seconds. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/secrets.h"

struct reports;

void json_report(const struct reports *reports, struct secrets *secrets, struct buf *out);
/* To a file (atomically: written beside it, then renamed) or to stdout for "-". */
bool json_report_write(const struct reports *reports, struct secrets *secrets, const char *path,
                       struct err *err) MUST_CHECK;
