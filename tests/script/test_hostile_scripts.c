/* Scripts that do their worst: what they do comes back as an error, what they return passes intact
 * or is refused by a sentence, and the state serves the next call. Run under sanitizers. */
#include <math.h>

#include "fixture.h"
#include "model/exchange.h"

enum { MEMORY = 32 << 20 };

static void hostile_init(struct fixture *fixture)
{
    fixture_init(fixture, NULL);
    fixture->config.memory_limit = MEMORY;
}

static bool has_any(const char *text, const char *parts)
{
    char *copy = mem_text(parts), *rest = NULL;
    bool found = false;
    for (char *part = strtok_r(copy, "|", &rest); part; part = strtok_r(NULL, "|", &rest))
        found = found || strstr(text, part);
    free(copy);
    return found;
}

static void check_any(const char *name, const char *text, const char *parts)
{
    if (!has_any(text, parts))
        fail_msg("%s: got \"%.300s\", which lacks any of \"%s\"", name, text, parts);
}

/* ---- what a script does ---- */

/* The body of a function; `error`: fragments of which the message holds one, NULL = it succeeds. */
static const struct deed {
    const char *name, *body, *error;
} deeds[] = {
    {"recursion", "local function r() return 1 + r() end r()", "stack overflow"},
    {"recursion by pcall", "local function r() local _, e = pcall(r) error(e, 0) end r()",
     "stack overflow|error in error handling"},
    {"recursion by gsub", "local function r() ('x'):gsub('x', r) end r()", "stack overflow"},
    {"recursion by sort",
     "local function r() table.sort({3, 2, 1}, function(a, b) r() return a < b end) end r()",
     "stack overflow"},
    {"recursion by coroutines", "local function r() coroutine.wrap(r)() end r()",
     "stack overflow|out of memory|not enough memory"},
    {"recursion by require",
     "package.loaders = {function(n) return function() require(n .. 'x') end end} require('a')",
     "stack overflow"},
    {"recursion by load", "local function r() loadstring('return ...')(r()) return 1 end r()",
     "stack overflow"},
    {"__index that asks itself",
     "local t = setmetatable({}, {__index = function(t, k) return t[k] end}) return t.x",
     "stack overflow"},
    {"__index in a ring", "local t = {} setmetatable(t, {__index = t}) return t.x", "loop"},
    {"__newindex in a ring", "local t = {} setmetatable(t, {__newindex = t}) t.x = 1", "loop"},
    {"__call in a ring", "local t = {} setmetatable(t, {__call = t}) t()",
     "attempt to call|stack overflow"},
    {"__tostring that asks itself",
     "local t = setmetatable({}, {__tostring = function(t) return tostring(t) .. '' end}) "
     "tostring(t)",
     "stack overflow"},
    {"__eq that asks itself",
     "local m = {} m.__eq = function(a, b) return a == b end "
     "return setmetatable({}, m) == setmetatable({}, m)",
     "stack overflow"},
    {"__concat that asks itself",
     "local t = setmetatable({}, {__concat = function(a, b) return a .. b end}) return t .. 'x'",
     "stack overflow"},
    {"a pattern too deep", "('x'):rep(300000):find(('x?'):rep(300000))", "pattern too complex"},
    {"too many captures", "('a'):rep(100):find(('(a)'):rep(100))", "too many captures"},
    {"an unfinished pattern", "('a'):find('[a')", "malformed pattern"},

    {"an error that is nil", "error(nil)", "nil"},
    {"an error that is a table", "error({})", "table value"},
    {"an error that is a function", "error(print)", "function value"},
    {"an error that is a coroutine", "error(coroutine.create(print))", "thread value"},
    {"an error that is a number", "error(12)", "12"},
    {"an error that is binary", "error('a\\0b\\255\\254')", "a"},
    {"an error of a megabyte", "error(('x'):rep(1e6))", "xxx"},
    {"an error whose __tostring fails",
     "error(setmetatable({}, {__tostring = function() error('worse') end}))",
     "error in error handling|worse|out of memory|C++"},
    {"an error whose __tostring is no text",
     "error(setmetatable({}, {__tostring = function() return {} end}))", "error"},
    {"an error whose __tostring recurs",
     "error(setmetatable({}, {__tostring = function(t) return tostring(t) .. '' end}))",
     "error|stack overflow"},
    {"an error whose __tostring throws itself",
     "error(setmetatable({}, {__tostring = function(t) error(t) end}))", "error"},
    {"a handler that fails",
     "local _, e = xpcall(error, function() error('again') end, 'x') error(e)",
     "error in error handling|again|nil"},
    {"a handler that recurs",
     "local function r() return 1 + r() end local _, e = xpcall(r, r) error(tostring(e))",
     "error in error handling|stack overflow"},
    {"a traceback after an overflow",
     "local function r() return 1 + r() end local _, e = xpcall(r, debug.traceback) error(e, 0)",
     "stack overflow"},
    {"a traceback of a coroutine",
     "local c = coroutine.create(function() error('inner') end) coroutine.resume(c) "
     "error(debug.traceback(c, 'traced'))",
     "traced"},

    {"a table without end", "local t = {} while true do t[#t + 1] = {} end", "out of memory"},
    {"names without end", "local t, i = {}, 0 while true do i = i + 1 t['n' .. i] = i end",
     "out of memory"},
    {"a string without end", "local s = 'x' while true do s = s .. s end", "out of memory"},
    {"closures without end", "local f while true do local g = f f = function() return g end end",
     "out of memory"},
    {"coroutines without end", "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
     "out of memory"},
    {"a string of a gigabyte", "('x'):rep(1e9)", "out of memory"},
    {"a list joined without end",
     "local t = {} for i = 1, 1e6 do t[i] = ('x'):rep(100) end return table.concat(t)",
     "out of memory"},
    {"memory without end, caught",
     "local ok, e = pcall(function() local t = {} while true do t[#t + 1] = {} end end) error(e)",
     "not enough memory|out of memory"},
    {"memory without end, caught again and again",
     "for i = 1, 20 do pcall(function() local s = 'x' while true do s = s .. s end end) end "
     "error('came here')",
     "came here"},
    {"memory without end, uncollected", "collectgarbage('stop') while true do local t = {} end",
     "out of memory"},
    {"memory without end in a handler",
     "xpcall(error, function() local s = 'x' while true do s = s .. s end end) error('after')",
     "after|out of memory"},
    {"code without end", "loadstring('return ' .. ('{'):rep(1e6))() ",
     "attempt to call|levels|memory"},
    {"json of too much",
     "local j = require('json') local t = {} for i = 1, 20 do t[i] = "
     "('x'):rep(1e6) .. i end local s = j.encode(t) return s .. s",
     "out of memory"},
    {"json that is too deep", "error(select(2, require('json').decode(('['):rep(1e6))))", "nested"},
    {"json of too deep", "local t = {} for i = 1, 1000 do t = {t} end require('json').encode(t)",
     "nested deeper than 128"},
    {"json of itself", "local t = {} t[1] = t require('json').encode(t)", "contains itself"},
    {"json of a gigabyte read",
     "local j = require('json') local s = '[' .. ('{},'):rep(1e6) .. '1]' "
     "while true do j.decode(s) local t = {} for i = 1, 1e7 do t[i] = {} end end",
     "out of memory"},

    {"too many results", "return unpack({}, 1, 1e7)", "too many results"},
    {"too many bytes", "return ('x'):rep(1e7):byte(1, -1)", "too long|out of memory"},
    {"an index that is no number", "local t = {} t[0/0] = 1", "NaN"},
    {"an index beyond all", "local t = {} t[1e308] = 1 t[-1e308] = 2 t[2^53] = 3 return", NULL},
    {"compiled Lua", "error(select(2, loadstring(string.dump(print or error))))",
     "unable to dump|attempt to load|wrong mode"},
    {"compiled Lua of its own", "error(select(2, loadstring(string.dump(function() end))))",
     "attempt to load"},
    {"a yield to nobody", "coroutine.yield()", "yield"},
    {"a format of 99999", "return ('%99999d'):format(1)", "invalid"},
    {"a format without its value", "require('log').info('%s %d', 'a')", "bad argument"},
    {"os.exit", "os.exit(7)", "cannot end the program"},
    {"the registry", "debug.getregistry()[1] = nil", "attempt to call"},
    {"newproxy", "newproxy(true)", "attempt to call"},
    {"a file's metatable", "getmetatable(io.stderr).__gc = print", "attempt to index"},
    {"no globals any more", "local g = _G if g then for name in pairs(g) do g[name] = nil end end",
     NULL},
    {"no modules any more", "package.loaded, package.preload = nil", NULL},
    {"no environment", "setfenv(1, {}) print('x')", "attempt to call"},
    {"strings without methods", "getmetatable('').__index = nil return ('x'):rep(2)",
     "attempt to index|attempt to call"},
    {"a log line of any bytes", "require('log').debug('a\\0b\\255\\27[31m') print('\\254\\0')",
     NULL},
    {"a log line of a megabyte", "require('log').debug(('x'):rep(1e6))", NULL},
    {"a secret of any bytes", "secret('a\\0b\\255cdefgh')", NULL},
    {"a secret that is no text", "secret({})", "string expected"},
    {"numbers that are none", "require('random').integer(0/0, 1/0)", "whole numbers"},
    {"a time that is none", "require('time').iso8601(1/0)", "seconds from 0"},
    {"a closed file", "local f = io.tmpfile() f:close() f:read()", "closed file"},
    {"a folder as a file", "for line in io.lines('/') do error(line) end", "directory|Is a"},
};

/* Does it where the name says; `ctx.index` 0 does it, others do not. */
static const struct hook {
    const char *name, *text;
} hooks[] = {
    {"load", "evil()"},
    {"setup", "function api.setup() evil() end"},
    {"build_messages", "function api.build_messages() evil() return function() return 'p' end end"},
    {"iterator", "function api.build_messages() local n = 0 return function() n = n + 1 "
                 "if n == 1 then evil() end return 'p' end end"},
    {"build_request", "function api.build_request(m, o, ctx) if ctx.index == 0 then evil() end "
                      "return {n = ctx.index} end"},
    {"read_event", "function api.read_event(d, n, ctx) if d == 'evil' then evil() end "
                   "return {content = d} end"},
    {"parse_responses",
     "function api.parse_responses(r, q, ctx) if r[1] == 'evil' then evil() end return 1, 2 end"},
    {"frame", "function api.frame(bytes, pos) if bytes == 'evil' then evil() end "
              "return pos, #bytes, #bytes + 1 end"},
};

static char *text_of(const struct deed *deed, const struct hook *hook)
{
    return mem_printf("local api = {}\nlocal function evil() %s end\n%s\n" API_REST DATASET_REST
                      "\nreturn api\n",
                      deed->body, hook->text);
}

/* A bad one is named; the others go on. */
static bool is_right(const char *name, const struct deed *deed, bool ok, const struct err *err)
{
    if (ok ? !deed->error : deed->error && has_any(err->text, deed->error))
        return true;
    print_error("%s: %.300s, not %s\n", name, ok ? "passes" : err->text,
                deed->error ? deed->error : "passes");
    return false;
}

/* Composes until a request is made; what failed on the way is told once. */
static bool compose(struct script *script, struct err *err)
{
    struct request *request = NULL;
    enum script_step step = script_next(script, 0, 0, &request, err);
    if (step != SCRIPT_STEP_OK)
        return false;
    bool ok = !request->fault;
    if (!ok)
        err_set(err, "%s", request->fault);
    request_free(request);
    request = must_compose(script, 1);
    if (request->fault)
        fail_msg("the next request: %s", request->fault);
    request_free(request);
    return ok;
}

static bool read_one(struct script *script, const char *text, struct err *err)
{
    struct exchange *exchange = exchange_new(MEM_NEW(struct request), EXCHANGE_HEAD_MOST, 1024);
    struct delta delta;
    struct span data = span_text(text);
    int64_t prompt, completion;
    size_t from, to, next;
    bool found,
        ok = script_answer_begin(script, exchange, err) &&
             (!script_facts(script)->has_frame ||
              script_frame(script, data, 0, &found, &from, &to, &next, err)) &&
             script_read_event(script, data, span_text(""), &delta, err) &&
             script_parse_responses(script, &data, 1, span_text("{}"), &prompt, &completion, err);
    script_answer_end(script);
    exchange_free(exchange);
    return ok;
}

static bool in_composer(const char *name, const struct deed *deed, const char *text)
{
    struct fixture fixture;
    struct err err = {""};
    hostile_init(&fixture);
    struct script *script = fixture_open(&fixture, text, &err);
    bool right = is_right(name, deed, script && compose(script, &err), &err);
    script_close(script);
    fixture_fini(&fixture);
    return right;
}

static bool in_scorer(const char *name, const struct deed *deed, const char *text)
{
    struct fixture fixture;
    struct err err = {""};
    hostile_init(&fixture);
    fixture.config.role = SCRIPT_SCORER;
    struct script *script = fixture_must_open(&fixture, text);
    bool right = is_right(name, deed, read_one(script, "evil", &err), &err);
    if (!read_one(script, "good", &err))
        fail_msg("%s: the next answer: %s", name, err.text);
    script_close(script);
    fixture_fini(&fixture);
    return right;
}

/* Every deed in one hook of each kind by turns, so that all meet and it takes no minute. */
static void deeds_come_back_as_errors(void **state)
{
    (void)state;
    int wrong = 0;
    enum { HOOKS = sizeof hooks / sizeof *hooks, SCORER_HOOKS = 3 };
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++)
        for (size_t turn = 0; turn < 2; turn++) {
            size_t scorer = HOOKS - SCORER_HOOKS + i % SCORER_HOOKS;
            const struct hook *hook = &hooks[turn ? scorer : i % (HOOKS - SCORER_HOOKS)];
            char *text = text_of(&deeds[i], hook);
            char *name = mem_printf("%s in %s", deeds[i].name, hook->name);
            wrong += !(turn ? in_scorer : in_composer)(name, &deeds[i], text);
            free(name);
            free(text);
        }
    assert_int_equal(wrong, 0);
}

/* ---- what a script returns ---- */

/* An expression (or several); `want`: what the body is, or NULL and then `error`. */
static const struct body {
    const char *result, *want, *error;
} bodies[] = {
    {"'a\\0b\\255'", "a\\0b\xff", NULL},
    {"{x = 'a\\0b'}", "{\"x\":\"a\\u0000b\"}", NULL},
    {"{x = '\\255\\254'}", "{\"x\":\"\xef\xbf\xbd\xef\xbf\xbd\"}", NULL},
    {"{x = '\\237\\160\\128'}", "\xef\xbf\xbd", NULL},
    {"{['\\255'] = 1}", "\xef\xbf\xbd", NULL},
    {"{x = 2^53}", "9007199254740992", NULL},
    {"{x = -0.0}", "\"x\":", NULL},
    {"{x = 5e-324}", "5e-324", NULL},
    {"{x = 1e308}", "e+308", NULL},
    {"{x = 0/0}", NULL, "body.x"},
    {"{x = 1/0}", NULL, "body.x"},
    {"{x = print}", NULL, "body.x"},
    {"{x = coroutine.create(print)}", NULL, "body.x"},
    {"{x = io.stderr}", NULL, "body.x"},
    {"{[true] = 1}", NULL, "body"},
    {"{[{}] = 1}", NULL, "body"},
    {"{[1] = 1, x = 2}", NULL, "body"},
    {"{[1] = 1, [1e15] = 2}", NULL, "body"},
    {"{[0.5] = 1}", NULL, "body"},
    {"(function() local t = {} t.t = t return t end)()", NULL, "contains itself"},
    {"(function() local t = {} for i = 1, 200 do t = {t} end return t end)()", NULL,
     "nested deeper"},
    {"setmetatable({x = 1}, {__index = function() error('index') end})", NULL, "index"},
    {"setmetatable({x = 1}, {__pairs = error, __len = error, __metatable = 1})", "{\"x\":1}", NULL},
    {"nil", NULL, "must return the body"},
    {"12", NULL, "must return the body"},
    {"print", NULL, "must return the body"},
    {"{}, 'x'", NULL, "second result"},
    {"{}, {url = 'http://a/\\0b'}", NULL, "url"},
    {"{}, {url = 'http://a/\\r\\nX: y'}", NULL, "url"},
    {"{}, {url = 'file:///etc/passwd'}", NULL, "http"},
    {"{}, {method = 'PO\\0ST'}", NULL, "method"},
    {"{}, {method = 'GET / HTTP/1.1'}", NULL, "method"},
    {"{}, {headers = {A = 'x\\r\\nB: y'}}", NULL, "second result"},
    {"{}, {headers = {A = 'x\\0y'}}", NULL, "second result"},
    {"{}, {headers = {['A\\n'] = 'x'}}", NULL, "second result"},
    {"{}, {headers = {A = 1}}", NULL, "must be a string"},
    {"{}, {headers = {[true] = 'x'}}", NULL, "second result"},
    {"{}, {[1] = 2}", NULL, "unknown field"},
    {"{}, {user = print}", NULL, "user"},
    {"{}, {user = (function() local t = {} t[1] = t return t end)()}", NULL, "contains itself"},
};

static void bodies_pass_or_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct fixture fixture;
        hostile_init(&fixture);
        char *text = mem_printf(
            "local api = {}\nfunction api.build_request() return %s end" API_REST DATASET_REST
            "\nreturn api\n",
            bodies[i].result);
        struct script *script = fixture_must_open(&fixture, text);
        struct request *request = must_compose(script, 0);
        if (bodies[i].error)
            check_any(bodies[i].result, request->fault ? request->fault : "", bodies[i].error);
        else if (request->fault)
            fail_msg("%s: %s", bodies[i].result, request->fault);
        else if (i == 0)
            assert_memory_equal(request->body, "a\0b\xff", 4);
        else
            check_contains(bodies[i].result, request->body, bodies[i].want);
        request_free(request);
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

static const struct {
    const char *hook, *result, *error; /* NULL = it passes */
} readings[] = {
    {"read_event", "{content = 'a\\0b\\255'}", NULL},
    {"read_event", "{finish = 'a\\0b\\255', error = '\\0', reasoning = '\\254'}", NULL},
    {"read_event", "{content = {}}", "content"},
    {"read_event", "{content = 1}", "content"},
    {"read_event", "{tokens = -1}", "tokens"},
    {"read_event", "{tokens = 0/0}", "tokens"},
    {"read_event", "{tokens = 1e300}", "tokens"},
    {"read_event", "{index = 0.5}", "index"},
    {"read_event", "{usage = 1}", "usage"},
    {"read_event", "{usage = {prompt = 1/0}}", "prompt"},
    {"read_event", "{usage = {[{}] = 1}}", "unknown field"},
    {"read_event", "{[print] = 1}", "unknown field"},
    {"read_event", "{['\\255\\0'] = 1}", "unknown field"},
    {"read_event", "{{content = 'a'}, {content = {}}}", NULL},
    {"read_event", "setmetatable({}, {__index = function() error('x') end})", NULL},
    {"read_event", "'text'", "must return nil or a table"},
    {"read_event", "print", "must return nil or a table"},
    {"parse_responses", "0/0, 1", "prompt_tokens"},
    {"parse_responses", "1, -1", "completion_tokens"},
    {"parse_responses", "1e300, 1", "prompt_tokens"},
    {"parse_responses", "'1', 1", "prompt_tokens"},
    {"parse_responses", "1, 2, 3", "3 values"},
    {"parse_responses", "unpack({}, 1, 5000)", "5000 values"},
    {"frame", "0/0, 1, 2", "from"},
    {"frame", "0, 1, 2", "from"},
    {"frame", "2, -5, 7", "to"},
    {"frame", "1, 2, 1", "next"},
    {"frame", "1, 2, 1e300", "next"},
    {"frame", "1, 1/0, 3", "to"},
    {"frame", "'1', 2, 3", "from"},
    {"frame", "1", "to"},
};

static void readings_pass_or_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        struct fixture fixture;
        struct err err = {""};
        hostile_init(&fixture);
        fixture.config.role = SCRIPT_SCORER;
        char *text =
            mem_printf("local api = {}\nfunction api.%s() return %s end" API_REST "\nreturn api\n",
                       readings[i].hook, readings[i].result);
        struct script *script = fixture_must_open(&fixture, text);
        bool ok = read_one(script, "bytes", &err);
        if (ok == (readings[i].error != NULL))
            fail_msg("%s %s: %s", readings[i].hook, readings[i].result, err.text);
        if (!ok)
            check_any(readings[i].result, err.text, readings[i].error);
        script_close(script);
        free(text);
        fixture_fini(&fixture);
    }
}

/* What read_event says in text reaches C with every byte. */
static void bytes_come_through(void **state)
{
    (void)state;
    struct fixture fixture;
    struct err err;
    struct delta delta;
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    hostile_init(&fixture);
    fixture.config.role = SCRIPT_SCORER;
    struct script *script = fixture_must_open(
        &fixture,
        "local api = {}\nfunction api.read_event(d, n) return {content = d, reasoning = d, "
        "refusal = d, tool = d, finish = n, error = d} end" API_REST "\nreturn api\n");
    struct span data = span_of(all, sizeof all);
    struct exchange *exchange = exchange_new(MEM_NEW(struct request), EXCHANGE_HEAD_MOST, 1024);
    assert_true(script_answer_begin(script, exchange, &err));
    assert_true(script_read_event(script, data, data, &delta, &err));
    const struct span got[] = {delta.content, delta.reasoning, delta.refusal,
                               delta.tool,    delta.finish,    delta.error};
    for (size_t i = 0; i < sizeof got / sizeof *got; i++) {
        assert_int_equal(got[i].len, sizeof all);
        assert_memory_equal(got[i].data, all, sizeof all);
    }
    exchange_free(exchange);
    script_close(script);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deeds_come_back_as_errors),
        cmocka_unit_test(bodies_pass_or_are_refused),
        cmocka_unit_test(readings_pass_or_are_refused),
        cmocka_unit_test(bytes_come_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
