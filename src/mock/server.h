/* The state of one running mock server; everything in it belongs to the thread in mock_serve. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "mock/faults.h"
#include "mock/mock.h"
#include "mock/slots.h"
#include "mock/stats.h"
#include "mock/timers.h"

struct mock_conn;
struct mock_dialect;
struct mock_voice;

struct mock_server {
    const struct mock_config *config;
    const struct mock_dialect *dialect;
    struct mock_voice *voice; /* NULL = answers are in the mock's own words */
    int epoll_fd, listen_fd, timer_fd;
    uint64_t armed_ns; /* what timer_fd is set to; UINT64_MAX = nothing */
    bool accepting;    /* false: out of descriptors, listening pauses */
    struct mock_timers timers;
    struct mock_stats stats;
    struct mock_slots slots;
    struct mock_faults every; /* that a URL may ask for, by row */
    struct mock_conn *conns;  /* open ones */
    struct mock_conn *dead;   /* closed in this turn, freed at its end */
    uint64_t requests;        /* to chat and completions; their number decides texts and jitter */
    char *in;                 /* where reads land before they are fed to a parser */
    struct buf event, out;    /* scratch of the send in progress */
};
