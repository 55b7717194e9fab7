/* Sets the line up (composer → workers → scorers → main), runs it to its end and takes it down
 * again. Main thread. */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/log.h"
#include "base/secrets.h"
#include "io/http.h"
#include "model/live.h"
#include "model/plan.h"
#include "model/report.h"
#include "model/resume.h"
#include "model/sink.h"
#include "script/script.h"

struct tokenizer;

/* Where a run goes on from those before it, whose results are in the same files. */
struct run_place {
    uint32_t stage;   /* number of its first stage */
    uint64_t arrival; /* of its first request */
    uint64_t items; /* of the data set that are passed over, unless the first stage begins the data
                       anew */
    uint64_t body_bytes; /* of bodies that are in the database */
    bool bodies_full;    /* --store-max was reached */
};

/* Gets a sample of what is in the database already; it may be changed, but is not owned. */
typedef void run_earlier_fn(void *to, struct sample *sample);

struct run_config {
    const struct run_spec *spec;
    const struct plan *plans; /* the stages, warm-up included; borrowed */
    size_t plan_count;
    struct script_config script;       /* role is set by the line itself */
    const struct tokenizer *tokenizer; /* borrowed, NULL = none was given */
    struct http_config http;           /* end_marker and connections are set by the line */
    struct run_place *place;     /* becomes that of a run to follow; NULL = nothing came before, and
                                    with this run the sinks hear of the end */
    const struct resume *resume; /* what is gone on with; NULL = a new run */
    /* Gives the results that `resume` has of its stage, in their order; the stage is over. */
    bool (*earlier)(void *arg, run_earlier_fn *take, void *to, struct err *err);
    /* A stage has begun at this moment, with this arrival; before its first sample. May be NULL. */
    void (*began)(void *arg, uint32_t stage, uint64_t start_ns, uint64_t first_arrival);
    struct log *log;
    const struct sink *sinks;
    size_t sink_count;
    struct run_facts
        *facts; /* api and dataset are filled in once the scripts are loaded, before `ready` */
    /* Called when the scripts are loaded and nothing has been sent: opens the database, probes the
     * target. */
    bool (*ready)(void *arg, const struct script_facts *facts, struct http_config *http,
                  struct err *err);
    /* A summarised stage has ended: prints its report. May be NULL. */
    void (*stage_done)(void *arg, const struct report *report);
    /* SIGUSR1: somebody wants to see how far the run is. `rests`: it stands between two stages, and
     * `live` tells of the one before. May be NULL. */
    void (*show)(void *arg, const struct live *live, bool rests);
    /* A third interrupt: keeps what is stored and does not come back. May be NULL. */
    void (*abandon)(void *arg);
    /* A script has got stuck in the main thread, before the run or in a hook of main: says so,
     * keeps what is stored and does not come back. In a thread of its own. May be NULL. */
    void (*stuck)(void *arg, const char *sentence);
    void *arg;
};

/* False: it could not start (script, data, target); nothing was measured. True: `reports` are
 * filled, however it ended. */
bool run_execute(struct run_config *config, struct reports *reports, struct err *err) MUST_CHECK;
