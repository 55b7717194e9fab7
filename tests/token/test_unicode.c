/* Normalization forms: against the library's own whole-text functions, which take other ways. */
#include "check.h"

#include <utf8proc.h>

#include "base/rng.h"
#include "token/unicode.h"
#include "wire/utf8.h"

enum { LIMIT = 1 << 24 };

static const struct {
    enum unicode_form form;
    const char *text, *want;
} cases[] = {
    {UNICODE_NFC, "e\xcc\x81", "\xc3\xa9"},
    {UNICODE_NFC, "plain", "plain"},
    {UNICODE_NFC, "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"}, /* Hangul */
    {UNICODE_NFC, "\xea\xb0\x80\xe1\x86\xab", "\xea\xb0\x84"},             /* a syllable goes on */
    {UNICODE_NFC, "<\xcc\xb8", "\xe2\x89\xae"},                            /* ASCII composes too */
    {UNICODE_NFC, "a\xcc\x95\xcc\xa3", "\xe1\xba\xa1\xcc\x95"},            /* marks in order */
    {UNICODE_NFC, "\xef\xac\x81", "\xef\xac\x81"},
    {UNICODE_NFC, "\xe2\x84\xab", "\xc3\x85"},
    {UNICODE_NFD, "\xc3\xa9", "e\xcc\x81"},
    {UNICODE_NFD, "\xed\x95\x9c", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab"},
    {UNICODE_NFKC, "\xef\xac\x81\xef\xbc\xa1\xe2\x91\xa0", "fiA1"},
    {UNICODE_NFKC, "\xe3\x82\xab\xe3\x82\x99", "\xe3\x82\xac"},
    {UNICODE_NFKC, "\xef\xbd\xb6\xef\xbe\x9e", "\xe3\x82\xac"}, /* narrow kana */
    {UNICODE_NFKD, "\xc2\xbd",
     "1\xe2\x81\x84"
     "2"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, LIMIT);
        assert_true(unicode_normalize(cases[i].form, span_text(cases[i].text), &out));
        char *got = buf_take(&out);
        CHECK_TEXT(cases[i].text, got, cases[i].want);
        free(got);
    }
}

static const utf8proc_option_t options[] = {
    [UNICODE_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
    [UNICODE_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
    [UNICODE_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
    [UNICODE_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
};

static void same(enum unicode_form form, const char *text, size_t len)
{
    struct buf out;
    utf8proc_uint8_t *want = NULL;
    buf_init(&out, LIMIT);
    assert_true(unicode_normalize(form, span_of(text, len), &out));
    utf8proc_ssize_t want_len =
        utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)len, &want, options[form]);
    if ((size_t)want_len != out.len || memcmp(want, out.data, out.len) != 0)
        fail_msg("form %d of \"%.*s\": got \"%.*s\", want \"%s\"", form, (int)len, text,
                 (int)out.len, out.data, (const char *)want);
    free(want);
    buf_fini(&out);
}

/* Every character behind a letter and before a mark: so each that is passed over as it is, though
 * it should not be, is found. */
static void test_every_character(void **state)
{
    (void)state;
    for (uint32_t code = 1; code < 0x110000; code++) {
        char text[16] = "A";
        if (code >= 0xd800 && code < 0xe000)
            continue;
        unsigned len = 1 + utf8_encode(code, text + 1);
        memcpy(text + len, "\xcc\x81", 2);
        for (int form = UNICODE_NFC; form <= UNICODE_NFKD; form++)
            same((enum unicode_form)form, text, len + 2);
    }
}

static void test_mixtures(void **state)
{
    static const uint32_t codes[] = {'a',    'e',    ' ',    0x300,  0x301,  0x323,   0x338,
                                     0xe9,   0x1100, 0x1161, 0x11a8, 0xac00, 0x304b,  0x3099,
                                     0x4e00, 0xfb01, 0x344,  0x9c7,  0x9be,  0x1d15e, 0x2000};
    struct rng rng;
    (void)state;
    rng_init(&rng, 1);
    for (int round = 0; round < 20000; round++) {
        char text[64];
        size_t len = 0;
        for (uint64_t n = 1 + rng_below(&rng, 12); n > 0; n--)
            len += utf8_encode(codes[rng_below(&rng, sizeof codes / sizeof *codes)], text + len);
        for (int form = UNICODE_NFC; form <= UNICODE_NFKD; form++)
            same((enum unicode_form)form, text, len);
    }
}

/* A long run of marks out of order: quadratic time would be minutes. */
static void test_many_marks(void **state)
{
    (void)state;
    enum { MARKS = 400000 };
    struct buf text, out;
    buf_init(&text, LIMIT);
    buf_init(&out, LIMIT);
    buf_add_char(&text, 'a');
    for (int i = 0; i < MARKS; i++)
        buf_add_text(&text, i % 2 ? "\xcc\xa3" : "\xcc\x95"); /* classes 220 and 232 */
    assert_true(unicode_normalize(UNICODE_NFC, buf_span(&text), &out));
    CHECK_INT("one letter and one mark became one of three bytes", out.len, text.len);
    assert_memory_equal(out.data, "\xe1\xba\xa1\xcc\xa3", 5);
    assert_memory_equal(out.data + out.len - 4, "\xcc\x95\xcc\x95", 4);
    buf_fini(&text);
    buf_fini(&out);
}

static void test_lower(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, LIMIT);
    assert_true(unicode_lower(span_text("A\xc3\x89\xc4\xb0\xce\xa3!"), &out));
    char *got = buf_take(&out);
    CHECK_TEXT("lower", got, "a\xc3\xa9i\xcc\x87\xcf\x83!");
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),    cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_mixtures), cmocka_unit_test(test_many_marks),
        cmocka_unit_test(test_lower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
