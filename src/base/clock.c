#include "base/clock.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static uint64_t clock_read(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t clock_now_ns(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
    return clock_read(CLOCK_REALTIME);
}

uint64_t clock_thread_cpu_ns(void)
{
    return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_process_cpu_ns(void)
{
    return clock_read(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t clock_thread_wait_ns(void)
{
    uint64_t wait_ns = 0;
    FILE *file = fopen("/proc/thread-self/schedstat", "re");
    bool known = file && fscanf(file, "%*u %" SCNu64, &wait_ns) == 1;
    if (file)
        fclose(file);
    return known ? wait_ns : UINT64_MAX;
}

void clock_format(char *out, size_t size, const char *format, uint64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm local;
    localtime_r(&seconds, &local);
    if (strftime(out, size, format, &local) == 0 && size)
        out[0] = '\0';
}
