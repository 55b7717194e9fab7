/* Standard output, standard error and pipes that may not take what is written to them: a terminal
 * that is held, a pipe that nobody reads. Signals that end the program are blocked and read by
 * the loop (base/interrupt.h), so that a plain write(2) which waits would hide Ctrl-C. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* From now on `stdout` waits for its reader until a signal that ends the program has come, and
 * takes nothing more then (a write fails with EINTR). `stderr` does the same where it is
 * `read_whole`. Else it is waited for no longer than a second, since nobody is to hold up a run by
 * not reading its messages: what it does not take is counted, and the count is the first thing it
 * gets when it takes something again. Called by main, before any other thread starts and after
 * signals_block; a second call does nothing. */
void outputs_guard(bool read_whole);

/* The descriptor that such a stream, or any other, writes to; -1 = none. */
int output_descriptor(FILE *file);

/* Opens an existing file that cannot be replaced, only written to (a pipe, a device), as such a
 * stream as stdout is; a pipe's reader is waited for in the same way. NULL: errno. */
FILE *output_open(const char *path);
