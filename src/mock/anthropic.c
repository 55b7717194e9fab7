/* Anthropic's Messages: every event has a name, one content block of text stands between its start
 * and its stop, and the output tokens are counted at the end. */
#include <cjson/cJSON.h>
#include <string.h>

#include "base/mem.h"
#include "mock/dialects.h"
#include "mock/routes.h"
#include "mock/server.h"
#include "mock/text.h"
#include "mock/write.h"
#include "wire/json.h"

/* ---- requests ---- */

static bool check_key(const struct mock_server *server, const struct mock_http *http,
                      struct mock_refusal *no)
{
    struct span key = mock_http_header(http, "x-api-key");
    if (!server->config->api_key)
        return true;
    if (!key.len)
        return mock_refuse(no, 401, NULL, NULL, "x-api-key header is required");
    return span_equals(key, server->config->api_key) ||
           mock_refuse(no, 401, NULL, NULL, "invalid x-api-key");
}

static const struct mock_field fields[] = {
    {"model", MOCK_IS_STRING, 0, 0, true},
    {"messages", MOCK_IS_ARRAY, 0, 0, true},
    {"max_tokens", MOCK_IS_INTEGER, 1, 9007199254740992, true},
    {"stream", MOCK_IS_BOOLEAN, 0, 0, false},
    {"system", MOCK_IS_STRING | MOCK_IS_ARRAY, 0, 0, false},
    {"temperature", MOCK_IS_NUMBER, 0, 1, false},
    {"top_p", MOCK_IS_NUMBER, 0, 1, false},
    {"top_k", MOCK_IS_INTEGER, 0, 0, false},
    {"stop_sequences", MOCK_IS_ARRAY, 0, 0, false},
    {"metadata", MOCK_IS_OBJECT, 0, 0, false},
    {"tools", MOCK_IS_ARRAY, 0, 0, false},
};

/* What the system says is a field of its own here, and no message. */
static bool check_roles(const cJSON *messages, struct mock_refusal *no)
{
    for (const cJSON *message = messages->child; message; message = message->next) {
        const char *role = mock_field_text(message, "role");
        if (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0)
            return mock_refuse(no, 400, NULL, "messages",
                               "messages: Unexpected role \"%.64s\". The Messages API accepts a "
                               "top-level `system` parameter, not \"system\" as an input message "
                               "role.",
                               role);
    }
    return true;
}

static void count_system(const cJSON *body, struct mock_ask *ask)
{
    const cJSON *system = cJSON_GetObjectItemCaseSensitive(body, "system");
    if (cJSON_IsString(system))
        mock_count_prompt(system->valuestring, ask);
    for (const cJSON *part = cJSON_IsArray(system) ? system->child : NULL; part; part = part->next)
        if (mock_field_text(part, "text"))
            mock_count_prompt(mock_field_text(part, "text"), ask);
}

static bool read_body(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    if (!mock_check_fields(body, "", fields, sizeof fields / sizeof *fields, no) ||
        !mock_read_messages(body, "", ask, no) ||
        !check_roles(cJSON_GetObjectItemCaseSensitive(body, "messages"), no))
        return false;
    count_system(body, ask);
    ask->stream = mock_field_true(body, "stream");
    ask->max_tokens = mock_field_integer(body, "max_tokens", -1);
    ask->model = mem_text(mock_field_text(body, "model"));
    return true;
}

static bool parse(const struct mock_http *http, struct mock_ask *ask, struct mock_refusal *no)
{
    mock_ask_init(ask, true);
    if (!mock_http_header(http, "anthropic-version").len)
        return mock_refuse(no, 400, NULL, NULL, "anthropic-version: header is required");
    return mock_read_body(buf_span(&http->body), read_body, ask, no);
}

/* ---- answers ---- */

/* The message's head, in the opening event and in a plain answer. */
static void write_prefix(struct mock_answer *answer, uint64_t wall_ns)
{
    struct buf *out = &answer->prefix;
    (void)wall_ns;
    buf_printf(out, "\"id\":\"msg_%016llx\",\"type\":\"message\",\"role\":\"assistant\",\"model\":",
               (unsigned long long)answer->request);
    json_write_string(out, span_text(answer->ask.model));
}

static void begin_event(struct buf *out, const struct mock_answer *answer, const char *type)
{
    buf_add_text(out, "event: ");
    buf_add_text(out, type);
    mock_write_line_end(out, answer);
    buf_add_text(out, "data: {\"type\":\"");
    buf_add_text(out, type);
    buf_add_text(out, "\"");
}

static void end_event(struct buf *out, const struct mock_answer *answer, bool first)
{
    mock_write_stamps(out, answer, first);
    mock_write_event_end(out, answer);
}

static void add_usage(struct buf *out, const struct mock_answer *answer, uint64_t tokens)
{
    if (answer->over.nousage)
        return;
    mock_write_field(out, ",\"usage\":{\"input_tokens\":", answer->ask.prompt_tokens);
    buf_add_text(out, ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0");
    mock_write_field(out, ",\"output_tokens\":", tokens);
    buf_add_text(out, "}");
}

static void add_reason(struct buf *out, const struct mock_answer *answer)
{
    buf_add_text(out,
                 answer->cut ? "\"stop_reason\":\"max_tokens\"" : "\"stop_reason\":\"end_turn\"");
    buf_add_text(out, ",\"stop_sequence\":null");
}

static void write_start(struct buf *out, struct mock_answer *answer)
{
    begin_event(out, answer, "message_start");
    buf_add_text(out, ",\"message\":{");
    buf_add_span(out, buf_span(&answer->prefix));
    buf_add_text(out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
    add_usage(out, answer, answer->tokens ? 1 : 0); /* the API's own counts begin so */
    buf_add_text(out, "}");
    end_event(out, answer, true);
}

static void write_ping(struct buf *out, struct mock_answer *answer)
{
    begin_event(out, answer, "ping");
    end_event(out, answer, false);
}

static void write_opening(struct buf *out, struct mock_answer *answer, uint32_t choice)
{
    (void)choice;
    switch (answer->frames++) {
    case 0: write_start(out, answer); break;
    case 1:
        begin_event(out, answer, "content_block_start");
        buf_add_text(out, ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}");
        end_event(out, answer, false);
        break;
    default: write_ping(out, answer);
    }
}

static void write_token(struct buf *out, struct mock_answer *answer, uint32_t choice, uint32_t k)
{
    begin_event(out, answer, "content_block_delta");
    buf_add_text(out, ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":");
    mock_write_token(out, answer, choice, k);
    buf_add_text(out, "}");
    end_event(out, answer, k == 0);
}

enum { OPENINGS = 3, FINISHES = 2 };

static void write_finish(struct buf *out, struct mock_answer *answer, uint32_t choice)
{
    (void)choice;
    if (answer->frames++ == OPENINGS) {
        begin_event(out, answer, "content_block_stop");
        buf_add_text(out, ",\"index\":0");
    } else {
        begin_event(out, answer, "message_delta");
        buf_add_text(out, ",\"delta\":{");
        add_reason(out, answer);
        buf_add_text(out, "}");
        add_usage(out, answer, answer->tokens);
    }
    end_event(out, answer, false);
}

static void write_done(struct buf *out, struct mock_answer *answer)
{
    begin_event(out, answer, "message_stop");
    end_event(out, answer, false);
}

static void write_plain(struct buf *out, struct mock_answer *answer)
{
    buf_add_text(out, "{");
    buf_add_span(out, buf_span(&answer->prefix));
    buf_add_text(out, ",\"content\":[{\"type\":\"text\",\"text\":");
    mock_write_tokens(out, answer, 0, 0, answer->tokens);
    buf_add_text(out, "}],");
    add_reason(out, answer);
    add_usage(out, answer, answer->tokens);
    mock_write_stamps(out, answer, true);
}

/* ---- errors ---- */

static const struct mock_error_name error_names[] = {
    {401, NULL, "authentication_error"},
    {403, NULL, "permission_error"},
    {404, NULL, "not_found_error"},
    {413, NULL, "request_too_large"},
    {429, NULL, "rate_limit_error"},
    {529, NULL, "overloaded_error"},
    {500, NULL, "api_error"},
    {502, NULL, "api_error"},
    {503, NULL, "api_error"},
    {504, NULL, "timeout_error"},
    {0, NULL, "invalid_request_error"},
};

static void write_failure(struct buf *out, struct mock_answer *answer)
{
    begin_event(out, answer, "error");
    buf_add_text(out, ",\"error\":{\"type\":\"overloaded_error\","
                      "\"message\":\"The mock server was asked to fail here.\"}");
    end_event(out, answer, false);
}

static void write_refusal(struct buf *out, const struct mock_refusal *no)
{
    buf_add_text(out, "{\"type\":\"error\",\"error\":{\"type\":");
    json_write_string(out, span_text(mock_error_name(error_names, no)));
    buf_add_text(out, ",\"message\":");
    json_write_string(out, span_text(no->message));
    buf_add_text(out, "}}\n");
}

/* ---- endpoints ---- */

static const struct mock_shape messages = {
    .parse = parse,
    .prefix = write_prefix,
    .opening = write_opening,
    .openings = OPENINGS,
    .token = write_token,
    .finish = write_finish,
    .finishes = FINISHES,
    .failure = write_failure,
    .failure_ends = true,
    .done = write_done,
    .ping = write_ping,
    .plain = write_plain,
    .refusal = write_refusal,
};

static const struct mock_route routes[] = {
    {
        .path = "/v1/messages",
        .method = "POST",
        .endpoint = MOCK_CHAT,
        .serve = mock_generate,
        .shape = &messages,
        .check_key = check_key,
    },
};

const struct mock_dialect mock_anthropic = {
    .name = "anthropic",
    .shape = &messages,
    .routes = routes,
    .route_count = sizeof routes / sizeof *routes,
};
