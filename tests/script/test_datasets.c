/* The bundled data sets over small files of their shapes: what is asked, what is malformed, what is
 * left out for its length. */
#include "fixture.h"

struct lengths {
    int64_t min, max;
};

#define LENGTHS(F, T) OPT_FIELD(struct lengths, F, T)
static const struct opt_row rows[] = {
    {.name = "min-prompt-length", .type = &opt_integer, LENGTHS(min, int64_t), .fallback = "0"},
    {.name = "max-prompt-length", .type = &opt_integer, LENGTHS(max, int64_t)},
};

/* Shows what build_request was given: texts bare, several messages as role=text. */
static const char api[] =
    "local json = require('json')\n"
    "return {parse_responses=function() end, build_request=function(m, o, c) local t = {}\n"
    "for i, x in ipairs(m) do local text = type(x.content) == 'string' and x.content or "
    "json.encode(x.content)\n"
    "t[i] = #m == 1 and x.role == 'user' and text or x.role .. '=' .. text end\n"
    "local s = table.concat(t, ' ')\n"
    "if c.prompt.max_tokens then s = s .. '#' .. c.prompt.max_tokens end\n"
    "if c.prompt.model then s = s .. '@' .. c.prompt.model end return s end}";

struct readout {
    char *items; /* joined with '|', an error after '!' */
    char *log;
    uint64_t malformed;
};

static void readout_fini(struct readout *readout)
{
    free(readout->items);
    free(readout->log);
}

static struct readout read_set(const char *dataset, const char *file, const char *data,
                               const char *words, int passes)
{
    struct fixture fixture;
    struct lengths lengths;
    struct opt_set opts;
    struct buf items;
    struct err err;
    char *copy = mem_text(words ? words : ""), *argv[8];
    int argc = 0;
    for (char *word = strtok(copy, " "); word && argc < 8; word = strtok(NULL, " "))
        argv[argc++] = word;
    fixture_init(&fixture, NULL);
    fixture_log(&fixture);
    opt_set_init(&opts, rows, sizeof rows / sizeof *rows, &lengths);
    if (!opt_parse(&opts, argc, argv, 0, NULL, &err) || !opt_defaults(&opts, &err))
        fail_msg("%s", err.text);
    char *path = fixture_path(&fixture, file);
    fixture_write(&fixture, file, data);
    fixture.config.opts = &opts;
    fixture.config.dataset = dataset;
    fixture.config.data_path = path;
    buf_init(&items, 1 << 20);
    struct script *script = fixture_open(&fixture, api, &err);
    if (!script)
        buf_printf(&items, "!%s", err.text);
    for (int pass = 0; script && pass < passes; pass++) {
        struct request *request = NULL;
        enum script_step step;
        while ((step = script_next(script, 0, 0, &request, &err)) == SCRIPT_STEP_OK) {
            if (request->fault)
                fail_msg("%s: %s", dataset, request->fault);
            buf_printf(&items, "%s%s", items.len ? "|" : "", request->body);
            request_free(request);
        }
        if (step == SCRIPT_STEP_FAILED)
            buf_printf(&items, "!%s", err.text);
        assert_true(script_rewind(script, &err));
    }
    struct readout out = {.malformed = script ? script_malformed(script) : 0};
    script_close(script);
    out.items = buf_take(&items);
    out.log = mem_text(fixture_log_text(&fixture));
    fixture.config.opts = &fixture.opts;
    free(path);
    free(copy);
    opt_set_fini(&opts);
    fixture_fini(&fixture);
    return out;
}

static const struct {
    const char *name, *dataset, *file, *data;
    const char *want; /* with a leading '~' only a part of it */
    uint64_t malformed;
    const char *log; /* a part of it */
} cases[] = {
    /* one prompt a row */
    {"openqa", "openqa", "q.jsonl",
     "{\"question\":\" one \"}\n{\"answer\":\"x\"}\n{\"question\":7}\n\"s\"\n{oops\n"
     "{\"question\":\"two\"}\n",
     "one|two", 4, "q.jsonl:2: skipped: it has no text in the field 'question'"},
    {"openqa as a list", "openqa", "q.json", "[{\"question\":\"one\"},{},{\"question\":\"two\"}]",
     "one|two", 1, "q.json, element 2: skipped: it has no text"},
    {"longalpaca", "longalpaca", "l.json",
     "[{\"instruction\":\"one\"},null,{\"output\":\"x\"},{\"instruction\":\"two\"}]", "one|two", 2,
     "l.json, element 3: skipped: it has no text in the field 'instruction'"},
    {"longalpaca by line", "longalpaca", "l.jsonl",
     "{\"instruction\":\"one\"}\n{\"instruction\":\"two\"}\n", "one|two", 0, ""},
    {"blank prompts are none", "openqa", "q.jsonl",
     "{\"question\":\" \\u3000\\n\"}\n{\"question\":\"two\"}\n", "two", 0,
     "1 row outside the prompt length asked for (more than 0 characters)"},

    /* Qianfan */
    {"qianfan_jsonl", "qianfan_jsonl", "c.jsonl",
     "[{\"prompt\":\"a\",\"response\":[[\"b\"]]},{\"prompt\":\"c\",\"response\":\"unused\"}]\n"
     "[{\"prompt\":\"d\"}]\n",
     "user=a assistant=b user=c|d", 0, ""},
    {"qianfan_jsonl, malformed", "qianfan_jsonl", "c.jsonl",
     "[{\"prompt\":\"a\"},{\"prompt\":\"b\"}]\n[]\n{\"prompt\":\"x\"}\n[{\"prompt\":5}]\n[1]\n"
     "[{\"prompt\":\"good\"}]\n",
     "good", 5, "c.jsonl:1: skipped: turn 1 has no text in the field 'response'"},
    {"qianfan_json", "qianfan_json", "c.json",
     "[{\"prompt\":\"a\",\"response\":\"b\"},{\"response\":\"x\"},{\"prompt\":\"c\"}]", "a|c", 1,
     "c.json, element 2: skipped: it has no text in the field 'prompt'"},
    {"qianfan_txt", "qianfan_txt", "c.txt", "a\n\n b\n", "a| b", 0, ""},
    {"qianfan by ending: jsonl", "qianfan", "c.jsonl", "[{\"prompt\":\"a\"}]", "a", 0, ""},
    {"qianfan by ending: json", "qianfan", "c.JSON", "[{\"prompt\":\"a\"}]", "a", 0, ""},
    {"qianfan by ending: txt", "qianfan", "c.txt", "[{\"prompt\":\"a\"}]", "[{\"prompt\":\"a\"}]",
     0, ""},
    {"qianfan by content: lines", "qianfan", "c", "[{\"prompt\":\"a\"}]\n\n[{\"prompt\":\"b\"}]\n",
     "a|b", 0, ""},
    {"qianfan by content: list", "qianfan", "c", "[\n{\"prompt\":\"a\"},\n{\"prompt\":\"b\"}]",
     "a|b", 0, ""},
    {"qianfan by content: text", "qianfan", "c.data", "hello\nyou\n", "hello|you", 0, ""},

    /* test sets */
    {"testset", "testset", "t.txt", "5|one\ntwo\n\n 6|three\n7|a|b\nx|8|c\n[1] no JSON\n9|[1, 2]\n",
     "one#5|two#512| 6|three#512|a|b#7|x|8|c#512|[1] no JSON#512|[1, 2]#9", 0, ""},
    {"testset with messages", "testset", "t.txt",
     "[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"u\"}]\n"
     "30|[{\"role\":\"user\",\"content\":\"v\"}]\n",
     "system=s user=u#512|v#30", 0, ""},
    {"testset, malformed", "testset", "t.txt",
     "0|x\n99999999999|x\n[{\"content\":\"no role\"}]\n[{\"role\":\"user\",\"content\":5}]\ngood\n",
     "good#512", 4, "t.txt:3: skipped: message 1 is no {role=, content=}"},

    /* ShareGPT */
    {"sharegpt", "sharegpt", "s.json",
     "[{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":\"gpt\",\"value\":\"b\"},"
     "{\"from\":\"user\",\"value\":\"c\"},{\"from\":\"assistant\",\"value\":\"d\"}]},"
     "{\"conversations\":[{\"from\":\"system\",\"value\":\"s\"},{\"from\":\"human\",\"value\":"
     "\"e\"}]},"
     "{\"system\":\"t\",\"conversations\":[{\"from\":\"human\",\"value\":\"f\"}]}]",
     "user=a assistant=b user=c|system=s user=e|system=t user=f", 0, ""},
    {"sharegpt by line", "sharegpt", "s.jsonl",
     "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"}]}\n"
     "{\"conversations\":[{\"from\":\"human\",\"value\":\"b\"}]}\n",
     "a|b", 0, ""},
    {"sharegpt, malformed", "sharegpt", "s.jsonl",
     "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":\"observation\","
     "\"value\":\"b\"}]}\n{\"conversations\":[{\"from\":\"gpt\",\"value\":\"b\"}]}\n"
     "{\"conversations\":[]}\n{\"conversations\":[{\"from\":\"human\"}]}\n{}\n[]\n"
     "{\"conversations\":[{\"value\":\"a\"}]}\n"
     "{\"conversations\":[{\"from\":\"human\",\"value\":\"good\"}]}\n",
     "good", 7, "s.jsonl:1: skipped: turn 2 is from 'observation'"},

    /* plain chat */
    {"chat_jsonl", "chat_jsonl", "c.jsonl",
     "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"u\"}]"
     ","
     "\"id\":4}\n{\"prompt\":\"p\",\"max_tokens\":9,\"model\":\"other\",\"delay\":\"x\",\"at\":1}\n"
     "{\"body\":{\"z\":1.50,  \"a\":[null, 9007199254740993]} , \"id\":1}\n{\"body\":\"bare\"}\n",
     "system=s user=u|p#9@other|{\"z\":1.50,  \"a\":[null, 9007199254740993]}|bare", 0, ""},
    {"chat_jsonl, a body named twice", "chat_jsonl", "c.jsonl",
     "{\"body\":{\"a\":1},\"x\":{\"body\":{}},\"body\" : {\"a\": 2}}\n", "{\"a\": 2}", 0, ""},
    {"chat_jsonl, malformed", "chat_jsonl", "c.jsonl",
     "{\"messages\":[]}\n{\"messages\":\"x\"}\n{\"prompt\":5}\n{\"body\":5}\n{}\n7\n"
     "{\"prompt\":\"x\",\"max_tokens\":0.5}\n{\"prompt\":\"x\",\"max_tokens\":1e300}\n{\"prompt\":"
     "\"x\",\"model\":1}\n"
     "{\"messages\":[{\"role\":\"user\",\"content\":true}]}\n{\"prompt\":\"good\"}\n",
     "good", 10, "c.jsonl:10: skipped: message 1 has a content that is neither text nor"},

    /* by the first row */
    {"auto: chat", "auto", "a.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}]}", "u",
     0, "a.jsonl is read as chat_jsonl"},
    {"auto: prompts", "auto", "a.jsonl", "\n{\"prompt\":\"p\",\"response\":\"r\"}\n", "p", 0,
     "read as chat_jsonl"},
    {"auto: bodies", "auto", "a.jsonl", "{\"body\":{\"a\":1}}\n", "{\"a\":1}", 0,
     "read as chat_jsonl"},
    {"auto: questions", "auto", "a.jsonl", "{\"question\":\"q\"}\n", "q", 0, "read as openqa"},
    {"auto: instructions", "auto", "a.jsonl", "{\"instruction\":\"i\"}\n", "i", 0,
     "read as longalpaca"},
    {"auto: turns", "auto", "a.jsonl", "[{\"prompt\":\"a\"}]\n[{\"prompt\":\"b\"}]\n", "a|b", 0,
     "read as qianfan_jsonl"},
    {"auto: conversations", "auto", "a.jsonl",
     "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"}]}\n", "a", 0, "read as sharegpt"},
    {"auto: a list of instructions", "auto", "a.json", "[{\"instruction\":\"i\"}]", "i", 0,
     "read as longalpaca"},
    {"auto: a list of prompts", "auto", "a.json",
     "[\n {\"prompt\":\"a\"},\n {\"prompt\":\"b\"}\n]\n", "a|b", 0, "read as qianfan_json"},
    {"auto: a list of conversations", "auto", "a.json",
     "[{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"}]}]", "a", 0, "read as sharegpt"},
    {"auto: a list in one line, by its ending", "auto", "a.json", "[{\"prompt\":\"a\"}]\n", "a", 0,
     "read as qianfan_json"},
    {"auto: a list after a mark and blank lines", "auto", "a.json",
     "\xEF\xBB\xBF\n [{\"prompt\":\"a\"}]", "a", 0, "read as qianfan_json"},
    {"auto: one line of turns, by its ending", "auto", "a.jsonl",
     "[{\"prompt\":\"a\",\"response\":\"b\"},{\"prompt\":\"c\"}]\n", "user=a assistant=b user=c", 0,
     "read as qianfan_jsonl"},
    {"auto: lines of turns, by what follows", "auto", "a.data",
     "[{\"prompt\":\"a\"}]\n[{\"prompt\":\"b\"}]\n", "a|b", 0, "read as qianfan_jsonl"},
    {"auto: one list, as nothing follows", "auto", "a.data",
     "[{\"prompt\":\"a\"},{\"prompt\":\"b\"}]\n\n", "a|b", 0, "read as qianfan_json"},
    {"auto: a list of many lines", "auto", "a.data",
     "[\n{\"prompt\":\"a\"},\n{\"prompt\":\"b\"}]\n", "a|b", 0, "read as qianfan_json"},
    {"auto: lines in spite of the name", "auto", "a.json",
     "{\"question\":\"q\"}\n{\"question\":\"r\"}", "q|r", 0, "read as openqa"},
    {"auto: the first row may be broken", "auto", "a.jsonl", "oops\n{\"question\":\"q\"}\n", "q", 1,
     "a.jsonl:1: skipped, not JSON"},
    {"auto: nothing known", "auto", "a.jsonl", "{\"x\":1}\n",
     "~its first row has none of the shapes", 0, ""},
    {"auto: an empty file", "auto", "a.jsonl", "", "~its first row has none of the shapes", 0, ""},

    /* nothing left */
    {"all malformed", "qianfan_json", "c.json", "[{},{}]", "~data set 'qianfan_json' (", 0,
     "element 2: skipped"},
    {"all malformed, counted", "qianfan_json", "c.json", "[{},{}]",
     "~holds no usable prompt; malformed rows: 2", 0, ""},
    {"all blank", "line_by_line", "c.txt", "\n \n", "~holds no usable prompt", 0, ""},
};

static void shapes_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct readout got = read_set(cases[i].dataset, cases[i].file, cases[i].data, NULL, 1);
        if (cases[i].want[0] == '~')
            check_contains(cases[i].name, got.items, cases[i].want + 1);
        else
            CHECK_TEXT(cases[i].name, got.items, cases[i].want);
        CHECK_INT(cases[i].name, got.malformed, cases[i].malformed);
        check_contains(cases[i].name, got.log, cases[i].log);
        readout_fini(&got);
    }
}

static const struct {
    const char *name, *dataset, *words, *data, *want, *log;
} lengths[] = {
    {"strictly more", "line_by_line", "--min-prompt-length 2", "a\nab\nabc\n", "abc",
     "2 rows outside the prompt length asked for (more than 2 characters)"},
    {"strictly fewer", "line_by_line", "--max-prompt-length 2", "a\nab\nabc\n", "a",
     "2 rows outside the prompt length asked for (more than 0 and fewer than 2 "
     "characters)"},
    {"both", "line_by_line", "--min-prompt-length 1 --max-prompt-length 3", "a\nab\nabc\n", "ab",
     "2 rows outside"},
    {"characters, not bytes", "line_by_line", "--max-prompt-length 3", "你好\n你好吗\n", "你好",
     "1 row outside"},
    {"blanks around do not count", "line_by_line", "--max-prompt-length 3",
     " \xE3\x80\x80 ab\xC2\xA0\t\n", " \xE3\x80\x80 ab\xC2\xA0\t", ""},
    {"the last message of the user", "chat_jsonl", "--min-prompt-length 2",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"long enough\"},{\"role\":\"assistant\","
     "\"content\":\"x\"},{\"role\":\"user\",\"content\":\"no\"}]}\n"
     "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
     "\"x\"},"
     "{\"role\":\"user\",\"content\":\"yes\"}]}\n",
     "user=a assistant=x user=yes", "1 row outside"},
    {"pictures have no length", "chat_jsonl", "--min-prompt-length 2",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"i\"}]}]}\n"
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}]}\n",
     "[{\"type\":\"i\"}]", "1 row outside"},
    {"ready bodies have none either", "chat_jsonl", "--min-prompt-length 99", "{\"body\":{}}\n",
     "{}", ""},
    {"none left", "line_by_line", "--min-prompt-length 9", "a\nb\n",
     "~holds no usable prompt; outside the prompt length asked for: 2", "2 rows outside"},
};

static void lengths_are_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct readout got =
            read_set(lengths[i].dataset, "d.jsonl", lengths[i].data, lengths[i].words, 1);
        if (lengths[i].want[0] == '~')
            check_contains(lengths[i].name, got.items, lengths[i].want + 1);
        else
            CHECK_TEXT(lengths[i].name, got.items, lengths[i].want);
        check_contains(lengths[i].name, got.log, lengths[i].log);
        if (!*lengths[i].log && strstr(got.log, "outside"))
            fail_msg("%s: the log says %s", lengths[i].name, got.log);
        readout_fini(&got);
    }
}

static void passes_count_once(void **state)
{
    (void)state;
    struct buf data;
    buf_init(&data, 1 << 16);
    buf_add_char(&data, '[');
    for (int i = 0; i < 14; i++)
        buf_add_text(&data, "{},");
    buf_add_text(&data, "{\"prompt\":\"a\"},{\"prompt\":\"too long\"}]");
    char *text = buf_take(&data);
    struct readout got = read_set("qianfan_json", "c.json", text, "--max-prompt-length 3", 3);
    CHECK_TEXT("items", got.items, "a|a|a");
    CHECK_INT("malformed", got.malformed, 14);
    check_contains("tenth", got.log, "c.json, element 10: skipped");
    assert_null(strstr(got.log, "element 11:"));
    check_contains("rest", got.log, "c.json: 4 further malformed elements were skipped");
    check_contains("outside", got.log, ": 1 row outside the prompt length");
    readout_fini(&got);
    free(text);
}

/* A list in one line that is longer than any line may be; what stands before and after the filling
 * is read. */
static void a_long_line_is_a_list(void **state)
{
    (void)state;
    enum { FILLING = 66 * 1024 * 1024 / 1024 };
    static const char *const files[] = {"a.json", "a.data"};
    char filling[1025];
    memset(filling, ' ', 1024);
    filling[1024] = '\0';
    struct buf data;
    buf_init(&data, (size_t)80 << 20);
    buf_add_text(&data, "[{\"instruction\":\"a\"},");
    for (int i = 0; i < FILLING; i++)
        buf_add_text(&data, filling);
    buf_add_text(&data, "{\"instruction\":\"b\"}]");
    char *text = buf_take(&data);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct readout got = read_set("auto", files[i], text, NULL, 1);
        CHECK_TEXT(files[i], got.items, "a|b");
        readout_fini(&got);
    }
    free(text);
}

static const struct {
    const char *dataset, *path; /* NULL = none is given */
    const char *want;
} refusals[] = {
    {"line_by_line", NULL, "line_by_line reads a text file: name it by --dataset-path FILE"},
    {"auto", NULL, "auto reads a file: name it by --dataset FILE"},
    {"sharegpt", NULL, "the path of the data is missing: name the file by --dataset-path FILE"},
    {"sharegpt", "/nonexistent/file",
     "/nonexistent/file: cannot be opened: No such file or directory"},
    {"auto", "/nonexistent/file", "/nonexistent/file: No such file or directory"},
};

/* The user's mistakes are told without Lua's stack. */
static void refusals_are_sentences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct fixture fixture;
        struct err err;
        fixture_init(&fixture, NULL);
        fixture.config.dataset = refusals[i].dataset;
        fixture.config.data_path = refusals[i].path;
        assert_null(fixture_open(&fixture, api, &err));
        check_contains(refusals[i].dataset, err.text, refusals[i].want);
        size_t len = strlen(err.text), part = strlen(refusals[i].want);
        CHECK_TEXT(refusals[i].dataset, err.text + (len > part ? len - part : 0), refusals[i].want);
        fixture_fini(&fixture);
    }
}

static const struct {
    const char *name, *expression, *part;
} misuses[] = {
    {"skip without an iterator", "d.skip(function() end, 'x')", "an iterator of this module is"},
    {"skip of a C function", "d.skip(print, 'x')", "an iterator of this module is"},
    {"skip before a row", "d.skip(d.lines(o.dataset_path), 'x')", "it stands at no row"},
    {"text of a list", "(function() local r = d.rows(o.dataset_path) r() return d.text(r) end)()",
     "an iterator over lines is expected"},
    {"skip after the end",
     "(function() local r = d.rows(o.dataset_path) while r() do end d.skip(r, 'x') end)()",
     "it stands at no row"},
};

static void misuse_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++) {
        struct fixture fixture;
        struct err err;
        fixture_init(&fixture, NULL);
        char *path = fixture_path(&fixture, "d.json");
        fixture_write(&fixture, "d.json", "[1,2]");
        fixture.config.data_path = path;
        char *text = mem_printf("local d = require('dataset') return {build_messages=function(o) "
                                "local x = %s end, build_request=function() end, "
                                "parse_responses=function() end}",
                                misuses[i].expression);
        assert_null(fixture_open(&fixture, text, &err));
        check_contains(misuses[i].name, err.text, misuses[i].part);
        free(text);
        free(path);
        fixture_fini(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_read),        cmocka_unit_test(lengths_are_kept),
        cmocka_unit_test(passes_count_once),      cmocka_unit_test(a_long_line_is_a_list),
        cmocka_unit_test(refusals_are_sentences), cmocka_unit_test(misuse_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
