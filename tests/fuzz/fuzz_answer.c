/* A recorded answer, read through one of the shipped API scripts, which the input's length chooses:
 * whatever the server sent, it is one sample that holds together, and the same one however the
 * reads cut it. */
#include "fuzz.h"

#include "app/recorded.h"
#include "base/mem.h"
#include "base/opt.h"
#include "run/answer.h"
#include "script/script.h"

enum { BODY = 1 << 20 };

static struct exchange *exchange_of(const struct recorded *recorded, size_t cut)
{
    struct request *request = MEM_NEW(struct request);
    request->body = mem_text("{\"model\":\"m\"}");
    request->body_len = strlen(request->body);
    struct exchange *exchange = exchange_new(request, EXCHANGE_HEAD_MOST, BODY);
    exchange->started_ns = exchange->due_ns = 1;
    exchange->sent_ns = exchange->first_byte_ns = 2;
    exchange->status = recorded->status;
    buf_add_span(&exchange->headers, buf_span(&recorded->headers));
    exchange->content_type = recorded->content_type ? mem_text(recorded->content_type) : NULL;
    exchange->finish = recorded->broken ? FINISH_BROKEN : FINISH_COMPLETE;
    exchange->fault = OUTCOME_TRUNCATED;
    if (recorded->broken)
        exchange->error = mem_text(recorded->broken);
    struct span body = buf_span(&recorded->body);
    for (size_t at = 0; at < body.len;) {
        size_t len = cut == 0 ? 1 : at < cut ? cut - at : body.len - at;
        if (!exchange_read(exchange, body.data + at, len, 3 + at, 0))
            break;
        at += len;
    }
    exchange->end_ns = 3 + body.len;
    return exchange;
}

static void check(const struct sample *sample, struct span input)
{
    uint64_t last_ns = 0;
    if ((sample->outcome == OUTCOME_OK) != (sample->error == NULL))
        fuzz_fail("an outcome that is not ok needs its sentence, and no other", input);
    for (size_t i = 0; i < sample->event_count; i++) {
        if (sample->events[i].time_ns < last_ns)
            fuzz_fail("an event comes before the one before it", input);
        last_ns = sample->events[i].time_ns;
    }
    if (last_ns > sample->exchange->end_ns)
        fuzz_fail("an event comes after the end", input);
    if (sample->completion_tokens < TOKENS_UNKNOWN || sample->prompt_tokens < TOKENS_UNKNOWN)
        fuzz_fail("fewer tokens than unknown", input);
    if (!sample->text != (sample->text_len == 0) && sample->text_chars > 0)
        fuzz_fail("characters without a text", input);
}

static void log_sample(struct buf *log, const struct sample *sample)
{
    buf_printf(log, "%s: %s\n%lld %lld %llu %llu %s\n", outcome_name(sample->outcome),
               sample->error ? sample->error : "", (long long)sample->prompt_tokens,
               (long long)sample->completion_tokens, (unsigned long long)sample->text_chars,
               (unsigned long long)sample->data_events, sample->finish_reason);
    for (size_t i = 0; i < sample->event_count; i++)
        buf_add_char(log, sample->events[i].kind);
    buf_add_char(log, '\n');
    buf_add(log, sample->text ? sample->text : "", sample->text_len);
    buf_add(log, sample->responses ? sample->responses : "", sample->responses_len);
}

static void score(const char *api, const struct recorded *recorded, size_t cut, struct span input,
                  struct buf *log)
{
    struct opt_set opts;
    struct err err;
    opt_set_init(&opts, NULL, 0, NULL);
    struct script_config config = {
        .role = SCRIPT_SCORER, .api = api, .opts = &opts, .url = "http://h/v1", .model = "m"};
    struct script *script = script_open(&config, &err);
    if (!script)
        fuzz_fail(err.text, input);
    struct sample *sample = answer_score(script, NULL, exchange_of(recorded, cut));
    check(sample, input);
    log_sample(log, sample);
    sample_free(sample);
    script_close(script);
    opt_set_fini(&opts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const apis[] = {"openai", "dashscope", "zhipu", "qianfan", "trtllm", "tgi"};
    struct span input = span_of((const char *)data, size);
    struct recorded recorded;
    struct err err;
    size_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += data[i];
    if (recorded_parse(&recorded, input, &err)) {
        const char *api = apis[size % (sizeof apis / sizeof *apis)];
        struct buf whole, part;
        buf_init(&whole, SIZE_MAX);
        buf_init(&part, SIZE_MAX);
        if (recorded.body.len > size)
            fuzz_fail("a body longer than what holds it", input);
        score(api, &recorded, recorded.body.len, input, &whole);
        score(api, &recorded, recorded.body.len ? sum % recorded.body.len : 0, input, &part);
        fuzz_same(&whole, &part, api, input);
        buf_fini(&whole);
        buf_fini(&part);
    }
    recorded_fini(&recorded);
    return 0;
}
