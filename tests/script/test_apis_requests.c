/* The API scripts beside openai.lua: the requests they build, and their keys and tokens. */
#include "fixture.h"

/* ---- requests ---- */

#define TALK "\"messages\":[{\"content\":\"hi\",\"role\":\"user\"}]"
#define SIZED "--stream --max-tokens 4 --temperature 0.5"

static const struct {
    const char *name, *api, *url, *words;
    const char *url_want, *body;
    const char *headers; /* after Content-Type, each with a blank after it */
} requests[] = {
    {"dashscope", "dashscope", "http://h", "",
     "http://h/api/v1/services/aigc/text-generation/generation",
     "{\"input\":{" TALK "},\"model\":\"m\",\"parameters\":{\"result_format\":\"message\"}}", ""},
    {"dashscope streamed", "dashscope", "http://h/x", SIZED " --api-key sk-1", "http://h/x",
     "{\"input\":{" TALK "},\"model\":\"m\",\"parameters\":{\"incremental_output\":true,"
     "\"max_tokens\":4,\"result_format\":\"message\",\"temperature\":0.5}}",
     "Authorization: Bearer sk-1|Accept: text/event-stream|X-DashScope-SSE: enable|"},
    {"dashscope, as an older tool's guide has it", "dashscope", "http://h/x",
     "--header Authorization=KEYS --header X-DashScope-SSE=enable=True", "http://h/x",
     "{\"input\":{" TALK "},\"model\":\"m\",\"parameters\":{\"result_format\":\"message\"}}",
     "Authorization: KEYS|X-DashScope-SSE: enable|"},
    {"zhipu with a plain key", "zhipu", "http://h", "--stream --api-key plain",
     "http://h/api/paas/v4/chat/completions", "{" TALK ",\"model\":\"m\",\"stream\":true}",
     "Authorization: Bearer plain|"},
    {"zhipu without a key", "zhipu", "http://h/x", "--max-tokens 4", "http://h/x",
     "{\"max_tokens\":4," TALK ",\"model\":\"m\"}", ""},
    {"zhipu with a header of one's own", "zhipu", "http://h/x",
     "--api-key plain --header authorization:mine", "http://h/x", "{" TALK ",\"model\":\"m\"}",
     "authorization: mine|"},
    {"qianfan", "qianfan", "http://h", "", "http://h/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/m",
     "{" TALK "}", ""},
    {"qianfan streamed, with a token", "qianfan", "http://h/x/chat/ernie?access_token=t", SIZED,
     "http://h/x/chat/ernie?access_token=t",
     "{\"max_output_tokens\":4," TALK ",\"stream\":true,\"temperature\":0.5}", ""},
    {"qianfan's completions", "qianfan", "http://h/x/completions/", "", "http://h/x/completions/m",
     "{\"prompt\":\"hi\"}", ""},
    {"qianfan's second version", "qianfan", "http://h/v2/chat/completions",
     "--stream --max-tokens 4 --api-key sk-2", "http://h/v2/chat/completions",
     "{\"max_tokens\":4," TALK
     ",\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
     "Authorization: Bearer sk-2|"},
    {"trtllm", "trtllm", "http://h", "--max-tokens 4 --seed 3 --stop END",
     "http://h/v2/models/ensemble/generate",
     "{\"max_tokens\":4,\"random_seed\":3,\"stop_words\":[\"END\"],\"text_input\":\"hi\"}", ""},
    {"trtllm streamed", "trtllm", "http://h?a=/generate", SIZED,
     "http://h/v2/models/ensemble/generate_stream?a=/generate",
     "{\"max_tokens\":4,\"stream\":true,\"temperature\":0.5,\"text_input\":\"hi\"}", ""},
    {"trtllm at a URL of its own", "trtllm", "http://h/v2/models/x/generate_stream", "",
     "http://h/v2/models/x/generate_stream", "{\"text_input\":\"hi\"}", ""},
    {"tgi", "tgi", "http://h", "--max-tokens 4 --seed 3", "http://h/generate",
     "{\"inputs\":\"hi\",\"parameters\":{\"details\":true,\"max_new_tokens\":4,\"seed\":3}}", ""},
    {"tgi streamed", "tgi", "http://h", SIZED, "http://h/generate_stream",
     "{\"inputs\":\"hi\",\"parameters\":{\"details\":true,\"max_new_tokens\":4,"
     "\"temperature\":0.5}}",
     ""},
    {"custom", "custom", "http://h", SIZED " --api-key sk-3", "http://h/v1/chat/completions",
     "{\"max_tokens\":4," TALK ",\"model\":\"m\",\"stream\":true,\"stream_options\":"
     "{\"include_usage\":true},\"temperature\":0.5}",
     "Authorization: Bearer sk-3|"},
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lua gives a map's fields in any order, so those of the script are sorted. */
static char *headers_of(struct request *request)
{
    struct buf out;
    buf_init(&out, 65536);
    CHECK_TEXT("first header", request->headers.items[0], "Content-Type: application/json");
    if (request->headers.count == 4)
        qsort(request->headers.items + 2, 2, sizeof(char *), by_text);
    for (size_t i = 1; i < request->headers.count; i++)
        buf_printf(&out, "%s|", request->headers.items[i]);
    return buf_take(&out);
}

static void requests_are_built(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        const char *name = requests[i].name;
        struct fixture fixture;
        char *words = mem_printf("--prompt hi %s", requests[i].words);
        fixture_init(&fixture, words);
        fixture.config.url = requests[i].url;
        struct script *script = must_open_api(&fixture, requests[i].api, SCRIPT_COMPOSER);
        struct request *request = must_compose(script, 0);
        CHECK_TEXT(name, request->fault ? request->fault : request->body, requests[i].body);
        CHECK_TEXT(name, request->url, requests[i].url_want);
        char *headers = headers_of(request);
        CHECK_TEXT(name, headers, requests[i].headers);
        free(headers);
        request_free(request);
        script_close(script);
        free(words);
        fixture_fini(&fixture);
    }
}

/* ---- keys and tokens ---- */

struct issuer {
    int calls;
    int status;
    const char *body;
    char url[512];
};

static bool issue(void *arg, const struct script_http_request *request,
                  struct script_http_answer *answer, struct err *err)
{
    struct issuer *issuer = arg;
    issuer->calls++;
    snprintf(issuer->url, sizeof issuer->url, "%s %s", request->method, request->url);
    if (!issuer->status)
        return err_set(err, "no route");
    answer->status = issuer->status;
    char *body = mem_printf(issuer->body, issuer->calls);
    buf_add_text(&answer->body, body);
    free(body);
    return true;
}

static void qianfan_fetches_its_token(void **state)
{
    (void)state;
    static const struct {
        const char *name, *key;
        bool environment;
    } cases[] = {{"by --api-key", " --api-key acc:sec/ret", false}, {"by environment", "", true}};
    for (size_t i = 0; i < 2; i++) {
        struct fixture fixture;
        struct issuer issuer = {.status = 200,
                                .body = "{\"access_token\":\"24.tok%d\",\"expires_in\":2}"};
        struct script_services services = {.http = issue, .arg = &issuer};
        char *words = mem_printf("--prompt hi%s", cases[i].key);
        if (cases[i].environment) {
            setenv("QIANFAN_ACCESS_KEY", "acc", 1);
            setenv("QIANFAN_SECRET_KEY", "sec/ret", 1);
        }
        fixture_init(&fixture, words);
        fixture.config.services = &services;
        fixture.config.url = "http://h:80/rpc/chat/ernie";
        struct script *script = must_open_api(&fixture, "qianfan", SCRIPT_COMPOSER);
        CHECK_TEXT(cases[i].name, issuer.url,
                   "POST http://h:80/oauth/2.0/token?grant_type=client_credentials&client_id=acc&"
                   "client_secret=sec%2Fret");
        script_refresh(script);
        struct request *request = must_compose(script, 0);
        CHECK_TEXT(cases[i].name, request->url, "http://h:80/rpc/chat/ernie?access_token=24.tok1");
        char *hidden = secrets_hidden(fixture.secrets, request->url);
        CHECK_TEXT(cases[i].name, hidden, "http://h:80/rpc/chat/ernie?access_token=[redacted]");
        assert_true(secrets_found(fixture.secrets, span_text("sec/ret")));
        CHECK_INT("headers", request->headers.count, 1);
        CHECK_INT("calls", issuer.calls, 1);
        free(hidden);
        request_free(request);
        script_close(script);
        free(words);
        unsetenv("QIANFAN_ACCESS_KEY");
        unsetenv("QIANFAN_SECRET_KEY");
        fixture_fini(&fixture);
    }
}

static void qianfan_renews_its_token(void **state)
{
    (void)state;
    struct fixture fixture;
    struct issuer issuer = {.status = 200,
                            .body = "{\"access_token\":\"24.tok%d\",\"expires_in\":2}"};
    struct script_services services = {.http = issue, .arg = &issuer};
    fixture_init(&fixture, "--prompt hi --api-key acc:secret");
    fixture.config.services = &services;
    fixture.config.url = "http://h/rpc/chat/ernie";
    struct script *script = must_open_api(&fixture, "qianfan", SCRIPT_COMPOSER);
    usleep(1050000); /* half of the two seconds after which it expires */
    script_refresh(script);
    CHECK_INT("calls", issuer.calls, 2);
    assert_true(secrets_found(fixture.secrets, span_text("24.tok2")));
    script_close(script);
    fixture_fini(&fixture);
}

static void qianfan_says_why_there_is_no_token(void **state)
{
    (void)state;
    static const struct {
        const char *name, *key;
        int status;
        const char *body, *want;
    } cases[] = {
        {"refused", "acc:secret", 401,
         "{\"error\":\"invalid_client\",\"error_description\":\"unknown client id\"}",
         "the access token is refused: HTTP 401: unknown client id"},
        {"nonsense", "acc:secret", 200, "<html>", "the access token is refused: HTTP 200: <html>"},
        {"odd", "acc:secret", 200, "{\"access_token\":5}", "the access token is refused: HTTP 200"},
        {"no answer", "acc:secret", 0, "", "the access token cannot be fetched: no route"},
        {"half a key", "acc", 200, "", "--api-key must be \"ACCESS:SECRET\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        struct err err;
        struct issuer issuer = {.status = cases[i].status, .body = cases[i].body};
        struct script_services services = {.http = issue, .arg = &issuer};
        char *words = mem_printf("--prompt hi --api-key %s", cases[i].key);
        fixture_init(&fixture, words);
        fixture.config.services = &services;
        fixture.config.api = "qianfan";
        struct script *script = script_open(&fixture.config, &err);
        if (script)
            fail_msg("%s: accepted", cases[i].name);
        check_contains(cases[i].name, err.text, cases[i].want);
        check_contains(cases[i].name, err.text, "setup: ");
        free(words);
        fixture_fini(&fixture);
    }
}

/* The token is checked with the modules that made it; those are held against published examples
 * elsewhere. */
static void zhipu_signs_its_token(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, "--prompt hi --api-key abc.secret1");
    const char *text =
        "local json, crypto, api = require('json'), require('crypto'), {}\n"
        "for k, v in pairs(require('apis.zhipu')) do api[k] = v end\n"
        "local build = api.build_request\n"
        "function api.build_request(m, o, c)\n"
        "  local _, send = build(m, o, c)\n"
        "  local h, p, s = send.headers.Authorization:match('^Bearer ([^.]+)%.([^.]+)%.([^.]+)$')\n"
        "  local payload = json.decode(crypto.unbase64url(p))\n"
        "  local now = require('time').now() * 1000\n"
        "  return {header=json.decode(crypto.unbase64url(h)), id=payload.api_key,\n"
        "    signed=crypto.base64url(crypto.hmac_sha256('secret1', h .. '.' .. p)) == s,\n"
        "    lives=payload.exp - payload.timestamp, whole=payload.timestamp % 1,\n"
        "    fresh=math.abs(payload.timestamp - now) < 60000}\n"
        "end\nreturn api";
    struct script *script = fixture_must_open(&fixture, text);
    struct request *request = must_compose(script, 0);
    CHECK_TEXT("token", request->fault ? request->fault : request->body,
               "{\"fresh\":true,\"header\":{\"alg\":\"HS256\",\"sign_type\":\"SIGN\"},\"id\":"
               "\"abc\",\"lives\":3600000,\"signed\":true,\"whole\":0}");
    assert_true(secrets_found(fixture.secrets, span_text("secret1")));
    request_free(request);
    script_close(script);
    fixture_fini(&fixture);
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_built),
        cmocka_unit_test(qianfan_fetches_its_token),
        cmocka_unit_test(qianfan_renews_its_token),
        cmocka_unit_test(qianfan_says_why_there_is_no_token),
        cmocka_unit_test(zhipu_signs_its_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return check_by_the_clock(all);
}
