/* What an answer in some dialect consisted of, and rows that say what it should consist of. */
#pragma once

#include "client.h"

#define SSE "X-DashScope-SSE: enable\r\n"
#define DASH "/api/v1/services/aigc/text-generation/generation"
#define GLM "/api/paas/v4/chat/completions"
#define ERNIE "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/ernie"
#define VERSION "anthropic-version: 2023-06-01\r\n"
#define TRT "/v2/models/ensemble/generate"
#define SAY "\"messages\":[{\"role\":\"user\",\"content\":\"hello there 你好\"}]"

enum { TOKENS = 12, TTFT_MS = 5, ITL_MS = 3, MAX_EVENTS = 40, WANTS = 14 };

static inline void start(struct server *server, const char *dialect)
{
    struct mock_config config = {
        .dialect = dialect,
        .ttft_ns = TTFT_MS * NS_PER_MS,
        .itl_ns = ITL_MS * NS_PER_MS,
        .tokens = TOKENS,
        .seed = 42,
    };
    if (!server_start(server, config))
        fail_msg("%s: %s", dialect, server->err.text);
}

static inline void stop(struct server *server)
{
    server_stop(server);
    assert_true(server->served);
}

/* ---- what came back ---- */

/* The events of a stream, or one: the body. */
struct seen {
    cJSON *events[MAX_EVENTS];
    size_t count;
    unsigned dones, comments, bare; /* bare: JSON in a line that is no event */
};

static inline void see(struct seen *seen, struct span json)
{
    cJSON *event = cJSON_ParseWithLength(json.data, json.len);
    if (!event || seen->count == MAX_EVENTS)
        fail_msg("no JSON or too many: %.*s", (int)json.len, json.data);
    seen->events[seen->count++] = event;
}

static inline bool see_item(void *arg, const struct sse_item *item)
{
    struct seen *seen = arg;
    assert_false(item->unfinished);
    seen->comments += item->kind == SSE_COMMENT;
    if (item->kind == SSE_FIELD) {
        seen->bare++;
        see(seen, item->line);
    } else if (item->kind == SSE_EVENT && span_equals(item->data, "[DONE]")) {
        seen->dones++;
    } else if (item->kind == SSE_EVENT) {
        see(seen, item->data);
    }
    return true;
}

/* The lines of a stream of JSON; an empty one keeps it alive. */
static inline void see_lines(struct seen *seen, struct span body)
{
    assert_true(body.len > 0 && body.data[body.len - 1] == '\n');
    for (const char *at = body.data, *end; at < body.data + body.len; at = end + 1) {
        end = memchr(at, '\n', body.len - (size_t)(at - body.data));
        size_t len = (size_t)(end - at);
        if (len > 0 && at[len - 1] == '\r')
            len--;
        seen->comments += len == 0;
        if (len > 0)
            see(seen, span_of(at, len));
    }
}

static inline void see_reply(struct seen *seen, const struct reply *reply)
{
    struct sse sse;
    *seen = (struct seen){0};
    if (strstr(reply->head.data, "content-type: application/x-ndjson\r\n")) {
        see_lines(seen, buf_span(&reply->body));
        return;
    }
    if (!strstr(reply->head.data, "content-type: text/event-stream\r\n")) {
        see(seen, buf_span(&reply->body));
        return;
    }
    sse_init(&sse, 1 << 20);
    assert_true(sse_feed(&sse, reply->body.data, reply->body.len, see_item, seen));
    assert_true(sse_end(&sse, see_item, seen));
    sse_fini(&sse);
}

static inline void seen_fini(struct seen *seen)
{
    for (size_t i = 0; i < seen->count; i++)
        cJSON_Delete(seen->events[i]);
}

/* ---- shapes ---- */

/* `json` is the member's text, NULL = it is not there, "*" = whatever it is. */
struct want {
    int event; /* -1 = the last, -2 = the one before it */
    const char *path, *json;
};

struct row {
    const char *name, *path, *body;
    const char *headers; /* NULL = none */
    int status;          /* 0 = 200 */
    bool stream;         /* of events */
    bool lines;          /* of lines of JSON */
    unsigned events;     /* 0 = 1 */
    unsigned dones, comments, bare;
    const char *raw; /* occurs in the body; NULL = no matter */
    struct want wants[WANTS];
};

static inline void check_want(const struct row *row, const struct seen *seen,
                              const struct want *want)
{
    size_t index = want->event < 0 ? seen->count - (size_t)-want->event : (size_t)want->event;
    const cJSON *item = member(seen->events[index], want->path);
    char *json = item ? cJSON_PrintUnformatted(item) : NULL;
    const char *got = json ? json : "(none)", *wanted = want->json ? want->json : "(none)";
    bool good = strcmp(wanted, "*") == 0 ? item != NULL : strcmp(got, wanted) == 0;
    if (!good)
        fail_msg("%s: event %zu, %s: got %s, want %s", row->name, index, want->path, got, wanted);
    cJSON_free(json);
}

/* Stamps stand in every event of a good answer, and none goes back. */
static inline void check_stamps(const struct row *row, const struct seen *seen)
{
    double last_ns = 0;
    for (size_t i = 0; i < seen->count; i++) {
        double sent_ns = number(seen->events[i], "sent_ns");
        if (sent_ns < last_ns || sent_ns <= 0)
            fail_msg("%s: event %zu: sent at %.0f after %.0f", row->name, i, sent_ns, last_ns);
        last_ns = sent_ns;
    }
}

static inline void check_row(const struct server *server, const struct row *row)
{
    struct reply reply;
    struct seen seen;
    exchange_with(server->port, row->path, row->headers ? row->headers : "", row->body, &reply);
    CHECK_INT(row->name, reply.status, row->status ? row->status : 200);
    CHECK_INT(row->name, reply.complete, true);
    CHECK_INT(row->name, strstr(reply.head.data, "text/event-stream") != NULL, row->stream);
    CHECK_INT(row->name, strstr(reply.head.data, "application/x-ndjson") != NULL, row->lines);
    see_reply(&seen, &reply);
    CHECK_INT(row->name, seen.count, row->events ? row->events : 1);
    CHECK_INT(row->name, seen.dones, row->dones);
    CHECK_INT(row->name, seen.comments, row->comments);
    CHECK_INT(row->name, seen.bare, row->bare);
    if (row->raw && !strstr(reply.body.data, row->raw))
        fail_msg("%s: %s\nlacks %s", row->name, reply.body.data, row->raw);
    for (const struct want *want = row->wants; want < row->wants + WANTS && want->path; want++)
        check_want(row, &seen, want);
    if ((row->stream || row->lines) && reply.chunked)
        check_stamps(row, &seen);
    seen_fini(&seen);
    reply_fini(&reply);
}

/* All rows against one server. */
static inline void check_rows(const char *dialect, const struct row *rows, size_t count)
{
    struct server server;
    start(&server, dialect);
    for (size_t i = 0; i < count; i++)
        check_row(&server, &rows[i]);
    stop(&server);
}
