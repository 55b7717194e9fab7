/* What an experiment is made of: the options of one run over the command line, places in the data,
 * files that are not overwritten. */
#include <unistd.h>

#include "app/data_places.h"
#include "app/options.h"
#include "app/paths.h"
#include "base/mem.h"
#include "check.h"

static char folder[] = "/tmp/llmbench_experiment_XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static bool read_given(struct options *options, const char *given, struct err *err)
{
    static char *argv[] = {(char *)"llmbench", (char *)"--url",   (char *)"http://h/v1",
                           (char *)"--rate",   (char *)"5",       (char *)"-H",
                           (char *)"X-A: 1",   (char *)"--model", (char *)"m"};
    struct options_more more = {.given = given ? span_text(given) : span_of(NULL, 0),
                                .whole = !given};
    err->text[0] = '\0';
    return options_read_more(options, sizeof argv / sizeof *argv, argv, 1, &more, NULL, err);
}

static char *shown(const struct options *options, const char *name)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    opt_show(&options->set, opt_find(&options->set, name), &out);
    return buf_take(&out);
}

static void test_what_a_run_is_given(void **state)
{
    (void)state;
    static const struct {
        const char *given, *name, *want; /* NULL = refused, with `want` in the sentence */
    } rows[] = {
        {"{}", "rate", "5"},
        {"{\"rate\": 7.5}", "rate", "7.5"},
        {"{\"rate\": [1, 2], \"number\": [3, 4]}", "rate", "1 2"},
        {"{\"rate\": false}", "rate", ""},
        {"{\"number\": 9}", "number", "9"},
        {"{\"headers\": {\"X-B\": \"2\"}}", "header", "X-B: 2"},
        {"{\"header\": false}", "header", ""},
        {"{\"stream\": false}", "stream", "false"},
        {"{\"duration\": \"2m\"}", "duration", "2m"},
        {"{\"duration\": \"2x\"}", NULL, "duration"},
        {"{\"paralel\": 3}", NULL, "did you mean 'parallel'?"},
        {"{\"parallel\": \"3\"}", NULL, "must be a number or a list of numbers, not a text"},
        {"{\"name\": \"x\"}", NULL, "belongs to the experiment as a whole"},
        {"{\"outputs_dir\": \"x\"}", NULL, "belongs to the experiment as a whole"},
        {"{\"dump_config\": true}", NULL, "belongs on the command line"},
        {"{\"url\": \"ftp://h\"}", NULL, "a URL begins with http://"},
        {"{\"number\": 3", NULL, "bench.run: not JSON"},
        {"[]", NULL, "bench.run: an object"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct options *options = mem_zero(1, sizeof *options);
        struct err err;
        bool ok = read_given(options, rows[i].given, &err);
        if (!rows[i].name && (ok || !strstr(err.text, rows[i].want)))
            fail_msg("%s: \"%s\", not \"%s\"", rows[i].given, err.text, rows[i].want);
        if (rows[i].name && !ok)
            fail_msg("%s: %s", rows[i].given, err.text);
        if (rows[i].name) {
            char *got = shown(options, rows[i].name);
            CHECK_TEXT(rows[i].given, got, rows[i].want);
            free(got);
        }
        options_fini(options);
        free(options);
    }
}

/* Of the command line alone no target is asked, but where results go is checked. */
static void test_the_command_line_alone(void **state)
{
    (void)state;
    char *without[] = {(char *)"llmbench", (char *)"--rate", (char *)"0"};
    char *wrong[] = {(char *)"llmbench", (char *)"--name", (char *)"a/b"};
    struct options_more more = {.whole = true};
    struct options *options = mem_zero(1, sizeof *options);
    struct err err;
    assert_true(options_read_more(options, 3, without, 1, &more, NULL, &err));
    options_fini(options);
    assert_false(options_read_more(options, 3, wrong, 1, &more, NULL, &err));
    assert_non_null(strstr(err.text, "--name \"a/b\""));
    options_fini(options);
    free(options);
}

static void test_each_data_set_has_its_place(void **state)
{
    (void)state;
    struct data_places places = {0};
    struct err err;
    struct run_spec openqa = {.dataset = (char *)"openqa"}, none = {0},
                    script = {.script = (char *)"mine.lua"}, prompt = {.prompt = (char *)"hi"},
                    path = {.dataset = (char *)"openqa", .dataset_path = (char *)"a.jsonl"};
    const struct run_spec *all[] = {&openqa, &none, &script, &prompt, &path};
    for (uint64_t i = 0; i < 5; i++) {
        struct data_place *place = data_place_of(&places, all[i], &err);
        CHECK_INT("new", place->items, 0);
        place->items = i + 1;
    }
    for (uint64_t i = 0; i < 5; i++)
        CHECK_INT("kept", data_place_of(&places, all[i], &err)->items, i + 1);
    data_places_fini(&places);
}

static void check_file(const char *path, const char *want)
{
    struct buf text;
    struct err err;
    buf_init(&text, 1000);
    assert_true(path_read(path, &text, &err));
    char *got = buf_take(&text);
    CHECK_TEXT(path, got ? got : "", want);
    free(got);
}

static void test_files_are_not_overwritten(void **state)
{
    (void)state;
    struct err err;
    assert_true(path_write("f", span_text("one"), false, &err));
    assert_false(path_write("f", span_text("two"), false, &err));
    CHECK_TEXT("sentence", err.text, "f exists and is not overwritten");
    check_file("f", "one");
    assert_true(path_write("f", span_text("three"), true, &err));
    check_file("f", "three");
    assert_true(path_write("empty", span_of(NULL, 0), false, &err));
    check_file("empty", "");
    assert_false(path_write("no/f", span_text("x"), false, &err));
    assert_non_null(strstr(err.text, "cannot write no/f"));
    unlink("f");
    unlink("empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_run_is_given),
        cmocka_unit_test(test_the_command_line_alone),
        cmocka_unit_test(test_each_data_set_has_its_place),
        cmocka_unit_test(test_files_are_not_overwritten),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
