/* Oniguruma's dialect in PCRE2's words: what each pattern finds, and what is refused by name. */
#include "check.h"

#include "token/regex.h"

static const struct {
    const char *pattern, *text;
    const char *want; /* the matches, each in brackets */
} matches[] = {
    {"a+", "aab a", "[aa][a]"},
    {"\\s+", "a \t\xc2\x85\xe2\x80\x83z\xe1\xa0\x8e", "[ \t\xc2\x85\xe2\x80\x83]"}, /* no U+180E */
    {"\\S+", "a\xe1\xa0\x8e b", "[a\xe1\xa0\x8e][b]"},
    {"[^\\s]+", "a\xe1\xa0\x8e b", "[a\xe1\xa0\x8e][b]"},
    {"[\\S]+", " a\xe1\xa0\x8e \xe3\x80\x80", "[a\xe1\xa0\x8e]"},
    {"[\\s-]+", "a - b", "[ - ]"}, /* the '-' is a character */
    {"[-\\s]+", "a - b", "[ - ]"},
    {"[a\\-z]+", "a-z m", "[a-z]"},
    {"\\w+", "e\xcc\x81_1 \xe2\x93\x90!", "[e\xcc\x81_1][\xe2\x93\x90]"}, /* with marks */
    {"\\W+", "a!\xcc\x81 b", "[!][ ]"},
    {"\\h+", "xfF0g", "[fF0]"}, /* Ruby's: a hexadecimal digit */
    {"\\d+",
     "1\xd9\xa3"
     "a",
     "[1\xd9\xa3]"},
    {"\\v", "a\x0b\n", "[\x0b]"},
    {"^b", "b\nb", "[b][b]"}, /* lines, always */
    {"b$", "b\nb", "[b][b]"},
    {"a.b", "a\nb a-b", "[a-b]"},
    {"(?m)a.b", "a\nb", "[a\nb]"}, /* Ruby's m */
    {"(?m:a.)b", "a\nb", "[a\nb]"},
    {"(?i:'s)", "'S 's '\xc5\xbf", "['S]['s]['\xc5\xbf]"},
    {"(?i)ab(?-i:c)", "ABc ABC", "[ABc]"},
    {"x{2}+", "xxxxx", "[xxxx]"}, /* an interval repeated, not possessive */
    {"[ab]{1,2}+c", "ababc", "[ababc]"},
    {"(?:ab){2}+", "ababababab", "[abababab]"},
    {"x{,2}y", "xxxy", "[xxy]"},
    {"a{x", "a{x", "[a{x]"},
    {"a++b|a", "aab", "[aab]"},
    {"\\p{Han}+", "\xe4\xb8\x80\xe3\x80\x81\xe4\xba\x8c", "[\xe4\xb8\x80][\xe4\xba\x8c]"},
    {"\\p{^L}+", "a1!b", "[1!]"},
    {"\\P{L}+", "a1!b", "[1!]"},
    {"\\p{Letter}\\p{Number}", "a1", "[a1]"},
    {"[\\p{L}\\p{M}]+", "e\xcc\x81!", "[e\xcc\x81]"},
    {"[[:space:]x]+", "a x", "[ x]"},
    {"\\u4e00\\x{4e8c}\\x41",
     "\xe4\xb8\x80\xe4\xba\x8c"
     "A",
     "[\xe4\xb8\x80\xe4\xba\x8c"
     "A]"},
    {"\\ba", "a ba a", "[a][a]"},
    {"\\b\\w",
     "\xcc\x81"
     "a b",
     "[\xcc\x81][b]"}, /* marks belong to words */
    {"(?<=a)b(?!c)", "abc abd b", "[b]"},
    {"(?>a+)b", "aab", "[aab]"},
    {"\\Aa|a\\z", "aba", "[a][a]"},
    {"\\[\\]\\.\\-\\/", "[].-/", "[[].-/]"},
    {"x*", "axb", "[][x][]"}, /* an empty match directly behind another is none */
    {"(?=b)", "abab", "[][]"},
    {"a|",
     "\xc3\xa9"
     "a",
     "[][a]"},
};

static char *find_all(const struct regex *regex, struct regex_work *work, const char *text)
{
    struct regex_walk walk;
    struct buf out;
    struct err err;
    size_t start, end;
    buf_init(&out, 1000);
    regex_walk_begin(&walk, regex, work, span_text(text));
    while (regex_walk_next(&walk, &start, &end, &err) == REGEX_MATCH)
        buf_printf(&out, "[%.*s]", (int)(end - start), text + start);
    return buf_take(&out);
}

static void test_matches(void **state)
{
    (void)state;
    struct regex_work *work = regex_work_new();
    for (size_t i = 0; i < sizeof matches / sizeof *matches; i++) {
        struct err err = {.text = ""};
        struct regex *regex = regex_new(span_text(matches[i].pattern), &err);
        CHECK_TEXT(matches[i].pattern, err.text, "");
        char *got = find_all(regex, work, matches[i].text);
        CHECK_TEXT(matches[i].pattern, got, matches[i].want);
        free(got);
        regex_free(regex);
    }
    regex_work_free(work);
}

static const struct {
    const char *pattern, *want;
} refused[] = {
    {"[a&&b]", "an intersection of classes"},
    {"[a[bc]]", "a class within a class"},
    {"[]a]", "a class that begins with ']'"},
    {"[a", "a class without its ']'"},
    {"[a-\\s]", "a range that ends with a set"},
    {"[\\W]", "\\W"},
    {"(a", "a '(' without its ')'"},
    {"a)", "a ')' without its '('"},
    {"(?<n>a)", "a group of an unknown kind"},
    {"(?x) a", "a group of an unknown kind"},
    {"(*UCP)a", "\"(*\""},
    {"a(?i)b", "(?i) or (?m) in the middle"},
    {"a{2}?", "{n}?"},
    {"(a)\\1", "\\1"},
    {"\\k<n>", "\\k"},
    {"\\Ka", "\\K"},
    {"\\Ga", "\\G"},
    {"\\R", "\\R"},
    {"\\Qa", "\\Q"},
    {"\\xff", "\\x of a single byte that is no character"},
    {"\\ud800", "\\x or \\u without a character's number"},
    {"\\p{Nonsense}", "PCRE2 cannot compile it"},
    {"\\p{L", "\\p without {NAME}"},
    {"\\pL", "\\p without {NAME}"},
    {"(?i:\\p{Lu})", "\\p where case is ignored"},
    {"(?i:straSSe)", "ss, st, ff, fi or fl where case is ignored"},
    {"(?i:\xc3\xa9)", "a character beyond ASCII where case is ignored"},
    {"a\xff", "invalid UTF-8"},
    {"*", "PCRE2 cannot compile it"},
    {"(?<=a+)b", "PCRE2 cannot compile it"},
    {"((((a{1,9999}){1,9999}){1,9999}){1,9999})", "PCRE2 cannot compile it"},
    {"\\", "\\?"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct err err = {.text = ""};
        struct regex *regex = regex_new(span_text(refused[i].pattern), &err);
        if (regex)
            fail_msg("%s: it is accepted", refused[i].pattern);
        if (!strstr(err.text, refused[i].want) || !strstr(err.text, "the regex \""))
            fail_msg("%s: \"%s\", want \"%s\"", refused[i].pattern, err.text, refused[i].want);
    }
}

/* Deep nesting, and a text that makes a pattern try for ever: both end with a sentence. */
static void test_limits(void **state)
{
    (void)state;
    struct err err = {.text = ""};
    char deep[201], *long_pattern = malloc(100000);
    memset(deep, '(', 200);
    deep[200] = '\0';
    assert_null(regex_new(span_text(deep), &err));
    assert_non_null(strstr(err.text, "groups nested deeper than 64"));
    memset(long_pattern, 'a', 100000);
    assert_null(regex_new(span_of(long_pattern, 100000), &err));
    assert_non_null(strstr(err.text, "at most 65536 are supported"));
    for (size_t i = 0; i + 1 < 65536; i += 2)
        memcpy(long_pattern + i, "\\b", 2);
    assert_null(regex_new(span_of(long_pattern, 65536), &err));
    free(long_pattern);

    struct regex *regex = regex_new(span_text("(a|a|aa)*(a|a|aa)*[^a]"), &err);
    struct regex_work *work = regex_work_new();
    static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    size_t start, end;
    assert_non_null(regex);
    assert_int_equal(regex_find(regex, work, span_text(text), 0, &start, &end, &err), REGEX_ERROR);
    assert_non_null(strstr(err.text, "gives up at byte 0"));
    regex_work_free(work);
    regex_free(regex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
