/* Signals that end the program, or ask it something. They are blocked and read as events by main's
 * loop (io/loop.h); whoever waits without that loop asks whether one has come. */
#pragma once

#include <signal.h>
#include <stdbool.h>

/* From the program's first moment on SIGUSR1 ends nothing, also where nobody hears it. */
void signals_hold(void);
/* Blocks SIGINT, SIGTERM, SIGHUP and SIGUSR1 in this thread and those that it starts (main calls it
 * before any); SIGPIPE and SIGXFSZ are ignored: a write says so. */
void signals_block(void);
sigset_t signals_all(void); /* those that are blocked */
/* Whether one that ends the program has come and has not been read yet. */
bool signals_pending(void);
