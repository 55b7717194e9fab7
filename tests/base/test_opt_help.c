#include "check.h"

#include "opt_rows.h"

static void test_help(void **state)
{
    (void)state;
    static const char want[] =
        "Load:\n"
        "  -c, --parallel N            How many requests are under way at a time\n"
        "                              (default: 1) (also --concurrency, --max-parallel)\n"
        "  -r, --rate N                Requests a second\n"
        "      --seed N                Start of the random numbers\n"
        "      --jitter N              (default: 10%)\n"
        "\n"
        "Target:\n"
        "      --url URL               Where the requests go; a long sentence that has to\n"
        "                              be broken into several lines of the help text\n"
        "  -m, --model TEXT\n"
        "      --mode NAME             How requests start (one of closed, open, burst)\n"
        "                              (default: closed)\n"
        "      --api-key TEXT\n"
        "      --stream                Ask for a stream (default: true)\n"
        "\n"
        "Output:\n"
        "  -q, --quiet\n"
        "  -v, --verbose\n"
        "      --read-timeout TIME     (default: 5m)\n"
        "      --limit SIZE\n"
        "  -H, --header LINE           (repeatable)\n"
        "      --urls URL …            (repeatable)\n"
        "      --whole N\n"
        "      --exact N\n";
    struct buf out;
    buf_init(&out, 100000);
    opt_help(rows, ROWS, 80, &out);
    char *got = buf_take(&out);
    CHECK_TEXT("help at 80 columns", got, want);
    free(got);
}

static void test_help_is_as_wide_as_asked(void **state)
{
    (void)state;
    static const unsigned widths[] = {0, 1, 40, 59, 60, 79, 80, 200, UINT32_MAX};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        struct buf out;
        buf_init(&out, 100000);
        opt_help(rows, ROWS, widths[i], &out);
        assert_false(out.full);
        size_t most = widths[i] < 40 ? 40 : widths[i], column = 0;
        for (size_t k = 0; k < out.len; k++) {
            column = out.data[k] == '\n' ? 0 : column + ((out.data[k] & 0xc0) != 0x80);
            if (column > most)
                fail_msg("width %u: a line is %zu columns wide", widths[i], column);
        }
        buf_fini(&out);
    }
}

static void test_help_of_odd_rows(void **state)
{
    (void)state;
    static const struct opt_row odd[] = {
        {.name = "a-very-long-option-name",
         .type = &opt_integer,
         .metavar = "NUMBER",
         .help = "Begins on a line of its own"},
        {.name = "n", .type = &opt_flag, .help = "Two\nlines  and two  blanks"},
    };
    struct buf out;
    buf_init(&out, 100000);
    opt_help(odd, 2, 80, &out);
    char *got = buf_take(&out);
    CHECK_TEXT("odd rows", got,
               "      --a-very-long-option-name NUMBER\n"
               "                              Begins on a line of its own\n"
               "      --n                     Two lines and two blanks\n");
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_help_is_as_wide_as_asked),
        cmocka_unit_test(test_help_of_odd_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
