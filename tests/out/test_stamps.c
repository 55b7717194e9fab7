#include "fixture.h"

#include "base/clock.h"
#include "out/calibration.h"
#include "out/stamps.h"

/* A server that had the request at READ, and whose tokens are due 10 ms later and then every 5 ms.
 */
#define READ_NS (FIXTURE_START_NS + 200000)
#define TTFT_NS (10 * FIXTURE_MS)
#define ITL_NS (5 * FIXTURE_MS)

struct token {
    uint64_t late_ns;  /* the server's send, against its schedule */
    uint64_t error_ns; /* how much later than that it was measured */
};

static struct sample *answer(const struct token *tokens, size_t count)
{
    struct sample *sample = fixture_sample(&(struct fixture_sample){
        .index = 0, .outcome = OUTCOME_OK, .ttft_ms = 10, .tokens = count});
    struct buf *body = &sample->exchange->body;
    sample->exchange->sent_ns = READ_NS;
    buf_printf(body, "data: {\"a\":[1,{\"sent_ns\":7}],\"read_ns\":%llu,\"sent_ns\":%llu}\n\n",
               (unsigned long long)READ_NS, (unsigned long long)READ_NS);
    for (size_t i = 0; i < count; i++) {
        uint64_t sent_ns = READ_NS + TTFT_NS + i * ITL_NS + tokens[i].late_ns;
        buf_printf(body, "data: {\"sent_ns\":%llu,\"text\":\"\\\"read_ns\\\":1\"}\n\n",
                   (unsigned long long)sent_ns);
        sample->events[1 + i].time_ns = sent_ns + tokens[i].error_ns;
    }
    buf_add_text(body, "data: {\"usage\":{\"read_ns\":9},\"sent_ns\":1}\n\ndata: [DONE]\n\n");
    return sample;
}

static void give(struct stamps *stamps, const struct sample *sample)
{
    struct err err;
    struct sink sink = stamps_sink(stamps);
    assert_true(sink.sample(sink.self, sample, true, &err));
}

static void near(const char *what, double value, double ns)
{
    if (fabs(value * 1e9 - ns) > ns * 0.001 + 0.5)
        fail_msg("%s: %.1f ns, want %.1f", what, value * 1e9, ns);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct token tokens[] = {{0, 40000}, {3000, 40000}, {0, 47000}, {2000000, 1000}};
    struct stamps *stamps = stamps_new(TTFT_NS, ITL_NS);
    struct sample *sample = answer(tokens, 4);
    struct calibration_probe probe = {0};
    give(stamps, sample);
    stamps_report(stamps, &probe);
    CHECK_INT("answers", probe.answers, 1);
    CHECK_INT("unread", probe.unread, 0);
    CHECK_INT("ttfts", probe.ttft.n, 1);
    CHECK_INT("gaps", probe.itl.n, 3);
    CHECK_INT("sends", probe.late.n, 4);
    near("ttft", probe.ttft.p50, 40000);  /* sent when the server had it: all of it is error */
    near("itl p50", probe.itl.p50, 7000); /* 0, 7 and 46 us: too long or too short is the same */
    near("itl max", probe.itl.max, 46000);
    near("late max", probe.late.max, 2000000);
    stamps_clear(stamps);
    stamps_report(stamps, &probe);
    CHECK_INT("forgotten", probe.answers + probe.itl.n, 0);
    sample_free(sample);
    stamps_free(stamps);
}

static void only_success(struct sample *sample)
{
    sample->outcome = OUTCOME_TRUNCATED;
}

static void no_stamps(struct sample *sample)
{
    buf_clear(&sample->exchange->body);
    buf_add_text(&sample->exchange->body, "data: {}\n\ndata: {}\n\ndata: {}\n\n");
}

static void no_json(struct sample *sample)
{
    buf_clear(&sample->exchange->body);
    buf_add_text(&sample->exchange->body, "data: {\"sent_ns\":\n\ndata: 5\n\ndata: [\n\n");
}

static void too_many_events(struct sample *sample)
{
    sample->event_count = 1;
}

static void nothing(struct sample *sample)
{
    buf_clear(&sample->exchange->body);
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*change)(struct sample *sample);
        unsigned answers, unread;
    } cases[] = {
        {"no success", only_success, 0, 0}, {"no stamps", no_stamps, 1, 1},
        {"no JSON", no_json, 1, 1},         {"more events than framed", too_many_events, 1, 1},
        {"empty", nothing, 1, 1},
    };
    static const struct token tokens[] = {{0, 10}, {0, 10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stamps *stamps = stamps_new(TTFT_NS, ITL_NS);
        struct sample *sample = answer(tokens, 2);
        struct calibration_probe probe = {0};
        cases[i].change(sample);
        give(stamps, sample);
        stamps_report(stamps, &probe);
        CHECK_INT(cases[i].name, probe.answers, cases[i].answers);
        CHECK_INT(cases[i].name, probe.unread, cases[i].unread);
        sample_free(sample);
        stamps_free(stamps);
    }
}

static void test_line(void **state)
{
    (void)state;
#define KEPT(SEARCH, MORE)                                                                         \
    "{\"calibrated\":\"2026-11-23T11:34:09+0000\",\"version\":\"1.2\",\"machine\":\"m\","          \
    "\"host\":\"h\",\"unit\":\"streams\",\"base\":{\"load\":100,\"itl_error\":{\"p99\":0.000007}"  \
    "}," SEARCH MORE "}"
    static const struct {
        const char *name, *json, *says; /* NULL: it is none */
    } cases[] = {
        {"all", KEPT("\"search\":{\"sound_up_to\":800}", ""),
         "2026-11-23: ITL error p99 7 us at 100 streams; sound up to 800 streams"},
        {"no search", KEPT("\"search\":null", ""), "2026-11-23: ITL error p99 7 us at 100 streams"},
        {"none sound", KEPT("\"search\":{\"sound_up_to\":0}", ""),
         "2026-11-23: ITL error p99 7 us at 100 streams"},
        {"empty", "", NULL},
        {"no JSON", "{", NULL},
        {"a list", "[1]", NULL},
        {"nothing in it", "{}", NULL},
        {"wrong types", "{\"calibrated\":5,\"base\":{\"load\":\"x\",\"itl_error\":3}}", NULL},
        {"short date", "{\"calibrated\":\"2026\",\"base\":{\"load\":1,\"itl_error\":{\"p99\":1}}}",
         NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *line = calibration_line(span_text(cases[i].json), "1.2", "m", "h");
        CHECK_TEXT(cases[i].name, line ? line : "(none)", cases[i].says ? cases[i].says : "(none)");
        free(line);
    }
    char *other = calibration_line(span_text(KEPT("\"search\":null", "")), "1.3", "m", "h2");
    assert_non_null(strstr(other, "; that was llmbench 1.2; that was another machine (m, h)"));
    free(other);
}

/* What is written can be read back. */
static void test_round(void **state)
{
    (void)state;
    struct calibration calibration = {
        .version = "1.2",
        .host = mem_text("h"),
        .machine = mem_text("m"),
        .wall_ns = UINT64_C(1795433649000000000),
        .open = true,
        .base = {.load = 12.5, .itl = {.n = 5, .p99 = 0.001}},
        .limit = CALIBRATION_CLIENT,
        .sound_up_to = 50,
        .stops_at = (double)NAN,
    };
    char *json = calibration_json(&calibration);
    char *line = calibration_line(span_text(json), "1.2", "m", "h");
    assert_non_null(line);
    CHECK_TEXT("line", line + 10,
               ": ITL error p99 1 ms at 12.5 requests/s; sound up to 50 requests/s");
    free(line);
    free(json);
    calibration_fini(&calibration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_what_cannot_be_read),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
