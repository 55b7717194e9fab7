/* The data readers: files cut, with BOM, CRLF, broken rows, too large for the memory allowed. */
#include "fixture.h"

/* A data set whose items are the reader's values as JSON (lines: as they are). */
#define READER(NAME) READ(NAME "(opts.dataset_path)")
#define READ(CALL)                                                                                 \
    "local json, dataset = require('json'), require('dataset')\n"                                  \
    "return {build_messages=function(opts) local next = dataset." CALL "\n"                        \
    "return function() local v = next() if v == nil then return nil end\n"                         \
    "return {prompt = json.encode(v)} end end,\n"                                                  \
    "build_request=function(m) return m[1].content end, parse_responses=function() end}"

static const char *const readers[] = {
    READER("lines"),
    READER("jsonl"),
    READER("json_list"),
    READER("csv"),
    READ("csv(opts.dataset_path, {header=false})"),
    READ("csv(opts.dataset_path, {separator='\\t'})"),
};
enum { LINES, JSONL, LIST, CSV, CSV_LISTS, TSV };

/* Opens over `data` and joins what comes with '|'; ends with "!message" after an error. */
static char *read_all(struct fixture *fixture, const char *script_text, const char *data,
                      size_t len, uint64_t *malformed)
{
    char *path = fixture_path(fixture, "data");
    fixture_write_bytes(fixture, "data", data, len);
    fixture->config.data_path = path;
    struct buf out;
    buf_init(&out, 1 << 20);
    struct err err;
    struct script *script = fixture_open(fixture, script_text, &err);
    enum script_step step = script ? SCRIPT_STEP_OK : SCRIPT_STEP_FAILED;
    while (script && step == SCRIPT_STEP_OK) {
        struct request *request = NULL;
        step = script_next(script, 0, 0, &request, &err);
        if (step == SCRIPT_STEP_OK)
            buf_printf(&out, "%s%s", out.len ? "|" : "", request->body);
        request_free(request);
    }
    if (step == SCRIPT_STEP_FAILED)
        buf_printf(&out, "!%s", err.text);
    if (malformed)
        *malformed = script ? script_malformed(script) : 0;
    script_close(script);
    fixture->config.data_path = NULL;
    free(path);
    return buf_take(&out);
}

static const struct {
    const char *name;
    int reader;
    const char *data, *want; /* want with a leading '~': only a part of it */
    uint64_t malformed;
} cases[] = {
    {"lines", LINES, "a\nb\n", "\"a\"|\"b\"", 0},
    {"no final line end", LINES, "a\nb", "\"a\"|\"b\"", 0},
    {"CRLF", LINES, "a\r\nb\r\n\r\nc\r", "\"a\"|\"b\"|\"\"|\"c\"", 0},
    {"BOM", LINES,
     "\xEF\xBB\xBF"
     "a\n",
     "\"a\"", 0},
    {"BOM later is text", LINES,
     "a\n\xEF\xBB\xBF"
     "b\n",
     "\"a\"|\"\xEF\xBB\xBF"
     "b\"",
     0},
    {"empty lines", LINES, "\n\n", "\"\"|\"\"", 0},
    {"jsonl", JSONL, "{\"a\":1}\n[2]\n\"x\"\n", "{\"a\":1}|[2]|\"x\"", 0},
    {"jsonl with blanks, BOM, CRLF", JSONL, "\xEF\xBB\xBF{\"a\":1}\r\n\r\n  \t\n{\"b\":2}",
     "{\"a\":1}|{\"b\":2}", 0},
    {"jsonl broken rows", JSONL, "{\"a\":1}\nnot json\n{\"b\":\n{\"c\":3} x\n{\"d\":4}\nnull\n",
     "{\"a\":1}|{\"d\":4}", 4},
    {"jsonl cut", JSONL, "{\"a\":1}\n{\"b\":", "{\"a\":1}", 1},
    {"list", LIST, " [1, \"a\", {\"b\":[2]}, [], true] \n", "1|\"a\"|{\"b\":[2]}|[]|true", 0},
    {"list with BOM", LIST, "\xEF\xBB\xBF[1]", "1", 0},
    {"list with null", LIST, "[1,null,2]", "1|null|2", 0},
    {"list cut", LIST, "[1,{\"a\":2},{\"b\":", "~1|{\"a\":2}!data set 's.lua', item 3: ", 1},
    {"list cut names the place", LIST, "[1,\n2,\n{\"b\":", "~data: line 3, byte ", 1},
    {"list cut counts", LIST, "[1,2,", "~(after 2 whole elements of its list)", 1},
    {"list with a wrong element", LIST, "[1,nope]", "~1!data set 's.lua', item 2: ", 1},
    {"list and more", LIST, "[1] 2", "~1!data set", 1},
    {"no list", LIST, "{\"a\":1}", "~a JSON list ([…]) is expected, this is an object", 0},
    {"no list either", LIST, "5", "~a JSON list ([…]) is expected, this is a single value", 0},
    {"csv", CSV, "a,b\n1,x\n2,y\n", "{\"a\":\"1\",\"b\":\"x\"}|{\"a\":\"2\",\"b\":\"y\"}", 0},
    {"csv with BOM, CRLF, quotes", CSV,
     "\xEF\xBB\xBF\"a\",\"b \"\"c\"\"\"\r\n\"1,\r\n2\",\"\"\r\n\r\n3,4",
     "{\"a\":\"1,\\r\\n2\",\"b \\\"c\\\"\":\"\"}|{\"a\":\"3\",\"b \\\"c\\\"\":\"4\"}", 0},
    {"csv broken rows", CSV, "a,b\n1\n1,2,3\n\"1\"x,2\n1,2\n\"1,2\n3,4\n",
     "{\"a\":\"1\",\"b\":\"2\"}", 4},
    {"csv header alone", CSV, "a,b\n", "~holds no usable prompt", 0},
    {"csv header twice", CSV, "a,b,a\n1,2,3\n",
     "~data:1: the header names two columns 'a': {header=false} gives the rows as lists", 0},
    {"csv header open", CSV, "\na,\"b\n1,2\n",
     "~data:2: this is no header of a CSV file: a quote is never closed", 0},
    {"csv header odd", CSV, "\"a\"b\n",
     "~data:1: this is no header of a CSV file: text follows a closing quote", 0},
    {"csv lists", CSV_LISTS, "a,b\n1\n\n1,2,3\n\"\"\n",
     "[\"a\",\"b\"]|[\"1\"]|[\"1\",\"2\",\"3\"]|[\"\"]", 0},
    {"tsv", TSV, "a\tb\n1,2\t3\n", "{\"a\":\"1,2\",\"b\":\"3\"}", 0},
    {"empty file", LINES, "", "~data set 's.lua' (", 0},
    {"empty file says why", LINES, "", "~/data) holds no usable prompt", 0},
    {"empty list", LIST, "[]", "~holds no usable prompt", 0},
    {"nothing usable", JSONL, "x\ny\n", "~holds no usable prompt", 0},
};

static void files_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        fixture_init(&fixture, NULL);
        uint64_t malformed = 0;
        char *got = read_all(&fixture, readers[cases[i].reader], cases[i].data,
                             strlen(cases[i].data), &malformed);
        if (cases[i].want[0] == '~')
            check_contains(cases[i].name, got, cases[i].want + 1);
        else
            CHECK_TEXT(cases[i].name, got, cases[i].want);
        CHECK_INT(cases[i].name, malformed, cases[i].malformed);
        free(got);
        fixture_fini(&fixture);
    }
}

static void lines_may_hold_nul_and_cross_pieces(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    char *got = read_all(&fixture, readers[LINES], "a\0b\nc", 5, NULL);
    CHECK_TEXT("NUL", got, "\"a\\u0000b\"|\"c\"");
    free(got);
    size_t len = 200000;
    char *data = mem_alloc(len);
    memset(data, 'x', len);
    data[65535] = '\n'; /* at the edge of a piece, and in the midst of one */
    data[150000] = '\n';
    got = read_all(&fixture, readers[LINES], data, len, NULL);
    assert_int_equal(strlen(got), 65535 + (150000 - 65536) + (len - 150001) + 6 + 2);
    free(got);
    free(data);
    fixture_fini(&fixture);
}

static void only_the_first_broken_rows_are_named(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    fixture_log(&fixture);
    struct buf data;
    buf_init(&data, 65536);
    for (int i = 0; i < 25; i++)
        buf_add_text(&data, "{broken\n");
    buf_add_text(&data, "\"good\"\n{broken\n");
    fixture_write_bytes(&fixture, "data", data.data, data.len);
    buf_fini(&data);
    char *path = fixture_path(&fixture, "data");
    fixture.config.data_path = path;
    struct script *script = fixture_must_open(&fixture, readers[JSONL]);
    struct err err;
    for (int pass = 0; pass < 3; pass++) { /* a row counts once, however often it is read */
        struct request *request = must_compose(script, 0), *none = NULL;
        request_free(request);
        assert_int_equal(script_next(script, 1, 0, &none, &err), SCRIPT_STEP_END);
        assert_true(script_rewind(script, &err));
    }
    assert_int_equal(script_malformed(script), 26);
    script_close(script);
    const char *text = fixture_log_text(&fixture);
    check_contains("first", text, "data:1: skipped, not JSON: line 1, byte ");
    check_contains("tenth", text, "data:10: skipped");
    assert_null(strstr(text, "data:11: skipped"));
    check_contains("rest", text, "data: 16 further malformed lines were skipped");
    const char *rest = strstr(text, "further malformed");
    assert_null(strstr(rest + 1, "further malformed"));
    free(path);
    fixture_fini(&fixture);
}

static void broken_csv_rows_are_named(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    fixture_log(&fixture);
    static const char data[] = "a,b\n\"1\n1\",2\n1\n\n1,2,3\n\"1\"x,2\n1,\"2\n3,4\n";
    char *got = read_all(&fixture, readers[CSV], data, sizeof data - 1, NULL);
    CHECK_TEXT("rows", got, "{\"a\":\"1\\n1\",\"b\":\"2\"}");
    const char *text = fixture_log_text(&fixture);
    check_contains("few", text, "data:4: skipped: 1 field, but the header names 2\n");
    check_contains("many", text, "data:6: skipped: 3 fields, but the header names 2\n");
    check_contains("text", text, "data:7: skipped, not CSV: text follows a closing quote\n");
    check_contains("open", text,
                   "data:8: skipped, not CSV: a quote is never closed (the rest of the file, "
                   "2 further lines, is lost with it)\n");
    free(got);
    fixture_fini(&fixture);
}

static void csv_options_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *script, *part;
    } wrong[] = {
        {READ("csv(opts.dataset_path, {seperator=';'})"),
         "dataset.csv takes the fields header and separator, not 'seperator'"},
        {READ("csv(opts.dataset_path, {[1]=';'})"),
         "dataset.csv takes the fields header and separator, not 'number'"},
        {READ("csv(opts.dataset_path, {separator=';;'})"),
         "separator must be one character, and no quote or line end"},
        {READ("csv(opts.dataset_path, {separator='\\n'})"), "separator must be one character"},
        {READ("csv(opts.dataset_path, {header='yes'})"),
         "dataset.csv: header must be true or false, not a string"},
        {READ("csv(opts.dataset_path, true)"), "table expected, got boolean"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fixture fixture;
        struct err err;
        fixture_init(&fixture, NULL);
        fixture_write(&fixture, "data", "a,b\n1,2\n");
        fixture.config.data_path = fixture_path(&fixture, "data");
        assert_null(fixture_open(&fixture, wrong[i].script, &err));
        check_contains(wrong[i].part, err.text, wrong[i].part);
        free((char *)(uintptr_t)fixture.config.data_path);
        fixture_fini(&fixture);
    }
}

static void missing_files_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *path, *part;
    } missing[] = {
        {"/nonexistent/file", "/nonexistent/file: cannot be opened: No such file or directory"},
        {"/", "/: cannot be read: Is a directory"},
        {NULL, "the path of the data is missing: name the file by --dataset-path FILE"},
    };
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        struct fixture fixture;
        struct err err;
        fixture_init(&fixture, NULL);
        fixture.config.data_path = missing[i].path;
        assert_null(fixture_open(&fixture, readers[LINES], &err));
        check_contains(missing[i].part, err.text, missing[i].part);
        fixture_fini(&fixture);
    }
}

/* 50 MB pass through a heap of 8 MB. */
static void a_large_list_streams(void **state)
{
    (void)state;
    enum { ELEMENTS = 50000, TEXT = 1000 };
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    char *path = fixture_path(&fixture, "large.json");
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    char text[TEXT + 1];
    memset(text, 'q', TEXT);
    text[TEXT] = '\0';
    fputc('[', file);
    for (int i = 0; i < ELEMENTS; i++)
        fprintf(file, "%s{\"instruction\":\"%d %s\"}", i ? ",\n" : "", i, text);
    fputs("]\n", file);
    assert_true(ftell(file) > 50000000);
    fclose(file);
    fixture.config.data_path = path;
    fixture.config.dataset = "longalpaca";
    fixture.config.memory_limit = (size_t)8 << 20;
    struct script *script = fixture_must_open(&fixture, NULL);
    struct err err;
    struct request *request = NULL;
    enum script_step step;
    uint64_t count = 0;
    while ((step = script_next(script, count, 0, &request, &err)) == SCRIPT_STEP_OK) {
        if (request->fault)
            fail_msg("%s", request->fault);
        count++;
        request_free(request);
    }
    CHECK_INT("last step", step, SCRIPT_STEP_END);
    CHECK_INT("elements", count, ELEMENTS);
    script_close(script);
    free(path);
    fixture_fini(&fixture);
}

/* ---- the bundled data sets ---- */

static const struct {
    const char *dataset, *data, *want;
} sets[] = {
    {"openqa",
     "{\"question\":\"  one \\n\",\"x\":1}\n{\"question\":\"   \"}\n{\"question\":5}\n{}\n[1]\n"
     "\"s\"\n{\"question\":\"two\"}\n",
     "one|two"},
    {"longalpaca",
     "[{\"instruction\":\" one\"},{\"instruction\":\" \\n\"},{\"instruction\":null},null,5,"
     "{\"instruction\":\"two\"}]",
     " one|two"},
    {"line_by_line", "\xEF\xBB\xBFone\r\n\r\n  \n two", "one| two"},
};

static void bundled_sets_give_prompts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct fixture fixture;
        fixture_init(&fixture, NULL);
        fixture.config.dataset = sets[i].dataset;
        char *got = read_all(&fixture,
                             "return {build_request=function(m) return m[1].content end,"
                             "parse_responses=function() end}",
                             sets[i].data, strlen(sets[i].data), NULL);
        CHECK_TEXT(sets[i].dataset, got, sets[i].want);
        free(got);
        fixture_fini(&fixture);
    }
}

static void line_by_line_asks_for_its_file(void **state)
{
    (void)state;
    struct fixture fixture;
    struct err err;
    fixture_init(&fixture, NULL);
    fixture.config.dataset = "line_by_line";
    assert_null(fixture_open(&fixture, NULL, &err));
    check_contains("line_by_line", err.text, "name it by --dataset-path FILE");
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(lines_may_hold_nul_and_cross_pieces),
        cmocka_unit_test(only_the_first_broken_rows_are_named),
        cmocka_unit_test(broken_csv_rows_are_named),
        cmocka_unit_test(csv_options_are_checked),
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(a_large_list_streams),
        cmocka_unit_test(bundled_sets_give_prompts),
        cmocka_unit_test(line_by_line_asks_for_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
