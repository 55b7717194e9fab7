/* The kinds of report that --report names, and printing a stage in them. Main thread. */
#pragma once

#include <stdio.h>

#include "base/err.h"
#include "base/list.h"
#include "base/secrets.h"
#include "model/report.h"

/* Names that are none are refused, a name given twice counts once. */
bool report_kinds_check(const struct list *names, struct err *err) MUST_CHECK;
bool report_kinds_wanted(const struct list *names, const char *name);
/* In the order of the names. False: there was none to print. */
bool report_kinds_print(const struct list *names, FILE *out, const struct report *report,
                        struct secrets *secrets);
