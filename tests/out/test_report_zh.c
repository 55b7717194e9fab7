/* The Chinese live line and the block at the end. */
#include "fixture.h"

#include <time.h>

#include "out/report_zh.h"

#define S UINT64_C(1000000000)
#define CLOCK_231606 ((23 * 3600 + 16 * 60 + 6) * S)

/* An answer that ended `end_ms` after the start; `spread_ms` from first to last text. */
struct made {
    unsigned count;
    enum outcome outcome;
    bool plain;
    uint64_t ttft_ms, spread_ms, end_ms, chars;
};

static void feed(struct sink *sink, const struct made *made)
{
    struct fixture_sample of = {
        .outcome = made->outcome, .plain = made->plain, .ttft_ms = made->ttft_ms, .tokens = 3};
    for (unsigned i = 0; i < made->count; i++) {
        struct sample *sample = fixture_sample(&of);
        struct err err;
        sample->exchange->end_ns = FIXTURE_START_NS + made->end_ms * FIXTURE_MS;
        if (made->plain)
            sample->exchange->sent_ns = FIXTURE_START_NS;
        else
            sample->last_token_ns = sample->first_token_ns + made->spread_ms * FIXTURE_MS;
        sample->text_chars = made->chars;
        assert_true(sink->sample(sink->self, sample, true, &err));
        sample_free(sample);
    }
}

static char *line_at(const struct zh *zh, uint32_t users, uint64_t now_ms)
{
    struct buf out;
    buf_init(&out, 4096);
    zh_line(zh, users, FIXTURE_START_NS + now_ms * FIXTURE_MS, CLOCK_231606, &out);
    assert_false(out.full);
    return buf_take(&out);
}

#define OK .outcome = OUTCOME_OK

static const struct {
    const char *name;
    struct made made[3];
    uint64_t now_ms;
    const char *want;
} line_cases[] = {
    {"nothing yet", {{0}}, 1000, "23:16:06 [并发] 1 [问答/错误] 0/0"},
    {"one answer shows nothing",
     {{1, OK, .ttft_ms = 100, .spread_ms = 1000, .end_ms = 1200, .chars = 56}},
     2000,
     "23:16:06 [并发] 1 [问答/错误] 1/0"},
    {"the documents' example",
     {{3, OK, .ttft_ms = 100, .spread_ms = 35461, .end_ms = 40000, .chars = 2000}},
     140840,
     "23:16:06 [并发] 1 [问答/错误] 3/0 [平均延迟] 0.1秒 [出字均速] 每秒56.4字 [总吞吐] 59.5 "
     "字/秒"},
    {"a window of 100 s is too small",
     {{3, OK, .ttft_ms = 100, .spread_ms = 1000, .end_ms = 1000, .chars = 10}},
     101000,
     "23:16:06 [并发] 1 [问答/错误] 3/0 [平均延迟] 0.1秒 [出字均速] 每秒10.0字 [总吞吐] "
     "统计中"},
    {"100 answers are too few",
     {{100, OK, .ttft_ms = 100, .spread_ms = 1000, .end_ms = 1000, .chars = 10}},
     2000,
     "23:16:06 [并发] 1 [问答/错误] 100/0 [平均延迟] 0.1秒 [出字均速] 每秒10.0字 [总吞吐] "
     "统计中"},
    {"101 are enough, from the oldest on",
     {{100, OK, .ttft_ms = 100, .spread_ms = 1000, .end_ms = 9000, .chars = 10},
      {1, OK, .ttft_ms = 100, .spread_ms = 1000, .end_ms = 5000, .chars = 10}},
     15000,
     "23:16:06 [并发] 1 [问答/错误] 101/0 [平均延迟] 0.1秒 [出字均速] 每秒10.0字 [总吞吐] "
     "101.0 "
     "字/秒"},
    {"failures count as answers, cancelled ones do not",
     {{2, OK, .ttft_ms = 300, .spread_ms = 500, .end_ms = 1000, .chars = 10},
      {1, .outcome = OUTCOME_HTTP_5XX},
      {4, .outcome = OUTCOME_CANCELLED}},
     2000,
     "23:16:06 [并发] 1 [问答/错误] 3/1 [平均延迟] 0.3秒 [出字均速] 每秒20.0字 [总吞吐] "
     "统计中"},
    {"the mean of the speeds, not the speed of the sums",
     {{1, OK, .ttft_ms = 100, .spread_ms = 1000, .end_ms = 1200, .chars = 10},
      {1, OK, .ttft_ms = 300, .spread_ms = 100, .end_ms = 1200, .chars = 3}},
     2000,
     "23:16:06 [并发] 1 [问答/错误] 2/0 [平均延迟] 0.2秒 [出字均速] 每秒20.0字 [总吞吐] "
     "统计中"},
    {"in one piece: over the whole time",
     {{2, OK, .ttft_ms = 500, .spread_ms = 0, .end_ms = 600, .chars = 10}},
     2000,
     "23:16:06 [并发] 1 [问答/错误] 2/0 [平均延迟] 0.5秒 [出字均速] 每秒20.0字 [总吞吐] "
     "统计中"},
    {"not streamed: no first token",
     {{2, OK, .plain = true, .end_ms = 2000, .chars = 10}},
     3000,
     "23:16:06 [并发] 1 [问答/错误] 2/0 [平均延迟] -秒 [出字均速] 每秒5.0字 [总吞吐] 统计中"},
    {"the last 500 alone",
     {{600, OK, .ttft_ms = 9000, .spread_ms = 10, .end_ms = 10, .chars = 99},
      {499, OK, .ttft_ms = 200, .spread_ms = 1000, .end_ms = 20000, .chars = 20},
      {1, OK, .ttft_ms = 200, .spread_ms = 1000, .end_ms = 20000, .chars = 20}},
     30000,
     "23:16:06 [并发] 1 [问答/错误] 1100/0 [平均延迟] 0.2秒 [出字均速] 每秒20.0字 [总吞吐] "
     "1000.0 字/秒"},
};

static void lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof line_cases / sizeof *line_cases; i++) {
        struct zh *zh = zh_new(S);
        struct sink sink = zh_sink(zh);
        for (size_t k = 0; k < sizeof line_cases[i].made / sizeof *line_cases[i].made; k++)
            feed(&sink, &line_cases[i].made[k]);
        char *line = line_at(zh, 1, line_cases[i].now_ms);
        CHECK_TEXT(line_cases[i].name, line, line_cases[i].want);
        free(line);
        zh_free(zh);
    }
}

static void tick(const struct sink *sink, unsigned from, unsigned to)
{
    struct err err;
    for (unsigned i = from; i < to; i++) {
        struct live live = {.elapsed_s = 0.05 * i, .in_flight = i == 5 ? 9 : i < 15 ? 4 : 0};
        sink->tick(sink->self, &live, &err);
    }
}

/* A stage begins anew: its counts, its window, its next line. */
static void stages(void **state)
{
    struct zh *zh = zh_new(30 * S);
    struct sink sink = zh_sink(zh);
    struct made made = {3, OK, .ttft_ms = 100, .spread_ms = 1000, .end_ms = 1000, .chars = 10};
    struct err err;
    (void)state;
    feed(&sink, &made);
    assert_true(sink.stage_begin(sink.self, 1, NULL, &err));
    char *line = line_at(zh, 2, 200000);
    CHECK_TEXT("anew", line, "23:16:06 [并发] 2 [问答/错误] 0/0");
    free(line);
    made.ttft_ms = 300;
    feed(&sink, &made);
    line = line_at(zh, 2, 2000);
    CHECK_TEXT(
        "its own", line,
        "23:16:06 [并发] 2 [问答/错误] 3/0 [平均延迟] 0.3秒 [出字均速] 每秒10.0字 [总吞吐] 统计中");
    free(line);
    zh_free(zh);
}

/* Ticks every 50 ms for a second with the given interval; what went to stderr. */
static char *shown(uint64_t every_ns, uint32_t max_in_flight)
{
    FILE *file = tmpfile();
    fflush(stderr);
    int old = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    struct zh *zh = zh_new(every_ns);
    struct sink sink = zh_sink(zh);
    struct report report = {.whole.facts.max_in_flight = max_in_flight};
    struct err err;
    tick(&sink, 0, 21);
    sink.stage_end(sink.self, &report, &err);
    zh_free(zh);
    fflush(stderr);
    dup2(old, STDERR_FILENO);
    close(old);
    char *text = mem_zero(1 << 16, 1);
    rewind(file);
    text[fread(text, 1, (1 << 16) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void intervals(void **state)
{
    static const struct {
        const char *name;
        double every_s;
        const char *users[4]; /* of each line */
    } cases[] = {
        {"none", 0, {NULL}},
        {"only at the end: of the stage", 30, {"10"}},
        {"the most since the last line", 0.41, {"9", "4", "10"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = shown((uint64_t)(cases[i].every_s * 1e9), 10), *rest = NULL;
        size_t count = 0;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            char want[64];
            if (count == 4 || !cases[i].users[count])
                fail_msg("%s: a line too many: %s", cases[i].name, line);
            snprintf(want, sizeof want, " [并发] %s [问答/错误] 0/0", cases[i].users[count++]);
            CHECK_TEXT(cases[i].name, line + 8, want); /* after the time */
        }
        if (count < 4 && cases[i].users[count])
            fail_msg("%s: %zu lines, more were to come", cases[i].name, count);
        free(text);
    }
}

static char *printed(const struct report *report, struct secrets *secrets)
{
    FILE *file = tmpfile();
    report_zh(file, report, secrets);
    char *text = mem_zero(1 << 16, 1);
    rewind(file);
    text[fread(text, 1, (1 << 16) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void must_have(const char *text, const char *piece)
{
    if (!strstr(text, piece))
        fail_msg("no \"%s\" in \"%s\"", piece, text);
}

static void the_block(void **state)
{
    static const char *const pieces[] = {
        "\n测试结果\n",
        "  测量时间                4.872 秒\n",
        "  最大并发数              100\n",
        "  问答总数                359\n",
        "  成功数                  350\n",
        "  错误数                  9\n",
        "  取消数                  1\n",
        "  平均首字时间            0.026 秒\n",
        "  平均响应时间            1.334 秒\n",
        "  平均出字速度            184.5 字/秒\n",
        "  总吞吐                  17241.0 字/秒\n",
        "  每秒问答数              71.84\n",
        "  结论                    数据可信\n",
        "  数据库                  ./outputs/run-1.db\n",
        "  日志                    ./outputs/[redacted].log\n",
        "“平均延迟”是最近 500 次成功问答的平均首字时间（TTFT）",
    };
    struct run_facts facts = fixture_facts(NULL);
    struct secrets *secrets = fixture_secrets();
    (void)state;
    free(facts.log_path);
    facts.log_path = mem_text("./outputs/" FIXTURE_SECRET ".log");
    struct report report = fixture_report(&facts, 350);
    fixture_failures(&report);
    char *text = printed(&report, secrets);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        must_have(text, pieces[i]);
    free(text);
    report.verdict = (struct verdict){.count = 2, .reason = {"too late", "by the way"}};
    report.verdict.remark[1] = true;
    text = printed(&report, secrets);
    must_have(text, "  结论                    数据不可信：\n    too late\n  数据库");
    free(text);
    report_fini(&report);
    run_facts_fini(&facts);
    secrets_free(secrets);
}

static void a_block_of_nothing(void **state)
{
    struct run_facts facts = fixture_facts(NULL);
    struct report report = fixture_report(&facts, 0);
    (void)state;
    char *text = printed(&report, NULL);
    must_have(text, "  测量时间                -\n");
    must_have(text, "  平均首字时间            -\n");
    must_have(text, "  总吞吐                  -\n");
    assert_null(strstr(text, "nan"));
    free(text);
    report_fini(&report);
    run_facts_fini(&facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),     cmocka_unit_test(intervals),          cmocka_unit_test(stages),
        cmocka_unit_test(the_block), cmocka_unit_test(a_block_of_nothing),
    };
    setenv("TZ", "UTC0", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
