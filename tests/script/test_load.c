/* Finding and loading scripts: every error before the first request, with the file and what would
 * be right. */
#include "base/embedded.h"
#include "fixture.h"
#include "script/contract.h"

static const struct {
    const char *name, *words, *script;
    const char *parts[3]; /* of the message */
} errors[] = {
    {"syntax",
     "",
     "local api = {}\nif then\nreturn api",
     {"s.lua:2: unexpected symbol near 'then'"}},
    {"thrown by the chunk", "", "local t\nt.x = 1", {"s.lua:2: attempt to index local 't'"}},
    {"no table", "", "return 5", {"s.lua: a script must return its table of hooks, not a number"}},
    {"nothing returned", "", "local x = 1 return", {"s.lua: a script must return", "not nil"}},
    {"neither", "", "return {_x=1}", {"s.lua: neither an API script", "build_messages"}},
    {"build_request is missing",
     "",
     "return {parse_responses=print}",
     {"s.lua: the hook 'build_request(messages, opts, ctx)' is missing; it returns the body"}},
    {"parse_responses is missing",
     "",
     "return {build_request=print}",
     {"the hook 'parse_responses(responses, request, ctx)' is missing"}},
    {"misspelt hook",
     "",
     "return {build_requst=print, parse_responses=print}",
     {"s.lua:1: unknown field 'build_requst' (did you mean 'build_request'?)"}},
    {"misspelt dataset hook",
     "",
     "return {build_mesages=print}",
     {"unknown field 'build_mesages' (did you mean 'build_messages'?)"}},
    {"unknown field",
     "",
     SCRIPT("api.colour_of_it = 1"),
     {"s.lua:2: unknown field 'colour_of_it'"}},
    {"list", "", "return {print}", {"has a field named by a number"}},
    {"hook of the wrong type",
     "",
     SCRIPT("api.read_event = 'x'"),
     {"s.lua:2: 'read_event' must be a function, not a string"}},
    {"path of the wrong type",
     "",
     SCRIPT("api.path = 5"),
     {"s.lua:2: 'path' must be a string, not 5"}},
    {"text of the wrong type",
     "",
     SCRIPT("api.text = 'no'"),
     {"'text' must be true or false, not a string"}},
    {"path without slash",
     "",
     SCRIPT("api.path = 'v1'"),
     {"s.lua:2: 'path' is \"v1\"; it must begin with '/'"}},
    {"framing",
     "",
     SCRIPT("api.framing = 'xml'"),
     {"s.lua:2: 'framing' is \"xml\"; it must be one of: sse ndjson body"}},
    {"params_at", "", SCRIPT("api.params_at = 'a..b'"), {"s.lua:2: 'params_at' is \"a..b\""}},
    {"empty params_at", "", SCRIPT("api.params_at = ''"), {"s.lua:2: 'params_at' is \"\""}},
    {"empty end_marker", "", SCRIPT("api.end_marker = ''"), {"s.lua:2: 'end_marker' is empty"}},
    {"blank end_marker",
     "",
     SCRIPT("api.end_marker = '\\n\\n'"),
     {"s.lua:2: 'end_marker' is empty"}},
    {"NUL in end_marker",
     "",
     SCRIPT("api.end_marker = 'a\\0'"),
     {"s.lua:2: 'end_marker' holds a NUL byte"}},
    {"options", "", SCRIPT("api.options = 5"), {"s.lua:2: 'options' must be a table, not 5"}},
    {"refresh without its time",
     "",
     SCRIPT("function api.refresh() end"),
     {"s.lua:2: 'refresh' is there without 'refresh_every'"}},
    {"a time without refresh",
     "",
     SCRIPT("function api.setup() api.refresh_every = 1 end"),
     {"s.lua: 'refresh_every' is there without 'refresh'"}},
    {"a time that is none",
     "",
     SCRIPT("api.refresh = print function api.setup() api.refresh_every = -1 end"),
     {"s.lua: 'refresh_every' must be a number of seconds from 0 to 10^9, not -1"}},
    {"param_names",
     "",
     SCRIPT("api.param_names = {max_tokens=5}"),
     {"s.lua:2: 'param_names' must name strings by strings, not a number by a string"}},
    {"given_header throws",
     "--header a:b",
     SCRIPT("function api.given_header(n, v) error(n .. '=' .. v) end"),
     {"given_header: ", "s.lua:2: a=b"}},
    {"given_header's value",
     "--header a:b",
     SCRIPT("function api.given_header() return 'x\\ny' end"),
     {"given_header: the value of the header a holds a line end"}},
    {"interval", "", SCRIPT("api.interval = 5"), {"'interval'", "must be a function"}},
    {"done", "", SCRIPT("api.done = 'x'"), {"'done'", "must be a function"}},
    {"compiled", "", "\033LJ\002", {"s.lua: compiled Lua is not accepted"}},
    {"setup throws",
     "",
     SCRIPT("function api.setup() error('no token') end"),
     {"setup: ", "s.lua:2: no token", "stack traceback:"}},
    {"setup's result",
     "",
     SCRIPT("function api.setup() return {a={print}} end"),
     {"setup: ", "its result.a[1]: a function cannot go from one Lua state to another"}},
    {"setup's cycle",
     "",
     SCRIPT("function api.setup() local t = {} t.t = t return t end"),
     {"its result.t: this table contains itself"}},
    {"setup's option",
     "",
     SCRIPT("function api.setup(o) return o.modle end"),
     {"s.lua:2: no option 'modle' (did you mean 'model'?)"}},
    {"build_messages throws",
     "",
     SCRIPT("function api.build_messages() error('bad') end"),
     {"build_messages: ", "s.lua:2: bad"}},
    {"no iterator",
     "",
     SCRIPT("function api.build_messages() return {} end"),
     {"must return an iterator", "not a table"}},
    {"empty data",
     "",
     SCRIPT("function api.build_messages() return function() end end"),
     {"data set 's.lua' (", "s.lua) holds no usable prompt"}},
    {"chunk without end", "", "local t = {} while true do t[#t + 1] = {} end", {"out of memory"}},
    {"auth is no header",
     "",
     SCRIPT("api.auth = 'a b'"),
     {"s.lua:2: 'auth' is \"a b\"; it must be \"bearer\", \"none\" or the name of a header"}},
    {"header",
     "--header nonsense",
     SCRIPT(""),
     {"--header: \"nonsense\" is no header; it must be \"Name: value\", or \"Name;\" for "
      "one without a value"}},
    {"required file is missing",
     "",
     "require('nowhere')",
     {"module 'nowhere' not found:", "neither beside the script nor among the bundled modules"}},
};

static void errors_say_what_would_be_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct fixture fixture;
        struct err err;
        fixture_init(&fixture, errors[i].words);
        fixture.config.memory_limit = (size_t)32 << 20;
        struct script *script = fixture_open(&fixture, errors[i].script, &err);
        if (script)
            fail_msg("%s: accepted", errors[i].name);
        for (size_t k = 0; k < 3 && errors[i].parts[k]; k++)
            check_contains(errors[i].name, err.text, errors[i].parts[k]);
        fixture_fini(&fixture);
    }
}

/* ---- which scripts ---- */

static void facts_are_the_scripts(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, "--prompt hi");
    struct script *script = fixture_must_open(&fixture, NULL);
    const struct script_facts *facts = script_facts(script);
    CHECK_TEXT("api", facts->api_name, "openai");
    CHECK_TEXT("where", facts->api_where, "built in");
    CHECK_TEXT("framing", facts->framing, "sse");
    assert_true(span_equals(facts->end_marker, "data: [DONE]"));
    assert_true(facts->text && facts->ends && facts->has_read_event && !facts->has_setup);
    assert_int_equal(script_setup_result(script).len, 0);
    script_close(script);
    fixture_fini(&fixture);

    fixture_init(&fixture, NULL);
    script = fixture_must_open(&fixture, SCRIPT("api.text = false api._own = 5\n"
                                                "function api.setup() return 5 end"));
    facts = script_facts(script);
    CHECK_TEXT("api", facts->api_name, "s.lua");
    check_contains("where", facts->api_where, "/s.lua");
    CHECK_TEXT("dataset", facts->dataset_name, "s.lua");
    assert_null(facts->framing);
    assert_int_equal(facts->end_marker.len, 0);
    assert_true(!facts->text && !facts->ends && !facts->has_read_event && facts->has_setup);
    assert_true(script_setup_result(script).len > 0);
    script_close(script);
    fixture_fini(&fixture);
}

static void setup_runs_in_the_composer_alone(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    fixture.config.role = SCRIPT_SCORER;
    struct script *script =
        fixture_must_open(&fixture, SCRIPT("function api.setup() error('not here') end\n"
                                           "function api.build_messages() error('nor here') end"));
    assert_true(script_facts(script)->has_setup);
    script_close(script);
    fixture_fini(&fixture);
}

#define ONLY_API "return {build_request=function() return 'own' end, parse_responses=print}"
#define ONLY_DATA "return {build_messages=function() return function() return 'own' end end}"

static void script_api_and_dataset_combine(void **state)
{
    (void)state;
    static const struct {
        const char *name, *words, *file, *api, *dataset;
        const char *api_name, *dataset_name, *error;
    } cases[] = {
        {"all defaults", "", NULL, NULL, NULL, "openai", "openqa", NULL},
        {"API from the file", "", ONLY_API, NULL, "line_by_line", "s.lua", "line_by_line", NULL},
        {"data from the file", "", ONLY_DATA, NULL, NULL, "openai", "s.lua", NULL},
        {"both from the file", "", SCRIPT(""), NULL, NULL, "s.lua", "s.lua", NULL},
        {"--api goes before", "", SCRIPT(""), "openai", NULL, "openai", "s.lua", NULL},
        {"--prompt goes before", "--prompt x", SCRIPT(""), NULL, NULL, "s.lua", "--prompt", NULL},
        {"API unused", "", ONLY_API, "openai", NULL, NULL, NULL, "since --api takes its place"},
        {"data unused", "", ONLY_DATA, NULL, "openqa", NULL, NULL,
         "since --dataset takes its place"},
        {"data unused for the prompt", "--prompt x", ONLY_DATA, NULL, NULL, NULL, NULL,
         "since --prompt takes its place"},
        {"no such API", "", NULL, "opnai", NULL, NULL, NULL,
         "--api opnai: there is no script of that name (did you mean openai?); built in are: "
         "custom dashscope openai qianfan tgi trtllm zhipu"},
        {"no such data", "", NULL, NULL, "nothing", NULL, NULL,
         "--dataset nothing: there is no script of that name; built in are: auto chat_jsonl "
         "line_by_line longalpaca openqa qianfan qianfan_json qianfan_jsonl qianfan_txt random "
         "sharegpt "
         "testset;"},
        {"no such file", "", NULL, "./none.lua", NULL, NULL, NULL,
         "--api: ./none.lua: cannot be opened: No such file or directory"},
        {"a file is not looked for by its name", "", NULL, "s", NULL, NULL, NULL,
         "--api s: there is"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        struct err err;
        fixture_init(&fixture, cases[i].words);
        fixture_write(&fixture, "data", "{\"question\":\"q\"}\n");
        char *path = fixture_path(&fixture, "data");
        fixture.config.data_path = path;
        fixture.config.api = cases[i].api;
        fixture.config.dataset = cases[i].dataset;
        struct script *script = fixture_open(&fixture, cases[i].file, &err);
        if (!script != (cases[i].error != NULL))
            fail_msg("%s: %s", cases[i].name, script ? "accepted" : err.text);
        if (cases[i].error) {
            check_contains(cases[i].name, err.text, cases[i].error);
        } else {
            CHECK_TEXT(cases[i].name, script_facts(script)->api_name, cases[i].api_name);
            CHECK_TEXT(cases[i].name, script_facts(script)->dataset_name, cases[i].dataset_name);
        }
        script_close(script);
        free(path);
        fixture_fini(&fixture);
    }
}

/* A scorer is opened with the composer's configuration whatever that is. */
static void scorers_take_the_same_configuration(void **state)
{
    (void)state;
    static const char *const files[] = {ONLY_API, ONLY_DATA, SCRIPT("")};
    static const char *const names[] = {"s.lua", "openai", "s.lua"};
    for (size_t i = 0; i < 3; i++) {
        struct fixture fixture;
        fixture_init(&fixture, NULL);
        fixture.config.role = SCRIPT_SCORER;
        struct script *script = fixture_must_open(&fixture, files[i]);
        CHECK_TEXT("scorer", script_facts(script)->api_name, names[i]);
        script_close(script);
        fixture_fini(&fixture);
    }
}

static void names_are_looked_up_in_order(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, "--prompt x");
    char *folder = fixture_path(&fixture, "apis"),
         *search = mem_printf("/none::%s", fixture.folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    fixture_write(&fixture, "apis/openai.lua", ONLY_API);
    fixture_write(&fixture, "apis/mine.lua", ONLY_API);
    assert_false(script_known("apis", "mine"));
    assert_true(script_known("apis", "openai") && script_known("datasets", "openqa"));
    assert_false(script_known("datasets", "openai") || script_known("apis", "../apis/openai"));
    setenv("LLMBENCH_PATH", search, 1);
    assert_true(script_known("apis", "mine"));
    fixture.config.api = "openai";
    struct script *script = fixture_must_open(&fixture, NULL);
    check_contains("disk overrides", script_facts(script)->api_where, "/apis/openai.lua");
    CHECK_TEXT("name", script_facts(script)->api_name, "openai.lua");
    struct request *request = must_compose(script, 0);
    CHECK_TEXT("body", request->body, "own");
    request_free(request);
    script_close(script);
    unsetenv("LLMBENCH_PATH");
    free(folder);
    free(search);
    fixture_fini(&fixture);
}

/* The names in messages are those of the files in the binary. */
static void builtin_names_are_the_files(void **state)
{
    (void)state;
    static const char *const kinds[] = {"apis", "datasets", "experiments"};
    for (size_t k = 0; k < 3; k++) {
        char joined[512] = "";
        for (size_t i = 0; i < embedded_lua_file_count; i++) {
            const char *path = embedded_lua_files[i].path, *slash = strchr(path, '/');
            size_t len = strlen(path);
            if (!slash || strncmp(path, kinds[k], strlen(kinds[k])) != 0 ||
                strchr(slash + 1, '/') || strcmp(path + len - 4, ".lua") != 0)
                continue;
            snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%.*s",
                     *joined ? " " : "", (int)(path + len - 4 - slash - 1), slash + 1);
        }
        CHECK_TEXT(kinds[k], script_builtin_names(kinds[k]), joined);
    }
    CHECK_TEXT("another kind", script_builtin_names("x"), "");
}

/* ---- what a script can reach ---- */

static void require_looks_beside_the_script(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    char *folder = fixture_path(&fixture, "sub");
    assert_int_equal(mkdir(folder, 0700), 0);
    fixture_write(&fixture, "helper.lua", "return {word='beside'}");
    fixture_write(&fixture, "sub/inner.lua", "return {word='below'}");
    struct script *script = fixture_must_open(
        &fixture,
        SCRIPT("local openai = require('apis.openai')\n"
               "function api.build_request() return require('helper').word .. "
               "require('sub.inner').word .. type(openai.build_request) .. "
               "tostring(require('helper') == require('helper')) .. type(require('json').encode) "
               ".. package.path .. package.cpath end"));
    struct request *request = must_compose(script, 0);
    CHECK_TEXT("require", request->body, "besidebelowfunctiontruefunction");
    request_free(request);
    script_close(script);
    free(folder);
    fixture_fini(&fixture);
}

static const struct {
    const char *name, *expression, *want;
} reach[] = {
    {"not the working directory", "pcall(require, 'beside_nobody')", "false"},
    {"compiled by loadstring", "loadstring(string.dump(function() end)) == nil", "true"},
    {"compiled by load", "load(string.dump(function() end), 'x', 'b') == nil", "true"},
    {"compiled by loadfile", "loadfile(dir .. '/compiled') == nil", "true"},
    {"compiled by dofile", "pcall(dofile, dir .. '/compiled')", "false"},
    {"compiled by require", "pcall(require, 'compiled_module')", "false"},
    {"text by loadstring", "loadstring('return 5')()", "5"},
    {"text by load with its globals", "load('return x', 'n', 't', {x=6})()", "6"},
    {"text by loadfile", "loadfile(dir .. '/text')()", "7"},
    {"broken module", "(select(2, pcall(require, 'broken'))):match('broken.lua:2: ')",
     "broken.lua:2: "},
    {"os.exit", "pcall(os.exit, 0)", "false"},
    {"random is seeded", "math.random(1e9) == first", "true"},
    {"opts hides its metatable", "getmetatable(o)", "opts"},
};

static void scripts_reach_what_they_should(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    fixture_write(&fixture, "compiled", "\033LJ\002");
    fixture_write(&fixture, "compiled_module.lua", "\033LJ\002");
    fixture_write(&fixture, "text", "return 7");
    fixture_write(&fixture, "broken.lua", "\nif");
    for (size_t i = 0; i < sizeof reach / sizeof *reach; i++) {
        char *text = mem_printf(
            "local api, dir = {}, '%s'\nmath.randomseed(7) local first = math.random(1e9)\n"
            "math.randomseed(7)\n"
            "function api.build_request(_, o) return tostring((%s)), {user={dir, first}} end %s%s\n"
            "return api",
            fixture.folder, reach[i].expression, API_REST, DATASET_REST);
        struct script *script = fixture_must_open(&fixture, text);
        struct request *request = must_compose(script, 0);
        if (request->fault)
            fail_msg("%s: %s", reach[i].name, request->fault);
        CHECK_TEXT(reach[i].name, request->body, reach[i].want);
        request_free(request);
        script_close(script);
        free(text);
    }
    fixture_fini(&fixture);
}

static void print_and_log_go_to_the_log(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    fixture_log(&fixture);
    struct script *script = fixture_must_open(
        &fixture, SCRIPT("local log = require('log')\n"
                         "print('one', 2, nil, true)\nlog.info('%d of %s', 1, 'two')\n"
                         "log.warn('100%')\nlog.error('nul\\0here')\nlog.warn(nil)"));
    script_close(script);
    static const char *const parts[] = {"one\t2\tnil\ttrue\n", "1 of two\n", "100%\n",
                                        "nul\\0here\n", "nil\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        check_contains("log", fixture_log_text(&fixture), parts[i]);
    assert_int_equal(log_warnings(fixture.log), 3);
    fixture_fini(&fixture);
}

/* Every function of the table exists, and nothing else is in the modules. */
static void modules_are_the_tables(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    size_t listed = 0;
    const struct script_word *word;
    struct buf text;
    buf_init(&text, 65536);
    buf_add_text(&text, "local api, missing, count, modules = {}, '', 0, {}\n");
    for (size_t i = 0; (word = script_word_at(i)); i++) {
        const char *dot = word->kind == WORD_MODULE ? strchr(word->name, '.') : NULL;
        if (word->kind == WORD_MODULE && !dot)
            buf_printf(&text, "if %s == nil then missing = missing .. '%s ' end\n", word->name,
                       word->name);
        if (!dot)
            continue;
        listed++;
        buf_printf(&text, "modules['%.*s'] = true\n", (int)(dot - word->name), word->name);
        buf_printf(&text, "if require('%.*s')['%s'] == nil then missing = missing .. '%s ' end\n",
                   (int)(dot - word->name), word->name, dot + 1, word->name);
    }
    buf_printf(&text,
               "for name in pairs(modules) do\n"
               "for _ in pairs(require(name)) do count = count + 1 end end\n"
               "function api.build_request() return missing .. count end %s%s return api",
               API_REST, DATASET_REST);
    char *script_text = buf_take(&text), want[32];
    struct script *script = fixture_must_open(&fixture, script_text);
    struct request *request = must_compose(script, 0);
    snprintf(want, sizeof want, "%zu", listed);
    CHECK_TEXT("modules", request->body, want);
    request_free(request);
    script_close(script);
    free(script_text);
    fixture_fini(&fixture);
}

static void words_are_near_or_far(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned distance;
    } cases[] = {{"", "", 0},      {"abc", "abc", 0},        {"abc", "abd", 1},
                 {"abc", "ac", 1}, {"abc", "", 3},           {"", "abc", 3},
                 {"ab", "ba", 2},  {"kitten", "sitting", 3}, {"abcdefghijkl", "", 9}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(cases[i].a, word_distance(cases[i].a, cases[i].b), cases[i].distance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_say_what_would_be_right),
        cmocka_unit_test(facts_are_the_scripts),
        cmocka_unit_test(setup_runs_in_the_composer_alone),
        cmocka_unit_test(script_api_and_dataset_combine),
        cmocka_unit_test(scorers_take_the_same_configuration),
        cmocka_unit_test(names_are_looked_up_in_order),
        cmocka_unit_test(builtin_names_are_the_files),
        cmocka_unit_test(require_looks_beside_the_script),
        cmocka_unit_test(scripts_reach_what_they_should),
        cmocka_unit_test(print_and_log_go_to_the_log),
        cmocka_unit_test(modules_are_the_tables),
        cmocka_unit_test(words_are_near_or_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
