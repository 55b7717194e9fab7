/* An experiment: a Lua file that drives whole runs from a state of its own, on the main thread.
 * `require "bench"` (lua/bench.lua over the functions below) does what it asks for through its
 * host. Nothing bounds the time of an experiment's own code; a signal ends it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "script/script.h"

struct reports;

struct experiment_host {
    /* Carries a run out with the options of this JSON object. `reports` stay until the next call.
     * False: it could not start. */
    bool (*run)(void *arg, struct span given, const struct reports **reports, struct err *err);
    /* `own` has been filled with the options that the experiment declares: reads the command line
     * with them. `values` of all options stay. */
    bool (*options)(void *arg, const struct opt_set **values, struct err *err);
    struct script_options *own; /* the host's */
    void (*print)(void *arg, struct span text);
    /* Writes a file, whole or not at all; one that is there only if `replace`. */
    bool (*write)(void *arg, const char *path, struct span content, bool replace, struct err *err);
    /* Whether a signal waits to be heard: ends what the experiment is doing, or soon does. */
    bool (*interrupted)(void *arg);
    void *arg;
};

/* `name`: a file, or a name as in lua/experiments. `host` and what is in `config` (log, secrets,
 * services; opts: the program's own rows, whose values are not looked at) are borrowed. Close by
 * script_close. */
struct script *experiment_open(const char *name, const struct experiment_host *host,
                               const struct script_config *config, struct err *err);
/* Runs the file to its end. False: an error in it, or one that it left alone. */
bool experiment_run(struct script *script, struct err *err) MUST_CHECK;
