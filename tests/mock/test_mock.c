/* The mock server over sockets: what it answers, and what it refuses. */
#include "client.h"

static struct server server; /* one for all tests of this program */

enum { TOKENS = 12, TTFT_MS = 20, ITL_MS = 2 };

static const struct mock_config config = {
    .ttft_ns = TTFT_MS * NS_PER_MS,
    .itl_ns = ITL_MS * NS_PER_MS,
    .jitter = 0.2,
    .tokens = TOKENS,
    .seed = 42,
    .max_body = 4096,
};

static int start(void **state)
{
    (void)state;
    return server_start(&server, config) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    server_stop(&server);
    return server.served ? 0 : -1;
}

#define CHAT "/v1/chat/completions"
#define COMPLETIONS "/v1/completions"
#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"hello there 你好\"}]"
#define STREAM "{\"model\":\"m\",\"stream\":true,"

/* ---- refusals ---- */

#define M "{\"model\":\"m\","

static const struct {
    const char *path, *body;
    int status;
    const char *param, *code; /* "(none)" = null */
} refusals[] = {
    {"/v1/nothing", "{}", 404, "(none)", "unknown_url"},
    {"/v1/models", "{}", 405, "(none)", "method_not_supported"},
    {CHAT, "", 400, "(none)", "(none)"},
    {CHAT, "{", 400, "(none)", "(none)"},
    {CHAT, M MESSAGES "} x", 400, "(none)", "(none)"},
    {CHAT, M "\"messages\":[{\"role\":\"user\",\"content\":\"a\nb\"}]}", 400, "(none)", "(none)"},
    {CHAT, M "\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}", 400, "(none)", "(none)"},
    {CHAT, "[]", 400, "body", "invalid_type"},
    {CHAT, "{" MESSAGES "}", 400, "model", "missing_required_parameter"},
    {CHAT, "{\"model\":7," MESSAGES "}", 400, "model", "invalid_type"},
    {CHAT, "{\"model\":null," MESSAGES "}", 400, "model", "invalid_type"},
    {CHAT, "{\"model\":\"m\"}", 400, "messages", "missing_required_parameter"},
    {CHAT, M "\"messages\":[]}", 400, "messages", "empty_array"},
    {CHAT, M "\"messages\":{\"role\":\"user\"}}", 400, "messages", "invalid_type"},
    {CHAT, M "\"messages\":\"hi\"}", 400, "messages", "invalid_type"},
    {CHAT, M "\"messages\":[7]}", 400, "messages[0]", "invalid_type"},
    {CHAT, M "\"messages\":[{\"content\":\"x\"}]}", 400, "messages[0].role",
     "missing_required_parameter"},
    {CHAT, M "\"messages\":[{\"role\":\"boss\",\"content\":\"x\"}]}", 400, "messages[0].role",
     "invalid_value"},
    {CHAT, M "\"messages\":[{\"role\":\"user\"}]}", 400, "messages[0].content",
     "missing_required_parameter"},
    {CHAT, M "\"messages\":[{\"role\":\"user\",\"content\":5}]}", 400, "messages[0].content",
     "invalid_type"},
    {CHAT, M "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]}", 400,
     "messages[0].content[0].text", "missing_required_parameter"},
    {CHAT, M MESSAGES ",\"stream\":\"yes\"}", 400, "stream", "invalid_type"},
    {CHAT, M MESSAGES ",\"max_tokens\":\"5\"}", 400, "max_tokens", "invalid_type"},
    {CHAT, M MESSAGES ",\"max_tokens\":1.5}", 400, "max_tokens", "invalid_type"},
    {CHAT, M MESSAGES ",\"max_tokens\":0}", 400, "max_tokens", "integer_below_min_value"},
    {CHAT, M MESSAGES ",\"n\":0}", 400, "n", "integer_below_min_value"},
    {CHAT, M MESSAGES ",\"n\":129}", 400, "n", "integer_above_max_value"},
    {CHAT, M MESSAGES ",\"n\":[1]}", 400, "n", "invalid_type"},
    {CHAT, M MESSAGES ",\"temperature\":3}", 400, "temperature", "decimal_above_max_value"},
    {CHAT, M MESSAGES ",\"max_tokens\":3,\"min_tokens\":4}", 400, "min_tokens", "invalid_value"},
    {CHAT, M MESSAGES ",\"stream_options\":{}}", 400, "stream_options", "(none)"},
    {CHAT, M MESSAGES ",\"max_tokens\":2000000,\"ignore_eos\":true}", 400, "max_tokens",
     "invalid_value"},
    {COMPLETIONS, M MESSAGES "}", 400, "prompt", "missing_required_parameter"},
    {COMPLETIONS, M "\"prompt\":7}", 400, "prompt", "invalid_type"},
    {COMPLETIONS, M "\"prompt\":[]}", 400, "prompt", "empty_array"},
    {COMPLETIONS, M "\"prompt\":[\"a\",{}]}", 400, "prompt", "invalid_type"},
    {CHAT "?wrong=1", M MESSAGES "}", 400, "(none)", "unknown_url_parameter"},
    {CHAT "?status=429", M MESSAGES "}", 429, "(none)", "rate_limit_exceeded"},
    {CHAT "?status=503", M MESSAGES "}", 503, "(none)", "(none)"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct reply reply;
        exchange(server.port, refusals[i].path, refusals[i].body, &reply);
        CHECK_INT(refusals[i].body, reply.status, refusals[i].status);
        assert_true(reply.complete);
        cJSON *body = cJSON_Parse(reply.body.data);
        CHECK_TEXT(refusals[i].body, text_of(body, "error.param"), refusals[i].param);
        CHECK_TEXT(refusals[i].body, text_of(body, "error.code"), refusals[i].code);
        assert_true(strlen(text_of(body, "error.message")) > 10);
        CHECK_TEXT(refusals[i].body, text_of(body, "error.type"),
                   reply.status == 429  ? "rate_limit_error"
                   : reply.status > 500 ? "server_error"
                                        : "invalid_request_error");
        assert_true((strstr(reply.head.data, "retry-after: ") != NULL) == (reply.status == 429));
        cJSON_Delete(body);
        reply_fini(&reply);
    }
}

/* What the parser refuses ends the connection, but the answer arrives first. */
static void test_broken_requests_are_answered_and_closed(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t fill; /* further bytes sent after them */
        int status;
    } rows[] = {
        {"nonsense\r\n\r\n", 0, 400},
        {"POST " CHAT " HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", 5000, 413},
        {"POST " CHAT " HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n", 900000, 413},
        {"GET /health HTTP/1.1\r\nHost: x\r\nX: ", 70000, 431},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client client;
        struct reply reply;
        struct buf nothing;
        char *fill = mem_zero(rows[i].fill + 1, 1);
        memset(fill, 'x', rows[i].fill);
        client_open(&client, server.port);
        client_send(&client, rows[i].bytes, strlen(rows[i].bytes));
        client_send(&client, fill, rows[i].fill);
        client_reply(&client, &reply);
        CHECK_INT(rows[i].bytes, reply.status, rows[i].status);
        assert_true(reply.complete);
        assert_non_null(strstr(reply.head.data, "connection: close"));
        buf_init(&nothing, 10);
        assert_false(client_take(&client, 1, &nothing, &reply));
        CHECK_INT(rows[i].bytes, reply.silent, false);
        CHECK_INT(rows[i].bytes, reply.reset, false); /* what was still under way is read first */
        buf_fini(&nothing);
        reply_fini(&reply);
        client_close(&client);
        free(fill);
    }
}

/* ---- streams ---- */

static const struct {
    const char *path, *body;
    unsigned openings, tokens, usages, dones, comments, errors;
    const char *finish;
    double prompt_tokens;
} streams[] = {
    {CHAT, STREAM MESSAGES "}", 1, TOKENS, 0, 1, 0, 0, "stop", 0},
    {CHAT, STREAM MESSAGES ",\"stream_options\":{\"include_usage\":true}}", 1, TOKENS, 1, 1, 0, 0,
     "stop", 4},
    {CHAT "?nousage=1", STREAM MESSAGES ",\"stream_options\":{\"include_usage\":true}}", 1, TOKENS,
     0, 1, 0, 0, "stop", 0},
    {CHAT, STREAM MESSAGES ",\"max_tokens\":5}", 1, 5, 0, 1, 0, 0, "length", 0},
    {CHAT, STREAM MESSAGES ",\"max_tokens\":12}", 1, 12, 0, 1, 0, 0, "stop", 0},
    {CHAT, STREAM MESSAGES ",\"max_tokens\":50}", 1, TOKENS, 0, 1, 0, 0, "stop", 0},
    {CHAT, STREAM MESSAGES ",\"max_tokens\":50,\"max_completion_tokens\":4}", 1, 4, 0, 1, 0, 0,
     "length", 0},
    {CHAT, STREAM MESSAGES ",\"max_tokens\":50,\"ignore_eos\":true}", 1, 50, 0, 1, 0, 0, "length",
     0},
    {CHAT, STREAM MESSAGES ",\"max_tokens\":50,\"min_tokens\":20}", 1, 20, 0, 1, 0, 0, "stop", 0},
    {CHAT, STREAM MESSAGES ",\"n\":2,\"stream_options\":{\"include_usage\":true}}", 2, 2 * TOKENS,
     1, 1, 0, 0, "stop", 4},
    {CHAT "?tokens=3", STREAM MESSAGES "}", 1, 3, 0, 1, 0, 0, "stop", 0},
    {CHAT "?crlf=1", STREAM MESSAGES "}", 1, TOKENS, 0, 1, 0, 0, "stop", 0},
    {CHAT "?split=1", STREAM MESSAGES "}", 1, TOKENS, 0, 1, 0, 0, "stop", 0},
    {CHAT "?coal=5&crlf=1&split=1", STREAM MESSAGES "}", 1, TOKENS, 0, 1, 0, 0, "stop", 0},
    {CHAT "?coal=5", STREAM MESSAGES ",\"n\":2}", 2, 2 * TOKENS, 0, 1, 0, 0, "stop", 0},
    {CHAT "?ping=3", STREAM MESSAGES "}", 1, TOKENS, 0, 1, 4, 0, "stop", 0},
    {CHAT "?empty=1", STREAM MESSAGES "}", 1, 0, 0, 1, 0, 0, "stop", 0},
    {CHAT "?nodone=1", STREAM MESSAGES "}", 1, TOKENS, 0, 0, 0, 0, "stop", 0},
    {CHAT "?error=3", STREAM MESSAGES "}", 1, 3, 0, 1, 0, 1, "", 0},
    {CHAT "?error=0&nodone=1", STREAM MESSAGES "}", 1, 0, 0, 0, 0, 1, "", 0},
    {COMPLETIONS "?error=0", STREAM "\"prompt\":\"x\"}", 0, 0, 0, 1, 0, 1, "", 0},
    {COMPLETIONS "?empty=1", STREAM "\"prompt\":\"x\"}", 0, 0, 0, 1, 0, 0, "stop", 0},
    {COMPLETIONS, STREAM "\"prompt\":\"one two 三四\",\"stream_options\":{\"include_usage\":true}}",
     0, TOKENS, 1, 1, 0, 0, "stop", 4},
    {COMPLETIONS,
     STREAM "\"prompt\":[\"a b\",\"c\"],\"max_tokens\":2,\"n\":2,"
            "\"stream_options\":{\"include_usage\":true}}",
     0, 8, 1, 1, 0, 0, "length", 3},
    {COMPLETIONS, STREAM "\"prompt\":[1,2,3],\"stream_options\":{\"include_usage\":true}}", 0,
     TOKENS, 1, 1, 0, 0, "stop", 3},
};

static void check_stream(const char *name, size_t i, const struct stream *stream)
{
    CHECK_INT(name, stream->openings, streams[i].openings);
    CHECK_INT(name, stream->tokens, streams[i].tokens);
    CHECK_INT(name, stream->usages, streams[i].usages);
    CHECK_INT(name, stream->dones, streams[i].dones);
    CHECK_INT(name, stream->comments, streams[i].comments);
    CHECK_INT(name, stream->errors, streams[i].errors);
    CHECK_TEXT(name, stream->finish, streams[i].finish);
    CHECK_INT(name, stream->disorder, false);
    CHECK_INT(name, stream->after_done, false);
    CHECK_INT(name, stream->prompt_tokens, streams[i].prompt_tokens);
    if (streams[i].usages)
        CHECK_INT(name, stream->completion_tokens, stream->tokens);
    if (streams[i].tokens) {
        double least = stream->read_ns + 0.8 * TTFT_MS * (double)NS_PER_MS;
        assert_true(stream->read_ns > 0);
        assert_true(stream->token_sent_ns[0] >= least);
    }
}

static void test_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        char name[400];
        struct reply reply;
        struct stream stream;
        snprintf(name, sizeof name, "%s %s", streams[i].path, streams[i].body);
        exchange(server.port, streams[i].path, streams[i].body, &reply);
        CHECK_INT(name, reply.status, 200);
        CHECK_INT(name, reply.complete && reply.chunked, true);
        assert_non_null(strstr(reply.head.data, "content-type: text/event-stream\r\n"));
        stream_read(&stream, &reply);
        check_stream(name, i, &stream);
        bool crlf = memmem(reply.body.data, reply.body.len, "\r\n", 2) != NULL;
        CHECK_INT(name, crlf, strstr(streams[i].path, "crlf=1") != NULL);
        stream_fini(&stream);
        reply_fini(&reply);
    }
}

/* Token k is due at read + ttft + k gaps, all within the jitter, and never sent before. */
static void test_schedule_is_kept(void **state)
{
    (void)state;
    struct reply reply;
    struct stream stream;
    exchange(server.port, CHAT "?ttft=30&itl=5", STREAM MESSAGES ",\"n\":2}", &reply);
    stream_read(&stream, &reply);
    CHECK_INT("tokens", stream.tokens, 2 * TOKENS);
    CHECK_INT("first choice", stream.choice_tokens[0], TOKENS);
    CHECK_INT("second choice", stream.choice_tokens[1], TOKENS);
    for (unsigned i = 0; i < stream.tokens; i++) {
        double least_ms = 30 * 0.8 + (i / 2) * 5 * 0.8;
        double sent_ms = (stream.token_sent_ns[i] - stream.read_ns) / (double)NS_PER_MS;
        if (sent_ms < least_ms)
            fail_msg("token %u: sent after %f ms, due after %f ms at the earliest", i, sent_ms,
                     least_ms);
    }
    stream_fini(&stream);
    reply_fini(&reply);
}

static void reset(void)
{
    struct reply reply;
    exchange(server.port, "/reset", "", &reply);
    CHECK_INT("reset", reply.status, 200);
    reply_fini(&reply);
}

/* The same seed and request number give the same text, streamed or not; the next one another. */
static void test_plain_equals_stream(void **state)
{
    (void)state;
    struct reply streamed, plain, next;
    struct stream stream;
    reset();
    exchange(server.port, CHAT "?ttft=5", STREAM MESSAGES ",\"n\":2}", &streamed);
    reset();
    exchange(server.port, CHAT "?ttft=5", M MESSAGES ",\"n\":2}", &plain);
    exchange(server.port, CHAT "?ttft=5", M MESSAGES ",\"n\":2}", &next);
    stream_read(&stream, &streamed);
    buf_add_char(&stream.text[0], '\0');
    buf_add_char(&stream.text[1], '\0');
    cJSON *body = cJSON_Parse(plain.body.data), *other = cJSON_Parse(next.body.data);
    CHECK_INT("status", plain.status, 200);
    CHECK_TEXT("choice 0", text_of(body, "choices.0.message.content"), stream.text[0].data);
    CHECK_TEXT("choice 1", text_of(body, "choices.1.message.content"), stream.text[1].data);
    assert_string_not_equal(stream.text[0].data, stream.text[1].data);
    assert_string_not_equal(text_of(other, "choices.0.message.content"), stream.text[0].data);
    CHECK_TEXT("object", text_of(body, "object"), "chat.completion");
    CHECK_TEXT("finish", text_of(body, "choices.0.finish_reason"), "stop");
    CHECK_INT("prompt", number(body, "usage.prompt_tokens"), 4);
    CHECK_INT("completion", number(body, "usage.completion_tokens"), 2 * TOKENS);
    CHECK_INT("total", number(body, "usage.total_tokens"), 2 * TOKENS + 4);
    double took_ms = (number(body, "sent_ns") - number(body, "read_ns")) / (double)NS_PER_MS;
    assert_true(took_ms >= 5 * 0.8 + (TOKENS - 1) * ITL_MS);
    cJSON_Delete(body);
    cJSON_Delete(other);
    stream_fini(&stream);
    reply_fini(&streamed);
    reply_fini(&plain);
    reply_fini(&next);
}

static void test_small_endpoints(void **state)
{
    (void)state;
    static const struct {
        const char *request, *path, *want;
    } rows[] = {
        {"GET /health", "status", "ok"},
        {"GET /v1/models", "data.0.id", "mock-model"},
        {"GET /v1/models?x=1", "object", "list"},
        {"HEAD /health", NULL, NULL},
        {"PUT /health", "error.code", "method_not_supported"},
        {"GET " CHAT, "error.code", "method_not_supported"},
        {"DELETE /reset", "error.code", "method_not_supported"},
        {"GET /", "error.code", "unknown_url"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client client;
        struct reply reply;
        char *text =
            mem_printf("%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", rows[i].request);
        client_open(&client, server.port);
        client_send(&client, text, strlen(text));
        client_reply(&client, &reply);
        cJSON *body = cJSON_Parse(reply.body.data);
        if (rows[i].path)
            CHECK_TEXT(rows[i].request, text_of(body, rows[i].path), rows[i].want);
        else
            CHECK_INT(rows[i].request, reply.body.len, 0); /* HEAD */
        cJSON_Delete(body);
        reply_fini(&reply);
        client_close(&client);
        free(text);
    }
}

/* ---- keys, models, ports ---- */

static void test_key_and_model(void **state)
{
    (void)state;
    static const struct {
        const char *header, *model;
        int status;
        const char *code;
    } rows[] = {
        {"", "right", 401, "(none)"},
        {"Authorization: Bearer wrong\r\n", "right", 401, "invalid_api_key"},
        {"Authorization: sesame\r\n", "right", 401, "invalid_api_key"},
        {"Authorization: Bearer sesame\r\n", "other", 404, "model_not_found"},
        {"Authorization: Bearer sesame\r\n", "right", 200, "(none)"},
    };
    struct server guarded;
    struct mock_config own = config;
    own.api_key = "sesame";
    own.model = "right";
    assert_true(server_start(&guarded, own));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client client;
        struct reply reply;
        char *body = mem_printf("{\"model\":\"%s\"," MESSAGES "}", rows[i].model);
        char *text = mem_printf("POST " CHAT " HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n"
                                "\r\n%s",
                                rows[i].header, strlen(body), body);
        client_open(&client, guarded.port);
        client_send(&client, text, strlen(text));
        client_reply(&client, &reply);
        cJSON *json = cJSON_Parse(reply.body.data);
        CHECK_INT(rows[i].header, reply.status, rows[i].status);
        CHECK_TEXT(rows[i].header, text_of(json, "error.code"), rows[i].code);
        cJSON_Delete(json);
        reply_fini(&reply);
        client_close(&client);
        free(text);
        free(body);
    }
    server_stop(&guarded);
    assert_true(guarded.served);
}

static void test_a_port_in_use_is_named(void **state)
{
    (void)state;
    char want[80];
    struct server second;
    struct mock_config own = config;
    own.port = server.port;
    assert_false(server_start(&second, own));
    pthread_join(second.thread, NULL);
    assert_false(second.served);
    snprintf(want, sizeof want, "port %u on 127.0.0.1 is in use: choose another port", own.port);
    CHECK_TEXT("error", second.err.text, want);
    close(second.ready[0]);
    close(second.stop[0]);
    close(second.stop[1]);
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_broken_requests_are_answered_and_closed),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_schedule_is_kept),
        cmocka_unit_test(test_plain_equals_stream),
        cmocka_unit_test(test_small_endpoints),
        cmocka_unit_test(test_key_and_model),
        cmocka_unit_test(test_a_port_in_use_is_named),
    };
    return cmocka_run_group_tests(tests, start, stop);
}

int main(void)
{
    return check_by_the_clock(all);
}
