#include "run/pin.h"

#include <errno.h>
#include <string.h>

/* The CPU of that number among the allowed ones, from 0. */
static int cpu_at(const cpu_set_t *allowed, size_t number)
{
    int cpu = 0;
    for (;; cpu++)
        if (CPU_ISSET((size_t)cpu, allowed) && number-- == 0)
            return cpu;
}

static bool keep_off(const struct pin *pin)
{
    cpu_set_t rest = pin->before;
    for (size_t i = 0; i < pin->workers; i++)
        CPU_CLR((size_t)cpu_at(&pin->before, i), &rest);
    return sched_setaffinity(0, sizeof rest, &rest) == 0;
}

static void reserve(struct pin *pin, size_t workers, size_t cpus, struct log *log)
{
    pin->workers = workers;
    if (cpus == workers)
        log_warn(log,
                 "--pin: the workers have all CPUs that may be used (%zu); the other threads "
                 "share them",
                 cpus);
    else if (keep_off(pin))
        log_info(log, "--pin: %zu of %zu CPUs are the workers' own", workers, cpus);
    else
        log_warn(log, "--pin: the other threads cannot be kept off the workers' CPUs: %s",
                 strerror(errno));
}

void pin_begin(struct pin *pin, size_t workers, struct log *log)
{
    *pin = (struct pin){0};
    if (sched_getaffinity(0, sizeof pin->before, &pin->before) != 0) {
        log_warn(log, "--pin: no worker is pinned: which CPUs may be used is not known: %s",
                 strerror(errno));
        return;
    }
    size_t cpus = (size_t)CPU_COUNT(&pin->before);
    if (cpus < workers)
        log_warn(log, "--pin: no worker is pinned: %zu workers, but only %zu CPU%s may be used",
                 workers, cpus, cpus == 1 ? "" : "s");
    else
        reserve(pin, workers, cpus, log);
}

void pin_worker(const struct pin *pin, uint32_t number, struct log *log)
{
    cpu_set_t own;
    if (number >= pin->workers)
        return;
    int cpu = cpu_at(&pin->before, number);
    CPU_ZERO(&own);
    CPU_SET((size_t)cpu, &own);
    if (sched_setaffinity(0, sizeof own, &own) != 0)
        log_warn(log, "--pin: worker %u cannot have CPU %d to itself: %s", number, cpu,
                 strerror(errno));
}

void pin_end(struct pin *pin)
{
    if (pin->workers) /* a refusal changes nothing that matters any more */
        (void)sched_setaffinity(0, sizeof pin->before, &pin->before);
    pin->workers = 0;
}
