/* What --debug writes into the log about finished exchanges. */
#include "fixture.h"

#include "base/log.h"
#include "out/debug.h"

#define LOG_PATH "debug.log"

static int set_up(void **state)
{
    char *folder = mem_text("/tmp/llmbench_debug_XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    *state = folder;
    return 0;
}

static int tear_down(void **state)
{
    unlink(LOG_PATH);
    assert_int_equal(chdir("/"), 0);
    rmdir(*state);
    free(*state);
    return 0;
}

/* The log's lines without their dates. */
static char *messages(void)
{
    static const char marker[] = " info: ";
    char line[16384];
    struct buf out;
    buf_init(&out, 1 << 20);
    FILE *file = fopen(LOG_PATH, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        char *at = strstr(line, marker);
        if (!at)
            fail_msg("no such line: %s", line);
        buf_add_text(&out, at + strlen(marker));
    }
    fclose(file);
    return buf_take(&out);
}

static char *shown(const struct sample *sample, bool with_bodies)
{
    struct err err;
    struct secrets *secrets = fixture_secrets();
    struct log *log = log_new(LOG_ERROR, secrets);
    unlink(LOG_PATH);
    assert_true(log_open_file(log, LOG_PATH, &err));
    struct debug *debug = debug_new(log, secrets, FIXTURE_START_NS);
    struct sink sink = debug_sink(debug);
    assert_true(sink.sample(sink.self, sample, with_bodies, &err));
    debug_free(debug);
    log_free(log);
    secrets_free(secrets);
    return messages();
}

static struct sample *made(const struct fixture_sample *of, const char *url)
{
    struct sample *sample = fixture_sample(of);
    sample->exchange->request->url = mem_text(url);
    sample->exchange->request->method = mem_text("POST");
    return sample;
}

static void check(struct sample *sample, bool with_bodies, const char *name, const char *want)
{
    char *text = shown(sample, with_bodies);
    CHECK_TEXT(name, text, want);
    free(text);
    sample_free(sample);
}

static void test_a_stream(void **state)
{
    (void)state;
    struct sample *sample = made(
        &(struct fixture_sample){
            .index = 7,
            .outcome = OUTCOME_OK,
            .ttft_ms = 20,
            .tokens = 2,
            .responses = "[\"{\\\"a\\\":1}\",\"x\\ny\",\"[DONE]\"]",
        },
        "http://h/v1?access_token=abcdef");
    sample->events[1].kind = EVENT_PING; /* of the five the one without a payload */
    snprintf(sample->finish_reason, sizeof sample->finish_reason, "stop");
    sample->event_count = 4;
    check(sample, true, "stream",
          "request 7 sent at 7.100 ms: POST http://h/v1?access_token=[redacted], 27 bytes: "
          "{\"model\":\"m\",\"messages\":[]}\n"
          "request 7 +20.000 ms o: {\"a\":1}\n"
          "request 7 +20.000 ms p\n"
          "request 7 +30.000 ms c: x\\ny\n"
          "request 7 +40.000 ms u: [DONE]\n"
          "request 7 +40.000 ms ok, HTTP 200, 4 events, 12 prompt tokens, 2 completion tokens, "
          "finished: stop\n");
}

static void test_own_metrics(void **state)
{
    (void)state;
    struct own_metrics metrics = {0};
    struct sample *sample =
        made(&(struct fixture_sample){.outcome = OUTCOME_OK, .plain = true, .responses = "[]"},
             "http://h");
    fixture_add_own(&metrics, OVER_SUCCESSES, "words", NULL, "count", NULL);
    fixture_add_own(&metrics, OVER_SUCCESSES, "gain", NULL, "points", NULL);
    sample->own = &metrics;
    sample->own_values = mem_zero(2, sizeof *sample->own_values);
    sample->own_values[0] = 1.0 / 3;
    sample->own_values[1] = (double)NAN;
    sample->own_error = mem_text("metric 'gain': a\nb " FIXTURE_SECRET);
    check(sample, true, "own metrics",
          "request 0 sent at 0.100 ms: POST http://h, 27 bytes: {\"model\":\"m\",\"messages\":[]}\n"
          "request 0 +0.000 ms ok, HTTP 200, 0 events, 12 prompt tokens, 0 completion tokens\n"
          "request 0 metrics: words 0.333333; failed: metric 'gain': a\\nb [redacted]\n");
}

/* The lines of the log between the first, the request, and the last, the outcome. */
static char *header_lines(const char *const *request, const char *answer, int status)
{
    struct sample *sample =
        made(&(struct fixture_sample){.outcome = OUTCOME_OK, .plain = true}, "http://h");
    for (; *request; request++)
        list_add(&sample->exchange->request->headers, *request);
    if (answer)
        buf_add_text(&sample->exchange->headers, answer);
    sample->exchange->status = status;
    char *text = shown(sample, false);
    sample_free(sample);
    char *from = strchr(text, '\n') + 1, *to = text + strlen(text) - 1;
    while (to > from && to[-1] != '\n')
        to--;
    char *lines = mem_copy(from, (size_t)(to - from));
    free(text);
    return lines;
}

static void test_headers(void **state)
{
    static const struct {
        const char *name;
        const char *request[8];
        const char *answer;
        const char *want;
    } cases[] = {
        {"none", {NULL}, NULL, ""},
        {"both",
         {"Content-Type: application/json", "X-Trace: 7"},
         "Content-Type: text/event-stream\r\nX-Id: a:b\n",
         "request 0 > Content-Type: application/json\n"
         "request 0 > X-Trace: 7\n"
         "request 0 < HTTP 429\n"
         "request 0 < Content-Type: text/event-stream\n"
         "request 0 < X-Id: a:b\n"},
        {"confidential, though not registered",
         {"Authorization: Bearer abc", "x-api-key:abc", "COOKIE: a=abc; b=abc", "Api-Key;",
          "X-Auth=abc", "x-goog-api-key abc"},
         "Set-Cookie: s=abc; Path=/\r\n and=abc\r\nX-RateLimit-Tokens: 5\r\n folded\r\n",
         "request 0 > Authorization: [redacted]\n"
         "request 0 > x-api-key:[redacted]\n"
         "request 0 > COOKIE: [redacted]\n"
         "request 0 > Api-Key[redacted]\n"
         "request 0 > X-Auth[redacted]\n"
         "request 0 > x-goog-api-key [redacted]\n"
         "request 0 < HTTP 429\n"
         "request 0 < Set-Cookie: [redacted]\n"
         "request 0 <  [redacted]\n"
         "request 0 < X-RateLimit-Tokens: 5\n"
         "request 0 <  folded\n"},
        {"registered, under an innocent name",
         {"X-Trace: " FIXTURE_SECRET "!"},
         "X-Echo: \x1b[2J" FIXTURE_SECRET,
         "request 0 > X-Trace: [redacted]!\n"
         "request 0 < HTTP 429\n"
         "request 0 < X-Echo: \\x1b[2J[redacted]\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *lines = header_lines(cases[i].request, cases[i].answer, 429);
        CHECK_TEXT(cases[i].name, lines, cases[i].want);
        free(lines);
    }
}

/* `count` times the text. */
static void repeat(struct buf *out, const char *text, int count)
{
    for (int i = 0; i < count; i++)
        buf_add_text(out, text);
}

static void test_long_headers(void **state)
{
    (void)state;
    struct buf answer, want;
    buf_init(&answer, 1 << 20);
    buf_init(&want, 1 << 20);
    buf_add_text(&answer, "A: ");
    repeat(&answer, "x", 400);
    repeat(&answer, "\r\nB: y", 104);
    buf_add_text(&want, "request 0 < HTTP 200\nrequest 0 < A: ");
    repeat(&want, "x", 297);
    buf_add_text(&want, " … (103 characters)\n");
    repeat(&want, "request 0 < B: y\n", 99);
    buf_add_text(&want, "request 0 < … (5 more headers)\n");
    char *text = buf_take(&answer), *wanted = buf_take(&want);
    char *lines = header_lines((const char *const[]){NULL}, text, 200);
    CHECK_TEXT("long", lines, wanted);
    free(lines);
    free(wanted);
    free(text);
}

static void test_failures(void **state)
{
    (void)state;
    struct sample *sample = made(&(struct fixture_sample){.outcome = OUTCOME_CONNECT_FAILED,
                                                          .plain = true,
                                                          .error = "no\x1b[31m way"},
                                 "http://h");
    sample->exchange->sent_ns = 0;
    sample->exchange->status = 0;
    sample->exchange->end_ns = sample->exchange->started_ns + 5 * FIXTURE_MS;
    check(sample, true, "not sent",
          "request 0 begun, not sent, at 0.000 ms: POST http://h, 27 bytes: "
          "{\"model\":\"m\",\"messages\":[]}\n"
          "request 0 +5.000 ms connect_failed, 0 events: no\\x1b[31m way\n");
    sample = made(&(struct fixture_sample){.outcome = OUTCOME_SCRIPT_ERROR, .plain = true}, NULL);
    free(sample->exchange->request->body);
    sample->exchange->request->body = NULL;
    sample->exchange->request->body_len = 0;
    sample->exchange->sent_ns = sample->exchange->started_ns = sample->exchange->end_ns = 0;
    sample->exchange->status = 0;
    check(sample, true, "never begun",
          "request 0 never begun: POST , 0 bytes: no body\nrequest 0 script_error, 0 events\n");
}

static void test_left_out(void **state)
{
    (void)state;
    struct sample *sample = made(
        &(struct fixture_sample){.outcome = OUTCOME_OK, .ttft_ms = 1, .tokens = 1}, "http://h");
    sample->event_count = 1;
    check(sample, false, "left out",
          "request 0 sent at 0.100 ms: POST http://h, 27 bytes: body left out, the store is "
          "behind\n"
          "request 0 +1.000 ms o\n"
          "request 0 +11.000 ms ok, HTTP 200, 1 events, 12 prompt tokens, 1 completion tokens\n");
}

static const struct {
    const char *name;
    const char *part[3]; /* of the body: first, `count` times the second, third */
    int count;
    const char *shown[3]; /* the same of what is shown … */
    int shown_count;
    const char *shown_last[2]; /* … and then this: so often the second, */
    int last_count;
} cut_cases[] = {
    {"200 characters", {"", "你", ""}, 200, {"", "你", ""}, 200, {"", ""}, 0},
    {"201 characters",
     {"a", "你", ""},
     200,
     {"a", "你", " … (1 characters) … "},
     99,
     {"", "你"},
     100},
    {"invalid bytes",
     {"\xff", "\xe4\xbd\xa0", "\xe4\xbd"},
     250,
     {"\xef\xbf\xbd", "你", " … (52 characters) … "},
     99,
     {"", "你"},
     99},
    {"control characters",
     {"\x01\x7f\xc2\x85\xe2\x80\xae\t", "", ""},
     0,
     {"\\x01\\x7f\\u0085\\u202e\\t", "", ""},
     0,
     {"", ""},
     0},
    {"a secret across the cut",
     {"01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"
      "23"
      "45",
      FIXTURE_SECRET "-", ""},
     10,
     {"01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"
      "23"
      "45",
      "[red", " … (6 characters) … "},
     1,
     {"", ""},
     0},
};

static void test_cuts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cut_cases / sizeof *cut_cases; i++) {
        struct buf body, want;
        buf_init(&body, 1 << 20);
        buf_init(&want, 1 << 20);
        repeat(&body, cut_cases[i].part[0], 1);
        repeat(&body, cut_cases[i].part[1], cut_cases[i].count);
        repeat(&body, cut_cases[i].part[2], 1);
        size_t len = body.len;
        char *text = buf_take(&body);
        struct sample *sample = made(
            &(struct fixture_sample){
                .outcome = OUTCOME_OK, .plain = true, .body = text, .body_len = len},
            "http://h");
        char *got = shown(sample, true);
        repeat(&want, "bytes: ", 1);
        repeat(&want, cut_cases[i].shown[0], 1);
        repeat(&want, cut_cases[i].shown[1], cut_cases[i].shown_count);
        repeat(&want, cut_cases[i].shown[2], 1);
        repeat(&want, cut_cases[i].shown_last[1], cut_cases[i].last_count);
        char *wanted = buf_take(&want);
        if (!strstr(got, wanted) || strstr(got, FIXTURE_SECRET))
            fail_msg("%s: got %s, want %s", cut_cases[i].name, got, wanted);
        free(text);
        free(got);
        free(wanted);
        sample_free(sample);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_metrics), cmocka_unit_test(test_a_stream),
        cmocka_unit_test(test_headers),     cmocka_unit_test(test_long_headers),
        cmocka_unit_test(test_failures),    cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_cuts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
