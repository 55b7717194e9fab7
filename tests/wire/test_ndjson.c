#include "check.h"
#include "ndjson_log.h"

#include "wire/json.h"
#include "wire/ndjson.h"

#define TEXT(literal)                                                                              \
    {                                                                                              \
        .data = (literal), .len = sizeof(literal) - 1                                              \
    }

enum { LIMIT = 1 << 20 };

static const struct {
    const char *name;
    struct span in;
    size_t limit; /* 0 = LIMIT */
    const char *want;
} cases[] = {
    {.name = "empty", .in = TEXT(""), .want = ""},
    {.name = "lf", .in = TEXT("{}\n[1]\n"), .want = "{}@2\n[1]@6\n"},
    {.name = "crlf", .in = TEXT("{}\r\n[1]\r\n"), .want = "{}@3\n[1]@8\n"},
    {.name = "one cr is no line end", .in = TEXT("{}\r{}\n"), .want = "{}\\r{}@5\n"},
    {.name = "one cr is stripped", .in = TEXT("{}\r\r\n"), .want = "{}\\r@4\n"},
    {.name = "blank lines", .in = TEXT("\n \t\r\n{}\n\r\n\n"), .want = "{}@7\n"},
    {.name = "spaces stay", .in = TEXT(" {} \n"), .want = " {} @4\n"},
    {.name = "nul is not blank", .in = TEXT("\0\n"), .want = "\\u0000@1\n"},
    {.name = "no final end", .in = TEXT("{}\n[1]"), .want = "{}@2\n[1]@5 unfinished\n"},
    {.name = "cut in a crlf", .in = TEXT("{}\r"), .want = "{}@2 unfinished\n"},
    {.name = "blank rest", .in = TEXT("{}\n  "), .want = "{}@2\n"},
    {.name = "bom stays", .in = TEXT("\xef\xbb\xbf{}\n"), .want = "\xef\xbb\xbf{}@5\n"},
    {.name = "at the limit",
     .limit = 3,
     .in = TEXT("[1]\n[2]"),
     .want = "[1]@3\n[2]@6 unfinished\n"},
    {.name = "over the limit",
     .limit = 3,
     .in = TEXT("[1]\n[22]\n[3]\n"),
     .want = "[1]@3\nstopped full\n"},
    {.name = "rest over the limit",
     .limit = 3,
     .in = TEXT("[1]\n[22]"),
     .want = "[1]@3\nstopped full\n"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t cut = 0; cut <= cases[i].in.len; cut++) {
            struct buf log;
            buf_init(&log, SIZE_MAX);
            ndjson_log_body(&log, cases[i].in, cut, cases[i].limit ? cases[i].limit : LIMIT);
            char *got = buf_take(&log);
            CHECK_TEXT(cases[i].name, got, cases[i].want);
            free(got);
        }
}

static bool stop_at_first(void *arg, const struct ndjson_item *item)
{
    (void)item;
    ++*(int *)arg;
    return false;
}

static void test_stop(void **state)
{
    (void)state;
    int seen = 0;
    struct ndjson ndjson;
    ndjson_init(&ndjson, LIMIT);
    assert_false(ndjson_feed(&ndjson, "1\n2\n3", 5, stop_at_first, &seen));
    assert_false(ndjson.line.full);
    assert_false(ndjson_feed(&ndjson, "1\n2\n3", 5, stop_at_first, &seen));
    assert_false(ndjson_end(&ndjson, stop_at_first, &seen));
    CHECK_INT("items", seen, 1);
    ndjson_fini(&ndjson);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
