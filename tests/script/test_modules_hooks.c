/* The hooks beside setup, build_request and read_event: refresh, given_header, frame; and the names
 * of sampling options. */
#include <time.h>

#include "fixture.h"

/* ---- refresh ---- */

static void check_body(const char *name, struct script *script, const char *want)
{
    script_refresh(script);
    struct request *request = must_compose(script, 0);
    CHECK_TEXT(name, request->fault ? request->fault : request->body, want);
    request_free(request);
}

static void sleep_ms(long ms)
{
    struct timespec rest = {.tv_nsec = ms * 1000000};
    nanosleep(&rest, NULL);
}

#define TOLD "function api.build_request(_, _, ctx) return ctx.setup.word end\n"

static void refresh_comes_in_its_time(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    struct script *script = fixture_must_open(
        &fixture, SCRIPT("local time, n = require('time'), 0\n"
                         "function api.build_messages() return function() return 'p' end end\n"
                         "api.refresh_every = 1000\n"
                         "function api.setup(o) api.refresh_every = 0.5 return {word='first'} end\n"
                         "function api.refresh(ctx, opts) n = n + 1 time.sleep(0) "
                         "if n == 2 then api.refresh_every = 0 end\n"
                         "return {word=ctx.setup.word .. n .. opts.model} end\n" TOLD));
    check_body("before", script, "first");
    sleep_ms(520);
    check_body("due", script, "first1m");
    check_body("not again at once", script, "first1m");
    sleep_ms(520);
    check_body("the next", script, "first1m2m");
    sleep_ms(520);
    check_body("0 is never", script, "first1m2m");
    assert_true(script_setup_result(script).len > 0);
    script_close(script);
    fixture_fini(&fixture);
}

static void a_failed_refresh_keeps_what_was(void **state)
{
    (void)state;
    static const struct {
        const char *name, *hook, *log;
    } cases[] = {
        {"throws", "error('no answer')", "no answer"},
        {"no plain data", "return {word=print}", "its result.word: a function cannot go"},
        {"a wrong time", "api.refresh_every = 'x' return nil",
         "'refresh_every' must be a number of seconds from 0"},
        {"nothing new", "return nil", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        fixture_init(&fixture, NULL);
        fixture_log(&fixture);
        char *text = mem_printf(SCRIPT("api.refresh_every = 0.001\n"
                                       "function api.setup() return {word='kept'} end\n"
                                       "function api.refresh() %s end\n" TOLD),
                                cases[i].hook);
        struct script *script = fixture_must_open(&fixture, text);
        sleep_ms(3);
        check_body(cases[i].name, script, "kept");
        if (cases[i].log) {
            check_contains(cases[i].name, fixture_log_text(&fixture), cases[i].log);
            check_contains(cases[i].name, fixture_log_text(&fixture), "stays in use");
        } else {
            CHECK_TEXT(cases[i].name, fixture_log_text(&fixture), "");
        }
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

/* ---- given_header ---- */

static void given_headers_can_be_changed(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, "--header X-Mode:a=b --header Other:1 --header X-Token=long-one");
    struct script *script = fixture_must_open(
        &fixture, SCRIPT("function api.given_header(name, value)\n"
                         "if name == 'X-Mode' then return value:gsub('=.*', '') .. '' end\n"
                         "if name == 'X-Token' then return value .. '-changed' end end"));
    struct request *request = must_compose(script, 0);
    static const char *const want[] = {"Content-Type: application/json", "X-Mode: a", "Other: 1",
                                       "X-Token: long-one-changed"};
    CHECK_INT("headers", request->headers.count, 4);
    for (size_t i = 0; i < 4; i++)
        CHECK_TEXT("header", request->headers.items[i], want[i]);
    assert_true(secrets_found(fixture.secrets, span_text("long-one-changed")));
    char *hidden = secrets_hidden(fixture.secrets, "long-one-changed");
    CHECK_TEXT("hidden whole", hidden, "[redacted]");
    free(hidden);
    request_free(request);
    script_close(script);
    fixture_fini(&fixture);
}

/* ---- param_names ---- */

static void options_take_the_names_of_the_api(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, "--max-tokens 5 --temperature 0.5");
    const char *text = SCRIPT("api.params_at = 'p'\n"
                              "api.param_names = {max_tokens='max_new_tokens'}\n"
                              "function api.build_messages() return function() "
                              "return {prompt='x', max_tokens=9} end end\n"
                              "function api.build_request() return {} end");
    struct script *script = fixture_must_open(&fixture, text);
    check_body("given", script, "{\"p\":{\"max_new_tokens\":5,\"temperature\":0.5}}");
    script_close(script);
    fixture_fini(&fixture);
    fixture_init(&fixture, NULL);
    script = fixture_must_open(&fixture, text);
    check_body("of the item", script, "{\"p\":{\"max_new_tokens\":9}}");
    script_close(script);
    fixture_fini(&fixture);
}

/* ---- frame ---- */

static const struct {
    const char *name, *hook, *bytes;
    const char *got; /* events in [], or the error */
} frames[] = {
    {"by a letter",
     "local at = bytes:find(';', pos, true) if at then return pos, at - 1, at + 1 end",
     "ab;c;;rest", "[ab][c][]6"},
    {"none", "return nil", "abc", "0"},
    {"a frame that is all", "return 1, #bytes, #bytes + 1", "abc", "[abc]3"},
    {"NUL bytes", "return pos, pos, pos + 1", "a\\0b", "[a][?][b]3"},
    {"nothing to do", "error('called')", "", "0"},
    {"no progress", "return pos, pos - 1, pos", "abc",
     "'next' is 1; it must be a whole number from 2 to 4"},
    {"back", "return pos - 1, pos, pos + 1", "abc",
     "'from' is 0; it must be a whole number from 1 to 4"},
    {"beyond the end", "return pos, 9, 10", "abc",
     "'to' is 9; it must be a whole number from 0 to 3"},
    {"next within", "return 1, 3, 3", "abc", "'next' is 3; it must be a whole number from 4 to 4"},
    {"no number", "return 'a'", "abc", "must return from, to, next or nil, but 'from' is a string"},
    {"no next", "return 1, 2", "abc", "must return from, to, next or nil, but 'next' is nil"},
    {"NaN", "return 0/0, 1, 2", "abc", "'from' is"},
    {"throws", "error('oops')", "abc", "s.lua:3: oops"},
};

static char *framed(struct script *script, struct span bytes)
{
    struct buf out;
    struct err err;
    size_t pos = 0, from = 0, to = 0, next = 0;
    bool found = true;
    buf_init(&out, 65536);
    while (found) {
        if (!script_frame(script, bytes, pos, &found, &from, &to, &next, &err)) {
            buf_fini(&out);
            return mem_text(err.text);
        }
        if (!found)
            break;
        buf_add_char(&out, '[');
        for (size_t i = from; i < to; i++)
            buf_add_char(&out, bytes.data[i] ? bytes.data[i] : '?');
        buf_add_char(&out, ']');
        pos = next;
    }
    buf_printf(&out, "%zu", pos);
    return buf_take(&out);
}

static void answers_are_framed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct fixture fixture;
        fixture_init(&fixture, NULL);
        fixture.config.role = SCRIPT_SCORER;
        char *text = mem_printf(SCRIPT("function api.frame(bytes, pos)\n%s end"), frames[i].hook);
        struct script *script = fixture_must_open(&fixture, text);
        assert_true(script_facts(script)->has_frame);
        struct span bytes = span_text(frames[i].bytes);
        if (strstr(frames[i].bytes, "\\0"))
            bytes = span_of("a\0b", 3);
        for (int round = 0; round < 2; round++) { /* the second meets what the first left */
            char *got = framed(script, bytes);
            check_contains(frames[i].name, got, frames[i].got);
            free(got);
        }
        script_answer_end(script);
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refresh_comes_in_its_time),
        cmocka_unit_test(a_failed_refresh_keeps_what_was),
        cmocka_unit_test(given_headers_can_be_changed),
        cmocka_unit_test(options_take_the_names_of_the_api),
        cmocka_unit_test(answers_are_framed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return check_by_the_clock(all);
}
