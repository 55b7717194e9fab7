/* Command lines → values, or the sentence that refuses them. */
#include <fcntl.h>
#include <unistd.h>

#include "app/checks.h"
#include "app/options.h"
#include "check.h"

enum { ARGS = 16 };

struct place {
    char folder[64];
};

/* The tests run in a folder of their own with a few files. */
static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    strcpy(place->folder, "/tmp/llmbench_options_XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    assert_int_equal(chdir(place->folder), 0);
    static const char *const files[][2] = {
        {"prompts.txt", "one\ntwo\n"},
        {"prompt.txt", "from a file"},
        {"empty.txt", ""},
        {"own.lua", "return {build_messages = function() end}\n"},
        {"rows.jsonl", "{\"prompt\":\"p\"}\n"},
        {"body.json", "{\"a\": 1.0}"},
        {"ca.pem", "x"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        FILE *file = fopen(files[i][0], "w");
        fputs(files[i][1], file);
        fclose(file);
    }
    int fd = open("nul.txt", O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "a\0b", 3), 3);
    close(fd);
    unsetenv("LLMBENCH_API_KEY");
    unsetenv("OPENAI_API_KEY");
    unsetenv("WANDB_API_KEY");
    unsetenv("WANDB_BASE_URL");
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    static const char *const files[] = {"prompts.txt", "prompt.txt", "empty.txt",  "own.lua",
                                        "ca.pem",      "nul.txt",    "rows.jsonl", "body.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    assert_int_equal(chdir("/"), 0);
    rmdir(place->folder);
    free(place);
    return 0;
}

static bool read_args(struct options *options, const char *const *args, struct err *err)
{
    char *argv[ARGS + 2] = {(char *)"llmbench"};
    int argc = 1;
    for (; args[argc - 1]; argc++)
        argv[argc] = (char *)args[argc - 1];
    err->text[0] = 0;
    return options_read(options, argc, argv, 1, NULL, err) && checks_files(&options->spec, err);
}

/* What option NAME shows as after the command line has been read. */
static const struct {
    const char *args[ARGS];
    const char *option, *shown;
} values[] = {
    {{"--url", "http://h/v1"}, "url", "http://h/v1"},
    {{"http://h/v1", "-n", "5"}, "url", "http://h/v1"},
    {{"-n", "5", "https://h"}, "url", "https://h"},
    {{"http://h", "-n", "5"}, "number", "5"},
    {{"http://h", "--number=7"}, "number", "7"},
    {{"http://h", "-c", "3"}, "parallel", "3"},
    {{"http://h", "--connections", "3"}, "parallel", "3"},
    {{"http://h", "--concurrency=4"}, "parallel", "4"},
    {{"http://h"}, "parallel", ""},
    {{"http://h", "--parallel", "1", "2", "4,8"}, "parallel", "1 2 4 8"},
    {{"http://h", "--rate", "-1"}, "rate", "-1"},
    {{"--rate", "0.5", "2", "http://h"}, "rate", "0.5 2"},
    {{"http://h", "--users", "3"}, "parallel", "3"},
    {{"http://h"}, "threads", "1"},
    {{"http://h"}, "grace", "30s"},
    {{"http://h", "-d", "1h30m"}, "duration", "90m"},
    {{"http://h", "--read-timeout=120"}, "read-timeout", "2m"},
    {{"http://h"}, "connect-timeout", "2m"},
    {{"http://h"}, "total-timeout", ""},
    {{"http://h"}, "max-response-bytes", "64M"},
    {{"http://h"}, "log-every-n-query", "10"},
    {{"http://h"}, "outputs-dir", "./outputs"},
    {{"http://h"}, "report", "table"},
    {{"http://h", "--report", "zh", "table", "--report", "qianfan"}, "report", "zh table qianfan"},
    {{"http://h"}, "report-interval", "30s"},
    {{"http://h", "--desc", "x y"}, "desc", "x y"},
    {{"http://h", "--wandb-api-key", "secret"}, "wandb-api-key", "[redacted]"},
    {{"http://h", "--wandb-api-key", "secret"}, "wandb-project", "perf_benchmark"},
    {{"http://h"}, "dataset", ""},
    {{"http://h", "--parser", "own.lua"}, "script", "own.lua"},
    {{"http://h", "--api-key", "sk-1234"}, "api-key", "[redacted]"},
    {{"http://h", "--temperature", "-1"}, "temperature", "-1"},
    {{"http://h", "--prompt", "hello"}, "prompt", "hello"},
    {{"http://h", "--prompt", "@prompt.txt"}, "prompt", "from a file"},
    {{"http://h", "--dataset", "prompts.txt"}, "dataset", "line_by_line"},
    {{"http://h", "--dataset", "prompts.txt"}, "dataset-path", "prompts.txt"},
    {{"http://h", "--dataset", "./own.lua"}, "dataset", "./own.lua"},
    {{"http://h", "--dataset", "openqa"}, "dataset", "openqa"},
    {{"http://h", "--dataset", "rows.jsonl"}, "dataset", "auto"},
    {{"http://h", "--dataset", "rows.jsonl"}, "dataset-path", "rows.jsonl"},
    {{"http://h", "--test-set", "prompts.txt"}, "dataset", "testset"},
    {{"http://h", "--test-set", "prompts.txt"}, "dataset-path", "prompts.txt"},
    {{"http://h"}, "min-prompt-length", "0"},
    {{"http://h"}, "max-prompt-length", ""},
    {{"http://h"}, "apply-chat-template", "true"},
    {{"http://h", "--no-apply-chat-template"}, "apply-chat-template", "false"},
    {{"http://h", "--query-template", "@body.json"}, "query-template", "{\"a\": 1.0}"},
    {{"http://h", "--query-template", "body.json"}, "query-template", "{\"a\": 1.0}"},
    {{"http://h", "--extra-args", " {}"}, "extra-args", " {}"},
    {{"http://h", "--parameters", "a=1", "b=c=d"}, "parameters", "a=1 b=c=d"},
    {{"http://h", "--seed", "42"}, "seed", "42"},
    {{"http://h", "--seed", "42"}, "plan-seed", "0"},
    {{"http://h", "--seed=-3"}, "seed", "-3"},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct options options;
        struct err err;
        struct buf shown;
        if (!read_args(&options, values[i].args, &err))
            fail_msg("case %zu (%s): %s", i, values[i].option, err.text);
        buf_init(&shown, 1 << 20);
        opt_show(&options.set, opt_find(&options.set, values[i].option), &shown);
        char *text = buf_take(&shown);
        CHECK_TEXT(values[i].option, text, values[i].shown);
        free(text);
        options_fini(&options);
    }
}

/* What is refused, and a piece of the sentence that must say why. */
static const struct {
    const char *args[ARGS];
    const char *says;
} refused[] = {
    {{NULL}, "which server? give --url URL"},
    {{"--url", "localhost:8000"}, "begins with http:// or https://"},
    {{"--url", "ftp://h"}, "begins with http:// or https://"},
    {{"--url", "http://"}, "--url http://:"},
    {{"--url", "http://h:99999/"}, "--url http://h:99999/:"},
    {{"http://h", "http://g"}, "one URL is enough"},
    {{"http://h", "mock"}, "the command has to stand first: llmbench mock"},
    {{"http://h", "word"}, "\"word\" belongs to no option"},
    {{"http://h", "--paralel", "3"}, "parallel"},
    {{"http://h", "-c", "0"}, "parallel"},
    {{"http://h", "-c", "100001"}, "parallel"},
    {{"http://h", "-n", "0"}, "number"},
    {{"http://h", "-n", "ten"}, "ten"},
    {{"http://h", "-t", "257"}, "threads"},
    {{"http://h", "--rate", "0"}, "--rate 0: must be more than 0"},
    {{"http://h", "--rate", "5", "--spawn-rate", "1"}, "--spawn-rate"},
    {{"http://h", "--runtime", "1s", "-d", "1s"}, "--runtime"},
    {{"http://h", "-d", "0"}, "duration"},
    {{"http://h", "--connect-timeout", "0"}, "connect-timeout"},
    {{"http://h", "--max-response-bytes", "0"}, "no room for an answer"},
    {{"http://h", "-H", "no colon"}, "a header is 'Name: value'"},
    {{"http://h", "-H", "X Y;"}, "a header is 'Name: value', or 'Name;' without a value"},
    {{"http://h", "-H", "X;y"}, "a header is 'Name: value'"},
    {{"http://h", "-H", ";"}, "a header is 'Name: value'"},
    {{"http://h", "-H", ": v"}, "a header is 'Name: value'"},
    {{"http://h", "-H", "A B: v"}, "a header is 'Name: value'"},
    {{"http://h", "-H", "A: v\r\nB: w"}, "line break"},
    {{"http://h", "--headers", "A=v\nB: w"}, "line break"},
    {{"http://h", "--headers", "novalue"}, "a header is Name=value"},
    {{"http://h", "--headers", "=v"}, "a header is Name=value"},
    {{"http://h", "--prompt", ""}, "--prompt is empty"},
    {{"http://h", "--prompt", "@empty.txt"}, "--prompt is empty"},
    {{"http://h", "--prompt", "@missing.txt"}, "--prompt: cannot read missing.txt"},
    {{"http://h", "--prompt", "@nul.txt"}, "NUL"},
    {{"http://h", "--dataset-path", "missing.jsonl"}, "--dataset-path missing.jsonl: No such file"},
    {{"http://h", "--dataset-path", "."}, "this is a folder"},
    {{"http://h", "--dataset", "opnqa"}, "--dataset opnqa: there is none of that name"},
    {{"http://h", "--dataset", "missing.lua"}, "--dataset missing.lua: No such file"},
    {{"http://h", "--dataset", "prompts.txt", "--dataset-path", "prompt.txt"}, "has no meaning"},
    {{"http://h", "--api", "opanai"}, "--api opanai: there is none of that name"},
    {{"http://h", "-s", "missing.lua"}, "--script missing.lua: No such file"},
    {{"http://h", "--cacert", "missing.pem"}, "--cacert missing.pem: No such file"},
    {{"http://h", "--name", "a/b"}, "--name \"a/b\""},
    {{"http://h", "--name", ""}, "--name \"\""},
    {{"http://h", "--name", ".."}, "--name \"..\""},
    {{"http://h", "--json", "missing/x.json"}, "--json missing/x.json: cannot write in missing"},
    {{"http://h", "--json", "/tmp"}, "a file is wanted"},
    {{"http://h", "--report", "zh", "tabel"}, "--report tabel: there is none of that name"},
    {{"http://h", "--report-interval", "0.1s"}, "report-interval"},
    {{"http://h", "--work-dir", ""}, "--work-dir is empty"},
    {{"http://h", "--work-dir", "w", "--outputs-dir", "o"}, "both say where the outputs go"},
    {{"http://h", "--wandb"}, "--wandb needs a key"},
    {{"http://h", "--wandb-api-key", ""}, "--wandb needs a key"},
    {{"http://h", "--wandb-api-key", "k", "--wandb-project", ""}, "--wandb-project is empty"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct options options;
        struct err err;
        if (read_args(&options, refused[i].args, &err))
            fail_msg("case %zu: accepted, want \"%s\"", i, refused[i].says);
        if (!strstr(err.text, refused[i].says))
            fail_msg("case %zu: got \"%s\", want \"%s\"", i, err.text, refused[i].says);
        options_fini(&options);
    }
}

/* --header lines and --headers words end in one list; a word is split at its first '='. */
static void test_headers(void **state)
{
    static const char *const args[] = {
        "http://h", "-H", "A: 1",    "--headers", "X-DashScope-SSE=enable=True",
        "B=",       "-H", "C: x: y", NULL};
    static const char *const want[] = {"A: 1", "C: x: y", "X-DashScope-SSE: enable=True", "B: "};
    struct options options;
    struct err err;
    (void)state;
    if (!read_args(&options, args, &err))
        fail_msg("%s", err.text);
    CHECK_INT("headers", options.spec.headers.count, 4);
    for (size_t i = 0; i < 4; i++)
        CHECK_TEXT("header", options.spec.headers.items[i], want[i]);
    CHECK_INT("words left", options.spec.header_words.count, 0);
    assert_true(opt_given(&options.set, "header"));
    assert_false(opt_given(&options.set, "headers"));
    options_fini(&options);
}

static const struct {
    const char *llmbench, *openai, *option, *want;
} keys[] = {
    {NULL, NULL, NULL, NULL},
    {NULL, "open", NULL, "open"},
    {"", "open", NULL, "open"},
    {"bench", "open", NULL, "bench"},
    {"bench", "open", "given", "given"},
    {"bench", "open", "", ""},
};

static void set_or_unset(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void test_api_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *args[] = {"http://h", keys[i].option ? "--api-key" : NULL, keys[i].option,
                              NULL};
        struct options options;
        struct err err;
        set_or_unset("LLMBENCH_API_KEY", keys[i].llmbench);
        set_or_unset("OPENAI_API_KEY", keys[i].openai);
        if (!read_args(&options, args, &err))
            fail_msg("case %zu: %s", i, err.text);
        const char *got = options.spec.api_key;
        CHECK_TEXT("key", got ? got : "(none)", keys[i].want ? keys[i].want : "(none)");
        options_fini(&options);
    }
    set_or_unset("LLMBENCH_API_KEY", NULL);
    set_or_unset("OPENAI_API_KEY", NULL);
}

/* Rows that cannot be right: names twice, groups torn apart, sentences with a full stop. */
static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < run_row_count; i++) {
        const struct opt_row *row = &run_rows[i];
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(row->name, run_rows[k].name);
            assert_false(row->letter && row->letter == run_rows[k].letter);
            bool torn = strcmp(row->group, run_rows[k].group) == 0 &&
                        strcmp(row->group, run_rows[i - 1].group) != 0;
            if (torn)
                fail_msg("--%s stands outside its group", row->name);
        }
        if (row->help[strlen(row->help) - 1] == '.')
            fail_msg("--%s: the help ends in a full stop", row->name);
        if (row->type->takes_value != (row->metavar != NULL))
            fail_msg("--%s: a value has a metavar, a flag has none", row->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_headers), cmocka_unit_test(test_api_key),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
