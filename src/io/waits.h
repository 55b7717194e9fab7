/* Timeouts of one length for many things at once: a list in the order of the last activity, which
 * is then also the order of expiry, and one timer for its head. Noting what has just happened costs
 * the same however many wait. The timer comes last in its turn of the loop, so that an activity of
 * the same turn is noted before; after a stop of the whole process the turn may still have missed
 * some, so that `expire` should look itself before it judges. */
#pragma once

#include <ev.h>
#include <stdint.h>

/* One thing's place in the list, embedded in the thing; zeroed = not in the list. */
struct wait {
    struct wait *prev, *next;
    uint64_t since_ns;
};

struct waits {
    struct wait head; /* of a ring: head.next has waited longest */
    struct ev_loop *ev;
    ev_timer timer;
    uint64_t span_ns; /* 0 = a mere list: nothing ever expires */
    void (*expire)(void *arg, struct wait *wait, uint64_t now_ns);
    void (*after)(void *arg); /* runs once after a round of expiries */
    void *arg;
};

/* `expire` gets a wait that is no longer in the list. */
void waits_init(struct waits *waits, struct ev_loop *ev, uint64_t span_ns,
                void (*expire)(void *arg, struct wait *wait, uint64_t now_ns),
                void (*after)(void *arg), void *arg);
/* Puts it where it belongs, wherever it was before: active at since_ns. The place is looked for
 * from the end. */
void waits_note(struct waits *waits, struct wait *wait, uint64_t since_ns);
void waits_drop(struct waits *waits, struct wait *wait); /* no harm if it is not in the list */
struct wait *waits_first(struct waits *waits);           /* NULL = empty */
