/* An answer read through one of the shipped API scripts, or one with a framing of its own: whatever
 * the server sent, it is one sample that holds together, and the same one however the reads cut it.
 * An input is a recording, whose length chooses the script; or '#', five letters that choose
 * script, Content-Type, status, how it ended and whether tokens are counted, and a body. */
#include "fuzz.h"

#include <math.h>

#include "app/recorded.h"
#include "base/mem.h"
#include "base/opt.h"
#include "portions.h"
#include "run/answer.h"
#include "run/counter.h"
#include "script/script.h"
#include "token/pipeline.h"
#include "token/tokenizer.h"

enum { BODY = 1 << 20, CHOICES = 5 };

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const char *const apis[] = {
    "openai", "dashscope", "zhipu",  "qianfan",
    "trtllm", "tgi",       "custom", FUZZ_SOURCE "/examples/10-own-framing.lua",
};

static const struct ending {
    enum finish finish;
    enum outcome fault;
} endings[] = {
    {.finish = FINISH_COMPLETE},
    {.finish = FINISH_MARKER},
    {.finish = FINISH_BROKEN, .fault = OUTCOME_TRUNCATED},
    {.finish = FINISH_BROKEN, .fault = OUTCOME_TIMEOUT_READ},
    {.finish = FINISH_CANCELLED},
};

struct answer {
    const char *api;
    struct recorded recorded;
    const struct ending *ending;
    bool counting;
};

/* ---- the input ---- */

static bool answer_chosen(struct answer *answer, struct span input)
{
    static const char *const types[] = {
        NULL,
        "text/event-stream",
        "application/x-ndjson",
        "application/json",
        "text/event-stream; charset=utf-8",
        "APPLICATION/JSONL;x",
        "text/html",
        "",
        ";",
        "text/event-streams",
        "application/ndjson",
        "application/x-jsonlines ; a",
    };
    static const int statuses[] = {200, 201, 204, 302, 400, 404, 429, 500, 503, 0, 100, 999};
    const unsigned char *choice = (const unsigned char *)input.data + 1;
    struct span body = span_of(input.data + 1 + CHOICES, input.len - 1 - CHOICES);
    *answer = (struct answer){
        .api = apis[choice[0] % COUNT(apis)],
        .recorded = {.status = statuses[choice[2] % COUNT(statuses)],
                     .content_type = mem_text(types[choice[1] % COUNT(types)])},
        .ending = &endings[choice[3] % COUNT(endings)],
        .counting = choice[4] % 2,
    };
    buf_init(&answer->recorded.headers, BODY);
    buf_init(&answer->recorded.body, BODY);
    return buf_add_span(&answer->recorded.body, body);
}

/* False: it begins like a recording, but is none. Release answer->recorded in any case. */
static bool answer_of(struct answer *answer, struct span input)
{
    struct err err;
    if (input.len > CHOICES && input.data[0] == '#')
        return answer_chosen(answer, input);
    *answer = (struct answer){.api = apis[input.len % COUNT(apis)]};
    bool ok = recorded_parse(&answer->recorded, input, &err);
    if (ok && answer->recorded.body.len > input.len)
        fuzz_fail("a body longer than what holds it", input);
    answer->ending = &endings[answer->recorded.broken ? 2 : 0];
    return ok;
}

static struct exchange *exchange_of(const struct answer *answer, size_t cut)
{
    const struct recorded *recorded = &answer->recorded;
    struct request *request = MEM_NEW(struct request);
    request->body = mem_text("{\"model\":\"m\"}");
    request->body_len = strlen(request->body);
    struct exchange *exchange = exchange_new(request, EXCHANGE_HEAD_MOST, BODY);
    exchange->started_ns = exchange->due_ns = 1;
    exchange->sent_ns = exchange->first_byte_ns = 2;
    exchange->status = recorded->status;
    buf_add_span(&exchange->headers, buf_span(&recorded->headers));
    exchange->content_type = mem_text(recorded->content_type);
    exchange->finish = answer->ending->finish;
    exchange->fault = answer->ending->fault;
    if (exchange->finish == FINISH_BROKEN)
        exchange->error = mem_text("it broke");
    struct portions portions = {.text = buf_span(&recorded->body), .cut = cut};
    size_t len;
    for (char *piece; (piece = portions_next(&portions, &len)); free(piece))
        if (!exchange_read(exchange, piece, len, 3 + portions.at - len, 0))
            fuzz_fail("a body beyond its ceiling", portions.text);
    exchange->end_ns = 3 + portions.at;
    return exchange;
}

/* ---- the sample ---- */

static void check_gap(void *arg, const struct event *before, const struct event *after)
{
    if (after->time_ns < before->time_ns)
        fuzz_fail("a gap lasts less than nothing", *(const struct span *)arg);
}

static void check(const struct sample *sample, struct span input)
{
    const struct exchange *exchange = sample->exchange;
    enum outcome by_status = outcome_of_status(exchange->status);
    if ((sample->outcome == OUTCOME_OK) != (sample->error == NULL))
        fuzz_fail("an outcome that is not ok needs its sentence, and no other", input);
    if ((exchange->finish == FINISH_CANCELLED) != (sample->outcome == OUTCOME_CANCELLED))
        fuzz_fail("cancelled is what was, and nothing else", input);
    if (exchange->status && by_status != OUTCOME_OK && sample->outcome != by_status &&
        sample->outcome != OUTCOME_CANCELLED)
        fuzz_fail("another outcome than that of its status", input);
    if (exchange->finish == FINISH_BROKEN && sample->outcome == OUTCOME_OK)
        fuzz_fail("an answer that broke is ok", input);
    if (sample_impossible(sample))
        fuzz_fail("its times stand in an order that cannot be", input);
    if (sample->completion_tokens < TOKENS_UNKNOWN || sample->prompt_tokens < TOKENS_UNKNOWN)
        fuzz_fail("fewer tokens than unknown", input);
    if (!sample->text && sample->text_len > 0)
        fuzz_fail("a length without a text", input);
    if (sample->text_chars > 0 && sample->text_events == 0)
        fuzz_fail("characters that came in no event", input);
    if (!(fabs(sample_share_until(sample, UINT64_MAX) - 0.5) <= 0.5))
        fuzz_fail("a share that is none", input);
    sample_gaps(sample, check_gap, &input);
}

static void log_sample(struct buf *log, const struct sample *sample)
{
    buf_printf(log, "%s: %s\n%lld %lld %llu %llu %s\n", outcome_name(sample->outcome),
               sample->error ? sample->error : "", (long long)sample->prompt_tokens,
               (long long)sample->completion_tokens, (unsigned long long)sample->text_chars,
               (unsigned long long)sample->data_events, sample->finish_reason);
    for (size_t i = 0; i < sample->event_count; i++)
        buf_printf(log, "%c%u ", sample->events[i].kind, sample->events[i].tokens);
    buf_add_char(log, '\n');
    buf_add(log, sample->text ? sample->text : "", sample->text_len);
    buf_add(log, sample->responses ? sample->responses : "", sample->responses_len);
}

/* ---- scoring ---- */

struct scoring {
    const struct answer *answer;
    struct script *script;
    struct counter *counter;
    struct span input;
};

static void score(struct buf *log, size_t cut, const struct scoring *scoring)
{
    struct sample *sample =
        answer_score(scoring->script, scoring->counter, exchange_of(scoring->answer, cut));
    check(sample, scoring->input);
    log_sample(log, sample);
    sample_free(sample);
}

static void score_cut(const struct scoring *scoring)
{
    struct buf whole, part;
    size_t len = scoring->answer->recorded.body.len;
    buf_init(&whole, SIZE_MAX);
    buf_init(&part, SIZE_MAX);
    score(&whole, len, scoring);
    score(&part, len ? fuzz_cut(scoring->input) % len : 0, scoring);
    fuzz_same(&whole, &part, scoring->answer->api, scoring->input);
    struct sample *unread =
        answer_unread(scoring->script, exchange_of(scoring->answer, len), "nobody was there");
    check(unread, scoring->input);
    sample_free(unread);
    buf_fini(&whole);
    buf_fini(&part);
}

static struct tokenizer *small_tokenizer(void)
{
    static const char file[] =
        "{\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"merges\":[[\"a\",\"b\"],[\"e\",\"l\"]],"
        "\"vocab\":{\"?\":0,\"a\":1,\"b\":2,\"ab\":3,\"e\":4,\"l\":5,\"el\":6,\" \":7,\"o\":8}},"
        "\"decoder\":{\"type\":\"Fuse\"}}";
    struct err err;
    struct tokenizer *tokenizer = tokenizer_from_bytes("/tokenizer.json", span_text(file), &err);
    if (!tokenizer)
        fuzz_fail(err.text, span_text(file));
    return tokenizer;
}

static void score_answer(const struct answer *answer, struct span input)
{
    struct opt_set opts;
    struct err err;
    opt_set_init(&opts, NULL, 0, NULL);
    struct script_config config = {.role = SCRIPT_SCORER,
                                   .api = answer->api,
                                   .opts = &opts,
                                   .url = "http://h/v1",
                                   .model = "m"};
    struct scoring scoring = {
        .answer = answer, .script = script_open(&config, &err), .input = input};
    if (!scoring.script)
        fuzz_fail(err.text, input);
    struct tokenizer *tokenizer = answer->counting ? small_tokenizer() : NULL;
    scoring.counter = tokenizer ? counter_new(tokenizer, input.len % 2) : NULL;
    score_cut(&scoring);
    counter_free(scoring.counter);
    tokenizer_free(tokenizer);
    script_close(scoring.script);
    opt_set_fini(&opts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_of((const char *)data, size);
    struct answer answer;
    if (answer_of(&answer, input))
        score_answer(&answer, input);
    recorded_fini(&answer.recorded);
    return 0;
}
