/* The module `json`: each case is a Lua expression whose value is compared as text. */
#include "fixture.h"

static const struct {
    const char *expression, *want;
} cases[] = {
    /* round trips */
    {"json.encode(json.decode('{\"b\":[1,2.5,-0.1],\"a\":{\"x\":true,\"y\":\"z\"}}'))",
     "{\"a\":{\"x\":true,\"y\":\"z\"},\"b\":[1,2.5,-0.1]}"},
    {"json.encode(json.decode('[]'))", "[]"},
    {"json.encode(json.decode('{}'))", "{}"},
    {"json.encode(json.decode('[[],{},[{}]]'))", "[[],{},[{}]]"},
    {"json.encode(json.decode('\"a\\\\u0000b\\\\n\\\\u00e9\\\\ud83d\\\\ude00\"'))",
     "\"a\\u0000b\\n\303\251\360\237\230\200\""},
    {"json.encode(json.decode(' 5 '))", "5"},
    /* integers are exact */
    {"json.encode(json.decode('[9007199254740993,-9007199254740993,9223372036854775807,"
     "-9223372036854775808,9223372036854775808,18446744073709551615]'))",
     "[9007199254740993,-9007199254740993,9223372036854775807,-9223372036854775808,"
     "9223372036854775808,18446744073709551615]"},
    {"type(json.decode('9007199254740992'))", "number"},
    {"type(json.decode('9007199254740993'))", "cdata"},
    {"type(json.decode('18446744073709551616'))", "number"},
    {"json.encode(json.decode('[1e3,1E-2,123456789012345678901234567890]'))",
     "[1000,0.01,1.2345678901234568e+29]"},
    {"tostring(json.decode('9007199254740993') == 9007199254740993LL)", "true"},
    {"json.encode(json.decode('[-0, -0.0, 0]'))", "[0,-0,0]"}, /* -0 is an integer */
    {"tostring(json.decode('1e400') == math.huge)", "true"},
    {"json.encode{12LL, -1LL, 2^53}", "[12,-1,9007199254740992]"},
    /* null */
    {"json.encode(json.decode('{\"a\":null,\"b\":1}'))", "{\"b\":1}"},
    {"json.encode(json.decode('{\"a\":null}', {null=true}))", "{\"a\":null}"},
    {"json.encode(json.decode('[1,null,3]'))", "[1,null,3]"},
    {"tostring(json.decode('null'))", "nil"},
    {"tostring(json.decode('null', {null=true}) == json.null)", "true"},
    {"#json.decode('[null,null]')", "2"},
    {"json.encode(json.null)", "null"},
    /* marks */
    {"json.encode{}", "{}"},
    {"json.encode(json.array{})", "[]"},
    {"json.encode(json.object{})", "{}"},
    {"json.encode(json.object(json.array{}))", "{}"},
    {"json.encode(json.array{1, json.array{}, {}})", "[1,[],{}]"},
    {"json.encode(setmetatable({a=1}, {__index={b=2}}))", "{\"a\":1}"},
    /* keys */
    {"json.encode{b=1, a=2, aa=3, A=4, ['']=5}", "{\"\":5,\"A\":4,\"a\":2,\"aa\":3,\"b\":1}"},
    {"json.encode{['k\\0']=1}", "{\"k\\u0000\":1}"},
    {"json.encode(json.decode('{\"1\":\"x\",\"2\":\"y\"}'))", "{\"1\":\"x\",\"2\":\"y\"}"},
    {"json.encode(json.decode('{\"a\":1,\"a\":2}'))", "{\"a\":2}"},
    /* invalid UTF-8 and lone surrogates */
    {"json.encode('a\\255b')", "\"a\357\277\275b\""},
    {"json.encode('\\237\\160\\128')", "\"\357\277\275\357\277\275\357\277\275\""},
    {"json.decode('\"\\\\ud83c\"')", "\357\277\275"},
    /* decoding errors are values */
    {"select('#', json.decode('{'))", "2"},
    {"tostring(json.decode('{'))", "nil"},
    {"(select(2, json.decode('[1,]'))):match('^line 1, byte %d+: ') and 'placed'", "placed"},
    {"type(select(2, json.decode('1 2')))", "string"},
    {"type(select(2, json.decode('')))", "string"},
    {"type(select(2, json.decode(('['):rep(5000))))", "string"},
    {"#json.encode(json.decode(('['):rep(100) .. (']'):rep(100)))", "200"},
    /* what is no JSON */
    {"tostring(select(2, pcall(json.encode, print)))", "value: a function cannot be JSON"},
    {"tostring(select(2, pcall(json.encode, {a={b={1, coroutine.create(print)}}})))",
     "value.a.b[2]: a coroutine cannot be JSON"},
    {"tostring(select(2, pcall(json.encode, {1/0})))",
     "value[1]: an infinite number cannot be JSON"},
    {"tostring(select(2, pcall(json.encode, {[true]=1})))",
     "value: a boolean cannot be the name of a field"},
    {"tostring(select(2, pcall(json.encode, {[1.5]=1})))",
     "value: [1.5] cannot be a place in a list"},
    {"tostring(select(2, pcall(json.encode, {[-1]=1})))",
     "value: [-1] cannot be a place in a list"},
    {"tostring(select(2, pcall(json.encode, json.object{1})))",
     "value: a table with list elements and named fields cannot be JSON"},
    {"tostring(select(2, pcall(json.encode, json.array{a=1})))",
     "value: a list (json.array) has the named field a"},
    {"tostring(select(2, pcall(json.encode, nest(200))))", "value.x"},
    {"tostring(select(2, pcall(json.encode, require('ffi').new('int[2]'))))",
     "value: FFI data cannot be JSON"},
    {"tostring(select(2, pcall(json.array, setmetatable({}, {}))))",
     "bad argument #1 to '?' (a table without a metatable is expected)"},
    {"tostring(select(2, pcall(json.decode, 5)))",
     "bad argument #1 to '?' (string expected, got number)"},
};

static void expressions_have_their_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        fixture_init(&fixture, NULL);
        char *text = mem_printf(
            "local json = require('json')\nlocal api = {}\n"
            "local function nest(n) local t = {} for _ = 1, n do t = {x=t} end return t end\n"
            "function api.build_request() local unused = nest return tostring((%s)) end%s%s\n"
            "return api",
            cases[i].expression, API_REST, DATASET_REST);
        struct script *script = fixture_must_open(&fixture, text);
        struct request *request = must_compose(script, 0);
        if (request->fault)
            fail_msg("%s: %s", cases[i].expression, request->fault);
        if (strcmp(cases[i].want, "value.x") == 0)
            check_contains(cases[i].expression, request->body, "nested deeper than 128 levels");
        else
            CHECK_TEXT(cases[i].expression, request->body, cases[i].want);
        request_free(request);
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

static void bad_text_is_said_once(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    fixture_log(&fixture);
    struct script *script = fixture_must_open(
        &fixture, SCRIPT("function api.build_request() return {a='\\255', b='\\254'} end"));
    for (uint64_t i = 0; i < 2; i++)
        request_free(must_compose(script, i));
    script_close(script);
    const char *text = fixture_log_text(&fixture);
    const char *first = strstr(text, "is not valid UTF-8");
    assert_non_null(first);
    assert_null(strstr(first + 1, "is not valid UTF-8"));
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_have_their_values),
        cmocka_unit_test(bad_text_is_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
