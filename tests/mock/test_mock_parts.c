/* The pure parts of the mock server: request parser, timers, texts, overrides. */
#include <cjson/cJSON.h>

#include "check.h"

#include "base/err.h"
#include "base/rng.h"
#include "mock/http_request.h"
#include "mock/overrides.h"
#include "mock/stats.h"
#include "mock/text.h"
#include "mock/timers.h"

/* ---- requests ---- */

static const struct {
    const char *name, *bytes;
    int status; /* 0 = accepted */
    const char *method, *path, *query, *body;
    size_t rest; /* bytes that belong to the next request */
} requests[] = {
    {"get", "GET /a?b=1 HTTP/1.1\r\nHost: x\r\n\r\n", 0, "GET", "/a", "b=1", "", 0},
    {"bare line feeds", "GET / HTTP/1.1\nHost: x\n\n", 0, "GET", "/", "", "", 0},
    {"blank lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, "GET", "/", "", "", 0},
    {"absolute form", "GET http://h:1/p?q HTTP/1.1\r\nHost: h\r\n\r\n", 0, "GET", "/p", "q", "", 0},
    {"old version", "GET / HTTP/1.0\r\n\r\n", 0, "GET", "/", "", "", 0},
    {"length", "POST /p HTTP/1.1\r\nhOsT: x\r\ncontent-LENGTH:  5 \r\n\r\nhelloGET", 0, "POST",
     "/p", "", "hello", 3},
    {"same length twice",
     "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 0, "POST",
     "/p", "", "x", 0},
    {"chunks",
     "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
     "3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\nGE",
     0, "POST", "/p", "", "abc0123456789", 2},
    {"no version", "GET /\r\n\r\n", 400, NULL, NULL, NULL, NULL, 0},
    {"version 2", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, NULL, NULL, NULL, NULL, 0},
    {"no path", "GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400, NULL, NULL, NULL, NULL, 0},
    {"no host", "GET / HTTP/1.1\r\n\r\n", 400, NULL, NULL, NULL, NULL, 0},
    {"two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, NULL, NULL, NULL, NULL, 0},
    {"header without colon", "GET / HTTP/1.1\r\nHost: x\r\nfoo\r\n\r\n", 400, NULL, NULL, NULL,
     NULL, 0},
    {"space before colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, NULL, NULL, NULL, NULL, 0},
    {"length is no number", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", 400, NULL,
     NULL, NULL, NULL, 0},
    {"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
     400, NULL, NULL, NULL, NULL, 0},
    {"too long", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n", 413, NULL, NULL, NULL,
     NULL, 0},
    {"length past 64 bits",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551617\r\n\r\n", 413, NULL, NULL,
     NULL, NULL, 0},
    {"length and chunks",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     NULL, NULL, NULL, NULL, 0},
    {"gzip", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, NULL, NULL, NULL,
     NULL, 0},
    {"expects tea", "POST / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", 417, NULL, NULL, NULL,
     NULL, 0},
    {"chunk without size", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
     400, NULL, NULL, NULL, NULL, 0},
    {"chunk too big", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n", 413,
     NULL, NULL, NULL, NULL, 0},
    {"chunk size past 64 bits",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\n", 413,
     NULL, NULL, NULL, NULL, 0},
    {"chunk longer than its size",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400, NULL, NULL,
     NULL, NULL, 0},
};

static void check_span(const char *name, struct span got, const char *want)
{
    if (!span_equals(got, want))
        fail_msg("%s: got \"%.*s\", want \"%s\"", name, (int)got.len, got.data, want);
}

static void check_request(size_t i, size_t cut)
{
    const char *name = requests[i].name, *bytes = requests[i].bytes;
    size_t len = strlen(bytes);
    struct mock_http http;
    mock_http_init(&http, 100);
    size_t taken = mock_http_feed(&http, bytes, cut);
    if (taken == cut)
        taken += mock_http_feed(&http, bytes + cut, len - cut);
    if (requests[i].status) {
        CHECK_INT(name, http.state, MOCK_HTTP_BAD);
        CHECK_INT(name, http.status, requests[i].status);
    } else {
        CHECK_INT(name, http.state, MOCK_HTTP_DONE);
        CHECK_INT(name, len - taken, requests[i].rest);
        CHECK_INT(name, http.bytes, taken);
        check_span(name, http.method, requests[i].method);
        check_span(name, http.path, requests[i].path);
        check_span(name, http.query, requests[i].query);
        check_span(name, buf_span(&http.body), requests[i].body);
    }
    mock_http_fini(&http);
}

static void test_requests_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        for (size_t cut = 0; cut <= strlen(requests[i].bytes); cut++)
            check_request(i, cut);
}

static void test_head_has_a_ceiling(void **state)
{
    (void)state;
    struct mock_http http;
    mock_http_init(&http, 100);
    mock_http_feed(&http, "GET / HTTP/1.1\r\n", 16);
    for (int i = 1; i < 70000 && http.state == MOCK_HTTP_HEAD; i++)
        mock_http_feed(&http, i % 100 ? "x" : "\n", 1);
    CHECK_INT("state", http.state, MOCK_HTTP_BAD);
    CHECK_INT("status", http.status, 431);
    CHECK_INT("bytes", http.bytes, MOCK_HTTP_MAX_HEAD + 1);
    mock_http_fini(&http);
}

static void test_flags(void **state)
{
    (void)state;
    static const char bytes[] = "POST / HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive , close\r\n"
                                "Expect: 100-Continue\r\nAuthorization: Bearer k\r\n"
                                "Content-Length: 3\r\n\r\n";
    struct mock_http http;
    mock_http_init(&http, 100);
    mock_http_feed(&http, bytes, strlen(bytes));
    assert_true(http.close && http.expecting && !http.old);
    check_span("authorization", http.authorization, "Bearer k");
    mock_http_feed(&http, "abc", 3);
    CHECK_INT("state", http.state, MOCK_HTTP_DONE);
    mock_http_reset(&http);
    assert_false(http.close || http.expecting || http.has_length || http.bytes);
    mock_http_fini(&http);
}

/* ---- timers ---- */

enum { TIMERS = 500 };

/* Random sets, moves and clears against a plain array; equal times fire in the order of setting. */
static void test_timers_fire_in_order(void **state)
{
    (void)state;
    struct mock_timers timers = {0};
    struct mock_timer all[TIMERS] = {{0}};
    struct rng rng;
    rng_init(&rng, 1);
    for (int i = 0; i < 20000; i++) {
        struct mock_timer *timer = &all[rng_below(&rng, TIMERS)];
        if (rng_below(&rng, 3))
            mock_timer_set(&timers, timer, rng_below(&rng, 100) + 1);
        else
            mock_timer_clear(&timers, timer);
    }
    size_t set = 0;
    for (size_t i = 0; i < TIMERS; i++)
        set += all[i].slot != 0;
    assert_in_range(set, 100, TIMERS);
    struct mock_timer last = {0};
    size_t fired = 0;
    assert_null(mock_timers_take(&timers, mock_timers_next_ns(&timers) - 1));
    for (struct mock_timer *timer; (timer = mock_timers_take(&timers, 100)); fired++) {
        assert_true(timer->due_ns > last.due_ns ||
                    (timer->due_ns == last.due_ns && (!fired || timer->order > last.order)));
        last = *timer;
    }
    CHECK_INT("fired", fired, set);
    assert_true(mock_timers_next_ns(&timers) == UINT64_MAX);
    mock_timers_fini(&timers);
}

/* ---- texts ---- */

static void test_prompt_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t tokens;
    } rows[] = {
        {"", 0},          {" \n\t ", 0},      {"one", 1},       {" one  two\nthree ", 3},
        {"你好", 2},      {"hi你好there", 4}, {"你好 世界", 4}, {"naïve café", 2},
        {"what?。no", 3}, {"\xff\xfe", 1},    {"🙂 🙂", 2}, {"한국 東京", 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(rows[i].text, mock_text_count(span_text(rows[i].text)), rows[i].tokens);
}

static void test_invalid_utf8_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t at; /* of the first invalid byte */
    } rows[] = {
        {"abc", 3},
        {"é你🙂", 9},
        {"\xf4\x8f\xbf\xbf", 4},
        {"a\x80", 1},
        {"\xc3", 0},
        {"\xc0\xaf", 0},
        {"\xed\xa0\x80", 0},
        {"\xf4\x90\x80\x80", 0},
        {"x\xe4\xbd", 1},
        {"\xe0\x80\x80", 0},
        {"\xff", 0},
        {"\xc3(", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(rows[i].text, mock_text_invalid(span_text(rows[i].text)), rows[i].at);
}

static void test_tokens_vary_and_repeat(void **state)
{
    (void)state;
    struct buf first, again, other;
    struct buf *all[] = {&first, &again, &other};
    for (size_t i = 0; i < 3; i++) {
        buf_init(all[i], 1 << 16);
        for (uint32_t k = 0; k < 200; k++)
            mock_text_add(all[i], 7, i == 2 ? 2 : 1, 0, k);
    }
    CHECK_INT("length", first.len, again.len);
    assert_memory_equal(first.data, again.data, first.len);
    assert_true(first.len != other.len || memcmp(first.data, other.data, first.len) != 0);
    CHECK_INT("valid", mock_text_invalid(buf_span(&first)), first.len);
    assert_non_null(memmem(first.data, first.len, "你好", strlen("你好")));
    for (size_t i = 0; i < 3; i++)
        buf_fini(all[i]);
}

/* ---- overrides ---- */

static void test_overrides(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        const char *error; /* a part of it; NULL = good */
    } rows[] = {
        {"", NULL},
        {"ttft=1.5&itl=0&tokens=3&", NULL},
        {"abort=0&hold=1", NULL},
        {"mine=a%20b&abort=0", NULL},
        {"abort=0&mine", "'mine'"},
        {"abort", "'abort'"},
        {"abort=", "'abort'"},
        {"abort=x", "'abort'"},
        {"abort=-1", "'abort'"},
        {"abort=1.5", "'abort'"},
        {"abort=1e3", "'abort'"},
        {"hold=2", "0 to 1"},
        {"status=200", "400 to 599"},
        {"coal=0", "1 to 1000"},
        {"ttft=99999999999", "milliseconds"},
        {"ttft=nan", "milliseconds"},
        {"tokens=99999999999999999999999999999", "1 to 1000000"},
        {"bogus=1", "'bogus'"},
        {"fault=silent&noend=1&half=1", NULL},
        {"fault=nothing", "--fault list"},
        {"fault", "'fault'"},
    };
    struct mock_config config = {.ttft_ns = 7, .itl_ns = 8, .tokens = 9};
    struct mock_overrides over;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = {""};
        bool good = mock_overrides_parse(&config, span_text(rows[i].query), "mine", &over, &err);
        CHECK_INT(rows[i].query, good, rows[i].error == NULL);
        if (rows[i].error && !strstr(err.text, rows[i].error))
            fail_msg("%s: \"%s\" lacks \"%s\"", rows[i].query, err.text, rows[i].error);
    }
    struct err err;
    assert_true(mock_overrides_parse(&config, span_text("ttft=1.5&coal=4"), NULL, &over, &err));
    CHECK_INT("ttft", over.ttft_ns, 1500000);
    CHECK_INT("itl", over.itl_ns, 8);
    CHECK_INT("tokens", over.tokens, 9);
    CHECK_INT("coal", over.coal, 4);
    CHECK_INT("abort", over.abort, -1);
}

/* ---- time-weighted means ---- */

/* 10…20: one; 20…40: two; 40…50: one; 50…90: none; 90…100: one. */
static void test_means_in_flight(void **state)
{
    (void)state;
    struct mock_stats stats;
    mock_stats_init(&stats, 0);
    mock_stats_arrive(&stats, span_text("a"), 10);
    mock_stats_arrive(&stats, span_text("b"), 20);
    mock_stats_leave(&stats, 40);
    mock_stats_leave(&stats, 50);
    mock_stats_arrive(&stats, span_text("a"), 90);
    struct buf out;
    buf_init(&out, 1 << 20);
    mock_stats_write(&stats, 100, true, &out);
    buf_add_char(&out, '\0');
    cJSON *json = cJSON_Parse(out.data);
    const cJSON *flight = cJSON_GetObjectItem(json, "in_flight");
    double mean = cJSON_GetObjectItem(flight, "mean")->valuedouble;
    double steady = cJSON_GetObjectItem(flight, "steady_mean")->valuedouble;
    CHECK_INT("mean, thousandths", mean * 1000 + 0.5, 1400);         /* 70 in 50 */
    CHECK_INT("steady mean, thousandths", steady * 1000 + 0.5, 714); /* 50 in 70 */
    CHECK_INT("now", cJSON_GetObjectItem(flight, "now")->valuedouble, 1);
    CHECK_INT("distinct", stats.hashes.count, 2);
    cJSON_Delete(json);
    buf_fini(&out);
    mock_stats_fini(&stats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_cut_anywhere),
        cmocka_unit_test(test_head_has_a_ceiling),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_timers_fire_in_order),
        cmocka_unit_test(test_prompt_tokens),
        cmocka_unit_test(test_invalid_utf8_is_found),
        cmocka_unit_test(test_tokens_vary_and_repeat),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_means_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
