/* Recorded answers: every beginning of one is read or refused, and nothing of the body changes. */
#include "app/recorded.h"
#include "check.h"

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

static const struct {
    const char *name, *bytes;
    int status; /* 0 = refused */
    const char *type, *body;
    bool broken;
} cases[] = {
    {"bytes alone", "data: x\n\n", 200, NULL, "data: x\n\n", false},
    {"nothing", "", 200, NULL, "", false},
    {"plain", HEAD "Content-Length: 2\r\n\r\nab", 200, "text/plain", "ab", false},
    {"no length", HEAD "\r\nab", 200, "text/plain", "ab", false},
    {"short", HEAD "Content-Length: 3\r\n\r\nab", 200, "text/plain", "ab", true},
    {"long", HEAD "Content-Length: 1\r\n\r\nab", 200, "text/plain", "a", false},
    {"decoded by curl", HEAD "Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nab", 200,
     "text/plain", "ab", false},
    {"chunks", HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\n\r\n", 200,
     "text/plain", "abc", false},
    {"chunks cut", HEAD "transfer-encoding: chunked\r\n\r\n1\r\na\r\n5\r\nbc", 200, "text/plain",
     "abc", true},
    {"no last chunk", HEAD "transfer-encoding: chunked\r\n\r\n1\r\na\r\n", 200, "text/plain", "a",
     true},
    {"unchunked by curl", HEAD "Transfer-Encoding: chunked\r\n\r\ndata: a\n\n", 200, "text/plain",
     "data: a\n\n", false},
    {"a chunk beyond counting", HEAD "Transfer-Encoding: chunked\r\n\r\nfffffffff\r\na", 200,
     "text/plain", "fffffffff\r\na", false},
    {"a large chunk", HEAD "Transfer-Encoding: chunked\r\n\r\nffffffff\r\na", 200, "text/plain",
     "a", true},
    {"interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/2 503 \nA: b\n\nx", 503, NULL, "x", false},
    {"no status", "HTTP/1.1\r\n\r\n", 0, NULL, NULL, false},
    {"an odd status", "HTTP/1.1 20x OK\r\n\r\n", 0, NULL, NULL, false},
    {"a long status", "HTTP/1.1 2000\r\n\r\n", 0, NULL, NULL, false},
    {"no end of headers", HEAD, 0, NULL, NULL, false},
    {"an odd length", HEAD "Content-Length: -1\r\n\r\n", 0, NULL, NULL, false},
    {"a huge length", HEAD "Content-Length: 99999999999999999999999\r\n\r\n", 0, NULL, NULL, false},
};

static void check_case(size_t i)
{
    struct recorded recorded;
    struct err err;
    bool ok = recorded_parse(&recorded, span_text(cases[i].bytes), &err);
    CHECK_INT(cases[i].name, ok ? recorded.status : 0, cases[i].status);
    if (ok) {
        CHECK_INT(cases[i].name, recorded.broken != NULL, cases[i].broken);
        CHECK_TEXT(cases[i].name, recorded.content_type ? recorded.content_type : "(none)",
                   cases[i].type ? cases[i].type : "(none)");
        char *body = buf_take(&recorded.body);
        CHECK_TEXT(cases[i].name, body, cases[i].body);
        free(body);
    }
    recorded_fini(&recorded);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(i);
}

/* Bytes on the heap of their exact length, so that a read past the end is seen. */
static void test_every_beginning(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t len = 0; len <= strlen(cases[i].bytes); len++) {
            struct recorded recorded;
            struct err err;
            char *part = malloc(len ? len : 1);
            memcpy(part, cases[i].bytes, len);
            if (recorded_parse(&recorded, span_of(part, len), &err))
                assert_true(recorded.body.len <= len);
            recorded_fini(&recorded);
            free(part);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_every_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
