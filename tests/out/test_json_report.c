#include "fixture.h"

#include <cjson/cJSON.h>
#include <sys/stat.h>

#include "base/list.h"
#include "out/json_report.h"

struct world {
    struct fixture_spec spec;
    struct opt_set options;
    struct run_facts facts;
    struct report report;
    struct secrets *secrets;
};

static void world_init(struct world *world, uint64_t ok)
{
    *world = (struct world){0};
    fixture_options(&world->options, &world->spec);
    world->facts = fixture_facts(&world->options);
    world->report = fixture_report(&world->facts, ok);
    world->secrets = fixture_secrets();
}

static void world_fini(struct world *world)
{
    report_fini(&world->report);
    run_facts_fini(&world->facts);
    opt_set_fini(&world->options);
    secrets_free(world->secrets);
}

/* The one stage of the run. */
static struct reports reports_of(const struct world *world)
{
    return (struct reports){
        .items = (struct report *)&world->report,
        .count = 1,
        .end = world->report.end,
        .interrupted = world->report.interrupted,
    };
}

static char *printed(const struct world *world)
{
    struct reports reports = reports_of(world);
    struct buf out;
    buf_init(&out, 1 << 20);
    json_report(&reports, world->secrets, &out);
    return buf_take(&out);
}

static cJSON *parsed(const struct world *world)
{
    char *text = printed(world);
    cJSON *root = cJSON_Parse(text);
    if (!root)
        fail_msg("not JSON: %s", text);
    free(text);
    return root;
}

/* "counts.ok" → its item; lists by number: "errors.0.count". */
static const cJSON *at(const cJSON *item, const char *path)
{
    char *copy = mem_text(path);
    for (char *rest = NULL, *key = strtok_r(copy, ".", &rest); key && item;
         key = strtok_r(NULL, ".", &rest))
        item = cJSON_IsArray(item) ? cJSON_GetArrayItem(item, atoi(key))
                                   : cJSON_GetObjectItemCaseSensitive(item, key);
    free(copy);
    if (!item)
        fail_msg("%s is missing", path);
    return item;
}

static const struct {
    const char *path;
    const char *want; /* as cJSON prints it */
} values[] = {
    {"schema_version", "1"},
    {"run.name", "\"run-1\""},
    {"run.started_unix", "1700000000"},
    {"options.url", "\"http://user:[redacted]@127.0.0.1:8000/v1?access_token=[redacted]\""},
    {"options.api_key", "\"[redacted]\""},
    {"options.model", "\"m\\\"1\""},
    {"options.temperature", "0.8"},
    {"options.read_timeout", "90"},
    {"options.stream", "true"},
    {"options.stop.1", "\"say [redacted]\""},
    {"end.reason", "\"interrupted\""},
    {"end.stop_reason", "\"because\""},
    {"interrupted", "true"},
    {"counts.due", "353"},
    {"counts.ok", "340"},
    {"counts.failed", "9"},
    {"counts.by_outcome.http_5xx", "7"},
    {"counts.by_outcome.reset", "0"},
    {"tokens.completion", "21760"},
    {"tokens.sources.usage", "340"},
    {"window.seconds", "4.872"},
    {"window.last_start_s", "3.5"},
    {"window.drain_s", "0"},
    {"metrics.ttft.n", "340"},
    {"metrics.ttft.mean", "0.0263"},
    {"metrics.ttft.p99_9", "0.0394237"},
    {"metrics.ttft.exact", "true"},
    {"metrics.cached_tokens.n", "0"},
    {"metrics.cached_tokens.p50", "null"},
    {"metrics.cached_tokens.exact", "null"},
    {"metrics.request_throughput.value", "71.84"},
    {"felt.latency.p90", "1.96"},
    {"felt.latency.p99", "null"},
    {"steady.seconds", "3.45"},
    {"steady.from_s", "0.05"},
    {"steady.metrics.itl.n", "15750"},
    {"errors.0.outcome", "\"http_5xx\""},
    {"errors.0.count", "7"},
    {"errors.1.example", "\"the stream ended without its end marker\""},
    {"fail_on.0.condition", "\"p99.9_ttft>500ms\""},
    {"fail_on.0.value", "0.0394237"},
    {"fail_on.0.failed", "false"},
    {"fail_on.0.why", "null"},
    {"fail_on.1.failed", "true"},
    {"fail_on.2.value", "null"},
    {"fail_on.2.failed", "true"},
    {"fail_on.2.why", "\"no request gave a value\""},
    {"trust.loop_lag.p99", "0.0003"},
    {"trust.receive_delay.max", "null"},
    {"trust.worker_cpu_share", "0.34"},
    {"trust.composer_cpu_share", "0.02"},
    {"trust.scorer_cpu_share", "0.11"},
    {"verdict.sound", "false"},
    {"verdict.reasons.0", "\"client-bound\""},
    {"verdict.remarks.0", "\"2 warnings\""},
    {"database", "\"./outputs/run-1.db\""},
};

static void values_are_the_reports(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 340);
    struct report *report = &world.report;
    fixture_failures(report);
    fixture_steady(report);
    report->interrupted = true;
    report->end = RUN_END_INTERRUPTED;
    report->stop_reason = mem_text("because");
    fixture_judged(report);
    report->verdict = (struct verdict){.count = 2, .remark = {false, true}};
    strcpy(report->verdict.reason[0], "client-bound");
    strcpy(report->verdict.reason[1], "2 warnings");
    cJSON *root = parsed(&world);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char *got = cJSON_PrintUnformatted(at(root, values[i].path));
        CHECK_TEXT(values[i].path, got, values[i].want);
        cJSON_free(got);
    }
    assert_null(cJSON_GetObjectItem(cJSON_GetObjectItem(root, "options"), "top_p"));
    cJSON_Delete(root);
    char *text = printed(&world);
    assert_null(strstr(text, FIXTURE_SECRET));
    assert_non_null(strstr(text, ":\t9007199254740993,")); /* exact beyond 2^53 */
    free(text);
    world_fini(&world);
}

static void nothing_happened(void **state)
{
    static const char *const nulls[] = {"felt",
                                        "steady",
                                        "end.stop_reason",
                                        "log",
                                        "run.model",
                                        "metrics.latency.mean",
                                        "metrics.output_throughput.value"};
    (void)state;
    struct world world;
    world_init(&world, 0);
    world.facts.log_path[0] = world.facts.model[0] = '\0';
    cJSON *root = parsed(&world);
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (!cJSON_IsNull(at(root, nulls[i])))
            fail_msg("%s is not null", nulls[i]);
    CHECK_INT("errors", cJSON_GetArraySize(at(root, "errors")), 0);
    cJSON_Delete(root);
    world_fini(&world);
}

static void odd_bytes_stay_json(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 0);
    free(world.facts.model);
    world.facts.model = mem_text("a\xff\x01\"b");
    cJSON *root = parsed(&world);
    CHECK_TEXT("model", at(root, "run.model")->valuestring, "a\xef\xbf\xbd\x01\"b");
    cJSON_Delete(root);
    world_fini(&world);
}

/* ---- metrics of the script ---- */

static void own_metrics_say_what_they_are(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 340);
    fixture_own(&world.report);
    cJSON *root = parsed(&world);
    const cJSON *metrics = cJSON_GetObjectItem(root, "metrics");
    const cJSON *words = cJSON_GetObjectItem(metrics, "words");
    const cJSON *rate = cJSON_GetObjectItem(metrics, "word_rate");
    CHECK_TEXT("title", cJSON_GetObjectItem(words, "title")->valuestring, "Words");
    CHECK_TEXT("unit", cJSON_GetObjectItem(words, "unit")->valuestring, "count");
    CHECK_TEXT("over", cJSON_GetObjectItem(words, "over")->valuestring, "successes");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(words, "formula")));
    CHECK_INT("n", cJSON_GetObjectItem(words, "n")->valueint, 340);
    CHECK_INT("failed", cJSON_GetObjectItem(words, "failed")->valueint, 0);
    assert_null(cJSON_GetObjectItem(words, "value"));
    CHECK_TEXT("stage", cJSON_GetObjectItem(rate, "over")->valuestring, "stage");
    assert_true(cJSON_GetObjectItem(rate, "value")->valuedouble == 52.5);
    assert_null(cJSON_GetObjectItem(rate, "n"));
    const cJSON *gain = cJSON_GetObjectItem(metrics, "gain");
    CHECK_INT("failed", cJSON_GetObjectItem(gain, "failed")->valueint, 3);
    CHECK_TEXT("secrets hidden", cJSON_GetObjectItem(gain, "formula")->valuestring,
               "after - [redacted]");
    CHECK_TEXT("example", cJSON_GetObjectItem(root, "metric_error")->valuestring,
               "metric 'gain': mine.lua:3: no [redacted]\nstack");
    cJSON_Delete(root);
    world_fini(&world);
}

/* ---- docs/json.md names every key and no other ---- */

static const char *generic(const char *parent, const char *key)
{
    static const struct {
        const char *parent, *key;
    } names[] = {
        {"options.", "<name>"},
        {"stages[].options.", "<name>"},
        {"counts.by_outcome.", "<outcome>"},
        {"tokens.sources.", "<source>"},
        {"tokens.prompt_sources.", "<source>"},
        {"tokens.event_sources.", "<source>"},
        {"tokens.check.", "<tokens>"},
        {"metrics.", "<name>"},
        {"metrics.<name>.", "<statistic>"},
        {"steady.metrics.", "<name>"},
        {"steady.metrics.<name>.", "<statistic>"},
        {"felt.", "<name>"},
        {"script.shared.", "<name>"},
        {"felt.<name>.", "<statistic>"},
    };
    static const char *const fixed[] = {"exact", "value",   "title", "unit",
                                        "over",  "formula", "failed"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(key, fixed[i]) == 0)
            return key;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].parent, parent) == 0)
            return names[i].key;
    return key;
}

static bool listed(const struct list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

static void collect(const cJSON *item, const char *path, struct list *keys)
{
    if (!cJSON_IsObject(item) && !cJSON_IsArray(item)) {
        if (!listed(keys, path))
            list_add(keys, path);
        return;
    }
    char *parent = mem_printf("%s%s", path, *path ? "." : "");
    const cJSON *child = NULL;
    cJSON_ArrayForEach(child, item)
    {
        char *key = cJSON_IsArray(item)
                        ? mem_printf("%s[]", path)
                        : mem_printf("%s%s", parent, generic(parent, child->string));
        collect(child, key, keys);
        free(key);
    }
    free(parent);
}

static void documented_keys(struct list *keys)
{
    char *text = fixture_file(TEST_DATA "/../../docs/json.md");
    for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char *end = strncmp(line, "| `", 3) == 0 ? strchr(line + 3, '`') : NULL;
        if (!end)
            continue;
        *end = '\0';
        list_add(keys, line + 3);
    }
    free(text);
}

/* A run of two stages: what a stage says of itself, and beside it the keys of a run of one. */
static void collect_stages(const struct world *world, struct list *keys)
{
    static const char *const own[] = {"stage", "label", "end", "options"};
    char given[] = "{\"parallel\":[4],\"rate\":null}"; /* by an experiment */
    struct report twice[] = {world->report, world->report};
    twice[1].options = given;
    struct reports reports = {.items = twice, .count = 2, .planned = 2, .end = world->report.end};
    struct buf out;
    buf_init(&out, 1 << 20);
    json_report(&reports, world->secrets, &out);
    char *text = buf_take(&out);
    cJSON *root = cJSON_Parse(text);
    const cJSON *stages = cJSON_GetObjectItem(root, "stages");
    CHECK_INT("stages", cJSON_GetArraySize(stages), 2);
    const cJSON *child = NULL;
    cJSON_ArrayForEach(child, cJSON_GetArrayItem(stages, 1))
    {
        bool is_own = false;
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
            is_own = is_own || strcmp(child->string, own[i]) == 0;
        char *path = mem_printf("%s%s", is_own ? "stages[]." : "", child->string);
        collect(child, path, keys);
        free(path);
    }
    cJSON_Delete(root);
    free(text);
}

static void scripts_say_what_they_say(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 340);
    cJSON *root = parsed(&world);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(root, "script")));
    cJSON_Delete(root);
    fixture_said(&world.report);
    root = parsed(&world);
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItem(root, "script"));
    CHECK_TEXT("script", text,
               "{\"shared\":{\"cache hits\":12,\"tok [redacted]\":0.5},\"lines\":[\"a  b "
               "\\u001b[31m[redacted]\",\"\"],\"error\":\"done: mine.lua:3: oops\\nstack\"}");
    cJSON_free(text);
    cJSON_Delete(root);
    world_fini(&world);
}

static void keys_are_documented(void **state)
{
    (void)state;
    struct world world;
    struct list produced = {0}, documented = {0};
    world_init(&world, 340);
    fixture_failures(&world.report);
    fixture_steady(&world.report);
    fixture_own(&world.report);
    fixture_said(&world.report);
    fixture_judged(&world.report);
    world.report.whole.check[TOKENS_PROMPT].answers = 1;
    world.report.verdict = (struct verdict){.count = 2, .remark = {false, true}};
    strcpy(world.report.verdict.reason[0], "a");
    strcpy(world.report.verdict.reason[1], "b");
    cJSON *root = parsed(&world);
    collect(root, "", &produced);
    collect_stages(&world, &produced);
    documented_keys(&documented);
    assert_true(produced.count > 50);
    for (size_t i = 0; i < produced.count; i++)
        if (!listed(&documented, produced.items[i]))
            fail_msg("%s is not in docs/json.md", produced.items[i]);
    for (size_t i = 0; i < documented.count; i++)
        if (!listed(&produced, documented.items[i]))
            fail_msg("%s is in docs/json.md, but not in the report", documented.items[i]);
    list_fini(&produced);
    list_fini(&documented);
    cJSON_Delete(root);
    world_fini(&world);
}

/* ---- files ---- */

static void files_appear_whole(void **state)
{
    (void)state;
    struct world world;
    struct err err = {{0}};
    char folder[] = "/tmp/llmbench-json-XXXXXX";
    assert_non_null(mkdtemp(folder));
    world_init(&world, 1);
    struct reports reports = reports_of(&world);
    char *path = mem_printf("%s/report.json", folder), *want = printed(&world);
    for (int i = 0; i < 2; i++) { /* the second time over the first */
        assert_true(json_report_write(&reports, world.secrets, path, &err));
        char *got = fixture_file(path);
        CHECK_TEXT("file", got, want);
        free(got);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else was left in it */
    assert_false(json_report_write(&reports, world.secrets, path, &err));
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "No such file or directory"));
    assert_true(json_report_write(&reports, world.secrets, "/dev/null", &err));
    struct stat null;
    assert_int_equal(stat("/dev/null", &null), 0);
    assert_true(S_ISCHR(null.st_mode)); /* written into, not replaced */
    free(path);
    free(want);
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_the_reports),
        cmocka_unit_test(nothing_happened),
        cmocka_unit_test(odd_bytes_stay_json),
        cmocka_unit_test(own_metrics_say_what_they_are),
        cmocka_unit_test(scripts_say_what_they_say),
        cmocka_unit_test(keys_are_documented),
        cmocka_unit_test(files_appear_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
