/* All that reporters and the database need to know about a run besides its samples. Filled by run
 * and app, read by out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/opt.h"
#include "model/condition.h"
#include "model/plan.h"
#include "model/said.h"
#include "model/stats.h"

/* Known before the first request; written to the database at once. */
struct run_facts {
    const char *version;   /* of llmbench */
    const char *libraries; /* "libcurl/7.88.1 …" */
    char *name;
    char *url;           /* credentials hidden */
    char *model;         /* "" when not given */
    char *api, *dataset; /* name and where it was found: "openai (built in)" */
    char *data_source; /* "bundled sample (200 prompts)", "file PATH", "download from …", "--prompt"
                        */
    char *db_path, *log_path; /* "" = none */
    char *tokenizer;          /* "qwen3 (BPE, 151643 entries, sha256 …)"; NULL = none was given */
    char *calibration;        /* of this host, the last one, as JSON; NULL = none */
    char *calibrated;         /* the same in a sentence */
    char *host;               /* "Linux 6.1 x86_64, 2 CPUs, 24 GiB" */
    uint64_t ready_asked;     /* requests by which --wait-ready waited; 0 = it was not asked to */
    double ready_wait_s;
    uint64_t started_wall_ns;
    const struct opt_set *options; /* borrowed; NULL: they stand in `options_json` */
    char *given; /* the options as --config reads them, secrets hidden; owned, NULL = not known */
    char *files; /* JSON object: hashes of scripts and data; owned, NULL = not known */
    char *options_json;      /* as the database has them; owned, or NULL */
    struct own_metrics *own; /* the script's own metrics; owned, NULL = none */
};

/* How the run ended. */
enum run_end {
    RUN_END_NUMBER,
    RUN_END_DATA,
    RUN_END_DURATION,
    RUN_END_INTERRUPTED,
    RUN_END_SCRIPT_ERRORS,
    RUN_END_DATA_FAILED,
    RUN_END_MEMORY,
    RUN_END_STAGE_FAILED,
    RUN_END_HOOK_TIMEOUT,
    RUN_END_ERRORS,
    RUN_END_CUT_OFF, /* only in what is read from a database */
};

const char *run_end_name(enum run_end end); /* "number", "data", "duration", "interrupted", … */
const char *run_end_sentence(enum run_end end);
bool run_end_find(const char *name, enum run_end *end); /* false: there is none of that name */

/* What the run knows about its own trustworthiness. Seconds; NAN = not measured. */
struct trust {
    double loop_lag_p50, loop_lag_p99, loop_lag_max;
    double schedule_lag_p50, schedule_lag_p99, schedule_lag_max;
    double receive_delay_p50, receive_delay_p99, receive_delay_max;
    uint64_t reads_kernel, reads_user; /* by the source of their stamp */
    uint64_t clock_steps;              /* times the system's clock was set during the run … */
    double clock_step_s;               /* … and by how much at most, forwards or back */
    /* CPU of one core over the window: the composer, and the busiest of the others; then seconds of
     * all of a kind. */
    double worker_cpu_share, composer_cpu_share, scorer_cpu_share;
    double worker_cpu_s, composer_cpu_s, scorer_cpu_s;
    double process_cpu_s;
    double worker_wait_share; /* of the window: ready to run without a core, the worst worker */
    uint64_t starved;         /* starts that waited because no request was ready */
    double starved_s;         /* for how long in all */
    uint64_t held;            /* starts held back because scorers or the database were behind … */
    uint64_t held_outputs;    /* … of them, because the database or another output was */
    uint64_t bodies_left_out; /* not stored, for the same reason */
    uint64_t bodies_not_asked, bodies_past_max; /* not stored by --store and --store-max */
    double scoring_tail_s; /* answers were still read so long after the last one had ended … */
    double outputs_tail_s; /* … and then still written for so long */
    double outputs_s, outputs_slowest_s; /* main spent in sinks: in all, the longest call */
    double outputs_share;                /* … of the time until all had been written */
    double scorers_blocked_s;            /* scorers waited for main to write */
    uint64_t no_descriptor;              /* connections not made because no descriptor was left */
    uint64_t most_in_flight; /* open loop without a cap: what descriptors allowed; else 0 */
    uint64_t data_cycles;    /* how often the data started again */
    uint64_t malformed_rows;
    uint64_t preconnect_asked,
        preconnected;      /* connections to be opened before the start; were open */
    uint64_t missing;      /* of the number asked for: the data gave no more */
    uint64_t paused;       /* slots that paused after a connection could not be made */
    uint64_t sinks_broken; /* database and the like that failed during the run and are incomplete */
    uint64_t resumed;      /* how often the stage was gone on with after it had been cut off */
    uint64_t results_lost; /* not in the database, which could not be written */
    double asked_concurrency, achieved_concurrency; /* asked: 0 in an open loop */
    double asked_rate, achieved_rate; /* open loop; asked: 0 = none: all at once, or a trace */
    double planned_rate; /* of the due times of what was started; NAN = closed loop, all at once */
    uint64_t warnings;   /* in the log */
};

/* One of its figures by name; NAN = not known. */
struct trust_figure {
    const char *group, *name; /* group: "loop_lag" of "p50", "p99", "max"; NULL = stands alone */
    double value;
};

/* A count that is not known: of a run that was cut off. */
#define TRUST_UNKNOWN UINT64_MAX

/* Figure `i`, those of a group one after another; false after the last. */
bool trust_figure_at(const struct trust *trust, size_t i, struct trust_figure *out);
/* Figure `i` is to be this; NAN = not known. */
void trust_figure_put(struct trust *trust, size_t i, double value);

enum { VERDICT_REASONS = 44 };

/* Reasons against trusting the numbers come first, then mere remarks, which leave it sound. */
struct verdict {
    bool sound;
    size_t count;
    char reason[VERDICT_REASONS][200]; /* one sentence each, without a full stop */
    bool remark[VERDICT_REASONS];
};

/* One stage that is summarised. */
struct report {
    struct run_facts *facts; /* borrowed */
    uint32_t stage;          /* its number in the run, warm-up included */
    char label[64];          /* plan_label */
    struct plan plan;
    enum run_end end;
    bool interrupted;
    struct summary whole, steady; /* steady.facts.steady_start_ns == 0: there was none */
    struct trust trust;
    struct verdict verdict;
    char *options;     /* what an experiment gave to its run, JSON, owned, or NULL */
    struct said said;  /* by scripts */
    char *stop_reason; /* why the run stopped early, owned, or NULL */
    char *own_error;   /* the first failure of an own metric's function, owned, or NULL */
    struct judgement *judgements; /* of --fail-on; owned, NULL = nothing was asked */
    size_t judgement_count;
    struct list first_errors; /* one example sentence per failed outcome: "http_4xx: HTTP 401: …" */
};

/* The stages of a run in order, without warm-ups; at least one once the run has started. */
struct reports {
    struct report *items; /* owned */
    size_t count;
    size_t planned;   /* how many there were to be */
    bool stuck;       /* a thread is still inside Lua: nothing it may look at can be freed */
    enum run_end end; /* of the run */
    bool interrupted;
};

void verdict_of(const struct summary *whole, const struct summary *steady,
                const struct trust *trust, struct verdict *out);
/* Judges the stage by these conditions, which can be read. Once all else is known of it. */
void report_judge(struct report *report, const struct list *conditions);
bool report_failed(const struct report *report); /* by one of them */
void run_facts_fini(struct run_facts *facts);
void report_fini(struct report *report); /* not the facts */
void reports_fini(struct reports *reports);
