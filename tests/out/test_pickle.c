/* Opcodes byte by byte; that Python reads the same is shown by tests/e2e/test_export.py. */
#include "check.h"

#include "out/export_row.h"
#include "out/pickle.h"

#define BYTES(literal)                                                                             \
    {                                                                                              \
        .data = (literal), .len = sizeof(literal) - 1                                              \
    }

enum { LIMIT = 1 << 20 };

/* Readable: what is not printable ASCII as \xNN. */
static char *shown(struct span bytes)
{
    struct buf out;
    buf_init(&out, LIMIT * 4);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (c >= ' ' && c < 0x7f)
            buf_add_char(&out, (char)c);
        else
            buf_printf(&out, "\\x%02x", c);
    }
    return buf_take(&out);
}

static void check_bytes(const char *name, struct span got, struct span want)
{
    char *got_text = shown(got), *want_text = shown(want);
    CHECK_TEXT(name, got_text, want_text);
    free(got_text);
    free(want_text);
}

/* ---- pickles ---- */

static const struct {
    struct span json, want; /* without PROTO and STOP */
} documents[] = {
    {BYTES("null"), BYTES("N")},
    {BYTES("true"), BYTES("\x88")},
    {BYTES("[false]"), BYTES("](\x89"
                             "e")},
    {BYTES("{}"), BYTES("}(u")},
    {BYTES("[]"), BYTES("](e")},
    {BYTES("{\"a\":[{}],\"b\":null}"), BYTES("}(X\1\0\0\0a](}(ueX\1\0\0\0bNu")},

    {BYTES("0"), BYTES("J\0\0\0\0")},
    {BYTES("-0"), BYTES("J\0\0\0\0")},
    {BYTES("258"), BYTES("J\2\1\0\0")},
    {BYTES("-1"), BYTES("J\xff\xff\xff\xff")},
    {BYTES("2147483647"), BYTES("J\xff\xff\xff\x7f")},
    {BYTES("-2147483648"), BYTES("J\0\0\0\x80")},
    {BYTES("2147483648"), BYTES("L2147483648L\n")},
    {BYTES("-2147483649"), BYTES("L-2147483649L\n")},
    {BYTES("9007199254740993"), BYTES("L9007199254740993L\n")},
    {BYTES("-9223372036854775808"), BYTES("L-9223372036854775808L\n")},
    {BYTES("340282366920938463463374607431768211456"),
     BYTES("L340282366920938463463374607431768211456L\n")},

    {BYTES("1.0"), BYTES("G\x3f\xf0\0\0\0\0\0\0")},
    {BYTES("-0.0"), BYTES("G\x80\0\0\0\0\0\0\0")},
    {BYTES("1e3"), BYTES("G\x40\x8f\x40\0\0\0\0\0")},
    {BYTES("0.1"), BYTES("G\x3f\xb9\x99\x99\x99\x99\x99\x9a")},
    {BYTES("1E400"), BYTES("G\x7f\xf0\0\0\0\0\0\0")},

    {BYTES("\"\""), BYTES("X\0\0\0\0")},
    {BYTES("\"\\u0000x\""), BYTES("X\2\0\0\0\0x")},
    {BYTES("\"\xe4\xbd\xa0\""), BYTES("X\3\0\0\0\xe4\xbd\xa0")},
    {BYTES("\"\\ud83d\\ude00\""), BYTES("X\4\0\0\0\xf0\x9f\x98\x80")},
    {BYTES("\"\\ud83d\""), BYTES("X\3\0\0\0\xef\xbf\xbd")},
};

static void json_becomes_a_pickle(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        struct buf out, want;
        struct json json;
        buf_init(&out, LIMIT);
        buf_init(&want, LIMIT);
        buf_add(&want, "\x80\x02", 2);
        buf_add_span(&want, documents[i].want);
        buf_add_char(&want, '.');
        json_init(&json, documents[i].json.data, documents[i].json.len);
        pickle_begin(&out);
        if (!pickle_json(&out, &json))
            fail_msg("%s: %s", documents[i].json.data, json_error(&json));
        pickle_end(&out);
        check_bytes(documents[i].json.data, buf_span(&out), buf_span(&want));
        json_fini(&json);
        buf_fini(&out);
        buf_fini(&want);
    }
}

/* The length of a text takes four bytes, the lowest first. */
static void a_long_text_has_its_length(void **state)
{
    enum { LENGTH = 0x10203 };
    struct buf out;
    (void)state;
    char *text = malloc(LENGTH);
    memset(text, 'x', LENGTH);
    buf_init(&out, LIMIT);
    pickle_text(&out, span_of(text, LENGTH));
    CHECK_INT("length", out.len, LENGTH + 5);
    check_bytes("head", span_of(out.data, 5), (struct span)BYTES("X\3\2\1\0"));
    buf_fini(&out);
    free(text);
}

static void a_number_python_refuses_is_text(void **state)
{
    static const struct {
        size_t digits;
        const char *sign;
        char opcode;
    } cases[] = {
        {PICKLE_MAX_DIGITS, "", 'L'},
        {PICKLE_MAX_DIGITS, "-", 'L'},
        {PICKLE_MAX_DIGITS + 1, "", 'X'},
        {PICKLE_MAX_DIGITS + 1, "-", 'X'},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf number, out;
        buf_init(&number, LIMIT);
        buf_init(&out, LIMIT);
        buf_add_text(&number, cases[i].sign);
        for (size_t digit = 0; digit < cases[i].digits; digit++)
            buf_add_char(&number, '9');
        pickle_number(&out, buf_span(&number));
        CHECK_INT("opcode", out.data[0], cases[i].opcode);
        buf_fini(&number);
        buf_fini(&out);
    }
}

static void a_ceiling_shows(void **state)
{
    struct buf out;
    struct json json;
    (void)state;
    buf_init(&out, 8);
    json_init(&json, "\"0123456789\"", 12);
    pickle_begin(&out);
    assert_true(pickle_json(&out, &json));
    assert_true(out.full);
    json_fini(&json);
    buf_fini(&out);
}

/* ---- rows ---- */

static void requests(void **state)
{
    /* The right side is what Python's base64 and pickle agree to; made by hand from the opcodes. */
    static const struct {
        struct span body;
        const char *want;
    } cases[] = {
        {BYTES("{}"), "gAJ9KHUu"},
        {BYTES("{\"a\":1}"), "gAJ9KFgBAAAAYUoBAAAAdS4="},
        {BYTES("null"), "gAJOLg=="},
        {BYTES("[1"), "gAJYAgAAAFsxLg=="}, /* no JSON: a str, nothing of the list that began */
        {BYTES("\xff"), "gAJYAwAAAO+/vS4="},
        {BYTES(""), "gAJYAAAAAC4="},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, LIMIT);
        export_request(cases[i].body, &out);
        char *got = buf_take(&out);
        CHECK_TEXT(cases[i].body.data, got, cases[i].want);
        free(got);
    }
}

static void messages(void **state)
{
    static const struct {
        struct span list;
        bool (*wanted)(struct span message);
        bool ok;
        uint64_t left_out;
        const char *want; /* or the error */
    } cases[] = {
        {BYTES("[]"), NULL, true, 0, "gAJdKGUu"},
        {BYTES("[\"a\"]"), NULL, true, 0, "gAJdKFgBAAAAYWUu"},
        {BYTES("[\"a\",\"[DONE]\"]"), NULL, true, 0, "gAJdKFgBAAAAYWUu"},
        {BYTES("[\"a\",\"{\\\"choices\\\":[{\\\"delta\\\":{\\\"content\\\":\\\"\\\"}}]}\",\"[DONE]"
               "\",\"b\"]"),
         export_has_content, true, 2,
         "gAJdKFgmAAAAeyJjaG9pY2VzIjpbeyJkZWx0YSI6eyJjb250ZW50IjoiIn19XX1lLg=="},
        {BYTES("[1]"), NULL, false, 0, "it is not a JSON list of strings"},
        {BYTES("{}"), NULL, false, 0, "it is not a JSON list of strings"},
        {BYTES("[\"a\""), NULL, false, 0,
         "it is not a JSON list of strings: line 1, byte 4: expected ',' or ']', not the end of "
         "the input"},
        {BYTES("[] 1"), NULL, false, 0,
         "it is not a JSON list of strings: line 1, byte 3: expected nothing after the value, not "
         "'1'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        struct err err = {""};
        uint64_t left_out = 0;
        buf_init(&out, LIMIT);
        bool ok = export_messages(cases[i].list, cases[i].wanted, &out, &left_out, &err);
        char *got = buf_take(&out);
        CHECK_INT(cases[i].list.data, ok, cases[i].ok);
        CHECK_INT(cases[i].list.data, left_out, cases[i].left_out);
        CHECK_TEXT(cases[i].list.data, ok ? got : err.text, cases[i].want);
        free(got);
    }
}

static void content_is_looked_for(void **state)
{
    static const struct {
        struct span message;
        bool want;
    } cases[] = {
        {BYTES("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}"), true},
        {BYTES("{\"choices\":[{\"delta\":{\"content\":\"\"}}]}"), true},
        {BYTES(
             "{\"x\":[{\"y\":[]}],\"choices\":[{\"index\":{\"delta\":1},\"delta\":{\"role\":\"r\","
             "\"content\":\"a\",\"z\":{}},\"more\":[1]},{},[]],\"usage\":{}}"),
         true},
        {BYTES("{\"choices\":[{\"delta\":{\"content\":null}}]}"), false},
        {BYTES("{\"choices\":[{\"delta\":{\"content\":[\"a\"]}}]}"), false},
        {BYTES("{\"choices\":[{\"delta\":{}}]}"), false},
        {BYTES("{\"choices\":[{\"delta\":\"content\"}]}"), false},
        {BYTES("{\"choices\":[{\"message\":{\"content\":\"a\"}}]}"), false},
        {BYTES("{\"choices\":[]}"), false},
        {BYTES("{\"choices\":[{},{\"delta\":{\"content\":\"a\"}}]}"), false},
        {BYTES("{\"choices\":{\"\":{\"delta\":{\"content\":\"a\"}}}}"), false},
        {BYTES("{\"choices\":null}"), false},
        {BYTES("{\"more\":{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}}"), false},
        {BYTES("[[{\"delta\":{\"content\":\"a\"}}]]"), false},
        {BYTES("\"a\""), false},
        {BYTES("[DONE]"), false},
        {BYTES(""), false},
        /* of equal keys Python's json takes the last */
        {BYTES("{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"choices\":[]}"), false},
        {BYTES("{\"choices\":[],\"choices\":[{\"delta\":{\"content\":1,\"content\":\"a\"}}]}"),
         true},
        /* not JSON for Python */
        {BYTES("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]} x"), false},
        {BYTES("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]"), false},
        {BYTES("{\"choices\":[{\"delta\":{\"content\":\"a\"}"), false},
        {BYTES("\xef\xbb\xbf{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}"), false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(cases[i].message.data, export_has_content(cases[i].message), cases[i].want);
}

static void times_of_events(void **state)
{
    static const struct {
        struct span list;
        bool ok;
        uint64_t count;
        double first, before_last, last;
    } cases[] = {
        {.list = BYTES("[]"), .ok = true},
        {.list = BYTES("[5.5]"), .ok = true, .count = 1, .first = 5.5, .last = 5.5},
        {.list = BYTES("[1,2.25]"),
         .ok = true,
         .count = 2,
         .first = 1,
         .before_last = 1,
         .last = 2.25},
        {.list = BYTES("[1,2,4,8]"),
         .ok = true,
         .count = 4,
         .first = 1,
         .before_last = 4,
         .last = 8},
        {.list = BYTES("[1,\"2\"]"), .ok = false},
        {.list = BYTES("1"), .ok = false},
        {.list = BYTES("[1"), .ok = false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct export_chunks chunks;
        struct err err;
        const char *name = cases[i].list.data;
        CHECK_INT(name, export_chunk_times(cases[i].list, &chunks, &err), cases[i].ok);
        if (!cases[i].ok)
            continue;
        CHECK_INT(name, chunks.count, cases[i].count);
        CHECK_INT(name, chunks.first * 100, cases[i].first * 100);
        CHECK_INT(name, chunks.before_last * 100, cases[i].before_last * 100);
        CHECK_INT(name, chunks.last * 100, cases[i].last * 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_becomes_a_pickle),
        cmocka_unit_test(a_long_text_has_its_length),
        cmocka_unit_test(a_number_python_refuses_is_text),
        cmocka_unit_test(a_ceiling_shows),
        cmocka_unit_test(requests),
        cmocka_unit_test(messages),
        cmocka_unit_test(content_is_looked_for),
        cmocka_unit_test(times_of_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
