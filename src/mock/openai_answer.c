/* OpenAI's dialect: its endpoints and the answering side. */
#include "base/clock.h"
#include "mock/auth.h"
#include "mock/dialects.h"
#include "mock/openai.h"
#include "mock/routes.h"
#include "mock/text.h"
#include "mock/write.h"
#include "wire/json.h"

void mock_openai_prefix(struct mock_answer *answer, uint64_t wall_ns)
{
    const char *object = "text_completion";
    if (answer->ask.chat)
        object = answer->ask.stream ? "chat.completion.chunk" : "chat.completion";
    struct buf *out = &answer->prefix;
    buf_printf(out, "{\"id\":\"%s-%016llx\",\"object\":\"%s\",\"created\":%llu,\"model\":",
               answer->ask.chat ? "chatcmpl" : "cmpl", (unsigned long long)answer->request, object,
               (unsigned long long)(wall_ns / NS_PER_S));
    mock_write_text_or_null(out, answer->ask.model);
    buf_add_text(out, ",");
}

/* ---- events ---- */

static void begin_chunk(struct buf *out, const struct mock_answer *answer)
{
    buf_add_text(out, "data: ");
    buf_add_span(out, buf_span(&answer->prefix));
}

static void begin_choice(struct buf *out, const struct mock_answer *answer, uint32_t choice)
{
    begin_chunk(out, answer);
    mock_write_field(out, "\"choices\":[{\"index\":", choice);
}

static void end_chunk(struct buf *out, const struct mock_answer *answer, bool first)
{
    mock_write_stamps(out, answer, first);
    mock_write_event_end(out, answer);
}

static void end_choice(struct buf *out, const struct mock_answer *answer, const char *finish,
                       bool first)
{
    buf_add_text(out, ",\"logprobs\":null,\"finish_reason\":");
    mock_write_text_or_null(out, finish);
    buf_add_text(out, answer->ask.include_usage ? "}],\"usage\":null" : "}]");
    end_chunk(out, answer, first);
}

static void write_opening(struct buf *out, struct mock_answer *answer, uint32_t choice)
{
    begin_choice(out, answer, choice);
    buf_add_text(out, ",\"delta\":{\"role\":\"assistant\",\"content\":\"\"}");
    end_choice(out, answer, NULL, true);
}

void mock_openai_token(struct buf *out, struct mock_answer *answer, uint32_t choice, uint32_t k)
{
    begin_choice(out, answer, choice);
    buf_add_text(out, answer->ask.chat ? ",\"delta\":{\"content\":" : ",\"text\":");
    mock_write_token(out, answer, choice, k);
    if (answer->ask.chat)
        buf_add_text(out, "}");
    end_choice(out, answer, NULL, k == 0);
}

const char *mock_openai_reason(const struct mock_answer *answer)
{
    return answer->cut ? "length" : "stop";
}

static void write_finish(struct buf *out, struct mock_answer *answer, uint32_t choice)
{
    begin_choice(out, answer, choice);
    buf_add_text(out, answer->ask.chat ? ",\"delta\":{}" : ",\"text\":\"\"");
    end_choice(out, answer, mock_openai_reason(answer), answer->tokens == 0);
}

static void write_usage_event(struct buf *out, struct mock_answer *answer)
{
    begin_chunk(out, answer);
    buf_add_text(out, "\"choices\":[],\"usage\":");
    mock_write_usage(out, answer, mock_answer_tokens(answer));
    end_chunk(out, answer, false);
}

void mock_openai_failure(struct buf *out, struct mock_answer *answer)
{
    buf_add_text(out, "data: {\"error\":{\"message\":\"The mock server was asked to fail here.\","
                      "\"type\":\"server_error\",\"param\":null,\"code\":null}");
    end_chunk(out, answer, false);
}

/* ---- whole bodies ---- */

static void add_choice(struct buf *out, const struct mock_answer *answer, uint32_t choice)
{
    mock_write_field(out, choice ? ",{\"index\":" : "{\"index\":", choice);
    if (answer->ask.chat)
        buf_add_text(out, ",\"message\":{\"role\":\"assistant\",\"content\":");
    else
        buf_add_text(out, ",\"text\":");
    mock_write_tokens(out, answer, choice, 0, answer->tokens);
    if (answer->ask.chat)
        buf_add_text(out, "}");
    buf_add_text(out, ",\"logprobs\":null,\"finish_reason\":");
    mock_write_text_or_null(out, mock_openai_reason(answer));
    buf_add_text(out, "}");
}

void mock_openai_plain(struct buf *out, struct mock_answer *answer)
{
    buf_add_span(out, buf_span(&answer->prefix));
    buf_add_text(out, "\"choices\":[");
    for (uint32_t choice = 0; choice < answer->ask.choices; choice++)
        add_choice(out, answer, choice);
    buf_add_text(out, "]");
    if (!answer->over.nousage) {
        buf_add_text(out, ",\"usage\":");
        mock_write_usage(out, answer, mock_answer_tokens(answer));
    }
    mock_write_stamps(out, answer, true);
}

static const char *error_type(int status)
{
    if (status == 429)
        return "rate_limit_error";
    return status >= 500 ? "server_error" : "invalid_request_error";
}

void mock_openai_refusal(struct buf *out, const struct mock_refusal *no)
{
    buf_add_text(out, "{\"error\":{\"message\":");
    json_write_string(out, span_text(no->message));
    buf_add_text(out, ",\"type\":");
    mock_write_text_or_null(out, error_type(no->status));
    buf_add_text(out, ",\"param\":");
    mock_write_text_or_null(out, no->param);
    buf_add_text(out, ",\"code\":");
    mock_write_text_or_null(out, no->code);
    buf_add_text(out, "}}\n");
}

/* ---- endpoints ---- */

static void serve_models(struct mock_server *server, struct mock_conn *conn)
{
    const char *model = server->config->model;
    struct buf *out = &server->event;
    buf_add_text(out, "{\"object\":\"list\",\"data\":[{\"id\":");
    json_write_string(out, span_text(model ? model : "mock-model"));
    mock_write_field(out, ",\"object\":\"model\",\"created\":", clock_wall_ns() / NS_PER_S);
    buf_add_text(out, ",\"owned_by\":\"llmbench\"}]}\n");
    mock_reply(server, conn, 200, NULL);
}

const struct mock_shape mock_openai_chat = {
    .parse = mock_openai_parse_chat,
    .prefix = mock_openai_prefix,
    .opening = write_opening,
    .token = mock_openai_token,
    .finish = write_finish,
    .usage = write_usage_event,
    .failure = mock_openai_failure,
    .done = mock_write_done,
    .plain = mock_openai_plain,
    .refusal = mock_openai_refusal,
};

static const struct mock_shape completions = {
    .parse = mock_openai_parse_completions,
    .prefix = mock_openai_prefix,
    .token = mock_openai_token,
    .finish = write_finish,
    .usage = write_usage_event,
    .failure = mock_openai_failure,
    .done = mock_write_done,
    .plain = mock_openai_plain,
    .refusal = mock_openai_refusal,
};

static const struct mock_route routes[] = {
    {
        .path = "/v1/chat/completions",
        .method = "POST",
        .endpoint = MOCK_CHAT,
        .serve = mock_generate,
        .shape = &mock_openai_chat,
        .check_key = mock_auth_bearer,
    },
    {
        .path = "/v1/completions",
        .method = "POST",
        .endpoint = MOCK_COMPLETIONS,
        .serve = mock_generate,
        .shape = &completions,
        .check_key = mock_auth_bearer,
    },
    {
        .path = "/v1/models",
        .method = "GET",
        .endpoint = MOCK_MODELS,
        .serve = serve_models,
        .check_key = mock_auth_bearer,
    },
};

const struct mock_dialect mock_openai = {
    .name = "openai",
    .shape = &mock_openai_chat,
    .routes = routes,
    .route_count = sizeof routes / sizeof *routes,
};
