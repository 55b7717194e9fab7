/* Ollama's own API: a stream is lines of JSON, the last of them says done and counts the tokens; an
 * answer streams unless the request says otherwise. */
#include <cjson/cJSON.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mock/auth.h"
#include "mock/dialects.h"
#include "mock/openai.h"
#include "mock/routes.h"
#include "mock/text.h"
#include "mock/write.h"
#include "wire/json.h"

/* ---- requests ---- */

static const struct mock_field chat_fields[] = {
    {"model", MOCK_IS_STRING, 0, 0, true},
    {"messages", MOCK_IS_ARRAY, 0, 0, true},
    {"stream", MOCK_IS_BOOLEAN, 0, 0, false},
    {"options", MOCK_IS_OBJECT, 0, 0, false},
    {"format", MOCK_IS_STRING | MOCK_IS_OBJECT, 0, 0, false},
    {"keep_alive", MOCK_IS_STRING | MOCK_IS_NUMBER, 0, 0, false},
    {"think", MOCK_IS_BOOLEAN | MOCK_IS_STRING, 0, 0, false},
    {"tools", MOCK_IS_ARRAY, 0, 0, false},
};

static const struct mock_field generate_fields[] = {
    {"model", MOCK_IS_STRING, 0, 0, true},
    {"prompt", MOCK_IS_STRING, 0, 0, false},
    {"system", MOCK_IS_STRING, 0, 0, false},
    {"suffix", MOCK_IS_STRING, 0, 0, false},
    {"template", MOCK_IS_STRING, 0, 0, false},
    {"raw", MOCK_IS_BOOLEAN, 0, 0, false},
    {"stream", MOCK_IS_BOOLEAN, 0, 0, false},
    {"options", MOCK_IS_OBJECT, 0, 0, false},
    {"format", MOCK_IS_STRING | MOCK_IS_OBJECT, 0, 0, false},
    {"keep_alive", MOCK_IS_STRING | MOCK_IS_NUMBER, 0, 0, false},
    {"think", MOCK_IS_BOOLEAN | MOCK_IS_STRING, 0, 0, false},
};

/* num_predict: -1 is no limit, -2 as much as the context holds. */
static const struct mock_field option_fields[] = {
    {"num_predict", MOCK_IS_INTEGER, -2, 9007199254740992, false},
    {"num_ctx", MOCK_IS_INTEGER, 1, 9007199254740992, false},
    {"temperature", MOCK_IS_NUMBER, 0, 0, false},
    {"top_p", MOCK_IS_NUMBER, 0, 0, false},
    {"top_k", MOCK_IS_INTEGER, 0, 0, false},
    {"seed", MOCK_IS_INTEGER, 0, 0, false},
    {"repeat_penalty", MOCK_IS_NUMBER, 0, 0, false},
    {"presence_penalty", MOCK_IS_NUMBER, 0, 0, false},
    {"frequency_penalty", MOCK_IS_NUMBER, 0, 0, false},
    {"stop", MOCK_IS_ARRAY | MOCK_IS_STRING, 0, 0, false},
};

static bool read_prompt(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    if (ask->chat)
        return mock_read_messages(body, "", ask, no);
    const char *prompt = mock_field_text(body, "prompt"), *system = mock_field_text(body, "system");
    mock_count_prompt(prompt ? prompt : "", ask);
    mock_count_prompt(system ? system : "", ask);
    return true;
}

static bool read_body(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    const struct mock_field *fields = ask->chat ? chat_fields : generate_fields;
    size_t count = ask->chat ? sizeof chat_fields / sizeof *chat_fields
                             : sizeof generate_fields / sizeof *generate_fields;
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(body, "options");
    if (!mock_check_fields(body, "", fields, count, no) ||
        !mock_check_fields(options, "options.", option_fields,
                           sizeof option_fields / sizeof *option_fields, no) ||
        !read_prompt(body, ask, no))
        return false;
    int64_t most = mock_field_integer(options, "num_predict", -1);
    ask->stream = !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(body, "stream"));
    ask->max_tokens = most < 0 ? -1 : most;
    ask->model = mem_text(mock_field_text(body, "model"));
    return true;
}

static bool parse_chat(const struct mock_http *http, struct mock_ask *ask, struct mock_refusal *no)
{
    mock_ask_init(ask, true);
    return mock_read_body(buf_span(&http->body), read_body, ask, no);
}

static bool parse_generate(const struct mock_http *http, struct mock_ask *ask,
                           struct mock_refusal *no)
{
    mock_ask_init(ask, false);
    return mock_read_body(buf_span(&http->body), read_body, ask, no);
}

/* ---- answers ---- */

static void write_prefix(struct mock_answer *answer, uint64_t wall_ns)
{
    struct buf *out = &answer->prefix;
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm day;
    char date[40];
    gmtime_r(&seconds, &day);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &day);
    buf_add_text(out, "{\"model\":");
    json_write_string(out, span_text(answer->ask.model));
    buf_printf(out, ",\"created_at\":\"%s.%09lluZ\",", date,
               (unsigned long long)(wall_ns % NS_PER_S));
}

/* Tokens from…to − 1 where the endpoint has its text. */
static void add_text(struct buf *out, const struct mock_answer *answer, uint32_t from, uint32_t to)
{
    buf_add_text(out, answer->ask.chat ? "\"message\":{\"role\":\"assistant\",\"content\":"
                                       : "\"response\":");
    mock_write_tokens(out, answer, 0, from, to);
    buf_add_text(out, answer->ask.chat ? "}" : "");
}

/* Durations are of this server's own times: it loads nothing. */
static void add_end(struct buf *out, const struct mock_answer *answer)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t first_ns = answer->first_ns ? answer->first_ns : now_ns;
    buf_printf(out, ",\"done\":true,\"done_reason\":\"%s\"", mock_openai_reason(answer));
    mock_write_field(out, ",\"total_duration\":", now_ns - answer->read_ns);
    mock_write_field(out, ",\"load_duration\":", 0);
    if (!answer->over.nousage)
        mock_write_field(out, ",\"prompt_eval_count\":", answer->ask.prompt_tokens);
    mock_write_field(out, ",\"prompt_eval_duration\":", first_ns - answer->read_ns);
    if (!answer->over.nousage)
        mock_write_field(out, ",\"eval_count\":", answer->tokens);
    mock_write_field(out, ",\"eval_duration\":", now_ns - first_ns);
}

static void write_token(struct buf *out, struct mock_answer *answer, uint32_t choice, uint32_t k)
{
    (void)choice;
    if (k == 0)
        answer->first_ns = clock_now_ns();
    buf_add_span(out, buf_span(&answer->prefix));
    add_text(out, answer, k, k + 1);
    buf_add_text(out, ",\"done\":false");
    mock_write_stamps(out, answer, k == 0);
    mock_write_line_end(out, answer);
}

static void write_finish(struct buf *out, struct mock_answer *answer, uint32_t choice)
{
    (void)choice;
    buf_add_span(out, buf_span(&answer->prefix));
    add_text(out, answer, 0, 0);
    add_end(out, answer);
    mock_write_stamps(out, answer, answer->tokens == 0);
    mock_write_line_end(out, answer);
}

static void write_plain(struct buf *out, struct mock_answer *answer)
{
    buf_add_span(out, buf_span(&answer->prefix));
    add_text(out, answer, 0, answer->tokens);
    add_end(out, answer);
    mock_write_stamps(out, answer, true);
}

/* An empty line: readers of lines pass over it. */
static void write_ping(struct buf *out, struct mock_answer *answer)
{
    mock_write_line_end(out, answer);
}

/* ---- errors ---- */

static void write_failure(struct buf *out, struct mock_answer *answer)
{
    buf_add_text(out, "{\"error\":\"the mock server was asked to fail here\"");
    mock_write_stamps(out, answer, false);
    mock_write_line_end(out, answer);
}

static void write_refusal(struct buf *out, const struct mock_refusal *no)
{
    buf_add_text(out, "{\"error\":");
    json_write_string(out, span_text(no->message));
    buf_add_text(out, "}\n");
}

/* ---- endpoints ---- */

#define ANSWERS                                                                                    \
    .stream_type = "application/x-ndjson", .prefix = write_prefix, .token = write_token,           \
    .finish = write_finish, .failure = write_failure, .ping = write_ping, .plain = write_plain,    \
    .refusal = write_refusal

static const struct mock_shape chat = {.parse = parse_chat, ANSWERS};
static const struct mock_shape generate = {.parse = parse_generate, ANSWERS};

static const struct mock_route routes[] = {
    {
        .path = "/api/chat",
        .method = "POST",
        .endpoint = MOCK_CHAT,
        .serve = mock_generate,
        .shape = &chat,
        .check_key = mock_auth_bearer,
    },
    {
        .path = "/api/generate",
        .method = "POST",
        .endpoint = MOCK_COMPLETIONS,
        .serve = mock_generate,
        .shape = &generate,
        .check_key = mock_auth_bearer,
    },
};

const struct mock_dialect mock_ollama = {
    .name = "ollama",
    .shape = &chat,
    .routes = routes,
    .route_count = sizeof routes / sizeof *routes,
};
