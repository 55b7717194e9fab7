/* A calibration as text: for the terminal, as JSON, and back from JSON as the sentence that a run
 * shows. */
#pragma once

#include <stdio.h>

#include "base/err.h"
#include "base/span.h"
#include "model/calibration.h"

/* "100 streams", "2.5 requests/s". Returns `out`. */
char *calibration_load_text(bool open, double load, char *out, size_t size);
void calibration_show(const struct calibration *calibration, FILE *out);
char *calibration_json(const struct calibration *calibration); /* released by free() */

/* What a run says of a calibration it found: "2026-11-23: ITL error p99 12 us at 100 streams; sound
 * up to 800 streams", and whether that was another machine or version. NULL: the text is no
 * calibration. Released by free(). */
char *calibration_line(struct span json, const char *version, const char *machine,
                       const char *host);
