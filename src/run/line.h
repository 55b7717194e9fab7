/* The line that an exchange moves down: what its stations share, and nothing else.
 *
 * composer ──ready──▶ workers ──finished──▶ scorers ──samples──▶ main. Whatever is not a queue is
 * an atomic that says how far the run is; each is written in one place, named below. Times are
 * clock_now_ns. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/queue.h"
#include "model/plan.h"
#include "model/report.h"

struct line;
struct pin;
struct watch;

/* A station that must hear of the release and of the stop (the workers' loops). */
struct line_listener {
    void (*wake)(void *arg); /* thread-safe and quick */
    void *arg;
};

struct line {
    const struct plan *plan;
    uint64_t elapsed_ns; /* of the stage, before the run was cut off; its start lies so far back */
    struct log *log;
    char *preconnect_url;            /* owned; NULL = no connection is opened beforehand */
    struct queue *connected;         /* closed once they are open, always empty; NULL likewise */
    const struct pin *pin;           /* the run's */
    struct queue *ready;             /* struct request, made by the composer */
    struct queue *finished;          /* struct exchange, ended by a worker */
    struct queue *samples;           /* struct sample, made by a scorer */
    size_t ready_limit;              /* bytes that `ready` takes */
    uint64_t max_bytes;              /* of the queues and what is in flight together */
    struct line_listener main;       /* hears when the composer has left */
    struct line_listener *listeners; /* set before any thread starts */
    size_t listener_count;

    _Atomic uint64_t start_ns; /* the stage began: set by line_release */
    _Atomic uint64_t stop_ns;  /* starting stopped; 0 = it goes on: set by line_stop */
    _Atomic int end;           /* enum run_end, valid once stop_ns is set */
    _Atomic bool cancelled;    /* in-flight exchanges are to be cancelled now: line_cancel */

    _Atomic uint32_t in_flight, max_in_flight; /* workers */
    _Atomic uint64_t started, ended;           /* workers */
    _Atomic uint64_t first_start_ns, last_start_ns, steady_start_ns;
    _Atomic uint64_t in_flight_bytes; /* workers: requests and answers in flight */
    _Atomic uint64_t not_started;     /* due before the stop, never started: workers, as they end */
    _Atomic uint64_t given;           /* composer: requests on the line so far */
    _Atomic uint64_t begun;           /* workers: of them, taken to be started */
    _Atomic bool composer_left;       /* composer: its thread is about to end */
    _Atomic uint64_t data_cycles;     /* composer */
    _Atomic uint64_t script_errors;   /* scorers */
    _Atomic uint64_t bodies_left_out; /* scorers */
    _Atomic uint32_t overdue;         /* hooks that did not return in time: line_overdue */
    _Atomic(char *) overdue_why;      /* of the first of them, owned; NULL = there was none */
    struct watch *watch;              /* the run's */
    _Atomic uint32_t
        connecting; /* workers that are opening connections; the last closes `connected` */
    _Atomic uint32_t workers_left, scorers_left; /* the last to leave closes the next queue */
};

/* Lets the workers start: the first requests are ready. Only the first call counts. */
void line_release(struct line *line);
/* The moment at which this stage stops by its duration; UINT64_MAX = it does not, has not begun, or
 * has nothing more to start. */
uint64_t line_deadline_ns(struct line *line);
/* Starting stops as of `at_ns` (no later than the deadline); only the first call counts and names
 * the end. Wakes everybody. Thread-safe. */
void line_stop(struct line *line, enum run_end end, uint64_t at_ns);
/* A hook did not return in time: the stage stops starting, and says why. Thread-safe. */
void line_overdue(struct line *line, const char *sentence);
/* Stops and cancels if what is on the line has passed its ceiling; false once all is cancelled.
 * Thread-safe. */
bool line_weigh(struct line *line);
/* Stops, and in-flight exchanges are cancelled. Thread-safe. */
void line_cancel(struct line *line);
bool line_stopped(struct line *line);
/* Book-keeping of one exchange; called by its worker. */
void line_started(struct line *line, uint64_t started_ns);
void line_ended(struct line *line);
/* An exchange of this stage from before the run was cut off, its times those of this run. */
void line_earlier(struct line *line, uint64_t started_ns);
void line_wake_all(struct line *line); /* the workers; thread-safe */
/* The calling thread gives way to the workers where cores are short: called by stations off the
 * clock. */
void line_step_back(void);
