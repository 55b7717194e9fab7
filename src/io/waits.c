#include "io/waits.h"

#include <stddef.h>

#include "base/clock.h"

struct wait *waits_first(struct waits *waits)
{
    return waits->head.next == &waits->head ? NULL : waits->head.next;
}

static uint64_t waits_left(const struct waits *waits, const struct wait *wait, uint64_t now_ns)
{
    uint64_t waited = now_ns > wait->since_ns ? now_ns - wait->since_ns : 0;
    return waited < waits->span_ns ? waits->span_ns - waited : 0;
}

static void waits_arm(struct waits *waits, uint64_t now_ns)
{
    struct wait *first = waits_first(waits);
    if (!waits->span_ns || !first || ev_is_active(&waits->timer))
        return;
    ev_timer_set(&waits->timer, clock_seconds(waits_left(waits, first, now_ns)), 0.);
    ev_timer_start(waits->ev, &waits->timer);
}

/* The timer was set for what was the head at that time; most often that one has been active since,
 * and the timer is only set anew. */
static void waits_on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev, (void)events;
    struct waits *waits = timer->data;
    uint64_t now = clock_now_ns();
    struct wait *first;
    while ((first = waits_first(waits)) && waits_left(waits, first, now) == 0) {
        waits_drop(waits, first);
        waits->expire(waits->arg, first, now);
    }
    waits_arm(waits, now);
    waits->after(waits->arg);
}

void waits_init(struct waits *waits, struct ev_loop *ev, uint64_t span_ns,
                void (*expire)(void *arg, struct wait *wait, uint64_t now_ns),
                void (*after)(void *arg), void *arg)
{
    waits->head.prev = waits->head.next = &waits->head;
    waits->ev = ev;
    waits->span_ns = span_ns;
    waits->expire = expire;
    waits->after = after;
    waits->arg = arg;
    ev_timer_init(&waits->timer, waits_on_timer, 0., 0.);
    ev_set_priority(&waits->timer, EV_MINPRI); /* what is ready in the same turn comes first */
    waits->timer.data = waits;
}

static void waits_unlink(struct wait *wait)
{
    wait->prev->next = wait->next;
    wait->next->prev = wait->prev;
    wait->prev = wait->next = NULL;
}

void waits_note(struct waits *waits, struct wait *wait, uint64_t since_ns)
{
    if (wait->next)
        waits_unlink(wait);
    struct wait *last = waits->head.prev;
    while (last != &waits->head && last->since_ns > since_ns)
        last = last->prev;
    wait->since_ns = since_ns;
    wait->prev = last;
    wait->next = last->next;
    wait->prev->next = wait;
    wait->next->prev = wait;
    waits_arm(waits, since_ns);
}

void waits_drop(struct waits *waits, struct wait *wait)
{
    if (!wait->next)
        return;
    waits_unlink(wait);
    if (!waits_first(waits))
        ev_timer_stop(waits->ev, &waits->timer);
}
