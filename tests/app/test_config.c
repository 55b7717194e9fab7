/* Config files and environment files → options, or the sentence that refuses them. */
#include <unistd.h>

#include "app/config.h"
#include "app/env_file.h"
#include "app/hidden.h"
#include "app/options.h"
#include "check.h"

#define URL "\"url\": \"http://h/v1\", "

enum { ARGS = 12 };

static int set_up(void **state)
{
    char *folder = strdup("/tmp/llmbench_config_XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    unsetenv("LLMBENCH_API_KEY");
    unsetenv("OPENAI_API_KEY");
    unsetenv("WANDB_API_KEY");
    unsetenv("WANDB_BASE_URL");
    *state = folder;
    return 0;
}

static int tear_down(void **state)
{
    unlink("c.json");
    unlink("d.json");
    unlink("e.env");
    assert_int_equal(chdir("/"), 0);
    rmdir(*state);
    free(*state);
    return 0;
}

static void write_file(const char *name, const char *text, size_t len)
{
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
}

static bool read_args(struct options *options, const char *const *args, struct err *err)
{
    char *argv[ARGS + 2] = {(char *)"llmbench"};
    int argc = 1;
    for (; args[argc - 1]; argc++)
        argv[argc] = (char *)args[argc - 1];
    err->text[0] = 0;
    return options_read(options, argc, argv, 1, NULL, err);
}

static char *shown(const struct options *options, const char *name)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    opt_show(&options->set, opt_find(&options->set, name), &out);
    return buf_take(&out);
}

static void check_shown(const char *what, const struct options *options, const char *name,
                        const char *want)
{
    char *text = shown(options, name);
    if (strcmp(text, want) != 0)
        fail_msg("%s: %s is \"%s\", want \"%s\"", what, name, text, want);
    free(text);
}

/* What the option shows as when the file holds this. */
static const struct {
    const char *file;
    const char *option, *shown;
} values[] = {
    {"{" URL "\"max_tokens\": 5}", "max-tokens", "5"},
    {"{" URL "\"max-tokens\": 5}", "max-tokens", "5"},
    {"\xef\xbb\xbf{" URL "\"name\": \"a\"}", "name", "a"},
    {"{" URL "\"seed\": 9223372036854775807}", "seed", "9223372036854775807"},
    {"{" URL "\"seed\": 18446744073709551615}", "seed", "18446744073709551615"},
    {"{" URL "\"seed\": -9223372036854775808}", "seed", "-9223372036854775808"},
    {"{" URL "\"temperature\": 0.30}", "temperature", "0.30"},
    {"{" URL "\"temperature\": 3e-1}", "temperature", "3e-1"},
    {"{" URL "\"stream\": true}", "stream", "true"},
    {"{" URL "\"stream\": false}", "stream", "false"},
    {"{" URL "\"grace\": 7}", "grace", "7s"},
    {"{" URL "\"grace\": \"1h30m\"}", "grace", "90m"},
    {"{" URL "\"max_response_bytes\": \"1.5G\"}", "max-response-bytes", "1536M"},
    {"{" URL "\"max_response_bytes\": 2048}", "max-response-bytes", "2K"},
    {"{" URL "\"parallel\": 3}", "parallel", "3"},
    {"{" URL "\"parallel\": [1, 2, 4]}", "parallel", "1 2 4"},
    {"{" URL "\"users\": [8]}", "parallel", "8"},
    {"{" URL "\"rate\": [0.5, -1]}", "rate", "0.5 -1"},
    {"{" URL "\"stop_token_ids\": [1, 9007199254740]}", "stop-token-ids", "1 9007199254740"},
    {"{" URL "\"stop\": \"a b\"}", "stop", "a b"},
    {"{" URL "\"stop\": [\"a\", \"\\n\"]}", "stop", "a \n"},
    {"{" URL "\"headers\": {\"X-A\": \"1\", \"X-B\": \"c=d: e\"}}", "header", "X-A: 1 X-B: c=d: e"},
    {"{" URL "\"headers\": [\"X-A=1=2\"]}", "header", "X-A: 1=2"},
    {"{" URL "\"header\": [\"X-A: 1\"], \"headers\": {\"X-B\": \"2\"}}", "header", "X-A: 1 X-B: 2"},
    {"{" URL "\"parameters\": {\"a\": 18446744073709551615, \"b\": 0.10, \"c\": true, \"d\": "
     "false, \"e\": \"x=y\"}}",
     "parameters", "a=18446744073709551615 b=0.10 c=bool_true d=bool_false e=x=y"},
    {"{" URL "\"parameters\": [\"a=1\"]}", "parameters", "a=1"},
    {"{" URL "\"extra_args\": {\"a\": {\"b\": 18446744073709551615, \"c\": \"\\ud83c\"}}}",
     "extra-args", "{\"a\": {\"b\": 18446744073709551615, \"c\": \"\\ud83c\"}}"},
    {"{" URL "\"hyperparameters\": \"{}\"}", "hyperparameters", "{}"},
    {"{" URL "\"query_template\": {}}", "query-template", "{}"},
    {"{" URL "\"api_key\": \"secret\"}", "api-key", "[redacted]"},
    {"{" URL "\"command\": \"run\"}", "url", "http://h/v1"},
    {"{" URL "\"command\": \"perf\"}", "url", "http://h/v1"},
    {"{" URL "\"_note\": [{\"url\": 5}, \"\xff\"], \"name\": \"a\"}", "name", "a"},
    {"{" URL "\"_origin\": 5}", "url", "http://h/v1"},
    {"{" URL "\"endpoint\": \"e\"}", "model", "e"},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct options options;
        struct err err;
        write_file("c.json", values[i].file, strlen(values[i].file));
        if (!read_args(&options, (const char *[]){"--config", "c.json", NULL}, &err))
            fail_msg("%s: %s", values[i].file, err.text);
        check_shown(values[i].file, &options, values[i].option, values[i].shown);
        options_fini(&options);
    }
}

/* What is refused, and a piece of the sentence that must say why. */
static const struct {
    const char *file;
    size_t len; /* 0 = strlen */
    const char *says;
} refused[] = {
    {"", 0, "c.json: not JSON: line 1"},
    {"[]", 0, "c.json: an object {\"option\": value, …} is wanted, not a list"},
    {"{\"url\": \"http://h\"", 0, "c.json: not JSON: line 1"},
    {"{\"url\": \"http://h\"} x", 0, "c.json: not JSON: line 1"},
    {"{\"a\": tru}", 0, "not JSON: line 1"},
    {"{\"a\": true}", 0, "unknown option 'a'"},
    {"{\"name\": tru}", 0, "not JSON: line 1"},
    {"{\n \"name\": \"x\",\n \"paralel\": 3}", 0,
     "c.json:3: unknown option 'paralel'; did you mean 'parallel'?"},
    {"{\"qqqqqqqqqq\": 3}", 0, "c.json:1: unknown option 'qqqqqqqqqq'"},
    {"{\n\n\"stream\": 1}", 0, "c.json:3: \"stream\" must be true or false, not a number"},
    {"{\"stream\": \"yes\"}", 0, "\"stream\" must be true or false, not a text"},
    {"{\"max_tokens\": \"5\"}", 0, "\"max_tokens\" must be a whole number, not a text"},
    {"{\"max_tokens\": 5.5}", 0, "c.json:1: --max-tokens"},
    {"{\"max_tokens\": 0}", 0, "c.json:1: --max-tokens 0: must be between 1 and"},
    {"{\"max_tokens\": [5]}", 0, "\"max_tokens\" must be a whole number, not a list"},
    {"{\"temperature\": true}", 0, "\"temperature\" must be a number, not true"},
    {"{\"grace\": {}}", 0, "\"grace\" must be a number, or a text with a unit, not an object"},
    {"{\"grace\": \"soon\"}", 0, "c.json:1: --grace"},
    {"{\"model\": 5}", 0, "\"model\" must be a text in quotes, not a number"},
    {"{\"model\": {}}", 0, "\"model\" must be a text in quotes, not an object"},
    {"{\"model\": null}", 0, "not null (leave the key out for no value)"},
    {"{\"model\": \"a\\u0000b\"}", 0, "c.json:1: \"model\" holds a NUL character"},
    {"{\"model\": \"a\xff\"}", 0, "\"model\" holds what is no Unicode text"},
    {"{\"model\": \"\\ud800\"}", 0, "\"model\" holds what is no Unicode text"},
    {"{\"parallel\": []}", 0, "\"parallel\" is an empty list"},
    {"{\"parallel\": \"1\"}", 0, "\"parallel\" must be a number or a list of numbers, not a text"},
    {"{\"parallel\": [1, \"2\"]}", 0, "\"parallel\": the list must be"},
    {"{\"parallel\": [1, [2]]}", 0, "not a list"},
    {"{\"stop\": [1]}", 0, "a text or a list of texts"},
    {"{\"stop\": {}}", 0, "\"stop\" must be a text or a list of texts, not an object"},
    {"{\"headers\": {\"X\": 1}}", 0, "\"X\" must be a header's name with a text as its value"},
    {"{\"headers\": {\"X:Y\": \"1\"}}", 0, "\"X:Y\" must be a header's name"},
    {"{" URL "\"headers\": {\"X Y\": \"1\"}}", 0, "a header is 'Name: value'"},
    {"{" URL "\"headers\": {\"X\": \"a\\r\\nb\"}}", 0, "line break"},
    {"{\"headers\": 5}", 0, "\"headers\" must be an object or a list of texts, not a number"},
    {"{\"parameters\": {\"a\": [1]}}", 0, "other values go into \"hyperparameters\""},
    {"{\"parameters\": {\"a=b\": 1}}", 0, "\"a=b\" must be a name without ="},
    {"{\"parameters\": {\"a\": \"5\"}}", 0, "\"a\" is the text \"5\", which would be sent as a"},
    {"{\"parameters\": {\"a\": \"bool_true\"}}", 0, "would be sent as a number or a truth value"},
    {"{\"extra_args\": [1]}", 0, "\"extra_args\" must be an object, or a text such as"},
    {"{\"extra_args\": {\"a\": }}", 0, "not JSON: line 1"},
    {"{\"url\": \"http://a\", \"url\": \"http://b\"}", 0, "\"url\" stands there twice"},
    {"{\"parallel\": 1, \"users\": 2}", 0, "\"users\" stands there twice"},
    {"{\"config\": \"x\"}", 0, "\"config\" belongs on the command line"},
    {"{\"dump_config\": true}", 0, "\"dump_config\" belongs on the command line"},
    {"{\"command\": \"mock\"}", 0, "\"command\" must be \"run\""},
    {"{\"command\": 5}", 0, "\"command\" must be \"run\""},
    {"{\"\": 5}", 0, "unknown option ''"},
    {"{\"api_key\": \"[redacted]\"}", 0,
     "\"api_key\" holds \"[redacted]\", which --dump-config puts in the place of a secret"},
    {"{\"headers\": {\"Authorization\": \"Bearer [redacted]\"}}", 0, "holds \"[redacted]\""},
    {"{\"model\": \"a\", \"endpoint\": \"b\"}", 0,
     "--model a and --endpoint b both say what is asked"},
    {"{\"name\": \"x\"}\0", 14, "not JSON"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct options options;
        struct err err;
        size_t len = refused[i].len ? refused[i].len : strlen(refused[i].file);
        write_file("c.json", refused[i].file, len);
        bool ok = read_args(
            &options, (const char *[]){"--config", "c.json", "--connect-timeout", "5", NULL}, &err);
        options_fini(&options);
        if (ok || !strstr(err.text, refused[i].says))
            fail_msg("%s: got \"%s\", want \"%s\"", refused[i].file, ok ? "no error" : err.text,
                     refused[i].says);
    }
}

static void test_no_file(void **state)
{
    (void)state;
    struct options options;
    struct err err;
    assert_false(read_args(&options, (const char *[]){"--config", "none.json", NULL}, &err));
    options_fini(&options);
    if (!strstr(err.text, "--config: cannot read none.json"))
        fail_msg("%s", err.text);
    assert_false(read_args(&options, (const char *[]){"--env-file", "none.env", NULL}, &err));
    options_fini(&options);
    if (!strstr(err.text, "--env-file: cannot read none.env"))
        fail_msg("%s", err.text);
}

/* Every prefix of a good file is refused, and nothing leaks or crashes. */
static void test_cut_files(void **state)
{
    (void)state;
    static const char file[] = "{" URL "\"parallel\": [1, 2], \"extra_args\": {\"a\": [1]}, "
                               "\"headers\": {\"X\": \"y\"}, \"_origin\": {\"url\": \"default\"}}";
    for (size_t len = 0; len < sizeof file - 1; len++) {
        struct options options;
        struct err err;
        write_file("c.json", file, len);
        if (read_args(&options, (const char *[]){"--config", "c.json", NULL}, &err))
            fail_msg("%zu bytes were taken for a whole file", len);
        options_fini(&options);
    }
}

/* command line > config > environment > default */
static void test_precedence(void **state)
{
    (void)state;
    static const char file[] = "{" URL "\"api_key\": \"from-config\", \"parallel\": [1, 2], "
                               "\"name\": \"c\", \"headers\": {\"X-C\": \"1\"}, \"stop\": [\"c\"]}";
    struct options options;
    struct err err;
    write_file("c.json", file, sizeof file - 1);
    setenv("OPENAI_API_KEY", "from-environment", 1);
    assert_true(read_args(
        &options,
        (const char *[]){"http://typed/v1", "--config", "c.json", "-c", "7", "-H", "X-T: 1", NULL},
        &err));
    CHECK_TEXT("key", options.spec.api_key, "from-config");
    check_shown("typed", &options, "url", "http://typed/v1");
    check_shown("typed", &options, "parallel", "7");
    check_shown("typed", &options, "header", "X-T: 1");
    check_shown("config", &options, "stop", "c");
    check_shown("config", &options, "name", "c");
    check_shown("default", &options, "grace", "30s");
    options_fini(&options);
    assert_true(read_args(&options, (const char *[]){"http://typed/v1", NULL}, &err));
    CHECK_TEXT("key", options.spec.api_key, "from-environment");
    options_fini(&options);
    unsetenv("OPENAI_API_KEY");
}

/* ---- --dump-config ---- */

static char *dump_of(const char *const *args)
{
    struct options options;
    struct err err;
    if (!read_args(&options, args, &err))
        fail_msg("%s", err.text);
    assert_non_null(options.dump);
    struct secrets *secrets = secrets_new();
    hidden_add(secrets, &options, NULL);
    char *text = secrets_hidden(secrets, options.dump);
    secrets_free(secrets);
    options_fini(&options);
    return text;
}

static void check_holds(const char *text, const char *part, bool want)
{
    if ((strstr(text, part) != NULL) != want)
        fail_msg("%s %s in:\n%s", part, want ? "is missing" : "must not stand", text);
}

/* What was dumped is read as the same options from the same places, but for the command line's. */
static void test_dump_is_read_again(void **state)
{
    (void)state;
    char *first =
        dump_of((const char *[]){"http://h/v1", "--model=m\"\\\n你", "--seed=9223372036854775807",
                                 "--dump-config", "--extra-args={\"a\": 18446744073709551615}",
                                 "--grace=1500ms", "--parameters=top_k=5", "--rate=0.1,-1", NULL});
    check_holds(first, "\"seed\": 9223372036854775807,", true);
    check_holds(first, "\"extra_args\": {\"a\": 18446744073709551615},", true);
    check_holds(first, "\"rate\": [0.1, -1],", true);
    check_holds(first, "\"grace\": \"1500ms\",", true);
    check_holds(first, "\"model\": \"m\\\"\\\\\\n你\",", true);
    check_holds(first, "\"read_timeout\": \"2m\",", true);
    check_holds(first, "\"read_timeout\": \"default\"", true);
    check_holds(first, "\"seed\": \"command line\"", true);
    check_holds(first, "dump_config", false);
    write_file("d.json", first, strlen(first));
    char *second =
        dump_of((const char *[]){"--config", "d.json", "--dump-config", "--work-dir", ".", NULL});
    check_holds(second, "\"seed\": \"config\"", true);
    check_holds(second, "\"read_timeout\": \"default\"", true);
    check_holds(second, "\"work_dir\": \".\"", true);
    size_t head = (size_t)(strstr(first, "  \"report_interval\"") - first);
    if (strncmp(first, second, head) != 0)
        fail_msg("first:\n%s\nthen:\n%s", first, second);
    free(first);
    free(second);
}

/* A value that was changed after the dump is no default any more. */
static void test_changed_default(void **state)
{
    (void)state;
    static const char file[] = "{" URL "\"grace\": \"31s\", \"read_timeout\": \"2m\", \"_origin\": "
                               "{\"grace\": \"default\", \"read_timeout\": \"config\"}}";
    struct options options;
    struct err err;
    write_file("c.json", file, sizeof file - 1);
    assert_true(read_args(&options, (const char *[]){"--config", "c.json", NULL}, &err));
    assert_true(opt_given(&options.set, "grace"));
    assert_true(opt_given(&options.set, "read-timeout"));
    options_fini(&options);
}

static void test_dump_hides_secrets(void **state)
{
    (void)state;
    setenv("LLMBENCH_API_KEY", "sk-environment", 1);
    char *text = dump_of(
        (const char *[]){"http://user:pass-word@h/v1?access_token=tok-en", "--dump-config",
                         "--wandb-api-key", "wandb-key", "-H", "Authorization: Bearer sk-header",
                         "--headers", "X-Api-Key=sk-word", "--prompt", "say sk-environment", NULL});
    unsetenv("LLMBENCH_API_KEY");
    static const char *const hidden[] = {"sk-environment", "pass-word", "tok-en",
                                         "wandb-key",      "sk-header", "sk-word"};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        check_holds(text, hidden[i], false);
    check_holds(text, "\"api_key\": \"[redacted]\",", true);
    check_holds(text, "\"api_key\": \"environment\"", true);
    free(text);
}

/* ---- --env-file ---- */

static const struct {
    const char *file;
    const char *value; /* of LLMBENCH_TEST; NULL = not set */
    const char *says;  /* or how it is refused */
} env_files[] = {
    {"LLMBENCH_TEST=a", "a", NULL},
    {"# x\n\n  export LLMBENCH_TEST=a b # c\n", "a b", NULL},
    {"LLMBENCH_TEST=a#b\r\n", "a#b", NULL},
    {"LLMBENCH_TEST=\n", "", NULL},
    {"LLMBENCH_TEST=#x", "", NULL},
    {"LLMBENCH_TEST='a \"$b\" \\n'\n", "a \"$b\" \\n", NULL},
    {"LLMBENCH_TEST=\"a \\\"b\\\" \\n\\$c \\x\" # d", "a \"b\" \n$c \\x", NULL},
    {"LLMBENCH_TEST=a=b", "a=b", NULL},
    {"\xef\xbb\xbfLLMBENCH_TEST=a", "a", NULL},
    {"LLMBENCH_TEST=a\nLLMBENCH_TEST=b", "b", NULL},
    {"exportLLMBENCH_TEST=a", NULL, NULL},
    {"", NULL, NULL},
    {"\n#\nLLMBENCH_TEST", NULL, "--env-file e.env:3: this is no line NAME=VALUE"},
    {"LLMBENCH_TEST=a\nb c=d", NULL, "e.env:2: "},
    {"LLMBENCH_TEST =a", NULL, "e.env:1: "},
    {"1A=b", NULL, "e.env:1: "},
    {"=b", NULL, "e.env:1: "},
    {"LLMBENCH_TEST='a", NULL, "e.env:1: the quote ' is not closed"},
    {"LLMBENCH_TEST=\"a\\\"", NULL, "e.env:1: the quote \" is not closed"},
    {"LLMBENCH_TEST=\"a\"b", NULL, "e.env:1: only a # may follow the closing quote"},
};

static void test_env_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof env_files / sizeof *env_files; i++) {
        struct err err = {""};
        unsetenv("LLMBENCH_TEST");
        write_file("e.env", env_files[i].file, strlen(env_files[i].file));
        bool ok = env_file_read("e.env", &err);
        const char *value = getenv("LLMBENCH_TEST");
        if (ok != !env_files[i].says || (!ok && !strstr(err.text, env_files[i].says)))
            fail_msg("%s: \"%s\", want \"%s\"", env_files[i].file, err.text,
                     env_files[i].says ? env_files[i].says : "");
        CHECK_TEXT(env_files[i].file, value ? value : "(none)",
                   env_files[i].value ? env_files[i].value : "(none)");
    }
    struct err err;
    write_file("e.env", "A=\0b", 4);
    assert_false(env_file_read("e.env", &err));
    unsetenv("LLMBENCH_TEST");
    unsetenv("exportLLMBENCH_TEST");
}

static void test_env_file_gives_keys(void **state)
{
    (void)state;
    struct options options;
    struct err err;
    static const char config[] = "{" URL "\"env_file\": \"e.env\"}";
    write_file("e.env", "OPENAI_API_KEY=from-file\n", 25);
    write_file("c.json", config, sizeof config - 1);
    assert_true(read_args(&options, (const char *[]){"--config", "c.json", NULL}, &err));
    CHECK_TEXT("from the file", options.spec.api_key, "from-file");
    options_fini(&options);
    setenv("OPENAI_API_KEY", "already", 1);
    assert_true(
        read_args(&options, (const char *[]){"http://h", "--env-file", "e.env", NULL}, &err));
    CHECK_TEXT("from outside", options.spec.api_key, "already");
    options_fini(&options);
    unsetenv("OPENAI_API_KEY");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),          cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_file),         cmocka_unit_test(test_cut_files),
        cmocka_unit_test(test_precedence),      cmocka_unit_test(test_dump_is_read_again),
        cmocka_unit_test(test_changed_default), cmocka_unit_test(test_dump_hides_secrets),
        cmocka_unit_test(test_env_files),       cmocka_unit_test(test_env_file_gives_keys),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
