/* The few facts that the stations share: only the first stop counts, in flight is counted up and
 * down. */
#include "check.h"

#include "model/request.h"
#include "run/line.h"

static void count_wake(void *arg)
{
    ++*(int *)arg;
}

static void line_make(struct line *line, struct plan *plan, struct line_listener *listener,
                      int *wakes)
{
    *plan = (struct plan){.parallel = 2, .threads = 1};
    *listener = (struct line_listener){.wake = count_wake, .arg = wakes};
    *line = (struct line){.plan = plan, .listeners = listener, .listener_count = 1};
    line->ready = queue_new(4, 1000);
}

static void test_first_stop_counts(void **state)
{
    (void)state;
    struct plan plan;
    struct line_listener listener;
    struct line line;
    int wakes = 0;
    line_make(&line, &plan, &listener, &wakes);
    assert_false(line_stopped(&line));
    line_stop(&line, RUN_END_DURATION, 500);
    line_stop(&line, RUN_END_INTERRUPTED, 900);
    assert_true(line_stopped(&line));
    CHECK_INT("moment", atomic_load(&line.stop_ns), 500);
    CHECK_INT("end", atomic_load(&line.end), RUN_END_DURATION);
    CHECK_INT("wakes", wakes, 1);
    assert_false(queue_put(line.ready, &plan, 1));
    line_cancel(&line);
    CHECK_INT("a cancel keeps the end", atomic_load(&line.end), RUN_END_DURATION);
    CHECK_INT("and wakes", wakes, 2);
    queue_free(line.ready);
}

static void test_release_once(void **state)
{
    (void)state;
    struct plan plan;
    struct line_listener listener;
    struct line line;
    int wakes = 0;
    line_make(&line, &plan, &listener, &wakes);
    line_release(&line);
    uint64_t start_ns = atomic_load(&line.start_ns);
    assert_true(start_ns != 0);
    line_release(&line);
    CHECK_INT("start stays", atomic_load(&line.start_ns), start_ns);
    CHECK_INT("wakes", wakes, 1);
    queue_free(line.ready);
}

static void test_in_flight(void **state)
{
    (void)state;
    struct plan plan;
    struct line_listener listener;
    struct line line;
    int wakes = 0;
    line_make(&line, &plan, &listener, &wakes);
    line_started(&line, 100);
    CHECK_INT("not steady yet", atomic_load(&line.steady_start_ns), 0);
    line_started(&line, 200);
    line_ended(&line);
    line_started(&line, 300);
    line_ended(&line);
    CHECK_INT("steady since the asked number was reached first", atomic_load(&line.steady_start_ns),
              200);
    CHECK_INT("first", atomic_load(&line.first_start_ns), 100);
    CHECK_INT("last", atomic_load(&line.last_start_ns), 300);
    CHECK_INT("most", atomic_load(&line.max_in_flight), 2);
    CHECK_INT("now", atomic_load(&line.in_flight), 1);
    CHECK_INT("started", atomic_load(&line.started), 3);
    CHECK_INT("ended", atomic_load(&line.ended), 2);
    queue_free(line.ready);
}

static void test_weigh(void **state)
{
    (void)state;
    struct plan plan;
    struct line_listener listener;
    struct line line;
    int wakes = 0;
    line_make(&line, &plan, &listener, &wakes);
    line.finished = queue_new(0, 0);
    line.samples = queue_new(0, 0);
    line.max_bytes = 1000;
    assert_true(queue_push(line.ready, &plan, 100));
    assert_true(queue_push(line.finished, &plan, 200));
    assert_true(queue_push(line.samples, &plan, 300));
    atomic_store(&line.in_flight_bytes, 400);
    assert_true(line_weigh(&line));
    assert_false(line_stopped(&line));
    atomic_store(&line.in_flight_bytes, 401);
    assert_false(line_weigh(&line));
    CHECK_INT("end", atomic_load(&line.end), RUN_END_MEMORY);
    assert_true(atomic_load(&line.cancelled));
    int woken = wakes;
    atomic_store(&line.in_flight_bytes, 0);
    assert_false(line_weigh(&line));
    CHECK_INT("said once", wakes, woken);
    queue_free(line.ready);
    queue_free(line.finished);
    queue_free(line.samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_stop_counts),
        cmocka_unit_test(test_release_once),
        cmocka_unit_test(test_in_flight),
        cmocka_unit_test(test_weigh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
