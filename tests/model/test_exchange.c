#include "base/mem.h"
#include "check.h"
#include "model/exchange.h"

static struct exchange *with_limit(size_t limit)
{
    return exchange_new(MEM_NEW(struct request), EXCHANGE_HEAD_MOST, limit);
}

/* Reads of 1, 4, 1, 7 and 100 bytes; at every offset, from every hint that is not past it. */
static void test_mark_of_every_offset(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 4, 1, 7, 100};
    struct exchange *exchange = with_limit(1000);
    char bytes[100] = {0};
    size_t owner[1000], total = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_true(exchange_read(exchange, bytes, lengths[i], 1000 + i, 0));
        for (size_t k = 0; k < lengths[i]; k++)
            owner[total++] = i;
    }
    CHECK_INT("body", exchange->body.len, total);
    CHECK_INT("marks", exchange->mark_count, 5);
    for (size_t offset = 0; offset < total; offset++)
        for (size_t hint = 0; hint <= owner[offset]; hint++) {
            size_t mark = exchange_mark_of(exchange, offset, hint);
            if (mark != owner[offset])
                fail_msg("offset %zu from hint %zu: mark %zu, want %zu", offset, hint, mark,
                         owner[offset]);
            CHECK_INT("time", mark_time_ns(&exchange->marks[mark]), 1000 + owner[offset]);
        }
    exchange_free(exchange);
}

static void test_many_marks(void **state)
{
    (void)state;
    struct exchange *exchange = with_limit(5000);
    for (uint64_t i = 0; i < 5000; i++)
        assert_true(exchange_read(exchange, "x", 1, i + 1, 0));
    size_t hint = 0;
    for (size_t i = 0; i < 5000; i++) {
        hint = exchange_mark_of(exchange, i, hint);
        CHECK_INT("mark", hint, i);
    }
    exchange_free(exchange);
}

static void test_one_read_in_pieces(void **state)
{
    (void)state;
    struct exchange *exchange = with_limit(100);
    assert_true(exchange_read(exchange, "abc", 3, 10, 5));
    assert_true(exchange_read(exchange, "de", 2, 10, 5)); /* the same read */
    assert_true(exchange_read(exchange, "fg", 2, 11, 5)); /* same kernel stamp, another read */
    assert_true(exchange_read(exchange, "h", 1, 11, 6));  /* another kernel stamp */
    assert_true(exchange_read(exchange, "", 0, 12, 7));   /* brings nothing */
    static const struct mark want[] = {{5, 0, 10, 5}, {7, 0, 11, 5}, {8, 0, 11, 6}};
    CHECK_INT("marks", exchange->mark_count, 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT("end", exchange->marks[i].end, want[i].end);
        CHECK_INT("own", exchange->marks[i].own_ns, want[i].own_ns);
        CHECK_INT("kernel", exchange->marks[i].kernel_ns, want[i].kernel_ns);
    }
    assert_memory_equal(exchange->body.data, "abcdefgh", 8);
    exchange_more(exchange);
    CHECK_INT("more", exchange->marks[2].more, 1);
    CHECK_INT("of the last alone", exchange->marks[1].more, 0);
    exchange_free(exchange);
}

static void test_ceiling(void **state)
{
    (void)state;
    struct exchange *exchange = with_limit(4);
    assert_true(exchange_read(exchange, "abcd", 4, 1, 0));
    assert_false(exchange_read(exchange, "e", 1, 2, 0));
    CHECK_INT("body", exchange->body.len, 4);
    CHECK_INT("marks", exchange->mark_count, 1);
    exchange_free(exchange);
}

static void test_time_of_a_mark(void **state)
{
    (void)state;
    struct mark kernel = {.own_ns = 20, .kernel_ns = 10}, own = {.own_ns = 20};
    CHECK_INT("kernel", mark_time_ns(&kernel), 10);
    CHECK_INT("own", mark_time_ns(&own), 20);
}

static void test_what_it_weighs(void **state)
{
    (void)state;
    struct exchange *exchange = with_limit(10000);
    struct request *request = exchange->request;
    size_t before = exchange_bytes(exchange);
    char bytes[4000] = {0};
    assert_true(exchange_read(exchange, bytes, sizeof bytes, 1, 0));
    if (exchange_bytes(exchange) < before + sizeof bytes)
        fail_msg("%zu bytes with a body of 4000, %zu without", exchange_bytes(exchange), before);
    before = request_bytes(request);
    request->url = mem_text("http://a/");       /* 10 with its end */
    request->method = mem_text("POST");         /* 5 */
    list_add(&request->headers, "Name: value"); /* 12 and a pointer */
    request->body = mem_text("body");
    request->body_len = 4;
    request->prompt = mem_text("prompt");
    request->prompt_len = 6;
    request->user = mem_text("us");
    request->user_len = 2;
    request->fault = mem_text("bad"); /* 4 */
    CHECK_INT("request", request_bytes(request) - before, 10 + 5 + 12 + sizeof(char *) + 12 + 4);
    exchange_free(exchange);
}

static void test_nothing_to_free(void **state)
{
    (void)state;
    exchange_free(NULL);
    request_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mark_of_every_offset), cmocka_unit_test(test_many_marks),
        cmocka_unit_test(test_one_read_in_pieces),   cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_time_of_a_mark),       cmocka_unit_test(test_what_it_weighs),
        cmocka_unit_test(test_nothing_to_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
