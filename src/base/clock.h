/* The one clock: CLOCK_MONOTONIC in unsigned nanoseconds. Names that hold such a time end in _ns; 0
 * means "never". */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_now_ns(void);
uint64_t clock_wall_ns(
    void); /* CLOCK_REALTIME since the epoch: for names and reports, never for measuring */
uint64_t clock_thread_cpu_ns(void); /* CPU time of the calling thread */
uint64_t clock_process_cpu_ns(void);
/* How long the calling thread was ready to run and had no core in all; UINT64_MAX where the kernel
 * does not say. Reads a file. */
uint64_t clock_thread_wait_ns(void);

static inline double clock_seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

/* Local wall-clock time by strftime's format; `wall_ns` as from clock_wall_ns. */
void clock_format(char *out, size_t size, const char *format, uint64_t wall_ns);
