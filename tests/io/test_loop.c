#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "io/loop.h"

struct bell {
    struct loop *loop;
    struct alarm *alarm;
    int rings, stop_at;
    uint64_t at_ns;
};

static void bell_ring(void *arg)
{
    struct bell *bell = arg;
    bell->at_ns = clock_now_ns();
    if (++bell->rings == bell->stop_at)
        loop_stop(bell->loop);
}

static struct loop *must_loop(void)
{
    struct err err = {""};
    struct loop *loop = loop_new(&err);
    if (!loop)
        fail_msg("%s", err.text);
    return loop;
}

static struct bell bell_of(struct loop *loop, int stop_at)
{
    return (struct bell){.loop = loop, .stop_at = stop_at};
}

static void bell_hang(struct bell *bell)
{
    struct err err = {""};
    bell->alarm = alarm_new(bell->loop, bell_ring, bell, &err);
    assert_non_null(bell->alarm);
}

static void alarm_rings_at_its_time(void **state)
{
    (void)state;
    static const uint64_t AHEAD_NS[] = {0, 1, 1000, 700000, 3000000, 50000000};
    struct loop *loop = must_loop();
    for (size_t i = 0; i < sizeof AHEAD_NS / sizeof *AHEAD_NS; i++) {
        struct bell bell = bell_of(loop, 1);
        bell_hang(&bell);
        uint64_t at = clock_now_ns() + AHEAD_NS[i];
        alarm_set(bell.alarm, at);
        loop_run(loop);
        assert_int_equal(bell.rings, 1);
        if (bell.at_ns < at)
            fail_msg("%zu: rang %llu ns early", i, (unsigned long long)(at - bell.at_ns));
        if (bell.at_ns > at + NS_PER_S)
            fail_msg("%zu: rang a second late", i);
        alarm_free(bell.alarm);
    }
    assert_int_equal(hist_count(loop_lag(loop)), sizeof AHEAD_NS / sizeof *AHEAD_NS);
    assert_true(hist_max(loop_lag(loop)) < 1e9);
    loop_free(loop);
}

static void alarm_in_the_past_rings(void **state)
{
    (void)state;
    struct loop *loop = must_loop();
    struct bell bell = bell_of(loop, 1);
    bell_hang(&bell);
    alarm_set(bell.alarm, 1);
    loop_run(loop);
    assert_int_equal(bell.rings, 1);
    alarm_free(bell.alarm);
    loop_free(loop);
}

static void alarm_moves_and_disarms(void **state)
{
    (void)state;
    struct loop *loop = must_loop();
    struct bell late = bell_of(loop, 1), moved = bell_of(loop, 0), silent = bell_of(loop, 0);
    bell_hang(&late);
    bell_hang(&moved);
    bell_hang(&silent);
    uint64_t now = clock_now_ns();
    alarm_set(moved.alarm, now + 5 * NS_PER_MS);
    alarm_set(moved.alarm, now + 30 * NS_PER_MS);
    alarm_set(silent.alarm, now + 10 * NS_PER_MS);
    alarm_set(silent.alarm, 0);
    alarm_set(late.alarm, now + 60 * NS_PER_MS);
    loop_run(loop);
    assert_int_equal(moved.rings, 1);
    assert_true(moved.at_ns >= now + 30 * NS_PER_MS);
    assert_int_equal(silent.rings, 0);
    assert_int_equal(late.rings, 1);
    alarm_free(late.alarm);
    alarm_free(moved.alarm);
    alarm_free(silent.alarm);
    loop_free(loop);
}

static void loop_ends_when_nothing_is_watched(void **state)
{
    (void)state;
    struct loop *loop = must_loop();
    loop_run(loop);
    loop_on_wake(loop, bell_ring, NULL);
    loop_on_wake(loop, NULL, NULL);
    loop_run(loop);
    loop_free(loop);
}

static void *wake_slowly(void *arg)
{
    struct timespec pause = {.tv_nsec = 20000000};
    nanosleep(&pause, NULL);
    loop_wake(arg);
    return NULL;
}

static void wake_from_another_thread(void **state)
{
    (void)state;
    struct loop *loop = must_loop();
    struct bell bell = bell_of(loop, 1);
    loop_on_wake(loop, bell_ring, &bell);
    pthread_t thread;
    for (int i = 1; i <= 3; i++) {
        bell.stop_at = i;
        uint64_t from = clock_now_ns();
        pthread_create(&thread, NULL, wake_slowly, loop);
        loop_run(loop);
        pthread_join(thread, NULL);
        assert_int_equal(bell.rings, i);
        assert_true(bell.at_ns >= from + 20 * NS_PER_MS);
    }
    loop_free(loop);
}

static void wakes_fold(void **state)
{
    (void)state;
    struct loop *loop = must_loop();
    struct bell bell = bell_of(loop, 1);
    loop_on_wake(loop, bell_ring, &bell);
    for (int i = 0; i < 100; i++)
        loop_wake(loop);
    loop_run(loop);
    assert_int_equal(bell.rings, 1);
    loop_free(loop);
}

struct caught {
    struct loop *loop;
    int signos[8];
    int count, stop_at;
};

static void on_signal(void *arg, int signo)
{
    struct caught *caught = arg;
    caught->signos[caught->count++] = signo;
    if (caught->count == caught->stop_at)
        loop_stop(caught->loop);
}

static void signals_arrive(void **state)
{
    (void)state;
    static const int SIGNOS[] = {SIGINT, SIGTERM, SIGHUP};
    struct err err = {""};
    struct loop *loop = must_loop();
    struct caught caught = {.loop = loop};
    struct signals *signals = signals_new(loop, on_signal, &caught, &err);
    assert_non_null(signals);
    for (int i = 0; i < 3; i++) {
        kill(getpid(), SIGNOS[i]);
        caught.stop_at = i + 1;
        loop_run(loop);
        CHECK_INT("signal", caught.signos[i], SIGNOS[i]);
    }
    kill(getpid(), SIGPIPE); /* must not end the program */
    signals_free(signals);
    loop_free(loop);
}

static void descriptors_rise(void **state)
{
    (void)state;
    struct rlimit before, after, low;
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &low);
    CHECK_INT("raised", loop_raise_descriptors(100), 100);
    CHECK_INT("not lowered", loop_raise_descriptors(10), 100);
    CHECK_INT("up to the hard one", loop_raise_descriptors(UINT64_MAX), before.rlim_max);
    getrlimit(RLIMIT_NOFILE, &after);
    CHECK_INT("in force", after.rlim_cur, before.rlim_max);
    setrlimit(RLIMIT_NOFILE, &before);
}

static int all(void)
{
    signals_block();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alarm_rings_at_its_time),
        cmocka_unit_test(alarm_in_the_past_rings),
        cmocka_unit_test(alarm_moves_and_disarms),
        cmocka_unit_test(loop_ends_when_nothing_is_watched),
        cmocka_unit_test(wake_from_another_thread),
        cmocka_unit_test(wakes_fold),
        cmocka_unit_test(signals_arrive),
        cmocka_unit_test(descriptors_rise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return check_by_the_clock(all);
}
