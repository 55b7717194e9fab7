#include "fixture.h"

#include "out/console.h"
#include "out/text.h"

static void everything(struct report *report)
{
    fixture_failures(report);
    fixture_steady(report);
    report->whole.facts.drain_end_ns += 1250 * FIXTURE_MS;
    report->whole.resent = 1;
    report->whole.by_source[TOKENS_USAGE] -= 10;
    report->whole.by_source[TOKENS_EVENTS] = 10;
    report->whole.token_errors = 4;
    report->whole.impossible_times = 1;
    report->interrupted = true;
    report->end = RUN_END_INTERRUPTED;
    report->trust.starved = 3;
    report->trust.starved_s = 0.25;
    report->trust.held = 12;
    report->trust.bodies_left_out = 20;
    report->trust.malformed_rows = 1;
    report->trust.reads_kernel = 20000;
    report->trust.receive_delay_p50 = 0.000007;
    report->trust.receive_delay_p99 = 0.00011;
    report->trust.receive_delay_max = 0.002;
    report->verdict.sound = false;
    report->verdict.count = 2;
    report->verdict.remark[1] = true;
    strcpy(report->verdict.reason[0], "client-bound: the event loop handled reads up to 7.20 ms "
                                      "late (p99), more than 5 ms: times "
                                      "look longer than they were");
    strcpy(report->verdict.reason[1], "2 warnings are in the log");
    fixture_judged(report);
    report->stop_reason = mem_text("stopped by the operator after 4.9 s");
}

static void failures_only(struct report *report)
{
    fixture_failures(report);
    report->whole.by_source[TOKENS_USAGE] = report->whole.by_prompt_source[TOKENS_USAGE] = 0;
    report->verdict.sound = false;
    report->verdict.count = 1;
    strcpy(report->verdict.reason[0], "no request succeeded, so nothing was measured");
}

static void nothing(struct report *report)
{
    const double nan = (double)NAN;
    report->whole.window_s = 0;
    report->whole.facts = (struct stage_facts){.asked_concurrency = 100};
    report->trust = (struct trust){
        .loop_lag_p50 = nan,
        .loop_lag_p99 = nan,
        .loop_lag_max = nan,
        .schedule_lag_p50 = nan,
        .schedule_lag_p99 = nan,
        .schedule_lag_max = nan,
        .worker_cpu_share = nan,
        .process_cpu_s = nan,
        .asked_concurrency = 100,
        .achieved_concurrency = nan,
    };
    free(report->facts->db_path);
    report->facts->db_path = mem_text("");
}

static void as_it_is(struct report *report)
{
    (void)report;
}

static const struct {
    const char *name;
    uint64_t ok;
    void (*change)(struct report *report);
} cases[] = {
    {"full", 340, everything}, {"clean", 340, as_it_is}, {"failures", 0, failures_only},
    {"nothing", 0, nothing},   {"one", 1, as_it_is},     {"own", 340, fixture_own},
    {"said", 1, fixture_said},
};

static char *printed(const struct report *report, struct secrets *secrets)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    console_report(out, report, secrets);
    fclose(out);
    return text;
}

static void rewrite(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* With the argument --write the expected texts are made anew, to be read before they are kept. */
static void reports_look_as_expected(void **state)
{
    bool write = *state != NULL;
    struct secrets *secrets = fixture_secrets();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run_facts facts = fixture_facts(NULL);
        struct report report = fixture_report(&facts, cases[i].ok);
        cases[i].change(&report);
        char *got = printed(&report, secrets);
        char *path = mem_printf(TEST_DATA "/out/console_%s.txt", cases[i].name);
        if (write)
            rewrite(path, got);
        char *want = fixture_file(path);
        CHECK_TEXT(cases[i].name, got, want);
        free(got);
        free(path);
        free(want);
        report_fini(&report);
        run_facts_fini(&facts);
    }
    secrets_free(secrets);
}

static void lines_fit_the_terminal(void **state)
{
    (void)state;
    struct secrets *secrets = fixture_secrets();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run_facts facts = fixture_facts(NULL);
        struct report report = fixture_report(&facts, cases[i].ok);
        cases[i].change(&report);
        char *text = printed(&report, secrets);
        assert_null(strstr(text, FIXTURE_SECRET));
        assert_null(strchr(text, '\x1b'));
        for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest))
            if (text_columns(span_text(line)) > 100)
                fail_msg("%s: %zu columns: %s", cases[i].name, text_columns(span_text(line)), line);
        free(text);
        report_fini(&report);
        run_facts_fini(&facts);
    }
    secrets_free(secrets);
}

/* The rows of the table that earlier tools print, in their order. */
static void known_rows_stand_in_order(void **state)
{
    static const char *const rows[] = {
        "  Time taken for tests (seconds) ",
        "  Number of concurrency ",
        "  Total requests ",
        "  Succeed requests ",
        "  Failed requests ",
        "  Average QPS ",
        "  Average latency ",
        "  Average time to first token ",
        "  Throughput(average output tokens per second) ",
        "  Average time per output token ",
        "  Average package per request ",
        "  Average package latency ",
        "  Average input tokens per request ",
        "  Average output tokens per request ",
        "  Expected number of requests ",
        "  Result DB path ",
    };
    (void)state;
    struct fixture_spec spec = {0};
    struct opt_set options;
    fixture_options(&options, &spec);
    struct run_facts facts = fixture_facts(&options);
    struct report report = fixture_report(&facts, 340);
    char *text = printed(&report, NULL), *at = text;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *found = strstr(at, rows[i]);
        if (!found)
            fail_msg("\"%s\" is missing or out of order in:\n%s", rows[i], text);
        at = found + 1;
    }
    /* What was asked for, not what came due (340). */
    assert_non_null(strstr(text, "Expected number of requests                     350\n"));
    free(text);
    report_fini(&report);
    run_facts_fini(&facts);
    opt_set_fini(&options);
}

static void totals_that_differ_are_named(void **state)
{
    (void)state;
    struct run_facts facts = fixture_facts(NULL);
    struct report report = fixture_report(&facts, 340);
    report.whole.facts.due++;
    char *text = printed(&report, NULL);
    assert_non_null(strstr(text, "DOES NOT ADD UP"));
    free(text);
    report_fini(&report);
    run_facts_fini(&facts);
}

int main(int argc, char **argv)
{
    void *write = argc > 1 && strcmp(argv[1], "--write") == 0 ? argv : NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(reports_look_as_expected, write),
        cmocka_unit_test(lines_fit_the_terminal),
        cmocka_unit_test(known_rows_stand_in_order),
        cmocka_unit_test(totals_that_differ_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
