#include "mock/openai_answer.h"

#include "base/clock.h"
#include "mock/text.h"
#include "wire/json.h"

void mock_write_uint(struct buf *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    buf_add(out, digits + at, sizeof digits - at);
}

static void add_field(struct buf *out, const char *before, uint64_t value)
{
    buf_add_text(out, before);
    mock_write_uint(out, value);
}

void mock_answer_prefix(struct mock_answer *answer, uint64_t wall_ns)
{
    const char *object = "text_completion";
    if (answer->ask.chat)
        object = answer->ask.stream ? "chat.completion.chunk" : "chat.completion";
    struct buf *out = &answer->prefix;
    buf_init(out, SIZE_MAX / 2); /* bounded by the request's body, which holds the model's name */
    buf_printf(out, "{\"id\":\"%s-%016llx\",\"object\":\"%s\",\"created\":%llu,\"model\":",
               answer->ask.chat ? "chatcmpl" : "cmpl", (unsigned long long)answer->request, object,
               (unsigned long long)(wall_ns / NS_PER_S));
    json_write_string(out, span_text(answer->ask.model));
    buf_add_text(out, ",");
}

/* ---- events ---- */

static const char *line_end(const struct mock_answer *answer)
{
    return answer->over.crlf ? "\r\n" : "\n";
}

static void end_event(struct buf *out, const struct mock_answer *answer)
{
    buf_add_text(out, line_end(answer));
    buf_add_text(out, line_end(answer));
}

static void begin_chunk(struct buf *out, const struct mock_answer *answer)
{
    buf_add_text(out, "data: ");
    buf_add_span(out, buf_span(&answer->prefix));
}

static void begin_choice(struct buf *out, const struct mock_answer *answer, uint32_t choice)
{
    begin_chunk(out, answer);
    add_field(out, "\"choices\":[{\"index\":", choice);
}

/* The stamps come last, so that as little as possible stands between sent_ns and the send. */
static void end_chunk(struct buf *out, const struct mock_answer *answer, bool first)
{
    if (first)
        add_field(out, ",\"read_ns\":", answer->read_ns);
    add_field(out, ",\"sent_ns\":", clock_now_ns());
    buf_add_text(out, "}");
    end_event(out, answer);
}

static void end_choice(struct buf *out, const struct mock_answer *answer, const char *finish,
                       bool first)
{
    buf_add_text(out, ",\"logprobs\":null,\"finish_reason\":");
    buf_add_text(out, finish);
    buf_add_text(out, answer->ask.include_usage ? "}],\"usage\":null" : "}]");
    end_chunk(out, answer, first);
}

void mock_write_opening(struct buf *out, const struct mock_answer *answer, uint32_t choice)
{
    begin_choice(out, answer, choice);
    buf_add_text(out, ",\"delta\":{\"role\":\"assistant\",\"content\":\"\"}");
    end_choice(out, answer, "null", true);
}

void mock_write_token(struct buf *out, const struct mock_answer *answer, uint32_t choice,
                      uint32_t k)
{
    begin_choice(out, answer, choice);
    buf_add_text(out, answer->ask.chat ? ",\"delta\":{\"content\":" : ",\"text\":");
    mock_text_write(out, answer->seed, answer->request, choice, k);
    if (answer->ask.chat)
        buf_add_text(out, "}");
    end_choice(out, answer, "null", k == 0);
}

static const char *finish_reason(const struct mock_answer *answer)
{
    return answer->cut ? "\"length\"" : "\"stop\"";
}

void mock_write_finish(struct buf *out, const struct mock_answer *answer, uint32_t choice)
{
    begin_choice(out, answer, choice);
    buf_add_text(out, answer->ask.chat ? ",\"delta\":{}" : ",\"text\":\"\"");
    end_choice(out, answer, finish_reason(answer), answer->tokens == 0);
}

static void add_usage(struct buf *out, const struct mock_answer *answer)
{
    uint64_t prompt = answer->ask.prompt_tokens, completion = mock_answer_tokens(answer);
    add_field(out, "\"usage\":{\"prompt_tokens\":", prompt);
    add_field(out, ",\"completion_tokens\":", completion);
    add_field(out, ",\"total_tokens\":", prompt + completion);
    buf_add_text(out, "}");
}

void mock_write_usage(struct buf *out, const struct mock_answer *answer)
{
    begin_chunk(out, answer);
    buf_add_text(out, "\"choices\":[],");
    add_usage(out, answer);
    end_chunk(out, answer, false);
}

void mock_write_failure(struct buf *out, const struct mock_answer *answer)
{
    buf_add_text(out, "data: {\"error\":{\"message\":\"The mock server was asked to fail here.\","
                      "\"type\":\"server_error\",\"param\":null,\"code\":null}");
    end_chunk(out, answer, false);
}

void mock_write_done(struct buf *out, const struct mock_answer *answer)
{
    buf_add_text(out, "data: [DONE]");
    end_event(out, answer);
}

void mock_write_ping(struct buf *out, const struct mock_answer *answer)
{
    buf_add_text(out, ": ping");
    end_event(out, answer);
}

/* ---- whole bodies ---- */

static void add_text(struct buf *out, const struct mock_answer *answer, uint32_t choice)
{
    struct buf text;
    buf_init(&text, SIZE_MAX / 2); /* bounded by MOCK_MAX_TOKENS */
    for (uint32_t k = 0; k < answer->tokens; k++)
        mock_text_add(&text, answer->seed, answer->request, choice, k);
    json_write_string(out, buf_span(&text));
    buf_fini(&text);
}

static void add_choice(struct buf *out, const struct mock_answer *answer, uint32_t choice)
{
    add_field(out, choice ? ",{\"index\":" : "{\"index\":", choice);
    if (answer->ask.chat)
        buf_add_text(out, ",\"message\":{\"role\":\"assistant\",\"content\":");
    else
        buf_add_text(out, ",\"text\":");
    add_text(out, answer, choice);
    if (answer->ask.chat)
        buf_add_text(out, "}");
    buf_add_text(out, ",\"logprobs\":null,\"finish_reason\":");
    buf_add_text(out, finish_reason(answer));
    buf_add_text(out, "}");
}

void mock_write_plain(struct buf *out, const struct mock_answer *answer)
{
    buf_add_span(out, buf_span(&answer->prefix));
    buf_add_text(out, "\"choices\":[");
    for (uint32_t choice = 0; choice < answer->ask.choices; choice++)
        add_choice(out, answer, choice);
    buf_add_text(out, "],");
    if (!answer->over.nousage) {
        add_usage(out, answer);
        buf_add_text(out, ",");
    }
    add_field(out, "\"read_ns\":", answer->read_ns);
    add_field(out, ",\"sent_ns\":", clock_now_ns());
    buf_add_text(out, "}");
}

static void add_text_or_null(struct buf *out, const char *text)
{
    if (text && *text)
        json_write_string(out, span_text(text));
    else
        buf_add_text(out, "null");
}

void mock_write_refusal(struct buf *out, const struct mock_refusal *no)
{
    buf_add_text(out, "{\"error\":{\"message\":");
    json_write_string(out, span_text(no->message));
    buf_add_text(out, ",\"type\":");
    add_text_or_null(out, no->type);
    buf_add_text(out, ",\"param\":");
    add_text_or_null(out, no->param);
    buf_add_text(out, ",\"code\":");
    add_text_or_null(out, no->code);
    buf_add_text(out, "}}\n");
}

void mock_write_models(struct buf *out, const char *model, uint64_t wall_ns)
{
    buf_add_text(out, "{\"object\":\"list\",\"data\":[{\"id\":");
    json_write_string(out, span_text(model));
    add_field(out, ",\"object\":\"model\",\"created\":", wall_ns / NS_PER_S);
    buf_add_text(out, ",\"owned_by\":\"llmbench\"}]}\n");
}
