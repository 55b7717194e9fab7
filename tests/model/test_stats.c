#include "base/rng.h"
#include "made.h"
#include "model/stats.h"
#include "summaries.h"

/* ---- statistics by name ---- */

static void test_statistics(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double quantile;
    } want[] = {
        {"n", (double)NAN},   {"mean", (double)NAN}, {"std", (double)NAN}, {"min", (double)NAN},
        {"max", (double)NAN}, {"p1", .01},           {"p5", .05},          {"p10", .1},
        {"p25", .25},         {"p50", .5},           {"p66", .66},         {"p75", .75},
        {"p80", .8},          {"p90", .9},           {"p95", .95},         {"p98", .98},
        {"p99", .99},         {"p99_9", .999},
    };
    CHECK_INT("statistics", sizeof want / sizeof *want, STATISTICS);
    for (size_t i = 0; i < STATISTICS; i++) {
        CHECK_TEXT("name", statistic_name((enum statistic)i), want[i].name);
        check_near(want[i].name, statistic_quantile((enum statistic)i), want[i].quantile, 0);
    }
}

/* ---- percentiles of exact values ---- */

/* A plain success of this latency and nothing else. */
static void add_latency(struct stats *stats, struct sample *sample, double ms)
{
    sample->exchange->end_ns = sample->exchange->sent_ns + (uint64_t)llround(ms * 1e6);
    stats_add(stats, sample, 0);
}

struct expected {
    enum statistic statistic;
    double ms;
};

static void check_statistics(const char *name, const struct summary_metric *metric,
                             const struct expected *want, size_t count, double tolerance)
{
    for (size_t i = 0; i < count; i++) {
        char what[100];
        snprintf(what, sizeof what, "%s: %s", name, statistic_name(want[i].statistic));
        check_near(what, metric->value[want[i].statistic], want[i].ms / 1e3, tolerance);
    }
}

static const struct {
    const char *name;
    double ms[5];
    size_t n, wants;
    struct expected want[15];
} few[] = {
    {"one",
     {10},
     1,
     6,
     {{STAT_MEAN, 10},
      {STAT_STD, 0},
      {STAT_MIN, 10},
      {STAT_MAX, 10},
      {STAT_P1, 10},
      {STAT_P99_9, 10}}},
    {"four, unsorted",
     {4, 1, 3, 2},
     4,
     15,
     {{STAT_MEAN, 2.5},
      {STAT_STD, 1.118033988749895},
      {STAT_MIN, 1},
      {STAT_MAX, 4},
      {STAT_P1, 1.03},
      {STAT_P5, 1.15},
      {STAT_P10, 1.3},
      {STAT_P25, 1.75},
      {STAT_P50, 2.5},
      {STAT_P66, 2.98},
      {STAT_P75, 3.25},
      {STAT_P80, 3.4},
      {STAT_P90, 3.7},
      {STAT_P98, 3.94},
      {STAT_P99_9, 3.997}}},
    {"five, with equals",
     {20, 100, 10, 50, 20},
     5,
     9,
     {{STAT_MEAN, 40},
      {STAT_STD, 32.863353450309965},
      {STAT_P10, 14},
      {STAT_P25, 20},
      {STAT_P50, 20},
      {STAT_P66, 39.2},
      {STAT_P75, 50},
      {STAT_P90, 80},
      {STAT_P99, 98}}},
};

/* What numpy.percentile gives for these arrays, worked out by hand: position q·(n − 1). */
static void test_percentiles_of_few(void **state)
{
    (void)state;
    struct sample *sample = made_sample(0, 0, 0, 0);
    for (size_t i = 0; i < sizeof few / sizeof *few; i++) {
        struct stats *stats = stats_new();
        for (size_t k = 0; k < few[i].n; k++)
            add_latency(stats, sample, few[i].ms[k]);
        struct stage_facts facts = {0};
        struct summary summary;
        stats_summarise(stats, &facts, &summary);
        const struct summary_metric *latency = &summary.metric[METRIC_LATENCY];
        CHECK_INT(few[i].name, latency->present, true);
        CHECK_INT(few[i].name, latency->exact, true);
        CHECK_INT(few[i].name, latency->value[STAT_COUNT_N], few[i].n);
        check_statistics(few[i].name, latency, few[i].want, few[i].wants, EXACTLY);
        stats_free(stats);
    }
    sample_free(sample);
}

static void test_nothing(void **state)
{
    (void)state;
    struct stats *stats = stats_new();
    struct stage_facts facts = {0};
    struct summary summary;
    stats_summarise(stats, &facts, &summary);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        CHECK_INT(metric_at(i)->name, summary.metric[i].present, false);
        for (size_t k = STAT_MEAN; k < STATISTICS; k++)
            if (!isnan(summary.metric[i].value[k]))
                fail_msg("%s %s: %g", metric_at(i)->name, statistic_name((enum statistic)k),
                         summary.metric[i].value[k]);
    }
    CHECK_INT("n", summary.metric[METRIC_TTFT].value[STAT_COUNT_N], 0);
    CHECK_INT("felt", summary.felt_latency.present, false);
    stats_free(stats);
    stats_free(NULL);
}

/* ---- more than are kept exactly ---- */

static const uint64_t STEP = 77773; /* no divisor in common with the counts below */

static void test_many(void **state)
{
    (void)state;
    const uint64_t n = STATS_EXACT + 50001;
    struct sample *sample = made_sample(0, 0, 0, 0);
    struct stats *stats = stats_new();
    struct stage_facts facts = {0};
    struct summary summary;
    for (uint64_t i = 0; i < n; i++) {
        add_latency(stats, sample, (double)(i * STEP % n + 1) / 1e3); /* 1 … n µs */
        if (i + 1 != STATS_EXACT && i != STATS_EXACT)
            continue;
        stats_summarise(stats, &facts, &summary);
        CHECK_INT("exact", summary.metric[METRIC_LATENCY].exact, i + 1 == STATS_EXACT);
        CHECK_INT("n", summary.metric[METRIC_LATENCY].value[STAT_COUNT_N], i + 1);
    }
    stats_summarise(stats, &facts, &summary);
    const struct summary_metric *latency = &summary.metric[METRIC_LATENCY];
    CHECK_INT("n", latency->value[STAT_COUNT_N], n);
    check_near("mean", latency->value[STAT_MEAN], (double)(n + 1) / 2 * 1e-6, 1e-9);
    check_near("std", latency->value[STAT_STD], sqrt(((double)n * (double)n - 1) / 12) * 1e-6,
               1e-9);
    check_near("min", latency->value[STAT_MIN], 1e-6, EXACTLY);
    check_near("max", latency->value[STAT_MAX], (double)n * 1e-6, EXACTLY);
    for (enum statistic i = STAT_P1; i < STATISTICS; i++)
        check_near(statistic_name(i), latency->value[i],
                   (statistic_quantile(i) * (double)(n - 1) + 1) * 1e-6, 1e-3);
    stats_free(stats);
    sample_free(sample);
}

/* Speeds keep three digits in a histogram too; a speed no histogram holds is counted, not clamped.
 */
static void test_speeds_in_a_histogram(void **state)
{
    (void)state;
    struct sample *plain = made_sample(0, 0, 0, 1);
    struct sample *stream = made_sample(0, 0, 10, 4000);
    made_event(stream, 20, 'c');
    made_event(stream, 3020, 'c');
    struct stats *stats = stats_new();
    for (size_t i = 0; i <= STATS_EXACT; i++)
        stats_add(stats, plain, 0);
    for (int64_t tokens = 2; tokens <= 100; tokens++) { /* 1/3 … 33 tokens a second */
        made_tokens(stream, 1, tokens);
        stats_add(stats, stream, 0);
    }
    stream->last_token_ns = stream->first_token_ns + 1;
    made_tokens(stream, 1, INT64_MAX - 4096);
    stats_add(stats, stream, 0);
    struct stage_facts facts = {0};
    struct summary summary;
    stats_summarise(stats, &facts, &summary);
    const struct summary_metric *speed = &summary.metric[METRIC_USER_SPEED];
    CHECK_INT("n", speed->value[STAT_COUNT_N], 99);
    check_near("min", speed->value[STAT_MIN], 1.0 / 3, 1e-5);
    check_near("p50", speed->value[STAT_P50], 50.0 / 3, 1e-3);
    check_near("p90", speed->value[STAT_P90], 89.2 / 3, 1e-3);
    check_near("mean", speed->value[STAT_MEAN], 50.0 / 3, 1e-6);
    CHECK_INT("beyond", summary.beyond_range, 1);
    CHECK_INT("sum stays", summary.completion_tokens, INT64_MAX);
    stats_free(stats);
    sample_free(plain);
    sample_free(stream);
}

/* ---- failures, sources, coalescing ---- */

static struct sample *stream_of(double at, double gap, size_t events)
{
    struct sample *sample = made_sample(at, at, at + 1, at + 2 + gap * (double)events);
    sample->exchange->first_byte_ns = made_ms(at + 2);
    for (size_t i = 0; i < events; i++)
        made_event(sample, at + 2 + gap * (double)i, 'c');
    made_tokens(sample, 5, (int64_t)events);
    sample->text_chars = events * 2;
    return sample;
}

static void test_failures_do_not_enter(void **state)
{
    (void)state;
    struct sample *good = stream_of(0, 10, 4), *bad = stream_of(0, 1, 9);
    struct sample *cut = stream_of(0, 2, 9);
    bad->outcome = OUTCOME_TRUNCATED;
    cut->outcome = OUTCOME_CANCELLED;
    struct stats *stats = stats_new();
    stats_add(stats, good, 0);
    stats_add(stats, bad, 0);
    stats_add(stats, cut, 0);
    struct stage_facts facts = {0};
    struct summary summary;
    stats_summarise(stats, &facts, &summary);
    CHECK_INT("ok", summary.ok, 1);
    CHECK_INT("failed", summary.failed, 1);
    CHECK_INT("cancelled", summary.cancelled, 1);
    CHECK_INT("scored", summary.scored, 3);
    CHECK_INT("truncated", summary.by_outcome[OUTCOME_TRUNCATED], 1);
    CHECK_INT("tokens", summary.completion_tokens, 4);
    CHECK_INT("gaps", summary.gaps, 3);
    CHECK_INT("events", summary.events, 22);
    CHECK_INT("usage", summary.by_source[TOKENS_USAGE], 1);
    CHECK_INT("ttft", summary.metric[METRIC_TTFT].value[STAT_COUNT_N], 1);
    CHECK_INT("ttfb", summary.metric[METRIC_TTFB].value[STAT_COUNT_N], 3);
    CHECK_INT("itl", summary.metric[METRIC_ITL].value[STAT_COUNT_N], 3);
    CHECK_INT("itl exact", summary.metric[METRIC_ITL].exact, false);
    check_near("itl", summary.metric[METRIC_ITL].value[STAT_MEAN], 0.010, EXACTLY);
    stats_free(stats);
    sample_free(good);
    sample_free(bad);
    sample_free(cut);
}

static void test_coalesced_share(void **state)
{
    (void)state;
    struct sample *sample = stream_of(0, 10, 5);
    sample->events[1].coalesced = true; /* touches the gaps 0-1 and 1-2 of four */
    struct stats *stats = stats_new();
    stats_add(stats, sample, 0);
    struct stage_facts facts = {0};
    struct summary summary;
    stats_summarise(stats, &facts, &summary);
    CHECK_INT("gaps", summary.gaps, 4);
    CHECK_INT("coalesced gaps", summary.coalesced_gaps, 2);
    CHECK_INT("coalesced events", summary.coalesced_events, 1);
    check_near("share", summary.metric[METRIC_COALESCED_SHARE].value[STAT_MEAN], 0.5, EXACTLY);
    stats_free(stats);
    sample_free(sample);
}

static void test_impossible_times_are_counted(void **state)
{
    (void)state;
    struct sample *sample = stream_of(0, 10, 3);
    sample->events[1].time_ns = made_ms(1);
    struct stats *stats = stats_new();
    stats_add(stats, sample, 0);
    struct stage_facts facts = {0};
    struct summary summary;
    stats_summarise(stats, &facts, &summary);
    CHECK_INT("impossible", summary.impossible_times, 1);
    CHECK_INT("gaps", summary.gaps, 1);
    CHECK_INT("itl", summary.metric[METRIC_ITL].value[STAT_COUNT_N], 1);
    stats_free(stats);
    sample_free(sample);
}

/* Latencies 1, 2, 3, 4 and four failures: eight values, the upper half of them infinite. */
static void test_felt(void **state)
{
    (void)state;
    struct sample *sample = made_sample(0, 0, 0, 0);
    struct stats *stats = stats_new();
    for (int i = 1; i <= 4; i++)
        add_latency(stats, sample, i);
    struct stage_facts facts = {0};
    struct summary summary;
    stats_summarise(stats, &facts, &summary);
    CHECK_INT("nothing failed", summary.felt_latency.present, false);
    sample->outcome = OUTCOME_RESET;
    for (int i = 0; i < 4; i++)
        add_latency(stats, sample, 1);
    stats_summarise(stats, &facts, &summary);
    static const struct expected want[] = {{STAT_P10, 1.7}, {STAT_P25, 2.75}, {STAT_P1, 1.07}};
    const struct summary_metric *felt = &summary.felt_latency;
    CHECK_INT("n", felt->value[STAT_COUNT_N], 8);
    check_statistics("felt", felt, want, 3, EXACTLY);
    for (enum statistic i = STAT_P50; i < STATISTICS; i++) /* position 3.5: next to a failure */
        if (!isinf(felt->value[i]))
            fail_msg("%s: %g", statistic_name(i), felt->value[i]);
    sample->outcome = OUTCOME_OK; /* nine values: the median is the last that is not infinite */
    add_latency(stats, sample, 5);
    stats_summarise(stats, &facts, &summary);
    check_near("median", summary.felt_latency.value[STAT_P50], 0.005, EXACTLY);
    CHECK_INT("no stream", summary.felt_ttft.present, false);
    check_near("latency", summary.metric[METRIC_LATENCY].value[STAT_MAX], 0.005, EXACTLY);
    stats_free(stats);
    sample_free(sample);
}

/* ---- windows ---- */

static void check_stage(const char *name, const struct summary *summary, size_t id, double want)
{
    char what[100];
    snprintf(what, sizeof what, "%s: %s", name, metric_at(id)->name);
    CHECK_INT(what, summary->metric[id].present, !isnan(want));
    check_near(what, summary->metric[id].value[STAT_MEAN], want, 1e-9);
}

/* Starting stops at 1000 ms. */
static void test_straddling(void **state)
{
    (void)state;
    struct sample *inside = stream_of(0, 100, 5); /* 0 … 502 */
    struct sample *straddles = made_sample(600, 600, 601, 1300);
    made_event(straddles, 700, 'c');
    made_event(straddles, 900, 'c');
    made_event(straddles, 1100, 'c');
    made_event(straddles, 1200, 'c');
    made_tokens(straddles, 1000, 8);
    straddles->text_chars = 12;
    struct sample *cancelled = made_sample(900, 900, 901, 1100);
    made_event(cancelled, 950, 'c');
    made_event(cancelled, 1050, 'c');
    made_tokens(cancelled, -1, 2);
    cancelled->outcome = OUTCOME_CANCELLED;
    cancelled->text_chars = 2;
    struct sample *failed = stream_of(100, 100, 2); /* 100 … 302 */
    failed->outcome = OUTCOME_STREAM_ERROR;
    struct sample *at_the_end = made_sample(0, 0, 1, 1000);
    made_tokens(at_the_end, 1, 6);
    struct sample *after = made_sample(500, 500, 501, 1000.001);
    made_tokens(after, 1, 100);
    struct sample *never = made_sample(0, 0, 0, 0);
    never->exchange->started_ns = never->exchange->sent_ns = 0;
    never->outcome = OUTCOME_SCRIPT_ERROR;

    struct sample *samples[] = {inside, straddles, cancelled, failed, at_the_end, after, never};
    struct stats *stats = stats_new();
    for (size_t i = 0; i < 7; i++) { /* the first had been scored before the stop */
        stats_add(stats, samples[i], i == 0 ? 0 : made_ms(1000));
        sample_free(samples[i]);
    }
    struct stage_facts facts = {
        .window_start_ns = made_ms(0), .window_end_ns = made_ms(1000), .max_in_flight = 4};
    struct summary summary;
    stats_summarise(stats, &facts, &summary);
    check_near("window", summary.window_s, 1, EXACTLY);
    CHECK_INT("ok", summary.ok, 4);
    check_stage("window", &summary, METRIC_REQUEST_THROUGHPUT, 2);
    check_stage("window", &summary, METRIC_OUTPUT_THROUGHPUT, 5 + 4 + 1 + 6);
    check_stage("window", &summary, METRIC_TOTAL_THROUGHPUT, 16 + 5 + 1);
    check_stage("window", &summary, METRIC_CHAR_THROUGHPUT, 10 + 6 + 1);
    check_stage("window", &summary, METRIC_ACHIEVED_CONCURRENCY, .502 + .4 + .1 + .202 + 1 + .5);
    check_stage("window", &summary, METRIC_MAX_CONCURRENCY, 4);
    check_stage("window", &summary, METRIC_TIME_PER_OUTPUT_TOKEN, 1.0 / 16);
    CHECK_INT("latency knows no window", summary.metric[METRIC_LATENCY].value[STAT_COUNT_N], 4);
    stats_free(stats);
}

static void test_unknown_is_not_zero(void **state)
{
    (void)state;
    struct stage_facts facts = {.window_start_ns = made_ms(0), .window_end_ns = made_ms(1000)};
    struct summary summary;
    struct sample *sample = made_sample(0, 0, 1, 500);
    sample->outcome = OUTCOME_HTTP_5XX;
    struct stats *stats = stats_new();
    stats_add(stats, sample, 0);
    stats_summarise(stats, &facts, &summary);
    check_stage("no success", &summary, METRIC_REQUEST_THROUGHPUT, 0);
    check_stage("no success", &summary, METRIC_OUTPUT_THROUGHPUT, 0);
    check_stage("no success", &summary, METRIC_TIME_PER_OUTPUT_TOKEN, (double)NAN);
    sample->outcome = OUTCOME_OK;
    stats_add(stats, sample, 0);
    stats_summarise(stats, &facts, &summary);
    check_stage("no tokens", &summary, METRIC_REQUEST_THROUGHPUT, 1);
    check_stage("no tokens", &summary, METRIC_OUTPUT_THROUGHPUT, (double)NAN);
    check_stage("no tokens", &summary, METRIC_TOTAL_THROUGHPUT, (double)NAN);
    check_stage("no stream", &summary, METRIC_CHAR_THROUGHPUT, (double)NAN);
    made_tokens(sample, -1, 3);
    stats_add(stats, sample, 0);
    stats_summarise(stats, &facts, &summary);
    check_stage("no prompt", &summary, METRIC_OUTPUT_THROUGHPUT, 3);
    check_stage("no prompt", &summary, METRIC_TOTAL_THROUGHPUT, (double)NAN);
    made_tokens(sample, 2, 3);
    stats_add(stats, sample, 0);
    stats_summarise(stats, &facts, &summary);
    check_stage("some known", &summary, METRIC_TOTAL_THROUGHPUT, 8);
    facts.window_end_ns = facts.window_start_ns;
    stats_summarise(stats, &facts, &summary);
    check_stage("no window", &summary, METRIC_REQUEST_THROUGHPUT, (double)NAN);
    check_stage("no window", &summary, METRIC_ACHIEVED_CONCURRENCY, (double)NAN);
    stats_free(stats);
    sample_free(sample);
}

/* ---- a closed loop, simulated ---- */

enum { SLOTS = 7, REQUESTS = 900 };

struct loop_run {
    struct sample *samples[REQUESTS]; /* in the order of their ends */
    struct stage_facts facts;
};

static int by_end(const void *a, const void *b)
{
    uint64_t first = (*(struct sample *const *)a)->exchange->end_ns;
    uint64_t second = (*(struct sample *const *)b)->exchange->end_ns;
    return first < second ? -1 : first > second;
}

/* How many were in flight at this moment, its own start included. */
static uint32_t in_flight_at(const struct loop_run *run, uint64_t now_ns)
{
    uint32_t count = 0;
    for (size_t i = 0; i < REQUESTS; i++) {
        const struct exchange *exchange = run->samples[i]->exchange;
        count += exchange->started_ns <= now_ns && exchange->end_ns > now_ns;
    }
    return count;
}

static void find_facts(struct loop_run *run)
{
    struct stage_facts *facts = &run->facts;
    *facts = (struct stage_facts){.window_start_ns = UINT64_MAX, .asked_concurrency = SLOTS};
    for (size_t i = 0; i < REQUESTS; i++) {
        const struct exchange *exchange = run->samples[i]->exchange;
        if (exchange->started_ns < facts->window_start_ns)
            facts->window_start_ns = exchange->started_ns;
        if (exchange->started_ns > facts->last_start_ns)
            facts->last_start_ns = exchange->started_ns;
        if (exchange->end_ns > facts->window_end_ns)
            facts->window_end_ns = exchange->end_ns;
        if (in_flight_at(run, exchange->started_ns) == SLOTS &&
            (!facts->steady_start_ns || exchange->started_ns < facts->steady_start_ns))
            facts->steady_start_ns = exchange->started_ns;
    }
    facts->max_in_flight = SLOTS;
}

/* Slots come up one after another, then each starts anew `turn` ms after its answer's end. */
static void loop_run_make(struct loop_run *run, uint64_t seed, double turn)
{
    struct rng rng;
    rng_init(&rng, seed);
    double free_at[SLOTS];
    for (size_t i = 0; i < SLOTS; i++)
        free_at[i] = (double)i * 3;
    for (size_t i = 0; i < REQUESTS; i++) {
        size_t slot = 0;
        for (size_t k = 1; k < SLOTS; k++)
            slot = free_at[k] < free_at[slot] ? k : slot;
        double start = free_at[slot], gap = 1 + (double)(rng_u64(&rng) % 9000) / 1e3;
        run->samples[i] = stream_of(start, gap, 3 + rng_u64(&rng) % 9);
        if (rng_u64(&rng) % 10 == 0)
            run->samples[i]->outcome = i % 2 ? OUTCOME_RESET : OUTCOME_CANCELLED;
        free_at[slot] =
            start + clock_seconds(run->samples[i]->exchange->end_ns - made_ms(start)) * 1e3 + turn;
    }
    qsort(run->samples, REQUESTS, sizeof *run->samples, by_end);
    find_facts(run);
}

static void loop_run_free(struct loop_run *run)
{
    for (size_t i = 0; i < REQUESTS; i++)
        sample_free(run->samples[i]);
}

/* L = λ·W where all begin and end inside the window: in flight = rate × mean time in it. */
static void test_littles_law(void **state)
{
    (void)state;
    struct loop_run run;
    loop_run_make(&run, 1, 0.4);
    struct stats *stats = stats_new();
    double in_system = 0;
    for (size_t i = 0; i < REQUESTS; i++) {
        const struct exchange *exchange = run.samples[i]->exchange;
        stats_add(stats, run.samples[i], 0);
        in_system += clock_seconds(exchange->end_ns - exchange->started_ns);
    }
    struct summary summary;
    stats_summarise(stats, &run.facts, &summary);
    double rate = REQUESTS / summary.window_s;
    check_stage("little", &summary, METRIC_ACHIEVED_CONCURRENCY, rate * (in_system / REQUESTS));
    check_stage("little", &summary, METRIC_REQUEST_THROUGHPUT,
                (double)summary.ok / summary.window_s);
    CHECK_INT("failed too", summary.failed > 0, true);
    stats_free(stats);
    loop_run_free(&run);
}

/* The steady part worked out from all samples at once, knowing both of its ends. */
static void steady_truth(const struct loop_run *run, double want[METRIC_COUNT], uint64_t *started)
{
    uint64_t from = run->facts.steady_start_ns, until = run->facts.last_start_ns;
    double seconds = clock_seconds(until - from), busy = 0, ended = 0, tokens = 0, prompt = 0;
    for (size_t i = 0; i < REQUESTS; i++) {
        const struct sample *sample = run->samples[i];
        uint64_t start = sample->exchange->started_ns, end = sample->exchange->end_ns;
        uint64_t a = start > from ? start : from, b = end < until ? end : until;
        busy += b > a ? clock_seconds(b - a) : 0;
        *started += start >= from;
        if (sample->outcome != OUTCOME_OK || end < from || end > until)
            continue;
        ended++;
        tokens += (double)sample->completion_tokens;
        prompt += (double)sample->prompt_tokens;
    }
    want[METRIC_ACHIEVED_CONCURRENCY] = busy / seconds;
    want[METRIC_REQUEST_THROUGHPUT] = ended / seconds;
    want[METRIC_OUTPUT_THROUGHPUT] = tokens / seconds;
    want[METRIC_TOTAL_THROUGHPUT] = (tokens + prompt) / seconds;
    want[METRIC_CHAR_THROUGHPUT] = 2 * tokens / seconds;
    want[METRIC_TIME_PER_OUTPUT_TOKEN] = seconds / tokens;
}

/* Scored by three scorers, a little out of order, the steady start unknown until it has come. */
static void steady_summary(const struct loop_run *run, struct summary *out)
{
    struct stats *parts[3] = {stats_new(), stats_new(), stats_new()};
    for (size_t i = 0; i < REQUESTS; i++) {
        size_t k = i ^ 3; /* within blocks of four; REQUESTS is a multiple of it */
        bool reached = run->samples[k]->exchange->end_ns > run->facts.steady_start_ns;
        stats_add_steady(parts[k % 3], run->samples[k], reached ? run->facts.steady_start_ns : 0);
    }
    stats_merge(parts[1], parts[2]);
    stats_merge(parts[0], parts[1]);
    stats_summarise(parts[0], &run->facts, out);
    for (size_t i = 0; i < 3; i++)
        stats_free(parts[i]);
}

static void test_steady_part(void **state)
{
    (void)state;
    static const size_t ids[] = {METRIC_ACHIEVED_CONCURRENCY, METRIC_REQUEST_THROUGHPUT,
                                 METRIC_OUTPUT_THROUGHPUT,    METRIC_TOTAL_THROUGHPUT,
                                 METRIC_CHAR_THROUGHPUT,      METRIC_TIME_PER_OUTPUT_TOKEN};
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct loop_run run;
        loop_run_make(&run, seed, seed == 1 ? 0 : 0.3 * (double)seed);
        double want[METRIC_COUNT];
        uint64_t started = 0;
        steady_truth(&run, want, &started);
        struct summary summary;
        steady_summary(&run, &summary);
        CHECK_INT("steady", summary.steady, true);
        CHECK_INT("started in it", summary.scored, started);
        if (started >= REQUESTS || started < REQUESTS - 3 * SLOTS)
            fail_msg("the steady part has %d of %d requests", (int)started, REQUESTS);
        for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
            check_stage("steady", &summary, ids[i], want[ids[i]]);
        if (seed == 1) /* no turn-around: every slot is always busy */
            check_stage("full", &summary, METRIC_ACHIEVED_CONCURRENCY, SLOTS);
        loop_run_free(&run);
    }
}

static void test_no_steady_part(void **state)
{
    (void)state;
    struct loop_run run;
    loop_run_make(&run, 9, 0.1);
    run.facts.steady_start_ns = 0;
    struct stats *stats = stats_new();
    for (size_t i = 0; i < REQUESTS; i++)
        stats_add_steady(stats, run.samples[i], 0);
    struct summary summary;
    stats_summarise(stats, &run.facts, &summary);
    CHECK_INT("scored", summary.scored, 0);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        CHECK_INT(metric_at(i)->name, summary.metric[i].present, false);
    stats_free(stats);
    loop_run_free(&run);
}

/* ---- merging ---- */

/* Of every sort, with all counters moving. */
static void vary(struct sample *sample, struct rng *rng)
{
    static const enum outcome outcomes[] = {OUTCOME_OK,        OUTCOME_OK,    OUTCOME_OK,
                                            OUTCOME_CANCELLED, OUTCOME_RESET, OUTCOME_HTTP_429};
    uint64_t start = NS_PER_S + rng_u64(rng) % NS_PER_S;
    struct exchange *exchange = sample->exchange;
    sample->outcome = outcomes[rng_u64(rng) % 6];
    sample->streamed = rng_u64(rng) % 4 != 0;
    exchange->due_ns = start;
    exchange->started_ns = start + rng_u64(rng) % 1000000;
    exchange->sent_ns = exchange->started_ns + 5000;
    exchange->reused = rng_u64(rng) % 2;
    exchange->resent = rng_u64(rng) % 9 == 0;
    exchange->connected_ns = exchange->reused ? 0 : exchange->started_ns + 3000;
    exchange->first_byte_ns = exchange->sent_ns + 1000 + rng_u64(rng) % 40000000;
    uint64_t now = exchange->first_byte_ns;
    for (size_t i = 0; i < sample->event_count; i++) {
        sample->events[i].time_ns = now += rng_u64(rng) % 30000000;
        sample->events[i].coalesced = rng_u64(rng) % 5 == 0;
        sample->events[i].tokens = 1 + (uint32_t)(rng_u64(rng) % 3);
    }
    sample->first_chunk_ns = sample->first_token_ns = sample->events[0].time_ns;
    sample->first_answer_ns = sample->events[1].time_ns;
    sample->last_token_ns = now;
    exchange->end_ns = now + 1000 - (rng_u64(rng) % 50 == 0 ? 2000 : 0);
    made_tokens(sample, (int64_t)(rng_u64(rng) % 100) - 1, (int64_t)(rng_u64(rng) % 50) - 1);
    sample->cached_tokens = (int64_t)(rng_u64(rng) % 10) - 1;
    sample->text_chars = rng_u64(rng) % 1000;
}

static void check_merge(const char *name, size_t count, size_t parts, bool exact)
{
    struct rng rng;
    rng_init(&rng, count);
    struct sample *sample = stream_of(0, 1, 4);
    assert_true(exchange_read(sample->exchange, "abc", 3, made_ms(5), made_ms(4)));
    struct stats *one = stats_new(), *part[8], *all = stats_new();
    for (size_t i = 0; i < parts; i++)
        part[i] = stats_new();
    for (size_t i = 0; i < count; i++) {
        vary(sample, &rng);
        stats_add(one, sample, made_ms(900));
        stats_add(part[rng_u64(&rng) % parts], sample, made_ms(900));
    }
    for (size_t i = 0; i < parts; i++)
        stats_merge(all, part[i]);
    struct stage_facts facts = {
        .window_start_ns = made_ms(0), .window_end_ns = made_ms(900), .max_in_flight = 5};
    struct summary want, got;
    stats_summarise(one, &facts, &want);
    stats_summarise(all, &facts, &got);
    CHECK_INT(name, want.metric[METRIC_TTFB].exact, exact);
    CHECK_INT(name, want.ttft_new.present && want.ttft_kept.present, true);
    check_near(name, want.ttft_new.value[STAT_COUNT_N] + want.ttft_kept.value[STAT_COUNT_N],
               want.metric[METRIC_TTFT].value[STAT_COUNT_N], EXACTLY);
    CHECK_INT(name, want.impossible_times > 0 && want.resent > 0 && want.coalesced_gaps > 0, true);
    check_same_summary(name, &got, &want);
    for (size_t i = 0; i < parts; i++)
        stats_free(part[i]);
    stats_free(all);
    stats_free(one);
    sample_free(sample);
}

static void test_merge(void **state)
{
    (void)state;
    check_merge("all exact", 2000, 4, true);
    check_merge("exact parts, too many together", STATS_EXACT + 20000, 8, false);
    check_merge("folded parts", 2 * STATS_EXACT + 30000, 2, false);
}

/* A part that is past the limit alone, with one that is not, in both directions. */
static void test_merge_folded_and_exact(void **state)
{
    (void)state;
    struct sample *sample = made_sample(0, 0, 0, 0);
    for (int direction = 0; direction < 2; direction++) {
        struct stats *big = stats_new(), *small = stats_new(), *one = stats_new();
        for (int i = 0; i <= STATS_EXACT; i++) {
            add_latency(big, sample, i % 1000 + 1);
            add_latency(one, sample, i % 1000 + 1);
        }
        add_latency(small, sample, 5000);
        add_latency(one, sample, 5000);
        struct stats *into = direction ? big : small;
        stats_merge(into, direction ? small : big);
        struct stage_facts facts = {0};
        struct summary got, want;
        stats_summarise(into, &facts, &got);
        stats_summarise(one, &facts, &want);
        check_near("max", got.metric[METRIC_LATENCY].value[STAT_MAX], 5, EXACTLY);
        check_same_summary(direction ? "small into big" : "big into small", &got, &want);
        stats_free(big);
        stats_free(small);
        stats_free(one);
    }
    sample_free(sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_percentiles_of_few),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_speeds_in_a_histogram),
        cmocka_unit_test(test_failures_do_not_enter),
        cmocka_unit_test(test_coalesced_share),
        cmocka_unit_test(test_impossible_times_are_counted),
        cmocka_unit_test(test_felt),
        cmocka_unit_test(test_straddling),
        cmocka_unit_test(test_unknown_is_not_zero),
        cmocka_unit_test(test_littles_law),
        cmocka_unit_test(test_steady_part),
        cmocka_unit_test(test_no_steady_part),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_merge_folded_and_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
