/* An experiment under way: its Lua, its command line, and the session that its runs lie in. Main
 * thread. */
#pragma once

#include "app/data_places.h"
#include "app/one_run.h"
#include "app/options.h"
#include "app/session.h"
#include "run/run.h"
#include "script/experiment.h"

struct experiment {
    const char *name; /* as given; borrowed like argv */
    int argc, first;  /* the words behind it */
    char **argv;
    bool only_options; /* for the help: nothing is carried out */

    struct script *script;
    struct experiment_host host;
    struct script_services services;
    struct script_options own; /* options that it declares */
    struct options options;    /* of the command line */
    bool options_read;
    struct session session;
    struct run_place place;
    struct data_places data;
    struct reports view; /* of the run that Lua looks at: a part of the session's */

    size_t runs;
    bool stopped;       /* it has done what it was opened for: Lua is to end */
    bool interrupted;   /* by a signal: no further run */
    bool succeeded;     /* some request did */
    bool broken;        /* a run ended by a failure of a script or of the data, by
                           too many failures, or a stage fails by --fail-on */
    struct err failure; /* why a run could not start, the last one that could not … */
    int failure_code;   /* … and the exit code for that, if nobody catches it */
};

struct experiment *experiment_new(void); /* the words are then put in */
/* Loads it and runs it to its end, reports, and returns the exit code. */
int experiment_carry_out(struct experiment *experiment);
void experiment_free(struct experiment *experiment, int code);
