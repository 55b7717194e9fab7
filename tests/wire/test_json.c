#include "check.h"

#include "base/rng.h"
#include "json_cjson.h"
#include "json_log.h"

#define TEXT(literal)                                                                              \
    {                                                                                              \
        .data = (literal), .len = sizeof(literal) - 1                                              \
    }
#define FFFD "\xef\xbf\xbd"

enum { LIMIT = 1 << 20 };

/* ---- reading: whole, and in pieces cut at every byte ---- */

static const struct {
    struct span in;
    size_t limit; /* of one text when read in pieces; 0 = LIMIT */
    const char *want;
} documents[] = {
    {.in = TEXT("null"), .want = "null ."},
    {.in = TEXT(" true\n"), .want = "true ."},
    {.in = TEXT("\t\r\n false "), .want = "false ."},
    {.in = TEXT("0"), .want = "0 ."},
    {.in = TEXT("-0"), .want = "-0 ."},
    {.in = TEXT("-12.50e+07"), .want = "-12.50e+07 ."},
    {.in = TEXT("1E400 "), .want = "1E400 ."},
    {.in = TEXT("123456789012345678901234567890"), .want = "123456789012345678901234567890 ."},
    {.in = TEXT("\"\""), .want = "s\"\" ."},
    {.in = TEXT("\"a b\""), .want = "s\"a b\" ."},
    {.in = TEXT("\"\xe4\xb8\x96\xf0\x9f\x98\x80\xc3\xa9\x7f\""),
     .want = "s\"\xe4\xb8\x96\xf0\x9f\x98\x80\xc3\xa9\x7f\" ."},
    {.in = TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), .want = "s\"\\\"\\\\/\\b\\f\\n\\r\\t\" ."},
    {.in = TEXT("\"\\u0041\\u00e9\\u4E16x\\u0000y\""),
     .want = "s\"A\xc3\xa9\xe4\xb8\x96x\\u0000y\" ."},
    {.in = TEXT("\"\\ud83d\\ude00\\uD83D\\uDE00\""),
     .want = "s\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\" ."},
    {.in = TEXT("\"\\udbff\\udfff\\ud800\\udc00\""),
     .want = "s\"\xf4\x8f\xbf\xbf\xf0\x90\x80\x80\" ."},
    {.in = TEXT("[]"), .want = "[ ] ."},
    {.in = TEXT("{}"), .want = "{ } ."},
    {.in = TEXT(" [ ] "), .want = "[ ] ."},
    {.in = TEXT("[1,\"a\",[],{},null]"), .want = "[ 1 s\"a\" [ ] { } null ] ."},
    {.in = TEXT("{\"a\":1,\"b\":{\"c\":[true,false]},\"\":-1.5}"),
     .want = "{ k\"a\" 1 k\"b\" { k\"c\" [ true false ] } k\"\" -1.5 } ."},
    {.in = TEXT("{ \"a\" : 1 ,\n\"a\" : 2 }"), .want = "{ k\"a\" 1 k\"a\" 2 } ."},
    {.in = TEXT("{\"k\\u0000\\n\":0}"), .want = "{ k\"k\\u0000\\n\" 0 } ."},
    {.in = TEXT("\xef\xbb\xbf[1]"), .want = "[ 1 ] ."},

    /* replaced, and counted */
    {.in = TEXT("\"\\ud83c\""), .want = "s\"" FFFD "\" . replaced 1"},
    {.in = TEXT("\"\\udffdx\""), .want = "s\"" FFFD "x\" . replaced 1"},
    {.in = TEXT("\"a\\ud83cb\""), .want = "s\"a" FFFD "b\" . replaced 1"},
    {.in = TEXT("\"\\ud83c\\n\""), .want = "s\"" FFFD "\\n\" . replaced 1"},
    {.in = TEXT("\"\\ud83c\\u0041\""), .want = "s\"" FFFD "A\" . replaced 1"},
    {.in = TEXT("\"\\ud83c\\ud83d\\ude00\""), .want = "s\"" FFFD "\xf0\x9f\x98\x80\" . replaced 1"},
    {.in = TEXT("\"\\ude00\\ud83d\""), .want = "s\"" FFFD FFFD "\" . replaced 2"},
    {.in = TEXT("\"\\ud83c\xc3\xa9\""), .want = "s\"" FFFD "\xc3\xa9\" . replaced 1"},
    {.in = TEXT("\"a\xff"
                "b\""),
     .want = "s\"a" FFFD "b\" . replaced 1"},
    {.in = TEXT("\"\xe4\xb8\""), .want = "s\"" FFFD "\" . replaced 1"},
    {.in = TEXT("\"\xf0\x9f\x98x\""), .want = "s\"" FFFD "x\" . replaced 1"},
    {.in = TEXT("\"\xe4\xb8\xe4\xb8\x96\""), .want = "s\"" FFFD "\xe4\xb8\x96\" . replaced 1"},
    {.in = TEXT("\"\x80\xbf\""), .want = "s\"" FFFD FFFD "\" . replaced 2"},
    {.in = TEXT("\"\xc0\xaf\""), .want = "s\"" FFFD FFFD "\" . replaced 2"},
    {.in = TEXT("\"\xe0\x9f\xbf\""), .want = "s\"" FFFD FFFD FFFD "\" . replaced 3"},
    {.in = TEXT("\"\xed\xa0\x80\""), .want = "s\"" FFFD FFFD FFFD "\" . replaced 3"},
    {.in = TEXT("\"\xf4\x90\x80\x80\""), .want = "s\"" FFFD FFFD FFFD FFFD "\" . replaced 4"},
    {.in = TEXT("\"\xf0\x80\x80\x80\""), .want = "s\"" FFFD FFFD FFFD FFFD "\" . replaced 4"},
    {.in = TEXT("{\"\\udc00\":\"\xc3\"}"), .want = "{ k\"" FFFD "\" s\"" FFFD "\" } . replaced 2"},

    /* texts at and over the ceiling */
    {.in = TEXT("[\"abcd\",1234]"), .limit = 4, .want = "[ s\"abcd\" 1234 ] ."},

    /* rejected */
    {.in = TEXT(""), .want = "! line 1, byte 0: expected a value, not the end of the input"},
    {.in = TEXT(" \n "), .want = "! line 2, byte 3: expected a value, not the end of the input"},
    {.in = TEXT("nul"), .want = "! line 1, byte 3: expected null, not the end of the input"},
    {.in = TEXT("trux"), .want = "! line 1, byte 3: expected true, not 'x'"},
    {.in = TEXT("True"), .want = "! line 1, byte 0: expected a value, not 'T'"},
    {.in = TEXT("NaN"), .want = "! line 1, byte 0: expected a value, not 'N'"},
    {.in = TEXT("truefalse"),
     .want = "true ! line 1, byte 4: expected nothing after the value, not 'f'"},
    {.in = TEXT("1 2"), .want = "1 ! line 1, byte 2: expected nothing after the value, not '2'"},
    {.in = TEXT("01"), .want = "0 ! line 1, byte 1: expected nothing after the value, not '1'"},
    {.in = TEXT("+1"), .want = "! line 1, byte 0: expected a value, not '+'"},
    {.in = TEXT(".5"), .want = "! line 1, byte 0: expected a value, not '.'"},
    {.in = TEXT("-"), .want = "! line 1, byte 1: expected a digit, not the end of the input"},
    {.in = TEXT("-a"), .want = "! line 1, byte 1: expected a digit, not 'a'"},
    {.in = TEXT("1."), .want = "! line 1, byte 2: expected a digit, not the end of the input"},
    {.in = TEXT("[1.e5]"), .want = "[ ! line 1, byte 3: expected a digit, not 'e'"},
    {.in = TEXT("1e"), .want = "! line 1, byte 2: expected a digit, not the end of the input"},
    {.in = TEXT("1e+"), .want = "! line 1, byte 3: expected a digit, not the end of the input"},
    {.in = TEXT("0x10"), .want = "0 ! line 1, byte 1: expected nothing after the value, not 'x'"},
    {.in = TEXT("\"a"), .want = "! line 1, byte 2: the input ends inside a string"},
    {.in = TEXT("\"a\xe4\xb8"),
     .want = "! line 1, byte 4: the input ends inside a string replaced 1"},
    {.in = TEXT("\"a\nb\""), .want = "! line 1, byte 2: byte 0x0a inside a string must be escaped"},
    {.in = TEXT("\"\0\""), .want = "! line 1, byte 1: byte 0x00 inside a string must be escaped"},
    {.in = TEXT("\"\\x41\""),
     .want = "! line 1, byte 2: expected one of \"\\/bfnrtu after a backslash, not 'x'"},
    {.in = TEXT("\"\\\0\""),
     .want = "! line 1, byte 2: expected one of \"\\/bfnrtu after a backslash, not byte 0x00"},
    {.in = TEXT("\"\\u12g4\""),
     .want = "! line 1, byte 5: expected four hexadecimal digits after \\u, not 'g'"},
    {.in = TEXT("\"\\u123\""),
     .want = "! line 1, byte 6: expected four hexadecimal digits after \\u, not '\"'"},
    {.in = TEXT("'a'"), .want = "! line 1, byte 0: expected a value, not '''"},
    {.in = TEXT("["), .want = "[ ! line 1, byte 1: expected a value, not the end of the input"},
    {.in = TEXT("[1"),
     .want = "[ 1 ! line 1, byte 2: expected ',' or ']', not the end of the input"},
    {.in = TEXT("[1,]"), .want = "[ 1 ! line 1, byte 3: expected a value, not ']'"},
    {.in = TEXT("[,1]"), .want = "[ ! line 1, byte 1: expected a value, not ','"},
    {.in = TEXT("[1 2]"), .want = "[ 1 ! line 1, byte 3: expected ',' or ']', not '2'"},
    {.in = TEXT("[1}"), .want = "[ 1 ! line 1, byte 2: expected ',' or ']', not '}'"},
    {.in = TEXT("]"), .want = "! line 1, byte 0: expected a value, not ']'"},
    {.in = TEXT("{1:2}"), .want = "{ ! line 1, byte 1: expected a key in quotes, not '1'"},
    {.in = TEXT("{a:2}"), .want = "{ ! line 1, byte 1: expected a key in quotes, not 'a'"},
    {.in = TEXT("{\"a\"}"), .want = "{ k\"a\" ! line 1, byte 4: expected ':', not '}'"},
    {.in = TEXT("{\"a\":}"), .want = "{ k\"a\" ! line 1, byte 5: expected a value, not '}'"},
    {.in = TEXT("{\"a\":1,}"),
     .want = "{ k\"a\" 1 ! line 1, byte 7: expected a key in quotes, not '}'"},
    {.in = TEXT("{\n\"a\": 1\n\"b\": 2}"),
     .want = "{ k\"a\" 1 ! line 3, byte 9: expected ',' or '}', not '\"'"},
    {.in = TEXT("{\"a\":1]"), .want = "{ k\"a\" 1 ! line 1, byte 6: expected ',' or '}', not ']'"},
    {.in = TEXT("[1]]"),
     .want = "[ 1 ] ! line 1, byte 3: expected nothing after the value, not ']'"},
    {.in = TEXT("1\0"),
     .want = "1 ! line 1, byte 1: expected nothing after the value, not byte 0x00"},
    {.in = TEXT("1 \xc2\xa0"),
     .want = "1 ! line 1, byte 2: expected nothing after the value, not byte 0xc2"},
    {.in = TEXT("/**/1"), .want = "! line 1, byte 0: expected a value, not '/'"},
    {.in = TEXT("\f1"), .want = "! line 1, byte 0: expected a value, not byte 0x0c"},
    {.in = TEXT("\xef\xbb\xbf"),
     .want = "! line 1, byte 3: expected a value, not the end of the input"},
    {.in = TEXT("\xef\xbb\xbf\xef\xbb\xbf"
                "1"),
     .want = "! line 1, byte 3: expected a value, not byte 0xef"},
    {.in = TEXT("\xef\xbb"
                "1"),
     .want = "! line 1, byte 2: expected a value or a whole byte-order mark, not '1'"},
};

static void check_log(struct span in, const char *how, size_t cut, struct buf *log,
                      const char *want)
{
    char *got = buf_take(log);
    if (strcmp(got, want) != 0)
        fail_msg("%.*s, %s %zu: got\n%s\nwant\n%s", (int)in.len, in.data, how, cut, got, want);
    free(got);
}

static void test_documents(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        struct span in = documents[i].in;
        size_t limit = documents[i].limit ? documents[i].limit : LIMIT;
        struct buf log;
        buf_init(&log, SIZE_MAX);
        json_log_whole(&log, in);
        check_log(in, "whole", 0, &log, documents[i].want);
        for (size_t cut = 0; cut <= in.len; cut++) {
            json_log_cut(&log, in, cut, limit);
            check_log(in, "cut at", cut, &log, documents[i].want);
        }
    }
}

static void test_text_limit(void **state)
{
    (void)state;
    static const struct span texts[] = {
        TEXT("[\"abcd\", \"abcde\", 1]"),    TEXT("[\"abcd\", 12345, 1]"),
        TEXT("[\"abcd\", {\"abcde\": 1}]"),  TEXT("[\"abcd\", \"ab\\ncde\", 1]"),
        TEXT("[\"abcd\", \"\xff\xff\", 1]"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t cut = 0; cut <= texts[i].len; cut++) {
            struct buf log;
            buf_init(&log, SIZE_MAX);
            json_log_cut(&log, texts[i], cut, 4);
            char *got = buf_take(&log);
            if (strncmp(got, "[ s\"abcd\" ", 10) != 0 || !strstr(got, "than the limit of 4 bytes"))
                fail_msg("%s, cut at %zu: got %s", texts[i].data, cut, got);
            free(got);
        }
}

/* ---- depth, skipping, borrowing ---- */

static void nest(struct buf *text, const char *open, const char *close, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        buf_add_text(text, open);
    buf_add_text(text, "1");
    for (unsigned i = 0; i < depth; i++)
        buf_add_text(text, close);
}

static void test_depth(void **state)
{
    (void)state;
    static const struct {
        const char *open, *close;
        unsigned depth;
        const char *error;
    } cases[] = {
        {"[", "]", JSON_MAX_DEPTH, ""},
        {"{\"a\":", "}", JSON_MAX_DEPTH, ""},
        {"[", "]", JSON_MAX_DEPTH + 1,
         "line 1, byte 512: more than 512 values are nested in each other"},
        {"[{\"a\":", "}]", JSON_MAX_DEPTH,
         "line 1, byte 1536: more than 512 values are nested in each other"},
        {"[", "", 1000000, "line 1, byte 512: more than 512 values are nested in each other"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf text;
        buf_init(&text, SIZE_MAX);
        nest(&text, cases[i].open, cases[i].close, cases[i].depth);
        struct json json;
        json_init(&json, text.data, text.len);
        enum json_token token;
        while ((token = json_next(&json)) != JSON_END && token != JSON_ERROR)
            ;
        CHECK_TEXT(cases[i].open, json_error(&json), cases[i].error);
        CHECK_INT(cases[i].open, json_next(&json), token); /* both are final */
        json_fini(&json);
        buf_fini(&text);
    }
}

static void test_skip(void **state)
{
    (void)state;
    struct span text = TEXT("{\"a\":{\"b\":[1,{}]},\"c\":[],\"d\":2}");
    struct buf log;
    buf_init(&log, SIZE_MAX);
    struct json json;
    json_init(&json, text.data, text.len);
    enum json_token token;
    do {
        token = json_next(&json);
        json_log_token(&log, &json, token);
        if (json.depth > 1 || token != JSON_OBJECT_BEGIN)
            assert_true(json_skip(&json)); /* or there is nothing to skip */
    } while (token != JSON_END);
    json_fini(&json);
    check_log(text, "skipping", 0, &log, "{ k\"a\" { k\"c\" [ k\"d\" 2 } .");

    json_init(&json, "[[1,]]", 6);
    json_next(&json);
    assert_false(json_skip(&json));
    CHECK_TEXT("skip", json_error(&json), "line 1, byte 4: expected a value, not ']'");
    assert_false(json_skip(&json));
    json_fini(&json);

    json_init(&json, "[[1],2] ", 8);
    json_next(&json);
    assert_true(json_skip(&json));
    assert_true(json_skip(&json)); /* its END is the last token now */
    CHECK_INT("offset", json_offset(&json), 7);
    CHECK_INT("after the skip", json_next(&json), JSON_END);
    CHECK_INT("offset", json_offset(&json), 8);
    json_fini(&json);
}

static void test_borrows(void **state)
{
    (void)state;
    static const char text[] = "[\"abc\xe4\xb8\x96\",\"a\\n\",12]";
    static const bool borrowed[] = {true, false, true};
    struct json json;
    json_init(&json, text, sizeof text - 1);
    json_next(&json);
    for (size_t i = 0; i < sizeof borrowed / sizeof *borrowed; i++) {
        json_next(&json);
        CHECK_INT("borrowed", json.text.data >= text && json.text.data < text + sizeof text,
                  borrowed[i]);
    }
    json_fini(&json);
}

/* ---- against cJSON ---- */

static void add_space(struct buf *out, struct rng *rng)
{
    static const char *const spaces[] = {"", "", "", " ", "\n", "\t", "\r\n  "};
    buf_add_text(out, spaces[rng_below(rng, sizeof spaces / sizeof *spaces)]);
}

static void add_string(struct buf *out, struct rng *rng)
{
    static const char *const parts[] = {"a",
                                        " b c",
                                        "\\n",
                                        "\\\"",
                                        "\\\\",
                                        "\\/",
                                        "\\u00e9",
                                        "\\ud83d\\ude00",
                                        "\xe4\xb8\x96",
                                        "\xf0\x9f\x98\x80",
                                        "{",
                                        "]",
                                        ","};
    buf_add_char(out, '"');
    for (uint64_t n = rng_below(rng, 6); n > 0; n--)
        buf_add_text(out, parts[rng_below(rng, sizeof parts / sizeof *parts)]);
    buf_add_char(out, '"');
}

static void add_number(struct buf *out, struct rng *rng)
{
    long long whole = (long long)(rng_u64(rng) >> (1 + rng_below(rng, 63)));
    buf_printf(out, "%s%lld", rng_below(rng, 2) ? "-" : "", whole);
    if (rng_below(rng, 2))
        buf_printf(out, ".%04u", (unsigned)rng_below(rng, 10000));
    if (rng_below(rng, 3) == 0)
        buf_printf(out, "%s%u", rng_below(rng, 2) ? "E-" : "e+", (unsigned)rng_below(rng, 320));
}

static void add_value(struct buf *out, struct rng *rng, unsigned depth)
{
    static const char *const words[] = {"true", "false", "null"};
    uint64_t kind = rng_below(rng, depth < 6 ? 8 : 4);
    add_space(out, rng);
    if (kind < 2) {
        add_string(out, rng);
    } else if (kind == 2) {
        add_number(out, rng);
    } else if (kind == 3) {
        buf_add_text(out, words[rng_below(rng, 3)]);
    } else {
        bool object = kind < 6;
        buf_add_char(out, object ? '{' : '[');
        for (uint64_t n = rng_below(rng, 5); n > 0; n--) {
            add_space(out, rng);
            if (object) {
                add_string(out, rng);
                add_space(out, rng);
                buf_add_char(out, ':');
            }
            add_value(out, rng, depth + 1);
            if (n > 1)
                buf_add_char(out, ',');
        }
        add_space(out, rng);
        buf_add_char(out, object ? '}' : ']');
    }
    add_space(out, rng);
}

static void test_as_cjson(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 3);
    for (int i = 0; i < 5000; i++) {
        struct buf text;
        buf_init(&text, SIZE_MAX);
        add_value(&text, &rng, 0);
        buf_add_char(&text, '\0');
        cJSON *root = cJSON_ParseWithLengthOpts(text.data, text.len, NULL, true);
        if (!root)
            fail_msg("cJSON rejects %s", text.data);
        struct json json;
        json_init(&json, text.data, text.len - 1);
        if (!same_document(&json, root))
            fail_msg("another tree, or \"%s\", for %s", json_error(&json), text.data);
        json_fini(&json);
        cJSON_Delete(root);

        /* and in single bytes the same tokens */
        struct buf whole, cut;
        buf_init(&whole, SIZE_MAX);
        buf_init(&cut, SIZE_MAX);
        struct span span = span_of(text.data, text.len - 1);
        json_log_whole(&whole, span);
        json_log_cut(&cut, span, 0, LIMIT);
        buf_add_char(&whole, '\0');
        check_log(span, "bytes", 0, &cut, whole.data);
        buf_fini(&whole);
        buf_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents), cmocka_unit_test(test_text_limit),
        cmocka_unit_test(test_depth),     cmocka_unit_test(test_skip),
        cmocka_unit_test(test_borrows),   cmocka_unit_test(test_as_cjson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
