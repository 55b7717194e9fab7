/* What a request's URL may change about its own answer: "?ttft=5&itl=1&abort=3". Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "mock/mock.h"

struct mock_fault;

/* A count that was not given is -1. "After K" counts the events that carry a token. */
struct mock_overrides {
    int64_t ttft_ns, itl_ns;
    int64_t tokens;
    int64_t status;                 /* answer with this error at once */
    int64_t abort;                  /* close the connection after K */
    int64_t reset;                  /* the same by RST */
    int64_t stall;                  /* say nothing more after K, keep the connection */
    int64_t error;                  /* an error event after K, then the end */
    int64_t ping;                   /* a comment line before every K-th event */
    int64_t coal;                   /* events in one send, 1 unless given */
    const struct mock_fault *fault; /* one of those that --fault knows; NULL = none */
    bool nousage, nodone, hold, close, crlf, split, empty;
    bool noend; /* neither finish events nor end marker */
    bool half;  /* half of the next event before an abort, a reset or a stall */
};

/* Starts from the server's configuration. A name that does not exist or a value out of range is an
 * error: a fault that silently does not happen makes a test worthless. A parameter named `foreign`
 * is passed over; NULL = none. */
bool mock_overrides_parse(const struct mock_config *config, struct span query, const char *foreign,
                          struct mock_overrides *over, struct err *err) MUST_CHECK;
/* Adds what a fault asks for, in the same words. */
bool mock_overrides_add(struct mock_overrides *over, const char *query, struct err *err) MUST_CHECK;
