#include "out/store_rows.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "out/bind.h"
#include "out/events_json.h"
#include "out/parts.h"

/* SQLite takes rows of up to 10^9 bytes. Beyond these a row is stored without its bodies, or
 * without a list. */
enum { REQUEST_LIMIT = 100000000, RESPONSES_LIMIT = 200000000, LIST_LIMIT = 150000000 };

/* One exchange on its way into the table `result`. */
struct row {
    const struct rows *rows;
    const struct sample *sample;
    const struct exchange *exchange;
    bool bodies; /* request, responses and text are stored */
    struct bind bind;
};

static double wall_s(const struct row *row, uint64_t ns)
{
    return ns ? (double)((int64_t)ns + row->rows->wall_offset_ns) / 1e9 : (double)NAN;
}

static void put_stage(struct row *row)
{
    bind_integer(&row->bind, row->exchange->request->stage);
}

static void put_arrival(struct row *row)
{
    bind_count(&row->bind, row->exchange->request->index);
}

static struct span body_of(const struct row *row, const char *data, size_t len)
{
    return span_of(row->bodies ? data : NULL, len);
}

static void put_request(struct row *row)
{
    const struct request *request = row->exchange->request;
    bind_bytes(&row->bind, body_of(row, request->body, request->body_len));
}

static void put_responses(struct row *row)
{
    bind_sound(&row->bind, body_of(row, row->sample->responses, row->sample->responses_len));
}

static void put_answer(struct row *row)
{
    bind_bytes(&row->bind, body_of(row, row->sample->text, row->sample->text_len));
}

static void put_slot_wait(struct row *row)
{
    if (row->exchange->capped)
        bind_count(&row->bind, row->exchange->slot_wait_ns);
    else
        bind_text(&row->bind, NULL);
}

static void put_left_out(struct row *row)
{
    bind_integer(&row->bind, !row->bodies);
}

static void put_success(struct row *row)
{
    bind_integer(&row->bind, row->sample->outcome == OUTCOME_OK);
}

static void put_outcome(struct row *row)
{
    bind_text(&row->bind, outcome_name(row->sample->outcome));
}

static void put_error(struct row *row)
{
    bind_text(&row->bind, row->sample->error);
}

static void put_status(struct row *row)
{
    bind_ns(&row->bind, row->exchange->status > 0 ? (uint64_t)row->exchange->status : 0);
}

static void put_start_time(struct row *row)
{
    bind_number(&row->bind, wall_s(row, events_origin_ns(row->exchange)));
}

static void put_completed_time(struct row *row)
{
    bind_number(&row->bind, wall_s(row, row->exchange->end_ns));
}

static void put_metric(struct row *row, enum metric_id id)
{
    bind_number(&row->bind, metric_value(metric_at(id), row->sample));
}

static void put_latency(struct row *row)
{
    put_metric(row, METRIC_LATENCY);
}

static void put_first_chunk_latency(struct row *row)
{
    put_metric(row, METRIC_TTFC);
}

static void put_n_chunks(struct row *row)
{
    bind_count(&row->bind, row->sample->data_events);
}

/* A list that passed the ceiling is no JSON any more. */
static void put_list(struct row *row, struct buf *list)
{
    if (list->full) {
        buf_fini(list);
        bind_null(&row->bind);
    } else {
        bind_taken(&row->bind, list);
    }
}

static void put_chunk_times(struct row *row)
{
    struct buf list;
    buf_init(&list, LIST_LIMIT);
    events_chunk_times(row->sample, row->rows->wall_offset_ns, &list);
    put_list(row, &list);
}

static void put_events(struct row *row)
{
    struct buf list;
    buf_init(&list, LIST_LIMIT);
    events_json(row->sample, &list);
    put_list(row, &list);
}

static void put_prompt_source(struct row *row)
{
    bind_text(&row->bind, token_source_name(row->sample->prompt_source));
}

static void put_completion_source(struct row *row)
{
    bind_text(&row->bind, token_source_name(row->sample->completion_source));
}

static void put_token_error(struct row *row)
{
    bind_text(&row->bind, row->sample->token_error);
}

static void put_uncounted(struct row *row)
{
    bind_integer(&row->bind, row->sample->uncounted);
}

static void put_event_source(struct row *row)
{
    bool known = row->sample->event_source != TOKENS_NONE;
    bind_text(&row->bind, known ? token_source_name(row->sample->event_source) : NULL);
}

static void put_difference(struct row *row, int64_t usage, int64_t counted)
{
    if (usage == TOKENS_UNKNOWN || counted == TOKENS_UNKNOWN)
        bind_known(&row->bind, TOKENS_UNKNOWN);
    else
        bind_integer(&row->bind, usage - counted);
}

static void put_prompt_difference(struct row *row)
{
    put_difference(row, row->sample->usage_prompt, row->sample->counted_prompt);
}

static void put_completion_difference(struct row *row)
{
    put_difference(row, row->sample->usage_completion, row->sample->counted_completion);
}

/* Only what has a value; a script without own metrics has none of this. */
static void put_metrics(struct row *row)
{
    const struct sample *sample = row->sample;
    if (!sample->own_values) {
        bind_null(&row->bind);
        return;
    }
    cJSON *values = cJSON_CreateObject();
    for (size_t i = 0; i < sample->own->count; i++)
        if (!isnan(sample->own_values[i]))
            cJSON_AddNumberToObject(values, sample->own->items[i].name, sample->own_values[i]);
    rows_bind_tree(&row->bind, values);
}

static void put_metric_error(struct row *row)
{
    bind_text(&row->bind, row->sample->own_error);
}

static void put_metric_failures(struct row *row)
{
    bind_integer(&row->bind, row->sample->own_failed);
}

static void put_finish_reason(struct row *row)
{
    bind_text(&row->bind, row->sample->finish_reason);
}

static void put_streamed(struct row *row)
{
    bind_integer(&row->bind, row->sample->streamed);
}

static void put_text_chars(struct row *row)
{
    bind_count(&row->bind, row->sample->text_chars);
}

static void put_text_events(struct row *row)
{
    bind_count(&row->bind, row->sample->text_events);
}

static void put_reused(struct row *row)
{
    bind_integer(&row->bind, row->exchange->reused);
}

static void put_resent(struct row *row)
{
    bind_integer(&row->bind, row->exchange->resent);
}

static void put_worker(struct row *row)
{
    bind_integer(&row->bind, row->exchange->worker);
}

static void put_reads(struct row *row)
{
    bind_count(&row->bind, row->exchange->mark_count);
}

static void put_reads_kernel(struct row *row)
{
    uint64_t stamped = 0;
    for (size_t i = 0; i < row->exchange->mark_count; i++)
        stamped += row->exchange->marks[i].kernel_ns != 0;
    bind_count(&row->bind, stamped);
}

static void put_answer_bytes(struct row *row)
{
    const struct exchange *exchange = row->exchange; /* the bytes themselves may be gone */
    size_t marks = exchange->mark_count;
    bind_count(&row->bind, marks ? exchange->marks[marks - 1].end : exchange->body.len);
}

/* Columns of `result` but id; a time stands at an offset in the exchange or in the sample. */
struct column {
    const char *name;
    void (*put)(struct row *row); /* NULL: a time or a count at one of the offsets below */
    size_t exchange_ns, sample_ns;
    size_t tokens; /* in the sample */
};

#define EXCHANGE_NS(field) .exchange_ns = offsetof(struct exchange, field)
#define SAMPLE_NS(field) .sample_ns = offsetof(struct sample, field)
#define TOKENS(field) .tokens = offsetof(struct sample, field)

static const struct column result_columns[] = {
    {.name = "stage", .put = put_stage},
    {.name = "arrival", .put = put_arrival},
    {.name = "request", .put = put_request},
    {.name = "response_messages", .put = put_responses},
    {.name = "text", .put = put_answer},
    {.name = "bodies_left_out", .put = put_left_out},
    {.name = "success", .put = put_success},
    {.name = "outcome", .put = put_outcome},
    {.name = "error", .put = put_error},
    {.name = "status", .put = put_status},
    {.name = "start_time", .put = put_start_time},
    {.name = "completed_time", .put = put_completed_time},
    {.name = "latency", .put = put_latency},
    {.name = "first_chunk_latency", .put = put_first_chunk_latency},
    {.name = "n_chunks", .put = put_n_chunks},
    {.name = "chunk_times", .put = put_chunk_times},
    {.name = "prompt_tokens", TOKENS(prompt_tokens)},
    {.name = "completion_tokens", TOKENS(completion_tokens)},
    {.name = "cached_tokens", TOKENS(cached_tokens)},
    {.name = "reasoning_tokens", TOKENS(reasoning_tokens)},
    {.name = "prompt_source", .put = put_prompt_source},
    {.name = "completion_source", .put = put_completion_source},
    {.name = "token_error", .put = put_token_error},
    {.name = "uncounted", .put = put_uncounted},
    {.name = "template_tokens", TOKENS(template_tokens)},
    {.name = "event_token_source", .put = put_event_source},
    {.name = "usage_prompt_tokens", TOKENS(usage_prompt)},
    {.name = "usage_completion_tokens", TOKENS(usage_completion)},
    {.name = "tokenizer_prompt_tokens", TOKENS(counted_prompt)},
    {.name = "tokenizer_completion_tokens", TOKENS(counted_completion)},
    {.name = "prompt_difference", .put = put_prompt_difference},
    {.name = "completion_difference", .put = put_completion_difference},
    {.name = "metrics", .put = put_metrics},
    {.name = "metric_error", .put = put_metric_error},
    {.name = "metric_failures", .put = put_metric_failures},
    {.name = "finish_reason", .put = put_finish_reason},
    {.name = "streamed", .put = put_streamed},
    {.name = "text_chars", .put = put_text_chars},
    {.name = "text_events", .put = put_text_events},
    {.name = "events", .put = put_events},
    {.name = "due_ns", EXCHANGE_NS(due_ns)},
    {.name = "slot_wait_ns", .put = put_slot_wait},
    {.name = "started_ns", EXCHANGE_NS(started_ns)},
    {.name = "connected_ns", EXCHANGE_NS(connected_ns)},
    {.name = "tls_done_ns", EXCHANGE_NS(tls_done_ns)},
    {.name = "sent_ns", EXCHANGE_NS(sent_ns)},
    {.name = "first_byte_ns", EXCHANGE_NS(first_byte_ns)},
    {.name = "headers_ns", EXCHANGE_NS(headers_ns)},
    {.name = "first_chunk_ns", SAMPLE_NS(first_chunk_ns)},
    {.name = "first_token_ns", SAMPLE_NS(first_token_ns)},
    {.name = "first_answer_ns", SAMPLE_NS(first_answer_ns)},
    {.name = "last_token_ns", SAMPLE_NS(last_token_ns)},
    {.name = "end_ns", EXCHANGE_NS(end_ns)},
    {.name = "reused", .put = put_reused},
    {.name = "resent", .put = put_resent},
    {.name = "worker", .put = put_worker},
    {.name = "reads", .put = put_reads},
    {.name = "reads_kernel", .put = put_reads_kernel},
    {.name = "answer_bytes", .put = put_answer_bytes},
};
enum { RESULT_COLUMNS = sizeof result_columns / sizeof *result_columns };

sqlite3_stmt *rows_prepared(const struct rows *rows, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_prepare_v3(rows->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    return stmt;
}

static sqlite3_stmt *prepare_result(const struct rows *rows)
{
    struct buf sql;
    buf_init(&sql, SIZE_MAX);
    buf_add_text(&sql, "INSERT INTO result(");
    for (int i = 0; i < RESULT_COLUMNS; i++)
        buf_printf(&sql, "%s%s", i ? "," : "", result_columns[i].name);
    buf_add_text(&sql, ") VALUES(");
    for (int i = 0; i < RESULT_COLUMNS; i++)
        buf_add_text(&sql, i ? ",?" : "?");
    buf_add_char(&sql, ')');
    char *text = buf_take(&sql);
    sqlite3_stmt *stmt = rows_prepared(rows, text);
    free(text);
    return stmt;
}

bool rows_prepare(struct rows *rows)
{
    rows->result = prepare_result(rows);
    rows->interval = rows_prepared(
        rows, "INSERT INTO interval(stage,t_s,started,ended,scored,ok,failed,cancelled,events,"
              "prompt_tokens,completion_tokens,reads,in_flight,draining) "
              "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    return rows->result && rows->interval;
}

void rows_fini(struct rows *rows)
{
    sqlite3_finalize(rows->result);
    sqlite3_finalize(rows->interval);
    rows->result = rows->interval = NULL;
}

static void put_field(struct row *row, const struct column *column)
{
    if (column->tokens) {
        const char *sample = (const char *)row->sample;
        bind_known(&row->bind, *(const int64_t *)(const void *)(sample + column->tokens));
        return;
    }
    const char *base =
        column->exchange_ns ? (const char *)row->exchange : (const char *)row->sample;
    size_t offset = column->exchange_ns ? column->exchange_ns : column->sample_ns;
    rows_bind_time(&row->bind, row->rows, *(const uint64_t *)(const void *)(base + offset));
}

bool rows_result(const struct rows *rows, const struct sample *sample, bool with_bodies)
{
    const struct exchange *exchange = sample->exchange;
    bool fits =
        exchange->request->body_len <= REQUEST_LIMIT && sample->responses_len <= RESPONSES_LIMIT;
    struct row row = {
        .rows = rows,
        .sample = sample,
        .exchange = exchange,
        .bodies = with_bodies && fits && !sample->bodies_left_out,
        .bind = bind_begin(rows->result, rows->secrets),
    };
    for (int i = 0; i < RESULT_COLUMNS; i++) {
        if (result_columns[i].put)
            result_columns[i].put(&row);
        else
            put_field(&row, &result_columns[i]);
    }
    return bind_step(&row.bind);
}

bool rows_interval(const struct rows *rows, const struct live *live)
{
    struct bind bind = bind_begin(rows->interval, rows->secrets);
    bind_integer(&bind, live->stage);
    bind_number(&bind, live->elapsed_s);
    bind_count(&bind, live->started);
    bind_count(&bind, live->ended);
    bind_count(&bind, live->scored);
    bind_count(&bind, live->ok);
    bind_count(&bind, live->failed);
    bind_count(&bind, live->cancelled);
    bind_count(&bind, live->events);
    bind_integer(&bind, live->prompt_tokens);
    bind_integer(&bind, live->completion_tokens);
    bind_count(&bind, live->reads);
    bind_integer(&bind, live->in_flight);
    bind_integer(&bind, live->draining);
    return bind_step(&bind);
}
