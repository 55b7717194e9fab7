#include "check.h"

#include <inttypes.h>
#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"

static void test_duration(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } cases[] = {
        {"300", 300 * NS_PER_S},
        {"0", 0},
        {"1.5", 1500 * NS_PER_MS},
        {"50ms", 50 * NS_PER_MS},
        {"20us", 20 * NS_PER_US},
        {"20µs", 20 * NS_PER_US},
        {"7ns", 7},
        {"90s", 90 * NS_PER_S},
        {"20m", 1200 * NS_PER_S},
        {"3h", 10800 * NS_PER_S},
        {"2d", 172800 * NS_PER_S},
        {"1h30m", 5400 * NS_PER_S},
        {"1m 30s", 90 * NS_PER_S},
        {"1d2h3m4s5ms6us7ns", UINT64_C(93784005006007)},
        {"0.1", 100 * NS_PER_MS},
        {".5s", 500 * NS_PER_MS},
        {"0.123456789", 123456789},
        {"0.1234567894", 123456789},
        {"0.1234567896", 123456790},
        {"1.24 s", 1240 * NS_PER_MS},
        {"0.000000000000000000000001", 0},
        {"1.0000000000000000000000000000000001", NS_PER_S},
        {"36525d", UINT64_C(3155760000) * NS_PER_S},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t ns = 99;
        struct err err = {""};
        if (!units_duration(cases[i].text, &ns, &err))
            fail_msg("%s: %s", cases[i].text, err.text);
        CHECK_INT(cases[i].text, ns, cases[i].ns);
    }
}

static void test_not_a_duration(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",     " ",    "5 bananas", "-5",    "+5",   "s",      "ms",    "1e3",   "1e400", "5S",
        "1.s",  ".",    "1..5s",     "1m 30", "1m1m", "30s 1m", " 5",    "5 ",    "5s ",   "5  s",
        "0x10", "1,5s", "inf",       "nan",   "5s5",  "5\n",    "1h-5m", "5 s s", "5sec",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint64_t ns = 99;
        struct err err = {""};
        char want[200];
        snprintf(want, sizeof want, "'%s' is not a duration (write 300, 50ms, 1.5s, 20m or 1h30m)",
                 wrong[i]);
        if (units_duration(wrong[i], &ns, &err))
            fail_msg("'%s' was taken as %" PRIu64 " ns", wrong[i], ns);
        CHECK_TEXT(wrong[i], err.text, want);
        CHECK_INT("untouched", ns, 99);
    }
}

static void test_too_long_a_duration(void **state)
{
    (void)state;
    static const char *const wrong[] = {"99999999999h",
                                        "36526d",
                                        "36525d 1ns",
                                        "99999999999999999999999999",
                                        "3155760000.1",
                                        "18446744073709551615d",
                                        "18446744073709551616ns"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint64_t ns = 99;
        struct err err = {""};
        char want[200];
        snprintf(want, sizeof want, "'%s' is too long a duration (at most 36525d, a hundred years)",
                 wrong[i]);
        assert_false(units_duration(wrong[i], &ns, &err));
        CHECK_TEXT(wrong[i], err.text, want);
    }
}

static void test_size(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"64", 64},
        {"0", 0},
        {"64b", 64},
        {"64k", 65536},
        {"64K", 65536},
        {"64KB", 65536},
        {"64KiB", 65536},
        {"64 KiB", 65536},
        {"1.5G", UINT64_C(1610612736)},
        {"2m", 2097152},
        {"1T", UINT64_C(1) << 40},
        {"1P", UINT64_C(1) << 50},
        {"7E", UINT64_C(7) << 60},
        {"0.5k", 512},
        {"9223372036854775807", INT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes = 99;
        struct err err = {""};
        if (!units_size(cases[i].text, &bytes, &err))
            fail_msg("%s: %s", cases[i].text, err.text);
        CHECK_INT(cases[i].text, bytes, cases[i].bytes);
    }
    static const struct {
        const char *text, *want;
    } wrong[] = {
        {"", "'' is not a size (write 4096, 64K, 1.5M or 2GiB)"},
        {"K", "'K' is not a size (write 4096, 64K, 1.5M or 2GiB)"},
        {"-1", "'-1' is not a size (write 4096, 64K, 1.5M or 2GiB)"},
        {"1.5", "'1.5' is not a size (write 4096, 64K, 1.5M or 2GiB)"},
        {"1KX", "'1KX' is not a size (write 4096, 64K, 1.5M or 2GiB)"},
        {"1i", "'1i' is not a size (write 4096, 64K, 1.5M or 2GiB)"},
        {"1 ", "'1 ' is not a size (write 4096, 64K, 1.5M or 2GiB)"},
        {"8E", "'8E' is too large a size (at most 8 EiB)"},
        {"9223372036854775808", "'9223372036854775808' is too large a size (at most 8 EiB)"},
        {"99999999999999999999999E",
         "'99999999999999999999999E' is too large a size (at most 8 EiB)"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint64_t bytes = 99;
        struct err err = {""};
        if (units_size(wrong[i].text, &bytes, &err))
            fail_msg("'%s' was taken as %" PRIu64, wrong[i].text, bytes);
        CHECK_TEXT(wrong[i].text, err.text, wrong[i].want);
    }
}

static void check_double(const char *name, double got, double want)
{
    if (!(fabs(got - want) <= 1e-15 * fabs(want)))
        fail_msg("%s: got %.17g, want %.17g", name, got, want);
}

static void test_share(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double share;
    } cases[] = {{"10%", 0.1}, {"0.1", 0.1}, {"0", 0},        {"1", 1},
                 {"100%", 1},  {"0%", 0},    {"0.5%", 0.005}, {".25", 0.25}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double share = 99;
        struct err err = {""};
        if (!units_share(cases[i].text, &share, &err))
            fail_msg("%s: %s", cases[i].text, err.text);
        check_double(cases[i].text, share, cases[i].share);
    }
    static const char *const wrong[] = {"",     "%",   "1.5", "101%", "-0.1",  "-1%",
                                        "10%%", "nan", "x",   "10 %", "1e400", "0.1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        double share = 99;
        struct err err = {""};
        char want[100];
        snprintf(want, sizeof want, "'%s' is not a share between 0 and 1 (write 0.1 or 10%%)",
                 wrong[i]);
        if (units_share(wrong[i], &share, &err))
            fail_msg("'%s' was taken as %g", wrong[i], share);
        CHECK_TEXT(wrong[i], err.text, want);
    }
}

static void test_integer(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {{"0", 0},
                 {"-5", -5},
                 {"+5", 5},
                 {"007", 7},
                 {"9223372036854775807", INT64_MAX},
                 {"-9223372036854775808", INT64_MIN}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = 99;
        assert_true(units_integer(cases[i].text, &value, NULL));
        CHECK_INT(cases[i].text, value, cases[i].value);
    }
    static const struct {
        const char *text, *want;
    } wrong[] = {
        {"", "'': not a whole number"},
        {"abc", "'abc': not a whole number"},
        {"5x", "'5x': not a whole number"},
        {" 5", "' 5': not a whole number"},
        {"5 ", "'5 ': not a whole number"},
        {"1.0", "'1.0': not a whole number"},
        {"1e3", "'1e3': not a whole number"},
        {"--5", "'--5': not a whole number"},
        {"-", "'-': not a whole number"},
        {"9223372036854775808", "'9223372036854775808': too large a number (at most 63 bits)"},
        {"-9223372036854775809", "'-9223372036854775809': too large a number (at most 63 bits)"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int64_t value = 99;
        struct err err = {""};
        if (units_integer(wrong[i].text, &value, &err))
            fail_msg("'%s' was taken as %" PRId64, wrong[i].text, value);
        CHECK_TEXT(wrong[i].text, err.text, wrong[i].want);
        CHECK_INT("untouched", value, 99);
    }
}

static void test_number(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {{"0", 0},        {"-1", -1},
                 {"+1.5", 1.5},   {".5", 0.5},
                 {"1.", 1},       {"1e3", 1000},
                 {"1E-3", 0.001}, {"1.7976931348623157e308", 1.7976931348623157e308}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value = 99;
        struct err err = {""};
        if (!units_number(cases[i].text, &value, &err))
            fail_msg("%s: %s", cases[i].text, err.text);
        check_double(cases[i].text, value, cases[i].value);
    }
    static const struct {
        const char *text, *want;
    } wrong[] = {
        {"", "'': not a number"},
        {".", "'.': not a number"},
        {"inf", "'inf': not a number"},
        {"nan", "'nan': not a number"},
        {"0x1p3", "'0x1p3': not a number"},
        {"1e", "'1e': not a number"},
        {"1e+", "'1e+': not a number"},
        {" 1", "' 1': not a number"},
        {"1 ", "'1 ': not a number"},
        {"1,5", "'1,5': not a number"},
        {"1e400", "'1e400': a number too large to hold"},
        {"-1e400", "'-1e400': a number too large to hold"},
        {"1e-400", "'1e-400': a number too small to hold"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        double value = 99;
        struct err err = {""};
        if (units_number(wrong[i].text, &value, &err))
            fail_msg("'%s' was taken as %g", wrong[i].text, value);
        CHECK_TEXT(wrong[i].text, err.text, wrong[i].want);
    }
}

static void test_wrong_values_are_shown_shortened(void **state)
{
    (void)state;
    char *lengthy = mem_alloc(100001);
    memset(lengthy, 'y', 100000);
    lengthy[100000] = '\0';
    uint64_t ns;
    double share;
    struct err err;
    assert_false(units_duration(lengthy, &ns, &err));
    assert_true(strlen(err.text) < 200);
    assert_non_null(strstr(err.text, "write 300, 50ms"));
    assert_false(units_share(lengthy, &share, &err));
    assert_non_null(strstr(err.text, "write 0.1 or 10%"));
    free(lengthy);
}

static void test_show(void **state)
{
    (void)state;
    static const struct {
        char *(*show)(char *out, size_t size, double value);
        double value;
        const char *want;
    } cases[] = {
        {units_show_seconds, 1.24, "1.24 s"},
        {units_show_seconds, 0.35, "350 ms"},
        {units_show_seconds, 0.05, "50 ms"},
        {units_show_seconds, 0.01234, "12.3 ms"},
        {units_show_seconds, 0.0000015, "1.5 us"},
        {units_show_seconds, 0.000000020, "20 ns"},
        {units_show_seconds, 0.9999, "1 s"},
        {units_show_seconds, 0.000999999, "1 ms"},
        {units_show_seconds, 9.999, "10 s"},
        {units_show_seconds, 99.96, "100 s"},
        {units_show_seconds, 120.4, "120 s"},
        {units_show_seconds, 3600, "3600 s"},
        {units_show_seconds, 0, "0 s"},
        {units_show_seconds, -0.25, "-250 ms"},
        {units_show_seconds, NAN, "n/a"},
        {units_show_seconds, INFINITY, "n/a"},
        {units_show_bytes, 0, "0 B"},
        {units_show_bytes, 1000, "1000 B"},
        {units_show_bytes, 1024, "1 KiB"},
        {units_show_bytes, 1536.0 * 1024 * 1024, "1.5 GiB"},
        {units_show_bytes, 1023.9 * 1024, "1 MiB"},
        {units_show_bytes, 12.34 * 1024, "12.3 KiB"},
        {units_show_bytes, 5e21, "4337 EiB"},
        {units_show_bytes, -1, "n/a"},
        {units_show_bytes, NAN, "n/a"},
        {units_show_span, 0, "0s"},
        {units_show_span, 3.4, "3s"},
        {units_show_span, 59.6, "1m 00s"},
        {units_show_span, 123, "2m 03s"},
        {units_show_span, 3723, "1h 02m 03s"},
        {units_show_span, 93780, "1d 02h 03m"},
        {units_show_span, -1, "n/a"},
        {units_show_span, NAN, "n/a"},
        {units_show_span, 1e300, "n/a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[64];
        assert_ptr_equal(cases[i].show(out, sizeof out, cases[i].value), out);
        CHECK_TEXT(cases[i].want, out, cases[i].want);
        char small[4] = "???";
        cases[i].show(small, sizeof small, cases[i].value);
        assert_true(strlen(small) < sizeof small);
    }
}

static void test_show_count(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        const char *want;
    } cases[] = {{0, "0"},
                 {999, "999"},
                 {1000, "1,000"},
                 {12345, "12,345"},
                 {123456, "123,456"},
                 {1234567, "1,234,567"},
                 {UINT64_MAX, "18,446,744,073,709,551,615"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[64];
        CHECK_TEXT(cases[i].want, units_show_count(out, sizeof out, cases[i].value), cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_not_a_duration),
        cmocka_unit_test(test_too_long_a_duration),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_integer),
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_wrong_values_are_shown_shortened),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_show_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
