/* Requests that wait come out by their time, whatever the order they went in. */
#include "check.h"

#include "base/mem.h"
#include "base/rng.h"
#include "model/request.h"
#include "run/waiting.h"

static void test_order(void **state)
{
    (void)state;
    struct waiting waiting = {0};
    struct rng rng;
    rng_init(&rng, 7);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i <= round * 3; i++)
            waiting_add(&waiting, rng_below(&rng, 100), MEM_NEW(struct request));
        uint64_t last = 0;
        for (int i = 0; i <= round; i++) {
            uint64_t next = waiting_next_ns(&waiting);
            struct waiting_entry entry = waiting_pop(&waiting);
            CHECK_INT("the next is what comes", entry.due_ns, next);
            assert_true(entry.due_ns >= last);
            last = entry.due_ns;
            request_free(entry.request);
        }
    }
    waiting_fini(&waiting);
    assert_true(waiting_next_ns(&waiting) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
