/* What goes into a body beside what the script built: the query template and the other options, who
 * wins, what stays exact. */
#include "fixture.h"

struct texts {
    char *prompt, *query_template, *hyperparameters, *extra_args;
    struct list parameters;
    bool stream, apply_chat_template;
    int64_t max_tokens;
    char *seed;
    char *temperature;
};

#define TEXTS(F, T) OPT_FIELD(struct texts, F, T)
static const struct opt_row rows[] = {
    {.name = "prompt", .type = &opt_text, TEXTS(prompt, char *)},
    {.name = "query-template", .type = &opt_text, TEXTS(query_template, char *)},
    {.name = "hyperparameters", .type = &opt_text, TEXTS(hyperparameters, char *)},
    {.name = "extra-args", .type = &opt_text, TEXTS(extra_args, char *)},
    {.name = "parameters", .type = &opt_words, TEXTS(parameters, struct list)},
    {.name = "stream", .type = &opt_flag, TEXTS(stream, bool)},
    {.name = "apply-chat-template",
     .type = &opt_flag,
     TEXTS(apply_chat_template, bool),
     .fallback = "true"},
    {.name = "max-tokens", .type = &opt_integer, TEXTS(max_tokens, int64_t), .body = "max_tokens"},
    {.name = "seed", .type = &opt_exact_integer, TEXTS(seed, char *), .body = "seed"},
    {.name = "temperature",
     .type = &opt_exact_number,
     TEXTS(temperature, char *),
     .body = "temperature"},
};

enum { WORDS = 12 };

/* The body of the last of `count` requests, or "!" and what went wrong. */
static char *compose_last(const char *const *words, const char *script_text, const char *model,
                          uint64_t count)
{
    struct fixture fixture;
    struct texts texts;
    struct opt_set opts;
    struct err err;
    int argc = 0;
    fixture_init(&fixture, NULL);
    while (argc < WORDS && words[argc])
        argc++;
    opt_set_init(&opts, rows, sizeof rows / sizeof *rows, &texts);
    if (!opt_parse(&opts, argc, (char **)words, 0, NULL, &err) || !opt_defaults(&opts, &err))
        fail_msg("%s", err.text);
    fixture.config.opts = &opts;
    fixture.config.model = model;
    char *text =
        mem_printf("local api = {}\n%s%s%s\nreturn api\n", script_text, API_REST, DATASET_REST);
    struct script *script = fixture_open(&fixture, text, &err);
    char *got = script ? NULL : mem_printf("!%s", err.text);
    for (uint64_t i = 0; script && i < count; i++) {
        struct request *request = must_compose(script, i);
        free(got);
        got = request->fault ? mem_printf("!%s", request->fault) : mem_text(request->body);
        request_free(request);
    }
    script_close(script);
    free(text);
    opt_set_fini(&opts);
    fixture_fini(&fixture);
    return got;
}

static char *compose(const char *const *words, const char *script_text, const char *model)
{
    return compose_last(words, script_text, model, 1);
}

#define CHAT                                                                                       \
    "function api.build_request(m, o) local b = {model=o.model, messages=m} if o.stream then "     \
    "b.stream = true b.stream_options = {include_usage=true} end return b end "
#define DEEP                                                                                       \
    "api.params_at = 'parameters' function api.build_request(m, o) return {model=o.model, "        \
    "input={messages=m}, parameters={result_format='message'}} end "
#define ITEM(LUA) "function api.build_messages() return function() return " LUA " end end "
#define TURNS                                                                                      \
    ITEM("{{role='user',content='a'},{role='assistant',content='b'},{role='user',content='c'}}")
#define ASKED "[{\"content\":\"p1\",\"role\":\"user\"}]"
#define TALK                                                                                       \
    "[{\"content\":\"a\",\"role\":\"user\"},{\"content\":\"b\",\"role\":\"assistant\"},"           \
    "{\"content\":\"c\",\"role\":\"user\"}]"
#define T "--query-template"

static const struct {
    const char *name;
    const char *words[WORDS];
    const char *script, *want; /* with a leading '~' only a part of it */
} cases[] = {
    /* %m and %p */
    {"both, at any depth",
     {T, "{\"a\":{\"b\":[\"%m: %p %p\",{\"c\":\"x%px\"}]}}"},
     CHAT,
     "{\"a\":{\"b\":[\"m: p1 p1\",{\"c\":\"xp1x\"}]},\"messages\":" ASKED ",\"model\":\"m\"}"},
    {"names are left alone",
     {T, "{\"%p\":\"%q %\",\"%m\":1}"},
     CHAT,
     "{\"%m\":1,\"%p\":\"%q %\",\"messages\":" ASKED ",\"model\":\"m\"}"},
    {"a prompt is text, whatever it holds",
     {T, "{\"t\":\"%p\",\"messages\":[{\"role\":\"user\",\"content\":\"%p\"}]}"},
     ITEM("'say \"%m\" \\\\ \\n %p'") CHAT,
     "{\"messages\":[{\"content\":\"say \\\"%m\\\" \\\\ \\n %p\",\"role\":\"user\"}],"
     "\"model\":\"m\",\"t\":\"say \\\"%m\\\" \\\\ \\n %p\"}"},
    {"the item's model",
     {T, "{\"n\":\"%m\"}"},
     ITEM("{prompt='q', model='other'}") CHAT,
     "~\"n\":\"other\""},
    {"several turns: the last of the user",
     {T, "{\"text\":\"%p\"}"},
     TURNS CHAT,
     "~\"text\":\"c\""},
    {"parts: their text",
     {T, "{\"text\":\"%p\"}"},
     ITEM("{{role='user',content={{type='text',text='x'},{type='image'},{text='y'}}}}") CHAT,
     "~\"text\":\"xy\""},

    /* messages */
    {"none in the template",
     {T, "{\"n\":1}"},
     CHAT,
     "{\"messages\":" ASKED ",\"model\":\"m\",\"n\":1}"},
    {"an empty list", {T, "{\"messages\":[]}"}, CHAT, "{\"messages\":" ASKED ",\"model\":\"m\"}"},
    {"no %p among them",
     {T, "{\"messages\":[{\"role\":\"user\",\"content\":\"%m\"}]}"},
     CHAT,
     "{\"messages\":" ASKED ",\"model\":\"m\"}"},
    {"%p and one turn",
     {T, "{\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},"
         "{\"role\":\"user\",\"content\":\"Q: %p\"}]}"},
     CHAT,
     "{\"messages\":[{\"content\":\"be brief\",\"role\":\"system\"},{\"content\":\"Q: p1\","
     "\"role\":\"user\"}],\"model\":\"m\"}"},
    {"%p and several turns",
     {T, "{\"messages\":[{\"role\":\"user\",\"content\":\"%p\"}]}"},
     TURNS CHAT,
     "{\"messages\":" TALK ",\"model\":\"m\"}"},
    {"%p and a picture",
     {T, "{\"messages\":[{\"role\":\"user\",\"content\":\"%p\"}]}"},
     ITEM("{{role='user',content={{type='image'}}}}") CHAT,
     "{\"messages\":[{\"content\":[{\"type\":\"image\"}],\"role\":\"user\"}],\"model\":\"m\"}"},
    {"a script without messages gets them",
     {T, "{\"messages\":[]}"},
     "function api.build_request() return {x=1} end ",
     "{\"messages\":" ASKED ",\"x\":1}"},
    {"elsewhere: %p",
     {T, "{\"input\":{\"messages\":[{\"role\":\"user\",\"content\":\"<%p>\"}]}}"},
     DEEP,
     "{\"input\":{\"messages\":[{\"content\":\"<p1>\",\"role\":\"user\"}]},\"model\":\"m\","
     "\"parameters\":{\"result_format\":\"message\"}}"},
    {"elsewhere: empty",
     {T, "{\"input\":{\"messages\":[],\"k\":1}}"},
     DEEP,
     "~{\"input\":{\"k\":1,\"messages\":" ASKED "},"},
    {"elsewhere: several turns",
     {T, "{\"input\":{\"messages\":[{\"role\":\"user\",\"content\":\"%p\"}]}}"},
     TURNS DEEP,
     "~{\"input\":{\"messages\":" TALK "},"},
    {"no messages at all",
     {T, "{\"text_input\":\"%p\",\"stream\":true}"},
     "function api.build_request(m, o) return {s=o.stream} end ",
     "{\"s\":true,\"stream\":true,\"text_input\":\"p1\"}"},
    {"plain text for the script",
     {"--apply-chat-template=false", T, "{\"t\":\"%p\"}"},
     TURNS "function api.build_request(m) return {prompt=m} end ",
     "{\"prompt\":\"a\\nb\\nc\",\"t\":\"a\\nb\\nc\"}"},
    {"plain text of a prompt",
     {"--apply-chat-template=false"},
     "function api.build_request(m) return {prompt=m} end ",
     "{\"prompt\":\"p1\"}"},
    {"plain text of --prompt",
     {"--apply-chat-template=false", "--prompt", "hi"},
     "function api.build_request(m) return {prompt=m} end api.build_messages = false or nil ",
     "{\"prompt\":\"hi\"}"},

    /* who wins */
    {"the template beats the script",
     {T, "{\"a\":1,\"l\":[1],\"o\":{\"y\":3}}"},
     "function api.build_request() return {a=0, l={5,6}, o={x=1,y=2}} end ",
     "{\"a\":1,\"l\":[1],\"o\":{\"x\":1,\"y\":3}}"},
    {"null too",
     {T, "{\"a\":null}"},
     "function api.build_request() return {a={b=1}} end ",
     "{\"a\":null}"},
    {"an option beats the template",
     {T, "{\"temperature\":0.1,\"seed\":1}", "--temperature", "2"},
     CHAT,
     "{\"messages\":" ASKED ",\"model\":\"m\",\"seed\":1,\"temperature\":2}"},
    {"the item beats the template",
     {T, "{\"max_tokens\":5}"},
     ITEM("{prompt='p1', max_tokens=7}") CHAT,
     "{\"max_tokens\":7,\"messages\":" ASKED ",\"model\":\"m\"}"},
    {"an option beats the item",
     {"--max-tokens", "9"},
     ITEM("{prompt='p1', max_tokens=7}") CHAT,
     "{\"max_tokens\":9,\"messages\":" ASKED ",\"model\":\"m\"}"},
    {"hyperparameters beat options",
     {"--seed", "1", "--hyperparameters", "{\"seed\":2,\"h\":1}"},
     CHAT,
     "{\"h\":1,\"messages\":" ASKED ",\"model\":\"m\",\"seed\":2}"},
    {"parameters beat hyperparameters",
     {"--hyperparameters", "{\"seed\":2,\"h\":1}", "--parameters", "seed=3"},
     CHAT,
     "{\"h\":1,\"messages\":" ASKED ",\"model\":\"m\",\"seed\":3}"},
    {"extra arguments beat all",
     {"--seed", "1", "--parameters", "seed=3", "p=4", "--extra-args",
      "{\"seed\":4,\"model\":\"x\"}"},
     CHAT,
     "{\"messages\":" ASKED ",\"model\":\"x\",\"p\":4,\"seed\":4}"},
    {"all where the script wants them",
     {"--seed", "1", "--hyperparameters", "{\"h\":1}", "--parameters", "p=1", "--extra-args",
      "{\"e\":{\"f\":1}}"},
     DEEP,
     "~\"parameters\":{\"e\":{\"f\":1},\"h\":1,\"p\":1,\"result_format\":\"message\",\"seed\":1}}"},
    {"objects within are merged",
     {"--extra-args", "{\"o\":{\"y\":{\"z\":1}}}"},
     "function api.build_request() return {o={x=1,y={w=2}}} end ",
     "{\"o\":{\"x\":1,\"y\":{\"w\":2,\"z\":1}}}"},
    {"a given model beats the template's", {T, "{\"model\":\"old\"}"}, CHAT, "~\"model\":\"m\""},
    {"… unless that is made of it", {T, "{\"model\":\"pre/%m\"}"}, CHAT, "~\"model\":\"pre/m\""},
    {"a template's model where the script has none",
     {T, "{\"model\":\"own\"}"},
     "function api.build_request() return {} end ",
     "{\"model\":\"own\"}"},

    /* streaming */
    {"the template turns it on",
     {T, "{\"stream\":true}"},
     CHAT,
     "~\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
    {"… and may say more",
     {T, "{\"stream\":true,\"stream_options\":{\"continuous_usage_stats\":true}}"},
     CHAT,
     "~\"stream_options\":{\"continuous_usage_stats\":true,\"include_usage\":true}}"},
    {"--stream beats the template",
     {T, "{\"stream\":false}", "--stream"},
     CHAT,
     "~\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
    {"--stream=false too",
     {T, "{\"stream\":true,\"stream_options\":{}}", "--stream=false"},
     CHAT,
     "{\"messages\":" ASKED ",\"model\":\"m\"}"},
    {"parameters turn it on",
     {"--parameters", "stream=bool_true"},
     CHAT,
     "~\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
    {"extra arguments turn it off",
     {"--stream", "--extra-args", "{\"stream\":false}"},
     CHAT,
     "{\"messages\":" ASKED ",\"model\":\"m\",\"stream\":false}"},

    /* values */
    {"digits stay",
     {T, "{\"a\":9223372036854775807,\"b\":18446744073709551617,\"c\":1.10,\"d\":1e3,\"e\":-0.0,"
         "\"f\":[12345678901234567890123.5]}"},
     "function api.build_request() return {} end ",
     "{\"a\":9223372036854775807,\"b\":18446744073709551617,\"c\":1.10,\"d\":1e3,\"e\":-0.0,"
     "\"f\":[12345678901234567890123.5]}"},
    {"… in the other options",
     {"--extra-args", "{\"a\":1.0}", "--hyperparameters", "{\"b\":9007199254740993}",
      "--parameters", "c=9007199254740993", "d=0.80"},
     "function api.build_request() return {} end ",
     "{\"a\":1.0,\"b\":9007199254740993,\"c\":9007199254740993,\"d\":0.80}"},
    {"kinds of parameters",
     {"--parameters", "a=bool_true", "b=bool_false", "c=5", "d=-1.5", "e=text", "f=a=b",
      "g=", "h=+7", "i=nan", "j=0x10"},
     "function api.build_request() return {} end ",
     "{\"a\":true,\"b\":false,\"c\":5,\"d\":-1.5,\"e\":\"text\",\"f\":\"a=b\",\"g\":\"\",\"h\":7,"
     "\"i\":\"nan\",\"j\":\"0x10\"}"},
    {"empty lists and objects",
     {T, "{\"a\":[],\"o\":{},\"n\":[null]}"},
     "function api.build_request() return {} end ",
     "{\"a\":[],\"n\":[null],\"o\":{}}"},

    /* what is wrong */
    {"no JSON", {T, "{\"a\":}"}, CHAT, "~!--query-template is not JSON: line 1, byte "},
    {"a list",
     {"--extra-args", "[1]"},
     CHAT,
     "~!--extra-args must be a JSON object ({…}), not a list"},
    {"a number", {"--hyperparameters", "5"}, CHAT, "~!--hyperparameters must be a JSON object"},
    {"no NAME=", {"--parameters", "=5"}, CHAT, "~!--parameters \"=5\": a parameter is NAME=VALUE"},
    {"a string body",
     {T, "{}", "--extra-args", "{}"},
     "function api.build_request() return 'x' end ",
     "~(--query-template, --extra-args)"},
    {"no place for it", {T, "{\"parameters\":5}"}, DEEP, "~body.parameters is "},
};

static void bodies_are_merged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got = compose(cases[i].words, cases[i].script, "m");
        if (cases[i].want[0] == '~')
            check_contains(cases[i].name, got, cases[i].want + 1);
        else
            CHECK_TEXT(cases[i].name, got, cases[i].want);
        free(got);
    }
}

static void the_model_may_be_the_templates(void **state)
{
    (void)state;
    static const char *const own[WORDS] = {T, "{\"model\":\"own\"}"};
    static const char *const asked[WORDS] = {T, "{\"model\":\"%m\"}"};
    char *got = compose(own, "function api.build_request() return {model='fixed'} end ", NULL);
    CHECK_TEXT("no --model", got, "{\"model\":\"own\"}");
    free(got);
    got = compose(asked, CHAT, NULL);
    check_contains("%m without --model", got,
                   "--query-template has %m, the model, but there is no");
    free(got);
}

/* A deep template is refused before any request. */
static void deep_templates_are_refused(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 4096);
    for (int i = 0; i < 200; i++)
        buf_add_text(&text, "{\"a\":");
    buf_add_text(&text, "1");
    for (int i = 0; i < 200; i++)
        buf_add_char(&text, '}');
    char *deep = buf_take(&text);
    const char *const words[WORDS] = {T, deep};
    char *got = compose(words, CHAT, "m");
    check_contains("deep", got, "nested deeper than 128 levels");
    free(got);
    free(deep);
}

/* The script's tables must not gather what was merged into an earlier body. */
static void the_scripts_tables_stay(void **state)
{
    (void)state;
    static const char *const words[WORDS] = {T, "{\"o\":{\"p\":{\"t\":\"%p\"}}}", "--extra-args",
                                             "{\"o\":{\"e\":1}}"};
    /* the second prompt is what the first request has left of the table */
    char *got = compose_last(
        words,
        "local json = require('json') local same = {o={p={}}}\n"
        "function api.build_request() return same end\n"
        "function api.build_messages() return function() return json.encode(same) end end ",
        "m", 2);
    CHECK_TEXT("second", got, "{\"o\":{\"e\":1,\"p\":{\"t\":\"{\\\"o\\\":{\\\"p\\\":{}}}\"}}}");
    free(got);
}

#define FILL(EXPRESSION)                                                                           \
    "local json, template = require('json'), require('template')\n"                                \
    "function api.build_request() return json.encode(" EXPRESSION ") end "

static const struct {
    const char *name, *script, *want;
} fills[] = {
    {"both", FILL("template.fill({a={'%m','%p',5,true}, ['%m']=1}, {m='M', p='P'})"),
     "{\"%m\":1,\"a\":[\"M\",\"P\",5,true]}"},
    {"only one", FILL("template.fill('%m %p', {p='P'})"), "\"%m P\""},
    {"not twice", FILL("template.fill('%p', {m='M', p='%m'})"), "\"%m\""},
    {"marks stay", FILL("template.fill({a=json.array{}, n=json.null}, {})"),
     "{\"a\":[],\"n\":null}"},
    {"a copy", FILL("(function() local t = {x={'%m'}} template.fill(t, {m='M'}) return t end)()"),
     "{\"x\":[\"%m\"]}"},
    {"unknown name", FILL("template.fill('x', {q='Q'})"),
     "~there are 'm' and 'p' to be filled in, not 'q'"},
    {"no text", FILL("template.fill('x', {p={}})"), "~'p' must be a string, not a table"},
    {"cycle", FILL("(function() local t = {} t.t = t return template.fill(t, {m=''}) end)()"),
     "~template.t: this table contains itself"},
};

static void the_module_fills(void **state)
{
    (void)state;
    static const char *const none[WORDS] = {NULL};
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        char *got = compose(none, fills[i].script, "m");
        if (fills[i].want[0] == '~')
            check_contains(fills[i].name, got, fills[i].want + 1);
        else
            CHECK_TEXT(fills[i].name, got, fills[i].want);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_merged),
        cmocka_unit_test(the_model_may_be_the_templates),
        cmocka_unit_test(deep_templates_are_refused),
        cmocka_unit_test(the_scripts_tables_stay),
        cmocka_unit_test(the_module_fills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
