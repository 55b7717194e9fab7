#include "check.h"

#include "out/table.h"
#include "out/text.h"

static char *taken(struct buf *buf)
{
    return buf_take(buf);
}

static void text_is_checked_and_cleaned(void **state)
{
    static const struct {
        const char *name, *text;
        size_t len;
        bool sound;
        const char *clean;
    } cases[] = {
        {"empty", "", 0, true, ""},
        {"ascii", "abc", 3, true, "abc"},
        {"two bytes", "\xc3\xa9", 2, true, "\xc3\xa9"},
        {"four bytes", "\xf0\x9f\x98\x80", 4, true, "\xf0\x9f\x98\x80"},
        {"NUL", "a\0b", 3, false,
         "a\xef\xbf\xbd"
         "b"},
        {"lone continuation",
         "\x80"
         "a",
         2, false,
         "\xef\xbf\xbd"
         "a"},
        {"cut short", "a\xe4\xb8", 3, false, "a\xef\xbf\xbd\xef\xbf\xbd"},
        {"overlong", "\xc0\xaf", 2, false, "\xef\xbf\xbd\xef\xbf\xbd"},
        {"surrogate", "\xed\xa0\x80", 3, false, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"beyond Unicode", "\xf4\x90\x80\x80", 4, false,
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"five byte lead", "\xf8", 1, false, "\xef\xbf\xbd"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span text = span_of(cases[i].text, cases[i].len);
        struct buf out;
        buf_init(&out, 1 << 16);
        CHECK_INT(cases[i].name, text_sound(text), cases[i].sound);
        text_clean(text, &out);
        char *clean = taken(&out);
        CHECK_TEXT(cases[i].name, clean, cases[i].clean);
        free(clean);
    }
}

/* ASCII is passed over eight bytes at a time: what stands at any place behind it is seen. */
static void soundness_is_seen_at_any_place(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool sound;
    } cases[] = {
        {"\x7f", 1, true},        {"\x01", 1, true},         {"\0", 1, false},
        {"\x80", 1, false},       {"\xff", 1, false},        {"\xc3\xa9", 2, true},
        {"\xc3", 1, false},       {"\xe6\xb0\xb4", 3, true}, {"\xe6\xb0", 2, false},
        {"\xc3\xa9\0", 3, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t before = 0; before < 20; before++)
            for (size_t after = 0; after < 20; after++) {
                char text[64];
                memset(text, 'a', sizeof text);
                memcpy(text + before, cases[i].bytes, cases[i].len);
                if (text_sound(span_of(text, before + cases[i].len + after)) != cases[i].sound)
                    fail_msg("case %zu with %zu before and %zu after", i, before, after);
            }
}

static void lines_are_cut_and_escaped(void **state)
{
    static const struct {
        const char *text;
        size_t columns;
        const char *want;
    } cases[] = {
        {"abc", 3, "abc"},
        {"abcd", 3, "..."},
        {"abcdef", 5, "ab..."},
        {"abcdef", 2, ".."},
        {"abcdef", 0, ""},
        {"  a \n\t b ", 20, "a b "},
        {"\x1b[31mred", 20, "\\x1b[31mred"},
        {"\xc2\x9b"
         "x",
         20, "\\x9bx"},
        {"\xe2\x80\xae"
         "x",
         20, "\\u202ex"},
        {"\xe4\xbd\xa0\xe5\xa5\xbd", 4, "\xe4\xbd\xa0\xe5\xa5\xbd"},
        {"\xe4\xbd\xa0\xe5\xa5\xbd\xe5\x90\x97", 5, "\xe4\xbd\xa0..."},
        {"a\xff", 5, "a\xef\xbf\xbd"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1 << 16);
        text_line(span_text(cases[i].text), cases[i].columns, &out);
        char *line = taken(&out);
        CHECK_TEXT(cases[i].text, line, cases[i].want);
        free(line);
    }
}

static void tables_align(void **state)
{
    static const char *const cells[] = {"Name",  "Value", "Note", "\xe4\xbd\xa0", "1.5", "",
                                        "abcde", "12.25", "x"};
    static const char want[] = "  Name   Value  Note\n"
                               "  -----  -----  ----\n"
                               "  \xe4\xbd\xa0       1.5\n"
                               "  abcde  12.25  x\n"
                               "  last\n";
    (void)state;
    struct table *table = table_new("lrl");
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        table_add(table, cells[i]);
    table_addf(table, "%s", "last");
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    table_draw(table, true, out);
    fclose(out);
    CHECK_TEXT("table", text, want);
    free(text);
    table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_checked_and_cleaned),
        cmocka_unit_test(soundness_is_seen_at_any_place),
        cmocka_unit_test(lines_are_cut_and_escaped),
        cmocka_unit_test(tables_align),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
