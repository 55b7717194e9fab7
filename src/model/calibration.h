/* What `llmbench calibrate` has found out about this program on this machine: a run against a
 * server whose times are known, and how far the load may go. Plain facts; seconds, NAN = not
 * known. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct calibration_spread {
    uint64_t n;
    double p50, p99, max;
};

/* One load, carried out against the mock server. */
struct calibration_probe {
    double load; /* streams, or arrivals a second */
    bool sound;
    bool server_late; /* its own schedule slipped: what was measured does not count */
    char why[200];    /* the first reason against it; "" = none */
    uint64_t answers; /* complete ones */
    uint64_t unread;  /* of them, without the server's stamps */
    struct calibration_spread ttft, itl; /* how far measured and true differ, either way */
    struct calibration_spread receive;   /* the kernel's stamp to ours */
    struct calibration_spread late;      /* the server's sends, against its schedule */
    double coalesced_share;
    double worker_cpu_share, composer_cpu_share, scorer_cpu_share;
    double achieved; /* concurrency or rate */
};

/* Why the search for the highest load went no further. */
enum calibration_limit {
    CALIBRATION_NOT_SEARCHED,
    CALIBRATION_CLIENT, /* the verdict is no longer sound */
    CALIBRATION_SERVER, /* the mock server is late itself */
    CALIBRATION_TIME,   /* none was found in time */
    CALIBRATION_MOST,   /* the mock server is made for no more */
};

struct calibration {
    const char *version;
    char *host, *machine; /* as in run_facts; the machine's name. Owned */
    uint64_t wall_ns;
    bool open; /* loads are rates */
    double ttft_s, itl_s, seconds;
    uint64_t tokens, threads;
    struct calibration_probe base; /* the load asked for */
    double sound_up_to;            /* 0 = none was */
    double stops_at;               /* the least load beyond it that was tried; NAN = none */
    char why[200];                 /* what was wrong there */
    enum calibration_limit limit;
    bool out_of_time; /* else both bounds came near each other */
    double search_s;
    struct calibration_probe *probes; /* of the search, in order; owned */
    size_t probe_count;
};

void calibration_fini(struct calibration *calibration);
const char *calibration_limit_name(enum calibration_limit limit); /* "client", … */
