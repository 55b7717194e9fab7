/* Sees to it that calls into Lua return in time: one thread looks at all scripts a few times a
 * second and costs the calls themselves two atomic stores.
 *
 * A call that lasts too long is first interrupted: it fails with an error that names where it was.
 * Lua that LuaJIT has compiled, and C functions, do not notice that; if nothing has come of it
 * after a short while the call is given up: its thread, should it ever return, never leaves the
 * bridge again, and the script must not be used, looked at or closed by anyone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct script;
struct watch;

struct watch_config {
    uint64_t limit_ns; /* for one call, what it waits in http and time.sleep left out; 0 = none */
    /* True: a call of this script that has lasted so long is interrupted now (Ctrl-C that nobody
     * else hears). In the watch's thread, or in a call that waits, which says UINT64_MAX. May be
     * NULL. */
    bool (*hurried)(void *arg, const struct script *script, uint64_t lasted_ns);
    /* A call of this script has been given up: "HOOK (FILE:LINE) did not return within 5 s". In
     * the watch's thread, which then watches on. Opens and closes no script. */
    void (*given_up)(void *arg, struct script *script, const char *sentence);
    void *arg;
};

struct watch *watch_new(const struct watch_config *config, struct err *err);
void watch_free(struct watch *watch); /* after the scripts that it watched, given up ones aside */
/* From now on calls get a tenth of the time: one has been too long, and what is left to do is to
 * end the run. Thread-safe. */
void watch_shorten(struct watch *watch);
/* Once it has returned, so has given_up. */
void watch_settle(struct watch *watch);

/* What is to be said of a call that was interrupted since this was last asked: "HOOK: FILE:LINE:
 * did not return within 5 s", owned by the caller; NULL = none was. By the script's own thread. */
char *script_take_overdue(struct script *script);
bool script_given_up(const struct script *script); /* thread-safe */
