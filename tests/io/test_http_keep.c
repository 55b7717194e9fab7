/* Kept connections, resends, the end marker, timeouts, many at once. */
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

#define DONE "data: [DONE]"

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
            CHECK_INT(want->name, got->end_ns, got->marks[got->mark_count - 1].own_ns);
        }
        struct exchange *next = client_do(client, peer->port);
        CHECK_INT(want->name, next->finish, FINISH_COMPLETE);
        CHECK_INT(want->name, next->reused, want->kept);
        client_free(client);
        peer_free(peer);
    }
}

/* ---- timeouts ---- */

static const struct waiting {
    const char *name;
    const struct act *script;
    int read_ms, total_ms;
    enum finish finish;
    enum outcome fault;
    int least_ms; /* it took at least so long */
    const char *error;
} WAITINGS[] = {
    {"no answer", SCRIPT(REQ, HOLD), 60, 0, FINISH_BROKEN, OUTCOME_TIMEOUT_READ, 60,
     "no bytes for 0.06 s"},
    {"stalled body", SCRIPT(REQ, SEND(LENGTH(9) "hello"), HOLD), 60, 0, FINISH_BROKEN,
     OUTCOME_TIMEOUT_READ, 60, "no bytes for 0.06 s"},
    {"headers byte by byte", SCRIPT(REQ, TRICKLE("HTTP/1.1 200 OK and a long reason\r\n", 15)), 60,
     0, FINISH_BROKEN, OUTCOME_TIMEOUT_READ, 60, "no bytes"},
    {"slow but alive", SCRIPT(REQ, SEND(LENGTH(9)), TRICKLE("123456789", 250)), 1500, 0,
     FINISH_COMPLETE, 0, 2000, NULL},
    {"too slow in all", SCRIPT(REQ, SEND(LENGTH(99)), TRICKLE("1234567890123456789012345", 20)),
     300, 120, FINISH_BROKEN, OUTCOME_TIMEOUT_TOTAL, 120, "0.12 s"},
    {"no limits", SCRIPT(REQ, PAUSE(80), SEND(LENGTH(2) "ok")), 0, 0, FINISH_COMPLETE, 0, 80, NULL},
};

static void check_waiting(const struct waiting *want, const struct exchange *got)
{
    CHECK_INT(want->name, got->finish, want->finish);
    CHECK_INT(want->name, got->fault, want->fault);
    if (want->error && !strstr(got->error, want->error))
        fail_msg("%s: error \"%s\" without \"%s\"", want->name, got->error, want->error);
    uint64_t took = got->end_ns - got->started_ns;
    if (took < (uint64_t)want->least_ms * NS_PER_MS || took > 10 * NS_PER_S)
        fail_msg("%s: took %g ms, want %d", want->name, (double)took / 1e6, want->least_ms);
}

static void timeouts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof WAITINGS / sizeof *WAITINGS; i++) {
        const struct waiting *want = &WAITINGS[i];
        struct peer *peer = peer_new(&want->script, 1);
        struct http_config config = client_config();
        config.read_timeout_ns = (uint64_t)want->read_ms * NS_PER_MS;
        config.total_timeout_ns = (uint64_t)want->total_ms * NS_PER_MS;
        struct client *client = client_new(&config);
        check_waiting(want, client_do(client, peer->port));
        client_free(client);
        peer_free(peer);
    }
}

/* A listener whose queue is full drops every further SYN: nothing is refused, nothing connects. */
static void connect_timeout(void **state)
{
    (void)state;
    int port, filler[4];
    int fd = peer_listen(0, &port);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    for (int i = 0; i < 4; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        assert_true(connect(filler[i], (void *)&at, sizeof at) == 0 || errno == EINPROGRESS);
    }
    struct http_config config = client_config();
    config.connect_timeout_ns = 100 * NS_PER_MS;
    struct client *client = client_new(&config);
    struct exchange *got = client_do(client, port);
    CHECK_INT("connect", got->fault, OUTCOME_TIMEOUT_CONNECT);
    assert_true(got->sent_ns == 0 && got->end_ns - got->started_ns >= 90 * NS_PER_MS);
    client_free(client);
    config.connect_timeout_ns = 0;
    config.total_timeout_ns = 50 * NS_PER_MS;
    client = client_new(&config);
    got = client_do(client, port);
    CHECK_INT("total", got->fault, OUTCOME_TIMEOUT_CONNECT);
    assert_non_null(strstr(got->error, "not connected after 0.05 s"));
    client_free(client);
    for (int i = 0; i < 4; i++)
        close(filler[i]);
    close(fd);
}

static void nobody_listens(void **state)
{
    (void)state;
    int port, fd = peer_listen(1, &port);
    close(fd);
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    struct exchange *got = client_do(client, port);
    CHECK_INT("finish", got->finish, FINISH_BROKEN);
    CHECK_INT("fault", got->fault, OUTCOME_CONNECT_FAILED);
    assert_non_null(strstr(got->error, "Connection refused"));
    assert_int_equal(got->sent_ns, 0);
    client_free(client);
}

static void plain_answer_to_tls(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(SEND("HTTP/1.1 400 Bad\r\n\r\n"), HOLD);
    struct peer *peer = peer_new(&script, 1);
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", peer->port);
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    struct exchange *got = client_exchange(url, "POST", "{}");
    client_must_start(client, got);
    client_run(client, 1);
    CHECK_INT("fault", got->fault, OUTCOME_TLS_FAILED);
    assert_int_equal(got->sent_ns, 0);
    client_free(client);
    peer_free(peer);
}

static void check_way(struct client *client, struct peer *peer, const char *url, bool by_proxy)
{
    struct exchange *exchange = client_exchange(url, "POST", "{}");
    client_must_start(client, exchange);
    client_run(client, client->count + 1);
    CHECK_INT(url, exchange->finish, FINISH_COMPLETE);
    /* Only a proxy is asked by the whole URL. */
    CHECK_INT(url, strncmp(peer->request, "POST http://", 12) == 0, by_proxy);
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
    CHECK_INT("end", got->end_ns, got->marks[got->mark_count - 1].own_ns);
    client_free(client);
    peer_free(peer);
}

int main(void)
{
    if (!client_global_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_connection_serves_all),
        cmocka_unit_test(idle_connections_are_found),
        cmocka_unit_test(kept_connection_breaks),
        cmocka_unit_test(no_resend_after_the_status_line),
        cmocka_unit_test(end_marker),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(connect_timeout),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(plain_answer_to_tls),
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
