#include "run/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "run/counter.h"
#include "run/reading.h"
#include "script/script.h"
#include "wire/json.h"
#include "wire/ndjson.h"
#include "wire/sse.h"

/* ---- framing ---- */

enum framing { FRAMING_BODY, FRAMING_SSE, FRAMING_NDJSON, FRAMING_OWN };

static const struct {
    const char *type; /* media type without parameters, or the API's word for it */
    enum framing framing;
} framings[] = {
    {"text/event-stream", FRAMING_SSE},
    {"application/x-ndjson", FRAMING_NDJSON},
    {"application/ndjson", FRAMING_NDJSON},
    {"application/jsonl", FRAMING_NDJSON},
    {"application/x-jsonlines", FRAMING_NDJSON},
    {"application/json", FRAMING_BODY},
    {"sse", FRAMING_SSE},
    {"ndjson", FRAMING_NDJSON},
    {"body", FRAMING_BODY},
};

static bool framing_named(const char *name, size_t len, enum framing *framing)
{
    for (size_t i = 0; i < sizeof framings / sizeof *framings; i++)
        if (strlen(framings[i].type) == len && strncasecmp(framings[i].type, name, len) == 0) {
            *framing = framings[i].framing;
            return true;
        }
    return false;
}

/* The script's own framing goes first; then the Content-Type decides where it is known, then the
 * API; an error status with an unknown type is a plain body. */
static enum framing framing_of(const struct exchange *exchange, const struct script_facts *facts)
{
    enum framing framing = FRAMING_BODY;
    const char *type = exchange->content_type;
    if (facts->has_frame && outcome_of_status(exchange->status) == OUTCOME_OK)
        return FRAMING_OWN;
    if (type && framing_named(type, strcspn(type, "; \t"), &framing))
        return framing;
    if (facts->framing && outcome_of_status(exchange->status) == OUTCOME_OK)
        framing_named(facts->framing, strlen(facts->framing), &framing);
    return framing;
}

static bool answer_sse_item(void *arg, const struct sse_item *item)
{
    struct reading *reading = arg;
    switch (item->kind) {
    case SSE_EVENT: reading_event(reading, item->data, item->name, item->last_byte); break;
    case SSE_COMMENT:
    case SSE_RETRY: reading_ping(reading, item->data, item->last_byte); break;
    case SSE_FIELD:
        /* llama.cpp sends errors as `error: {…}`; gateways send bare JSON lines. The script judges
         * both. */
        if (span_equals(item->name, "error"))
            reading_event(reading, item->data, item->name, item->last_byte);
        else
            reading_event(reading, item->line, span_text("line"), item->last_byte);
        break;
    }
    return true;
}

static bool answer_ndjson_item(void *arg, const struct ndjson_item *item)
{
    reading_event(arg, item->data, span_of("", 0), item->last_byte);
    return true;
}

static void answer_body(struct reading *reading)
{
    const struct buf *body = &reading->exchange->body;
    reading->sample->streamed = false;
    if (body->len)
        reading_event(reading, buf_span(body), span_text("body"), body->len - 1);
}

static bool is_blank(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!strchr(" \t\r\n", text.data[i]) || !text.data[i])
            return false;
    return true;
}

/* An answer in which the script finds no event at all is a plain one; what it leaves after the last
 * is shown to it as the rest. */
static void answer_frame_own(struct reading *reading)
{
    struct span body = buf_span(&reading->exchange->body);
    size_t pos = 0, from = 0, to = 0, next = 0;
    bool found = true;
    struct err err;
    while (found) {
        if (!script_frame(reading->script, body, pos, &found, &from, &to, &next, &err)) {
            reading_fault(reading, &err);
            return;
        }
        if (!found)
            break;
        reading_event(reading, span_of(body.data + from, to - from), span_of("", 0), next - 1);
        pos = next;
    }
    if (pos == 0)
        answer_body(reading);
    else if (!is_blank(span_of(body.data + pos, body.len - pos)))
        reading_event(reading, span_of(body.data + pos, body.len - pos), span_text("rest"),
                      body.len - 1);
}

static const char *framing_name(enum framing framing)
{
    static const char *const names[] = {
        [FRAMING_BODY] = "one body",
        [FRAMING_SSE] = "server-sent events",
        [FRAMING_NDJSON] = "lines",
        [FRAMING_OWN] = "the script's own frames",
    };
    return names[framing];
}

static void answer_frame(struct reading *reading, enum framing framing)
{
    const struct buf *body = &reading->exchange->body;
    struct sse sse;
    struct ndjson ndjson;
    switch (framing) {
    case FRAMING_SSE:
        sse_init(&sse, body->len);
        if (sse_feed(&sse, body->data, body->len, answer_sse_item, reading))
            sse_end(&sse, answer_sse_item, reading);
        sse_fini(&sse);
        break;
    case FRAMING_NDJSON:
        ndjson_init(&ndjson, body->len);
        if (ndjson_feed(&ndjson, body->data, body->len, answer_ndjson_item, reading))
            ndjson_end(&ndjson, answer_ndjson_item, reading);
        ndjson_fini(&ndjson);
        break;
    case FRAMING_OWN: answer_frame_own(reading); break;
    case FRAMING_BODY: answer_body(reading); break;
    }
}

/* ---- outcome ---- */

/* With what whoever wrote the script may have meant. */
static const char *no_text(const struct script_facts *facts)
{
    return facts->api_shipped ? "the answer holds no text"
                              : "the answer holds no text (the script of a protocol without text "
                                "says text = false)";
}

static void sample_fail(struct sample *sample, enum outcome outcome, const char *sentence)
{
    sample->outcome = outcome;
    sample->error = mem_text(sentence);
}

enum { ERROR_BYTES = 500 }; /* of what the server said, secrets hidden before the cut */

static void answer_http_error(struct sample *sample, const struct reading *reading,
                              struct secrets *secrets)
{
    const struct exchange *exchange = sample->exchange;
    struct span said = reading->error ? span_text(reading->error) : buf_span(&exchange->body);
    struct buf sentence;
    buf_init(&sentence, 2 * ERROR_BYTES + 64);
    buf_printf(&sentence, "HTTP %d%s", exchange->status, said.len ? ": " : "");
    secrets_hide_cut(secrets, said, ERROR_BYTES, &sentence);
    sample->outcome = outcome_of_status(exchange->status);
    sample->error = buf_take(&sentence);
}

/* The bytes themselves say that the answer is whole, whatever its hooks made of them. */
static bool ends_with_marker(const struct exchange *exchange, const struct script_facts *facts)
{
    return facts->end_marker.len > 0 &&
           span_ends_with(span_without_tail(buf_span(&exchange->body)), facts->end_marker);
}

/* The order is metrics.md's: what is missing first names the outcome, and a hook's error never
 * hides a failure of the server. */
static void answer_judge(struct sample *sample, const struct reading *reading,
                         struct secrets *secrets, const struct script_facts *facts)
{
    const struct exchange *exchange = sample->exchange;
    bool broken = exchange->finish == FINISH_BROKEN;
    if (exchange->finish == FINISH_CANCELLED)
        sample_fail(sample, OUTCOME_CANCELLED, "cancelled while it was in flight");
    else if (exchange->status && outcome_of_status(exchange->status) != OUTCOME_OK)
        answer_http_error(sample, reading, secrets);
    else if (reading->error)
        sample_fail(sample, OUTCOME_STREAM_ERROR, reading->error);
    else if (broken)
        sample_fail(sample, exchange->fault, exchange->error);
    else if (reading->script_error)
        sample_fail(sample, OUTCOME_SCRIPT_ERROR, reading->script_error);
    else if (reading->unknown && !reading->understood)
        sample_fail(sample, OUTCOME_BAD_RESPONSE,
                    "the answer is not what the API script understands");
    else if (sample->streamed && facts->ends && !reading->done && !*sample->finish_reason &&
             !ends_with_marker(exchange, facts))
        sample_fail(sample, OUTCOME_TRUNCATED,
                    facts->end_marker.len
                        ? "the answer ended with neither a finish reason nor its end marker"
                        : "the answer ended without a finish reason");
    else if (facts->text && !sample->text_events)
        sample_fail(sample, OUTCOME_EMPTY, no_text(facts));
    else
        sample->outcome = OUTCOME_OK;
}

/* ---- tokens ---- */

static void count_tokens(int64_t script, int64_t usage, int64_t *tokens, enum token_source *source)
{
    *tokens = script != TOKENS_UNKNOWN ? script : usage;
    if (*tokens == TOKENS_UNKNOWN)
        *source = TOKENS_NONE;
    else /* a script that hands on the server's usage is no source of its own */
        *source = *tokens == usage ? TOKENS_USAGE : TOKENS_SCRIPT;
}

static int64_t tokens_of_events(const struct sample *sample)
{
    int64_t tokens = 0;
    for (size_t i = 0; i < sample->event_count; i++)
        if (event_has_text(&sample->events[i]))
            tokens += sample->events[i].tokens ? sample->events[i].tokens : 1;
    return tokens;
}

static void counter_failed(struct sample *sample, const struct err *err)
{
    if (!sample->token_error)
        sample->token_error = mem_printf("the tokenizer: %s", err->text);
    sample->uncounted = true;
}

/* The tokenizer's counts, where nobody before it has said a number, or it is to be compared. */
static void answer_count(struct counter *counter, struct script *script, struct sample *sample,
                         struct reading *reading)
{
    bool check = counter_checks(counter);
    int64_t completion = TOKENS_UNKNOWN, prompt = TOKENS_UNKNOWN, guessed = 0;
    struct err err;
    if (sample->text_events && !counter_answer(counter, reading, &completion, &err))
        counter_failed(sample, &err);
    if (sample->outcome == OUTCOME_OK && (check || sample->prompt_source == TOKENS_NONE) &&
        !counter_prompt(counter, script, sample->exchange->request, &prompt, &guessed, &err))
        counter_failed(sample, &err);
    if (sample->completion_source == TOKENS_NONE && completion != TOKENS_UNKNOWN) {
        sample->completion_tokens = completion;
        sample->completion_source = TOKENS_TOKENIZER;
    }
    if (sample->prompt_source == TOKENS_NONE && prompt != TOKENS_UNKNOWN) {
        sample->prompt_tokens = prompt;
        sample->prompt_source = TOKENS_TOKENIZER;
        sample->template_tokens = guessed;
    }
    if (check || sample->completion_source == TOKENS_TOKENIZER)
        sample->counted_completion = completion;
    sample->counted_prompt = prompt;
}

static void answer_tokens(struct script *script, struct counter *counter, struct sample *sample,
                          struct reading *reading)
{
    const struct request *request = sample->exchange->request;
    int64_t prompt = TOKENS_UNKNOWN, completion = TOKENS_UNKNOWN;
    struct err err;
    sample_no_tokens(sample);
    if (sample->outcome == OUTCOME_OK &&
        !script_parse_responses(script, reading->payloads, reading->payload_count,
                                span_of(request->body, request->body_len), &prompt, &completion,
                                &err))
        sample->token_error = mem_text(err.text);
    else if (sample->outcome == OUTCOME_OK && reading->watch)
        reading->watch->counted(reading->watch->arg, prompt, completion);
    /* An error in the hook leaves the tokens unknown, whatever else is known. */
    const struct usage nothing = {TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
    const struct usage *usage = sample->token_error ? &nothing : &reading->usage;
    count_tokens(prompt, usage->prompt, &sample->prompt_tokens, &sample->prompt_source);
    count_tokens(completion, usage->completion, &sample->completion_tokens,
                 &sample->completion_source);
    sample->cached_tokens = usage->cached;
    sample->reasoning_tokens = usage->reasoning;
    sample->usage_prompt = usage->prompt;
    sample->usage_completion = usage->completion;
    bool refused = sample->token_error != NULL;
    if (counter && !refused)
        answer_count(counter, script, sample, reading);
    if (sample->completion_source == TOKENS_NONE && sample->streamed && sample->text_events &&
        !refused) {
        sample->completion_tokens = tokens_of_events(sample);
        sample->completion_source = TOKENS_EVENTS;
    }
}

/* ---- the whole ---- */

static char *answer_responses(const struct reading *reading, size_t *len)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    buf_add_char(&out, '[');
    for (size_t i = 0; i < reading->stored_count; i++) {
        if (i)
            buf_add_char(&out, ',');
        json_write_string(&out, reading->stored[i]);
    }
    buf_add_char(&out, ']');
    *len = out.len;
    return buf_take(&out);
}

struct sample *answer_score(struct script *script, struct counter *counter,
                            struct exchange *exchange)
{
    return answer_score_watched(script, counter, exchange, NULL);
}

struct sample *answer_score_watched(struct script *script, struct counter *counter,
                                    struct exchange *exchange, const struct answer_watch *watch)
{
    struct sample *sample = MEM_NEW(struct sample);
    const struct script_facts *facts = script_facts(script);
    enum framing framing = framing_of(exchange, facts);
    sample->exchange = exchange;
    sample->streamed = framing != FRAMING_BODY && exchange->body.len > 0;
    struct reading reading;
    reading_init(&reading, script, sample);
    reading.watch = watch;
    reading.counting = counter != NULL;
    if (watch)
        watch->framed(watch->arg, framing_name(framing));
    if (exchange->finish != FINISH_NONE && exchange->request->fault == NULL) {
        reading_begin(&reading);
        answer_frame(&reading, framing);
    }
    reading_finish(&reading);
    answer_judge(sample, &reading, script_secrets(script), facts);
    answer_tokens(script, counter, sample, &reading);
    script_measure(script, sample);
    sample->responses = answer_responses(&reading, &sample->responses_len);
    script_answer_end(script);
    reading_fini(&reading);
    return sample;
}

/* The bytes as they came, as one payload. */
static char *whole_body(const struct exchange *exchange, size_t *len)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    buf_add_char(&out, '[');
    if (exchange->body.len)
        json_write_string(&out, buf_span(&exchange->body));
    buf_add_char(&out, ']');
    *len = out.len;
    return buf_take(&out);
}

struct sample *answer_unread(const struct script *script, struct exchange *exchange,
                             const char *why)
{
    struct sample *sample = MEM_NEW(struct sample);
    const struct script_facts *facts = script_facts(script);
    struct err fault;
    sample->exchange = exchange;
    sample->streamed = framing_of(exchange, facts) != FRAMING_BODY && exchange->body.len > 0;
    struct reading reading;
    reading_init(&reading, NULL, sample);
    err_set(&fault, "not read: %s", why);
    reading_fault(&reading, &fault);
    reading_finish(&reading);
    answer_judge(sample, &reading, script_secrets(script), facts);
    sample_no_tokens(sample);
    sample->responses = whole_body(exchange, &sample->responses_len);
    reading_fini(&reading);
    return sample;
}
