/* What reading a config file and dumping one share; for config.c and config_dump.c alone. */
#pragma once

#include <stdbool.h>

#include "base/opt.h"

#define CONFIG_REDACTED "[redacted]"
#define CONFIG_BENCH "bench.run" /* in the place of a file's name */

/* Options that say what to do with a config file, not what is in one. */
bool config_is_command_line(const struct opt_row *row);
/* Texts that are JSON objects, which stand in the file as such. */
bool config_is_json(const struct opt_row *row);
