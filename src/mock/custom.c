/* A made-up API such as a user might have to script: one endpoint under any path, a text or
 * messages in, OpenAI's choices out, usage with the finish reason. */
#include <cjson/cJSON.h>

#include "base/mem.h"
#include "mock/auth.h"
#include "mock/dialects.h"
#include "mock/openai.h"
#include "mock/routes.h"
#include "mock/write.h"

/* ---- requests ---- */

static const struct mock_field fields[] = {
    {"input_text", MOCK_IS_STRING, 0, 0, false},
    {"messages", MOCK_IS_ARRAY, 0, 0, false},
    {"model", MOCK_IS_STRING, 0, 0, false},
    {"max_tokens", MOCK_IS_INTEGER, 1, 9007199254740992, false},
    {"temperature", MOCK_IS_NUMBER, 0, 2, false},
    {"top_p", MOCK_IS_NUMBER, 0, 1, false},
    {"top_k", MOCK_IS_INTEGER, 0, 0, false},
    {"stream", MOCK_IS_BOOLEAN, 0, 0, false},
    {"stream_options", MOCK_IS_OBJECT, 0, 0, false},
};

static bool read_prompt(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    const char *text = mock_field_text(body, "input_text");
    ask->chat = cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(body, "messages"));
    if (ask->chat == (text != NULL))
        return mock_refuse(no, 400, text ? "invalid_value" : "missing_required_parameter",
                           "input_text", "The body must have either 'input_text' or 'messages'.");
    if (ask->chat)
        return mock_read_messages(body, "", ask, no);
    mock_count_prompt(text, ask);
    return true;
}

static bool read_body(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    if (!mock_check_fields(body, "", fields, sizeof fields / sizeof *fields, no) ||
        !mock_openai_read_stream(body, ask, no) || !read_prompt(body, ask, no))
        return false;
    ask->include_usage = false; /* its end has usage always */
    ask->max_tokens = mock_field_integer(body, "max_tokens", -1);
    ask->model = mem_text(mock_field_text(body, "model"));
    return true;
}

static bool parse(const struct mock_http *http, struct mock_ask *ask, struct mock_refusal *no)
{
    mock_ask_init(ask, true);
    return mock_read_body(buf_span(&http->body), read_body, ask, no);
}

/* ---- answers ---- */

static void write_finish(struct buf *out, struct mock_answer *answer, uint32_t choice)
{
    buf_add_text(out, "data: ");
    buf_add_span(out, buf_span(&answer->prefix));
    mock_write_field(out, "\"choices\":[{\"index\":", choice);
    buf_add_text(out, answer->ask.chat ? ",\"delta\":{}" : ",\"text\":\"\"");
    buf_add_text(out, ",\"finish_reason\":");
    mock_write_text_or_null(out, mock_openai_reason(answer));
    buf_add_text(out, "}]");
    if (!answer->over.nousage) {
        buf_add_text(out, ",\"usage\":");
        mock_write_usage(out, answer, answer->tokens);
    }
    mock_write_stamps(out, answer, answer->tokens == 0);
    mock_write_event_end(out, answer);
}

static const struct mock_shape anything = {
    .parse = parse,
    .prefix = mock_openai_prefix,
    .token = mock_openai_token,
    .finish = write_finish,
    .failure = mock_openai_failure,
    .done = mock_write_done,
    .plain = mock_openai_plain,
    .refusal = mock_openai_refusal,
};

static const struct mock_route routes[] = {
    {
        .path = "*",
        .method = "POST",
        .endpoint = MOCK_CHAT,
        .serve = mock_generate,
        .shape = &anything,
        .check_key = mock_auth_bearer,
    },
};

const struct mock_dialect mock_custom = {
    .name = "custom",
    .shape = &anything,
    .routes = routes,
    .route_count = sizeof routes / sizeof *routes,
};
