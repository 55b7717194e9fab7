/* The module http, with the program's part played by the test: what is asked of it, what comes of
 * its answers, and where it may be used. */
#include "fixture.h"

struct served {
    char asked[4096]; /* the requests, one after another */
    int status;
    const char *headers, *body;
    const char *failure; /* NULL = none */
};

static bool serve(void *arg, const struct script_http_request *request,
                  struct script_http_answer *answer, struct err *err)
{
    struct served *served = arg;
    size_t at = strlen(served->asked), room = sizeof served->asked - at;
    int len = snprintf(served->asked + at, room, "%s %s %.3fs", request->method, request->url,
                       (double)request->timeout_ns / 1e9);
    for (size_t i = 0; i < request->headers->count; i++)
        len += snprintf(served->asked + at + len, room - (size_t)len, " [%s]",
                        request->headers->items[i]);
    snprintf(served->asked + at + len, room - (size_t)len, "%s%.*s\n",
             request->body.data ? " <" : " none", (int)request->body.len,
             request->body.data ? request->body.data : "");
    if (served->failure)
        return err_set(err, "%s", served->failure);
    answer->status = served->status;
    buf_add_text(&answer->headers, served->headers);
    buf_add_text(&answer->body, served->body);
    return true;
}

/* Runs the Lua text in setup; what it returns is the body of the first request. */
static char *set_up_with(struct served *served, const char *lua)
{
    struct fixture fixture;
    struct script_services services = {.http = serve, .arg = served};
    fixture_init(&fixture, NULL);
    fixture.config.services = served ? &services : NULL;
    char *text = mem_printf(
        SCRIPT("local json, http = require('json'), require('http')\n"
               "local function said(f, ...) local ok, m = pcall(f, ...) "
               "return ok and 'no error' or m:gsub('^.-:%%d+: ', '') end\n"
               "function api.setup() %s end\n"
               "function api.build_request(_, _, ctx) return json.encode(ctx.setup) end"),
        lua);
    struct script *script = fixture_must_open(&fixture, text);
    struct request *request = must_compose(script, 0);
    char *got = mem_text(request->fault ? request->fault : request->body);
    request_free(request);
    script_close(script);
    free(text);
    fixture_fini(&fixture);
    return got;
}

static const struct {
    const char *name, *call, *asked;
} requests[] = {
    {"get", "http.get('http://h/x')", "GET http://h/x 30.000s none\n"},
    {"get with more", "http.get('http://h/', {headers={A='b'}, timeout=1.5})",
     "GET http://h/ 1.500s [A: b] none\n"},
    {"post text", "http.post('https://h/', 'a b')", "POST https://h/ 30.000s <a b\n"},
    {"post nothing", "http.post('http://h/')", "POST http://h/ 30.000s <\n"},
    {"post a table", "http.post('http://h/', {a=1})",
     "POST http://h/ 30.000s [Content-Type: application/json] <{\"a\":1}\n"},
    {"its own type goes first", "http.post('http://h/', {a=1}, {headers={['content-type']='x/y'}})",
     "POST http://h/ 30.000s [content-type: x/y] <{\"a\":1}\n"},
    {"any method", "http.request{url='http://h/', method='DELETE', headers={'A: 1', 'B: 2'}}",
     "DELETE http://h/ 30.000s [A: 1] [B: 2] none\n"},
    {"a body is posted", "http.request{url='http://h/', body='x'}", "POST http://h/ 30.000s <x\n"},
    {"one after another", "{http.get('http://h/1'), http.get('http://h/2')}",
     "GET http://h/1 30.000s none\nGET http://h/2 30.000s none\n"},
};

static void requests_are_passed_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct served served = {.status = 200, .headers = "", .body = ""};
        char *lua = mem_printf("local a = %s return a ~= nil", requests[i].call);
        char *got = set_up_with(&served, lua);
        CHECK_TEXT(requests[i].name, got, "true");
        CHECK_TEXT(requests[i].name, served.asked, requests[i].asked);
        free(got);
        free(lua);
    }
}

static void answers_come_back(void **state)
{
    (void)state;
    struct served served = {.status = 418,
                            .headers = "X-A: 1\r\nx-a: 2\r\nContent-Type:text/plain \r\n",
                            .body = "{\"token\":\"t\"}"};
    char *got = set_up_with(&served, "return http.get('http://h/')");
    CHECK_TEXT(
        "answer", got,
        "{\"body\":\"{\\\"token\\\":\\\"t\\\"}\",\"headers\":{\"content-type\":\"text/plain\","
        "\"x-a\":\"1, 2\"},\"status\":418}");
    free(got);
    served.failure = "no route to h";
    got = set_up_with(&served, "local a, m = http.get('http://h/') return {a == nil, m}");
    CHECK_TEXT("failure", got, "[true,\"no route to h\"]");
    free(got);
}

static const struct {
    const char *name, *call, *want;
} wrong[] = {
    {"no URL", "http.request, {}", "http.request: 'url' is missing"},
    {"no table", "http.request, 5", "bad argument #1 to '?' (table expected, got number)"},
    {"another scheme", "http.get, 'ftp://h/'",
     "http.request: 'url' must begin with http:// or https://"},
    {"NUL", "http.get, 'http://h/\\0'", "http.request: 'url' holds a NUL byte"},
    {"method", "http.request, {url='http://h/', method='get'}",
     "http.request: 'method' must be capital letters such as POST"},
    {"no method", "http.request, {url='http://h/', method=''}", "http.request: 'method' is empty"},
    {"no timeout", "http.get, 'http://h/', {timeout=0}",
     "http.request: 'timeout' must be 0.001 to 3600 seconds, not 0"},
    {"endless timeout", "http.get, 'http://h/', {timeout=1/0}",
     "http.request: 'timeout' must be 0.001 to 3600 seconds, not inf"},
    {"header", "http.get, 'http://h/', {headers={A='b\\r\\nC: d'}}",
     "http.request: the value of the header A holds a line end or another control character"},
    {"body", "http.request, {url='http://h/', body=5}",
     "http.request: 'body' must be a string, not a number"},
    {"field", "http.request, {uri='http://h/'}", "http.request: unknown field 'uri'"},
};

static void wrong_calls_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct served served = {.status = 200, .headers = "", .body = ""};
        char *lua = mem_printf("return {(said(%s))}", wrong[i].call);
        char *got = set_up_with(&served, lua), *want = mem_printf("[\"%s\"]", wrong[i].want);
        CHECK_TEXT(wrong[i].name, got, want);
        CHECK_TEXT(wrong[i].name, served.asked, "");
        free(got);
        free(want);
        free(lua);
    }
    char *got = set_up_with(NULL, "return {(said(http.get, 'http://h/'))}");
    CHECK_TEXT("no service", got,
               "[\"http.request: this program sends no HTTP requests for scripts\"]");
    free(got);
}

static void nothing_is_sent_while_the_run_goes_on(void **state)
{
    (void)state;
    struct fixture fixture;
    struct served served = {.status = 200, .headers = "", .body = ""};
    struct script_services services = {.http = serve, .arg = &served};
    fixture_init(&fixture, NULL);
    fixture.config.services = &services;
    struct script *script = fixture_must_open(
        &fixture, SCRIPT("local http = require('http')\n"
                         "function api.setup() http.get('http://h/') return {} end\n"
                         "function api.build_request() return http.get('http://h/again') end"));
    struct request *request = must_compose(script, 0);
    check_contains("build_request", request->fault ? request->fault : "no fault",
                   "http can only be used in setup and refresh");
    CHECK_TEXT("asked", served.asked, "GET http://h/ 30.000s none\n");
    request_free(request);
    script_close(script);
    fixture_fini(&fixture);
}

static void text_is_escaped(void **state)
{
    (void)state;
    char *got = set_up_with(NULL, "return {http.escape('aZ0-._~ /?&=%+\\195\\169\\0')}");
    CHECK_TEXT("escaped", got, "[\"aZ0-._~%20%2F%3F%26%3D%25%2B%C3%A9%00\"]");
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_passed_on),
        cmocka_unit_test(answers_come_back),
        cmocka_unit_test(wrong_calls_are_named),
        cmocka_unit_test(nothing_is_sent_while_the_run_goes_on),
        cmocka_unit_test(text_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
