/* Measures this program on this machine: runs against the mock server in another process, at the
 * load asked for and then at others, until the highest is found at which the verdict is sound. Main
 * thread. */
#pragma once

#include "app/calibrate_options.h"
#include "base/err.h"
#include "model/calibration.h"

/* EXIT_DONE: `found` is filled (released with calibration_fini in any case). Else the exit code and
 * the sentence, which is empty when nothing need be said. */
int calibrate(const struct calibrate_spec *spec, struct calibration *found, struct err *err);
