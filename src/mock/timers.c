#include "mock/timers.h"

#include <stdlib.h>

#include "base/mem.h"

enum { CHILDREN = 4 };

void mock_timers_fini(struct mock_timers *timers)
{
    free(timers->heap);
    *timers = (struct mock_timers){0};
}

static bool before(const struct mock_timer *a, const struct mock_timer *b)
{
    return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->order < b->order);
}

static void place(struct mock_timers *timers, struct mock_timer *timer, size_t at)
{
    timers->heap[at] = timer;
    timer->slot = at + 1;
}

static void rise(struct mock_timers *timers, struct mock_timer *timer, size_t at)
{
    while (at > 0) {
        struct mock_timer *parent = timers->heap[(at - 1) / CHILDREN];
        if (!before(timer, parent))
            break;
        size_t up = (at - 1) / CHILDREN;
        place(timers, parent, at);
        at = up;
    }
    place(timers, timer, at);
}

static size_t least_child(const struct mock_timers *timers, size_t at)
{
    size_t first = at * CHILDREN + 1, least = first;
    for (size_t i = first + 1; i < first + CHILDREN && i < timers->count; i++)
        if (before(timers->heap[i], timers->heap[least]))
            least = i;
    return least;
}

static void sink(struct mock_timers *timers, struct mock_timer *timer, size_t at)
{
    for (;;) {
        size_t child = least_child(timers, at);
        if (child >= timers->count || !before(timers->heap[child], timer))
            break;
        place(timers, timers->heap[child], at);
        at = child;
    }
    place(timers, timer, at);
}

void mock_timer_set(struct mock_timers *timers, struct mock_timer *timer, uint64_t due_ns)
{
    mock_timer_clear(timers, timer);
    if (timers->count == timers->cap) {
        timers->cap = timers->cap ? timers->cap * 2 : 256;
        timers->heap = mem_resize(timers->heap, timers->cap, sizeof(struct mock_timer *));
    }
    timer->due_ns = due_ns;
    timer->order = timers->order++;
    rise(timers, timer, timers->count++);
}

void mock_timer_clear(struct mock_timers *timers, struct mock_timer *timer)
{
    if (!timer->slot)
        return;
    size_t at = timer->slot - 1;
    timer->slot = 0;
    struct mock_timer *last = timers->heap[--timers->count];
    if (last == timer)
        return;
    sink(timers, last, at);
    rise(timers, last, last->slot - 1);
}

struct mock_timer *mock_timers_take(struct mock_timers *timers, uint64_t now_ns)
{
    if (!timers->count || timers->heap[0]->due_ns > now_ns)
        return NULL;
    struct mock_timer *first = timers->heap[0];
    mock_timer_clear(timers, first);
    return first;
}

uint64_t mock_timers_next_ns(const struct mock_timers *timers)
{
    return timers->count ? timers->heap[0]->due_ns : UINT64_MAX;
}
