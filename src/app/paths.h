/* Files and folders: small helpers of the commands. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

enum { PATH_NAME_LIMIT = 200 }; /* bytes of a run's name: leaves room for suffixes */

bool path_ends_with(const char *path, const char *suffix);
char *path_folder(const char *path); /* the folder a file stands in ("." for a bare name), owned */
/* A folder with all folders above it; existing ones are fine. */
bool path_make_folder(const char *path, struct err *err) MUST_CHECK;
/* Appends the file's bytes; false when it cannot be read or passes the buffer's ceiling. */
bool path_read(const char *path, struct buf *out, struct err *err) MUST_CHECK;
/* Writes the file, whole or not at all. One that is there is only overwritten if `replace`. */
bool path_write(const char *path, struct span content, bool replace, struct err *err) MUST_CHECK;
/* {model}_benchmark_{YYYYmmdd_HHMMSS}, fit to be a file name ('/' and odd characters become '_');
 * without a model "llm". With a suffix _2, _3 … when `folder` holds a run of that name. Owned. */
char *path_run_name(const char *model, const char *folder, uint64_t wall_ns);
