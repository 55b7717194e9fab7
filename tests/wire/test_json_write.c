#include "check.h"

#include <math.h>

#include "base/rng.h"
#include "wire/json.h"
#include "wire/utf8.h"

#define TEXT(literal)                                                                              \
    {                                                                                              \
        .data = (literal), .len = sizeof(literal) - 1                                              \
    }
#define FFFD "\xef\xbf\xbd"

/* ---- numbers ---- */

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"7", true, 7},
        {"-42", true, -42},
        {"9007199254740993", true, INT64_C(9007199254740993)},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775809", false, 0},
        {"18446744073709551616", false, 0},
        {"99999999999999999999999999", false, 0},
        {"1e3", false, 0},
        {"1.0", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {"01", false, 0},
        {"-01", false, 0},
        {" 1", false, 0},
        {"1x", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = 0;
        CHECK_INT(cases[i].text, json_integer(span_text(cases[i].text), &value), cases[i].is);
        CHECK_INT(cases[i].text, value, cases[i].value);
    }
}

static void test_doubles(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"0", 0.0},
        {"12", 12.0},
        {"-0.5", -0.5},
        {"1e3", 1000.0},
        {"0.1", 0.1},
        {"1E-2", 0.01},
        {"9007199254740993", 9007199254740992.0},
        {"123456789012345678901234567890", 123456789012345678901234567890.0},
        {"1e400", INFINITY},
        {"-1e400", -INFINITY},
        {"1e-400", 0.0},
        {"0.1000000000000000055511151231257827021181583404541015625000000000000000", 0.1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value = json_number(span_text(cases[i].text));
        if (value != cases[i].value)
            fail_msg("%s: got %.17g, want %.17g", cases[i].text, value, cases[i].value);
    }
    assert_true(signbit(json_number(span_text("-0"))));
    /* the span is not terminated */
    assert_true(json_number(span_of("1234", 2)) == 12.0);
}

static void test_write_number(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *want;
    } cases[] = {
        {0.0, "0"},
        {-0.0, "-0"},
        {1.0, "1"},
        {-17.0, "-17"},
        {1e15, "1000000000000000"},
        {9007199254740992.0, "9007199254740992"},
        {-9007199254740992.0, "-9007199254740992"},
        {1e20, "1e+20"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {1e-7, "1e-07"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
        {NAN, "null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 64);
        json_write_number(&out, cases[i].value);
        char *got = buf_take(&out);
        CHECK_TEXT(cases[i].want, got, cases[i].want);
        free(got);
    }
}

/* Any double, by its bits: what is written is JSON and reads back the same. */
static void test_numbers_return(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 1);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_u64(&rng);
        double value, back;
        memcpy(&value, &bits, sizeof value);
        if (i % 2)
            value = (double)(int64_t)(bits >> 20) / 1000;
        if (!isfinite(value))
            continue;
        struct buf out;
        buf_init(&out, 64);
        json_write_number(&out, value);
        struct json json;
        json_init(&json, out.data, out.len);
        CHECK_INT("number", json_next(&json), JSON_NUMBER);
        back = json_number(json.text);
        CHECK_INT("end", json_next(&json), JSON_END);
        if (memcmp(&back, &value, sizeof value) != 0)
            fail_msg("%.17g was written as %.*s", value, (int)out.len, out.data);
        json_fini(&json);
        buf_fini(&out);
    }
}

/* ---- writing strings ---- */

static void test_write_string(void **state)
{
    (void)state;
    static const struct {
        struct span in;
        const char *want;
    } cases[] = {
        {TEXT(""), "\"\""},
        {TEXT("abc"), "\"abc\""},
        {TEXT("\"\\/"), "\"\\\"\\\\/\""},
        {TEXT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
        {TEXT("a\0b\x01\x1f\x7f"), "\"a\\u0000b\\u0001\\u001f\x7f\""},
        {TEXT("\xe4\xb8\x96\xf0\x9f\x98\x80"), "\"\xe4\xb8\x96\xf0\x9f\x98\x80\""},
        {TEXT("\xe4\xb8"), "\"" FFFD "\""},
        {TEXT("a\xff\nb\xed\xa0\x80"), "\"a" FFFD "\\nb" FFFD FFFD FFFD "\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1024);
        json_write_string(&out, cases[i].in);
        char *got = buf_take(&out);
        CHECK_TEXT(cases[i].want, got, cases[i].want);
        free(got);
    }
}

/* Any bytes: what is written is JSON without replacements, and of valid text exactly the text. */
static void test_strings_return(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "a",    "\"",   "\\",       "\n",           "\xe4\xb8\x96", "\xf0\x9f\x98\x80",
        "\xc3", "\x80", "\xf0\x9f", "\xed\xa0\x80", "\x1b",         "u"};
    struct rng rng;
    rng_init(&rng, 2);
    for (int i = 0; i < 20000; i++) {
        struct buf in, out, again;
        buf_init(&in, 1024);
        buf_init(&out, 1024);
        buf_init(&again, 1024);
        size_t count = rng_below(&rng, 12), kinds = i % 2 ? 6 : sizeof parts / sizeof *parts;
        for (size_t k = 0; k < count; k++)
            buf_add_text(&in, parts[rng_below(&rng, kinds)]);
        json_write_string(&out, buf_span(&in));
        struct json json;
        json_init(&json, out.data, out.len);
        CHECK_INT("string", json_next(&json), JSON_STRING);
        CHECK_INT("replaced", json.replaced, 0);
        if (kinds == 6) {
            CHECK_INT("length", json.text.len, in.len);
            assert_true(in.len == 0 || memcmp(json.text.data, in.data, in.len) == 0);
        }
        json_write_string(&again, json.text);
        CHECK_INT("length", again.len, out.len);
        assert_memory_equal(again.data, out.data, out.len);
        CHECK_INT("end", json_next(&json), JSON_END);
        json_fini(&json);
        buf_fini(&in);
        buf_fini(&out);
        buf_fini(&again);
    }
}

static void test_utf8_count(void **state)
{
    (void)state;
    static const struct {
        struct span in;
        uint64_t want;
    } cases[] = {
        {TEXT(""), 0},
        {TEXT("abc\0d"), 5},
        {TEXT("\xc3\xa9\xe4\xb8\x96\xf0\x9f\x98\x80"), 3},
        {TEXT("\xff\xfe"), 2},
        {TEXT("\xe4\xb8"
              "a"),
         3},
        {TEXT("\xed\xa0\x80"), 3},
        {TEXT("\xf0\x9f\x98"), 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(cases[i].in.data, utf8_count(cases[i].in), cases[i].want);
    CHECK_INT("null", utf8_count(span_of(NULL, 0)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),     cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_write_number), cmocka_unit_test(test_numbers_return),
        cmocka_unit_test(test_write_string), cmocka_unit_test(test_strings_return),
        cmocka_unit_test(test_utf8_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
