/* The composer: walks the plan, takes prompts from the data, has the API script build requests and
 * keeps a few of them ready. Of a trace it takes the due times from the data too. */
#pragma once

#include "run/line.h"

struct script;
struct request;

struct composer {
    struct line *line;     /* of this stage */
    struct script *script; /* used by this thread alone while it runs */
    uint32_t stage;
    uint64_t next_index;         /* arrival number of the next request that is composed */
    uint64_t cpu_ns;             /* of its thread in this stage, once that has ended … */
    uint64_t cpu_before_ns;      /* … of it, before the workers were let go */
    const struct resume *resume; /* what a run that was cut off has left; borrowed, NULL = none */
    uint64_t passed;      /* in this stage, composed once more for a stage before and dropped */
    uint64_t composed;    /* given to the line in this stage, before the run was cut off or since */
    bool begun;           /* a stage has begun the data */
    uint64_t passed_over; /* items that the first stage leaves out: runs before have used them */
    struct request **kept; /* composed in the stage before and not started: they go out first */
    size_t kept_count, kept_cap, kept_at;
    struct request *first; /* composed before anything was sent; NULL = has gone out */
    uint64_t first_at_ns;  /* of a trace: when it is due */
    uint64_t last_due_ns;  /* of the request given last, from the start of the stage */
    uint64_t known_ns;     /* of a trace: every arrival due before it has been read */
    bool data_ended; /* the data has given its last prompt and starts again when more is wanted */
    char *failure;   /* why the data ended early; owned, NULL = it did not */
};

/* Composes the first request of the first stage, before anything is sent: whoever cannot make that
 * one will not make others, and the run does not start. By the thread that sets the line up. */
bool composer_open(struct composer *composer, const struct plan *plan, struct err *err) MUST_CHECK;
/* The arrival number with which the next stage will begin. Between stages. */
uint64_t composer_first(const struct composer *composer, const struct plan *plan);
/* Requests composed and not started. */
uint64_t composer_unstarted(const struct composer *composer);
/* A request that was composed and not started, for the next stage; takes it. By the composer's
 * thread or between stages. */
void composer_keep(struct composer *composer, struct request *request);
void *
composer_run(void *composer); /* a thread's function; closes `ready` when nothing more comes */
/* How many of those that were composed and not started were due before `offset_ns`. After its
 * thread has ended. */
uint64_t composer_kept_due(const struct composer *composer, uint64_t offset_ns);
/* The end of its walk; its thread's last word, or said for a thread that was given up. */
void composer_leave(struct composer *composer);
void composer_fini(struct composer *composer); /* not the script */
