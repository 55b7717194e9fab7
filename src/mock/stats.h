/* The server's own truth about a run: what /stats answers. No I/O, no clock: callers say the time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "mock/faults.h"

struct hist;

enum mock_endpoint {
    MOCK_CHAT,
    MOCK_COMPLETIONS,
    MOCK_MODELS,
    MOCK_AUTH, /* where access tokens come from */
    MOCK_OTHER,
    MOCK_ENDPOINTS,
};

enum { MOCK_MAX_ARRIVALS = 20000, MOCK_MAX_DISTINCT = 1000000 };

/* Hashes of bodies, open addressing; 0 marks a free place and is remembered apart. */
struct mock_hash_set {
    uint64_t *places;
    size_t cap; /* a power of two */
    size_t count;
    bool has_zero, capped;
};

/* How many answers were open, weighted by time. */
struct mock_in_flight {
    uint64_t now, max;
    uint64_t last_ns;    /* of the last change */
    double area;         /* ∫ now dt, in ns */
    uint64_t busy_ns;    /* time with at least one */
    double area_at_max;  /* when the maximum was first reached */
    uint64_t max_ns;     /* when that was */
    double area_at_last; /* at the last arrival */
    uint64_t last_arrival_ns;
};

struct mock_stats {
    uint64_t requests[MOCK_ENDPOINTS];
    uint64_t streams, plain; /* answers begun, error answers left out */
    uint64_t completed;      /* of these, written to the last byte */
    uint64_t errors[200];    /* by status from 400 */
    uint64_t faults;         /* answers that a URL's abort, reset, stall or error ended */
    uint64_t by_fault[MOCK_FAULTS_MOST]; /* answers that --fault spoiled, by row */
    uint64_t scenario;                   /* requests that --scenario has served */
    uint64_t aborted_by_client;
    uint64_t bodies;
    uint64_t body_hash_sum;
    struct mock_hash_set hashes;
    struct mock_in_flight in_flight;
    uint64_t events, tokens; /* sent in streams; tokens also in plain answers */
    uint64_t prompt_tokens, completion_tokens;
    uint64_t sends, blocked; /* send calls for streams; waits for a client that did not read */
    struct hist *lateness;   /* ns */
    uint64_t accepted, open, accept_stalls;
    uint64_t bytes_in, bytes_out;
    uint64_t *arrivals; /* ring */
    uint64_t arrival_count;
    uint64_t since_ns; /* start or last reset */
};

void mock_stats_init(struct mock_stats *stats, uint64_t now_ns);
void mock_stats_fini(struct mock_stats *stats);
/* Forgets all but what is open now. */
void mock_stats_reset(struct mock_stats *stats, uint64_t now_ns);

/* A request to chat or completions has been read; it is in flight until mock_stats_leave. */
void mock_stats_arrive(struct mock_stats *stats, struct span body, uint64_t now_ns);
void mock_stats_leave(struct mock_stats *stats, uint64_t now_ns);
void mock_stats_error(struct mock_stats *stats, int status);

void mock_stats_write(struct mock_stats *stats, uint64_t now_ns, bool with_arrivals,
                      struct buf *out);
