/* Base64 to bytes: RFC 4648's vectors, and what is none. */
#include "check.h"

#include "wire/base64.h"

static const struct {
    const char *text, *bytes; /* NULL = refused */
} cases[] = {
    {"", ""},
    {"Zg==", "f"},
    {"Zm8=", "fo"},
    {"Zm9v", "foo"},
    {"Zm9vYg==", "foob"},
    {"Zm9vYmE=", "fooba"},
    {"Zm9vYmFy", "foobar"},
    {"+/+/", "\xfb\xff\xbf"},
    {"Zg", NULL},
    {"Zg=", NULL},
    {"Z===", NULL},
    {"====", NULL},
    {"Zh==", NULL},
    {"Zm9=", NULL},
    {"Zg==Zg==", NULL},
    {"Zm9v\n", NULL},
    {"Zm 9", NULL},
    {"Zm-_", NULL},
    {"Zm\xc3\xa9", NULL},
};

static void test_base64(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 100);
        buf_add_text(&out, ">");
        bool ok = base64_decode(span_text(cases[i].text), &out);
        CHECK_INT(cases[i].text, ok, cases[i].bytes != NULL);
        buf_add_char(&out, 0);
        CHECK_TEXT(cases[i].text, out.data + 1, ok ? cases[i].bytes : "");
        buf_fini(&out);
    }
}

static void test_limit(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 6);
    assert_true(base64_decode(span_text("Zm9vYmFy"), &out));
    assert_false(base64_decode(span_text("Zm9v"), &out));
    CHECK_INT("what was there stays", out.len, 6);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
