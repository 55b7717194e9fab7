/* A heap of absolute due times (clock_now_ns). Equal times fire in the order they were set, so that
 * nobody starves. No clock of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded in its owner; starts zeroed. */
struct mock_timer {
    uint64_t due_ns;
    uint64_t order;
    size_t slot; /* place in the heap plus one; 0 = not set */
};

struct mock_timers {
    struct mock_timer **heap;
    size_t count, cap;
    uint64_t order;
};

void mock_timers_fini(struct mock_timers *timers);
/* Sets or moves. */
void mock_timer_set(struct mock_timers *timers, struct mock_timer *timer, uint64_t due_ns);
void mock_timer_clear(struct mock_timers *timers, struct mock_timer *timer);
/* The earliest if it is due at now_ns, taken out; else NULL. */
struct mock_timer *mock_timers_take(struct mock_timers *timers, uint64_t now_ns);
uint64_t mock_timers_next_ns(const struct mock_timers *timers); /* UINT64_MAX = none */
