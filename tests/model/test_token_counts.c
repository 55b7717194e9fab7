/* Tokens that a tokenizer has counted: gaps per token, shares, usage beside its counts. */
#include "model/made.h"

#include "model/stats.h"

struct value {
    double value;
    uint64_t times;
};

struct values {
    struct value items[16];
    size_t count;
};

static void keep(void *arg, double value, uint64_t times)
{
    struct values *values = arg;
    values->items[values->count++] = (struct value){value, times};
}

/* Events 10 ms apart. */
static const struct {
    const char *name;
    enum token_source source;
    const char *choices; /* of each event */
    uint32_t tokens[6];
    struct value want[6];
} rows[] = {
    {"one each", TOKENS_TOKENIZER, "000", {1, 1, 1}, {{0.010, 1}, {0.010, 1}}},
    {"several", TOKENS_TOKENIZER, "000", {2, 4, 1}, {{0.0025, 4}, {0.010, 1}}},
    {"one without a token's end", TOKENS_TOKENIZER, "0000", {1, 0, 2, 1}, {{0.010, 2}, {0.010, 1}}},
    {"the first without", TOKENS_TOKENIZER, "000", {0, 1, 1}, {{0.010, 1}, {0.010, 1}}},
    {"the last without", TOKENS_TOKENIZER, "000", {1, 1, 0}, {{0.010, 1}}},
    {"a script's 0 is unknown", TOKENS_SCRIPT, "0000", {1, 0, 2, 1}, {{0.005, 2}, {0.010, 1}}},
    {"choices apart",
     TOKENS_TOKENIZER,
     "010101",
     {1, 1, 0, 1, 1, 2},
     {{0.040, 1}, {0.020, 1}, {0.010, 2}}},
};

static void gaps_per_token(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sample *sample = made_sample(0, 0, 0, 100);
        for (size_t k = 0; rows[i].choices[k]; k++) {
            struct event *event = made_event(sample, 10 * (double)(k + 1), EVENT_CONTENT);
            event->tokens = rows[i].tokens[k];
            event->index = (uint32_t)(rows[i].choices[k] - '0');
        }
        sample->event_source = rows[i].source;
        struct values values = {.count = 0};
        sample_gaps_per_token(sample, keep, &values);
        for (size_t k = 0; k < 6 && rows[i].want[k].times; k++) {
            check_near(rows[i].name, values.items[k].value, rows[i].want[k].value, 1e-9);
            CHECK_INT(rows[i].name, values.items[k].times, rows[i].want[k].times);
        }
        size_t wanted = 0;
        while (wanted < 6 && rows[i].want[wanted].times)
            wanted++;
        CHECK_INT(rows[i].name, values.count, wanted);
        sample_free(sample);
    }
}

/* An answer is shared out by the tokenizer's counts, in which 0 is a number. */
static void shares(void **state)
{
    (void)state;
    static const uint32_t tokens[] = {1, 0, 3};
    struct sample *sample = made_sample(0, 0, 0, 100);
    for (size_t k = 0; k < 3; k++)
        made_event(sample, 10 * (double)(k + 1), EVENT_CONTENT)->tokens = tokens[k];
    check_near("unknown", sample_share_until(sample, made_ms(25)), 2.0 / 3, 1e-12);
    sample->event_source = TOKENS_TOKENIZER;
    check_near("counted", sample_share_until(sample, made_ms(25)), 0.25, 1e-12);
    sample_free(sample);
}

static void add(struct stats *stats, int64_t usage, int64_t counted)
{
    struct sample *sample = made_sample(0, 0, 0, 100);
    sample->usage_completion = usage;
    sample->counted_completion = counted;
    sample->uncounted = counted == 99;
    sample->template_tokens = 7;
    stats_add(stats, sample, 0);
    sample_free(sample);
}

static void usage_beside_the_tokenizer(void **state)
{
    (void)state;
    struct stats *stats = stats_new(), *more = stats_new();
    struct stage_facts facts = {.window_start_ns = made_ms(0), .window_end_ns = made_ms(200)};
    struct summary *summary = MEM_NEW(struct summary);
    add(stats, 100, 90);
    add(stats, TOKENS_UNKNOWN, 50);
    add(stats, 70, TOKENS_UNKNOWN);
    add(more, 50, 60);
    add(more, 99, 99);
    stats_merge(stats, more);
    stats_summarise(stats, &facts, summary);
    const struct token_check *check = &summary->check[TOKENS_COMPLETION];
    CHECK_INT("answers", check->answers, 3);
    CHECK_INT("differ", check->differ, 2);
    CHECK_INT("usage", check->usage, 249);
    CHECK_INT("tokenizer", check->tokenizer, 249);
    CHECK_INT("apart", check->apart, 20);
    CHECK_INT("prompts", summary->check[TOKENS_PROMPT].answers, 0);
    CHECK_INT("uncounted", summary->uncounted, 1);
    CHECK_INT("template", summary->template_tokens, 35);
    free(summary);
    stats_free(stats);
    stats_free(more);
}

static void what_is_far_apart(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct token_check check;
        bool prompt, completion;
    } cases[] = {
        {"nothing to compare", {0}, false, false},
        {"alike", {.answers = 10, .usage = 1000, .tokenizer = 1000}, false, false},
        {"an end token each", {10, 10, 100, 90, 10}, false, false},
        {"three each", {10, 10, 1000, 970, 30}, false, true},
        {"three each of many", {10, 10, 10000, 9970, 30}, false, false},
        {"signs do not cancel", {10, 10, 1000, 1000, 400}, true, true},
        {"a template's", {10, 10, 1000, 850, 150}, false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct token_check *check = &cases[i].check;
        CHECK_INT(cases[i].name, token_check_apart(check, TOKENS_PROMPT), cases[i].prompt);
        CHECK_INT(cases[i].name, token_check_apart(check, TOKENS_COMPLETION), cases[i].completion);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_per_token),
        cmocka_unit_test(shares),
        cmocka_unit_test(usage_beside_the_tokenizer),
        cmocka_unit_test(what_is_far_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
