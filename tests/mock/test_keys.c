/* The mock server's keys: which each dialect takes, and Qianfan's access tokens. */
#include "shapes.h"

#include "mock/auth.h"

static void start_guarded(struct server *server, const char *dialect, const char *key,
                          uint64_t token_life_ns)
{
    struct mock_config config = {
        .dialect = dialect, .tokens = 2, .api_key = key, .token_life_ns = token_life_ns};
    if (!server_start(server, config))
        fail_msg("%s: %s", dialect, server->err.text);
}

/* ---- keys in a header ---- */

#define DASH_BODY "{\"model\":\"q\",\"input\":{\"prompt\":\"a\"}}"
#define GLM_BODY "{\"model\":\"g\"," SAY "}"
#define HS256 "eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04ifQ"
#define CLAIMS                                                                                     \
    "eyJhcGlfa2V5IjoibXlpZCIsImV4cCI6OTk5OTk5OTk5OTk5OSwidGltZXN0YW1wIjoxNzAwMDAwMDAwMDAwfQ"

static const struct {
    const char *name, *dialect, *path, *body, *authorization;
    int status;
    const char *code, *want; /* a member of the body and its text; NULL = no matter */
} keys[] = {
    {"bearer", "dashscope", DASH, DASH_BODY, "Bearer myid.mysecret", 200, NULL, NULL},
    {"bare", "dashscope", DASH, DASH_BODY, "myid.mysecret", 200, NULL, NULL},
    {"wrong", "dashscope", DASH, DASH_BODY, "Bearer myid", 401, "code", "InvalidApiKey"},
    {"none", "dashscope", DASH, DASH_BODY, NULL, 401, "code", "InvalidApiKey"},
    {"raw", "zhipu", GLM, GLM_BODY, "Bearer myid.mysecret", 200, NULL, NULL},
    {"bare", "zhipu", GLM, GLM_BODY, "myid.mysecret", 401, "error.code", "1002"},
    {"none", "zhipu", GLM, GLM_BODY, NULL, 401, "error.code", "1001"},
    {"empty", "zhipu", GLM, GLM_BODY, "Bearer ..", 401, "error.code", "1002"},
    {"signed", "zhipu", GLM, GLM_BODY,
     "Bearer " HS256 "." CLAIMS ".dMvrDaHqnxQqunMPNkREXGhOaGmKnZZhLb9-cFaSHvY", 200, NULL, NULL},
    {"one bit of the signature is wrong", "zhipu", GLM, GLM_BODY,
     "Bearer " HS256 "." CLAIMS ".eMvrDaHqnxQqunMPNkREXGhOaGmKnZZhLb9-cFaSHvY", 401, "error.code",
     "1002"},
    {"a piece of the signature", "zhipu", GLM, GLM_BODY, "Bearer " HS256 "." CLAIMS ".dMvr", 401,
     "error.code", "1002"},
    {"signed with another secret", "zhipu", GLM, GLM_BODY,
     "Bearer " HS256 "." CLAIMS ".NOyq2NDXPZ_uvlD4XFd_Xpkv2GreRgfaot9zxkqtidM", 401, "error.code",
     "1002"},
    {"signed and expired", "zhipu", GLM, GLM_BODY,
     "Bearer " HS256
     ".eyJhcGlfa2V5IjoibXlpZCIsImV4cCI6MTcwMDAwMDAwMDAwMSwidGltZXN0YW1wIjoxNzAwMDAwMDAwMDAwfQ"
     ".fQqQqjzS6VlST1WEf5N26jrH17xZb7queEhkotPh4lE",
     401, "error.code", "1003"},
    {"signed for another id", "zhipu", GLM, GLM_BODY,
     "Bearer " HS256
     ".eyJhcGlfa2V5IjoieW91IiwiZXhwIjo5OTk5OTk5OTk5OTk5LCJ0aW1lc3RhbXAiOjE3MDAwMDAwMDAwMDB9"
     ".QZnb8N_tGI4vC5drfXGe_2CaSBQQXE-FsPXwF6LYBOk",
     401, "error.code", "1002"},
    {"signed without sign_type", "zhipu", GLM, GLM_BODY,
     "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." CLAIMS
     ".JCWX2nA6fVhEn6dXCnzcf0HRF99xxNSDaEFMZ899nAA",
     401, "error.code", "1002"},
    {"signed as if by nothing", "zhipu", GLM, GLM_BODY,
     "Bearer eyJhbGciOiJub25lIiwic2lnbl90eXBlIjoiU0lHTiJ9." CLAIMS
     ".5PCnKqMcCte2pmga71BY4A95faalqYJfEZ-qmkJn4rc",
     401, "error.code", "1002"},
    {"signed without an end", "zhipu", GLM, GLM_BODY,
     "Bearer " HS256 ".eyJhcGlfa2V5IjoibXlpZCIsInRpbWVzdGFtcCI6MTcwMDAwMDAwMDAwMH0"
     ".0EI8MyeMgzFScJaGYACFsA-EvyR0lDkhmKWeS8uYCXo",
     401, "error.code", "1002"},
    {"bearer", "tgi", "/generate", "{\"inputs\":\"a\"}", "Bearer myid.mysecret", 200, NULL, NULL},
    {"wrong", "tgi", "/generate", "{\"inputs\":\"a\"}", "Bearer x", 401, "error_type",
     "authentication"},
    {"bearer", "trtllm", TRT, "{\"text_input\":\"a\"}", "Bearer myid.mysecret", 200, NULL, NULL},
    {"none", "trtllm", TRT, "{\"text_input\":\"a\"}", NULL, 401, NULL, NULL},
    {"bearer", "custom", "/x", "{\"input_text\":\"a\"}", "Bearer myid.mysecret", 200, NULL, NULL},
    {"wrong", "custom", "/x", "{\"input_text\":\"a\"}", "Bearer x", 401, "error.code",
     "invalid_api_key"},
    {"V2: bearer", "qianfan", "/v2/chat/completions", GLM_BODY, "Bearer myid.mysecret", 200, NULL,
     NULL},
    {"V2: wrong", "qianfan", "/v2/chat/completions", GLM_BODY, "Bearer x", 401, "error.code",
     "invalid_api_key"},
};

static void test_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct server server;
        struct reply reply;
        char *name = mem_printf("%s: %s", keys[i].dialect, keys[i].name);
        char *header = keys[i].authorization
                           ? mem_printf("Authorization: %s\r\n", keys[i].authorization)
                           : mem_text("");
        start_guarded(&server, keys[i].dialect, "myid.mysecret", 0);
        exchange_with(server.port, keys[i].path, header, keys[i].body, &reply);
        CHECK_INT(name, reply.status, keys[i].status);
        cJSON *body = cJSON_Parse(reply.body.data);
        if (keys[i].code)
            CHECK_TEXT(name, text_of(body, keys[i].code), keys[i].want);
        cJSON_Delete(body);
        reply_fini(&reply);
        stop(&server);
        free(header);
        free(name);
    }
}

/* A stream that is refused for its key has not begun. */
static void test_a_wrong_key_is_no_event(void **state)
{
    struct server server;
    struct reply reply;
    (void)state;
    start_guarded(&server, "dashscope", "k", 0);
    exchange_with(server.port, DASH, SSE "Authorization: no\r\n", DASH_BODY, &reply);
    CHECK_INT("status", reply.status, 401);
    assert_non_null(strstr(reply.head.data, "content-type: application/json"));
    reply_fini(&reply);
    stop(&server);
}

/* ---- access tokens ---- */

#define GRANT "/oauth/2.0/token?grant_type=client_credentials&"

static cJSON *ask_token(const struct server *server, const char *path, int status)
{
    struct reply reply;
    exchange(server->port, path, "", &reply);
    CHECK_INT(path, reply.status, status);
    cJSON *body = cJSON_Parse(reply.body.data);
    assert_non_null(body);
    reply_fini(&reply);
    return body;
}

/* The error code of a chat with this token, or 0. */
static int chat_with(const struct server *server, const char *token)
{
    struct reply reply;
    char *path = mem_printf(ERNIE "?ttft=0&access_token=%s", token);
    exchange(server->port, path, "{" SAY "}", &reply);
    CHECK_INT(path, reply.status, 200);
    cJSON *body = cJSON_Parse(reply.body.data);
    const cJSON *code = member(body, "error_code");
    int result = code ? code->valueint : 0;
    assert_true(code || cJSON_IsString(member(body, "result")));
    cJSON_Delete(body);
    reply_fini(&reply);
    free(path);
    return result;
}

static void test_access_tokens(void **state)
{
    static const struct {
        const char *path;
        int status;
        const char *error;
    } grants[] = {
        {GRANT "client_id=my%2Fid&client_secret=s%26+t", 200, "(none)"},
        {GRANT "client_id=my%2Fid&client_secret=wrong", 401, "invalid_client"},
        {GRANT "client_id=my%2Fid", 401, "invalid_client"},
        {GRANT "client_id=my%2Gid&client_secret=s%26+t", 401, "invalid_client"},
        {"/oauth/2.0/token?client_id=my%2Fid&client_secret=s%26+t", 400, "unsupported_grant_type"},
    };
    struct server server;
    (void)state;
    start_guarded(&server, "qianfan", "my/id:s& t", 0);
    for (size_t i = 0; i < sizeof grants / sizeof *grants; i++) {
        cJSON *body = ask_token(&server, grants[i].path, grants[i].status);
        CHECK_TEXT(grants[i].path, text_of(body, "error"), grants[i].error);
        cJSON_Delete(body);
    }
    cJSON *body = ask_token(&server, grants[0].path, 200);
    CHECK_INT("expires_in", number(body, "expires_in"), 30 * 86400);
    char *token = mem_text(text_of(body, "access_token"));
    cJSON_Delete(body);
    CHECK_INT("a good token", chat_with(&server, token), 0);
    CHECK_INT("another", chat_with(&server, "24.abc.2592000.99999999999999"), 110);
    CHECK_INT("none", chat_with(&server, ""), 110);
    token[strlen(token) - 1] ^= 1; /* another end */
    CHECK_INT("a changed token", chat_with(&server, token), 110);
    cJSON *stats = fetch_stats(server.port, "/stats");
    CHECK_INT("auth", number(stats, "requests.auth"), 6);
    CHECK_INT("chat", number(stats, "requests.chat"), 4);
    CHECK_INT("errors", number(stats, "errors.401"), 6);
    cJSON_Delete(stats);
    free(token);
    stop(&server);
}

static void test_access_tokens_expire(void **state)
{
    struct server server;
    (void)state;
    start_guarded(&server, "qianfan", "a:b", 400 * NS_PER_MS);
    uint64_t asked_ns = clock_now_ns();
    cJSON *body = ask_token(&server, GRANT "client_id=a&client_secret=b", 200);
    const char *token = text_of(body, "access_token");
    CHECK_INT("expires_in", number(body, "expires_in"), 1);
    int fresh = chat_with(&server, token);
    if (clock_now_ns() - asked_ns < 400 * NS_PER_MS) /* else the machine was asleep */
        CHECK_INT("fresh", fresh, 0);
    usleep(450000);
    CHECK_INT("expired", chat_with(&server, token), 110);
    cJSON_Delete(body);
    stop(&server);
}

/* Without a key any client gets a token, and none is needed. */
static void test_no_key_is_needed_without_one(void **state)
{
    struct server server;
    (void)state;
    start_guarded(&server, "qianfan", NULL, 0);
    cJSON *body = ask_token(&server, GRANT "client_id=a&client_secret=b", 200);
    CHECK_INT("its token", chat_with(&server, text_of(body, "access_token")), 0);
    CHECK_INT("any token", chat_with(&server, "x"), 0);
    cJSON_Delete(body);
    cJSON_Delete(ask_token(&server, GRANT "client_id=a", 401));
    stop(&server);
}

/* ---- base64url ---- */

static void test_base64url(void **state)
{
    static const struct {
        const char *text, *want; /* NULL = refused */
    } rows[] = {
        {"", ""},       {"Zg", "f"},    {"Zm8", "fo"},          {"Zm9v", "foo"}, {"Pz8_", "???"},
        {"Zg==", NULL}, {"Z", NULL},    {"Zh", NULL},           {"Zm9", NULL},   {"Zm9vZ", NULL},
        {"Pz8/", NULL}, {"Zm 8", NULL}, {"Zm9vZm9vZm9v", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out;
        buf_init(&out, 8); /* the last row is longer */
        bool good = mock_auth_decode(span_text(rows[i].text), &out);
        CHECK_INT(rows[i].text, good, rows[i].want != NULL);
        buf_add_char(&out, '\0');
        if (rows[i].want)
            CHECK_TEXT(rows[i].text, out.data, rows[i].want);
        buf_fini(&out);
    }
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_a_wrong_key_is_no_event),
        cmocka_unit_test(test_access_tokens),
        cmocka_unit_test(test_access_tokens_expire),
        cmocka_unit_test(test_no_key_is_needed_without_one),
        cmocka_unit_test(test_base64url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return check_by_the_clock(all);
}
