/* JSON laid out in lines. */
#include "check.h"
#include "wire/json.h"

static const struct {
    const char *text, *want; /* NULL = no JSON */
} cases[] = {
    {"1", "1"},
    {" \"a{,:[\\\"\\\\\" ", "\"a{,:[\\\"\\\\\""},
    {"{}", "{}"},
    {"[ ]", "[]"},
    {"[[],{ }]", "[\n  [],\n  {}\n]"},
    {"{\"a\":1,\"b\":[true,null]}", "{\n  \"a\": 1,\n  \"b\": [\n    true,\n    null\n  ]\n}"},
    {"{ \"n\" : 12345678901234567890.50 }", "{\n  \"n\": 12345678901234567890.50\n}"},
    {"[\"\\ud83c\"]", "[\n  \"\\ud83c\"\n]"},
    {"[\"\xff\"]", "[\n  \"\xff\"\n]"},
    {"", NULL},
    {"{", NULL},
    {"[1,]", NULL},
    {"{} {}", NULL},
    {"data: {}", NULL},
    {"\"a", NULL},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        bool is_json = json_indent(&out, span_text(cases[i].text), 0);
        CHECK_INT(cases[i].text, is_json, cases[i].want != NULL);
        CHECK_INT("nothing is added of what is none", out.len > 0, is_json);
        char *got = buf_take(&out);
        CHECK_TEXT(cases[i].text, got, cases[i].want ? cases[i].want : "");
        free(got);
    }
}

static void test_margin(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 100);
    assert_true(json_indent(&out, span_text("[1]"), 2));
    char *got = buf_take(&out);
    CHECK_TEXT("margin", got, "  [\n    1\n  ]");
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_margin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
