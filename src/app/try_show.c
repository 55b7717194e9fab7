#include "app/try_show.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/own_metric.h"
#include "out/harmless.h"
#include "wire/json.h"

/* Characters that are shown of a text. */
enum { BODY_MOST = 20000, HEADER_MOST = 500, PIECE_MOST = 60, TEXT_MOST = 500, ERROR_MOST = 4000 };

#define TEXT_LIMIT (SIZE_MAX / 4)

static struct buf hidden_of(struct secrets *secrets, struct span text)
{
    struct buf hidden;
    buf_init(&hidden, TEXT_LIMIT);
    if (text.len)
        secrets_hide(secrets, text, &hidden);
    return hidden;
}

/* JSON with an element a line, anything else as it stands. */
static void add_body(struct buf *out, struct span body, struct secrets *secrets)
{
    struct buf hidden = hidden_of(secrets, body), laid_out;
    buf_init(&laid_out, TEXT_LIMIT);
    if (!json_indent(&laid_out, buf_span(&hidden), 2))
        buf_add_span(&laid_out, buf_span(&hidden));
    harmless_lines(out, buf_span(&laid_out), BODY_MOST);
    buf_add_char(out, '\n');
    buf_fini(&laid_out);
    buf_fini(&hidden);
}

static void add_quoted(struct buf *out, struct span text, uint64_t most, struct secrets *secrets)
{
    struct buf hidden = hidden_of(secrets, text);
    buf_add_char(out, '"');
    harmless_line(out, buf_span(&hidden), most, 0);
    buf_add_char(out, '"');
    buf_fini(&hidden);
}

/* Of several lines, as a traceback has them. */
static void add_error(struct buf *out, const char *text, struct secrets *secrets)
{
    struct buf hidden = hidden_of(secrets, span_text(text));
    harmless_lines(out, buf_span(&hidden), ERROR_MOST);
    buf_add_char(out, '\n');
    buf_fini(&hidden);
}

/* ---- requests ---- */

void try_show_setup(struct buf *out, struct script *script, struct secrets *secrets)
{
    struct err err;
    struct buf json;
    buf_init(&json, TEXT_LIMIT);
    bool shown = script_setup_json(script, &json, &err);
    if (shown && json.len == 0) {
        buf_add_text(out, "setup returned nothing\n");
    } else if (shown) {
        buf_add_text(out, "setup returned\n");
        add_body(out, buf_span(&json), secrets);
    } else {
        buf_add_text(out, "setup returned what JSON cannot show: ");
        add_error(out, err.text, secrets);
    }
    buf_add_char(out, '\n');
    buf_fini(&json);
}

static void add_when(struct buf *out, const struct request *request, bool open)
{
    if (open)
        buf_printf(out, ", due %.6g s after the start", clock_seconds(request->due_offset_ns));
    if (request->delay_ns)
        buf_printf(out, ", after %.6g s of think time", clock_seconds(request->delay_ns));
}

void try_show_request(struct buf *out, const struct request *request, bool open,
                      struct secrets *secrets)
{
    char *url = secrets_url(secrets, request->url);
    struct buf hidden = hidden_of(secrets, span_text(url));
    buf_printf(out, "request %" PRIu64 ": %s ", request->index, request->method);
    harmless_line(out, buf_span(&hidden), HEADER_MOST, 0);
    add_when(out, request, open);
    buf_add_char(out, '\n');
    bool confidential = false;
    for (size_t i = 0; i < request->headers.count; i++) {
        buf_add_text(out, "  ");
        harmless_header(out, span_text(request->headers.items[i]), HEADER_MOST, secrets,
                        &confidential);
        buf_add_char(out, '\n');
    }
    if (request->fault) {
        buf_add_text(out, "  cannot be sent: ");
        add_error(out, request->fault, secrets);
    } else {
        buf_printf(out, "  %zu bytes:\n", request->body_len);
        add_body(out, span_of(request->body, request->body_len), secrets);
    }
    buf_add_char(out, '\n');
    buf_fini(&hidden);
    free(url);
}

/* ---- looking on ---- */

void try_reading_init(struct try_reading *reading, struct secrets *secrets)
{
    *reading = (struct try_reading){.secrets = secrets, .how = "nothing"};
}

void try_reading_fini(struct try_reading *reading)
{
    for (size_t i = 0; i < reading->said_count; i++)
        buf_fini(&reading->said[i]);
    free(reading->said);
    free(reading->fault);
}

static void on_framed(void *arg, const char *how)
{
    struct try_reading *reading = arg;
    reading->how = how;
}

static struct buf *said_at(struct try_reading *reading, size_t number)
{
    if (number >= reading->said_count) {
        reading->said = mem_resize(reading->said, number + 1, sizeof *reading->said);
        for (; reading->said_count <= number; reading->said_count++)
            buf_init(&reading->said[reading->said_count], TEXT_LIMIT);
    }
    return &reading->said[number];
}

static void add_texts(struct buf *out, const struct delta *delta, struct secrets *secrets)
{
    const struct {
        const char *name;
        struct span text;
    } texts[] = {
        {"error", delta->error}, {"content", delta->content},     {"refusal", delta->refusal},
        {"tool", delta->tool},   {"reasoning", delta->reasoning}, {"finish", delta->finish},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].text.len) {
            buf_printf(out, " %s=", texts[i].name);
            add_quoted(out, texts[i].text, PIECE_MOST, secrets);
        }
}

static void add_count(struct buf *out, const char *name, int64_t count)
{
    if (count != TOKENS_UNKNOWN)
        buf_printf(out, "%s%s=%" PRId64, out->len && out->data[out->len - 1] == '{' ? "" : " ",
                   name, count);
}

/* In the words in which the script said it. */
static void add_delta(struct buf *out, const struct delta *delta, struct secrets *secrets)
{
    add_texts(out, delta, secrets);
    if (delta->opening)
        buf_add_text(out, " opening");
    if (delta->cumulative)
        buf_add_text(out, " cumulative");
    if (delta->done)
        buf_add_text(out, " done");
    if (delta->index)
        add_count(out, "index", delta->index);
    add_count(out, "tokens", delta->tokens);
    if (!delta->has_usage)
        return;
    buf_add_text(out, " usage={");
    add_count(out, "prompt", delta->usage.prompt);
    add_count(out, "completion", delta->usage.completion);
    add_count(out, "cached", delta->usage.cached);
    add_count(out, "reasoning", delta->usage.reasoning);
    buf_add_char(out, '}');
}

static void on_event(void *arg, const struct answer_seen *seen)
{
    struct try_reading *reading = arg;
    struct buf *out = said_at(reading, seen->number);
    if (seen->choice)
        buf_add_char(out, ',');
    if (seen->name.len) {
        buf_add_char(out, ' ');
        add_quoted(out, seen->name, PIECE_MOST, reading->secrets);
    }
    if (seen->delta && seen->delta->understood) {
        add_delta(out, seen->delta, reading->secrets);
        return;
    }
    buf_add_text(out, seen->delta ? " not understood: " : " not read: ");
    add_quoted(out, seen->data, PIECE_MOST, reading->secrets);
}

static void on_fault(void *arg, const char *text)
{
    struct try_reading *reading = arg;
    reading->fault = mem_text(text);
}

static void on_counted(void *arg, int64_t prompt, int64_t completion)
{
    struct try_reading *reading = arg;
    reading->counted = true;
    reading->prompt = prompt;
    reading->completion = completion;
}

struct answer_watch try_reading_watch(struct try_reading *reading)
{
    return (struct answer_watch){
        .arg = reading,
        .framed = on_framed,
        .event = on_event,
        .fault = on_fault,
        .counted = on_counted,
    };
}

/* ---- telling ---- */

static void add_events(struct buf *out, const struct try_reading *reading,
                       const struct sample *sample)
{
    for (size_t i = 0; i < sample->event_count; i++) {
        char kind = sample->events[i].kind;
        buf_printf(out, "  event %3zu: %c %-9s", i, kind, event_kind_name(kind));
        if (i < reading->said_count)
            buf_add_span(out, buf_span(&reading->said[i]));
        while (out->data[out->len - 1] == ' ')
            out->len--;
        buf_add_char(out, '\n');
    }
    if (sample->event_count == 0)
        buf_add_text(out, "  no events\n");
}

static void add_returned(struct buf *out, int64_t tokens)
{
    if (tokens == TOKENS_UNKNOWN)
        buf_add_text(out, "nil");
    else
        buf_printf(out, "%" PRId64, tokens);
}

static void add_parsed(struct buf *out, const struct try_reading *reading,
                       const struct sample *sample)
{
    buf_add_text(out, "parse_responses ");
    if (reading->counted) {
        buf_add_text(out, "returned ");
        add_returned(out, reading->prompt);
        buf_add_text(out, ", ");
        add_returned(out, reading->completion);
        buf_add_char(out, '\n');
    } else if (sample->token_error && !sample->uncounted) {
        buf_add_text(out, "failed: ");
        add_error(out, sample->token_error, reading->secrets);
    } else {
        buf_add_text(out, "was not called: it is for answers that are ok\n");
    }
}

/* `counted`: by the tokenizer, where that is compared. */
static void add_tokens(struct buf *out, const char *what, int64_t tokens, enum token_source source,
                       int64_t counted)
{
    buf_printf(out, "%s tokens: ", what);
    if (tokens == TOKENS_UNKNOWN)
        buf_add_text(out, "not known");
    else
        buf_printf(out, "%" PRId64 " (from %s)", tokens, token_source_name(source));
    if (counted != TOKENS_UNKNOWN && source != TOKENS_TOKENIZER)
        buf_printf(out, ", the tokenizer counts %" PRId64, counted);
    buf_add_char(out, '\n');
}

/* Those of the script. All of the answer came at one moment, so what they make of times is 0 or
 * nothing. */
static void add_metrics(struct buf *out, const struct sample *sample, struct secrets *secrets)
{
    for (size_t i = 0; sample->own && i < sample->own->count; i++) {
        const struct own_metric *metric = &sample->own->items[i];
        if (metric->over == OVER_STAGE)
            continue;
        buf_printf(out, "metric %s: ", metric->name);
        if (sample->own_failed >> i & 1)
            buf_add_text(out, "failed");
        else if (sample->own_values && !isnan(sample->own_values[i]))
            buf_printf(out, "%.6g", sample->own_values[i]);
        else
            buf_add_text(out, "no value");
        buf_add_char(out, '\n');
    }
    if (sample->own_error)
        add_error(out, sample->own_error, secrets);
}

void try_reading_show(struct buf *out, const struct try_reading *reading,
                      const struct sample *sample)
{
    buf_printf(out, "read as %s\n", reading->how);
    add_events(out, reading, sample);
    if (reading->fault && !(sample->error && strcmp(reading->fault, sample->error) == 0)) {
        buf_add_text(out, "the script failed: ");
        add_error(out, reading->fault, reading->secrets);
    }
    add_parsed(out, reading, sample);
    buf_printf(out, "outcome: %s", outcome_name(sample->outcome));
    if (sample->error) {
        buf_add_text(out, ": ");
        add_error(out, sample->error, reading->secrets);
    } else {
        buf_add_char(out, '\n');
    }
    if (sample->text_len) {
        buf_add_text(out, "text: ");
        add_quoted(out, span_of(sample->text, sample->text_len), TEXT_MOST, reading->secrets);
        buf_printf(out, ", in %" PRIu64 " events\n", sample->text_events);
    }
    if (sample->finish_reason[0]) {
        buf_add_text(out, "finish: ");
        add_quoted(out, span_text(sample->finish_reason), PIECE_MOST, reading->secrets);
        buf_add_char(out, '\n');
    }
    add_tokens(out, "prompt", sample->prompt_tokens, sample->prompt_source, sample->counted_prompt);
    add_tokens(out, "completion", sample->completion_tokens, sample->completion_source,
               sample->counted_completion);
    if (sample->uncounted)
        add_error(out, sample->token_error, reading->secrets);
    add_metrics(out, sample, reading->secrets);
}
