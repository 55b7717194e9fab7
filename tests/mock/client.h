/* A mock server in a thread and a blocking client of it, for the tests in this folder. */
#pragma once

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "mock/mock.h"
#include "wire/sse.h"

/* ---- the server ---- */

struct server {
    struct mock_config config;
    pthread_t thread;
    int stop[2];
    int ready[2]; /* the port comes through it */
    uint16_t port;
    bool served;
    struct err err;
};

static inline void server_listening(void *arg, const char *host, uint16_t port)
{
    struct server *server = arg;
    (void)host;
    if (write(server->ready[1], &port, sizeof port) != sizeof port)
        abort();
}

static inline void *server_main(void *arg)
{
    struct server *server = arg;
    server->served = mock_serve(&server->config, &server->err);
    close(server->ready[1]);
    return NULL;
}

/* False when it did not come up; server->err says why. */
static inline bool server_start(struct server *server, struct mock_config config)
{
    *server = (struct server){.config = config};
    if (pipe(server->stop) != 0 || pipe(server->ready) != 0)
        abort();
    server->config.stop_fd = server->stop[0];
    server->config.listening = server_listening;
    server->config.arg = server;
    if (pthread_create(&server->thread, NULL, server_main, server) != 0)
        abort();
    return read(server->ready[0], &server->port, sizeof server->port) == sizeof server->port;
}

static inline void server_stop(struct server *server)
{
    if (write(server->stop[1], "x", 1) != 1)
        abort();
    pthread_join(server->thread, NULL);
    close(server->stop[0]);
    close(server->stop[1]);
    close(server->ready[0]);
}

/* ---- one connection ---- */

struct client {
    int fd;
    struct buf in;
    size_t at; /* read so far */
};

struct reply {
    int status;
    struct buf head, body;
    bool chunked;
    bool complete; /* up to its end; else the connection closed or fell silent before */
    bool reset, silent;
};

static inline void client_open(struct client *client, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 20};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *client = (struct client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    buf_init(&client->in, 256u << 20);
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(
        connect(client->fd, (const struct sockaddr *)(const void *)&address, sizeof address), 0);
}

static inline void client_patience(struct client *client, long ms)
{
    struct timeval patience = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

static inline void client_close(struct client *client)
{
    close(client->fd);
    buf_fini(&client->in);
}

static inline void client_send(struct client *client, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t sent = send(client->fd, bytes + at, len - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the server may have refused and closed already */
        at += (size_t)sent;
    }
}

static inline bool client_more(struct client *client, struct reply *reply)
{
    char *room = buf_reserve(&client->in, 65536);
    assert_non_null(room);
    ssize_t got = recv(client->fd, room, 65536, 0);
    if (got > 0)
        client->in.len += (size_t)got;
    else if (got < 0)
        *(errno == ECONNRESET ? &reply->reset : &reply->silent) = true;
    return got > 0;
}

/* Takes `len` bytes into `out`; what there is when the connection ends before. */
static inline bool client_take(struct client *client, size_t len, struct buf *out,
                               struct reply *reply)
{
    bool more = true;
    while (client->in.len - client->at < len && more)
        more = client_more(client, reply);
    size_t there = client->in.len - client->at;
    buf_add(out, client->in.data + client->at, there < len ? there : len);
    client->at += there < len ? there : len;
    return there >= len;
}

/* Takes up to and with the end mark. */
static inline bool client_until(struct client *client, const char *mark, struct buf *out,
                                struct reply *reply)
{
    for (;;) {
        size_t there = client->in.len - client->at;
        const char *from = client->in.data + client->at;
        const char *end = there ? memmem(from, there, mark, strlen(mark)) : NULL;
        if (end)
            return client_take(client, (size_t)(end - from) + strlen(mark), out, reply);
        if (!client_more(client, reply))
            return false;
    }
}

static inline bool client_chunks(struct client *client, struct reply *reply)
{
    struct buf size, end;
    buf_init(&size, 1000);
    buf_init(&end, 2);
    bool good = true, last = false;
    while (good && !last) {
        buf_clear(&size);
        buf_clear(&end);
        good = client_until(client, "\r\n", &size, reply) && buf_add_char(&size, '\0');
        unsigned long len = good ? strtoul(size.data, NULL, 16) : 0;
        last = len == 0;
        good = good && client_take(client, len, &reply->body, reply) &&
               client_take(client, 2, &end, reply);
        if (good)
            assert_memory_equal(end.data, "\r\n", 2);
    }
    buf_fini(&size);
    buf_fini(&end);
    return good;
}

static inline void client_body(struct client *client, struct reply *reply)
{
    const char *length = strstr(reply->head.data, "content-length: ");
    reply->chunked = strstr(reply->head.data, "transfer-encoding: chunked") != NULL;
    if (reply->chunked) {
        reply->complete = client_chunks(client, reply);
    } else if (length) {
        size_t len = strtoul(length + 16, NULL, 10);
        reply->complete = client_take(client, len, &reply->body, reply);
    } else {
        client_take(client, SIZE_MAX / 2, &reply->body, reply);
        reply->complete = !reply->reset && !reply->silent;
    }
}

/* Reads one answer; interim answers (100 Continue) count as answers without a body. */
static inline void client_reply(struct client *client, struct reply *reply)
{
    *reply = (struct reply){0};
    buf_init(&reply->head, 1 << 20);
    buf_init(&reply->body, 256u << 20);
    bool headed = client_until(client, "\r\n\r\n", &reply->head, reply);
    buf_add_char(&reply->head, '\0');
    if (headed)
        reply->status = atoi(reply->head.data + strlen("HTTP/1.1 "));
    if (reply->status >= 200)
        client_body(client, reply);
    buf_add_char(&reply->body, '\0');
    reply->body.len--;
}

static inline void reply_fini(struct reply *reply)
{
    buf_fini(&reply->head);
    buf_fini(&reply->body);
}

/* ---- requests ---- */

/* `headers`: further header lines with their ends, or "". */
static inline void client_post_with(struct client *client, const char *path, const char *headers,
                                    const char *body)
{
    char *text = mem_printf("POST %s HTTP/1.1\r\nHost: mock\r\n%sContent-Length: %zu\r\n\r\n%s",
                            path, headers, strlen(body), body);
    client_send(client, text, strlen(text));
    free(text);
}

static inline void client_post(struct client *client, const char *path, const char *body)
{
    client_post_with(client, path, "", body);
}

static inline void client_get(struct client *client, const char *path)
{
    char *text = mem_printf("GET %s HTTP/1.1\r\nHost: mock\r\n\r\n", path);
    client_send(client, text, strlen(text));
    free(text);
}

/* A whole exchange on a connection of its own. */
static inline void exchange_with(uint16_t port, const char *path, const char *headers,
                                 const char *body, struct reply *reply)
{
    struct client client;
    client_open(&client, port);
    client_post_with(&client, path, headers, body);
    client_reply(&client, reply);
    client_close(&client);
}

static inline void exchange(uint16_t port, const char *path, const char *body, struct reply *reply)
{
    exchange_with(port, path, "", body, reply);
}

static inline cJSON *fetch_stats(uint16_t port, const char *path)
{
    struct client client;
    struct reply reply;
    client_open(&client, port);
    client_get(&client, path);
    client_reply(&client, &reply);
    client_close(&client);
    cJSON *stats = cJSON_Parse(reply.body.data);
    if (!stats)
        fail_msg("/stats is no JSON: %s", reply.body.data);
    reply_fini(&reply);
    return stats;
}

static inline const cJSON *member(const cJSON *object, const char *path)
{
    char name[64];
    while (object && *path) {
        size_t len = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)len, path);
        object = cJSON_IsArray(object) ? cJSON_GetArrayItem(object, atoi(name))
                                       : cJSON_GetObjectItemCaseSensitive(object, name);
        path += len + (path[len] == '.');
    }
    return object;
}

/* NAN-free: a missing number is -1. */
static inline double number(const cJSON *object, const char *path)
{
    const cJSON *item = member(object, path);
    return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

static inline const char *text_of(const cJSON *object, const char *path)
{
    const cJSON *item = member(object, path);
    return cJSON_IsString(item) ? item->valuestring : "(none)";
}

/* ---- streams ---- */

/* What a stream of chat or completions said. */
struct stream {
    unsigned openings, tokens, finishes, usages, errors, dones, comments;
    unsigned choice_tokens[4];
    struct buf text[4];
    char finish[16];
    double prompt_tokens, completion_tokens;
    double read_ns, last_sent_ns;
    double token_sent_ns[64]; /* of the first token events */
    bool after_done;          /* something followed [DONE] */
    bool disorder;            /* a stamp went back, or a token came after a finish */
};

static inline void stream_choice(struct stream *stream, const cJSON *event, const cJSON *choice)
{
    int index = (int)number(choice, "index");
    const cJSON *finish = member(choice, "finish_reason");
    const cJSON *text = member(choice, "text");
    assert_in_range(index, 0, 3);
    if (cJSON_IsString(finish)) {
        stream->finishes++;
        snprintf(stream->finish, sizeof stream->finish, "%s", finish->valuestring);
        return;
    }
    if (cJSON_IsString(member(choice, "delta.role"))) {
        stream->openings++;
        assert_true(number(event, "read_ns") > 0);
        return;
    }
    if (!cJSON_IsString(text))
        text = member(choice, "delta.content");
    assert_true(cJSON_IsString(text) && *text->valuestring);
    stream->disorder = stream->disorder || stream->finishes > 0;
    if (stream->tokens < 64)
        stream->token_sent_ns[stream->tokens] = number(event, "sent_ns");
    stream->tokens++;
    stream->choice_tokens[index]++;
    buf_add_text(&stream->text[index], text->valuestring);
}

static inline bool stream_item(void *arg, const struct sse_item *item)
{
    struct stream *stream = arg;
    stream->comments += item->kind == SSE_COMMENT;
    if (item->kind != SSE_EVENT)
        return true;
    stream->after_done = stream->after_done || stream->dones > 0;
    if (span_equals(item->data, "[DONE]")) {
        stream->dones++;
        return true;
    }
    cJSON *event = cJSON_ParseWithLength(item->data.data, item->data.len);
    if (!event)
        fail_msg("an event is no JSON: %.*s", (int)item->data.len, item->data.data);
    double sent_ns = number(event, "sent_ns");
    stream->disorder = stream->disorder || sent_ns < stream->last_sent_ns;
    stream->last_sent_ns = sent_ns;
    if (stream->read_ns <= 0)
        stream->read_ns = number(event, "read_ns");
    stream->errors += member(event, "error") != NULL;
    if (cJSON_IsObject(member(event, "usage"))) {
        stream->usages++;
        stream->prompt_tokens = number(event, "usage.prompt_tokens");
        stream->completion_tokens = number(event, "usage.completion_tokens");
    }
    const cJSON *choice;
    cJSON_ArrayForEach(choice, member(event, "choices")) stream_choice(stream, event, choice);
    cJSON_Delete(event);
    return true;
}

static inline void stream_read(struct stream *stream, const struct reply *reply)
{
    struct sse sse;
    *stream = (struct stream){0};
    for (int i = 0; i < 4; i++)
        buf_init(&stream->text[i], 64u << 20);
    sse_init(&sse, 1 << 20);
    assert_true(sse_feed(&sse, reply->body.data, reply->body.len, stream_item, stream));
    assert_true(sse_end(&sse, stream_item, stream));
    sse_fini(&sse);
}

static inline void stream_fini(struct stream *stream)
{
    for (int i = 0; i < 4; i++)
        buf_fini(&stream->text[i]);
}
