/* The times that items give: which of them count, what is wrong with them, what is said of them. */
#include "fixture.h"

#include "base/clock.h"

#define ITEMS(LIST)                                                                                \
    "local api, items = {}, " LIST "\nfunction api.build_messages() local i = 0 return function()" \
    " i = i + 1 return items[i] end end" API_REST "\nreturn api\n"

static void the_times_of_a_trace_come_in_order(void **state)
{
    (void)state;
    static const uint64_t wants[] = {1500000000, 1500000000, NS_PER_S * 1000000000};
    struct fixture fixture;
    struct err err;
    uint64_t at_ns = 0;
    fixture_init(&fixture, NULL);
    fixture.config.pace = SCRIPT_TRACE;
    struct script *script = fixture_must_open(
        &fixture, ITEMS("{{prompt='a', at=1.5}, {prompt='b', at=1.5}, {prompt='c', at=1e9}}"));
    for (uint64_t pass = 0; pass < 2; pass++) {
        for (uint64_t i = 0; i < 3; i++) {
            for (int twice = 0; twice < 2; twice++) {
                assert_int_equal(script_peek(script, &at_ns, &err), SCRIPT_STEP_OK);
                CHECK_INT("at", at_ns, wants[i]);
            }
            request_free(must_compose(script, i));
        }
        assert_int_equal(script_peek(script, &at_ns, &err), SCRIPT_STEP_END);
        assert_true(script_rewind(script, &err));
    }
    script_close(script);
    fixture_fini(&fixture);
}

static const struct {
    const char *name, *script, *part;
} bad[] = {
    {"none", ITEMS("{{prompt='a', at=2}, 'b'}"), "s.lua:2: the item has no 'at'"},
    {"less", ITEMS("{{prompt='a', at=2}, {prompt='b', at=1.5}}"),
     "the item's 'at' is 1.5, less than the 2 of the item before it"},
};

static void bad_times_end_a_trace(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fixture fixture;
        struct err err;
        uint64_t at_ns;
        fixture_init(&fixture, NULL);
        fixture.config.pace = SCRIPT_TRACE;
        struct script *script = fixture_must_open(&fixture, bad[i].script);
        request_free(must_compose(script, 0));
        CHECK_INT(bad[i].name, script_peek(script, &at_ns, &err), SCRIPT_STEP_FAILED);
        check_contains(bad[i].name, err.text, bad[i].part);
        script_close(script);
        fixture.config.pace = SCRIPT_CLOSED; /* a loop that does not ask for them */
        script = fixture_must_open(&fixture, bad[i].script);
        request_free(must_compose(script, 0));
        request_free(must_compose(script, 1));
        script_close(script);
        fixture_fini(&fixture);
    }
}

static void unused_times_are_said_once(void **state)
{
    (void)state;
    static const struct {
        const char *name, *script;
        enum script_pace pace;
        unsigned want;
    } cases[] = {
        {"at in a closed loop", ITEMS("{{prompt='a', at=2}, {prompt='b', at=1}}"), SCRIPT_CLOSED,
         1},
        {"both at a rate", ITEMS("{{prompt='a', at=2, delay=1}, {prompt='b', at=1, delay=1}}"),
         SCRIPT_OPEN, 2},
        {"no delay to speak of", ITEMS("{{prompt='a', delay=0}, 'b'}"), SCRIPT_OPEN, 0},
        {"delay in a trace", ITEMS("{{prompt='a', at=2, delay=1}, {prompt='b', at=2}}"),
         SCRIPT_TRACE, 1},
        {"delay in a closed loop", ITEMS("{{prompt='a', delay=1}, 'b'}"), SCRIPT_CLOSED, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        fixture_init(&fixture, NULL);
        fixture_log(&fixture);
        fixture.config.pace = cases[i].pace;
        struct script *script = fixture_must_open(&fixture, cases[i].script);
        request_free(must_compose(script, 0));
        request_free(must_compose(script, 1));
        CHECK_INT(cases[i].name, log_warnings(fixture.log), cases[i].want);
        script_close(script);
        fixture_fini(&fixture);
    }
}

static void a_session_reaches_the_script(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    struct script *script = fixture_must_open(
        &fixture,
        SCRIPT("local items = {{prompt='a', session='s'}, {prompt='b', session=7}}\n"
               "function api.build_messages() local i = 0 return function() i = i + 1 return "
               "items[i] end end\n"
               "function api.build_request(_, _, c) return type(c.prompt.session) .. "
               "c.prompt.session end"));
    static const char *const wants[] = {"strings", "number7"};
    for (size_t i = 0; i < 2; i++) {
        struct request *request = must_compose(script, i);
        CHECK_TEXT("session", request->body, wants[i]);
        request_free(request);
    }
    script_close(script);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_times_of_a_trace_come_in_order),
        cmocka_unit_test(bad_times_end_a_trace),
        cmocka_unit_test(unused_times_are_said_once),
        cmocka_unit_test(a_session_reaches_the_script),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
