#include "mock/write.h"

#include "base/clock.h"
#include "mock/text.h"
#include "wire/json.h"

/* Much faster than printf. */
static void write_digits(struct buf *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    buf_add(out, digits + at, sizeof digits - at);
}

void mock_write_field(struct buf *out, const char *before, uint64_t value)
{
    buf_add_text(out, before);
    write_digits(out, value);
}

void mock_write_text_or_null(struct buf *out, const char *text)
{
    if (text && *text)
        json_write_string(out, span_text(text));
    else
        buf_add_text(out, "null");
}

static void add_token(struct buf *out, const struct mock_answer *answer, uint32_t choice,
                      uint32_t k)
{
    if (answer->speeches)
        buf_add_span(out, mock_speech_token(&answer->speeches[choice], k));
    else
        mock_text_add(out, answer->seed, answer->request, choice, k);
}

void mock_write_token(struct buf *out, const struct mock_answer *answer, uint32_t choice,
                      uint32_t k)
{
    if (answer->speeches)
        json_write_string(out, mock_speech_token(&answer->speeches[choice], k));
    else
        mock_text_write(out, answer->seed, answer->request, choice, k);
}

void mock_write_tokens(struct buf *out, const struct mock_answer *answer, uint32_t choice,
                       uint32_t from, uint32_t to)
{
    struct buf text;
    buf_init(&text, SIZE_MAX / 2); /* bounded by MOCK_MAX_TOKENS */
    for (uint32_t k = from; k < to; k++)
        add_token(&text, answer, choice, k);
    json_write_string(out, buf_span(&text));
    buf_fini(&text);
}

void mock_write_stamps(struct buf *out, const struct mock_answer *answer, bool read)
{
    if (read)
        mock_write_field(out, ",\"read_ns\":", answer->read_ns);
    mock_write_field(out, ",\"sent_ns\":", clock_now_ns());
    buf_add_text(out, "}");
}

void mock_write_line_end(struct buf *out, const struct mock_answer *answer)
{
    buf_add_text(out, answer->over.crlf ? "\r\n" : "\n");
}

void mock_write_event_end(struct buf *out, const struct mock_answer *answer)
{
    mock_write_line_end(out, answer);
    mock_write_line_end(out, answer);
}

void mock_write_ping(struct buf *out, struct mock_answer *answer)
{
    buf_add_text(out, ": ping");
    mock_write_event_end(out, answer);
}

void mock_write_done(struct buf *out, struct mock_answer *answer)
{
    buf_add_text(out, "data: [DONE]");
    mock_write_event_end(out, answer);
}

void mock_write_usage(struct buf *out, const struct mock_answer *answer, uint64_t completion)
{
    uint64_t prompt = answer->ask.prompt_tokens;
    mock_write_field(out, "{\"prompt_tokens\":", prompt);
    mock_write_field(out, ",\"completion_tokens\":", completion);
    mock_write_field(out, ",\"total_tokens\":", prompt + completion);
    buf_add_text(out, "}");
}
