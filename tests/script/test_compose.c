/* From the data's items to requests: bodies byte by byte, the merge of options, headers, secrets.
 */
#include "fixture.h"

static const struct {
    const char *name, *words, *script, *body;
} bodies[] = {
    {"keys sorted", "", "function api.build_request(m, o) return {z=1, a=o.model, m=m} end",
     "{\"a\":\"m\",\"m\":[{\"content\":\"p1\",\"role\":\"user\"}],\"z\":1}"},
    {"string as it is", "", "function api.build_request(m) return 'raw ' .. m[1].content end",
     "raw p1"},
    {"options merged",
     "--temperature 0.7 --max-tokens 64 --stop a --stop b --logprobs --seed 9007199254740993",
     "function api.build_request() return {x=true} end",
     "{\"logprobs\":true,\"max_tokens\":64,\"seed\":9007199254740993,\"stop\":[\"a\",\"b\"],"
     "\"temperature\":0.7,\"x\":true}"},
    {"one stop is a list", "--stop a", "function api.build_request() return {} end",
     "{\"stop\":[\"a\"]}"},
    {"digits stay, and Lua reckons with them", "--temperature 0.70 --seed 18446744073709551615",
     "function api.build_request(_, o) return {a=o.seed, b=o.temperature + 1} end",
     "{\"a\":18446744073709551615,\"b\":1.7,\"seed\":18446744073709551615,\"temperature\":0.70}"},
    {"a small seed is a number", "--seed -7",
     "function api.build_request(_, o) return {a=o.seed * 2} end", "{\"a\":-14,\"seed\":-7}"},
    {"what was given beats the script", "--temperature 1",
     "function api.build_request() return {temperature=0.2} end", "{\"temperature\":1}"},
    {"what was not given leaves the script's", "",
     "function api.build_request() return {temperature=0.2} end", "{\"temperature\":0.2}"},
    {"params_at made", "--max-tokens 5",
     "api.params_at='parameters' function api.build_request() return {a=1} end",
     "{\"a\":1,\"parameters\":{\"max_tokens\":5}}"},
    {"params_at nested", "--max-tokens 5",
     "api.params_at='a.b' function api.build_request() return {a={c=1,b={d=2}}} end",
     "{\"a\":{\"b\":{\"d\":2,\"max_tokens\":5},\"c\":1}}"},
    {"params_at without options", "",
     "api.params_at='p' function api.build_request() return {} end", "{\"p\":{}}"},
    {"item max_tokens", "",
     "function api.build_messages() return function() return {prompt='q', max_tokens=3} end end"
     " function api.build_request() return {} end",
     "{\"max_tokens\":3}"},
    {"command line beats the item's max_tokens", "--max-tokens 9",
     "function api.build_messages() return function() return {prompt='q', max_tokens=3} end end"
     " function api.build_request() return {} end",
     "{\"max_tokens\":9}"},
    {"item model", "",
     "function api.build_messages() return function() return {prompt='q', model='other'} end end"
     " function api.build_request(_, o) return {model=o.model} end",
     "{\"model\":\"other\"}"},
    {"item body table", "--max-tokens 9",
     "function api.build_messages() return function() return {body={b=1,a={}}} end end",
     "{\"a\":{},\"b\":1}"},
    {"item body string", "",
     "function api.build_messages() return function() return {body='as\\0is'} end end", "as"},
    {"messages list", "",
     "function api.build_messages() return function() return {{role='system',content='s'},"
     "{role='user',content='u'}} end end",
     "{\"messages\":[{\"content\":\"s\",\"role\":\"system\"},{\"content\":\"u\",\"role\":\"user\"}]"
     "}"},
    {"ctx", "",
     "function api.setup(o) return {k={1,2}} end"
     " function api.build_request(_, o, c) return {i=c.index, s=c.stage, k=c.setup.k,"
     " p=c.prompt.prompt, seed=c.seed < 2^53} end",
     "{\"i\":4,\"k\":[1,2],\"p\":\"p1\",\"s\":0,\"seed\":true}"},
    {"options in Lua", "--max-tokens 5 --stop a --stream",
     "function api.build_request(_, o) return {t=o.max_tokens, alias=o.max_new_tokens, s=o.stop,"
     " r=o.read_timeout, n=o.temperature == nil, f=o.stream, l=o.logprobs == nil, u=o.url} end",
     "{\"alias\":5,\"f\":true,\"l\":true,\"max_tokens\":5,\"n\":true,\"r\":90,\"s\":[\"a\"],"
     "\"stop\":"
     "[\"a\"],\"t\":5,\"u\":\"http://127.0.0.1:1/v1/chat/completions\"}"},
    {"marks", "",
     "local json = require('json') function api.build_request() return {a=json.array{},"
     " o=json.object{}, e={}, n=json.null} end",
     "{\"a\":[],\"e\":{},\"n\":null,\"o\":{}}"},
};

static void bodies_are_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct fixture fixture;
        fixture_init(&fixture, bodies[i].words);
        char *text = mem_printf("local api = {}\n%s%s%s\nreturn api\n", bodies[i].script, API_REST,
                                DATASET_REST);
        struct script *script = fixture_must_open(&fixture, text);
        struct request *request = must_compose(script, 4);
        if (request->fault)
            fail_msg("%s: fault %s", bodies[i].name, request->fault);
        CHECK_TEXT(bodies[i].name, request->body, bodies[i].body);
        request_free(request);
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

/* The script's own table must not gather what was merged into an earlier body. */
static void merging_leaves_the_scripts_tables_alone(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    struct script *script = fixture_must_open(
        &fixture, SCRIPT("api.params_at = 'p'\nlocal same = {p = {}, model = 'x'}\n"
                         "function api.build_request() return same end\n"
                         "function api.build_messages() local n = 0 return function() n = n + 1\n"
                         "if n == 1 then return {prompt='a', max_tokens=3, model='y'} end\n"
                         "if n == 2 then return 'b' end end end"));
    static const char *const wants[] = {"{\"model\":\"y\",\"p\":{\"max_tokens\":3}}",
                                        "{\"model\":\"x\",\"p\":{}}"};
    for (size_t i = 0; i < 2; i++) {
        struct request *request = must_compose(script, i);
        CHECK_TEXT("shared table", request->body, wants[i]);
        request_free(request);
    }
    script_close(script);
    fixture_fini(&fixture);
}

static void bodies_may_hold_nul(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    struct script *script = fixture_must_open(
        &fixture, SCRIPT("function api.build_request() return 'a\\0b', {user='c\\0d'} end"));
    struct request *request = must_compose(script, 0);
    assert_int_equal(request->body_len, 3);
    assert_memory_equal(request->body, "a\0b", 4);
    request_free(request);
    script_close(script);
    fixture_fini(&fixture);
}

static const struct {
    const char *name, *url, *path, *want;
} urls[] = {
    {"only a host", "http://h:1", "/v1/x", "http://h:1/v1/x"},
    {"only a slash", "http://h:1/", "/v1/x", "http://h:1/v1/x"},
    {"a path", "http://h:1/v2", "/v1/x", "http://h:1/v2"},
    {"only a query", "http://h?a=/b", "/v1/x", "http://h/v1/x?a=/b"},
    {"slash and query", "http://h/?a=1", "/v1/x", "http://h/v1/x?a=1"},
    {"no path of the API", "http://h", NULL, "http://h"},
    {"IPv6", "http://[::1]:80", "/p", "http://[::1]:80/p"},
};

static void urls_get_the_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct fixture fixture;
        fixture_init(&fixture, NULL);
        fixture.config.url = urls[i].url;
        char *text = mem_printf("local api = {path = %s%s%s}%s%s return api",
                                urls[i].path ? "'" : "", urls[i].path ? urls[i].path : "nil",
                                urls[i].path ? "'" : "", API_REST, DATASET_REST);
        struct script *script = fixture_must_open(&fixture, text);
        struct request *request = must_compose(script, 0);
        CHECK_TEXT(urls[i].name, request->url, urls[i].want);
        CHECK_TEXT(urls[i].name, request->method, "POST");
        request_free(request);
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

/* Header lines joined by '|'. */
static const struct {
    const char *name, *words, *script, *want;
} headers[] = {
    {"plain", "", "", "Content-Type: application/json"},
    {"bearer by default", "--api-key sk-secret", "",
     "Content-Type: application/json|Authorization: Bearer sk-secret"},
    {"a header's name", "--api-key sk-secret", "api.auth = 'x-api-key'",
     "Content-Type: application/json|x-api-key: sk-secret"},
    {"none", "--api-key sk-secret", "api.auth = 'none'", "Content-Type: application/json"},
    {"the user's wins", "--api-key sk-secret --header authorization:mine --header content-type:t/p",
     "function api.build_request() return 'b', {headers={['Content-TYPE']='s/p', A='1'}} end",
     "content-type: t/p|authorization: mine|A: 1"},
    {"the script's beats the host's", "--api-key sk-secret",
     "function api.build_request() return 'b', {headers={'Authorization: Own x'}} end",
     "Content-Type: application/json|Authorization: Own x"},
    {"name=value", "--header X-A=b:c=d", "", "Content-Type: application/json|X-A: b:c=d"},
    {"without a value", "--header X-A; --header X-B:1 --header x-b; --header content-type;", "",
     "content-type;|X-A;|x-b;"},
    {"a value after all", "--header X-A; --header x-a=1", "",
     "Content-Type: application/json|x-a: 1"},
    {"the hook's word for none", "--header X-A;",
     "function api.given_header(name, value) return name .. '=' .. #value end",
     "Content-Type: application/json|X-A: X-A=0"},
    {"emptied", "--header Content-Type:", "", "Content-Type:"},
    {"the item's", "",
     "function api.build_messages() return function() return {prompt='p', headers={['X-I']='1'}} "
     "end"
     " end",
     "Content-Type: application/json|X-I: 1"},
};

static void headers_have_their_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct fixture fixture;
        fixture_init(&fixture, headers[i].words);
        char *text = mem_printf("local api = {}\n%s%s%s\nreturn api\n", headers[i].script, API_REST,
                                DATASET_REST);
        struct script *script = fixture_must_open(&fixture, text);
        struct request *request = must_compose(script, 0);
        if (request->fault)
            fail_msg("%s: %s", headers[i].name, request->fault);
        struct buf got;
        buf_init(&got, 4096);
        for (size_t k = 0; k < request->headers.count; k++)
            buf_printf(&got, "%s%s", k ? "|" : "", request->headers.items[k]);
        char *joined = buf_take(&got);
        CHECK_TEXT(headers[i].name, joined, headers[i].want);
        free(joined);
        request_free(request);
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

static void given_secrets_are_known(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture,
                 "--api-key sk-12345 --header X-Plain:visible --header X-Auth-Token:t0ken9");
    list_add(&fixture.spec.header, "Authorization: Bearer abcdef");
    struct script *script = fixture_must_open(&fixture, SCRIPT(""));
    static const struct {
        const char *text;
        bool secret;
    } cases[] = {{"sk-12345", true}, {"t0ken9", true}, {"only abcdef", true}, {"visible", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(cases[i].text, secrets_found(fixture.secrets, span_text(cases[i].text)),
                  cases[i].secret);
    script_close(script);
    fixture_fini(&fixture);
}

/* Faults of one request: it is handed out with the reason. */
static const struct {
    const char *name, *words, *script, *part;
} faults[] = {
    {"thrown", "", "function api.build_request()\nerror('no luck') end", "s.lua:3: no luck"},
    {"traceback", "",
     "local function inner() error('deep') end\n"
     "function api.build_request() inner() return 1 end",
     "stack traceback:"},
    {"named", "", "function api.build_request() error('x') end", "build_request: "},
    {"nil", "", "function api.build_request() end",
     "must return the body as a table or a string, not nil"},
    {"function in it", "",
     "function api.build_request() return {messages={{a=1},{content=print}}} end",
     "body.messages[2].content: a function cannot be JSON"},
    {"cycle", "", "function api.build_request() local t = {} t.x = {y=t} return t end",
     ": this table contains itself"},
    {"NaN", "", "function api.build_request() return {a=0/0} end", "body.a: NaN cannot be JSON"},
    {"mixed", "", "function api.build_request() return {1, b=2} end",
     "list elements and named fields such as b"},
    {"holes", "", "function api.build_request() return {l={1,nil,3,nil,5}} end",
     "body.l: a list with holes: 3 elements, the last at 5"},
    {"string with options", "--temperature 1 --stop a",
     "function api.build_request() return 'x' end", "(--stop, --temperature)"},
    {"params_at is no table", "--max-tokens 5",
     "api.params_at='a.b' function api.build_request() return {a={b=3}} end",
     "body.a.b is a number"},
    {"opts in the body", "", "function api.build_request(_, o) return {o=o} end",
     "body.o: a table that only stands for another"},
    {"unknown option", "", "function api.build_request(_, o) return {x=o.max_token} end",
     "no option 'max_token' (did you mean 'max_tokens'?)"},
    {"writing opts", "", "function api.build_request(_, o) o.model = 'x' end",
     "s.lua:2: opts is read-only: 'model' cannot be set"},
    {"second result", "", "function api.build_request() return {}, 5 end",
     "the second result must be a table {url=, method=, headers=, user=}, not a number"},
    {"unknown field of it", "", "function api.build_request() return {}, {header={}} end",
     "unknown field 'header' (did you mean 'headers'?)"},
    {"bad URL", "", "function api.build_request() return {}, {url='/x'} end",
     "'url' is \"/x\"; it must begin with http:// or https://"},
    {"bad method", "", "function api.build_request() return {}, {method='post'} end",
     "'method' is \"post\""},
    {"header with a line end", "",
     "function api.build_request() return {}, {headers={A='b\\r\\nC: d'}} end",
     "the header A holds a line end"},
    {"user is no data", "", "function api.build_request() return {}, {user={f=print}} end",
     "user.f: a function cannot go from one Lua state to another"},
    {"endless recursion", "",
     "local function r() return 1 + r() end function api.build_request() return r() end",
     "stack overflow"}, /* compiled code overflows without saying where */
    {"endless string", "",
     "function api.build_request() local s = 'xxxx' while true do s = s .. s end end",
     "out of memory: the Lua heap may hold 33554432 bytes (--lua-memory)"},
    {"endless table", "",
     "function api.build_request() local t = {} for i = 1, 1e9 do t[i] = {i} end end",
     "out of memory"},
    {"large body", "", "function api.build_request() return ('x'):rep(5e6) end",
     "5000000 bytes, more than --max-request-bytes, 4194304"},
    {"large table", "", "function api.build_request() return {('x'):rep(5e6)} end",
     "body: its JSON is larger than --max-request-bytes, 4194304 bytes"},
    {"error value that is no string", "", "function api.build_request() error({}) end",
     "(the error is a table value)"},
    {"os.exit", "", "function api.build_request() os.exit(0) end",
     "a script cannot end the program"},
};

static void faults_name_hook_and_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct fixture fixture;
        fixture_init(&fixture, faults[i].words);
        fixture.config.memory_limit = (size_t)32 << 20;
        fixture.config.limits.body = (size_t)4 << 20;
        char *text = mem_printf("local api = {}\n%s%s%s\nreturn api\n", faults[i].script, API_REST,
                                DATASET_REST);
        struct script *script = fixture_must_open(&fixture, text);
        for (uint64_t turn = 0; turn < 2; turn++) { /* the state is as good as before */
            struct request *request = must_compose(script, turn);
            if (!request->fault)
                fail_msg("%s: no fault but the body %s", faults[i].name, request->body);
            check_contains(faults[i].name, request->fault, faults[i].part);
            if (strstr(request->fault, ": 0x"))
                fail_msg("%s: an address in %s", faults[i].name, request->fault);
            request_free(request);
        }
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

static void data_ends_and_begins_again(void **state)
{
    (void)state;
    struct fixture fixture;
    struct err err;
    fixture_init(&fixture, NULL);
    struct script *script = fixture_must_open(
        &fixture, SCRIPT("function api.build_request(m) return m[1].content end"));
    for (int pass = 0; pass < 2; pass++) {
        static const char *const wants[] = {"p1", "p2", "p3"};
        for (size_t i = 0; i < 3; i++) {
            struct request *request = must_compose(script, i);
            CHECK_TEXT("item", request->body, wants[i]);
            assert_int_equal(request->index, i);
            request_free(request);
        }
        struct request *none = NULL;
        assert_int_equal(script_next(script, 3, 0, &none, &err), SCRIPT_STEP_END);
        assert_int_equal(script_next(script, 3, 0, &none, &err), SCRIPT_STEP_END);
        assert_null(none);
        assert_true(script_rewind(script, &err));
    }
    script_close(script);
    fixture_fini(&fixture);
}

static void a_prompt_is_one_item(void **state)
{
    (void)state;
    struct fixture fixture;
    struct err err;
    fixture_init(&fixture, "--prompt hello");
    struct script *script = fixture_must_open(&fixture, NULL);
    CHECK_TEXT("dataset", script_facts(script)->dataset_name, "--prompt");
    for (int pass = 0; pass < 2; pass++) {
        struct request *request = must_compose(script, 0), *none = NULL;
        CHECK_TEXT("body", request->body,
                   "{\"messages\":[{\"content\":\"hello\",\"role\":\"user\"}],\"model\":\"m\"}");
        request_free(request);
        assert_int_equal(script_next(script, 1, 0, &none, &err), SCRIPT_STEP_END);
        assert_true(script_rewind(script, &err));
    }
    script_close(script);
    fixture_fini(&fixture);
}

/* The data set's own failures end the data. */
static const struct {
    const char *name, *item, *part;
} bad_items[] = {
    {"a number", "5", "an item must be messages, a string or a table, not a number"},
    {"nothing in it", "{x=1}", "the item has neither messages nor prompt nor body"},
    {"empty messages", "{messages={}}", "'messages' is empty"},
    {"no role", "{{content='x'}}", "messages[1]: 'role' must be a string, not nil"},
    {"prompt is no text", "{prompt=5}", "'prompt' must be a string, not 5"},
    {"list and fields", "{{role='user', content='x'}, max_tokens=3}",
     "cannot have the field 'max_tokens' as well"},
    {"delay", "{prompt='x', delay=-1}",
     "'delay' must be a number of seconds from 0 to 10^9, not -1"},
    {"max_tokens", "{prompt='x', max_tokens=1.5}",
     "'max_tokens' must be a whole number from 0, not 1.5"},
    {"at", "{prompt='x', at=0/0}", "'at' must be a number of seconds from 0 to 10^9, not "},
    {"at since 1970", "{prompt='x', at=1731000000}", "from 0 to 10^9, not 1731000000"},
    {"session", "{prompt='x', session={}}", "'session' must be a string or a number, not a table"},
    {"thrown", "(error('broken row'))", "s.lua:3: broken row"},
};

static void bad_items_end_the_data(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_items / sizeof *bad_items; i++) {
        struct fixture fixture;
        fixture_init(&fixture, NULL);
        char *text = mem_printf("local api = {}\nfunction api.build_messages() local n = 0 return "
                                "function() n = n + 1\n if n == 1 then return 'fine' end return %s "
                                "end end %s return api",
                                bad_items[i].item, API_REST);
        struct script *script = fixture_must_open(&fixture, text);
        request_free(must_compose(script, 0));
        struct request *request = NULL;
        struct err err;
        CHECK_INT(bad_items[i].name, script_next(script, 1, 0, &request, &err), SCRIPT_STEP_FAILED);
        check_contains(bad_items[i].name, err.text, bad_items[i].part);
        check_contains(bad_items[i].name, err.text, "data set 's.lua', item 2: ");
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

static void items_carry_delay_and_seed_is_stable(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    const char *text =
        SCRIPT("function api.build_messages() return function() return {prompt='p', delay=1.5} end "
               "end function api.build_request(_, _, c) return tostring(c.seed) end");
    struct script *script = fixture_must_open(&fixture, text);
    struct request *first = must_compose(script, 0), *second = must_compose(script, 1),
                   *again = must_compose(script, 0);
    assert_int_equal(first->delay_ns, 1500000000);
    CHECK_TEXT("same index, same seed", again->body, first->body);
    assert_string_not_equal(first->body, second->body);
    request_free(first);
    request_free(second);
    request_free(again);
    script_close(script);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_exact),
        cmocka_unit_test(merging_leaves_the_scripts_tables_alone),
        cmocka_unit_test(bodies_may_hold_nul),
        cmocka_unit_test(urls_get_the_path),
        cmocka_unit_test(headers_have_their_order),
        cmocka_unit_test(given_secrets_are_known),
        cmocka_unit_test(faults_name_hook_and_line),
        cmocka_unit_test(data_ends_and_begins_again),
        cmocka_unit_test(a_prompt_is_one_item),
        cmocka_unit_test(bad_items_end_the_data),
        cmocka_unit_test(items_carry_delay_and_seed_is_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
