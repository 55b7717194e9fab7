/* One stage of a run: a line of its own, workers of its own, and the report on it. The scripts, and
 * with them the place in the data, belong to the run and go on from stage to stage. */
#pragma once

#include <pthread.h>

#include "run/collector.h"
#include "run/composer.h"
#include "run/line.h"
#include "run/run.h"
#include "run/scorer.h"
#include "run/worker.h"

struct thread {
    pthread_t id;
    bool running;
    bool given_up; /* inside Lua, for ever: not joined */
};

struct stage {
    struct run_config *config;
    const struct plan *plan;
    uint32_t number;
    uint64_t first_arrival;
    uint64_t cpu_before_ns, warnings_before; /* of the process, when the stage was set up */
    struct line line;
    struct composer *composer; /* the run's */
    struct scorer *scorers;    /* the run's; their statistics are of this stage */
    size_t scorer_count;
    struct collector *collector; /* the run's */
    struct worker **workers;
    size_t worker_count;
    struct thread composer_thread, *worker_threads, *scorer_threads, *stand_ins;
    struct watch *watch;   /* the run's */
    const struct pin *pin; /* the run's */
};

/* Sets the line up; nothing runs yet. */
bool stage_open(struct stage *stage, struct err *err) MUST_CHECK;
/* Runs it to its end. False: a thread could not be started; nothing was sent. */
bool stage_run(struct stage *stage, struct err *err) MUST_CHECK;
/* A thread of the stage that uses this script does not come back: the others go on without it. In
 * the watch's thread. */
void stage_give_up(struct stage *stage, const struct script *script, const char *sentence);
void stage_report(struct stage *stage, struct report *report);
enum run_end stage_end(struct stage *stage);
void stage_close(struct stage *stage);
