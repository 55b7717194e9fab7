/* One run from its options to its report, in a session. Main thread. */
#pragma once

#include "app/data.h"
#include "app/options.h"
#include "app/session.h"
#include "app/tokenizing.h"
#include "base/err.h"
#include "model/plan.h"
#include "model/report.h"
#include "out/progress.h"
#include "out/report_zh.h"
#include "script/script.h"

struct one_run {
    struct session *session;
    const struct options *options; /* valid ones; borrowed */
    struct data_source data;
    struct tokenizing tokenizing;
    struct script_services services;
    struct run_facts facts;
    struct plans plans;
    struct reports reports; /* their facts are these */
    char *resolve;          /* for http_config */
    struct resume resume;   /* with --resume */
    struct progress *progress;
    struct zh *zh; /* or the live line of the zh report */
    bool refused;  /* for its options, which only the loaded scripts could tell */
};

/* Release with one_run_fini. */
void one_run_init(struct one_run *run, struct session *session, const struct options *options);
/* Carries it out; the session has begun. EXIT_DONE: it ran, however it ended, and `reports` tell of
 * it. Else it could not start and nothing was measured: the exit code for that and the sentence,
 * which is empty when nothing need be said. */
int one_run_carry_out(struct one_run *run, struct err *err);
/* A script, the data or too many failures ended it. */
bool one_run_broken(const struct reports *reports);
/* What its reports say: EXIT_DONE, EXIT_NOTHING_SUCCEEDED or EXIT_INTERRUPTED. */
int one_run_exit_code(const struct reports *reports);
void one_run_fini(struct one_run *run);
