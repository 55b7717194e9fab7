/* Timeouts in lists, and telling reads apart. */
#include <poll.h>

#include "base/clock.h"
#include "check.h"
#include "io/loop.h"
#include "io/waits.h"

struct thing {
    struct wait wait;
    uint64_t expired_ns;
};

struct watch {
    struct loop *loop;
    struct waits waits;
    struct thing things[4];
    struct alarm *nudge;
    int expired, rounds, nudges;
};

static void watch_expire(void *arg, struct wait *wait, uint64_t now_ns)
{
    struct watch *watch = arg;
    assert_null(wait->next);
    ((struct thing *)(void *)wait)->expired_ns = now_ns;
    watch->expired++;
}

static void watch_after(void *arg)
{
    ((struct watch *)arg)->rounds++;
}

static void watch_init(struct watch *watch, uint64_t span_ns)
{
    struct err err = {""};
    *watch = (struct watch){.loop = loop_new(&err)};
    waits_init(&watch->waits, loop_ev(watch->loop), span_ns, watch_expire, watch_after, watch);
}

static void in_the_order_of_activity(void **state)
{
    (void)state;
    struct watch watch;
    watch_init(&watch, 20 * NS_PER_MS);
    uint64_t now = clock_now_ns();
    for (size_t i = 0; i < 4; i++)
        waits_note(&watch.waits, &watch.things[i].wait, now + i);
    assert_ptr_equal(waits_first(&watch.waits), &watch.things[0].wait);
    waits_note(&watch.waits, &watch.things[0].wait, now + 15 * NS_PER_MS);
    assert_ptr_equal(waits_first(&watch.waits), &watch.things[1].wait);
    waits_drop(&watch.waits, &watch.things[2].wait);
    waits_drop(&watch.waits, &watch.things[2].wait);
    loop_run(watch.loop); /* ends when nothing waits any more */
    assert_null(waits_first(&watch.waits));
    CHECK_INT("expired", watch.expired, 3);
    CHECK_INT("dropped", watch.things[2].expired_ns, 0);
    assert_true(watch.things[1].expired_ns >= now + 1 + 20 * NS_PER_MS);
    assert_true(watch.things[0].expired_ns >= now + 35 * NS_PER_MS);
    assert_true(watch.rounds >= 1);
    loop_free(watch.loop);
}

static void watch_nudge(void *arg)
{
    struct watch *watch = arg;
    if (++watch->nudges == 10)
        alarm_free(watch->nudge);
    else
        alarm_set(watch->nudge, clock_now_ns() + 5 * NS_PER_MS);
    waits_note(&watch->waits, &watch->things[0].wait, clock_now_ns());
}

static void activity_puts_off(void **state)
{
    (void)state;
    struct watch watch;
    struct err err = {""};
    watch_init(&watch, 40 * NS_PER_MS);
    uint64_t from = clock_now_ns();
    watch.nudge = alarm_new(watch.loop, watch_nudge, &watch, &err);
    waits_note(&watch.waits, &watch.things[0].wait, from);
    alarm_set(watch.nudge, from + 5 * NS_PER_MS);
    loop_run(watch.loop);
    CHECK_INT("nudges", watch.nudges, 10);
    CHECK_INT("expired", watch.expired, 1);
    assert_true(watch.things[0].expired_ns >= from + 90 * NS_PER_MS);
    loop_free(watch.loop);
}

static void watch_stall(void *arg)
{
    struct watch *watch = arg;
    poll(NULL, 0, 60);
    alarm_set(watch->nudge, 1);
}

static void watch_late(void *arg)
{
    struct watch *watch = arg;
    watch->nudges++;
    waits_note(&watch->waits, &watch->things[0].wait, clock_now_ns());
}

/* The loop stood still for longer than the span; in its next turn both are due, the timer and the
 * descriptor whose reading is an activity. */
static void activity_of_the_same_turn_comes_first(void **state)
{
    (void)state;
    struct watch watch;
    struct err err = {""};
    watch_init(&watch, 30 * NS_PER_MS);
    uint64_t from = clock_now_ns();
    watch.nudge = alarm_new(watch.loop, watch_late, &watch, &err);
    struct alarm *stall = alarm_new(watch.loop, watch_stall, &watch, &err);
    waits_note(&watch.waits, &watch.things[0].wait, from);
    alarm_set(stall, 1);
    while (!watch.expired)
        ev_run(loop_ev(watch.loop), EVRUN_ONCE);
    CHECK_INT("nudges", watch.nudges, 1);
    assert_true(watch.things[0].expired_ns >= from + 90 * NS_PER_MS);
    alarm_free(stall);
    alarm_free(watch.nudge);
    loop_free(watch.loop);
}

static void without_a_span_nothing_expires(void **state)
{
    (void)state;
    struct watch watch;
    watch_init(&watch, 0);
    waits_note(&watch.waits, &watch.things[0].wait, 1);
    loop_run(watch.loop);
    CHECK_INT("expired", watch.expired, 0);
    assert_ptr_equal(waits_first(&watch.waits), &watch.things[0].wait);
    loop_free(watch.loop);
}

static void endless_span(void **state)
{
    (void)state;
    struct watch watch;
    watch_init(&watch, UINT64_MAX);
    waits_note(&watch.waits, &watch.things[0].wait, clock_now_ns());
    waits_drop(&watch.waits, &watch.things[0].wait);
    loop_run(watch.loop);
    CHECK_INT("expired", watch.expired, 0);
    loop_free(watch.loop);
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_order_of_activity),
        cmocka_unit_test(activity_puts_off),
        cmocka_unit_test(activity_of_the_same_turn_comes_first),
        cmocka_unit_test(without_a_span_nothing_expires),
        cmocka_unit_test(endless_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return check_by_the_clock(all);
}
