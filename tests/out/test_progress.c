#include "fixture.h"

#include <fcntl.h>

#include "model/plan.h"
#include "out/progress.h"
#include "out/progress_text.h"

static struct live busy(void)
{
    return (struct live){
        .elapsed_s = 12.34,
        .asked = 1000,
        .started = 440,
        .ended = 340,
        .scored = 338,
        .ok = 338,
        .in_flight = 100,
        .ttft_p50 = 0.052,
        .latency_mean = (double)NAN,
        .ttft_mean = (double)NAN,
        .package_latency_mean = (double)NAN,
    };
}

static const struct progress_rates quick = {.requests = 81.24, .events = 5160.2, .reads = 4000};

static void live_lines(void **state)
{
    static const struct {
        const char *name;
        double elapsed_s, duration_s, requests;
        uint64_t asked, scored, failed;
        bool draining;
        const char *want;
    } cases[] = {
        {"by number", 12.34, 0, 81.24, 1000, 338, 0, false,
         "12.3s  340/1000  100 in flight  81.2 req/s  5,160 events/s  TTFT p50 52 ms  errors 0  "
         "ETA 8s"},
        {"by time", 12.34, 60, 81.24, 0, 338, 2, false,
         "12.3s/60s  340 done  100 in flight  81.2 req/s  5,160 events/s  TTFT p50 52 ms  errors 2 "
         " "
         "ETA 48s"},
        {"whichever comes first", 55, 60, 81.24, 1000, 338, 0, false,
         "55.0s/60s  340/1000  100 in flight  81.2 req/s  5,160 events/s  TTFT p50 52 ms  errors 0 "
         " "
         "ETA 5s"},
        {"nothing scored yet", 1, 0, 0, 1000, 0, 0, false,
         "1.0s  340/1000  100 in flight  4,000 reads/s  errors 0"},
        {"nothing scored yet, by time", 1, 60, 0, 0, 0, 0, false,
         "1.0s/60s  340 done  100 in flight  4,000 reads/s  errors 0  ETA 59s"},
        {"draining", 61, 60, 81.24, 0, 338, 0, true,
         "61.0s/60s  340 done  100 in flight  81.2 req/s  5,160 events/s  TTFT p50 52 ms  errors 0 "
         " "
         "draining"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct live live = busy();
        struct progress_rates rates = quick;
        struct buf out;
        live.elapsed_s = cases[i].elapsed_s;
        live.duration_s = cases[i].duration_s;
        live.asked = cases[i].asked;
        live.scored = cases[i].scored;
        live.failed = cases[i].failed;
        live.draining = cases[i].draining;
        rates.requests = cases[i].requests;
        buf_init(&out, 4096);
        progress_live_line(&live, &rates, 400, &out);
        char *line = buf_take(&out);
        CHECK_TEXT(cases[i].name, line, cases[i].want);
        free(line);
    }
}

static void widths(void **state)
{
    static const struct {
        const char *name;
        size_t columns;
        uint64_t asked, ended;
        double duration_s, requests;
        const char *want;
    } cases[] = {
        {"120", 120, 1000, 340, 60, 81.24,
         "12.3s/60s  340/1000  100 in flight  81.2 req/s  5,160 events/s  TTFT p50 52 ms  errors 2 "
         " ETA 8s"},
        {"just", 96, 1000, 340, 60, 81.24,
         "12.3s/60s  340/1000  100 in flight  81.2 req/s  5,160 events/s  TTFT p50 52 ms  errors 2 "
         " ETA 8s"},
        {"one less", 95, 1000, 340, 60, 81.24,
         "12.3s/60s  340/1000  100 in flight  81.2 req/s  TTFT p50 52 ms  errors 2  ETA 8s"},
        {"80", 79, 1000, 340, 60, 81.24,
         "12.3s/60s  340/1000  100 in flight  81.2 req/s  errors 2  ETA 8s"},
        {"80, large", 79, UINT64_C(1000000000), 34000000, 86400, 12345.67,
         "12.3s/86400s 34000000/1000000000 100 fl 12345.7/s err 2 ETA 21h 44m 06s"},
        {"60", 59, 1000, 340, 60, 81.24, "12.3s/60s 340/1000 100 fl 81.2/s err 2 ETA 8s"},
        {"40", 39, 1000, 340, 60, 81.24, "340/1000 100 fl 81.2/s err 2 ETA 8s"},
        {"30", 29, 1000, 340, 60, 81.24, "340/1000 81.2/s err 2 ETA 8s"},
        {"25", 24, 1000, 340, 60, 81.24, "340/1000 err 2 ETA 8s"},
        {"cut", 8, 1000, 340, 60, 81.24, "340/1000"},
        {"none", 0, 1000, 340, 60, 81.24, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct live live = busy();
        struct progress_rates rates = quick;
        struct buf out;
        live.duration_s = cases[i].duration_s;
        live.asked = cases[i].asked;
        live.ended = cases[i].ended;
        live.failed = 2;
        rates.requests = cases[i].requests;
        buf_init(&out, 4096);
        progress_live_line(&live, &rates, cases[i].columns, &out);
        char *line = buf_take(&out);
        CHECK_TEXT(cases[i].name, line, cases[i].want);
        free(line);
    }
}

static void plain_lines(void **state)
{
    static const char full[] =
        "Time: 7.5, concurrency: 1, completed: 16, succeed: 15, failed: 1, qps: 1.99, latency: "
        "0.492, "
        "time to first token: 0.026, throughput(output tokens per second): 334.0, time per output "
        "token: 0.00299, package per request: 167.9, time per package: 0.0030, input tokens per "
        "request: 40.1, output tokens per request: 167.9";
    static const char empty[] = "Time: 0.0, concurrency: 1, completed: 0, succeed: 0, failed: 0, "
                                "qps: -, latency: -, time to "
                                "first token: -, throughput(output tokens per second): -, time per "
                                "output token: -, package "
                                "per request: -, time per package: -, input tokens per request: -, "
                                "output tokens per request: "
                                "-";
    (void)state;
    struct live live = busy();
    struct buf out;
    buf_init(&out, 4096);
    live.parallel = 1;
    live.ok = live.ended = live.scored = 0;
    progress_plain_line(&live, &out);
    char *line = buf_take(&out);
    CHECK_TEXT("nothing yet", line, empty);
    free(line);
    live.ok = 15;
    live.failed = 1;
    live.window_s = 7.539;
    live.latency_mean = 0.492;
    live.ttft_mean = 0.026;
    live.package_latency_mean = 0.003;
    live.packages = live.events = 2518;
    live.completion_tokens = 2518;
    live.prompt_tokens = 602;
    progress_plain_line(&live, &out);
    line = buf_take(&out);
    CHECK_TEXT("full", line, full);
    free(line);
}

/* Collects what goes to stderr between begin and end. */
static int capture_begin(FILE *into)
{
    fflush(stderr);
    int old = dup(STDERR_FILENO);
    dup2(fileno(into), STDERR_FILENO);
    return old;
}

static char *capture_end(FILE *from, int old)
{
    fflush(stderr);
    dup2(old, STDERR_FILENO);
    close(old);
    char *text = mem_zero(1 << 16, 1);
    rewind(from);
    size_t len = fread(text, 1, (1 << 16) - 1, from);
    text[len] = '\0';
    fclose(from);
    return text;
}

static size_t count_of(const char *text, const char *piece)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, piece)) != NULL; at++)
        count++;
    return count;
}

/* Ticks every 50 ms for a second, two requests each. */
static char *shown(bool terminal, uint64_t every)
{
    FILE *file = tmpfile();
    int old = capture_begin(file);
    struct progress *progress = progress_new(NULL, terminal, every);
    struct sink sink = progress_sink(progress);
    struct live live = busy();
    for (uint64_t i = 0; i <= 20; i++) {
        live.elapsed_s = live.window_s = 0.05 * (double)i;
        live.ended = live.scored = live.ok = 2 * i;
        live.events = 100 * i;
        sink.tick(sink.self, &live, NULL);
    }
    sink.stage_end(sink.self, NULL, NULL);
    progress_free(progress);
    return capture_end(file, old);
}

static void the_live_line_is_drawn_and_cleared(void **state)
{
    (void)state;
    char *text = shown(true, 10);
    CHECK_INT("lines drawn", count_of(text, "in flight"), 6); /* 0, 0.2 … 1.0 */
    CHECK_INT("cleared", count_of(text, "\r\x1b[K"), 7);
    assert_null(strchr(text, '\n'));
    CHECK_TEXT("ends with", text + strlen(text) - 4, "\r\x1b[K");
    assert_non_null(strstr(text, "  40.0 req/s  TTFT p50 52 ms  "));
    free(text);
}

static void the_line_fits(void **state)
{
    (void)state;
    char *text = shown(true, 0); /* stderr is a file: 80 columns */
    size_t longest = 0, len = 0;
    for (const char *at = text; *at; at++) {
        len = *at == '\r' ? 0 : len + 1;
        longest = len > longest ? len : longest;
    }
    assert_true(longest > 40 && longest <= 79 + 3); /* with the sequence that clears */
    free(text);
}

/* A second stage has a clock of its own. */
static void every_stage_is_drawn(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    int old = capture_begin(file);
    struct progress *progress = progress_new(NULL, true, 0);
    struct sink sink = progress_sink(progress);
    struct plan plan = {.parallel = 1};
    struct live live = busy();
    for (uint32_t stage = 0; stage < 2; stage++) {
        sink.stage_begin(sink.self, stage, &plan, NULL);
        for (int i = 0; i < 3; i++) {
            live.elapsed_s = 10.0 * i;
            live.ended = 100 * (uint64_t)i;
            sink.tick(sink.self, &live, NULL);
        }
    }
    progress_free(progress);
    char *text = capture_end(file, old);
    CHECK_INT("lines drawn", count_of(text, "in flight"), 6);
    CHECK_INT("10 a second", count_of(text, "  10.0 req/s"), 4); /* no rate at 0 s */
    free(text);
}

/* ---- plain lines ---- */

/* Every seventh failed and every tenth, from the fourth on, was cancelled. */
static enum outcome outcome_of(uint64_t i)
{
    return i % 10 == 3 ? OUTCOME_CANCELLED : i % 7 == 6 ? OUTCOME_HTTP_5XX : OUTCOME_OK;
}

static void give(const struct sink *sink, uint64_t index, enum outcome outcome)
{
    struct sample *sample = fixture_sample(
        &(struct fixture_sample){.index = index, .outcome = outcome, .ttft_ms = 20, .tokens = 3});
    sink->sample(sink->self, sample, true, NULL);
    sample_free(sample);
}

static char *printed(bool terminal, uint64_t every, uint64_t samples)
{
    FILE *file = tmpfile();
    int old = capture_begin(file);
    struct progress *progress = progress_new(NULL, terminal, every);
    struct sink sink = progress_sink(progress);
    struct plan plan = {.shape = PLAN_CLOSED, .parallel = 4};
    sink.stage_begin(sink.self, 0, &plan, NULL);
    for (uint64_t i = 0; i < samples; i++)
        give(&sink, i, outcome_of(i));
    struct live live = busy();
    if (!terminal)
        sink.tick(sink.self, &live, NULL); /* prints nothing */
    progress_free(progress);
    return capture_end(file, old);
}

static void plain_lines_come_every_so_many(void **state)
{
    static const struct {
        bool terminal;
        uint64_t every;
        size_t lines;
    } cases[] = {{false, 0, 0},   {false, 1, 180}, {false, 10, 18}, {false, 50, 3},
                 {false, 180, 1}, {false, 181, 0}, {true, 10, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32], *text = printed(cases[i].terminal, cases[i].every, 200);
        snprintf(name, sizeof name, "every %d", (int)cases[i].every);
        CHECK_INT(name, count_of(text, "Time: "), cases[i].lines);
        CHECK_INT(name, count_of(text, "\n"), cases[i].lines);
        assert_null(strchr(text, '\x1b'));
        free(text);
    }
}

/* What is counted when `completed` requests have ended with success or failure. */
static void counts_after(uint64_t completed, uint64_t *ok, uint64_t *failed)
{
    *ok = *failed = 0;
    for (uint64_t i = 0; *ok + *failed < completed; i++) {
        *ok += outcome_of(i) == OUTCOME_OK;
        *failed += outcome_of(i) == OUTCOME_HTTP_5XX;
    }
}

static void plain_lines_are_exact(void **state)
{
    (void)state;
    char *text = printed(false, 10, 200);
    const char *at = text;
    for (uint64_t completed = 10; completed <= 180; completed += 10) {
        char want[128];
        uint64_t ok = 0, failed = 0;
        counts_after(completed, &ok, &failed);
        snprintf(want, sizeof want, "concurrency: 4, completed: %d, succeed: %d, failed: %d, ",
                 (int)completed, (int)ok, (int)failed);
        const char *line = strstr(at, want);
        if (!line || line > at + strcspn(at, "\n"))
            fail_msg("got %.*s, want %s", (int)strcspn(at, "\n"), at, want);
        at += strcspn(at, "\n") + 1;
    }
    CHECK_TEXT("the rest", at, "");
    free(text);
}

/* Starts a millisecond apart; each takes 0.1 ms to be sent, 20 ms to the first token and 20 ms to
 * the last, of three, and ends 10 ms later with the usage: five packages in 30 ms. */
static void plain_lines_have_the_figures_of_their_moment(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    int old = capture_begin(file);
    struct progress *progress = progress_new(NULL, false, 2);
    struct sink sink = progress_sink(progress);
    struct plan plan = {.shape = PLAN_CLOSED, .parallel = 4};
    for (uint32_t stage = 0; stage < 2; stage++) { /* the second starts anew */
        sink.stage_begin(sink.self, stage, &plan, NULL);
        give(&sink, 1, OUTCOME_OK); /* they end in another order than they start */
        give(&sink, 0, OUTCOME_OK);
        give(&sink, 51, OUTCOME_HTTP_5XX);
    }
    progress_free(progress);
    char *text = capture_end(file, old);
    /* 51.1 ms from the first start to the last end */
    static const char line[] =
        "Time: 0.1, concurrency: 4, completed: 2, succeed: 2, failed: 0, qps: 39.14, latency: "
        "0.040, time to first token: 0.020, throughput(output tokens per second): 117.4, time per "
        "output token: 0.00852, package per request: 5.0, time per package: 0.0075, input tokens "
        "per request: 12.0, output tokens per request: 3.0\n";
    char *want = mem_printf("%s%s", line, line);
    CHECK_TEXT("two stages", text, want);
    free(want);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_lines),
        cmocka_unit_test(widths),
        cmocka_unit_test(plain_lines),
        cmocka_unit_test(the_live_line_is_drawn_and_cleared),
        cmocka_unit_test(the_line_fits),
        cmocka_unit_test(every_stage_is_drawn),
        cmocka_unit_test(plain_lines_come_every_so_many),
        cmocka_unit_test(plain_lines_are_exact),
        cmocka_unit_test(plain_lines_have_the_figures_of_their_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
