/* --work-dir DIR: the outputs of each run go to a folder of their own,
 * DIR/output/NAME-YYYYmmddHHMMSS, NAME being --name with '_' for blanks. Main thread. */
#pragma once

#include <stdint.h>

#include "app/options.h"

/* False: it was given together with --outputs-dir, or is empty. */
bool work_dir_check(const struct opt_set *set, const struct run_spec *spec,
                    struct err *err) MUST_CHECK;
/* With --work-dir, that folder becomes the outputs' folder. Call once, when the run begins. */
void work_dir_apply(struct options *options, uint64_t wall_ns);
