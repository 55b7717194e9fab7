/* Kept connections, resends, the end marker, proxies, many at once. */
#include "client.h"
#include "io/http_inner.h"
#include "script.h"

/* ---- kept and broken connections ---- */

static void one_connection_serves_all(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(ECHO(0));
    struct peer *peer = peer_new(&script, 1);
    struct http_config config = client_config();
    config.connections = 3 * HTTP_SHARD;
    struct client *client = client_new(&config);
    for (int i = 0; i < 10; i++) {
        struct exchange *got = client_do(client, peer->port);
        CHECK_INT("finish", got->finish, FINISH_COMPLETE);
        CHECK_INT("reused", got->reused, i > 0);
        CHECK_INT("connected", got->connected_ns != 0, i == 0);
        CHECK_INT("tls", got->tls_done_ns, 0);
        CHECK_INT("resent", got->resent, 0);
    }
    CHECK_INT("connections", peer->connections, 1);
    client_free(client);
    peer_free(peer);
}

/* Two shards with two connections each, of which one breaks: the three left must all be found,
 * however unevenly they lie. */
static void idle_connections_are_found(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(ECHO(20));
    struct peer *peer = peer_new(&script, 1);
    struct http_config config = client_config();
    config.connections = 2 * HTTP_SHARD;
    struct client *client = client_new(&config);
    for (int i = 0; i < 4; i++) {
        struct exchange *exchange = client_post(peer->port);
        if (i == 2)
            exchange->body.limit = 1;
        client_must_start(client, exchange);
    }
    client_run(client, 4);
    for (int i = 0; i < 3; i++)
        client_must_start(client, client_post(peer->port));
    client_run(client, 7);
    for (size_t i = 4; i < 7; i++)
        CHECK_INT("reused", client->ended[i]->reused, true);
    CHECK_INT("connections", peer->connections, 4);
    client_free(client);
    peer_free(peer);
}

static const struct breaking {
    const char *name;
    const struct act *first;
    unsigned resent;
    int requests; /* that the server saw whole */
} BREAKINGS[] = {
    {"closed when the request comes", SCRIPT(REQ, SEND(KEPT_LENGTH(2) "ok"), REQ, PAUSE(60)), 1, 3},
    {"reset when the request comes", SCRIPT(REQ, SEND(KEPT_LENGTH(2) "ok"), REQ, PAUSE(60), RESET),
     1, 3},
    {"closed while at rest", SCRIPT(REQ, SEND(KEPT_LENGTH(2) "ok")), 0, 2},
};

static void pause_then_go_on(struct client *client)
{
    loop_stop(client->loop);
}

static void kept_connection_breaks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BREAKINGS / sizeof *BREAKINGS; i++) {
        const struct breaking *want = &BREAKINGS[i];
        const struct act *scripts[] = {want->first, SCRIPT(REQ, SEND(KEPT_LENGTH(3) "new"), HOLD)};
        struct peer *peer = peer_new(scripts, 2);
        struct http_config config = client_config();
        struct client *client = client_new(&config);
        client_do(client, peer->port);
        client->on_later = pause_then_go_on;
        alarm_set(client->later, clock_now_ns() + 100 * NS_PER_MS);
        loop_run(client->loop);
        struct exchange *got = client_do(client, peer->port);
        char *body = client_body(got);
        CHECK_TEXT(want->name, body, "new");
        free(body);
        CHECK_INT(want->name, got->finish, FINISH_COMPLETE);
        CHECK_INT(want->name, got->resent, want->resent);
        CHECK_INT(want->name, got->reused, false);
        CHECK_INT(want->name, peer->connections, 2);
        CHECK_INT(want->name, peer->requests, want->requests);
        assert_true(got->sent_ns >= got->connected_ns && got->connected_ns >= got->started_ns);
        if (want->resent && got->sent_ns - got->started_ns < 50 * NS_PER_MS)
            fail_msg("%s: sent is that of the first try", want->name);
        client_free(client);
        peer_free(peer);
    }
}

/* Each connection serves one request and swallows the next: every exchange but the first is sent
 * twice, however many there are. */
static void resends_never_run_out(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(REQ, SEND(KEPT_LENGTH(2) "ok"), REQ);
    struct peer *peer = peer_new(&script, 1);
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    for (int i = 0; i < 30; i++) {
        struct exchange *got = client_do(client, peer->port);
        if (got->finish != FINISH_COMPLETE)
            fail_msg("%d: finish %d, %s", i, got->finish, got->error);
        CHECK_INT("resent", got->resent, i > 0);
    }
    CHECK_INT("connections", peer->connections, 30);
    client_free(client);
    peer_free(peer);
}

/* The kept connection swallows the request, and nobody listens any more: of the last try nothing
 * was sent. */
static void second_try_finds_nobody(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(REQ, SEND(KEPT_LENGTH(2) "ok"), REQ, PAUSE(20));
    struct peer *peer = peer_new(&script, 1);
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    client_do(client, peer->port);
    shutdown(peer->fd, SHUT_RDWR);
    struct exchange *got = client_do(client, peer->port);
    CHECK_INT("requests", peer->requests, 2);
    CHECK_INT("finish", got->finish, FINISH_BROKEN);
    CHECK_INT("fault", got->fault, OUTCOME_CONNECT_FAILED);
    CHECK_INT("sent", got->sent_ns, 0);
    CHECK_INT("resent", got->resent, 0);
    CHECK_INT("reused", got->reused, false);
    client_free(client);
    peer_free(peer);
}

/* Once a byte of the answer has come there is no second try. */
static void no_resend_after_the_status_line(void **state)
{
    (void)state;
    const struct act *script =
        SCRIPT(REQ, SEND(KEPT_LENGTH(2) "ok"), REQ, SEND("HTTP/1.1 200 OK\r\n"), PAUSE(100), RESET);
    struct peer *peer = peer_new(&script, 1);
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    client_do(client, peer->port);
    struct exchange *got = client_do(client, peer->port);
    CHECK_INT("fault", got->fault, OUTCOME_RESET);
    CHECK_INT("resent", got->resent, 0);
    CHECK_INT("reused", got->reused, true);
    CHECK_INT("requests", peer->requests, 2);
    client_free(client);
    peer_free(peer);
}

/* ---- the end marker ---- */

static const struct marking {
    const char *name;
    const struct act *script;
    enum finish finish;
    enum outcome fault;
    bool kept;    /* the connection serves the next one */
    bool patient; /* wait for the end after the marker longer than a busy machine may stall */
} MARKINGS[] = {
    {"ends in the same read",
     SCRIPT(REQ, SEND(KEPT_CHUNKED "e\r\n" DONE "\n\n\r\n0\r\n\r\n"), ECHO(0)), FINISH_COMPLETE, 0,
     true, true},
    {"ends a little later",
     SCRIPT(REQ, SEND(KEPT_CHUNKED "e\r\n" DONE "\n\n\r\n"), PAUSE(4), SEND("0\r\n\r\n"), ECHO(0)),
     FINISH_COMPLETE, 0, true, true},
    {"held open", SCRIPT(REQ, SEND(KEPT_CHUNKED "e\r\n" DONE "\n\n\r\n"), HOLD), FINISH_MARKER, 0,
     false, false},
    {"held open without a line end", SCRIPT(REQ, SEND(KEPT_CHUNKED "c\r\n" DONE "\r\n"), HOLD),
     FINISH_MARKER, 0, false, false},
    {"after another event",
     SCRIPT(REQ, SEND(KEPT_CHUNKED "9\r\ndata: a\n\n\r\n"), PAUSE(3),
            SEND("10\r\n" DONE "\r\n\r\n\r\n"), HOLD),
     FINISH_MARKER, 0, false, false},
    {"cut in the marker",
     SCRIPT(REQ, SEND(KEPT_CHUNKED "6\r\ndata: \r\n"), PAUSE(3), SEND("8\r\n[DONE]\n\n\r\n"), HOLD),
     FINISH_MARKER, 0, false, false},
    {"closed after it", SCRIPT(REQ, SEND(KEPT_CHUNKED "e\r\n" DONE "\n\n\r\n"), PAUSE(100)),
     FINISH_MARKER, 0, false, true},
    {"reset after it", SCRIPT(REQ, SEND(KEPT_CHUNKED "e\r\n" DONE "\n\n\r\n"), PAUSE(100), RESET),
     FINISH_MARKER, 0, false, true},
    {"not at a line's start", SCRIPT(REQ, SEND(KEPT_CHUNKED "10\r\nx " DONE "\n\n\r\n"), HOLD),
     FINISH_BROKEN, OUTCOME_TIMEOUT_READ, false, false},
    {"followed by more",
     SCRIPT(REQ, SEND(KEPT_CHUNKED "e\r\n" DONE "\n\n\r\n"), PAUSE(3), SEND("9\r\ndata: a\n\n\r\n"),
            PAUSE(40), SEND("0\r\n\r\n"), ECHO(0)),
     FINISH_COMPLETE, 0, true, true},
    {"a longer line",
     SCRIPT(REQ, SEND(KEPT_CHUNKED "c\r\n" DONE "\r\n"), PAUSE(3), SEND("1\r\nx\r\n"), HOLD),
     FINISH_BROKEN, OUTCOME_TIMEOUT_READ, false, true},
};

static void end_marker(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof MARKINGS / sizeof *MARKINGS; i++) {
        const struct marking *want = &MARKINGS[i];
        const struct act *scripts[] = {want->script, SCRIPT(ECHO(0))};
        struct peer *peer = peer_new(scripts, 2);
        struct http_config config = client_config();
        config.end_marker = span_text("data: [DONE]\n\n");
        config.read_timeout_ns = 400 * NS_PER_MS;
        struct client *client = client_new(&config);
        if (want->patient)
            client->http->tails.span_ns = 10 * NS_PER_S;
        struct exchange *got = client_do(client, peer->port);
        CHECK_INT(want->name, got->finish, want->finish);
        CHECK_INT(want->name, got->fault, want->fault);
        if (want->finish == FINISH_MARKER) {
            assert_null(got->error);
            CHECK_INT(want->name, got->end_ns, mark_time_ns(&got->marks[got->mark_count - 1]));
        }
        struct exchange *next = client_do(client, peer->port);
        CHECK_INT(want->name, next->finish, FINISH_COMPLETE);
        CHECK_INT(want->name, next->reused, want->kept);
        client_free(client);
        peer_free(peer);
    }
}

enum { HELD = HELD_LIMIT + HELD_PROBE };

static void check_held(struct client *client, const struct peer *peer, int count, bool waited)
{
    for (int i = 0; i < count; i++) {
        struct exchange *got = client_do(client, peer->port);
        uint64_t wait = clock_now_ns() - got->end_ns;
        CHECK_INT("finish", got->finish, FINISH_MARKER);
        if ((wait >= client->http->tails.span_ns) != waited)
            fail_msg("%d: delivered %g ms after the marker", i, (double)wait / 1e6);
    }
}

/* A server that holds its messages open is not waited for again and again, but is looked at now and
 * then: this one ends them from some time on, if late. */
static void messages_held_open(void **state)
{
    (void)state;
    const struct act *scripts[HELD + 1];
    const struct act *held = SCRIPT(REQ, SEND(KEPT_CHUNKED "e\r\n" DONE "\n\n\r\n"), HOLD);
    for (int i = 0; i < HELD; i++)
        scripts[i] = held;
    scripts[HELD] = SCRIPT(REQ, SEND(KEPT_CHUNKED "e\r\n" DONE "\n\n\r\n"), PAUSE(500),
                           SEND("0\r\n\r\n"), ECHO(0));
    struct peer *peer = peer_new(scripts, HELD + 1);
    struct http_config config = client_config();
    config.end_marker = span_text("data: [DONE]\n\n");
    struct client *client = client_new(&config);
    check_held(client, peer, HELD_LIMIT, true);
    client->http->tails.span_ns = 10 * NS_PER_S; /* these must not wait for it */
    check_held(client, peer, HELD_PROBE - 1, false);
    client->http->tails.span_ns = 50 * NS_PER_MS;
    check_held(client, peer, 1, true);
    client->http->tails.span_ns = 10 * NS_PER_S;
    check_held(client, peer, HELD_PROBE - 1, false);
    for (int i = 0; i < 2; i++) {
        struct exchange *got = client_do(client, peer->port);
        CHECK_INT("finish", got->finish, FINISH_COMPLETE);
        CHECK_INT("reused", got->reused, i > 0);
    }
    CHECK_INT("held", client->http->held, 0);
    client_free(client);
    peer_free(peer);
}

/* ---- the way ---- */

static void check_way(struct client *client, struct peer *peer, const char *url, bool by_proxy)
{
    struct exchange *exchange = client_exchange(url, "POST", "{}");
    client_must_start(client, exchange);
    client_run(client, client->count + 1);
    CHECK_INT(url, exchange->finish, FINISH_COMPLETE);
    /* Only a proxy is asked by the whole URL. */
    pthread_mutex_lock(&peer->lock);
    bool whole = strncmp(peer->request, "POST http://", 12) == 0;
    pthread_mutex_unlock(&peer->lock);
    CHECK_INT(url, whole, by_proxy);
}

/* The scripted server is the target and the proxy that the environment names; all requests go
 * through one easy handle. */
static void loopback_needs_no_proxy(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(ECHO(0));
    struct peer *peer = peer_new(&script, 1);
    char *here = mem_printf("http://127.0.0.1:%d/v1", peer->port);
    setenv("http_proxy", here, 1);
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    check_way(client, peer, here, false);
    check_way(client, peer, "http://192.0.2.1:9/", true);
    check_way(client, peer, here, false);
    check_way(client, peer, "http://no-such-host.invalid/", true);
    unsetenv("http_proxy");
    free(here);
    client_free(client);
    peer_free(peer);
}

/* ---- reads and marks ---- */

static void chunks_of_one_read_are_one_mark(void **state)
{
    (void)state;
    const struct act *script =
        SCRIPT(REQ, SEND(CHUNKED), PAUSE(100), SEND("1\r\na\r\n1\r\nb\r\n3\r\ncde\r\n"), PAUSE(100),
               SEND("2\r\nfg\r\n1\r\nh\r\n0\r\n\r\n"));
    struct peer *peer = peer_new(&script, 1);
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    struct exchange *got = client_do(client, peer->port);
    CHECK_INT("marks", got->mark_count, 2);
    CHECK_INT("first", got->marks[0].end, 5);
    CHECK_INT("second", got->marks[1].end, 8);
    CHECK_INT("reads", http_reads(client->http), 2);
    assert_true(got->marks[1].own_ns - got->marks[0].own_ns > 10 * NS_PER_MS);
    client_free(client);
    peer_free(peer);
}

/* ---- many ---- */

enum { MANY = 300, ROUNDS = 3 };

struct crowd {
    int port, started;
};

static void crowd_start(struct client *client, struct crowd *crowd)
{
    char url[64], body[64];
    int number = crowd->started++;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", crowd->port);
    snprintf(body, sizeof body, "{\"number\":%d,\"and\":\"some more text\"}", number);
    struct exchange *exchange = client_exchange(url, "POST", body);
    exchange->request->index = (uint64_t)number;
    client_must_start(client, exchange);
}

static void crowd_next(struct client *client, struct exchange *exchange)
{
    (void)exchange;
    struct crowd *crowd = client->arg;
    if (crowd->started < MANY * ROUNDS)
        crowd_start(client, crowd);
}

static void many_at_once(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(ECHO(20));
    struct peer *peer = peer_new(&script, 1);
    struct crowd crowd = {.port = peer->port};
    struct http_config config = client_config();
    config.connections = MANY;
    struct client *client = client_new(&config);
    client->arg = &crowd;
    client->on_end = crowd_next;
    for (int i = 0; i < MANY; i++)
        crowd_start(client, &crowd);
    CHECK_INT("in flight", http_in_flight(client->http), MANY);
    client_run(client, MANY * ROUNDS);
    size_t reused = 0;
    for (size_t i = 0; i < client->count; i++) {
        struct exchange *got = client->ended[i];
        if (got->finish != FINISH_COMPLETE)
            fail_msg("%zu: finish %d, %s", i, got->finish, got->error ? got->error : "");
        if (got->body.len != got->request->body_len ||
            memcmp(got->body.data, got->request->body, got->body.len) != 0)
            fail_msg("%zu: not its own answer", i);
        assert_true(got->mark_count >= 1 && got->marks[0].own_ns >= got->headers_ns);
        reused += got->reused;
    }
    CHECK_INT("connections", peer->connections, MANY);
    CHECK_INT("reused", reused, MANY * (ROUNDS - 1));
    CHECK_INT("in flight", http_in_flight(client->http), 0);
    client_free(client);
    peer_free(peer);
}

static void cancel_others(struct client *client, struct exchange *exchange)
{
    if (exchange->finish == FINISH_COMPLETE)
        http_cancel_all(client->http);
}

static void cancel_from_an_end(void **state)
{
    (void)state;
    const struct act *scripts[] = {SCRIPT(REQ, PAUSE(50), SEND(LENGTH(2) "ok")),
                                   SCRIPT(REQ, SEND(LENGTH(9) "hello"), HOLD)};
    struct peer *peer = peer_new(scripts, 2);
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    client->on_end = cancel_others;
    for (int i = 0; i < 4; i++)
        client_must_start(client, client_post(peer->port));
    client_run(client, 4);
    for (size_t i = 0; i < 4; i++)
        CHECK_INT("finish", client->ended[i]->finish, i ? FINISH_CANCELLED : FINISH_COMPLETE);
    client_free(client);
    peer_free(peer);
}

static void cancel_now(struct client *client)
{
    http_cancel_all(client->http);
}

/* The answer is complete all the same. */
static void cancelled_after_the_marker(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(REQ, SEND(CHUNKED "4\r\nEND\n\r\n"), HOLD);
    struct peer *peer = peer_new(&script, 1);
    struct http_config config = client_config();
    config.end_marker = span_text("END");
    struct client *client = client_new(&config);
    client->http->tails.span_ns = 10 * NS_PER_S;
    client->on_later = cancel_now;
    alarm_set(client->later, clock_now_ns() + 1500 * NS_PER_MS);
    struct exchange *got = client_do(client, peer->port);
    CHECK_INT("finish", got->finish, FINISH_MARKER);
    CHECK_INT("end", got->end_ns, mark_time_ns(&got->marks[got->mark_count - 1]));
    client_free(client);
    peer_free(peer);
}

static int all(void)
{
    if (!client_global_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_connection_serves_all),
        cmocka_unit_test(idle_connections_are_found),
        cmocka_unit_test(kept_connection_breaks),
        cmocka_unit_test(resends_never_run_out),
        cmocka_unit_test(second_try_finds_nobody),
        cmocka_unit_test(no_resend_after_the_status_line),
        cmocka_unit_test(end_marker),
        cmocka_unit_test(messages_held_open),
        cmocka_unit_test(loopback_needs_no_proxy),
        cmocka_unit_test(chunks_of_one_read_are_one_mark),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(cancel_from_an_end),
        cmocka_unit_test(cancelled_after_the_marker),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_fini();
    return failed;
}

int main(void)
{
    return check_by_the_clock(all);
}
