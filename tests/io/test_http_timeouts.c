/* Timeouts, and connections that cannot be made. */
#include <signal.h>
#include <sys/wait.h>

#include "client.h"
#include "io/http_inner.h"
#include "script.h"

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
    {"headers byte by byte", SCRIPT(REQ, TRICKLE("HTTP/1.1 200 OK and a long reason\r\n", 15)), 250,
     400, FINISH_BROKEN, OUTCOME_TIMEOUT_TOTAL, 400, "not complete after 0.4 s"},
    {"chunk frames byte by byte",
     SCRIPT(REQ, SEND(CHUNKED), TRICKLE("5;an-extension-of-the-chunk-as-long-as-this\r\n", 15)),
     250, 400, FINISH_BROKEN, OUTCOME_TIMEOUT_TOTAL, 400, "not complete after 0.4 s"},
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

static const struct stop {
    const char *name;
    const char *before, *during; /* what comes before and while this process is stopped */
    int read_ms, total_ms, linger_ms;
} STOPS[] = {
    {"read timeout", "", LENGTH(2) "ok", 1000, 0, 20},
    {"read timeout, in the body", LENGTH(4) "ok", "ok", 1000, 0, 20},
    {"total timeout", "", LENGTH(2) "ok", 0, 1000, 20},
    {"linger", KEPT_CHUNKED "e\r\n" DONE "\n\n\r\n", "0\r\n\r\n", 0, 0, 1000},
};

/* A process of its own, since it stops this one with all its threads, for longer than any of the
 * timeouts. */
static pid_t stop_peer(const struct stop *stop, int fd)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    char text[4096];
    int c = accept(fd, NULL, NULL);
    if (c >= 0 && recv(c, text, sizeof text, 0) > 0 &&
        peer_send(c, stop->before, strlen(stop->before))) {
        peer_sleep(300); /* let libcurl's own timers be over, which would have it read anyway */
        kill(getppid(), SIGSTOP);
        peer_send(c, stop->during, strlen(stop->during));
        peer_sleep(1200);
        kill(getppid(), SIGCONT);
        while (recv(c, text, sizeof text, 0) > 0)
            ;
    }
    _exit(0);
}

/* The bytes were there in time; that this process was not must not be the server's fault, and the
 * kernel knows when they came. */
static void stopped_process(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof STOPS / sizeof *STOPS; i++) {
        const struct stop *stop = &STOPS[i];
        int port, fd = peer_listen(8, &port);
        pid_t pid = stop_peer(stop, fd);
        close(fd);
        struct http_config config = client_config();
        config.read_timeout_ns = (uint64_t)stop->read_ms * NS_PER_MS;
        config.total_timeout_ns = (uint64_t)stop->total_ms * NS_PER_MS;
        config.end_marker = span_text("data: [DONE]\n\n");
        struct client *client = client_new(&config);
        client->http->tails.span_ns = (uint64_t)stop->linger_ms * NS_PER_MS;
        uint64_t from_ns = clock_now_ns();
        struct exchange *got = client_do(client, port);
        if (got->finish != FINISH_COMPLETE)
            fail_msg("%s: finish %d, %s", stop->name, got->finish, got->error ? got->error : "");
        if (clock_now_ns() - from_ns < NS_PER_S)
            fail_msg("%s: there was no stop", stop->name);
        if (got->end_ns - got->sent_ns > NS_PER_S)
            fail_msg("%s: the stop counts as the server's time", stop->name);
        client_free(client);
        waitpid(pid, NULL, 0);
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

static int all(void)
{
    if (!client_global_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timeouts),
        cmocka_unit_test(stopped_process),
        cmocka_unit_test(connect_timeout),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(plain_answer_to_tls),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_fini();
    return failed;
}

int main(void)
{
    return check_by_the_clock(all);
}
