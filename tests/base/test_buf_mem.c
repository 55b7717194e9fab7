/* The small units everything stands on: err, mem, buf, list, span, clock, embedded. */
#include "check.h"

#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/embedded.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/span.h"

static void test_err(void **state)
{
    (void)state;
    struct err err;
    assert_false(err_set(&err, "%s is %d", "port", 7));
    CHECK_TEXT("set", err.text, "port is 7");
    assert_false(err_prefix(&err, "line %d", 3));
    CHECK_TEXT("prefix", err.text, "line 3: port is 7");
    assert_false(err_set(&err, "outer (%s)", err.text));
    CHECK_TEXT("set from its own text", err.text, "outer (line 3: port is 7)");
    assert_false(err_set(NULL, "nobody listens"));
    assert_false(err_prefix(NULL, "nobody"));
}

static void test_err_is_cut_not_overrun(void **state)
{
    (void)state;
    struct err err;
    char *lengthy = mem_alloc(5000);
    memset(lengthy, 'x', 4999);
    lengthy[4999] = '\0';
    err_set(&err, "%s", lengthy);
    CHECK_INT("full", strlen(err.text), sizeof err.text - 1);
    CHECK_TEXT("seen to be cut", err.text + sizeof err.text - 5, "x…");
    err_prefix(&err, "file %s", "a");
    CHECK_INT("still full", strlen(err.text), sizeof err.text - 1);
    assert_memory_equal(err.text, "file a: xxx", 11);
    err_prefix(&err, "%s", lengthy);
    CHECK_INT("lengthy prefix", strlen(err.text), sizeof err.text - 1);
    assert_non_null(strstr(err.text, "x…: file a: xxx"));
    CHECK_TEXT("seen to be cut", err.text + sizeof err.text - 5, "x…");
    err_set(&err, "%.2043s€uro", lengthy);
    CHECK_INT("not within a character", strlen(err.text), 2046);
    CHECK_TEXT("the character is left out", err.text + 2042, "x…");
    err_set(&err, "%.2047s", lengthy);
    CHECK_TEXT("just fits", err.text + 2045, "xx");
    free(lengthy);
}

static void test_mem(void **state)
{
    (void)state;
    assert_null(mem_text(NULL));
    char *copy = mem_copy("ab\0cd", 5);
    assert_memory_equal(copy, "ab\0cd", 6);
    free(copy);
    char *text = mem_printf("%d-%s", 12, "x");
    CHECK_TEXT("printf", text, "12-x");
    free(text);
    unsigned char *zero = mem_zero(3, 5);
    for (int i = 0; i < 15; i++)
        CHECK_INT("zeroed", zero[i], 0);
    zero = mem_resize(zero, 10, 10);
    zero[99] = 1;
    free(zero);
    void *nothing = mem_zero(0, 8);
    assert_non_null(nothing);
    free(nothing);
}

static void test_buf_pieces(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    assert_true(buf_add(&buf, "ab", 2));
    assert_true(buf_add_char(&buf, '\0'));
    assert_true(buf_add_text(&buf, "cd"));
    assert_true(buf_add_span(&buf, span_of("efg", 2)));
    assert_true(buf_printf(&buf, "<%d>", 42));
    assert_true(buf_add(&buf, NULL, 0));
    CHECK_INT("length", buf.len, 11);
    assert_memory_equal(buf.data, "ab\0cdef<42>", 11);
    assert_true(span_equals(span_of(buf_span(&buf).data + 3, 2), "cd"));
    char *taken = buf_take(&buf);
    CHECK_INT("terminated", taken[11], 0);
    free(taken);
    assert_null(buf.data);
    CHECK_INT("limit stays", buf.limit, 1000);
    char *empty = buf_take(&buf);
    CHECK_TEXT("nothing taken", empty, "");
    free(empty);
    buf_fini(&buf);
}

static void test_buf_ceiling(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    for (int i = 0; i < 100; i++)
        assert_true(buf_add_char(&buf, (char)i));
    assert_false(buf.full);
    assert_false(buf_add_char(&buf, 'x'));
    assert_true(buf.full);
    CHECK_INT("nothing added", buf.len, 100);
    for (int i = 0; i < 100; i++)
        CHECK_INT("kept", buf.data[i], i);
    buf_clear(&buf);
    assert_false(buf.full);
    assert_false(buf_printf(&buf, "%0101d", 1));
    CHECK_INT("all or nothing", buf.len, 0);
    assert_true(buf.full);
    assert_null(buf_reserve(&buf, SIZE_MAX));
    char *room = buf_reserve(&buf, 100);
    assert_non_null(room);
    memset(room, 'y', 100);
    buf.len += 100;
    assert_null(buf_reserve(&buf, 1));
    assert_null(buf_reserve(&buf, SIZE_MAX - 50));
    buf_fini(&buf);
}

static void test_buf_grows_byte_by_byte(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, SIZE_MAX);
    for (unsigned i = 0; i < 100000; i++)
        buf_add_char(&buf, (char)(i * 7 % 251));
    for (unsigned i = 0; i < 100000; i++)
        if (buf.data[i] != (char)(i * 7 % 251))
            fail_msg("byte %u: got %d", i, buf.data[i]);
    buf_fini(&buf);
}

static void test_list(void **state)
{
    (void)state;
    struct list list = {0};
    char word[] = "one";
    list_add(&list, word);
    word[0] = 'X';
    list_add(&list, "two");
    CHECK_INT("count", list.count, 2);
    CHECK_TEXT("copied", list.items[0], "one");
    CHECK_TEXT("second", list.items[1], "two");
    list_fini(&list);
    CHECK_INT("emptied", list.count, 0);
    assert_null(list.items);
}

static void test_span(void **state)
{
    (void)state;
    assert_true(span_equals(span_text(NULL), ""));
    assert_true(span_equals(span_of("abc", 2), "ab"));
    assert_false(span_equals(span_of("abc", 2), "abc"));
    assert_false(span_equals(span_of("abc", 2), "ax"));
}

static void test_clock(void **state)
{
    (void)state;
    uint64_t before = clock_now_ns(), cpu = clock_thread_cpu_ns();
    struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    nanosleep(&pause, NULL);
    uint64_t slept = clock_now_ns() - before;
    if (slept < 20 * NS_PER_MS || slept > 60 * NS_PER_S)
        fail_msg("slept 20 ms, the clock says %llu ns", (unsigned long long)slept);
    if (clock_thread_cpu_ns() - cpu > slept)
        fail_msg("more CPU time than time");
    assert_true(clock_process_cpu_ns() > 0);
    assert_true(clock_wall_ns() / NS_PER_S > 1700000000);
    assert_true(clock_seconds(1500 * NS_PER_MS) > 1.4999 &&
                clock_seconds(1500 * NS_PER_MS) < 1.5001);
}

static void test_clock_format(void **state)
{
    (void)state;
    char out[32];
    setenv("TZ", "UTC-2", 1);
    tzset();
    clock_format(out, sizeof out, "%Y-%m-%d %H:%M:%S", 1700000000 * NS_PER_S + 999999999);
    CHECK_TEXT("local time", out, "2023-11-15 00:13:20");
    clock_format(out, 5, "%Y-%m-%d", 1700000000 * NS_PER_S);
    CHECK_TEXT("too small", out, "");
}

static void test_embedded_find(void **state)
{
    (void)state;
    static const struct embedded_file files[] = {{"a.lua", (const unsigned char *)"1", 1},
                                                 {"b/c.lua", (const unsigned char *)"22", 2}};
    assert_ptr_equal(embedded_find(files, 2, "b/c.lua"), &files[1]);
    assert_null(embedded_find(files, 2, "c.lua"));
    assert_null(embedded_find(files, 1, "b/c.lua"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err),           cmocka_unit_test(test_err_is_cut_not_overrun),
        cmocka_unit_test(test_mem),           cmocka_unit_test(test_buf_pieces),
        cmocka_unit_test(test_buf_ceiling),   cmocka_unit_test(test_buf_grows_byte_by_byte),
        cmocka_unit_test(test_list),          cmocka_unit_test(test_span),
        cmocka_unit_test(test_clock),         cmocka_unit_test(test_clock_format),
        cmocka_unit_test(test_embedded_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
