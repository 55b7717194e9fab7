/* Logging to Weights & Biases while the run goes on: a run is created, gets a line of history with
 * the running metrics at most once a second, a heartbeat when nothing else is sent, and at the end
 * the summary and the exit code. Docs: docs/wandb.md; request shapes: wandb_text.h.
 *
 * Main gives samples of the run to the sink, which never waits; a thread of its own sends them
 * through the transport. Between the two stands a bounded queue that gives up its oldest line when
 * it is full (counted, said once at the end). Whatever fails is tried a few times; then one
 * warning is written, nothing more is sent, and the run goes on as if nothing had been. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secrets.h"
#include "model/sink.h"

struct run_facts;
struct wandb;

/* How requests travel; out owns no sockets. */
struct wandb_transport {
    void *self;
    /* POSTs the JSON to the service's root + `path`, signed with the key. True: an answer came,
     * with its status, its body appended to `answer` (which has a ceiling). From wandb's thread. */
    bool (*post)(void *self, const char *path, const char *json, long *status, struct buf *answer,
                 struct err *err);
    /* The post under way and all later ones fail within a second. From main. */
    void (*cancel)(void *self);
};

/* Everything is borrowed until wandb_finish. */
struct wandb_config {
    const char *project;
    const char *page_root; /* before "/ENTITY/PROJECT/runs/RUN" in the note that names the run */
    const struct run_facts *facts;
    struct wandb_transport transport;
    bool (*hurried)(void); /* whether to wait no longer at the end; may be NULL */
    struct log *log;
    struct secrets *secrets; /* may be NULL */
    uint64_t seed;           /* of the run's name in URLs */
    uint64_t pause_ns;       /* least time between two posts of lines; 0 = the usual */
    uint64_t backoff_ns;     /* before the second try, doubled from try to try; 0 = the usual */
    uint64_t patience_ns;    /* at most waited for at the end; 0 = the usual */
};

/* Starts the thread. NULL: it cannot be started; that has been said. */
struct wandb *wandb_start(const struct wandb_config *config);
struct sink wandb_sink(struct wandb *wandb);
/* Sends what is left, the summary and this exit code, and waits for that at most ten seconds. Frees
 * it. NULL is allowed. */
void wandb_finish(struct wandb *wandb, int exit_code);
