/* Environment variables from a file (--env-file). Main thread, before any other is started.
 *
 * Lines are NAME=VALUE, with or without `export` before them; blank lines and what follows a '#'
 * are skipped. A value may stand in 'single quotes', which keep everything as it is, or in "double
 * quotes", within which \n, \t, \", \\ and \$ are escapes. Nothing is substituted. */
#pragma once

#include "base/err.h"

/* Sets the variables that the environment does not have; of a name that stands twice the last
 * value counts. All or nothing: one bad line, and none is set. False: the sentence names file and
 * line. */
bool env_file_read(const char *path, struct err *err) MUST_CHECK;
