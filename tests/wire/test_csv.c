/* CSV records and their fields, however the text is cut. */
#include "check.h"
#include "csv_log.h"

#include "wire/csv.h"

static const struct {
    const char *name, *in;
    const char *want; /* [field][field] a record, each followed by its line feeds; ! = malformed, …
                         = open */
} cases[] = {
    {"one row", "a,b\n", "[a][b]0\n"},
    {"no final end", "a,b", "[a][b]0\n"},
    {"empty fields", ",\n,a,\n", "[][]0\n[][a][]0\n"},
    {"blank line", "\na\n", "[]0\n[a]0\n"},
    {"a return within is text", "a\rb,c\n", "[a\rb][c]0\n"},
    {"quotes", "\"a\",\"b\"\n", "[a][b]0\n"},
    {"empty quotes", "\"\",\"\"\n", "[][]0\n"},
    {"doubled quotes", "\"a\"\"b\",\"\"\"\",\"\"\"\"\"\"\n", "[a\"b][\"][\"\"]0\n"},
    {"separators within", "\"a,b\",c\n", "[a,b][c]0\n"},
    {"line ends within", "\"a\nb\r\nc\",d\ne\n", "[a\nb\r\nc][d]2\n[e]0\n"},
    {"a return after a quote", "\"a\"\r\nb\n", "[a]0\n[b]0\n"},
    {"a return after the last quote", "\"a\"\r", "[a]0\n"},
    {"a quote within is text", "a\"b,5\"\n \"c\",d\n", "[a\"b][5\"]0\n[ \"c\"][d]0\n"},
    {"blanks stay", " a , b \n", "[ a ][ b ]0\n"},
    {"text after a quote", "\"a\"b,c\nd\n", "!\n[d]0\n"},
    {"a blank after a quote", "\"a\" ,c\nd\n", "!\n[d]0\n"},
    {"two returns after a quote", "\"a\"\r\r\nd\n", "!\n[d]0\n"},
    {"a quote after it", "\"a\"b\"c\nd\n", "!\n[d]0\n"},
    {"never closed", "a\n\"b,c\nd\n", "[a]0\n…2\n"},
    {"never closed at the end", "\"", "…0\n"},
    {"closed at the end", "\"a\"", "[a]0\n"},
    {"doubled at the end", "\"a\"\"", "…0\n"},
    {"UTF-8", "\303\251,\"\346\227\245\"\n", "[\303\251][\346\227\245]0\n"},
};

static void records_are_the_same_however_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span text = span_text(cases[i].in);
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct buf log;
            buf_init(&log, 10000);
            csv_log_text(&log, text, cut, ',');
            char *got = buf_take(&log);
            CHECK_TEXT(cases[i].name, got, cases[i].want);
            free(got);
        }
    }
}

static void any_separator_and_nul(void **state)
{
    (void)state;
    static const char text[] = "a\0b;\"c;\0\"\n";
    struct csv csv;
    bool whole;
    csv_begin(&csv, ';');
    size_t used = csv_scan(&csv, span_of(text, sizeof text - 1), &whole);
    assert_true(whole);
    assert_int_equal(used, sizeof text - 1);
    struct span record = span_of(text, used - 1);
    struct buf field;
    buf_init(&field, 100);
    assert_true(csv_field(';', &record, &field));
    assert_true(field.len == 3 && memcmp(field.data, "a\0b", 3) == 0);
    assert_true(csv_field(';', &record, &field));
    assert_true(field.len == 3 && memcmp(field.data, "c;\0", 3) == 0);
    assert_false(csv_field(';', &record, &field));
    buf_fini(&field);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_the_same_however_cut),
        cmocka_unit_test(any_separator_and_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
