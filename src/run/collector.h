/* Main's station: takes samples in batches, gives them to the sinks, moves the progress display,
 * hears signals. */
#pragma once

#include "model/live.h"
#include "model/outcome.h"
#include "run/line.h"
#include "run/run.h"

struct collector {
    struct line *line;
    struct run_config *config;
    struct loop *loop;
    struct signals *signals;
    struct alarm *tick;
    uint64_t next_tick_ns;
    struct queue_waiter waiter;
    bool *sink_broken; /* one a sink: it failed once, was named, and gets nothing more */
    unsigned interrupts;
    uint64_t (*reads)(void *arg); /* of all workers so far */
    void *reads_arg;

    /* what the samples said so far */
    struct live live;
    struct hist *ttft;
    double ttft_sum, latency_sum, gap_sum;
    uint64_t ttft_count, latency_count, gap_count;
    uint64_t last_end_ns, marks_kernel, marks_user;
    char *first_error[OUTCOME_COUNT]; /* owned */
};

bool collector_init(struct collector *collector, struct line *line, struct run_config *config,
                    struct err *err);
void collector_run(struct collector *collector); /* until the samples are at their end */
void collector_fini(struct collector *collector);
