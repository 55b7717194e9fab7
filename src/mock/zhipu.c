/* Zhipu's chat (GLM): like OpenAI's, with a role in every chunk, usage in the last one, no
 * "object", and keys that may travel as signed tokens. */
#include <cjson/cJSON.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mock/auth.h"
#include "mock/dialects.h"
#include "mock/openai.h"
#include "mock/routes.h"
#include "mock/server.h"
#include "mock/text.h"
#include "mock/write.h"
#include "wire/json.h"

/* ---- keys: ID.SECRET, or a JSON Web Token that names ID and is signed with SECRET ---- */

/* The part before the first dot; `rest` is what follows it, or empty. */
static struct span part(struct span text, struct span *rest)
{
    const char *dot = text.len ? memchr(text.data, '.', text.len) : NULL;
    size_t len = dot ? (size_t)(dot - text.data) : text.len;
    *rest = dot ? span_of(dot + 1, text.len - len - 1) : span_of("", 0);
    return span_of(text.data, len);
}

/* One part of a token as a JSON object, or NULL. */
static cJSON *decode(struct span text)
{
    struct buf json;
    buf_init(&json, 4096);
    cJSON *object = mock_auth_decode(text, &json) && json.len
                        ? cJSON_ParseWithLength(json.data, json.len)
                        : NULL;
    buf_fini(&json);
    return object;
}

static bool says(const cJSON *object, const char *name, struct span want)
{
    const char *text = mock_field_text(object, name);
    return text && strlen(text) == want.len && memcmp(text, want.data, want.len) == 0;
}

static bool is_signed(struct span text, struct span signature, struct span secret)
{
    unsigned char mac[MOCK_MAC_BYTES];
    struct buf given;
    buf_init(&given, sizeof mac);
    bool same = mock_auth_decode(signature, &given) && given.len == sizeof mac &&
                mock_auth_sign(secret, text, mac) && memcmp(given.data, mac, sizeof mac) == 0;
    buf_fini(&given);
    return same;
}

static bool check_claims(const cJSON *head, const cJSON *claims, struct span id,
                         struct mock_refusal *no)
{
    double now_ms = (double)clock_wall_ns() / (double)NS_PER_MS;
    const cJSON *until = cJSON_GetObjectItemCaseSensitive(claims, "exp");
    const cJSON *made = cJSON_GetObjectItemCaseSensitive(claims, "timestamp");
    if (!says(head, "alg", span_text("HS256")) || !says(head, "sign_type", span_text("SIGN")))
        return mock_refuse(no, 401, "invalid_api_key", NULL,
                           "The token's head must say \"alg\":\"HS256\" and "
                           "\"sign_type\":\"SIGN\".");
    if (!says(claims, "api_key", id) || !cJSON_IsNumber(until) || !cJSON_IsNumber(made))
        return mock_refuse(no, 401, "invalid_api_key", NULL,
                           "The token must name the key's id as api_key, and exp and timestamp.");
    if (until->valuedouble <= now_ms)
        return mock_refuse(no, 401, "expired_api_key", NULL,
                           "The token expired at %.0f; now it is %.0f ms.", until->valuedouble,
                           now_ms);
    return true;
}

static bool check_token(struct span token, const char *api_key, struct mock_refusal *no)
{
    struct span secret, after_head, signature;
    struct span id = part(span_text(api_key), &secret);
    struct span head_text = part(token, &after_head);
    struct span claims_text = part(after_head, &signature);
    struct span text = span_of(token.data, head_text.len + 1 + claims_text.len);
    if (!secret.len || !signature.len || !is_signed(text, signature, secret))
        return mock_refuse(no, 401, "invalid_api_key", NULL, "Incorrect API key provided.");
    cJSON *head = decode(head_text), *claims = decode(claims_text);
    bool ok = check_claims(head, claims, id, no);
    cJSON_Delete(head);
    cJSON_Delete(claims);
    return ok;
}

static bool check_key(const struct mock_server *server, const struct mock_http *http,
                      struct mock_refusal *no)
{
    bool bearer;
    struct span given = mock_auth_given(http, &bearer);
    if (mock_auth_bearer(server, http, no))
        return true;
    return bearer && check_token(given, server->config->api_key, no);
}

/* ---- requests ---- */

static const struct mock_field fields[] = {
    {"model", MOCK_IS_STRING, 0, 0, true},
    {"messages", MOCK_IS_ARRAY, 0, 0, true},
    {"stream", MOCK_IS_BOOLEAN, 0, 0, false},
    {"max_tokens", MOCK_IS_INTEGER, 1, 9007199254740992, false},
    {"do_sample", MOCK_IS_BOOLEAN, 0, 0, false},
    {"temperature", MOCK_IS_NUMBER, 0, 1, false},
    {"top_p", MOCK_IS_NUMBER, 0, 1, false},
    {"stop", MOCK_IS_ARRAY, 0, 0, false},
    {"request_id", MOCK_IS_STRING, 0, 0, false},
    {"user_id", MOCK_IS_STRING, 0, 0, false},
    {"tools", MOCK_IS_ARRAY, 0, 0, false},
};

static bool read_body(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    if (!mock_check_fields(body, "", fields, sizeof fields / sizeof *fields, no) ||
        !mock_read_messages(body, "", ask, no))
        return false;
    ask->stream = mock_field_true(body, "stream");
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

static void write_prefix(struct mock_answer *answer, uint64_t wall_ns)
{
    struct buf *out = &answer->prefix;
    buf_printf(out, "{\"id\":\"%019llu\",\"created\":%llu,\"model\":",
               (unsigned long long)answer->request, (unsigned long long)(wall_ns / NS_PER_S));
    json_write_string(out, span_text(answer->ask.model));
    buf_add_text(out, ",\"choices\":[{\"index\":0,");
}

static void begin_chunk(struct buf *out, const struct mock_answer *answer)
{
    buf_add_text(out, "data: ");
    buf_add_span(out, buf_span(&answer->prefix));
}

static void add_finish(struct buf *out, const struct mock_answer *answer)
{
    buf_add_text(out, "\"finish_reason\":");
    json_write_string(out, span_text(mock_openai_reason(answer)));
}

static void add_usage(struct buf *out, const struct mock_answer *answer)
{
    if (answer->over.nousage)
        return;
    buf_add_text(out, ",\"usage\":");
    mock_write_usage(out, answer, mock_answer_tokens(answer));
}

static void write_token(struct buf *out, struct mock_answer *answer, uint32_t choice, uint32_t k)
{
    begin_chunk(out, answer);
    buf_add_text(out, "\"delta\":{\"role\":\"assistant\",\"content\":");
    mock_write_token(out, answer, choice, k);
    buf_add_text(out, "}}]");
    mock_write_stamps(out, answer, k == 0);
    mock_write_event_end(out, answer);
}

static void write_finish(struct buf *out, struct mock_answer *answer, uint32_t choice)
{
    (void)choice;
    begin_chunk(out, answer);
    add_finish(out, answer);
    buf_add_text(out, ",\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]");
    add_usage(out, answer);
    mock_write_stamps(out, answer, answer->tokens == 0);
    mock_write_event_end(out, answer);
}

static void write_plain(struct buf *out, struct mock_answer *answer)
{
    buf_add_span(out, buf_span(&answer->prefix));
    add_finish(out, answer);
    buf_add_text(out, ",\"message\":{\"role\":\"assistant\",\"content\":");
    mock_write_tokens(out, answer, 0, 0, answer->tokens);
    buf_add_text(out, "}}]");
    add_usage(out, answer);
    mock_write_stamps(out, answer, true);
}

/* ---- errors ---- */

static const struct mock_error_name error_names[] = {
    {401, "invalid_api_key", "1002"},
    {401, "expired_api_key", "1003"},
    {401, NULL, "1001"},
    {404, "model_not_found", "1211"},
    {404, NULL, "1220"},
    {429, NULL, "1302"},
    {400, NULL, "1214"},
    {0, NULL, "500"},
};

static void write_failure(struct buf *out, struct mock_answer *answer)
{
    buf_add_text(out, "data: {\"error\":{\"code\":\"500\","
                      "\"message\":\"The mock server was asked to fail here.\"}");
    mock_write_stamps(out, answer, false);
    mock_write_event_end(out, answer);
}

static void write_refusal(struct buf *out, const struct mock_refusal *no)
{
    buf_add_text(out, "{\"error\":{\"code\":");
    json_write_string(out, span_text(mock_error_name(error_names, no)));
    buf_add_text(out, ",\"message\":");
    json_write_string(out, span_text(no->message));
    buf_add_text(out, "}}\n");
}

/* ---- endpoints ---- */

static const struct mock_shape chat = {
    .parse = parse,
    .prefix = write_prefix,
    .token = write_token,
    .finish = write_finish,
    .failure = write_failure,
    .done = mock_write_done,
    .plain = write_plain,
    .refusal = write_refusal,
};

static const struct mock_route routes[] = {
    {
        .path = "/api/paas/v4/chat/completions",
        .method = "POST",
        .endpoint = MOCK_CHAT,
        .serve = mock_generate,
        .shape = &chat,
        .check_key = check_key,
    },
};

const struct mock_dialect mock_zhipu = {
    .name = "zhipu",
    .shape = &chat,
    .routes = routes,
    .route_count = sizeof routes / sizeof *routes,
};
