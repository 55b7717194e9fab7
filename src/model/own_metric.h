/* Metrics that a script adds to the table of model/metric.h: with one value a request, which the
 * sample carries, or with one number a stage. Plain facts: whoever makes them keeps them for as
 * long as samples and summaries point to them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/span.h"
#include "model/metric.h"

/* Ceilings; the texts' are in bytes, with the NUL at the end. */
enum {
    OWN_METRICS = 32,
    OWN_NAME = 48,
    OWN_TITLE = 64,
    OWN_UNIT = 24,
    OWN_FORMULA = 200,
};

struct own_metric {
    char name[OWN_NAME]; /* like a built-in one's, and never the same */
    char title[OWN_TITLE];
    char unit[OWN_UNIT];       /* metric_unit_name's, or the script's own word for it */
    char formula[OWN_FORMULA]; /* "" = not said */
    enum metric_unit kind;     /* UNIT_OWN for a word of the script's own */
    enum metric_over over;     /* OVER_SUCCESSES, OVER_ALL_WITH_RESPONSE or OVER_STAGE */
};

struct own_metrics {
    struct own_metric items[OWN_METRICS];
    size_t count;
};

/* What a script says of one metric; NULL data = not said. */
struct own_metric_texts {
    struct span name, title, unit, formula;
};

/* Adds one. Without a title its name serves, without a unit it is a count. False: err says what is
 * wrong with it, beginning with its name. */
bool own_metrics_add(struct own_metrics *metrics, const struct own_metric_texts *texts,
                     enum metric_over over, struct err *err) MUST_CHECK;
const struct own_metric *own_metrics_find(const struct own_metrics *metrics,
                                          const char *name); /* or NULL */
/* Whether two loadings of one script gave the same ones in the same order. */
bool own_metrics_equal(const struct own_metrics *a, const struct own_metrics *b);
