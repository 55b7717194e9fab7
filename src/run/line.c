#include "run/line.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "script/watch.h"

void line_wake_all(struct line *line)
{
    for (size_t i = 0; i < line->listener_count; i++)
        line->listeners[i].wake(line->listeners[i].arg);
}

void line_release(struct line *line)
{
    uint64_t never = 0;
    if (atomic_compare_exchange_strong(&line->start_ns, &never, clock_now_ns() - line->elapsed_ns))
        line_wake_all(line);
}

uint64_t line_deadline_ns(struct line *line)
{
    uint64_t start_ns = atomic_load(&line->start_ns);
    if (!line->plan->duration_ns || !start_ns)
        return UINT64_MAX;
    if (atomic_load(&line->composer_left) && atomic_load(&line->begun) >= atomic_load(&line->given))
        return UINT64_MAX;
    return start_ns + line->plan->duration_ns;
}

void line_stop(struct line *line, enum run_end end, uint64_t at_ns)
{
    uint64_t never = 0, deadline_ns = line_deadline_ns(line);
    if (at_ns > deadline_ns) { /* whoever comes late finds the run ended by its duration */
        end = RUN_END_DURATION;
        at_ns = deadline_ns;
    }
    if (!atomic_compare_exchange_strong(&line->stop_ns, &never, at_ns))
        return;
    atomic_store(&line->end, (int)end);
    queue_close(line->ready);
    line_wake_all(line);
}

void line_overdue(struct line *line, const char *sentence)
{
    char *none = NULL, *why = mem_text(sentence);
    log_error(line->log, "%s", sentence);
    if (!atomic_compare_exchange_strong(&line->overdue_why, &none, why))
        free(why);
    atomic_fetch_add(&line->overdue, 1);
    watch_shorten(line->watch);
    line_stop(line, RUN_END_HOOK_TIMEOUT, clock_now_ns());
}

void line_cancel(struct line *line)
{
    line_stop(line, RUN_END_INTERRUPTED, clock_now_ns());
    atomic_store(&line->cancelled, true);
    line_wake_all(line);
}

static uint64_t line_bytes(struct line *line)
{
    return atomic_load(&line->in_flight_bytes) + queue_bytes(line->ready) +
           queue_bytes(line->finished) + queue_bytes(line->samples);
}

bool line_weigh(struct line *line)
{
    if (atomic_load(&line->cancelled))
        return false;
    if (line_bytes(line) <= line->max_bytes)
        return true;
    line_stop(line, RUN_END_MEMORY, clock_now_ns());
    line_cancel(line);
    return false;
}

bool line_stopped(struct line *line)
{
    return atomic_load(&line->stop_ns) != 0;
}

static void raise_to(_Atomic uint32_t *highest, uint32_t value)
{
    uint32_t seen = atomic_load(highest);
    while (value > seen && !atomic_compare_exchange_weak(highest, &seen, value))
        continue;
}

static void latest(_Atomic uint64_t *time, uint64_t value)
{
    uint64_t seen = atomic_load(time);
    while (value > seen && !atomic_compare_exchange_weak(time, &seen, value))
        continue;
}

static void earliest(_Atomic uint64_t *time, uint64_t value)
{
    uint64_t seen = atomic_load(time);
    while ((seen == 0 || value < seen) && !atomic_compare_exchange_weak(time, &seen, value))
        continue;
}

void line_started(struct line *line, uint64_t started_ns)
{
    uint32_t now = atomic_fetch_add(&line->in_flight, 1) + 1;
    raise_to(&line->max_in_flight, now);
    if (now == line->plan->parallel && line->plan->shape == PLAN_CLOSED)
        earliest(&line->steady_start_ns, started_ns);
    earliest(&line->first_start_ns, started_ns);
    latest(&line->last_start_ns, started_ns);
    atomic_fetch_add(&line->started, 1);
}

void line_earlier(struct line *line, uint64_t started_ns)
{
    earliest(&line->first_start_ns, started_ns);
    latest(&line->last_start_ns, started_ns);
}

void line_ended(struct line *line)
{
    atomic_fetch_sub(&line->in_flight, 1);
    atomic_fetch_add(&line->ended, 1);
}

void line_step_back(void)
{
    enum { NICE = 10, NICEST = 19 };
    int nice = getpriority(PRIO_PROCESS, (id_t)gettid()) + NICE;
    /* Linux keeps the nice value by thread. A refusal only costs precision, which loop lag shows.
     */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice < NICEST ? nice : NICEST);
}
