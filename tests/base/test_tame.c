#include "base/tame.h"

#include "check.h"

static void test_cases(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"plain\tand tab", "plain\tand tab"},
        {"two\nlines", "two\n  lines"},
        {"\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"},
        {"a\rb\x7f", "a\\x0d"
                     "b\\x7f"},
        {"\xc2\x9b"
         "2J",
         "\\u009b2J"},
        {"\xc2\x80\xc2\x9f\xc2\xa0", "\\u0080\\u009f\xc2\xa0"},
        {"\x9b"
         "2J",
         "\\x9b2J"},
        {"\xe2\x80\xae"
         "abc\xe2\x80\xa8",
         "\\u202eabc\\u2028"},
        {"\xe2\x81\xa6\xe2\x81\xa9", "\\u2066\\u2069"},
        {"\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80", "\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80"},
        {"\xe5\x9b\x9b", "\xe5\x9b\x9b"}, /* a byte 9b that belongs to a character */
        {"\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c\xe2\x80\x8d",
         "\\u200e\\u200f\\u061c\xe2\x80\x8d"}, /* a joiner turns nothing */
        {"\xc2", "\\xc2"},
        {"\xe2\x80", "\\xe2\\x80"}, /* cut off: what would follow has no lead */
        {"\xf0\x9f\x98", "\\xf0\\x9f\\x98"},
        {"\xfc\xff", "\\xfc\\xff"},
        {"\xc1\x9b", "\\xc1\\x9b"}, /* longer spellings of U+009B and its like */
        {"\xe0\x82\x9b", "\\xe0\\x82\\x9b"},
        {"\xf0\x80\x82\x9b", "\\xf0\\x80\\x82\\x9b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1000);
        tame(&out, span_text(cases[i].text), true);
        buf_add_char(&out, 0);
        CHECK_TEXT(cases[i].want, out.data, cases[i].want);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
