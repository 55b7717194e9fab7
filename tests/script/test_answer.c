/* Reading answers: ctx, read_event, parse_responses, plain data from one state to another. */
#include <strings.h>

#include "fixture.h"
#include "model/exchange.h"

static struct exchange *exchange_for(struct request *request, int status, const char *headers)
{
    struct exchange *exchange = exchange_new(request, EXCHANGE_HEAD_MOST, 1 << 20);
    exchange->status = status;
    buf_add_text(&exchange->headers, headers);
    return exchange;
}

static struct script *must_open_scorer(struct fixture *fixture, const char *text)
{
    fixture->config.role = SCRIPT_SCORER;
    struct script *script = fixture_must_open(fixture, text);
    fixture->config.role = SCRIPT_COMPOSER;
    return script;
}

/* ---- ctx ---- */

static void ctx_comes_through(void **state)
{
    (void)state;
    struct fixture fixture;
    struct err err;
    fixture_init(&fixture, NULL);
    const char *text = SCRIPT(
        "local json = require('json')\n"
        "local big = json.decode('9007199254740993')\n"
        "local ran = 0\n"
        "function api.setup() ran = ran + 1 return {list={1,2}, big=big, "
        "huge=json.decode('18446744073709551615'), low=json.decode('-9223372036854775808'), "
        "none=json.null, empty=json.array{}, object=json.object{}, yes=true, no=false, half=0.5, "
        "nul='a\\0b', nested={{{}}}, [1]='one'} end\n"
        "function api.build_messages() return function() return {prompt='p', own={1}} end end\n"
        "function api.build_request() return {}, {user={u='v'}} end\n"
        "function api.read_event(data, name, ctx)\n"
        "  if data == 'setup' then ctx.setup[1] = nil return {content=json.encode(ctx.setup), "
        "tokens=ran} end\n"
        "  if data == 'nul' then return {content=ctx.setup.nul} end\n"
        "  ctx.mine = (ctx.mine or '') .. data\n"
        "  ctx.setup = nil\n"
        "  return {content=json.encode(ctx)}\n"
        "end");
    struct script *composer = fixture_must_open(&fixture, text);
    struct script *scorer = must_open_scorer(&fixture, text);
    assert_true(script_set_setup(scorer, script_setup_result(composer), &err));

    struct exchange *exchange = exchange_for(
        must_compose(composer, 5), 207,
        "HTTP/1.1 207 x\r\nX-One:  a \r\nx-one: b\r\nContent-Type: t/p\r\nbroken\r\n\r\n");
    if (!script_answer_begin(scorer, exchange, &err))
        fail_msg("%s", err.text);
    struct delta delta;
    assert_true(script_read_event(scorer, span_text("setup"), span_text(""), &delta, &err));
    assert_int_equal(delta.tokens, 0); /* setup did not run here */
    char *got = mem_copy(delta.content.data, delta.content.len);
    CHECK_TEXT(
        "setup", got,
        "{\"big\":9007199254740993,\"empty\":[],\"half\":0.5,\"huge\":18446744073709551615,"
        "\"list\":[1,2],\"low\":-9223372036854775808,\"nested\":[[{}]],\"no\":false,\"none\":"
        "null,\"nul\":\"a\\u0000b\",\"object\":{},\"yes\":true}");
    free(got);
    assert_true(script_read_event(scorer, span_text("nul"), span_text(""), &delta, &err));
    assert_int_equal(delta.content.len, 3);
    assert_memory_equal(delta.content.data, "a\0b", 3);

    static const char *const wants[] = {"x", "xx"};
    for (size_t i = 0; i < 2; i++) {
        assert_true(script_read_event(scorer, span_text("x"), span_text(""), &delta, &err));
        char *want = mem_printf(
            "{\"body\":\"{}\",\"headers\":{\"content-type\":\"t/p\",\"x-one\":\"a, b\"},\"index\":"
            "5,\"mine\":\"%s\",\"prompt\":{\"own\":[1],\"prompt\":\"p\"},\"seed\":",
            wants[i]);
        got = mem_copy(delta.content.data, delta.content.len);
        check_contains("ctx", got, want);
        check_contains("ctx", got, ",\"stage\":0,\"status\":207,\"user\":{\"u\":\"v\"}}");
        free(want);
        free(got);
    }
    script_answer_end(scorer);
    exchange_free(exchange);

    exchange = exchange_for(must_compose(composer, 6), 200, "");
    assert_true(script_answer_begin(scorer, exchange, &err));
    assert_true(script_read_event(scorer, span_text("y"), span_text(""), &delta, &err));
    got = mem_copy(delta.content.data, delta.content.len);
    check_contains("fresh ctx", got, "\"mine\":\"y\",");
    free(got);
    script_answer_end(scorer);
    exchange_free(exchange);
    script_close(scorer);
    script_close(composer);
    fixture_fini(&fixture);
}

static void the_seed_is_the_same_on_both_sides(void **state)
{
    (void)state;
    struct fixture fixture;
    struct err err;
    fixture_init(&fixture, NULL);
    const char *text =
        SCRIPT("function api.build_request(_, _, c) return tostring(c.seed) end\n"
               "function api.read_event(_, _, c) return {content=tostring(c.seed)} end");
    struct script *composer = fixture_must_open(&fixture, text);
    struct script *scorer = must_open_scorer(&fixture, text);
    struct request *request = must_compose(composer, 12);
    char *body = mem_text(request->body);
    struct exchange *exchange = exchange_for(request, 200, "");
    struct delta delta;
    assert_true(script_answer_begin(scorer, exchange, &err));
    assert_true(script_read_event(scorer, span_text("x"), span_text(""), &delta, &err));
    assert_true(span_equals(delta.content, body));
    free(body);
    exchange_free(exchange);
    script_close(scorer);
    script_close(composer);
    fixture_fini(&fixture);
}

/* ---- read_event ---- */

static const struct {
    const char *name, *hook, *part; /* part of the error */
} wrong[] = {
    {"a string", "return 'x'", "read_event: must return nil or a table, not a string"},
    {"content", "return {content=5}", "'content' must be a string, not 5"},
    {"content null", "return {content=require('json').null}",
     "'content' must be a string, not json.null"},
    {"tokens", "return {tokens=-1}", "'tokens' must be a whole number from 0, not -1"},
    {"tokens half", "return {tokens=1.5}", "'tokens' must be a whole number from 0, not 1.5"},
    {"tokens NaN", "return {tokens=0/0}", "'tokens' must be a whole number from 0"},
    {"tokens huge", "return {tokens=1e300}", "'tokens' must be a whole number from 0"},
    {"index", "return {index='0'}", "'index' must be a whole number from 0, not a string"},
    {"done", "return {done=1}", "'done' must be true or false, not 1"},
    {"usage", "return {usage=5}", "'usage' must be a table, not 5"},
    {"usage field", "return {usage={prompt=-2}}", "'prompt' must be a whole number from 0, not -2"},
    {"usage unknown", "return {usage={prompt_tokens=1}}", "unknown field 'prompt_tokens'"},
    {"unknown", "return {contents='x'}", "unknown field 'contents' (did you mean 'content'?)"},
    {"list", "return {'x'}", "unknown field '[1]'"},
    {"thrown", "\nerror('bad event')", "s.lua:3: bad event\nstack traceback:"},
    {"error with a table", "error({1})", "read_event: (the error is a table value)"},
    {"recursion", "local function r() return 1 + r() end return r()", "stack overflow"},
    {"memory", "local s = 'x' while true do s = s .. s end", "out of memory"},
};

static void wrong_deltas_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fixture fixture;
        struct err err;
        fixture_init(&fixture, NULL);
        fixture.config.memory_limit = (size_t)32 << 20;
        char *text = mem_printf("local api = {}\nfunction api.read_event(data) if data == 'good' "
                                "then return {content='fine'} end %s end %s%s return api",
                                wrong[i].hook, API_REST, DATASET_REST);
        struct script *script = must_open_scorer(&fixture, text);
        struct delta delta;
        if (script_read_event(script, span_text("d"), span_text(""), &delta, &err))
            fail_msg("%s: accepted", wrong[i].name);
        check_contains(wrong[i].name, err.text, wrong[i].part);
        check_contains(wrong[i].name, err.text, "read_event");
        assert_true(script_read_event(script, span_text("good"), span_text(""), &delta, &err));
        assert_true(span_equals(delta.content, "fine"));
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

static void deltas_come_through(void **state)
{
    (void)state;
    struct fixture fixture;
    struct err err;
    fixture_init(&fixture, NULL);
    struct script *script = must_open_scorer(
        &fixture,
        SCRIPT(
            "function api.read_event(data, name)\n"
            "if data == 'nil' then return nil end if data == 'empty' then return {content=''} end\n"
            "return {content='c', reasoning='r', refusal='f', tool='t', finish='s', error='e', "
            "index=3, tokens=4, opening=true, done=true, cumulative=true, "
            "usage={prompt=1, completion=0, cached=5}} end"));
    struct delta delta;
    assert_true(script_read_event(script, span_text("all"), span_text(""), &delta, &err));
    assert_true(delta.understood && delta.opening && delta.done && delta.cumulative);
    assert_true(span_equals(delta.content, "c") && span_equals(delta.reasoning, "r"));
    assert_true(span_equals(delta.refusal, "f") && span_equals(delta.tool, "t"));
    assert_true(span_equals(delta.finish, "s") && span_equals(delta.error, "e"));
    assert_int_equal(delta.index, 3);
    assert_int_equal(delta.tokens, 4);
    assert_true(delta.has_usage);
    assert_int_equal(delta.usage.prompt, 1);
    assert_int_equal(delta.usage.completion, 0);
    assert_int_equal(delta.usage.cached, 5);
    assert_int_equal(delta.usage.reasoning, TOKENS_UNKNOWN);
    assert_true(script_read_event(script, span_text("nil"), span_text(""), &delta, &err));
    assert_false(delta.understood);
    assert_false(delta.has_usage);
    assert_int_equal(delta.tokens, TOKENS_UNKNOWN);
    assert_true(script_read_event(script, span_text("empty"), span_text(""), &delta, &err));
    assert_true(delta.understood);
    assert_null(delta.content.data);
    script_close(script);
    fixture_fini(&fixture);
}

static void without_the_hook_events_are_content(void **state)
{
    (void)state;
    struct fixture fixture;
    struct err err;
    fixture_init(&fixture, NULL);
    struct script *script =
        must_open_scorer(&fixture, SCRIPT("api.end_marker = 'data: [DONE]\\n\\n'"));
    struct delta delta;
    assert_false(script_facts(script)->has_read_event);
    assert_true(script_read_event(script, span_text("abc"), span_text(""), &delta, &err));
    assert_true(delta.understood && span_equals(delta.content, "abc") && !delta.done);
    assert_true(script_read_event(script, span_text(""), span_text(""), &delta, &err));
    assert_true(!delta.understood && !delta.content.data);
    assert_true(script_read_event(script, span_text("[DONE]"), span_text(""), &delta, &err));
    assert_true(delta.done && !delta.content.data);
    assert_true(script_read_event(script, span_text("oh"), span_text("error"), &delta, &err));
    assert_true(span_equals(delta.error, "oh") && !delta.content.data);
    script_close(script);
    fixture_fini(&fixture);
}

/* ---- parse_responses ---- */

static const struct {
    const char *name, *hook, *body;
    int64_t prompt, completion;
    const char *part; /* of the error; NULL = none */
} counts[] = {
    {"both", "return 3, 0", "{}", 3, 0, NULL},
    {"none", "return", "{}", -1, -1, NULL},
    {"nils", "return nil, 5", "{}", -1, 5, NULL},
    {"from the payloads", "return #r, #r[2]", "{}", 2, 3, NULL},
    {"from the request", "return q.a[2], type(q) == 'table' and 1 or 0", "{\"a\":[1,7]}", 7, 1,
     NULL},
    {"a request that is no JSON", "return #q, type(q) == 'string' and 1 or 0", "abc", 3, 1, NULL},
    {"negative", "return -1", "{}", 0, 0,
     "prompt_tokens must be a whole number from 0 or nil, not -1"},
    {"text", "return 1, '2'", "{}", 0, 0,
     "completion_tokens must be a whole number from 0 or nil, not a string"},
    {"three", "return 1, 2, 3", "{}", 0, 0,
     "must return prompt_tokens, completion_tokens, not 3 values"},
    {"thrown", "\nerror('count')", "{}", 0, 0, "s.lua:3: count"},
};

static void counts_are_checked(void **state)
{
    (void)state;
    static const struct span payloads[] = {{"a", 1}, {"b\0c", 3}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct fixture fixture;
        struct err err;
        fixture_init(&fixture, NULL);
        char *text = mem_printf("local api = {}\nfunction api.parse_responses(r, q, c) %s end "
                                "%s%s return api",
                                counts[i].hook, API_REST, DATASET_REST);
        struct script *script = must_open_scorer(&fixture, text);
        int64_t prompt = 99, completion = 99;
        bool ok = script_parse_responses(script, payloads, 2, span_text(counts[i].body), &prompt,
                                         &completion, &err);
        if (ok != !counts[i].part)
            fail_msg("%s: %s", counts[i].name, ok ? "accepted" : err.text);
        if (ok) {
            CHECK_INT(counts[i].name, prompt, counts[i].prompt);
            CHECK_INT(counts[i].name, completion, counts[i].completion);
        } else {
            check_contains(counts[i].name, err.text, counts[i].part);
            check_contains(counts[i].name, err.text, "parse_responses: ");
            CHECK_INT(counts[i].name, prompt, TOKENS_UNKNOWN);
            CHECK_INT(counts[i].name, completion, TOKENS_UNKNOWN);
        }
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

/* One event may carry several choices. */
static void choices_come_one_after_another(void **state)
{
    (void)state;
    static const struct {
        const char *name, *hook;
        size_t more;
        const char *texts[3]; /* or the error of that one */
    } cases[] = {
        {"one", "return {content='a'}", 0, {"a"}},
        {"a list of one", "return {{content='a'}}", 0, {"a"}},
        {"three",
         "return {{content='a'}, {content='b', index=1}, {content='c'}}",
         2,
         {"a", "b", "c"}},
        {"no table", "return {{content='a'}, 5}", 1, {"a", "its result[2] must be a table"}},
        {"a wrong field",
         "return {{content='a'}, {contnt='b'}}",
         1,
         {"a", "unknown field 'contnt' (did you mean 'content'?)"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        struct err err;
        struct delta first, delta;
        fixture_init(&fixture, NULL);
        char *text = mem_printf(SCRIPT("function api.read_event() %s end"), cases[i].hook);
        struct script *script = must_open_scorer(&fixture, text);
        if (!script_read_event(script, span_text("x"), span_text(""), &first, &err))
            fail_msg("%s: %s", cases[i].name, err.text);
        CHECK_INT(cases[i].name, first.more, cases[i].more);
        assert_true(span_equals(first.content, cases[i].texts[0]));
        for (size_t k = 1; k <= first.more; k++) {
            bool ok = script_read_more(script, k, &delta, &err);
            char *got = ok ? mem_copy(delta.content.data, delta.content.len) : mem_text(err.text);
            check_contains(cases[i].name, got, cases[i].texts[k]);
            CHECK_INT(cases[i].name, delta.index, k == 1 && cases[i].more == 2);
            free(got);
        }
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ctx_comes_through),
        cmocka_unit_test(the_seed_is_the_same_on_both_sides),
        cmocka_unit_test(wrong_deltas_are_named),
        cmocka_unit_test(deltas_come_through),
        cmocka_unit_test(without_the_hook_events_are_content),
        cmocka_unit_test(counts_are_checked),
        cmocka_unit_test(choices_come_one_after_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
