/* Whole files. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

bool read_file_exists(const char *path);
/* The file's bytes, released by free(). A file of more than `most` bytes is an error. */
bool read_file(const char *path, size_t most, char **bytes, size_t *len,
               struct err *err) MUST_CHECK;
