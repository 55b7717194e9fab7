/* The end block with the labels of the Qianfan SDK's stress test. */
#include "fixture.h"

#include "out/report_qianfan.h"

static char *printed(const struct report *report, struct secrets *secrets)
{
    FILE *file = tmpfile();
    report_qianfan(file, report, secrets);
    char *text = mem_zero(1 << 16, 1);
    rewind(file);
    text[fread(text, 1, (1 << 16) - 1, file)] = '\0';
    fclose(file);
    return text;
}

/* 58 successes in a window of 14.4 s, 2 failures, 1 cancelled, the drain until 15.4 s. */
static struct report made(struct run_facts *facts, uint64_t ok)
{
    struct report report = fixture_report(facts, ok);
    struct summary *whole = &report.whole;
    whole->failed = 2;
    whole->cancelled = 1;
    whole->scored = ok + 3;
    whole->facts.drain_end_ns = whole->facts.window_start_ns + 15400 * FIXTURE_MS;
    if (!ok)
        return report;
    whole->metric[METRIC_REQUEST_THROUGHPUT].value[STAT_MEAN] = 4.02;
    return report;
}

static const char full[] = "QPS: 4.02\n"
                           "RPM: 241.20\n"
                           "Latency Avg: 1.334\n"
                           "Latency Min: 0.667\n"
                           "Latency Max: 2.001\n"
                           "Latency 50%: 1.334\n"
                           "Latency 80%: 1.734\n"
                           "FirstTokenLatency Avg: 0.026\n"
                           "FirstTokenLatency Min: 0.013\n"
                           "FirstTokenLatency Max: 0.039\n"
                           "FirstTokenLatency 50%: 0.026\n"
                           "FirstTokenLatency 80%: 0.034\n"
                           "InputTokens Avg: 40.13\n"
                           "OutputTokens Avg: 64.00\n"
                           "TotalQuery: 61\n"
                           "SuccessQuery: 58\n"
                           "FailureQuery: 2\n"
                           "TotalTime: 15.40\n"
                           "SuccessRate: 95.08%\n\n";

static const char none[] = "QPS: -\n"
                           "RPM: -\n"
                           "Latency Avg: -\n"
                           "Latency Min: -\n"
                           "Latency Max: -\n"
                           "Latency 50%: -\n"
                           "Latency 80%: -\n"
                           "FirstTokenLatency Avg: -\n"
                           "FirstTokenLatency Min: -\n"
                           "FirstTokenLatency Max: -\n"
                           "FirstTokenLatency 50%: -\n"
                           "FirstTokenLatency 80%: -\n"
                           "InputTokens Avg: -\n"
                           "OutputTokens Avg: -\n"
                           "TotalQuery: 3\n"
                           "SuccessQuery: 0\n"
                           "FailureQuery: 2\n"
                           "TotalTime: 15.40\n"
                           "SuccessRate: 0.00%\n\n";

static void the_block(void **state)
{
    static const struct {
        const char *name;
        uint64_t ok;
        const char *want;
    } cases[] = {{"with successes", 58, full}, {"without", 0, none}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run_facts facts = fixture_facts(NULL);
        struct report report = made(&facts, cases[i].ok);
        char *text = printed(&report, NULL);
        char *legend = strstr(text, "\n\n");
        assert_non_null(legend);
        char *block = mem_copy(text, (size_t)(legend + 2 - text));
        CHECK_TEXT(cases[i].name, block, cases[i].want);
        free(block);
        free(text);
        report_fini(&report);
        run_facts_fini(&facts);
    }
}

static void what_follows(void **state)
{
    static const char *const pieces[] = {
        "RPM: 60 times that",
        "not to the response headers",
        "TotalQuery: requests sent",
        "  1 cancelled at the end of the run: in TotalQuery, neither success nor failure.\n",
        "\nVerdict: sound\n",
    };
    struct run_facts facts = fixture_facts(NULL);
    struct secrets *secrets = fixture_secrets();
    (void)state;
    free(facts.log_path);
    facts.log_path = mem_text("./outputs/" FIXTURE_SECRET ".log");
    struct report report = made(&facts, 58);
    char *text = printed(&report, secrets);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        if (!strstr(text, pieces[i]))
            fail_msg("no \"%s\" in \"%s\"", pieces[i], text);
    static const char last[] = "\nLog: ./outputs/[redacted].log\n";
    assert_true(strlen(text) > strlen(last));
    CHECK_TEXT("at the end", text + strlen(text) - strlen(last), last);
    free(text);
    report_fini(&report);
    run_facts_fini(&facts);
    secrets_free(secrets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_block),
        cmocka_unit_test(what_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
