#include "made.h"
#include "model/report.h"

/* A run without blemish: 1000 successes at 100 in flight, 20 ms between tokens, 10 s. */
struct run_facts_made {
    struct summary whole, steady;
    struct trust trust;
};

static void blameless(struct run_facts_made *run)
{
    memset(run, 0, sizeof *run);
    run->whole.ok = run->whole.scored = run->whole.facts.due = 1000;
    run->whole.window_s = 10;
    run->whole.by_source[TOKENS_USAGE] = 1000;
    run->whole.facts.asked_concurrency = run->whole.facts.max_in_flight = 100;
    run->whole.facts.steady_start_ns = NS_PER_S;
    run->whole.metric[METRIC_ITL].present = true;
    run->whole.metric[METRIC_ITL].value[STAT_P50] = 0.020;
    run->steady.metric[METRIC_ACHIEVED_CONCURRENCY].present = true;
    run->steady.metric[METRIC_ACHIEVED_CONCURRENCY].value[STAT_MEAN] = 99.5;
    run->trust.loop_lag_p99 = 0.001;
    run->trust.worker_cpu_share = 0.5;
}

static void lag_past_5_ms(struct run_facts_made *run)
{
    run->trust.loop_lag_p99 = 0.0062;
    run->whole.metric[METRIC_ITL].value[STAT_P50] = 1;
}

static void lag_past_a_tenth(struct run_facts_made *run)
{
    run->trust.loop_lag_p99 = 0.0021;
}

static void lag_just_below(struct run_facts_made *run)
{
    run->trust.loop_lag_p99 = 0.0019;
}

static void lag_without_itl(struct run_facts_made *run)
{
    run->trust.loop_lag_p99 = 0.0049;
    run->whole.metric[METRIC_ITL].present = false;
}

/* Every read with the kernel's stamp, the loop late, and a share of the gaps uncertain. */
static void late_but_stamped(struct run_facts_made *run)
{
    run->trust.loop_lag_p99 = run->trust.receive_delay_p99 = 0.0062;
    run->trust.reads_kernel = 9901;
    run->trust.reads_user = 99;
    run->whole.gaps = 1000;
    run->whole.coalesced_gaps = 10;
}

static void late_and_together(struct run_facts_made *run)
{
    late_but_stamped(run);
    run->whole.coalesced_gaps = 11;
}

static void together_but_in_time(struct run_facts_made *run)
{
    late_but_stamped(run);
    run->whole.coalesced_gaps = 1000;
    run->trust.receive_delay_p99 = 0.0049;
}

static void late_and_unstamped(struct run_facts_made *run)
{
    late_but_stamped(run);
    run->trust.reads_user = 101;
}

/* As a server with Nagle's algorithm has it. */
static void held_for_acks(struct run_facts_made *run)
{
    run->whole.gaps = 1000;
    run->whole.coalesced_gaps = 101;
    run->whole.ttft_new = run->whole.ttft_kept = (struct summary_metric){.present = true};
    run->whole.ttft_new.value[STAT_COUNT_N] = 5;
    run->whole.ttft_new.value[STAT_P50] = 0.003;
    run->whole.ttft_new.value[STAT_P90] = 0.041;
    run->whole.ttft_kept.value[STAT_COUNT_N] = 20;
    run->whole.ttft_kept.value[STAT_P10] = 0.042;
    run->whole.ttft_kept.value[STAT_P50] = 0.0434;
}

static void acks_of_few_new(struct run_facts_made *run)
{
    held_for_acks(run);
    run->whole.ttft_new.value[STAT_COUNT_N] = 4;
}

static void acks_of_few_kept(struct run_facts_made *run)
{
    held_for_acks(run);
    run->whole.ttft_kept.value[STAT_COUNT_N] = 19;
}

static void acks_that_overlap(struct run_facts_made *run)
{
    held_for_acks(run);
    run->whole.ttft_kept.value[STAT_P10] = 0.041;
}

static void acks_too_long(struct run_facts_made *run)
{
    held_for_acks(run);
    run->whole.ttft_kept.value[STAT_P50] = 0.0534;
}

static void acks_too_short(struct run_facts_made *run)
{
    held_for_acks(run);
    run->whole.ttft_kept.value[STAT_P50] = 0.0326;
}

static void acks_but_apart(struct run_facts_made *run)
{
    held_for_acks(run);
    run->whole.coalesced_gaps = 100;
}

static void asked_in_vain(struct run_facts_made *run)
{
    run->whole.facts.stream_asked = true;
    run->whole.plain = 1000;
}

static void some_streamed(struct run_facts_made *run)
{
    asked_in_vain(run);
    run->whole.plain = 999;
    run->whole.streamed = 1;
}

static void busy_composer(struct run_facts_made *run)
{
    run->trust.composer_cpu_share = 0.91;
}

static void busy_scorer(struct run_facts_made *run)
{
    run->trust.scorer_cpu_share = 0.99;
}

static void clock_set(struct run_facts_made *run)
{
    run->trust.clock_steps = 2;
    run->trust.clock_step_s = 3.5;
}

static void not_measured(struct run_facts_made *run)
{
    run->trust.loop_lag_p99 = run->trust.worker_cpu_share = run->trust.starved_s = (double)NAN;
}

static void busy_worker(struct run_facts_made *run)
{
    run->trust.worker_cpu_share = 0.97;
}

static void starved_long(struct run_facts_made *run)
{
    run->trust.starved = 11;
    run->trust.starved_s = 11; /* of 1000 s of slots */
}

static void starved_at_the_start(struct run_facts_made *run)
{
    run->trust.starved = 90;
    run->trust.starved_s = 9;
}

static void starved_seldom(struct run_facts_made *run)
{
    run->trust.starved = 10;
    run->trust.starved_s = 100;
}

static void held_back(struct run_facts_made *run)
{
    run->trust.held = 3;
}

static void held_for_disk(struct run_facts_made *run)
{
    run->trust.held = run->trust.held_outputs = 3;
}

static void held_for_both(struct run_facts_made *run)
{
    run->trust.held = 3;
    run->trust.held_outputs = 2;
}

static void without_descriptors(struct run_facts_made *run)
{
    run->trust.no_descriptor = 17;
}

static void full_of_descriptors(struct run_facts_made *run)
{
    run->whole.facts.open = true;
    run->trust.most_in_flight = 100;
}

static void nearly_full(struct run_facts_made *run)
{
    full_of_descriptors(run);
    run->whole.facts.max_in_flight = 99;
}

static void too_slow(struct run_facts_made *run)
{
    run->whole.facts.open = true;
    run->trust.asked_rate = 100;
    run->trust.planned_rate = 103;
    run->trust.achieved_rate = 97.8;
}

static void fast_enough(struct run_facts_made *run)
{
    too_slow(run);
    run->trust.achieved_rate = 97.9;
}

static void no_rate(struct run_facts_made *run)
{
    run->whole.facts.open = true;
    run->trust.planned_rate = (double)NAN;
    run->trust.achieved_rate = 10;
}

static void slowed_by_the_cap(struct run_facts_made *run)
{
    too_slow(run);
    run->whole.metric[METRIC_SLOT_WAIT].present = true;
    run->whole.metric[METRIC_SLOT_WAIT].value[STAT_P50] = 0.02;
    run->trust.schedule_lag_p50 = 0.01;
}

static void without_core(struct run_facts_made *run)
{
    run->trust.worker_wait_share = 0.11;
}

static void long_scoring(struct run_facts_made *run)
{
    run->trust.scoring_tail_s = 1.5;
}

static void slow_disk(struct run_facts_made *run)
{
    run->trust.outputs_s = 9.5;
    run->trust.outputs_share = 0.91;
}

static void busy_for_a_moment(struct run_facts_made *run)
{
    run->trust.outputs_s = 0.9;
    run->trust.outputs_share = 0.99;
}

static void scorers_waited(struct run_facts_made *run)
{
    run->trust.scorers_blocked_s = 0.1;
}

static void written_late(struct run_facts_made *run)
{
    run->trust.outputs_tail_s = 2.25;
}

static void too_few_in_flight(struct run_facts_made *run)
{
    run->steady.metric[METRIC_ACHIEVED_CONCURRENCY].value[STAT_MEAN] = 94.9;
}

static void just_enough_in_flight(struct run_facts_made *run)
{
    run->steady.metric[METRIC_ACHIEVED_CONCURRENCY].value[STAT_MEAN] = 95;
}

static void never_reached(struct run_facts_made *run)
{
    run->whole.facts.steady_start_ns = 0;
    run->whole.facts.max_in_flight = 37;
}

static void fewer_requests_than_slots(struct run_facts_made *run)
{
    run->whole.facts.steady_start_ns = 0;
    run->whole.scored = run->whole.ok = run->whole.by_source[TOKENS_USAGE] = 99;
}

static void impossible(struct run_facts_made *run)
{
    run->whole.impossible_times = 4;
}

static void beyond(struct run_facts_made *run)
{
    run->whole.beyond_range = 2;
}

static void nothing_succeeded(struct run_facts_made *run)
{
    run->whole.ok = 0;
    run->whole.failed = 1000;
    run->whole.by_source[TOKENS_USAGE] = 0;
}

static void some_failed(struct run_facts_made *run)
{
    run->whole.ok = 1;
    run->whole.failed = 999;
}

static void mixed_sources(struct run_facts_made *run)
{
    run->whole.by_source[TOKENS_USAGE] = 600;
    run->whole.by_source[TOKENS_SCRIPT] = 400;
}

static void events_counted(struct run_facts_made *run)
{
    run->whole.by_source[TOKENS_USAGE] = 0;
    run->whole.by_source[TOKENS_EVENTS] = 1000;
}

static void some_unknown(struct run_facts_made *run)
{
    run->whole.by_source[TOKENS_USAGE] = 990;
    run->whole.by_source[TOKENS_NONE] = 10;
}

static void hook_failed(struct run_facts_made *run)
{
    run->whole.token_errors = 12;
}

static void tokenizer_failed(struct run_facts_made *run)
{
    run->whole.uncounted = 3;
}

static void usage_is_apart(struct run_facts_made *run)
{
    run->whole.check[TOKENS_COMPLETION] = (struct token_check){10, 9, 1200, 1000, 200};
}

static void sent_again(struct run_facts_made *run)
{
    run->whole.resent = 5;
}

static void bad_rows(struct run_facts_made *run)
{
    run->trust.malformed_rows = 8;
}

static void cycled(struct run_facts_made *run)
{
    run->trust.data_cycles = 1;
}

static void left_out(struct run_facts_made *run)
{
    run->trust.bodies_left_out = 70;
}

static void not_asked(struct run_facts_made *run)
{
    run->trust.bodies_not_asked = 1;
}

static void some_not_open(struct run_facts_made *run)
{
    run->trust.preconnect_asked = 9;
    run->trust.preconnected = 7;
}

static void past_max(struct run_facts_made *run)
{
    run->trust.bodies_past_max = 12;
}

static void warned(struct run_facts_made *run)
{
    run->trust.warnings = 6;
}

static void own_metrics_failed(struct run_facts_made *run)
{
    run->whole.own_count = 3;
    run->whole.own[0].failed = 4;
    run->whole.own[2].failed = 5;
}

static void nothing_wrong(struct run_facts_made *run)
{
    (void)run;
}

static const struct {
    const char *name;
    void (*change)(struct run_facts_made *run);
    const char *says; /* NULL: nothing to say */
    const char *figure;
    bool remark;
} reasons[] = {
    {"blameless", nothing_wrong, NULL, NULL, false},
    {"lag past 5 ms", lag_past_5_ms, "client-bound: the event loop", "6.20 ms", false},
    {"lag past a tenth", lag_past_a_tenth, "client-bound: the event loop", "2.100 ms", false},
    {"lag just below", lag_just_below, NULL, NULL, false},
    {"lag without itl", lag_without_itl, NULL, NULL, false},
    {"late but stamped", late_but_stamped, "reads came up to 6.20 ms", "kernel's stamps", true},
    {"late and together", late_and_together, "client-bound: reads came up to 6.20 ms", "1.1 %",
     false},
    {"together but in time", together_but_in_time, "100.0 % of the gaps", "4.90 ms", true},
    {"held for acks", held_for_acks, "TTFT was 43.4 ms on kept connections, 3.0 ms on new",
     "TCP_NODELAY", true},
    {"few on new connections", acks_of_few_new, NULL, NULL, false},
    {"few on kept ones", acks_of_few_kept, NULL, NULL, false},
    {"both alike", acks_that_overlap, NULL, NULL, false},
    {"longer than an ack", acks_too_long, NULL, NULL, false},
    {"shorter than an ack", acks_too_short, NULL, NULL, false},
    {"events apart", acks_but_apart, NULL, NULL, false},
    {"no stream", asked_in_vain, "--stream was given, but no answer", "opts.stream", true},
    {"a stream", some_streamed, NULL, NULL, false},
    {"late and unstamped", late_and_unstamped, "client-bound: the event loop", "6.20 ms", false},
    {"clock set", clock_set, "the system's clock was set 2 times", "3.5 s", true},
    {"busy composer", busy_composer, "the composer used 91 %", "build_request", true},
    {"busy scorer", busy_scorer, "the busiest scorer used 99 %", "read_event", true},
    {"not measured", not_measured, NULL, NULL, false},
    {"busy worker", busy_worker, "client-bound: the busiest worker", "97 %", false},
    {"starved long", starved_long, "client-bound: 11 of 1000 starts", "11 s", false},
    {"starved at the start", starved_at_the_start, NULL, NULL, false},
    {"starved seldom", starved_seldom, NULL, NULL, false},
    {"held", held_back, "client-bound: starts were held back 3 times because scorers were",
     "behind", false},
    {"held for disk", held_for_disk, "client-bound: starts were held back 3 times because the",
     "database or another output was behind", false},
    {"held for both", held_for_both, "client-bound: starts were held back 3 times because sco",
     "and the database", false},
    {"no descriptors", without_descriptors, "descriptors ran out: 17 connections", "EMFILE", false},
    {"full", full_of_descriptors, "descriptors: 100 requests were in flight", "ulimit", false},
    {"nearly full", nearly_full, NULL, NULL, false},
    {"too slow", too_slow, "requests left at 97.8 a second", "103", false},
    {"fast enough", fast_enough, NULL, NULL, false},
    {"no rate", no_rate, NULL, NULL, false},
    {"cap", slowed_by_the_cap, "requests left at 97.8 a second", "because of the cap", true},
    {"no core", without_core, "a worker was ready to run", "11 %", true},
    {"long scoring", long_scoring, "scorers were behind", "1.5 s", true},
    {"slow disk", slow_disk, "the database or another output was behind", "91 %", true},
    {"busy for a moment", busy_for_a_moment, NULL, NULL, false},
    {"scorers waited", scorers_waited, "the database or another output was behind", "0 s", true},
    {"written late", written_late, "the database or another output was behind", "2.25 s", true},
    {"too few", too_few_in_flight, "achieved concurrency", "94.90", false},
    {"just enough", just_enough_in_flight, NULL, NULL, false},
    {"never reached", never_reached, "in flight never reached the 100", "37", false},
    {"fewer requests", fewer_requests_than_slots, NULL, NULL, false},
    {"impossible", impossible, "times stand in an impossible order", "in 4 exchanges", false},
    {"beyond", beyond, "statistics leave out 2 values", "histogram", false},
    {"no success", nothing_succeeded, "no request succeeded", "nothing", false},
    {"some failed", some_failed, NULL, NULL, false},
    {"mixed", mixed_sources, "output tokens come from mixed sources", "script 400, usage 600",
     true},
    {"events", events_counted, "output tokens of 1000 answers are counts of events", "several",
     true},
    {"unknown", some_unknown, "output tokens of 10 answers are not known", "missing", true},
    {"hook", hook_failed, "parse_responses failed", "12", true},
    {"uncounted", tokenizer_failed, "the tokenizer could not count the tokens of 3 answers", "3",
     true},
    {"usage", usage_is_apart,
     "the server's usage has 1200 output tokens where the tokenizer counts 1000",
     "9 of 10 answers differ", true},
    {"resent", sent_again, "5 requests had to be sent again", "last try", true},
    {"rows", bad_rows, "the data has 8 malformed rows", "skipped", true},
    {"cycled", cycled, "the data started again 1 time;", "cache", true},
    {"left out", left_out, "the bodies of 70 exchanges", "not stored", true},
    {"not asked", not_asked, "the bodies of 1 exchange were not stored", "--store says", true},
    {"preconnect", some_not_open, "only 7 of 9 connections were open", "--preconnect", true},
    {"past max", past_max, "the bodies of 12 exchanges were not", "--store-max", true},
    {"own metrics", own_metrics_failed, "the script failed to give 9 values", "missing", true},
    {"warned", warned, "the log has 6 warnings", "log", true},
};

/* The delay counts from the last segment that was joined; that the worker had no core says more. */
static void test_together_without_a_core(void **state)
{
    (void)state;
    struct run_facts_made run;
    struct verdict verdict;
    blameless(&run);
    late_and_together(&run);
    run.trust.receive_delay_p99 = 0.0049;
    run.trust.worker_wait_share = 0.26;
    verdict_of(&run.whole, &run.steady, &run.trust, &verdict);
    CHECK_INT("sound", verdict.sound, false);
    assert_non_null(strstr(verdict.reason[0], "client-bound: reads came up to 4.90 ms"));
    assert_non_null(strstr(verdict.reason[1], "no core for 26 %"));
    CHECK_INT("sentences", verdict.count, 2);
}

static void test_each_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        struct run_facts_made run;
        struct verdict verdict;
        blameless(&run);
        reasons[i].change(&run);
        verdict_of(&run.whole, &run.steady, &run.trust, &verdict);
        CHECK_INT(reasons[i].name, verdict.count, reasons[i].says ? 1 : 0);
        CHECK_INT(reasons[i].name, verdict.sound, !reasons[i].says || reasons[i].remark);
        if (!reasons[i].says)
            continue;
        CHECK_INT(reasons[i].name, verdict.remark[0], reasons[i].remark);
        if (strncmp(verdict.reason[0], reasons[i].says, strlen(reasons[i].says)) != 0 ||
            !strstr(verdict.reason[0], reasons[i].figure))
            fail_msg("%s: \"%s\", want \"%s…%s…\"", reasons[i].name, verdict.reason[0],
                     reasons[i].says, reasons[i].figure);
    }
}

/* All at once, with the largest figures: doubts before remarks, and no sentence cut off. */
static void test_everything_wrong(void **state)
{
    (void)state;
    struct run_facts_made run;
    blameless(&run);
    run.whole.ok = 0;
    run.whole.scored = UINT64_MAX;
    for (size_t i = 0; i < TOKEN_SOURCES; i++)
        run.whole.by_source[i] = UINT64_MAX;
    run.whole.impossible_times = run.whole.beyond_range = UINT64_MAX;
    run.whole.token_errors = run.whole.resent = UINT64_MAX;
    run.whole.facts.asked_concurrency = run.whole.facts.max_in_flight = UINT32_MAX;
    run.whole.own_count = 1;
    run.whole.own[0].failed = UINT64_MAX;
    run.trust = (struct trust){
        .loop_lag_p99 = 1e6,
        .worker_cpu_share = 1,
        .composer_cpu_share = 1,
        .scorer_cpu_share = 1,
        .starved = UINT64_MAX,
        .starved_s = 1e15,
        .held = UINT64_MAX,
        .held_outputs = UINT64_MAX - 1,
        .no_descriptor = UINT64_MAX,
        .most_in_flight = 1,
        .planned_rate = 1e15,
        .achieved_rate = 1e-15,
        .worker_wait_share = 1e6,
        .scoring_tail_s = 1e15,
        .outputs_s = 1e15,
        .outputs_share = 1e6,
        .outputs_slowest_s = 1e15,
        .outputs_tail_s = 1e15,
        .bodies_left_out = UINT64_MAX,
        .bodies_not_asked = UINT64_MAX,
        .bodies_past_max = UINT64_MAX,
        .preconnect_asked = UINT64_MAX,
        .preconnected = UINT64_MAX - 1,
        .data_cycles = UINT64_MAX,
        .malformed_rows = UINT64_MAX,
        .warnings = UINT64_MAX,
        .clock_steps = UINT64_MAX,
        .clock_step_s = 1e9,
    };
    struct verdict verdict;
    verdict_of(&run.whole, &run.steady, &run.trust, &verdict);
    CHECK_INT("sound", verdict.sound, false);
    CHECK_INT("sentences", verdict.count, 30);
    for (size_t i = 0; i < verdict.count; i++) {
        CHECK_INT(verdict.reason[i], verdict.remark[i], i >= 11);
        if (strlen(verdict.reason[i]) >= sizeof verdict.reason[i] - 1)
            fail_msg("cut off: \"%s\"", verdict.reason[i]);
    }
}

static void test_ends(void **state)
{
    (void)state;
    static const char *const names[] = {"number",        "data",        "duration", "interrupted",
                                        "script_errors", "data_failed", "memory",   "stage_failed",
                                        "hook_timeout",  "errors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CHECK_TEXT("end", run_end_name((enum run_end)i), names[i]);
        assert_true(strlen(run_end_sentence((enum run_end)i)) > 10);
    }
}

static void test_released(void **state)
{
    (void)state;
    struct run_facts facts = {
        .version = "1",
        .libraries = "l",
        .name = mem_text("n"),
        .url = mem_text("u"),
        .model = mem_text("m"),
        .api = mem_text("a"),
        .dataset = mem_text("d"),
        .data_source = mem_text("s"),
        .db_path = mem_text("p"),
        .log_path = mem_text("q"),
        .host = mem_text("h"),
        .own = mem_zero(1, sizeof *facts.own),
    };
    run_facts_fini(&facts);
    assert_null(facts.name);
    run_facts_fini(&facts);
    struct report *report = MEM_NEW(struct report);
    report->stop_reason = mem_text("because");
    list_add(&report->first_errors, "reset: gone");
    report_fini(report);
    assert_null(report->stop_reason);
    CHECK_INT("errors", report->first_errors.count, 0);
    free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_reason),      cmocka_unit_test(test_together_without_a_core),
        cmocka_unit_test(test_everything_wrong), cmocka_unit_test(test_ends),
        cmocka_unit_test(test_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
