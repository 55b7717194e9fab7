/* What options must say together, and values that are finished off before anybody reads them:
 * --headers joins --header, "@file" becomes its content, a data file as --dataset becomes
 * line_by_line or auto, --test-set a data set and its path. */
#pragma once

#include <stdbool.h>

#include "base/opt.h"
#include "model/run_spec.h"

struct own_metrics;

bool checks_run(struct opt_set *set, struct run_spec *spec, struct err *err) MUST_CHECK;
/* The part of it that says where results go. */
bool checks_results(const struct run_spec *spec, struct err *err) MUST_CHECK;
/* The part of it that says which data set is meant. */
bool checks_dataset(struct opt_set *set, struct run_spec *spec, struct err *err) MUST_CHECK;
/* Scripts and data that are named must be there: what is missing is no wrong option but keeps the
 * run from starting. Whether scripts are right shows when they are loaded. */
/* --fail-on. `own`: the script's metrics; `more`: a name that is not known may yet be one of a
 * script. */
bool checks_conditions(const struct list *conditions, const struct own_metrics *own, bool more,
                       struct err *err) MUST_CHECK;
bool checks_scripts(const struct run_spec *spec, struct err *err) MUST_CHECK;
bool checks_files(const struct run_spec *spec, struct err *err) MUST_CHECK;
