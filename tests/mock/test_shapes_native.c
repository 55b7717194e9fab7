/* What the mock server answers as Ollama and as Anthropic. */
#include "shapes.h"

#define OLLAMA "{\"model\":\"l\"," SAY
#define CLAUDE "{\"model\":\"c\",\"max_tokens\":100," SAY
#define MESSAGES "/v1/messages"

static const struct row ollama_rows[] = {
    {
        .name = "chat streams by itself",
        .path = "/api/chat",
        .body = OLLAMA "}",
        .lines = true,
        .events = TOKENS + 1,
        .raw = "{\"model\":\"l\",\"created_at\":\"20",
        .wants =
            {
                {0, "message.role", "\"assistant\""},
                {0, "message.content", "*"},
                {0, "done", "false"},
                {0, "eval_count", NULL},
                {0, "read_ns", "*"},
                {-1, "message.content", "\"\""},
                {-1, "done", "true"},
                {-1, "done_reason", "\"stop\""},
                {-1, "prompt_eval_count", "4"},
                {-1, "eval_count", "12"},
                {-1, "total_duration", "*"},
                {-1, "load_duration", "0"},
                {-1, "prompt_eval_duration", "*"},
                {-1, "eval_duration", "*"},
            },
    },
    {
        .name = "cut",
        .path = "/api/chat",
        .body = OLLAMA ",\"options\":{\"num_predict\":3}}",
        .lines = true,
        .events = 4,
        .wants = {{-1, "done_reason", "\"length\""}, {-1, "eval_count", "3"}},
    },
    {
        .name = "no limit",
        .path = "/api/chat",
        .body = OLLAMA ",\"options\":{\"num_predict\":-1}}",
        .lines = true,
        .events = TOKENS + 1,
        .wants = {{-1, "done_reason", "\"stop\""}},
    },
    {
        .name = "chat at once",
        .path = "/api/chat",
        .body = OLLAMA ",\"stream\":false}",
        .wants =
            {
                {0, "message.role", "\"assistant\""},
                {0, "message.content", "*"},
                {0, "done", "true"},
                {0, "eval_count", "12"},
                {0, "sent_ns", "*"},
            },
    },
    {
        .name = "generate",
        .path = "/api/generate",
        .body = "{\"model\":\"l\",\"prompt\":\"a b\",\"system\":\"c\"}",
        .lines = true,
        .events = TOKENS + 1,
        .wants =
            {
                {0, "response", "*"},
                {0, "message", NULL},
                {-1, "response", "\"\""},
                {-1, "prompt_eval_count", "3"},
            },
    },
    {
        .name = "an empty answer, kept alive by nothing",
        .path = "/api/generate?empty=1&ping=1",
        .body = "{\"model\":\"l\"}",
        .lines = true,
        .wants = {{0, "done", "true"}, {0, "eval_count", "0"}, {0, "read_ns", "*"}},
    },
    {
        .name = "kept alive, lines with CR",
        .path = "/api/chat?ping=4&crlf=1",
        .body = OLLAMA "}",
        .lines = true,
        .events = TOKENS + 1,
        .comments = 3,
        .raw = "}\r\n\r\n{",
    },
    {
        .name = "without counts",
        .path = "/api/chat?nousage=1",
        .body = OLLAMA "}",
        .lines = true,
        .events = TOKENS + 1,
        .wants = {{-1, "eval_count", NULL}, {-1, "prompt_eval_count", NULL}},
    },
    {
        .name = "an error after two",
        .path = "/api/chat?error=2",
        .body = OLLAMA "}",
        .lines = true,
        .events = 3,
        .wants = {{-1, "error", "*"}, {-1, "done", NULL}},
    },
    {
        .name = "no model",
        .path = "/api/chat",
        .body = "{" SAY "}",
        .status = 400,
        .wants = {{0, "error", "*"}},
    },
    {
        .name = "an option of the wrong type",
        .path = "/api/chat",
        .body = OLLAMA ",\"options\":{\"num_predict\":\"3\"}}",
        .status = 400,
        .raw = "options.num_predict",
    },
    {
        .name = "another path",
        .path = "/v1/chat/completions",
        .body = OLLAMA "}",
        .status = 404,
        .wants = {{0, "error", "*"}},
    },
};

static const struct row anthropic_rows[] = {
    {
        .name = "stream",
        .path = MESSAGES,
        .headers = VERSION,
        .body = CLAUDE ",\"stream\":true,\"system\":\"be brief\"}",
        .stream = true,
        .events = 3 + TOKENS + 3,
        .raw = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_",
        .wants =
            {
                {0, "message.content", "[]"},
                {0, "message.stop_reason", "null"},
                {0, "message.usage.input_tokens", "6"},
                {0, "message.usage.output_tokens", "1"},
                {1, "content_block", "{\"type\":\"text\",\"text\":\"\"}"},
                {2, "type", "\"ping\""},
                {3, "type", "\"content_block_delta\""},
                {3, "delta.text", "*"},
                {3, "read_ns", "*"},
                {-3, "type", "\"content_block_stop\""},
                {-2, "delta", "{\"stop_reason\":\"end_turn\",\"stop_sequence\":null}"},
                {-2, "usage.output_tokens", "12"},
                {-2, "usage.input_tokens", "6"},
                {-1, "type", "\"message_stop\""},
            },
    },
    {
        .name = "cut",
        .path = MESSAGES,
        .headers = VERSION,
        .body = "{\"model\":\"c\",\"max_tokens\":2,\"stream\":true," SAY "}",
        .stream = true,
        .events = 3 + 2 + 3,
        .raw = "event: message_delta\ndata: {\"type\":\"message_delta\"",
        .wants = {{-2, "delta.stop_reason", "\"max_tokens\""}, {-2, "usage.output_tokens", "2"}},
    },
    {
        .name = "without counts and without end",
        .path = MESSAGES "?nousage=1&nodone=1&empty=1",
        .headers = VERSION,
        .body = CLAUDE ",\"stream\":true}",
        .stream = true,
        .events = 3 + 2,
        .wants =
            {
                {0, "message.usage", NULL},
                {-1, "type", "\"message_delta\""},
                {-1, "usage", NULL},
            },
    },
    {
        .name = "pings",
        .path = MESSAGES "?ping=6",
        .headers = VERSION,
        .body = CLAUDE ",\"stream\":true}",
        .stream = true,
        .events = 3 + TOKENS + 2 + 3,
        .raw = "event: ping\ndata: {\"type\":\"ping\",",
    },
    {
        .name = "an error after two",
        .path = MESSAGES "?error=2",
        .headers = VERSION,
        .body = CLAUDE ",\"stream\":true}",
        .stream = true,
        .events = 3 + 2 + 1,
        .raw = "event: error\ndata: {\"type\":\"error\",",
        .wants = {{-1, "error.type", "\"overloaded_error\""}, {-1, "error.message", "*"}},
    },
    {
        .name = "plain",
        .path = MESSAGES,
        .headers = VERSION,
        .body = CLAUDE ",\"system\":[{\"type\":\"text\",\"text\":\"be brief\"}]}",
        .wants =
            {
                {0, "type", "\"message\""},
                {0, "role", "\"assistant\""},
                {0, "content.0.type", "\"text\""},
                {0, "content.0.text", "*"},
                {0, "stop_reason", "\"end_turn\""},
                {0, "usage.input_tokens", "6"},
                {0, "usage.output_tokens", "12"},
                {0, "sent_ns", "*"},
            },
    },
    {
        .name = "no version",
        .path = MESSAGES,
        .body = CLAUDE "}",
        .status = 400,
        .raw = "anthropic-version: header is required",
        .wants = {{0, "type", "\"error\""}, {0, "error.type", "\"invalid_request_error\""}},
    },
    {
        .name = "no max_tokens",
        .path = MESSAGES,
        .headers = VERSION,
        .body = "{\"model\":\"c\"," SAY "}",
        .status = 400,
        .raw = "max_tokens",
    },
    {
        .name = "system as a message",
        .path = MESSAGES,
        .headers = VERSION,
        .body = "{\"model\":\"c\",\"max_tokens\":2,\"messages\":[{\"role\":\"system\","
                "\"content\":\"a\"}]}",
        .status = 400,
        .raw = "Unexpected role \\\"system\\\"",
    },
    {
        .name = "too busy",
        .path = MESSAGES "?status=529",
        .headers = VERSION,
        .body = CLAUDE "}",
        .status = 529,
        .wants = {{0, "error.type", "\"overloaded_error\""}},
    },
};

static void test_ollama(void **state)
{
    (void)state;
    check_rows("ollama", ollama_rows, sizeof ollama_rows / sizeof *ollama_rows);
}

static void test_anthropic(void **state)
{
    (void)state;
    check_rows("anthropic", anthropic_rows, sizeof anthropic_rows / sizeof *anthropic_rows);
}

/* Streamed or not, request 1 says the same; each event's name is its type. */
static void test_anthropic_texts_agree(void **state)
{
    (void)state;
    struct server server;
    struct reply reply;
    struct seen seen;
    struct buf text;
    buf_init(&text, 1 << 16);
    start(&server, "anthropic");
    exchange_with(server.port, MESSAGES, VERSION, CLAUDE ",\"stream\":true}", &reply);
    see_reply(&seen, &reply);
    const char *at = reply.body.data;
    for (size_t i = 0; i < seen.count; i++) {
        char name[64];
        snprintf(name, sizeof name, "event: %s\n", text_of(seen.events[i], "type"));
        if (!(at = strstr(at, "event: ")) || strncmp(at, name, strlen(name)) != 0)
            fail_msg("event %zu is not named %s", i, name);
        at++;
        if (member(seen.events[i], "delta.text"))
            buf_add_text(&text, text_of(seen.events[i], "delta.text"));
    }
    buf_add_char(&text, '\0');
    seen_fini(&seen);
    reply_fini(&reply);
    cJSON *stats = fetch_stats(server.port, "/stats");
    CHECK_INT("events", number(stats, "events"), 3 + TOKENS + 2);
    CHECK_INT("chat", number(stats, "requests.chat"), 1);
    cJSON_Delete(stats);
    exchange(server.port, "/reset", "", &reply);
    reply_fini(&reply);
    exchange_with(server.port, MESSAGES, VERSION, CLAUDE "}", &reply);
    see_reply(&seen, &reply);
    assert_true(text.len > 20);
    CHECK_TEXT("text", text_of(seen.events[0], "content.0.text"), text.data);
    seen_fini(&seen);
    reply_fini(&reply);
    buf_fini(&text);
    stop(&server);
}

static void test_the_key_has_a_header_of_its_own(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *part; /* of a 401; NULL = 200 */
    } keys[] = {
        {VERSION "x-api-key: sesame\r\n", NULL},
        {VERSION "X-Api-Key: sesam\r\n", "invalid x-api-key"},
        {VERSION "Authorization: Bearer sesame\r\n", "x-api-key header is required"},
        {VERSION, "x-api-key header is required"},
    };
    struct server server;
    struct mock_config config = {.dialect = "anthropic", .tokens = 2, .api_key = "sesame"};
    assert_true(server_start(&server, config));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct reply reply;
        exchange_with(server.port, MESSAGES, keys[i].headers, CLAUDE ",\"stream\":true}", &reply);
        CHECK_INT(keys[i].headers, reply.status, keys[i].part ? 401 : 200);
        if (keys[i].part && (!strstr(reply.body.data, keys[i].part) ||
                             !strstr(reply.body.data, "\"authentication_error\"")))
            fail_msg("%s: %s", keys[i].headers, reply.body.data);
        reply_fini(&reply);
    }
    stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ollama),
        cmocka_unit_test(test_anthropic),
        cmocka_unit_test(test_anthropic_texts_agree),
        cmocka_unit_test(test_the_key_has_a_header_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
