#include "check.h"
#include "model/outcome.h"

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "ok",           "connect_failed", "tls_failed",  "timeout_connect",
        "timeout_read", "timeout_total",  "send_failed", "reset",
        "http_4xx",     "http_429",       "http_5xx",    "http_other",
        "stream_error", "truncated",      "empty",       "bad_response",
        "too_large",    "script_error",   "cancelled",
    };
    CHECK_INT("outcomes", sizeof names / sizeof *names, OUTCOME_COUNT);
    for (size_t i = 0; i < OUTCOME_COUNT; i++) {
        CHECK_TEXT(names[i], outcome_name((enum outcome)i), names[i]);
        assert_true(strlen(outcome_meaning((enum outcome)i)) > 10);
    }
}

static void test_failures(void **state)
{
    (void)state;
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        CHECK_INT(outcome_name((enum outcome)i), outcome_is_failure((enum outcome)i),
                  i != OUTCOME_OK && i != OUTCOME_CANCELLED);
}

static void test_status(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int status;
        enum outcome want;
    } cases[] = {
        {"200", 200, OUTCOME_OK},
        {"204", 204, OUTCOME_OK},
        {"299", 299, OUTCOME_OK},
        {"400", 400, OUTCOME_HTTP_4XX},
        {"401", 401, OUTCOME_HTTP_4XX},
        {"428", 428, OUTCOME_HTTP_4XX},
        {"429", 429, OUTCOME_HTTP_429},
        {"430", 430, OUTCOME_HTTP_4XX},
        {"499", 499, OUTCOME_HTTP_4XX},
        {"500", 500, OUTCOME_HTTP_5XX},
        {"599", 599, OUTCOME_HTTP_5XX},
        {"100", 100, OUTCOME_HTTP_OTHER},
        {"199", 199, OUTCOME_HTTP_OTHER},
        {"301", 301, OUTCOME_HTTP_OTHER},
        {"600", 600, OUTCOME_HTTP_OTHER},
        {"none", 0, OUTCOME_HTTP_OTHER},
        {"negative", -200, OUTCOME_HTTP_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_TEXT(cases[i].name, outcome_name(outcome_of_status(cases[i].status)),
                   outcome_name(cases[i].want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
