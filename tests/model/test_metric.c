#include "made.h"
#include "model/metric.h"

/* ---- per-request metrics on samples made by hand ---- */

struct want {
    size_t id;
    double value; /* NAN = no value */
};

static void check_values(const char *name, const struct sample *sample, const struct want *want,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct metric *metric = metric_at(want[i].id);
        char what[100];
        snprintf(what, sizeof what, "%s: %s", name, metric->name);
        check_near(what, metric_value(metric, sample), want[i].value, EXACTLY);
    }
}
#define CHECK_VALUES(name, sample, want)                                                           \
    check_values(name, sample, want, sizeof(want) / sizeof *(want))

struct pooled {
    double value[32];
    uint64_t times[32];
    size_t count;
};

static void pool(void *arg, double value, uint64_t times)
{
    struct pooled *pooled = arg;
    assert_true(pooled->count < 32);
    pooled->value[pooled->count] = value;
    pooled->times[pooled->count++] = times;
}

static void check_pooled(const char *name, size_t id, const struct sample *sample,
                         const double *values, const uint64_t *times, size_t count)
{
    struct pooled pooled = {.count = 0};
    metric_at(id)->each(sample, pool, &pooled);
    CHECK_INT(name, pooled.count, count);
    for (size_t i = 0; i < count; i++) {
        check_near(name, pooled.value[i], values[i], EXACTLY);
        CHECK_INT(name, pooled.times[i], times ? times[i] : 1);
    }
}

/* Opening at 45, text at 50, 60 and 90, usage, end marker. */
static struct sample *ordinary(void)
{
    struct sample *sample = made_sample(0, 10, 15, 93);
    sample->exchange->connected_ns = made_ms(12);
    sample->exchange->first_byte_ns = made_ms(40);
    made_event(sample, 45, 'o');
    made_event(sample, 50, 'c')->tokens = 1;
    made_event(sample, 60, 'c')->tokens = 1;
    made_event(sample, 80, 'p');
    made_event(sample, 90, 'c')->tokens = 2;
    made_event(sample, 91, 'u');
    made_event(sample, 92, 'd');
    made_tokens(sample, 7, 4);
    sample->text_chars = 12;
    return sample;
}

static void test_ordinary_stream(void **state)
{
    (void)state;
    struct sample *sample = ordinary();
    static const struct want want[] = {
        {METRIC_TTFB, 0.025},
        {METRIC_TTFC, 0.030},
        {METRIC_TTFT, 0.035},
        {METRIC_TTFA, 0.035},
        {METRIC_LATENCY, 0.075},
        {METRIC_STREAM_END, 0.078},
        {METRIC_TPOT, 0.040 / 3},
        {METRIC_USER_SPEED, 75},
        {METRIC_TTFT_FROM_DUE, 0.050},
        {METRIC_TTFA_FROM_DUE, 0.050},
        {METRIC_LATENCY_FROM_DUE, 0.090},
        {METRIC_SETUP, 0.005},
        {METRIC_SCHEDULE_LAG, 0.010},
        {METRIC_CONNECT, 0.002},
        {METRIC_INPUT_TOKENS, 7},
        {METRIC_OUTPUT_TOKENS, 4},
        {METRIC_CACHED_TOKENS, (double)NAN},
        {METRIC_REASONING_TOKENS, (double)NAN},
        {METRIC_OUTPUT_CHARS, 12},
        {METRIC_USER_CHAR_SPEED, 300},
        {METRIC_PACKAGES, 5},
        {METRIC_PACKAGE_LATENCY, 0.0115}, /* 45 … 91 in four gaps */
    };
    CHECK_VALUES("ordinary", sample, want);
    check_pooled("itl", METRIC_ITL, sample, (double[]){0.010, 0.030}, NULL, 2);
    check_pooled("itl per token", METRIC_ITL_PER_TOKEN, sample, (double[]){0.010, 0.015},
                 (uint64_t[]){1, 2}, 2);
    sample_free(sample);
}

static void test_reasoning_first(void **state)
{
    (void)state;
    struct sample *sample = made_sample(0, 0, 10, 100);
    made_event(sample, 20, 'r');
    made_event(sample, 30, 'r');
    made_event(sample, 60, 't');
    made_event(sample, 70, 'f');
    made_tokens(sample, 1, 11);
    sample->reasoning_tokens = 0;
    sample->cached_tokens = 3;
    static const struct want want[] = {
        {METRIC_TTFT, 0.010},          {METRIC_TTFC, 0.010},          {METRIC_TTFA, 0.050},
        {METRIC_TTFA_FROM_DUE, 0.060}, {METRIC_LATENCY, 0.060},       {METRIC_TPOT, 0.005},
        {METRIC_REASONING_TOKENS, 0},                                 /* 0 is a count */
        {METRIC_CACHED_TOKENS, 3},     {METRIC_CONNECT, (double)NAN}, /* a kept connection */
        {METRIC_TTFB, (double)NAN},
    };
    CHECK_VALUES("reasoning first", sample, want);
    check_pooled("reasoning first", METRIC_ITL, sample, (double[]){0.010, 0.030, 0.010}, NULL, 3);
    sample_free(sample);
}

static void test_only_reasoning(void **state)
{
    (void)state;
    struct sample *sample = made_sample(0, 0, 10, 100);
    made_event(sample, 20, 'r');
    made_event(sample, 30, 'r');
    static const struct want want[] = {
        {METRIC_TTFT, 0.010},
        {METRIC_TTFA, (double)NAN},
        {METRIC_TTFA_FROM_DUE, (double)NAN},
        {METRIC_LATENCY, 0.020},
    };
    CHECK_VALUES("only reasoning", sample, want);
    sample_free(sample);
}

static void test_no_usage(void **state)
{
    (void)state;
    struct sample *sample = made_sample(0, 0, 10, 100);
    made_event(sample, 20, 'c');
    made_event(sample, 50, 'c');
    static const struct want want[] = {
        {METRIC_TTFT, 0.010},
        {METRIC_LATENCY, 0.040},
        {METRIC_TPOT, (double)NAN},
        {METRIC_USER_SPEED, (double)NAN},
        {METRIC_INPUT_TOKENS, (double)NAN},
        {METRIC_OUTPUT_TOKENS, (double)NAN},
    };
    CHECK_VALUES("no usage", sample, want);
    check_pooled("no usage", METRIC_ITL_PER_TOKEN, sample, NULL, NULL, 0);
    sample_free(sample);
}

static void test_too_little_for_tpot(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double first, last;
        int64_t tokens;
    } cases[] = {
        {"one token", 20, 30, 1},
        {"no token", 20, 30, 0},
        {"unknown", 20, 30, TOKENS_UNKNOWN},
        {"all at one time", 20, 20, 9},
    };
    static const struct want want[] = {
        {METRIC_TPOT, (double)NAN},
        {METRIC_USER_SPEED, (double)NAN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sample *sample = made_sample(0, 0, 10, 100);
        made_event(sample, cases[i].first, 'c');
        made_event(sample, cases[i].last, 'c');
        made_tokens(sample, 1, cases[i].tokens);
        CHECK_VALUES(cases[i].name, sample, want);
        sample_free(sample);
    }
}

static void test_single_event(void **state)
{
    (void)state;
    struct sample *sample = made_sample(0, 0, 10, 100);
    made_event(sample, 20, 'c');
    made_tokens(sample, 1, 5);
    sample->text_chars = 9;
    static const struct want want[] = {
        {METRIC_TPOT, (double)NAN}, {METRIC_USER_CHAR_SPEED, (double)NAN},
        {METRIC_PACKAGES, 1},       {METRIC_PACKAGE_LATENCY, (double)NAN},
        {METRIC_OUTPUT_TOKENS, 5},  {METRIC_LATENCY, 0.010},
    };
    CHECK_VALUES("single event", sample, want);
    check_pooled("single event", METRIC_ITL, sample, NULL, NULL, 0);
    sample_free(sample);
}

/* Even if a plain answer were given the times of a stream, it would have no TTFT. */
static void test_plain_answer(void **state)
{
    (void)state;
    struct sample *sample = made_sample(0, 5, 10, 110);
    made_event(sample, 100, 'c');
    sample->streamed = false;
    sample->exchange->first_byte_ns = made_ms(90);
    made_tokens(sample, 3, 8);
    static const struct want want[] = {
        {METRIC_TTFB, 0.080},
        {METRIC_TTFT, (double)NAN},
        {METRIC_TTFC, (double)NAN},
        {METRIC_TTFA, (double)NAN},
        {METRIC_LATENCY, 0.100},
        {METRIC_STREAM_END, 0.100},
        {METRIC_LATENCY_FROM_DUE, 0.110},
        {METRIC_TTFT_FROM_DUE, (double)NAN},
        {METRIC_TPOT, (double)NAN},
        {METRIC_INPUT_TOKENS, 3},
        {METRIC_OUTPUT_TOKENS, 8},
        {METRIC_OUTPUT_CHARS, (double)NAN},
        {METRIC_PACKAGES, (double)NAN},
    };
    CHECK_VALUES("plain", sample, want);
    sample_free(sample);
}

static void test_failure_has_no_latency(void **state)
{
    (void)state;
    static const enum outcome outcomes[] = {OUTCOME_STREAM_ERROR, OUTCOME_CANCELLED,
                                            OUTCOME_HTTP_5XX};
    struct sample *sample = ordinary();
    for (size_t k = 0; k < 3; k++) {
        sample->outcome = outcomes[k];
        for (size_t i = 0; i < METRIC_SAMPLED; i++) {
            const struct metric *metric = metric_at(i);
            bool allowed = metric->over == OVER_ALL_SENT || metric->over == OVER_ALL_WITH_RESPONSE;
            CHECK_INT(metric->name, metric_applies(metric, sample), allowed);
            if (!allowed && !isnan(metric_value(metric, sample)))
                fail_msg("%s of %s has a value", metric->name, outcome_name(outcomes[k]));
        }
    }
    sample_free(sample);
}

static void test_never_sent(void **state)
{
    (void)state;
    struct sample *sample = made_sample(0, 5, 10, 20);
    sample->outcome = OUTCOME_SCRIPT_ERROR;
    sample->exchange->started_ns = sample->exchange->sent_ns = 0;
    for (size_t i = 0; i < METRIC_COUNT; i++)
        CHECK_INT(metric_at(i)->name, metric_applies(metric_at(i), sample), false);
    sample_free(sample);
}

/* Two choices in turn: 20 a, 25 b, 30 a, 45 b, 50 c. */
static void test_several_choices(void **state)
{
    (void)state;
    struct sample *sample = made_sample(0, 0, 10, 100);
    made_event(sample, 20, 'c')->index = 0;
    made_event(sample, 25, 'c')->index = 4000000000u;
    made_event(sample, 27, 'p')->index = 4000000000u;
    made_event(sample, 30, 'c')->index = 0;
    made_event(sample, 45, 'c')->index = 4000000000u;
    made_event(sample, 50, 'c')->index = 7;
    check_pooled("choices", METRIC_ITL, sample, (double[]){0.010, 0.020}, NULL, 2);
    sample_free(sample);
}

/* Never a wrapped difference: without a value, and counted. */
static void test_impossible_order(void **state)
{
    (void)state;
    struct sample *sample = ordinary();
    assert_false(sample_impossible(sample));
    sample->events[2].time_ns = made_ms(49);
    assert_true(sample_impossible(sample));
    check_pooled("order", METRIC_ITL, sample, (double[]){0.041}, NULL, 1);
    sample_free(sample);

    sample = ordinary();
    sample->exchange->sent_ns = made_ms(52);
    assert_true(sample_impossible(sample));
    static const struct want want[] = {
        {METRIC_TTFT, (double)NAN}, {METRIC_TTFC, (double)NAN}, {METRIC_LATENCY, 0.038}};
    CHECK_VALUES("order", sample, want);
    sample_free(sample);
}

static void test_receive_delay(void **state)
{
    (void)state;
    struct sample *sample = ordinary();
    struct exchange *exchange = sample->exchange;
    assert_true(exchange_read(exchange, "a", 1, made_ms(50), made_ms(49)));
    assert_true(exchange_read(exchange, "b", 1, made_ms(60), 0));
    assert_true(exchange_read(exchange, "c", 1, made_ms(70), made_ms(67)));
    assert_false(sample_impossible(sample));
    check_pooled("delay", METRIC_RECEIVE_DELAY, sample, (double[]){0.001, 0.003}, NULL, 2);
    assert_true(exchange_read(exchange, "d", 1, made_ms(80), made_ms(81)));
    assert_true(sample_impossible(sample));
    check_pooled("delay", METRIC_RECEIVE_DELAY, sample, (double[]){0.001, 0.003}, NULL, 2);
    sample_free(sample);
}

/* ---- tokens inside a window ---- */

static void test_tokens_until(void **state)
{
    (void)state;
    struct sample *counted = ordinary(); /* 1, 1 and 2 tokens at 50, 60, 90 */
    struct sample *even = ordinary();
    even->events[1].tokens = 0; /* one text event without a count: shared out evenly */
    struct sample *plain = made_sample(0, 5, 10, 110);
    made_event(plain, 100, 'c'); /* its whole body: complete at the end only */
    plain->streamed = false;
    made_tokens(plain, 3, 8);
    struct sample *unknown = ordinary();
    unknown->completion_tokens = TOKENS_UNKNOWN;
    const struct {
        const char *name;
        const struct sample *sample;
        double until;
        double want;
    } cases[] = {
        {"counted, before", counted, 49, 0},  {"counted, at the first", counted, 50, 1},
        {"counted, two", counted, 89, 2},     {"counted, all", counted, 90, 4},
        {"even, one", even, 50, 4.0 / 3},     {"even, two", even, 89, 8.0 / 3},
        {"even, all", even, 90, 4},           {"plain, before", plain, 109, 0},
        {"plain, at its end", plain, 110, 8}, {"unknown", unknown, 90, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_near(cases[i].name, sample_tokens_until(cases[i].sample, made_ms(cases[i].until)),
                   cases[i].want, EXACTLY);
    counted->completion_tokens = 40; /* usage wins, the events share it out */
    check_near("usage", sample_tokens_until(counted, made_ms(60)), 20, EXACTLY);
    check_near("ever", sample_tokens_until(counted, UINT64_MAX), 40, EXACTLY);
    sample_free(counted);
    sample_free(even);
    sample_free(plain);
    sample_free(unknown);
}

static void test_sample_bytes(void **state)
{
    (void)state;
    struct sample *sample = made_sample(0, 5, 10, 110);
    size_t before = sample_bytes(sample);
    made_event(sample, 20, 'c');
    sample->responses = mem_text("[\"x\"]");
    sample->responses_len = 5;
    sample->text = mem_text("abc");
    sample->error = mem_text("e");
    sample->token_error = mem_text("to");
    CHECK_INT("bytes", sample_bytes(sample) - before, sizeof(struct event) + 5 + 4 + 2 + 3);
    sample_free(sample);
    sample_free(NULL);
}

static void test_source_names(void **state)
{
    (void)state;
    static const char *const names[] = {"none", "script", "usage", "tokenizer", "events"};
    for (size_t i = 0; i < TOKEN_SOURCES; i++)
        CHECK_TEXT("source", token_source_name((enum token_source)i), names[i]);
}

/* ---- the table ---- */

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric *metric = metric_at(i);
        assert_non_null(metric->name);
        assert_true(strlen(metric->title) > 0);
        assert_true(strlen(metric->formula) > 0);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(metric->name, metric_at(k)->name);
        bool stage = metric->over == OVER_STAGE;
        CHECK_INT(metric->name, stage, i >= METRIC_SAMPLED);
        CHECK_INT(metric->name, (metric->of != NULL) + (metric->each != NULL), stage ? 0 : 1);
    }
    static const struct {
        size_t id;
        const char *name;
    } places[] = {
        {METRIC_TTFB, "ttfb"},
        {METRIC_LATENCY, "latency"},
        {METRIC_CONNECT, "connect"},
        {METRIC_ITL_PER_TOKEN, "itl_per_token"},
        {METRIC_SAMPLED, "request_throughput"},
        {METRIC_COALESCED_SHARE, "coalesced_share"},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        CHECK_TEXT("place", metric_at(places[i].id)->name, places[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordinary_stream),     cmocka_unit_test(test_reasoning_first),
        cmocka_unit_test(test_only_reasoning),      cmocka_unit_test(test_no_usage),
        cmocka_unit_test(test_too_little_for_tpot), cmocka_unit_test(test_single_event),
        cmocka_unit_test(test_plain_answer),        cmocka_unit_test(test_failure_has_no_latency),
        cmocka_unit_test(test_never_sent),          cmocka_unit_test(test_several_choices),
        cmocka_unit_test(test_impossible_order),    cmocka_unit_test(test_receive_delay),
        cmocka_unit_test(test_tokens_until),        cmocka_unit_test(test_sample_bytes),
        cmocka_unit_test(test_source_names),        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
