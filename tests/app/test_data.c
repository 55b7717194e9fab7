/* Where a run's data comes from. */
#include "app/data.h"
#include "app/hub.h"
#include "app/paths.h"
#include "base/clock.h"
#include "io/http.h"

#define CACHED "llmbench/datasets/open_qa.jsonl"

struct place {
    struct hub hub;
    char folder[64], hub_url[64];
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    struct err err;
    assert_true(http_global_init(&err));
    strcpy(place->folder, "/tmp/llmbench_data_XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    hub_start(&place->hub);
    snprintf(place->hub_url, sizeof place->hub_url, "http://127.0.0.1:%u//", place->hub.port);
    setenv("XDG_CACHE_HOME", place->folder, 1);
    setenv("MODELSCOPE_ENDPOINT", place->hub_url, 1);
    setenv("HF_ENDPOINT", place->hub_url, 1);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    static const char *const parts[] = {CACHED, "llmbench/datasets", "llmbench", "own.lua", ""};
    char path[256];
    hub_stop(&place->hub);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, "%s/%s", place->folder, parts[i]);
        remove(path);
    }
    assert_int_equal(access(place->folder, F_OK), -1);
    http_global_fini();
    free(place);
    return 0;
}

static size_t count_lines(const char *path)
{
    struct buf text;
    size_t lines = 0;
    buf_init(&text, 64 << 20);
    assert_true(path_read(path, &text, NULL));
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    buf_fini(&text);
    return lines;
}

/* The first run downloads, the second finds the cache. */
static void test_download_then_cache(void **state)
{
    struct place *place = *state;
    struct run_spec spec = {.dataset = (char *)"openqa"};
    struct data_source data;
    struct err err;
    char path[256], want[400];
    snprintf(path, sizeof path, "%s/" CACHED, place->folder);
    CHECK_INT("first", data_find(&spec, NULL, false, &data, &err), DATA_FOUND);
    snprintf(want, sizeof want,
             "downloaded from http://127.0.0.1:%u/api/v1/datasets/AI-ModelScope/HC3-Chinese/"
             "repo?Revision=master&FilePath=open_qa.jsonl",
             place->hub.port);
    CHECK_TEXT("said", data.said, want);
    CHECK_TEXT("path", data.path, path);
    CHECK_INT("lines", count_lines(data.path), HUB_BODY / HUB_LINE);
    data_source_fini(&data);
    CHECK_INT("second", data_find(&spec, NULL, false, &data, &err), DATA_FOUND);
    snprintf(want, sizeof want, "cache %s", path);
    CHECK_TEXT("said", data.said, want);
    CHECK_INT("hits", atomic_load(&place->hub.hit_count), 1);
    data_source_fini(&data);
}

/* Offline the sample in the binary serves: it reads like a file and leaves none behind. */
static void test_sample(void **state)
{
    static const char *const datasets[] = {"openqa", "longalpaca", NULL};
    struct place *place = *state;
    for (size_t i = 0; i < sizeof datasets / sizeof *datasets; i++) {
        struct run_spec spec = {.dataset = (char *)datasets[i], .offline = true};
        struct data_source data;
        struct err err = {0};
        size_t prompts = 0;
        if (data_find(&spec, NULL, false, &data, &err) != DATA_FOUND)
            fail_msg("%s", err.text);
        if (sscanf(data.said, "bundled sample (%zu prompts)", &prompts) != 1 || prompts < 10)
            fail_msg("got \"%s\", want \"bundled sample (N prompts)\"", data.said);
        assert_true(count_lines(data.path) > 0);
        assert_true(count_lines(data.path) > 0); /* and again from its beginning */
        data_source_fini(&data);
    }
    CHECK_INT("hits", atomic_load(&place->hub.hit_count), 0);
}

static void test_dead_hubs(void **state)
{
    struct run_spec spec = {.dataset = (char *)"openqa"};
    struct data_source data;
    struct err err;
    (void)state;
    setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:1", 1);
    setenv("HF_ENDPOINT", "http://127.0.0.1:1", 1);
    uint64_t begun = clock_now_ns();
    CHECK_INT("found", data_find(&spec, NULL, false, &data, &err), DATA_FOUND);
    assert_true(clock_now_ns() - begun < 7 * NS_PER_S);
    CHECK_INT("said", strncmp(data.said, "bundled sample (", 16), 0);
    data_source_fini(&data);
}

static void test_without_data(void **state)
{
    struct place *place = *state;
    char script[256];
    snprintf(script, sizeof script, "%s/own.lua", place->folder);
    FILE *file = fopen(script, "w");
    fputs("return {build_messages = function() end}\n", file);
    fclose(file);
    const struct {
        struct run_spec spec;
        const char *said, *path;
    } cases[] = {
        {{.prompt = (char *)"hi", .dataset = (char *)"openqa"}, "--prompt", NULL},
        {{.dataset = (char *)"openqa", .dataset_path = (char *)"/x.jsonl"},
         "file /x.jsonl",
         "/x.jsonl"},
        {{.dataset = (char *)"line_by_line"}, "the dataset script", NULL},
        {{.script = script}, "the dataset script", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct data_source data;
        struct err err;
        CHECK_INT("found", data_find(&cases[i].spec, NULL, false, &data, &err), DATA_FOUND);
        CHECK_TEXT("said", data.said, cases[i].said);
        CHECK_TEXT("path", data.path ? data.path : "(none)",
                   cases[i].path ? cases[i].path : "(none)");
        data_source_fini(&data);
    }
    CHECK_INT("hits", atomic_load(&place->hub.hit_count), 0);
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_download_then_cache, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sample, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dead_hubs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_data, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return check_by_the_clock(all);
}
