/* What one process measures goes into one session: one database, one log, one JSON report. A run is
 * carried out in it (one_run.h); each of its load shapes is a stage there. `llmbench run` carries
 * out one, an experiment several. Main thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "app/options.h"
#include "base/log.h"
#include "base/secrets.h"
#include "model/report.h"
#include "model/sink.h"
#include "out/reread.h"
#include "run/run.h"

enum { SINK_STORE, SINK_PROGRESS, SINK_WANDB, SINK_DEBUG, SINK_STAMPS, SINKS };

struct session {
    struct options *options; /* those that say where results go; borrowed */
    struct secrets *secrets;
    struct log *log;        /* NULL until session_log */
    struct run_facts facts; /* of the results; target, scripts and data are the first run's */
    char *libraries;
    struct store *store;
    int claim; /* of the database with --resume, until the store has it; -1 = none */
    struct wandb_curl *wandb_curl;
    struct wandb *wandb;
    struct debug *debug;
    struct sink sinks[SINKS]; /* the store joins when the first target has been probed; the
                                 progress belongs to the run under way */
    struct reports reports;
    struct reread reread; /* what the reports of stages point to that had ended before --resume */
    char *stage_options;  /* what the run under way was given beyond `options`, JSON; borrowed */
    struct run_place *place; /* where the next run goes on; NULL = there is one alone. Borrowed */
    size_t shown;            /* stages whose reports have been printed */
    bool files_made;         /* database and log */
    bool stuck; /* a thread is still inside Lua and may look at anything that is ours */
    bool http_begun;
};

/* `options` have been read, well or not. Release with session_fini, also before session_log. */
void session_init(struct session *session, struct options *options);
/* The log, as loud as the options want it; what they hold of secrets is hidden from here on. */
void session_log(struct session *session, bool options_valid);
/* The options have been read after all: the same for a log that is there. */
void session_listen(struct session *session);
/* Signals and libcurl; once, before anything waits or is looked up. */
bool session_begin(struct session *session, struct err *err) MUST_CHECK;
/* --resume: from now on nobody else can go on with the run, and what is read of it stays true. */
bool session_claim(struct session *session, struct err *err) MUST_CHECK;
/* Names the results after the first run. False: they would overwrite others. */
bool session_name(struct session *session, const struct run_facts *first,
                  struct err *err) MUST_CHECK;
/* Makes database and log, both or neither, unless they are there; the first run's target has
 * answered. */
bool session_open_files(struct session *session, const struct run_facts *first,
                        struct err *err) MUST_CHECK;
/* The same after all, when nothing has been measured. */
void session_remove_files(const struct session *session);
/* The third interrupt: what has been written stays valid, nothing else is waited for. */
void session_abandon(struct session *session);
/* A script has got stuck in the main thread before its run: says so, and what has been written
 * stays valid. In any thread; does not come back. */
void session_stuck(struct session *session, const char *sentence);

/* Where tables go: with the JSON on stdout they step aside, so that it can be parsed. */
FILE *session_tables(const struct session *session);
/* Prints the sentence (none: says nothing) and returns the code. */
int session_fail(const struct session *session, int code, const struct err *err);
/* The reports of the stages that had ended before the run was cut off, from its database. */
bool session_again(struct session *session, const struct resume *resume,
                   struct err *err) MUST_CHECK;
/* Takes the run's reports over: from now on they tell of the session's results. `options`: what the
 * run was given beyond the session's, JSON; NULL = nothing. */
void session_take(struct session *session, struct reports *reports, const char *options);
/* All runs have ended: closes the files, prints the comparison of several stages, writes the JSON.
 * `code` is what the runs say; returns the exit code. */
int session_end(struct session *session, int code);
/* What was printed may not have arrived: stdout may be full or gone. */
int session_flush(const struct session *session, int code);
/* Ends the program, with this code, when a thread is stuck. */
void session_fini(struct session *session, int code);
