#include "fixture.h"

#include <fcntl.h>

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
        progress_live_line(&live, &rates, &out);
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
    assert_non_null(strstr(text, "40.0 req/s  2,000 events/s"));
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
    CHECK_INT("longest line", longest, 79 + 3); /* with the sequence that clears */
    free(text);
}

static void plain_lines_come_every_so_many(void **state)
{
    static const struct {
        uint64_t every;
        size_t lines;
    } cases[] = {{0, 0}, {1, 20}, {10, 4}, {15, 2}, {41, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = shown(false, cases[i].every), name[32];
        snprintf(name, sizeof name, "every %d", (int)cases[i].every);
        CHECK_INT(name, count_of(text, "Time: "), cases[i].lines);
        CHECK_INT(name, count_of(text, "\n"), cases[i].lines);
        assert_null(strchr(text, '\x1b'));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_lines),
        cmocka_unit_test(plain_lines),
        cmocka_unit_test(the_live_line_is_drawn_and_cleared),
        cmocka_unit_test(the_line_fits),
        cmocka_unit_test(plain_lines_come_every_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
