/* What is said to Weights & Biases, read back with cJSON, and what its answers are taken for. */
#include "fixture.h"

#include <cjson/cJSON.h>

#include "out/wandb_text.h"

/* The item at "a.b.0.c"; fails when there is none. */
static const cJSON *at(const cJSON *root, const char *path)
{
    char *copy = mem_text(path), *rest = NULL;
    const cJSON *item = root;
    for (char *key = strtok_r(copy, ".", &rest); key; key = strtok_r(NULL, ".", &rest)) {
        item = cJSON_IsArray(item) ? cJSON_GetArrayItem(item, atoi(key))
                                   : cJSON_GetObjectItemCaseSensitive(item, key);
        if (!item)
            fail_msg("%s: there is no %s", path, key);
    }
    free(copy);
    return item;
}

static void check_text_at(const cJSON *root, const char *path, const char *want)
{
    const char *got = cJSON_GetStringValue(at(root, path));
    CHECK_TEXT(path, got ? got : "(no text)", want);
}

static void check_number_at(const cJSON *root, const char *path, double want)
{
    const cJSON *item = at(root, path);
    if (!cJSON_IsNumber(item) || fabs(item->valuedouble - want) > 1e-9)
        fail_msg("%s: got %g, want %g", path, item->valuedouble, want);
}

static cJSON *parsed(char *text)
{
    cJSON *root = cJSON_Parse(text);
    if (!root)
        fail_msg("not JSON: %s", text);
    free(text);
    return root;
}

/* ---- creating the run ---- */

struct wandb_spec {
    char *url, *key, *desc, *model;
    int64_t parallel, max_tokens;
};

static const struct opt_row spec_rows[] = {
    {.name = "url",
     .type = &opt_text,
     OPT_FIELD(struct wandb_spec, url, char *),
     .group = "Target"},
    {.name = "wandb-api-key",
     .type = &opt_text,
     OPT_FIELD(struct wandb_spec, key, char *),
     .group = "Load",
     .secret = true},
    {.name = "desc", .type = &opt_text, OPT_FIELD(struct wandb_spec, desc, char *), .group = "Out"},
    {.name = "parallel",
     .type = &opt_integer,
     OPT_FIELD(struct wandb_spec, parallel, int64_t),
     .group = "Load"},
    {.name = "max-tokens",
     .type = &opt_integer,
     OPT_FIELD(struct wandb_spec, max_tokens, int64_t),
     .group = "Body",
     .body = "max_tokens"},
};

static void the_run_is_created(void **state)
{
    static const char *const given[][2] = {{"url", "http://inner.host/v1"},
                                           {"wandb-api-key", FIXTURE_SECRET},
                                           {"desc", "with " FIXTURE_SECRET " \"in\" it"},
                                           {"parallel", "8"},
                                           {"max-tokens", "64"}};
    struct wandb_spec spec;
    struct opt_set set;
    struct err err;
    struct secrets *secrets = fixture_secrets();
    (void)state;
    opt_set_init(&set, spec_rows, sizeof spec_rows / sizeof *spec_rows, &spec);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        assert_true(opt_assign(&set, given[i][0], given[i][1], OPT_COMMAND_LINE, &err));
    struct run_facts facts = fixture_facts(&set);
    char *text = wandb_upsert_body("perf \"benchmark\"", "abcd1234", &facts, secrets);
    assert_null(strstr(text, FIXTURE_SECRET));
    assert_null(strstr(text, "inner.host"));
    cJSON *body = parsed(text);
    const char *query = cJSON_GetStringValue(at(body, "query"));
    assert_non_null(strstr(query, "mutation UpsertBucket("));
    assert_non_null(strstr(query, "upsertBucket(input: {"));
    check_text_at(body, "variables.name", "abcd1234");
    check_text_at(body, "variables.project", "perf \"benchmark\"");
    check_text_at(body, "variables.displayName", "run-1");
    check_text_at(body, "variables.notes", "with [redacted] \"in\" it");
    cJSON *config = cJSON_Parse(cJSON_GetStringValue(at(body, "variables.config")));
    assert_non_null(config);
    check_text_at(config, "model.value", "qwen");
    check_text_at(config, "api.value", "openai (built in)");
    check_number_at(config, "parallel.value", 8);
    check_number_at(config, "max_tokens.value", 64);
    assert_null(cJSON_GetObjectItem(config, "url"));
    assert_null(cJSON_GetObjectItem(config, "wandb_api_key"));
    cJSON_Delete(config);
    cJSON_Delete(body);
    run_facts_fini(&facts);
    opt_set_fini(&set);
    secrets_free(secrets);
}

static void run_ids(void **state)
{
    char first[WANDB_RUN_ID + 1], again[WANDB_RUN_ID + 1], other[WANDB_RUN_ID + 1];
    (void)state;
    wandb_run_id(first, 1);
    wandb_run_id(again, 1);
    wandb_run_id(other, 2);
    CHECK_INT("length", strlen(first), WANDB_RUN_ID);
    CHECK_INT("letters", strspn(first, "abcdefghijklmnopqrstuvwxyz0123456789"), WANDB_RUN_ID);
    CHECK_TEXT("same seed", again, first);
    assert_string_not_equal(first, other);
}

#define BUCKET(name, project, entity)                                                              \
    "{\"data\":{\"upsertBucket\":{\"bucket\":{\"name\":" name ",\"project\":{\"name\":" project    \
    ",\"entity\":{\"name\":" entity "}}},\"inserted\":true}}}"

static void answers(void **state)
{
    static const struct {
        const char *answer, *path, *page, *error;
    } cases[] = {
        {BUCKET("\"r1\"", "\"p\"", "\"me\""), "/files/me/p/r1/file_stream", "/me/p/runs/r1", NULL},
        {BUCKET("\"a b\"", "\"../x?y\"", "\"\xc3\xa9\""),
         "/files/%C3%A9/..%2Fx%3Fy/a%20b/file_stream", "/%C3%A9/..%2Fx%3Fy/runs/a%20b", NULL},
        {"{\"errors\":[{\"message\":\"no such project\"}],\"data\":null}", NULL, NULL,
         "the run was not created: no such project"},
        {BUCKET("7", "\"p\"", "\"me\""), NULL, NULL, "does not name entity, project and run"},
        {BUCKET("\"r\"", "\"\"", "\"me\""), NULL, NULL, "does not name entity, project and run"},
        {BUCKET("\"r\"", "\"p\"", "null"), NULL, NULL, "does not name entity, project and run"},
        {"{\"errors\":[]}", NULL, NULL, "does not name entity, project and run"},
        {"{\"errors\":\"x\"}", NULL, NULL, "does not name entity, project and run"},
        {"[]", NULL, NULL, "does not name entity, project and run"},
        {"<html>", NULL, NULL, "does not name entity, project and run"},
        {"", NULL, NULL, "does not name entity, project and run"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        char *page = NULL, *path = wandb_stream_path(span_text(cases[i].answer), &page, &err);
        CHECK_TEXT(cases[i].answer, path ? path : "(none)",
                   cases[i].path ? cases[i].path : "(none)");
        CHECK_TEXT(cases[i].answer, page ? page : "(none)",
                   cases[i].page ? cases[i].page : "(none)");
        if (cases[i].error && !strstr(err.text, cases[i].error))
            fail_msg("%s: got \"%s\", want \"%s\"", cases[i].answer, err.text, cases[i].error);
        free(path);
        free(page);
    }
}

/* An entity long enough to pass every ceiling is refused, not cut. */
static void a_name_without_end(void **state)
{
    (void)state;
    char *name = mem_zero(20001, 1), *page = NULL;
    memset(name, 'x', 20000);
    char *answer = mem_printf(BUCKET("\"r\"", "\"p\"", "\"%s\""), name);
    struct err err = {0};
    assert_null(wandb_stream_path(span_text(answer), &page, &err));
    assert_null(page);
    assert_true(strlen(err.text) > 0);
    free(answer);
    free(name);
}

/* ---- lines and posts ---- */

static const struct live halfway = {
    .window_s = 7.539,
    .parallel = 4,
    .ok = 15,
    .failed = 1,
    .scored = 16,
    .completion_tokens = 2518,
    .prompt_tokens = 602,
    .packages = 2518,
    .latency_mean = 0.492,
    .ttft_mean = 0.026,
    .package_latency_mean = 0.003,
};

static const struct wandb_moment third = {.step = 3, .runtime_s = 12.5, .unix_s = 1700000000.5};

static void history(void **state)
{
    static const struct {
        const char *key;
        double want;
    } numbers[] = {
        {"Time", 7.539},
        {"concurrency", 4},
        {"completed", 16},
        {"succeed", 15},
        {"failed", 1},
        {"qps", 15 / 7.539},
        {"latency", 0.492},
        {"time to first token", 0.026},
        {"throughput(output tokens per second)", 2518 / 7.539},
        {"time per output token", 7.539 / 2518},
        {"package per request", 2518.0 / 15},
        {"time per package", 0.003},
        {"input tokens per request", 602.0 / 15},
        {"output tokens per request", 2518.0 / 15},
        {"_step", 3},
        {"_runtime", 12.5},
        {"_timestamp", 1700000000.5},
    };
    (void)state;
    cJSON *line = parsed(wandb_history_line(&halfway, &third));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        check_number_at(line, numbers[i].key, numbers[i].want);
    CHECK_INT("keys", cJSON_GetArraySize(line), sizeof numbers / sizeof *numbers);
    cJSON_Delete(line);
    struct live staged = halfway;
    staged.stage = 2;
    staged.stages = 4;
    line = parsed(wandb_history_line(&staged, &third));
    check_number_at(line, "stage", 2);
    cJSON_Delete(line);
    struct live nothing = {
        .latency_mean = (double)NAN, .ttft_mean = (double)NAN, .package_latency_mean = (double)NAN};
    line = parsed(wandb_history_line(&nothing, &third));
    assert_null(cJSON_GetObjectItem(line, "latency"));
    assert_null(cJSON_GetObjectItem(line, "qps"));
    check_number_at(line, "succeed", 0);
    cJSON_Delete(line);
}

static void summary(void **state)
{
    struct run_facts facts = fixture_facts(NULL);
    struct report two[] = {fixture_report(&facts, 350), fixture_report(&facts, 350)};
    struct reports reports = {.items = two, .count = 1, .end = RUN_END_NUMBER};
    (void)state;
    two[1].whole.metric[METRIC_TTFT].value[STAT_MEAN] = 0.5;
    fixture_own(&two[0]);
    cJSON *line = parsed(wandb_summary_line(&halfway, &third, &reports));
    check_number_at(line, "succeed", 15);
    check_number_at(line, "ttft_mean", 0.0263);
    check_number_at(line, "latency_max", 1.3341 * 1.5);
    check_number_at(line, "itl_p99", 0.0201 * 1.49);
    check_number_at(line, "output_throughput", 4598);
    check_number_at(line, "words_mean", 43.5);
    check_number_at(line, "word_rate", 52.5);
    check_number_at(line, "_wandb.runtime", 12);
    check_text_at(line, "end", "number");
    assert_true(cJSON_IsTrue(at(line, "sound")));
    assert_null(cJSON_GetObjectItem(line, "cached_tokens_mean")); /* has no value there */
    cJSON_Delete(line);
    line = parsed(wandb_summary_line(&halfway, &third, NULL));
    check_number_at(line, "failed", 1);
    cJSON_Delete(line);
    reports.count = 2;
    line = parsed(wandb_summary_line(&halfway, &third, &reports));
    check_number_at(line, "stage1_ttft_mean", 0.0263);
    check_number_at(line, "stage2_ttft_mean", 0.5);
    check_number_at(line, "stage2_output_throughput", 4598);
    assert_true(cJSON_IsTrue(at(line, "stage2_sound")));
    assert_null(cJSON_GetObjectItem(line, "ttft_mean"));
    cJSON_Delete(line);
    report_fini(&two[0]);
    report_fini(&two[1]);
    run_facts_fini(&facts);
}

static void posts(void **state)
{
    char *lines[] = {(char *)"{\"a\":1}", (char *)"{\"a\":2}"};
    const struct {
        const char *name;
        struct wandb_post post;
        const char *want;
    } cases[] = {
        {"heartbeat", {.dropped = 5, .offset = 9}, "{\"dropped\":5,\"complete\":false}"},
        {"lines",
         {.lines = lines, .line_count = 2, .offset = 7},
         "{\"files\":{\"wandb-history.jsonl\":{\"offset\":7,\"content\":[\"{\\\"a\\\":1}\","
         "\"{\\\"a\\\":2}\"]}},\"dropped\":0,\"complete\":false}"},
        {"end",
         {.summary = "{}", .complete = true, .exit_code = 130, .offset = 7},
         "{\"files\":{\"wandb-summary.json\":{\"offset\":0,\"content\":[\"{}\"]}},\"dropped\":0,"
         "\"complete\":true,\"exitcode\":130}"},
        {"end without a report",
         {.complete = true, .exit_code = 3},
         "{\"dropped\":0,\"complete\":true,\"exitcode\":3}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *body = wandb_post_body(&cases[i].post);
        CHECK_TEXT(cases[i].name, body, cases[i].want);
        free(body);
    }
}

static void tries(void **state)
{
    static const struct {
        long status;
        bool again;
    } cases[] = {{400, false}, {401, false}, {403, false}, {404, false}, {409, false},
                 {410, false}, {302, false}, {100, false}, {408, true},  {429, true},
                 {500, true},  {502, true},  {503, true}};
    char name[16];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(name, sizeof name, "%ld", cases[i].status);
        CHECK_INT(name, wandb_worth_another_try(cases[i].status), cases[i].again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_run_is_created),
        cmocka_unit_test(run_ids),
        cmocka_unit_test(answers),
        cmocka_unit_test(a_name_without_end),
        cmocka_unit_test(history),
        cmocka_unit_test(summary),
        cmocka_unit_test(posts),
        cmocka_unit_test(tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
