/* A worker: an event loop that starts prepared requests in free slots at their time and keeps the
 * bytes and read marks of the answers. It does not frame, parse, look up, write or wait. */
#pragma once

#include <pthread.h>

#include "io/http.h"
#include "run/line.h"

struct request;
struct worker;

/* Facts of a worker that has ended. Times in ns. */
struct worker_facts {
    const struct hist *loop_lag;             /* lives as long as the worker */
    uint64_t cpu_ns;                         /* of its thread, from the release on */
    uint64_t starved, starved_ns;            /* starts that waited because no request was ready */
    uint64_t preconnect_asked, preconnected; /* connections */
    uint64_t paused;                         /* slots that paused after a failed connection */
    struct seam_clock clock;                 /* steps of the system's clock */
    uint64_t held;          /* starts held back because the stations behind were full … */
    uint64_t held_outputs;  /* … main's among them */
    uint64_t wait_ns;       /* its thread was ready and had no core; UINT64_MAX = not known */
    uint64_t no_descriptor; /* connections not made because no descriptor was left */
};

struct worker *worker_new(struct line *line, uint32_t number, const struct http_config *http,
                          const struct run_spec *spec, struct err *err);
void worker_free(struct worker *worker);
struct line_listener worker_listener(struct worker *worker);
void *worker_run(void *worker); /* a thread's function */
struct worker_facts worker_facts(const struct worker *worker);
/* After its thread has ended: gives away the requests it had taken and not started. */
void worker_give_back(struct worker *worker, void (*give)(void *arg, struct request *request),
                      void *arg);
uint64_t worker_reads(const struct worker *worker); /* thread-safe */
