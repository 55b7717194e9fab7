/* Qianfan: the first API (ERNIE), whose tokens come from an endpoint of their own, whose events are
 * sentences and whose errors hide behind HTTP 200; and the second, which is like OpenAI's. */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mock/auth.h"
#include "mock/dialects.h"
#include "mock/openai.h"
#include "mock/routes.h"
#include "mock/write.h"
#include "wire/json.h"

enum { SENTENCE = 8 }; /* tokens in an event */

static const uint64_t default_life_ns = UINT64_C(30) * 86400 * NS_PER_S;

/* ---- URL parameters ---- */

static int hex_digit(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    return isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10 : -1;
}

/* The value without its percent signs, terminated; false when it is malformed or too long. */
static bool unescape(struct span value, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < value.len && len + 1 < size; i++) {
        char c = value.data[i];
        if (c == '%') {
            int high = i + 2 < value.len ? hex_digit(value.data[i + 1]) : -1;
            int low = i + 2 < value.len ? hex_digit(value.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(unsigned char)(high << 4 | low);
            i += 2;
        }
        out[len++] = c == '+' && value.data[i] == '+' ? ' ' : c;
    }
    out[len] = '\0';
    return len + 1 < size;
}

/* A parameter of a query; "" when it is not there or malformed. */
static void get_parameter(struct span query, const char *name, char *out, size_t size)
{
    size_t name_len = strlen(name);
    out[0] = '\0';
    while (query.len) {
        const char *end = memchr(query.data, '&', query.len);
        size_t len = end ? (size_t)(end - query.data) : query.len;
        bool here =
            len > name_len && query.data[name_len] == '=' && !memcmp(query.data, name, name_len);
        if (here) {
            if (!unescape(span_of(query.data + name_len + 1, len - name_len - 1), out, size))
                out[0] = '\0';
            return;
        }
        size_t skip = len + (end ? 1 : 0);
        query = span_of(query.data + skip, query.len - skip);
    }
}

/* ---- access tokens: 24.SIGNATURE.LIFE.UNTIL, signed with the configured key ---- */

enum { TOKEN_SIZE = 160 };

static bool make_token(const struct mock_config *config, uint64_t life_s, uint64_t until_ms,
                       char out[TOKEN_SIZE])
{
    unsigned char mac[MOCK_MAC_BYTES];
    char tail[48], hex[2 * MOCK_MAC_BYTES + 1];
    snprintf(tail, sizeof tail, "%llu.%llu", (unsigned long long)life_s,
             (unsigned long long)until_ms);
    if (!mock_auth_sign(span_text(config->api_key), span_text(tail), mac))
        return false;
    for (size_t i = 0; i < sizeof mac; i++)
        snprintf(hex + 2 * i, 3, "%02x", mac[i]);
    snprintf(out, TOKEN_SIZE, "24.%s.%s", hex, tail);
    return true;
}

static bool is_good_token(const struct mock_config *config, const char *token)
{
    char again[TOKEN_SIZE];
    unsigned long long life_s, until_ms;
    const char *tail = strchr(token, '.');
    tail = tail ? strchr(tail + 1, '.') : NULL;
    return tail && sscanf(tail, ".%20llu.%20llu", &life_s, &until_ms) == 2 &&
           make_token(config, life_s, until_ms, again) && strcmp(again, token) == 0 &&
           until_ms > clock_wall_ns() / NS_PER_MS;
}

static bool check_token(const struct mock_server *server, const struct mock_http *http,
                        struct mock_refusal *no)
{
    char token[TOKEN_SIZE];
    if (!server->config->api_key)
        return true;
    get_parameter(http->query, "access_token", token, sizeof token);
    if (is_good_token(server->config, token))
        return true;
    return mock_refuse(no, 401, NULL, NULL, "Access token invalid or no longer valid");
}

/* Do client_id and client_secret make up the configured key, ID:SECRET? */
static bool is_client(const char *api_key, struct span query)
{
    char id[512], secret[512];
    get_parameter(query, "client_id", id, sizeof id);
    get_parameter(query, "client_secret", secret, sizeof secret);
    if (!api_key)
        return *id && *secret;
    char *both = mem_printf("%s:%s", id, secret);
    bool same = strcmp(both, api_key) == 0;
    free(both);
    return same;
}

static void refuse_client(struct mock_server *server, struct mock_conn *conn, int status,
                          const char *error, const char *why)
{
    buf_printf(&server->event, "{\"error\":\"%s\",\"error_description\":\"%s\"}\n", error, why);
    mock_stats_error(&server->stats, status);
    mock_reply(server, conn, status, NULL);
}

static void serve_token(struct mock_server *server, struct mock_conn *conn)
{
    const struct mock_config *config = server->config;
    uint64_t life_ns = config->token_life_ns ? config->token_life_ns : default_life_ns;
    uint64_t life_s = (life_ns + NS_PER_S - 1) / NS_PER_S;
    uint64_t until_ms = (clock_wall_ns() + life_ns) / NS_PER_MS;
    char grant[64], token[TOKEN_SIZE];
    get_parameter(conn->http.query, "grant_type", grant, sizeof grant);
    if (strcmp(grant, "client_credentials") != 0)
        refuse_client(server, conn, 400, "unsupported_grant_type",
                      "The grant_type must be client_credentials");
    else if (!is_client(config->api_key, conn->http.query))
        refuse_client(server, conn, 401, "invalid_client", "Client authentication failed");
    else if (!make_token(config, life_s, until_ms, token))
        refuse_client(server, conn, 500, "server_error", "The token cannot be signed");
    else {
        buf_printf(&server->event, "{\"access_token\":\"%s\",\"expires_in\":%llu,\"scope\":\"\"}\n",
                   token, (unsigned long long)life_s);
        mock_reply(server, conn, 200, NULL);
    }
}

/* ---- requests ---- */

static const struct mock_field common_fields[] = {
    {"stream", MOCK_IS_BOOLEAN, 0, 0, false},
    {"max_output_tokens", MOCK_IS_INTEGER, 1, 9007199254740992, false},
    {"temperature", MOCK_IS_NUMBER, 0, 1, false},
    {"top_p", MOCK_IS_NUMBER, 0, 1, false},
    {"penalty_score", MOCK_IS_NUMBER, 1, 2, false},
    {"system", MOCK_IS_STRING, 0, 0, false},
    {"stop", MOCK_IS_ARRAY, 0, 0, false},
    {"user_id", MOCK_IS_STRING, 0, 0, false},
};
static const struct mock_field chat_fields[] = {{"messages", MOCK_IS_ARRAY, 0, 0, true}};
static const struct mock_field completion_fields[] = {{"prompt", MOCK_IS_STRING, 0, 0, true}};

static bool read_body(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    const char *system = mock_field_text(body, "system");
    if (!mock_check_fields(body, "", ask->chat ? chat_fields : completion_fields, 1, no) ||
        !mock_check_fields(body, "", common_fields, sizeof common_fields / sizeof *common_fields,
                           no) ||
        (ask->chat && !mock_read_messages(body, "", ask, no)))
        return false;
    if (!ask->chat)
        mock_count_prompt(mock_field_text(body, "prompt"), ask);
    if (system)
        mock_count_prompt(system, ask);
    ask->stream = mock_field_true(body, "stream");
    ask->max_tokens = mock_field_integer(body, "max_output_tokens", -1);
    return true;
}

/* The model's name is the last segment of the path. */
static char *model_of(struct span path)
{
    const char *slash = memrchr(path.data, '/', path.len);
    return mem_copy(slash + 1, (size_t)(path.data + path.len - slash) - 1);
}

static bool parse(const struct mock_http *http, bool chat, struct mock_ask *ask,
                  struct mock_refusal *no)
{
    mock_ask_init(ask, chat);
    ask->per_event = SENTENCE;
    if (!mock_read_body(buf_span(&http->body), read_body, ask, no))
        return false;
    ask->model = model_of(http->path);
    return true;
}

static bool parse_chat(const struct mock_http *http, struct mock_ask *ask, struct mock_refusal *no)
{
    return parse(http, true, ask, no);
}

static bool parse_completions(const struct mock_http *http, struct mock_ask *ask,
                              struct mock_refusal *no)
{
    return parse(http, false, ask, no);
}

/* ---- answers ---- */

static void write_prefix(struct mock_answer *answer, uint64_t wall_ns)
{
    buf_printf(&answer->prefix, "{\"id\":\"as-%010llu\",\"object\":\"%s\",\"created\":%llu",
               (unsigned long long)answer->request,
               answer->ask.chat ? "chat.completion" : "completion",
               (unsigned long long)(wall_ns / NS_PER_S));
}

/* What stands after the result; usage after so many tokens. */
static void end_answer(struct buf *out, const struct mock_answer *answer, uint64_t tokens,
                       bool read)
{
    buf_add_text(out, ",\"need_clear_history\":false");
    if (!answer->over.nousage) {
        buf_add_text(out, ",\"usage\":");
        mock_write_usage(out, answer, tokens);
    }
    mock_write_stamps(out, answer, read);
}

static void begin_sentence(struct buf *out, const struct mock_answer *answer, uint64_t sentence,
                           bool end)
{
    buf_add_text(out, "data: ");
    buf_add_span(out, buf_span(&answer->prefix));
    mock_write_field(out, ",\"sentence_id\":", sentence);
    buf_add_text(out, end ? ",\"is_end\":true" : ",\"is_end\":false");
    buf_add_text(out, end && answer->cut ? ",\"is_truncated\":true" : ",\"is_truncated\":false");
    buf_add_text(out, ",\"result\":");
}

static void write_sentence(struct buf *out, struct mock_answer *answer, uint32_t choice, uint32_t k)
{
    uint32_t from = k * SENTENCE;
    begin_sentence(out, answer, k, false);
    mock_write_tokens(out, answer, choice, from, from + mock_answer_in_event(answer, k));
    end_answer(out, answer, 0, k == 0);
    mock_write_event_end(out, answer);
}

static void write_finish(struct buf *out, struct mock_answer *answer, uint32_t choice)
{
    (void)choice;
    begin_sentence(out, answer, mock_answer_events(answer), true);
    buf_add_text(out, "\"\"");
    end_answer(out, answer, answer->tokens, answer->tokens == 0);
    mock_write_event_end(out, answer);
}

static void write_plain(struct buf *out, struct mock_answer *answer)
{
    buf_add_span(out, buf_span(&answer->prefix));
    buf_add_text(out, ",\"result\":");
    mock_write_tokens(out, answer, 0, 0, answer->tokens);
    buf_add_text(out, answer->cut ? ",\"is_truncated\":true" : ",\"is_truncated\":false");
    end_answer(out, answer, answer->tokens, true);
}

/* ---- errors ---- */

static const struct mock_error_name error_names[] = {
    {401, NULL, "110"},    {429, NULL, "18"},   {404, NULL, "3"},
    {400, NULL, "336003"}, {0, NULL, "336000"},
};

/* A bare line of JSON, no event. */
static void write_failure(struct buf *out, struct mock_answer *answer)
{
    buf_add_text(out, "{\"error_code\":336000,"
                      "\"error_msg\":\"The mock server was asked to fail here.\"");
    mock_write_stamps(out, answer, false);
    mock_write_event_end(out, answer);
}

static void write_refusal(struct buf *out, const struct mock_refusal *no)
{
    bool unreadable = no->status == 400 && !no->code; /* no JSON */
    buf_printf(out, "{\"error_code\":%s,\"error_msg\":",
               unreadable ? "336002" : mock_error_name(error_names, no));
    json_write_string(out, span_text(no->message));
    buf_add_text(out, "}\n");
}

static void disguise(const struct mock_ask *ask, struct mock_refusal *no)
{
    (void)ask;
    no->sent_status = 200;
}

/* ---- endpoints ---- */

#define ERNIE                                                                                      \
    .prefix = write_prefix, .token = write_sentence, .finish = write_finish,                       \
    .failure = write_failure, .plain = write_plain, .refusal = write_refusal,                      \
    .disguise = disguise, .parameter = "access_token"

static const struct mock_shape chat = {.parse = parse_chat, ERNIE};
static const struct mock_shape completions = {.parse = parse_completions, ERNIE};

static const struct mock_route routes[] = {
    {
        .path = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/",
        .method = "POST",
        .endpoint = MOCK_CHAT,
        .serve = mock_generate,
        .shape = &chat,
        .check_key = check_token,
    },
    {
        .path = "/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/",
        .method = "POST",
        .endpoint = MOCK_COMPLETIONS,
        .serve = mock_generate,
        .shape = &completions,
        .check_key = check_token,
    },
    {
        .path = "/oauth/2.0/token",
        .method = "POST",
        .endpoint = MOCK_AUTH,
        .serve = serve_token,
    },
    {
        .path = "/v2/chat/completions",
        .method = "POST",
        .endpoint = MOCK_CHAT,
        .serve = mock_generate,
        .shape = &mock_openai_chat,
        .check_key = mock_auth_bearer,
    },
};

const struct mock_dialect mock_qianfan = {
    .name = "qianfan",
    .shape = &chat,
    .routes = routes,
    .route_count = sizeof routes / sizeof *routes,
};
