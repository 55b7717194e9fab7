#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/queue.h"
#include "base/rng.h"

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void *item_of(uintptr_t number)
{
    return (void *)number;
}

/* ---- one thread -------------------------------------------------------------------------------
 */

static void test_first_in_first_out(void **state)
{
    (void)state;
    struct queue *queue = queue_new(0, 0);
    uintptr_t put = 0, taken = 0;
    struct rng rng;
    rng_init(&rng, 1);
    /* Runs of puts and takes of all lengths, so that the ring wraps and grows at every offset. */
    for (int round = 0; round < 2000; round++) {
        for (uint64_t n = rng_below(&rng, 50); n > 0; n--) {
            put++;
            assert_true(queue_put(queue, item_of(put), put % 100));
        }
        for (uint64_t n = rng_below(&rng, 50); n > 0 && taken < put; n--) {
            taken++;
            CHECK_INT("item", (uintptr_t)queue_take(queue), taken);
        }
        CHECK_INT("count", queue_items(queue), put - taken);
    }
    while (taken < put) {
        taken++;
        CHECK_INT("item", (uintptr_t)queue_try_take(queue), taken);
    }
    assert_null(queue_try_take(queue));
    CHECK_INT("bytes", queue_bytes(queue), 0);
    assert_true(queue_peak_bytes(queue) > 0);
    queue_free(queue);
    queue_free(NULL);
}

static void test_bounds_and_account(void **state)
{
    (void)state;
    struct queue *queue = queue_new(3, 100);
    assert_false(queue_over(queue));
    assert_true(
        queue_put(queue, item_of(1), 500)); /* heavier than the whole queue, but it is empty */
    CHECK_INT("bytes", queue_bytes(queue), 500);
    assert_true(queue_over(queue));
    CHECK_INT("heavy", (uintptr_t)queue_take(queue), 1);
    CHECK_INT("bytes", queue_bytes(queue), 0);
    CHECK_INT("peak", queue_peak_bytes(queue), 500);
    assert_true(queue_put(queue, item_of(2), 10));
    assert_true(queue_put(queue, item_of(3), 10));
    assert_false(queue_over(queue));
    assert_true(queue_push(queue, item_of(4), 80));
    assert_true(queue_over(queue));
    assert_true(queue_push(queue, item_of(5), 80)); /* a push passes the bounds */
    CHECK_INT("items", queue_items(queue), 4);
    CHECK_INT("bytes", queue_bytes(queue), 180);
    queue_close(queue);
    assert_false(queue_push(queue, item_of(6), 1));
    assert_false(queue_put(queue, item_of(6), 1));
    assert_false(queue_finished(queue));
    for (uintptr_t i = 2; i <= 5; i++)
        CHECK_INT("drained", (uintptr_t)queue_take(queue), i);
    assert_true(queue_finished(queue));
    assert_null(queue_take(queue));
    queue_free(queue);
}

static void count_wake(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void test_waiter_is_called_once(void **state)
{
    (void)state;
    enum { MANY = 40 };
    atomic_int wakes[MANY];
    struct queue_waiter waiters[MANY] = {{0}};
    struct queue *queue = queue_new(0, 0);
    for (int i = 0; i < MANY; i++) {
        atomic_init(&wakes[i], 0);
        waiters[i] = (struct queue_waiter){.wake = count_wake, .arg = &wakes[i]};
        assert_null(queue_take_or_watch(queue, &waiters[i]));
        assert_null(queue_take_or_watch(queue, &waiters[i])); /* armed twice, called once */
    }
    queue_unwatch(queue, &waiters[7]);
    queue_unwatch(queue, &waiters[7]);
    assert_true(queue_push(queue, item_of(1), 1));
    assert_true(queue_push(queue, item_of(2), 1));
    for (int i = 0; i < MANY; i++)
        CHECK_INT("wakes", atomic_load(&wakes[i]), i != 7);
    CHECK_INT("taken", (uintptr_t)queue_take_or_watch(queue, &waiters[0]), 1);
    CHECK_INT("taken", (uintptr_t)queue_take_or_watch(queue, &waiters[1]), 2);
    assert_null(queue_take_or_watch(queue, &waiters[2]));
    queue_close(queue);
    queue_close(queue);
    CHECK_INT("not armed again", atomic_load(&wakes[0]), 1);
    CHECK_INT("woken by the close", atomic_load(&wakes[2]), 2);
    assert_null(queue_take_or_watch(queue, &waiters[3]));
    assert_false(waiters[3].armed); /* the queue is finished: nothing will ever come */
    queue_free(queue);
}

/* The wake call may use the queue, so it must come without the lock. */
struct reentry {
    struct queue *queue;
    void *item;
};

static void take_in_wake(void *arg)
{
    struct reentry *reentry = arg;
    reentry->item = queue_try_take(reentry->queue);
}

static void test_waiter_is_called_without_the_lock(void **state)
{
    (void)state;
    struct reentry reentry = {.queue = queue_new(1, 1)};
    struct queue_waiter waiter = {.wake = take_in_wake, .arg = &reentry};
    assert_null(queue_take_or_watch(reentry.queue, &waiter));
    assert_true(queue_put(reentry.queue, item_of(9), 1));
    CHECK_INT("taken within", (uintptr_t)reentry.item, 9);
    queue_free(reentry.queue);
}

/* ---- helpers for threads -----------------------------------------------------------------------
 */

struct job {
    struct queue *queue;
    void *item;
    size_t bytes;
    size_t items;
    uint64_t until_ns;
    bool result;
    void *taken;
    atomic_bool done;
};

static void *put_job(void *arg)
{
    struct job *job = arg;
    job->result = queue_put(job->queue, job->item, job->bytes);
    atomic_store(&job->done, true);
    return NULL;
}

static void *take_job(void *arg)
{
    struct job *job = arg;
    job->taken = queue_take(job->queue);
    atomic_store(&job->done, true);
    return NULL;
}

static void *wait_job(void *arg)
{
    struct job *job = arg;
    queue_wait_items(job->queue, job->items, job->until_ns);
    atomic_store(&job->done, true);
    return NULL;
}

static pthread_t start(void *(*body)(void *), void *arg)
{
    pthread_t thread;
    CHECK_INT("thread", pthread_create(&thread, NULL, body, arg), 0);
    return thread;
}

static void test_put_waits_for_room(void **state)
{
    (void)state;
    struct queue *queue = queue_new(10, 100);
    assert_true(queue_put(queue, item_of(1), 60));
    struct job job = {.queue = queue, .item = item_of(2), .bytes = 50};
    pthread_t thread = start(put_job, &job);
    pause_ms(30);
    assert_false(atomic_load(&job.done));
    CHECK_INT("first", (uintptr_t)queue_take(queue), 1);
    pthread_join(thread, NULL);
    assert_true(job.result);
    CHECK_INT("second", (uintptr_t)queue_take(queue), 2);
    queue_free(queue);
}

/* A heavy item that waits is not overtaken for ever by light ones that would fit. */
static void test_putters_go_in_by_turns(void **state)
{
    (void)state;
    struct queue *queue = queue_new(10, 100);
    assert_true(queue_put(queue, item_of(1), 60));
    struct job heavy = {.queue = queue, .item = item_of(2), .bytes = 1000};
    pthread_t heavy_thread = start(put_job, &heavy);
    pause_ms(30);
    struct job light = {.queue = queue, .item = item_of(3), .bytes = 1};
    pthread_t light_thread = start(put_job, &light);
    pause_ms(30);
    assert_false(atomic_load(&light.done));
    for (uintptr_t i = 1; i <= 3; i++)
        CHECK_INT("in turn", (uintptr_t)queue_take(queue), i);
    pthread_join(heavy_thread, NULL);
    pthread_join(light_thread, NULL);
    queue_free(queue);
}

static void test_close_wakes_everybody(void **state)
{
    (void)state;
    enum { EACH = 4 };
    struct queue *full = queue_new(1, 0), *empty = queue_new(1, 0);
    assert_true(queue_put(full, item_of(1), 1));
    struct job putters[EACH], takers[EACH], waiters[EACH];
    pthread_t threads[3 * EACH];
    for (int i = 0; i < EACH; i++) {
        putters[i] = (struct job){.queue = full, .item = item_of(2), .bytes = 1, .result = true};
        takers[i] = (struct job){.queue = empty, .taken = item_of(7)};
        waiters[i] = (struct job){.queue = empty, .items = 1};
        threads[3 * i] = start(put_job, &putters[i]);
        threads[3 * i + 1] = start(take_job, &takers[i]);
        threads[3 * i + 2] = start(wait_job, &waiters[i]);
    }
    pause_ms(30);
    for (int i = 0; i < EACH; i++)
        assert_false(atomic_load(&putters[i].done) || atomic_load(&takers[i].done) ||
                     atomic_load(&waiters[i].done));
    queue_close(full);
    queue_close(empty);
    for (int i = 0; i < 3 * EACH; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < EACH; i++) {
        assert_false(putters[i].result);
        assert_null(takers[i].taken);
    }
    CHECK_INT("still there", (uintptr_t)queue_take(full), 1);
    queue_free(full);
    queue_free(empty);
}

static void test_wait_items(void **state)
{
    (void)state;
    struct queue *queue = queue_new(4, 100);
    queue_wait_items(queue, 0, 0); /* reached already */
    uint64_t start_ns = clock_now_ns();
    queue_wait_items(queue, 1, start_ns + 30 * NS_PER_MS);
    uint64_t waited = clock_now_ns() - start_ns;
    if (waited < 30 * NS_PER_MS || waited > 30 * NS_PER_S)
        fail_msg("waited %g s, want 0.03 s", clock_seconds(waited));
    queue_wait_items(queue, 1, 1); /* long past */

    struct job job = {.queue = queue, .items = 2};
    pthread_t thread = start(wait_job, &job);
    assert_true(queue_push(queue, item_of(1), 10));
    pause_ms(30);
    assert_false(atomic_load(&job.done));
    assert_true(queue_push(queue, item_of(2), 10));
    pthread_join(thread, NULL);

    /* More than ever fits: the wait ends when a putter must wait. */
    job = (struct job){.queue = queue, .items = 1000};
    thread = start(wait_job, &job);
    pause_ms(30);
    assert_false(atomic_load(&job.done));
    struct job putter = {.queue = queue, .item = item_of(3), .bytes = 90};
    pthread_t putter_thread = start(put_job, &putter);
    pthread_join(thread, NULL);
    for (uintptr_t i = 1; i <= 3; i++)
        CHECK_INT("item", (uintptr_t)queue_take(queue), i);
    pthread_join(putter_thread, NULL);
    queue_free(queue);
}

/* ---- crowds ------------------------------------------------------------------------------------
 */

enum { PRODUCERS = 4, CONSUMERS = 4, EACH_PUTS = 8000, MAX_ITEMS = 16, MAX_BYTES = 200 };

/* Item n of producer p is the address of cells[p][n]; each is marked by whoever takes it. */
struct crowd {
    struct queue *queue;
    atomic_uchar *cells;
    atomic_int producers; /* handing out numbers */
    atomic_size_t over;   /* how often a bound was seen passed */
    bool watching;        /* consumers leave waiters instead of blocking */
};

static size_t weight(size_t cell)
{
    return cell % 1000 == 0 ? 5 * MAX_BYTES : 1 + cell % 40;
}

static void *produce(void *arg)
{
    struct crowd *crowd = arg;
    size_t first = (size_t)atomic_fetch_add(&crowd->producers, 1) * EACH_PUTS;
    for (size_t i = first; i < first + EACH_PUTS; i++) {
        bool ok = queue_put(crowd->queue, &crowd->cells[i], weight(i));
        if (!ok)
            return arg;
        size_t items = queue_items(crowd->queue);
        if (items > MAX_ITEMS)
            atomic_fetch_add(&crowd->over, 1);
    }
    return NULL;
}

/* An event loop in small: sleeps until woken, as loop_wake would wake it. */
struct bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    bool ringing;
};

static void ring(void *arg)
{
    struct bell *bell = arg;
    pthread_mutex_lock(&bell->lock);
    bell->ringing = true;
    pthread_cond_signal(&bell->rung);
    pthread_mutex_unlock(&bell->lock);
}

static void wait_bell(struct bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    while (!bell->ringing)
        pthread_cond_wait(&bell->rung, &bell->lock);
    bell->ringing = false;
    pthread_mutex_unlock(&bell->lock);
}

static void *next_item(struct crowd *crowd, struct bell *bell, struct queue_waiter *waiter)
{
    if (!crowd->watching)
        return queue_take(crowd->queue);
    void *item = NULL;
    while (!(item = queue_take_or_watch(crowd->queue, waiter)) && !queue_finished(crowd->queue))
        wait_bell(bell);
    return item;
}

/* The counts of wakes are checked by the bell's life: it lies on this stack and is gone after the
 * unwatch, so a late call would be seen by the sanitizers. */
static void *consume(void *arg)
{
    struct crowd *crowd = arg;
    struct bell bell = {.ringing = false};
    pthread_mutex_init(&bell.lock, NULL);
    pthread_cond_init(&bell.rung, NULL);
    struct queue_waiter waiter = {.wake = ring, .arg = &bell};
    size_t last[PRODUCERS] = {0}, bad = 0;
    for (atomic_uchar *cell; (cell = next_item(crowd, &bell, &waiter));) {
        size_t number = (size_t)(cell - crowd->cells);
        size_t *before = &last[number / EACH_PUTS];
        bad += *before > number; /* one producer's items come in order */
        *before = number;
        atomic_fetch_add(cell, 1);
    }
    queue_unwatch(crowd->queue, &waiter);
    pthread_cond_destroy(&bell.rung);
    pthread_mutex_destroy(&bell.lock);
    return bad ? arg : NULL;
}

static void check_crowd(bool watching)
{
    struct crowd crowd = {.queue = queue_new(MAX_ITEMS, MAX_BYTES), .watching = watching};
    crowd.cells = mem_zero(PRODUCERS * EACH_PUTS, sizeof *crowd.cells);
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];
    for (int i = 0; i < CONSUMERS; i++)
        consumers[i] = start(consume, &crowd);
    for (int i = 0; i < PRODUCERS; i++)
        producers[i] = start(produce, &crowd);
    void *failed = NULL;
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i], &failed);
        assert_null(failed);
    }
    queue_close(crowd.queue);
    for (int i = 0; i < CONSUMERS; i++) {
        pthread_join(consumers[i], &failed);
        assert_null(failed);
    }
    for (size_t i = 0; i < PRODUCERS * EACH_PUTS; i++)
        if (atomic_load(&crowd.cells[i]) != 1)
            fail_msg("item %zu was taken %d times", i, atomic_load(&crowd.cells[i]));
    CHECK_INT("bound passed", atomic_load(&crowd.over), 0);
    CHECK_INT("bytes", queue_bytes(crowd.queue), 0);
    CHECK_INT("peak is one heavy item", queue_peak_bytes(crowd.queue), 5 * MAX_BYTES);
    assert_true(queue_finished(crowd.queue));
    queue_free(crowd.queue);
    free(crowd.cells);
}

static void test_crowd_that_blocks(void **state)
{
    (void)state;
    check_crowd(false);
}

static void test_crowd_that_watches(void **state)
{
    (void)state;
    check_crowd(true);
}

/* ---- the gap between take_or_watch and put ------------------------------------------------------
 */

static void *push_numbers(void *arg)
{
    struct queue *queue = arg;
    for (uintptr_t i = 1; i <= 50000; i++) {
        if (!queue_push(queue, item_of(i), 1))
            return arg;
        if (i % 64 == 0)
            sched_yield();
    }
    return NULL;
}

/* One watcher alone: a lost wake-up would leave it asleep for ever (the test's timeout). */
static void test_no_wake_is_lost(void **state)
{
    (void)state;
    struct crowd crowd = {.queue = queue_new(0, 0), .watching = true};
    struct bell bell = {.ringing = false};
    pthread_mutex_init(&bell.lock, NULL);
    pthread_cond_init(&bell.rung, NULL);
    struct queue_waiter waiter = {.wake = ring, .arg = &bell};
    pthread_t thread = start(push_numbers, crowd.queue);
    for (uintptr_t i = 1; i <= 50000; i++)
        CHECK_INT("item", (uintptr_t)next_item(&crowd, &bell, &waiter), i);
    void *failed = NULL;
    pthread_join(thread, &failed);
    assert_null(failed);
    queue_unwatch(crowd.queue, &waiter);
    queue_free(crowd.queue);
    pthread_cond_destroy(&bell.rung);
    pthread_mutex_destroy(&bell.lock);
}

/* Unwatch returns only after a call that is under way. */
struct slow {
    atomic_bool begun, ended;
};

static void wake_slowly(void *arg)
{
    struct slow *slow = arg;
    atomic_store(&slow->begun, true);
    pause_ms(50);
    atomic_store(&slow->ended, true);
}

static void test_unwatch_waits_for_the_call(void **state)
{
    (void)state;
    struct slow slow = {false, false};
    struct queue *queue = queue_new(0, 0);
    struct queue_waiter waiter = {.wake = wake_slowly, .arg = &slow};
    assert_null(queue_take_or_watch(queue, &waiter));
    struct job job = {.queue = queue, .item = item_of(1), .bytes = 1};
    pthread_t thread = start(put_job, &job);
    while (!atomic_load(&slow.begun))
        sched_yield();
    queue_unwatch(queue, &waiter);
    assert_true(atomic_load(&slow.ended));
    pthread_join(thread, NULL);
    CHECK_INT("item", (uintptr_t)queue_take(queue), 1);
    queue_free(queue);
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_in_first_out),
        cmocka_unit_test(test_bounds_and_account),
        cmocka_unit_test(test_waiter_is_called_once),
        cmocka_unit_test(test_waiter_is_called_without_the_lock),
        cmocka_unit_test(test_put_waits_for_room),
        cmocka_unit_test(test_putters_go_in_by_turns),
        cmocka_unit_test(test_close_wakes_everybody),
        cmocka_unit_test(test_wait_items),
        cmocka_unit_test(test_crowd_that_blocks),
        cmocka_unit_test(test_crowd_that_watches),
        cmocka_unit_test(test_no_wake_is_lost),
        cmocka_unit_test(test_unwatch_waits_for_the_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return check_by_the_clock(all);
}
