/* --pin: each worker has a CPU of its own, and the other threads of the run stay off those where
 * there are enough. Main's, but for pin_worker. */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

struct pin {
    size_t workers;   /* that have CPUs of their own; 0 = nobody is pinned */
    cpu_set_t before; /* what the process was allowed to use */
};

/* Before any thread of the run starts, for they inherit what main may use. Says what was done, or
 * why it could not be. */
void pin_begin(struct pin *pin, size_t workers, struct log *log);
/* The calling thread is worker `number` from now on. */
void pin_worker(const struct pin *pin, uint32_t number, struct log *log);
void pin_end(struct pin *pin); /* main may use what it might before */
