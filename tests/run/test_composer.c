/* What a composer keeps of a stage: which of it was due before the stop. */
#include "check.h"

#include "base/mem.h"
#include "model/request.h"
#include "run/composer.h"

static void test_kept_and_due(void **state)
{
    (void)state;
    static const uint64_t dues[] = {0, 50, 50, 70, 200};
    static const struct {
        const char *name;
        uint64_t offset_ns;
        size_t gone_out; /* of those at the beginning */
        uint64_t want;
    } cases[] = {
        {"at the start nothing is due", 0, 0, 0},
        {"the first", 1, 0, 1},
        {"not yet at its own time", 50, 0, 1},
        {"a burst as one", 51, 0, 3},
        {"all", 1000, 0, 5},
        {"what went out again is not kept", 1000, 3, 2},
        {"none is left", 1000, 5, 0},
    };
    struct composer composer = {0};
    for (size_t i = 0; i < sizeof dues / sizeof *dues; i++) {
        struct request *request = MEM_NEW(struct request);
        request->due_offset_ns = dues[i];
        composer_keep(&composer, request);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        composer.kept_at = cases[i].gone_out;
        CHECK_INT(cases[i].name, composer_kept_due(&composer, cases[i].offset_ns), cases[i].want);
    }
    composer.kept_at = 0;
    composer_fini(&composer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_and_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
