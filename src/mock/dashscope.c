/* DashScope's text generation: streams are asked for in a header, events are numbered, usage grows
 * with them, and by default each repeats the whole text so far. */
#include <cjson/cJSON.h>
#include <strings.h>

#include "base/mem.h"
#include "mock/auth.h"
#include "mock/dialects.h"
#include "mock/openai.h"
#include "mock/routes.h"
#include "mock/text.h"
#include "mock/write.h"
#include "wire/json.h"

enum { MAX_WHOLE = 10000 }; /* tokens of an answer whose events repeat it all */

/* ---- requests ---- */

static const struct mock_field body_fields[] = {
    {"model", MOCK_IS_STRING, 0, 0, true},
    {"input", MOCK_IS_OBJECT, 0, 0, true},
    {"parameters", MOCK_IS_OBJECT, 0, 0, false},
};

static const struct mock_field input_fields[] = {
    {"messages", MOCK_IS_ARRAY, 0, 0, false},
    {"prompt", MOCK_IS_STRING, 0, 0, false},
};

static const struct mock_field parameter_fields[] = {
    {"result_format", MOCK_IS_STRING, 0, 0, false},
    {"incremental_output", MOCK_IS_BOOLEAN, 0, 0, false},
    {"max_tokens", MOCK_IS_INTEGER, 1, 9007199254740992, false},
    {"n", MOCK_IS_INTEGER, 1, 1, false},
    {"temperature", MOCK_IS_NUMBER, 0, 2, false},
    {"top_p", MOCK_IS_NUMBER, 0, 1, false},
    {"top_k", MOCK_IS_INTEGER, 0, 0, false},
    {"seed", MOCK_IS_INTEGER, 0, 0, false},
    {"stop", MOCK_IS_STRING | MOCK_IS_ARRAY, 0, 0, false},
    {"repetition_penalty", MOCK_IS_NUMBER, 0, 0, false},
    {"enable_search", MOCK_IS_BOOLEAN, 0, 0, false},
    {"enable_thinking", MOCK_IS_BOOLEAN, 0, 0, false},
    {"stream", MOCK_IS_BOOLEAN, 0, 0, false}, /* without effect: the header decides */
};

static bool read_format(const cJSON *parameters, struct mock_ask *ask, struct mock_refusal *no)
{
    const char *format = mock_field_text(parameters, "result_format");
    ask->message = format && strcmp(format, "message") == 0;
    if (!format || ask->message || strcmp(format, "text") == 0)
        return true;
    return mock_refuse(no, 400, "invalid_value", "parameters.result_format",
                       "Invalid 'parameters.result_format': expected 'text' or 'message', but got "
                       "'%.64s' instead.",
                       format);
}

static bool read_parameters(const cJSON *parameters, struct mock_ask *ask, struct mock_refusal *no)
{
    if (!mock_check_fields(parameters, "parameters.", parameter_fields,
                           sizeof parameter_fields / sizeof *parameter_fields, no) ||
        !read_format(parameters, ask, no))
        return false;
    ask->max_tokens = mock_field_integer(parameters, "max_tokens", -1);
    ask->whole = ask->stream && !mock_field_true(parameters, "incremental_output");
    if (ask->whole)
        ask->most = MAX_WHOLE;
    return true;
}

static bool read_input(const cJSON *input, struct mock_ask *ask, struct mock_refusal *no)
{
    const char *prompt = mock_field_text(input, "prompt");
    if (!mock_check_fields(input, "input.", input_fields,
                           sizeof input_fields / sizeof *input_fields, no))
        return false;
    ask->chat = cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(input, "messages"));
    if (ask->chat)
        return mock_read_messages(input, "input.", ask, no);
    if (!prompt)
        return mock_refuse(no, 400, "missing_required_parameter", "input",
                           "Missing required parameter: 'input.messages' or 'input.prompt'.");
    mock_count_prompt(prompt, ask);
    return true;
}

static bool read_body(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    if (!mock_check_fields(body, "", body_fields, sizeof body_fields / sizeof *body_fields, no) ||
        !read_parameters(cJSON_GetObjectItemCaseSensitive(body, "parameters"), ask, no) ||
        !read_input(cJSON_GetObjectItemCaseSensitive(body, "input"), ask, no))
        return false;
    ask->model = mem_text(mock_field_text(body, "model"));
    return true;
}

static bool wants_stream(const struct mock_http *http)
{
    struct span value = mock_http_header(http, "x-dashscope-sse");
    return value.len == 6 && strncasecmp(value.data, "enable", 6) == 0;
}

static bool parse(const struct mock_http *http, struct mock_ask *ask, struct mock_refusal *no)
{
    mock_ask_init(ask, true);
    ask->stream = wants_stream(http);
    return mock_read_body(buf_span(&http->body), read_body, ask, no);
}

/* ---- answers ---- */

static void write_prefix(struct mock_answer *answer, uint64_t wall_ns)
{
    (void)wall_ns;
    buf_add_text(&answer->prefix, "{\"output\":");
}

static void begin_frame(struct buf *out, struct mock_answer *answer, const char *event, int status)
{
    mock_write_field(out, "id:", ++answer->frames);
    mock_write_line_end(out, answer);
    buf_add_text(out, event);
    mock_write_line_end(out, answer);
    mock_write_field(out, ":HTTP_STATUS/", (uint64_t)status);
    mock_write_line_end(out, answer);
    buf_add_text(out, "data:");
}

static void begin_output(struct buf *out, const struct mock_answer *answer)
{
    buf_add_span(out, buf_span(&answer->prefix));
    buf_add_text(out, answer->ask.message
                          ? "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":"
                          : "{\"text\":");
}

static void write_request_id(struct buf *out, uint64_t request)
{
    buf_printf(out, "\"request_id\":\"00000000-0000-0000-%04llx-%012llx\"",
               (unsigned long long)(request >> 48), (unsigned long long)(request & 0xffffffffffff));
}

/* What follows the text; usage after so many tokens. */
static void end_output(struct buf *out, const struct mock_answer *answer, const char *finish,
                       uint64_t tokens)
{
    uint64_t input = answer->ask.prompt_tokens;
    buf_add_text(out, answer->ask.message ? "},\"finish_reason\":\"" : ",\"finish_reason\":\"");
    buf_add_text(out, finish);
    buf_add_text(out, answer->ask.message ? "\"}]},\"usage\":{" : "\"},\"usage\":{");
    if (!answer->over.nousage) {
        mock_write_field(out, "\"input_tokens\":", input);
        mock_write_field(out, ",\"output_tokens\":", tokens);
        mock_write_field(out, ",\"total_tokens\":", input + tokens);
        buf_add_text(out, ",\"prompt_tokens_details\":{\"cached_tokens\":0}");
    }
    buf_add_text(out, "},");
    write_request_id(out, answer->request);
}

/* Adds a token to the text so far, which is kept escaped. */
static void say(struct mock_answer *answer, uint32_t k)
{
    struct buf *said = &answer->said;
    size_t start = said->len;
    mock_write_token(said, answer, 0, k);
    said->len -= 2; /* its quotes */
    memmove(said->data + start, said->data + start + 1, said->len - start);
}

static void write_said(struct buf *out, const struct mock_answer *answer)
{
    buf_add_char(out, '"');
    buf_add_span(out, buf_span(&answer->said));
    buf_add_char(out, '"');
}

static void write_token(struct buf *out, struct mock_answer *answer, uint32_t choice, uint32_t k)
{
    begin_frame(out, answer, "event:result", 200);
    begin_output(out, answer);
    if (answer->ask.whole) {
        say(answer, k);
        write_said(out, answer);
    } else {
        mock_write_token(out, answer, choice, k);
    }
    end_output(out, answer, "null", (uint64_t)k + 1);
    mock_write_stamps(out, answer, k == 0);
    mock_write_event_end(out, answer);
}

static void write_finish(struct buf *out, struct mock_answer *answer, uint32_t choice)
{
    (void)choice;
    begin_frame(out, answer, "event:result", 200);
    begin_output(out, answer);
    write_said(out, answer); /* nothing, unless events repeat it all */
    end_output(out, answer, mock_openai_reason(answer), answer->tokens);
    mock_write_stamps(out, answer, answer->tokens == 0);
    mock_write_event_end(out, answer);
}

static void write_plain(struct buf *out, struct mock_answer *answer)
{
    begin_output(out, answer);
    mock_write_tokens(out, answer, 0, 0, answer->tokens);
    end_output(out, answer, mock_openai_reason(answer), answer->tokens);
    mock_write_stamps(out, answer, true);
}

/* ---- errors ---- */

static const struct mock_error_name error_names[] = {
    {401, NULL, "InvalidApiKey"}, {404, "model_not_found", "ModelNotFound"},
    {404, NULL, "NotFound"},      {405, NULL, "MethodNotAllowed"},
    {429, NULL, "Throttling"},    {400, NULL, "InvalidParameter"},
    {413, NULL, "DataTooLarge"},  {0, NULL, "InternalError"},
};

static void write_failure(struct buf *out, struct mock_answer *answer)
{
    begin_frame(out, answer, "event:error", 500);
    buf_add_text(out, "{\"code\":\"InternalError\","
                      "\"message\":\"The mock server was asked to fail here.\",");
    write_request_id(out, answer->request);
    mock_write_stamps(out, answer, false);
    mock_write_event_end(out, answer);
}

static void write_refusal(struct buf *out, const struct mock_refusal *no)
{
    if (no->event)
        buf_printf(out, "id:1\nevent:error\n:HTTP_STATUS/%d\ndata:", no->status);
    buf_add_text(out, "{\"code\":");
    mock_write_text_or_null(out, mock_error_name(error_names, no));
    buf_add_text(out, ",\"message\":");
    json_write_string(out, span_text(no->message));
    buf_add_text(out, ",");
    write_request_id(out, no->request);
    buf_add_text(out, no->event ? "}\n\n" : "}\n");
}

/* A stream has been opened before the request is looked at. */
static void disguise(const struct mock_ask *ask, struct mock_refusal *no)
{
    if (!ask->stream)
        return;
    no->sent_status = 200;
    no->event = true;
}

/* ---- endpoints ---- */

static const struct mock_shape generation = {
    .parse = parse,
    .prefix = write_prefix,
    .token = write_token,
    .finish = write_finish,
    .failure = write_failure,
    .plain = write_plain,
    .refusal = write_refusal,
    .disguise = disguise,
};

static const struct mock_route routes[] = {
    {
        .path = "/api/v1/services/aigc/text-generation/generation",
        .method = "POST",
        .endpoint = MOCK_CHAT,
        .serve = mock_generate,
        .shape = &generation,
        .check_key = mock_auth_bare,
    },
    {
        .path = "/compatible-mode/v1/chat/completions",
        .method = "POST",
        .endpoint = MOCK_CHAT,
        .serve = mock_generate,
        .shape = &mock_openai_chat,
        .check_key = mock_auth_bearer,
    },
};

const struct mock_dialect mock_dashscope = {
    .name = "dashscope",
    .shape = &generation,
    .routes = routes,
    .route_count = sizeof routes / sizeof *routes,
};
