/* From a row of `result` back to the sample it was made of. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "out/events_json.h"
#include "out/reread_inner.h"
#include "wire/json.h"

const char reread_columns[] =
    "id,arrival,outcome,error,status,n_chunks,prompt_tokens,completion_tokens,cached_tokens,"
    "reasoning_tokens,prompt_source,completion_source,token_error,metrics,metric_failures,"
    "metric_error,streamed,text_chars,text_events,events,slot_wait_ns,reused,resent,worker,reads,"
    "reads_kernel,answer_bytes,uncounted,event_token_source,template_tokens,usage_prompt_tokens,"
    "usage_completion_tokens,tokenizer_prompt_tokens,tokenizer_completion_tokens,due_ns,started_ns,"
    "connected_ns,tls_done_ns,sent_ns,first_byte_ns,"
    "headers_ns,end_ns,first_chunk_ns,first_token_ns,first_answer_ns,last_token_ns";

enum column {
    ID,
    ARRIVAL,
    OUTCOME,
    ERROR,
    STATUS,
    N_CHUNKS,
    PROMPT_TOKENS,
    COMPLETION_TOKENS,
    CACHED_TOKENS,
    REASONING_TOKENS,
    PROMPT_SOURCE,
    COMPLETION_SOURCE,
    TOKEN_ERROR,
    METRICS,
    METRIC_FAILURES,
    METRIC_ERROR,
    STREAMED,
    TEXT_CHARS,
    TEXT_EVENTS,
    EVENTS,
    SLOT_WAIT_NS,
    REUSED,
    RESENT,
    WORKER,
    READS,
    READS_KERNEL,
    ANSWER_BYTES,
    UNCOUNTED,
    EVENT_TOKEN_SOURCE,
    TEMPLATE_TOKENS,
    USAGE_PROMPT,
    USAGE_COMPLETION,
    COUNTED_PROMPT,
    COUNTED_COMPLETION,
    EXCHANGE_TIMES,
    SAMPLE_TIMES = EXCHANGE_TIMES + 8,
};

static const size_t exchange_times[] = {
    offsetof(struct exchange, due_ns),       offsetof(struct exchange, started_ns),
    offsetof(struct exchange, connected_ns), offsetof(struct exchange, tls_done_ns),
    offsetof(struct exchange, sent_ns),      offsetof(struct exchange, first_byte_ns),
    offsetof(struct exchange, headers_ns),   offsetof(struct exchange, end_ns),
};
_Static_assert(sizeof exchange_times / sizeof *exchange_times == SAMPLE_TIMES - EXCHANGE_TIMES,
               "a column for each time");

static const size_t sample_times[] = {
    offsetof(struct sample, first_chunk_ns),
    offsetof(struct sample, first_token_ns),
    offsetof(struct sample, first_answer_ns),
    offsetof(struct sample, last_token_ns),
};

enum { READS_MOST = 1 << 28 };

/* ---- columns ---- */

char *reread_text(sqlite3_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    return text ? mem_text((const char *)text) : NULL;
}

bool reread_is_object(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    struct json json;
    json_init(&json, text ? text : "", text ? strlen(text) : 0);
    bool object =
        json_next(&json) == JSON_OBJECT_BEGIN && json_skip(&json) && json_next(&json) == JSON_END;
    json_fini(&json);
    return object;
}

double reread_number(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_NULL ? (double)NAN
                                                            : sqlite3_column_double(stmt, column);
}

uint64_t reread_count(sqlite3_stmt *stmt, int column)
{
    sqlite3_int64 value = sqlite3_column_int64(stmt, column);
    return value > 0 ? (uint64_t)value : 0;
}

uint64_t reread_reads_kernel(sqlite3_stmt *stmt)
{
    return reread_count(stmt, READS_KERNEL);
}

static struct span span_of_column(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return span_of(text, text ? (size_t)sqlite3_column_bytes(stmt, column) : 0);
}

static int64_t tokens_of(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_NULL ? TOKENS_UNKNOWN
                                                            : sqlite3_column_int64(stmt, column);
}

static enum token_source source_of(sqlite3_stmt *stmt, int column)
{
    struct span text = span_of_column(stmt, column);
    for (int i = 0; i < TOKEN_SOURCES; i++)
        if (span_equals(text, token_source_name((enum token_source)i)))
            return (enum token_source)i;
    return TOKENS_NONE;
}

static bool take_outcome(sqlite3_stmt *stmt, struct sample *sample, struct err *err)
{
    struct span text = span_of_column(stmt, OUTCOME);
    for (int i = 0; i < OUTCOME_COUNT; i++)
        if (span_equals(text, outcome_name((enum outcome)i))) {
            sample->outcome = (enum outcome)i;
            return true;
        }
    return err_set(err, "\"%.*s\" is no outcome", (int)(text.len < 40 ? text.len : 40),
                   text.data ? text.data : "");
}

/* ---- events ---- */

/* Calls `put` for each number of the list that begins. */
static bool take_list(struct json *json, struct sample *sample,
                      bool (*put)(struct sample *sample, size_t i, int64_t value))
{
    int64_t value;
    size_t i = 0;
    if (json_next(json) != JSON_ARRAY_BEGIN)
        return false;
    while (json_next(json) == JSON_NUMBER)
        if (!json_integer(json->text, &value) || !put(sample, i++, value))
            return false;
    return json->last == JSON_ARRAY_END;
}

static bool put_time(struct sample *sample, size_t i, int64_t value)
{
    if (i >= sample->event_count)
        return false;
    sample->events[i].time_ns = events_origin_ns(sample->exchange) + (uint64_t)value;
    return true;
}

#define PUT(FIELD)                                                                                 \
    static bool put_##FIELD(struct sample *sample, size_t i, int64_t value)                        \
    {                                                                                              \
        if (i >= sample->event_count || value < 0 || value > UINT32_MAX)                           \
            return false;                                                                          \
        sample->events[i].FIELD = (uint32_t)value;                                                 \
        return true;                                                                               \
    }
PUT(read)
PUT(bytes)
PUT(tokens)
PUT(index)

static bool put_coalesced(struct sample *sample, size_t i, int64_t value)
{
    (void)i;
    if (value < 0 || (uint64_t)value >= sample->event_count)
        return false;
    sample->events[value].coalesced = true;
    return true;
}

static const struct {
    const char *key;
    bool (*put)(struct sample *sample, size_t i, int64_t value);
} lists[] = {
    {"t", put_time},        {"read", put_read},   {"bytes", put_bytes},
    {"tokens", put_tokens}, {"index", put_index}, {"coalesced", put_coalesced},
};

/* The letters say how many there are, so they are looked for first. */
static bool take_kinds(struct span text, struct sample *sample)
{
    struct json json;
    bool ok = false;
    json_init(&json, text.data, text.len);
    json_next(&json);
    while (!ok && json_next(&json) == JSON_KEY) {
        bool here = span_equals(json.text, "k");
        enum json_token value = json_next(&json);
        ok = here && value == JSON_STRING;
        if (!ok && !json_skip(&json))
            break;
    }
    if (ok) {
        sample->event_count = json.text.len;
        sample->events = mem_zero(json.text.len + 1, sizeof *sample->events);
        for (size_t i = 0; i < json.text.len; i++)
            sample->events[i].kind = json.text.data[i];
    }
    json_fini(&json);
    return ok;
}

static bool take_event_list(struct json *json, struct sample *sample)
{
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (span_equals(json->text, lists[i].key))
            return take_list(json, sample, lists[i].put);
    json_next(json);
    return json_skip(json);
}

static bool take_events(sqlite3_stmt *stmt, struct sample *sample, struct err *err)
{
    struct span text = span_of_column(stmt, EVENTS);
    struct json json;
    if (!text.data)
        return true;
    bool ok = take_kinds(text, sample);
    json_init(&json, text.data, text.len);
    ok = ok && json_next(&json) == JSON_OBJECT_BEGIN;
    while (ok && json_next(&json) == JSON_KEY)
        ok = take_event_list(&json, sample);
    ok = ok && json.last == JSON_OBJECT_END;
    json_fini(&json);
    return ok || err_set(err, "'events' is not what docs/database.md says");
}

/* ---- own metrics ---- */

static bool take_own(sqlite3_stmt *stmt, const struct reread_own *own, struct sample *sample,
                     struct err *err)
{
    struct span text = span_of_column(stmt, METRICS);
    uint64_t failures = reread_count(stmt, METRIC_FAILURES);
    if (!text.data || !own->metrics.count)
        return true;
    cJSON *values = cJSON_ParseWithLength(text.data, text.len);
    sample->own = &own->metrics;
    sample->own_values = mem_zero(own->metrics.count, sizeof *sample->own_values);
    for (size_t i = 0; i < own->metrics.count; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(values, own->metrics.items[i].name);
        sample->own_values[i] = cJSON_IsNumber(value) ? value->valuedouble : (double)NAN;
        sample->own_failed |= (uint32_t)(failures >> own->position[i] & 1) << i;
    }
    cJSON_Delete(values);
    return values || err_set(err, "'metrics' is no JSON");
}

/* ---- the row ---- */

static bool take_exchange(sqlite3_stmt *stmt, struct exchange *exchange, struct err *err)
{
    uint64_t reads = reread_count(stmt, READS);
    if (reads > READS_MOST)
        return err_set(err, "%llu reads are too many", (unsigned long long)reads);
    exchange->request->index = reread_count(stmt, ARRIVAL);
    exchange->status = sqlite3_column_int(stmt, STATUS);
    exchange->slot_wait_ns = reread_count(stmt, SLOT_WAIT_NS);
    exchange->capped = sqlite3_column_type(stmt, SLOT_WAIT_NS) != SQLITE_NULL;
    exchange->reused = sqlite3_column_int(stmt, REUSED) != 0;
    exchange->resent = (unsigned)reread_count(stmt, RESENT);
    exchange->worker = (uint32_t)reread_count(stmt, WORKER);
    exchange->body.len = reread_count(stmt, ANSWER_BYTES); /* the bytes themselves are not here */
    exchange->marks = mem_zero(reads + 1, sizeof *exchange->marks); /* nor their stamps */
    exchange->mark_count = exchange->mark_cap = reads;
    for (size_t i = 0; i < sizeof exchange_times / sizeof *exchange_times; i++)
        *(uint64_t *)(void *)((char *)exchange + exchange_times[i]) =
            reread_count(stmt, EXCHANGE_TIMES + (int)i);
    return true;
}

static void take_facts(sqlite3_stmt *stmt, struct sample *sample)
{
    sample->error = reread_text(stmt, ERROR);
    sample->token_error = reread_text(stmt, TOKEN_ERROR);
    sample->own_error = reread_text(stmt, METRIC_ERROR);
    sample->streamed = sqlite3_column_int(stmt, STREAMED) != 0;
    sample->data_events = reread_count(stmt, N_CHUNKS);
    sample->text_events = reread_count(stmt, TEXT_EVENTS);
    sample->text_chars = reread_count(stmt, TEXT_CHARS);
    sample->prompt_tokens = tokens_of(stmt, PROMPT_TOKENS);
    sample->completion_tokens = tokens_of(stmt, COMPLETION_TOKENS);
    sample->cached_tokens = tokens_of(stmt, CACHED_TOKENS);
    sample->reasoning_tokens = tokens_of(stmt, REASONING_TOKENS);
    sample->prompt_source = source_of(stmt, PROMPT_SOURCE);
    sample->completion_source = source_of(stmt, COMPLETION_SOURCE);
    sample->event_source = source_of(stmt, EVENT_TOKEN_SOURCE);
    sample->uncounted = sqlite3_column_int(stmt, UNCOUNTED) != 0;
    sample->template_tokens = tokens_of(stmt, TEMPLATE_TOKENS);
    sample->usage_prompt = tokens_of(stmt, USAGE_PROMPT);
    sample->usage_completion = tokens_of(stmt, USAGE_COMPLETION);
    sample->counted_prompt = tokens_of(stmt, COUNTED_PROMPT);
    sample->counted_completion = tokens_of(stmt, COUNTED_COMPLETION);
    for (size_t i = 0; i < sizeof sample_times / sizeof *sample_times; i++)
        *(uint64_t *)(void *)((char *)sample + sample_times[i]) =
            reread_count(stmt, SAMPLE_TIMES + (int)i);
}

struct sample *reread_sample(sqlite3_stmt *stmt, const struct reread_own *own, struct err *err)
{
    struct sample *sample = MEM_NEW(struct sample);
    sample->exchange = exchange_new(MEM_NEW(struct request), EXCHANGE_HEAD_MOST, 0);
    take_facts(stmt, sample);
    if (take_exchange(stmt, sample->exchange, err) && take_outcome(stmt, sample, err) &&
        take_events(stmt, sample, err) && take_own(stmt, own, sample, err))
        return sample;
    err_prefix(err, "result %lld", (long long)sqlite3_column_int64(stmt, ID));
    sample_free(sample);
    return NULL;
}
