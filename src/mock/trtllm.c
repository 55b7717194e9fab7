/* TensorRT-LLM behind Triton's generate endpoints: a text in, texts out, no usage and no end mark.
 */
#include <cjson/cJSON.h>

#include "mock/auth.h"
#include "mock/dialects.h"
#include "mock/routes.h"
#include "mock/write.h"
#include "wire/json.h"

/* ---- requests ---- */

static const struct mock_field fields[] = {
    {"text_input", MOCK_IS_STRING, 0, 0, true},
    {"max_tokens", MOCK_IS_INTEGER, 1, 9007199254740992, false},
    {"stream", MOCK_IS_BOOLEAN, 0, 0, false},
    {"bad_words", MOCK_IS_STRING | MOCK_IS_ARRAY, 0, 0, false},
    {"stop_words", MOCK_IS_STRING | MOCK_IS_ARRAY, 0, 0, false},
    {"end_id", MOCK_IS_INTEGER, 0, 0, false},
    {"pad_id", MOCK_IS_INTEGER, 0, 0, false},
    {"temperature", MOCK_IS_NUMBER, 0, 0, false},
    {"top_p", MOCK_IS_NUMBER, 0, 1, false},
    {"top_k", MOCK_IS_INTEGER, 0, 0, false},
    {"random_seed", MOCK_IS_INTEGER, 0, 0, false},
};

static bool read_body(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    if (!mock_check_fields(body, "", fields, sizeof fields / sizeof *fields, no))
        return false;
    mock_count_prompt(mock_field_text(body, "text_input"), ask);
    ask->max_tokens = mock_field_integer(body, "max_tokens", -1);
    if (!ask->stream && mock_field_true(body, "stream"))
        return mock_refuse(no, 400, NULL, NULL,
                           "generate expects one response and the model was asked for several by "
                           "\"stream\":true: use generate_stream");
    if (!mock_field_true(body, "stream"))
        ask->per_event = UINT32_MAX; /* all in one event */
    return true;
}

static bool parse(const struct mock_http *http, bool stream, struct mock_ask *ask,
                  struct mock_refusal *no)
{
    mock_ask_init(ask, false);
    ask->stream = stream;
    return mock_read_body(buf_span(&http->body), read_body, ask, no);
}

static bool parse_stream(const struct mock_http *http, struct mock_ask *ask,
                         struct mock_refusal *no)
{
    return parse(http, true, ask, no);
}

static bool parse_plain(const struct mock_http *http, struct mock_ask *ask, struct mock_refusal *no)
{
    return parse(http, false, ask, no);
}

/* ---- answers ---- */

static void write_prefix(struct mock_answer *answer, uint64_t wall_ns)
{
    (void)wall_ns;
    buf_add_text(&answer->prefix, "{\"model_name\":\"ensemble\",\"model_version\":\"1\","
                                  "\"sequence_id\":0,\"sequence_start\":false,"
                                  "\"sequence_end\":false,\"text_output\":");
}

static void write_token(struct buf *out, struct mock_answer *answer, uint32_t choice, uint32_t k)
{
    uint32_t from = k * answer->ask.per_event;
    buf_add_text(out, "data: ");
    buf_add_span(out, buf_span(&answer->prefix));
    mock_write_tokens(out, answer, choice, from, from + mock_answer_in_event(answer, k));
    mock_write_stamps(out, answer, k == 0);
    mock_write_event_end(out, answer);
}

static void write_plain(struct buf *out, struct mock_answer *answer)
{
    buf_add_span(out, buf_span(&answer->prefix));
    mock_write_tokens(out, answer, 0, 0, answer->tokens);
    mock_write_stamps(out, answer, true);
}

static void write_failure(struct buf *out, struct mock_answer *answer)
{
    buf_add_text(out, "data: {\"error\":\"The mock server was asked to fail here.\"");
    mock_write_stamps(out, answer, false);
    mock_write_event_end(out, answer);
}

static void write_refusal(struct buf *out, const struct mock_refusal *no)
{
    buf_add_text(out, "{\"error\":");
    json_write_string(out, span_text(no->message));
    buf_add_text(out, "}\n");
}

/* ---- endpoints ---- */

static const struct mock_shape streamed = {
    .parse = parse_stream,
    .prefix = write_prefix,
    .token = write_token,
    .failure = write_failure,
    .plain = write_plain,
    .refusal = write_refusal,
};

static const struct mock_shape plain = {
    .parse = parse_plain,
    .prefix = write_prefix,
    .plain = write_plain,
    .refusal = write_refusal,
};

static const struct mock_route routes[] = {
    {
        .path = "/v2/models/ensemble/generate_stream",
        .method = "POST",
        .endpoint = MOCK_COMPLETIONS,
        .serve = mock_generate,
        .shape = &streamed,
        .check_key = mock_auth_bearer,
    },
    {
        .path = "/v2/models/ensemble/generate",
        .method = "POST",
        .endpoint = MOCK_COMPLETIONS,
        .serve = mock_generate,
        .shape = &plain,
        .check_key = mock_auth_bearer,
    },
};

const struct mock_dialect mock_trtllm = {
    .name = "trtllm",
    .shape = &plain,
    .routes = routes,
    .route_count = sizeof routes / sizeof *routes,
};
