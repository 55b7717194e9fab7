/* The look at the target before a run, and what is read from a URL. */
#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <signal.h>

#include "client.h"
#include "io/http_inner.h"
#include "script.h"

static const struct place {
    const char *url;
    bool ok;
    const char *host, *port;
    bool literal, loopback;
} PLACES[] = {
    {"http://127.0.0.1:8000/v1", true, "127.0.0.1", "8000", true, true},
    {"http://127.255.3.4", true, "127.255.3.4", "80", true, true},
    {"https://10.0.0.1/", true, "10.0.0.1", "443", true, false},
    {"http://[::1]:9", true, "[::1]", "9", true, true},
    {"http://[fe80::1]", true, "[fe80::1]", "80", true, false},
    {"http://localhost/x", true, "localhost", "80", false, true},
    {"http://LOCALHOST./x", true, "LOCALHOST.", "80", false, true},
    {"http://localhost.example/x", true, "localhost.example", "80", false, false},
    {"http://user:pw@example.com:81/x?k=v", true, "example.com", "81", false, false},
    {"http://127.0.0.1.example", true, "127.0.0.1.example", "80", false, false},
    {"file:///etc/hosts", false, NULL, NULL, false, false},
    {"//host/x", false, NULL, NULL, false, false},
    {"http:///x", false, NULL, NULL, false, false},
    {"http:/x/y", false, NULL, NULL, false, false},
    {"http://[::1/", false, NULL, NULL, false, false},
    {"http://a b/", false, NULL, NULL, false, false},
    {"", false, NULL, NULL, false, false},
    {NULL, false, NULL, NULL, false, false},
};

static void places(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        const struct place *want = &PLACES[i];
        const char *name = want->url ? want->url : "NULL";
        struct http_url got;
        struct err err = {""};
        CHECK_INT(name, http_url_parse(want->url, &got, &err), want->ok);
        if (!want->ok) {
            assert_true(strncmp(err.text, "URL \"", 5) == 0);
            continue;
        }
        CHECK_TEXT(name, got.host, want->host);
        CHECK_TEXT(name, got.port, want->port);
        CHECK_INT(name, got.literal, want->literal);
        CHECK_INT(name, got.loopback, want->loopback);
        assert_null(strstr(got.shown, "pw"));
        assert_null(strstr(got.shown, "k=v"));
        http_url_fini(&got);
    }
}

static const struct origin {
    const char *url;
    size_t len;
} ORIGINS[] = {
    {"http://a:1/x", 10},
    {"http://a:1", 10},
    {"http://a?x=://b", 8},
    {"http:///x", 0},
    {"http://", 0},
    {"a:1/x", 0},
    {"", 0},
};

static void origins(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ORIGINS / sizeof *ORIGINS; i++)
        CHECK_INT(ORIGINS[i].url, http_url_origin(ORIGINS[i].url), ORIGINS[i].len);
}

static bool probe(const char *host, int port, char **resolve, struct err *err)
{
    struct http_config config = client_config();
    config.connect_timeout_ns = 200 * NS_PER_MS;
    char *url = mem_printf("http://%s:%d/v1", host, port);
    bool ok = http_probe(url, &config, resolve, err);
    free(url);
    return ok;
}

static void alive(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(HOLD);
    struct peer *peer = peer_new(&script, 1);
    struct err err = {""};
    char *resolve = NULL;
    assert_true(probe("127.0.0.1", peer->port, &resolve, &err));
    assert_null(resolve);
    if (!probe("localhost", peer->port, &resolve, &err))
        fail_msg("%s", err.text);
    char *want = mem_printf("localhost:%d:127.0.0.1", peer->port);
    CHECK_TEXT("localhost", resolve, want);
    free(want);
    free(resolve);
    peer_free(peer);
}

static void dead(void **state)
{
    (void)state;
    int port, fd = peer_listen(1, &port);
    close(fd);
    struct err err = {""};
    char *resolve = NULL;
    assert_false(probe("127.0.0.1", port, &resolve, &err));
    char *want = mem_printf("cannot reach http://127.0.0.1:%d/v1: connection refused", port);
    CHECK_TEXT("refused", err.text, want);
    free(want);
    assert_null(resolve);
}

static void deaf(void **state)
{
    (void)state;
    int port, filler[4], fd = peer_listen(0, &port);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    for (int i = 0; i < 4; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        assert_true(connect(filler[i], (void *)&at, sizeof at) == 0 || errno == EINPROGRESS);
    }
    struct err err = {""};
    char *resolve = NULL;
    assert_false(probe("127.0.0.1", port, &resolve, &err));
    assert_non_null(strstr(err.text, "no connection within 0.2 s"));
    for (int i = 0; i < 4; i++)
        close(filler[i]);
    close(fd);
}

static void unknown(void **state)
{
    (void)state;
    struct err err = {""};
    char *resolve = NULL;
    assert_false(probe("no-such-host.invalid", 80, &resolve, &err));
    assert_non_null(strstr(err.text, "cannot reach http://no-such-host.invalid:80/v1: "));
    struct http_config config = client_config();
    assert_false(http_probe("gopher://x/", &config, &resolve, &err));
    assert_non_null(strstr(err.text, "http or https"));
}

/* The name leads where `resolve` says and nowhere else: no such name exists. */
static void resolve_is_used(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(ECHO(0));
    struct peer *peer = peer_new(&script, 1);
    char *resolve = mem_printf("no-such-host.invalid:%d:127.0.0.1", peer->port);
    char *url = mem_printf("http://no-such-host.invalid:%d/", peer->port);
    struct http_config config = client_config();
    config.resolve = resolve;
    struct client *client = client_new(&config);
    free(resolve); /* http keeps its own */
    for (size_t i = 0; i < 2; i++)
        client_must_start(client, client_exchange(url, "POST", "{}"));
    client_run(client, 2);
    for (size_t i = 0; i < 2; i++)
        CHECK_INT("finish", client->ended[i]->finish, FINISH_COMPLETE);
    free(url);
    client_free(client);
    peer_free(peer);
}

/* A proxy that answers in the target's place: the name is its business. */
static void proxy_keeps_its_names(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(HOLD);
    struct peer *peer = peer_new(&script, 1);
    char *proxy = mem_printf("http://127.0.0.1:%d", peer->port);
    setenv("http_proxy", proxy, 1);
    struct err err = {""};
    char *resolve = NULL;
    struct http_config config = client_config();
    bool ok = http_probe("http://no-such-host.invalid/", &config, &resolve, &err);
    unsetenv("http_proxy");
    if (!ok)
        fail_msg("%s", err.text);
    assert_null(resolve);
    for (int i = 0; i < 1000 && !peer->connections; i++)
        peer_sleep(5); /* it may still have to accept */
    CHECK_INT("connections", peer->connections, 1);
    free(proxy);
    peer_free(peer);
}

/* ---- signals and slow names ---- */

struct caller {
    int signo;
    pthread_t thread;
};

static void *call(void *arg)
{
    const struct caller *caller = arg;
    peer_sleep(100);
    kill(getpid(), caller->signo);
    return NULL;
}

/* The server accepts and says nothing, so that the TLS handshake never ends. */
static void signals_end_it(void **state)
{
    (void)state;
    static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP};
    const struct act *script = SCRIPT(HOLD);
    struct peer *peer = peer_new(&script, 1);
    char *url = mem_printf("https://127.0.0.1:%d/v1", peer->port), *resolve = NULL;
    struct http_config config = client_config();
    config.connect_timeout_ns = 60 * NS_PER_S;
    for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++) {
        struct caller caller = {.signo = SIGNALS[i]};
        struct err err = {""};
        sigset_t set;
        int got = 0;
        sigemptyset(&set);
        sigaddset(&set, SIGNALS[i]);
        assert_false(signals_pending());
        pthread_create(&caller.thread, NULL, call, &caller);
        uint64_t from = clock_now_ns();
        assert_false(http_probe(url, &config, &resolve, &err));
        uint64_t took = clock_now_ns() - from;
        pthread_join(caller.thread, NULL);
        CHECK_TEXT(strsignal(SIGNALS[i]), err.text, "interrupted");
        CHECK_INT("in time", took < 30 * NS_PER_S, true);
        assert_true(signals_pending()); /* it is for others to take */
        sigwait(&set, &got);
        CHECK_INT("signal", got, SIGNALS[i]);
    }
    free(url);
    peer_free(peer);
}

/* libcurl resolves in a thread of its own, in this function's stead: "slow.invalid" takes until it
 * is let go, "here.invalid" is this machine. */
static sem_t let_go;

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **list)
{
    union {
        void *object;
        int (*function)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    } real = {.object = dlsym(RTLD_NEXT, "getaddrinfo")};
    if (host && strcmp(host, "slow.invalid") == 0) {
        sem_wait(&let_go);
        return EAI_FAIL;
    }
    bool here = host && strcmp(host, "here.invalid") == 0;
    return real.function(here ? "127.0.0.1" : host, service, hints, list);
}

static void slow_name(void **state)
{
    (void)state;
    sem_init(&let_go, 0, 0);
    struct err err = {""};
    char *resolve = NULL;
    assert_false(probe("slow.invalid", 80, &resolve, &err));
    assert_non_null(strstr(err.text, "no connection within 0.2 s"));
    sem_post(&let_go);
}

static const struct pin {
    const char *name, *proxy; /* a proxy's port is that of the target where there is a %d */
    const char *no_proxy;
    bool pinned;
} PINS[] = {
    {"no proxy", "", "", true},
    {"a proxy that is not for it", "http://127.0.0.1:1", "here.invalid", true},
    {"the same with a path", "http://127.0.0.1:1/", "here.invalid", true},
    {"a proxy without a port", "http://127.0.0.1", "here.invalid", false},
    {"a proxy at the same port", "http://127.0.0.1:%d", "", false},
};

/* The address is only kept where it is the target's for certain. */
static void names_are_pinned(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(HOLD);
    struct peer *peer = peer_new(&script, 1);
    char *want = mem_printf("here.invalid:%d:127.0.0.1", peer->port);
    for (size_t i = 0; i < sizeof PINS / sizeof *PINS; i++) {
        const struct pin *pin = &PINS[i];
        struct err err = {""};
        char *resolve = NULL, *same = mem_printf("http://127.0.0.1:%d", peer->port);
        setenv("http_proxy", strchr(pin->proxy, '%') ? same : pin->proxy, 1);
        setenv("no_proxy", pin->no_proxy, 1);
        bool ok = probe("here.invalid", peer->port, &resolve, &err);
        unsetenv("http_proxy");
        unsetenv("no_proxy");
        if (!ok)
            fail_msg("%s: %s", pin->name, err.text);
        CHECK_TEXT(pin->name, resolve ? resolve : "", pin->pinned ? want : "");
        free(resolve);
        free(same);
    }
    free(want);
    peer_free(peer);
}

static int all(void)
{
    if (!client_global_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(origins),
        cmocka_unit_test(alive),
        cmocka_unit_test(dead),
        cmocka_unit_test(deaf),
        cmocka_unit_test(unknown),
        cmocka_unit_test(resolve_is_used),
        cmocka_unit_test(proxy_keeps_its_names),
        cmocka_unit_test(signals_end_it),
        cmocka_unit_test(slow_name),
        cmocka_unit_test(names_are_pinned),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_fini();
    return failed;
}

int main(void)
{
    return check_by_the_clock(all);
}
