/* What the database of a run that was cut off says to the run that goes on with it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/own_metric.h"
#include "model/plan.h"
#include "model/resume.h"
#include "model/sample.h"

struct remains {
    char *given; /* the options as --config reads them, secrets hidden */
    char *files; /* JSON object of hashes */
    char *version, *name, *log;
    uint64_t started_wall_ns;
};

/* False: there is no such run, it came to its end, or nothing is known of its options. Release with
 * remains_fini in any case. */
bool remains_read(const char *path, struct remains *out, struct err *err) MUST_CHECK;
void remains_fini(struct remains *remains);

/* Where these stages were cut off; the database is claimed (store_claim). False: all of them had
 * ended, too. `held` is released by free().
 */
bool remains_place(const char *path, const struct plan *plans, size_t count, struct resume *out,
                   struct err *err) MUST_CHECK;
/* Gives `take` the results of the stage that were there one after another, in their order, with the
 * values of these metrics; the sample is freed afterwards. */
bool remains_samples(const char *path, const struct resume *resume, const struct own_metrics *own,
                     void (*take)(void *to, struct sample *sample), void *to,
                     struct err *err) MUST_CHECK;
