/* Text Generation Inference: an event a token, with its id; the last one repeats the whole text. An
 * answer that ends by itself ends with a special token, which is one of its tokens. */
#include <cjson/cJSON.h>

#include "mock/auth.h"
#include "mock/dialects.h"
#include "mock/routes.h"
#include "mock/text.h"
#include "mock/write.h"
#include "wire/json.h"

/* ---- requests ---- */

static const struct mock_field body_fields[] = {
    {"inputs", MOCK_IS_STRING, 0, 0, true},
    {"parameters", MOCK_IS_OBJECT, 0, 0, false},
    {"stream", MOCK_IS_BOOLEAN, 0, 0, false}, /* without effect: the path decides */
};

static const struct mock_field parameter_fields[] = {
    {"max_new_tokens", MOCK_IS_INTEGER, 1, 9007199254740992, false},
    {"details", MOCK_IS_BOOLEAN, 0, 0, false},
    {"do_sample", MOCK_IS_BOOLEAN, 0, 0, false},
    {"temperature", MOCK_IS_NUMBER, 0, 0, false},
    {"top_p", MOCK_IS_NUMBER, 0, 1, false},
    {"top_k", MOCK_IS_INTEGER, 0, 0, false},
    {"repetition_penalty", MOCK_IS_NUMBER, 0, 0, false},
    {"seed", MOCK_IS_INTEGER, 0, 0, false},
    {"stop", MOCK_IS_ARRAY, 0, 0, false},
};

static bool read_body(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    if (!mock_check_fields(body, "", body_fields, sizeof body_fields / sizeof *body_fields, no))
        return false;
    const cJSON *parameters = cJSON_GetObjectItemCaseSensitive(body, "parameters");
    if (!mock_check_fields(parameters, "parameters.", parameter_fields,
                           sizeof parameter_fields / sizeof *parameter_fields, no))
        return false;
    mock_count_prompt(mock_field_text(body, "inputs"), ask);
    ask->least = 1; /* the special one */
    ask->max_tokens = mock_field_integer(parameters, "max_new_tokens", -1);
    ask->details = mock_field_true(parameters, "details");
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
    (void)answer;
    (void)wall_ns;
}

static uint32_t words(const struct mock_answer *answer)
{
    return answer->cut ? answer->tokens : answer->tokens - 1;
}

static void add_token(struct buf *out, const struct mock_answer *answer, uint32_t k)
{
    bool special = k >= words(answer);
    mock_write_field(out, "{\"id\":", special ? 2 : 1000 + (uint64_t)k);
    buf_add_text(out, ",\"text\":");
    if (special)
        buf_add_text(out, "\"</s>\"");
    else
        mock_write_token(out, answer, 0, k);
    buf_add_text(out, ",\"logprob\":-0.5");
    buf_add_text(out, special ? ",\"special\":true}" : ",\"special\":false}");
}

static void add_reason(struct buf *out, const struct mock_answer *answer)
{
    buf_add_text(out, answer->cut ? "{\"finish_reason\":\"length\""
                                  : "{\"finish_reason\":\"eos_token\"");
    if (!answer->over.nousage)
        mock_write_field(out, ",\"generated_tokens\":", answer->tokens);
    buf_add_text(out, ",\"seed\":null");
}

static void add_end(struct buf *out, const struct mock_answer *answer)
{
    buf_add_text(out, ",\"generated_text\":");
    mock_write_tokens(out, answer, 0, 0, words(answer));
    buf_add_text(out, ",\"details\":");
    if (answer->ask.details) {
        add_reason(out, answer);
        if (!answer->over.nousage)
            mock_write_field(out, ",\"input_length\":", answer->ask.prompt_tokens);
        buf_add_text(out, "}");
    } else {
        buf_add_text(out, "null");
    }
}

static void write_token(struct buf *out, struct mock_answer *answer, uint32_t choice, uint32_t k)
{
    (void)choice;
    mock_write_field(out, "data:{\"index\":", (uint64_t)k + 1);
    buf_add_text(out, ",\"token\":");
    add_token(out, answer, k);
    if (k + 1 == answer->tokens)
        add_end(out, answer);
    else
        buf_add_text(out, ",\"generated_text\":null,\"details\":null");
    mock_write_stamps(out, answer, k == 0);
    mock_write_event_end(out, answer);
}

static void write_plain(struct buf *out, struct mock_answer *answer)
{
    buf_add_text(out, "{\"generated_text\":");
    mock_write_tokens(out, answer, 0, 0, words(answer));
    if (answer->ask.details) {
        buf_add_text(out, ",\"details\":");
        add_reason(out, answer);
        buf_add_text(out, ",\"prefill\":[],\"tokens\":[");
        for (uint32_t k = 0; k < answer->tokens; k++) {
            buf_add_text(out, k ? "," : "");
            add_token(out, answer, k);
        }
        buf_add_text(out, "]}");
    }
    mock_write_stamps(out, answer, true);
}

/* ---- errors ---- */

static const struct mock_error_name error_names[] = {
    {401, NULL, "authentication"}, {422, NULL, "validation"}, {429, NULL, "overloaded"},
    {404, NULL, "not_found"},      {400, NULL, "validation"}, {0, NULL, "generation"},
};

static void write_failure(struct buf *out, struct mock_answer *answer)
{
    buf_add_text(out, "data:{\"error\":\"Request failed during generation: "
                      "the mock server was asked to fail here\",\"error_type\":\"generation\"");
    mock_write_stamps(out, answer, false);
    mock_write_event_end(out, answer);
}

static void write_refusal(struct buf *out, const struct mock_refusal *no)
{
    buf_add_text(out, "{\"error\":");
    json_write_string(out, span_text(no->message));
    buf_add_text(out, ",\"error_type\":");
    json_write_string(out, span_text(mock_error_name(error_names, no)));
    buf_add_text(out, "}\n");
}

/* A request that can be read but not used. */
static void disguise(const struct mock_ask *ask, struct mock_refusal *no)
{
    (void)ask;
    if (no->status == 400)
        no->status = no->sent_status = 422;
}

/* ---- endpoints ---- */

#define ANSWERS                                                                                    \
    .prefix = write_prefix, .token = write_token, .failure = write_failure, .plain = write_plain,  \
    .refusal = write_refusal, .disguise = disguise

static const struct mock_shape streamed = {.parse = parse_stream, ANSWERS};
static const struct mock_shape plain = {.parse = parse_plain, ANSWERS};

static const struct mock_route routes[] = {
    {
        .path = "/generate_stream",
        .method = "POST",
        .endpoint = MOCK_COMPLETIONS,
        .serve = mock_generate,
        .shape = &streamed,
        .check_key = mock_auth_bearer,
    },
    {
        .path = "/generate",
        .method = "POST",
        .endpoint = MOCK_COMPLETIONS,
        .serve = mock_generate,
        .shape = &plain,
        .check_key = mock_auth_bearer,
    },
};

const struct mock_dialect mock_tgi = {
    .name = "tgi",
    .shape = &plain,
    .routes = routes,
    .route_count = sizeof routes / sizeof *routes,
};
