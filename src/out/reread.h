/* A run's database read back: its results become samples again, which go into the same statistics
 * as those of a run do, and what only the end of a run knows is taken from where the run wrote it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/report.h"

struct reread_own;

struct reread_job {
    const char *path;
    const double *stages;       /* numbers of those wanted; borrowed */
    size_t stage_count;         /* 0 = all */
    const struct list *fail_on; /* judged by these; borrowed; NULL = by those of the run */
    bool (*stopped)(void *arg); /* asked now and then; NULL = never */
    void *arg;
};

/* What was read. */
struct reread {
    struct run_facts facts;
    struct reports reports;    /* their facts are these; those that the run had, without warm-ups */
    char *version, *libraries; /* of the facts; owned */
    struct reread_own **own;   /* one a report, which points to it; owned */
    bool cut_off;              /* the run did not come to its end; the last report says so, too */
};

enum reread_result {
    REREAD_DONE,
    REREAD_UNREADABLE, /* not there, damaged, no run's database, or of another version */
    REREAD_EMPTY,      /* no stage that could be reported */
    REREAD_STOPPED,    /* `stopped` said so */
};

/* Unless REREAD_DONE, `err` has the sentence. Release with reread_fini in any case; the struct must
 * not move in between. */
enum reread_result reread_run(struct reread *reread, const struct reread_job *job,
                              struct err *err) MUST_CHECK;
void reread_fini(struct reread *reread);
