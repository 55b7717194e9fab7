/* Main's station: takes samples in batches, gives them to the sinks, moves the progress display,
 * hears signals. */
#pragma once

#include "model/live.h"
#include "model/outcome.h"
#include "run/hooks.h"
#include "run/keeping.h"
#include "run/line.h"
#include "run/run.h"

struct collector {
    struct line *line; /* of the stage under way; NULL = none is */
    struct run_config *config;
    struct hooks *hooks;
    struct loop *loop;
    struct signals *signals;
    struct alarm *tick;
    uint64_t next_tick_ns;
    struct queue_waiter waiter;
    bool *sink_broken;      /* one a sink: it failed once, was named, and gets nothing more */
    uint64_t first_arrival; /* of the stage */
    bool begun;             /* its beginning has been told */
    uint64_t lost_before;   /* samples that sinks had lost when the stage began */
    struct keeping keeping;
    unsigned interrupts;
    uint64_t rest_until_ns;
    uint64_t (*reads)(void *arg); /* of all workers so far */
    void *reads_arg;

    /* what the samples said so far */
    struct live live;
    struct hist *ttft;
    double ttft_sum, latency_sum, gap_sum;
    uint64_t ttft_count, latency_count, gap_count;
    uint64_t last_end_ns, marks_kernel, marks_user;
    uint64_t delayed;                    /* requests with think time before them */
    uint64_t first_due_ns, last_due_ns;  /* of what was started */
    uint64_t sinks_ns, sinks_slowest_ns; /* spent in sinks: in all, the longest call */
    uint64_t done_ns;                    /* the last sample had been given to them */
    char *first_error[OUTCOME_COUNT];    /* owned */
    bool earlier_error[OUTCOME_COUNT];   /* it is from before the run was cut off */
    char *own_error;                     /* the first failure of an own metric; owned */
    char *too_many;                      /* how many had failed when that ended the stage; owned */
};

bool collector_init(struct collector *collector, struct run_config *config, struct hooks *hooks,
                    struct err *err);
/* A stage begins: its line, its number in the run, and where its reads are counted. */
void collector_begin(struct collector *collector, struct line *line, uint32_t stage,
                     uint64_t (*reads)(void *arg), void *reads_arg);
/* The stage goes on where it was cut off: what is in the database counts as its own. */
void collector_resume(struct collector *collector, const struct resume *resume);
/* One of these results, its times those of this run; once the stage is over. */
void collector_earlier(struct collector *collector, const struct sample *sample);
void collector_run(struct collector *collector); /* until the samples are at their end */
void collector_stage_end(struct collector *collector,
                         const struct report *report); /* tells the sinks */
uint64_t collector_broken_sinks(const struct collector *collector);
uint64_t
collector_lost(const struct collector *collector); /* samples of the stage that a sink lost */
void collector_leave(struct collector *collector); /* the line goes away */
bool collector_rest(struct collector *collector,
                    uint64_t rest_ns); /* false: interrupted meanwhile */
void collector_end(struct collector *collector,
                   const struct reports *reports); /* tells the sinks */
void collector_fini(struct collector *collector);
