/* A loop and an http for tests: starts exchanges and runs until they have ended. */
#pragma once

#include "base/clock.h"
#include "base/mem.h"
#include "check.h"
#include "io/http.h"
#include "io/loop.h"

enum { CLIENT_LIMIT_S = 60, CLIENT_BODY = 1 << 20 };

struct client {
    struct loop *loop;
    struct http *http;
    struct alarm *guard;
    struct alarm *later;
    void (*on_later)(struct client *client);
    struct exchange *ended[1024];
    size_t count, wanted;
    unsigned depth; /* of on_end calls: never more than one */
    void (*on_end)(struct client *client, struct exchange *exchange);
    void *arg;
};

/* Before anything else: libcurl started, signals blocked, no proxy from outside. */
static inline bool client_global_init(void)
{
    static const char *const NAMES[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        unsetenv(NAMES[i]);
    signals_block();
    struct err err;
    return http_global_init(&err);
}

static inline void client_guard(void *arg)
{
    (void)arg;
    fprintf(stderr, "the test did not end in %d s\n", CLIENT_LIMIT_S);
    abort();
}

static inline void client_later(void *arg)
{
    struct client *client = arg;
    client->on_later(client);
}

static inline void client_ended(void *arg, struct exchange *exchange)
{
    struct client *client = arg;
    assert_int_equal(client->depth++, 0);
    client->ended[client->count++] = exchange;
    if (client->on_end)
        client->on_end(client, exchange);
    if (client->count == client->wanted)
        loop_stop(client->loop);
    client->depth--;
}

static inline struct http_config client_config(void)
{
    return (struct http_config){
        .connect_timeout_ns = 5 * NS_PER_S,
        .read_timeout_ns = 20 * NS_PER_S,
        .connections = 4,
        .user_agent = "test/1",
    };
}

static inline struct client *client_new(const struct http_config *config)
{
    struct client *client = MEM_NEW(struct client);
    struct err err = {""};
    client->loop = loop_new(&err);
    assert_non_null(client->loop);
    client->http = http_new(client->loop, config, client_ended, client, &err);
    if (!client->http)
        fail_msg("%s", err.text);
    client->guard = alarm_new(client->loop, client_guard, client, &err);
    client->later = alarm_new(client->loop, client_later, client, &err);
    alarm_set(client->guard, clock_now_ns() + CLIENT_LIMIT_S * NS_PER_S);
    return client;
}

static inline void client_free(struct client *client)
{
    for (size_t i = 0; i < client->count; i++)
        exchange_free(client->ended[i]);
    http_free(client->http);
    alarm_free(client->guard);
    alarm_free(client->later);
    loop_free(client->loop);
    free(client);
}

static inline struct exchange *client_exchange(const char *url, const char *method,
                                               const char *body)
{
    struct request *request = MEM_NEW(struct request);
    request->url = mem_text(url);
    request->method = mem_text(method);
    request->body = mem_text(body);
    request->body_len = body ? strlen(body) : 0;
    if (body)
        list_add(&request->headers, "Content-Type: application/json");
    return exchange_new(request, EXCHANGE_HEAD_MOST, CLIENT_BODY);
}

static inline struct exchange *client_post(int port)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", port);
    return client_exchange(url, "POST", "{\"n\":1}");
}

static inline bool client_start(struct client *client, struct exchange *exchange, struct err *err)
{
    exchange->started_ns = exchange->due_ns = clock_now_ns();
    return http_start(client->http, exchange, err);
}

static inline void client_must_start(struct client *client, struct exchange *exchange)
{
    struct err err = {""};
    if (!client_start(client, exchange, &err))
        fail_msg("not started: %s", err.text);
}

/* Runs until `wanted` exchanges in all have ended. */
static inline void client_run(struct client *client, size_t wanted)
{
    client->wanted = wanted;
    if (client->count < wanted)
        loop_run(client->loop);
    assert_int_equal(client->count, wanted);
}

/* One POST to `port` from start to end. */
static inline struct exchange *client_do(struct client *client, int port)
{
    struct exchange *exchange = client_post(port);
    client_must_start(client, exchange);
    client_run(client, client->count + 1);
    return exchange;
}

static inline char *client_body(const struct exchange *exchange)
{
    return mem_copy(exchange->body.data, exchange->body.len);
}
