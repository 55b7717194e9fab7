/* Conditions on a stage, such as "p99_ttft>500ms": one figure of its summary compared with a limit
 * in the figure's unit. A figure is a statistic of a metric (p99_ttft or ttft.p99), a metric that
 * is one number a stage (request_throughput), how many requests had an outcome (http_429), or one
 * of error_rate, due, failed, not_started, resent. Pure. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "model/own_metric.h"
#include "model/stats.h"

enum { CONDITION_SIZE = 160 }; /* with the NUL */

/* What became of a condition that says when a stage has failed. */
struct judgement {
    char condition[CONDITION_SIZE]; /* as it was written */
    double value;                   /* in the metric's own unit; NAN = there was none */
    char shown[64];                 /* the same for people, "-" = none */
    bool failed;                    /* it is true, or there was no value */
    bool marked;                    /* too few values carry it */
    char why[200];                  /* why there was no value; "" = there was one */
};

/* Whether it can be read. `own`: a script's metrics, NULL = it has none. `more`: names that are not
 * known may yet come from a script, so that they are no mistake. */
bool condition_check(const char *text, const struct own_metrics *own, bool more,
                     struct err *err) MUST_CHECK;
/* The same against all that a summary holds. */
bool condition_check_in(const char *text, const struct summary *summary,
                        struct err *err) MUST_CHECK;
void condition_judge(const char *text, const struct summary *summary, struct judgement *out);
