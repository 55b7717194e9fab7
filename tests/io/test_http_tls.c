/* Against a real TLS server: verification, stamps, the probe. */
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

#define FOLDER "/tmp/llmbench-tls-XXXXXX"
#define PEER TEST_DATA "/../io/tls_peer.py"

/* In a folder of their own, which is the current one; made by set_up, gone after tear_down. */
#define CERT "cert.pem"
#define KEY "key.pem"

struct tls_peer {
    pid_t pid;
    int in, port;
    const char *folder;
};

static struct tls_peer tls_peer_new(void)
{
    int in[2], out[2];
    assert_int_equal(pipe(in) | pipe(out), 0);
    struct tls_peer peer = {.pid = fork(), .in = in[1]};
    if (peer.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        execlp("python3", "python3", "-B", PEER, CERT, KEY, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    FILE *from = fdopen(out[0], "r");
    if (fscanf(from, "%d", &peer.port) != 1)
        fail_msg("%s did not start", PEER);
    fclose(from);
    return peer;
}

static void tls_peer_end(const struct tls_peer *peer)
{
    close(peer->in);
    waitpid(peer->pid, NULL, 0);
}

/* For 127.0.0.1 and no name; signed by itself. */
static bool make_certificate(void)
{
    return system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
                  " -keyout " KEY " -out " CERT " -days 2 -subj /CN=test"
                  " -addext subjectAltName=IP:127.0.0.1 2>openssl.log") == 0;
}

static int set_up(void **state)
{
    static char folder[] = FOLDER;
    if (!mkdtemp(folder) || chdir(folder) != 0 || !make_certificate()) {
        fprintf(stderr, "openssl made no certificate in %s\n", folder);
        return -1;
    }
    struct tls_peer *peer = MEM_NEW(struct tls_peer);
    *peer = tls_peer_new();
    peer->folder = folder;
    *state = peer;
    return 0;
}

static int tear_down(void **state)
{
    struct tls_peer *peer = *state;
    tls_peer_end(peer);
    unlink(CERT);
    unlink(KEY);
    unlink("openssl.log");
    int gone = rmdir(peer->folder);
    free(peer);
    return gone;
}

static const struct trust {
    const char *name, *host, *cacert;
    bool insecure, works;
    const char *error;
} TRUSTS[] = {
    {"unknown authority", "127.0.0.1", NULL, false, false, "certificate"},
    {"named authority", "127.0.0.1", CERT, false, true, NULL},
    {"wrong name", "localhost", CERT, false, false, "localhost"},
    {"insecure", "127.0.0.1", NULL, true, true, NULL},
    {"insecure, wrong name", "localhost", NULL, true, true, NULL},
};

static struct http_config trust_config(const struct trust *trust)
{
    struct http_config config = client_config();
    config.cacert = trust->cacert;
    config.insecure = trust->insecure;
    return config;
}

static char *trust_url(const struct trust *trust, const struct tls_peer *peer)
{
    return mem_printf("https://%s:%d/v1", trust->host, peer->port);
}

static void check_trust(const struct trust *want, const char *url)
{
    struct http_config config = trust_config(want);
    struct client *client = client_new(&config);
    for (int i = 0; i < 2; i++) {
        struct exchange *got = client_exchange(url, "POST", "{\"n\":1}");
        client_must_start(client, got);
        client_run(client, client->count + 1);
        const char *error = got->error ? got->error : "";
        if ((got->finish == FINISH_COMPLETE) != want->works)
            fail_msg("%s: finish %d, %s", want->name, got->finish, error);
        if (!want->works) {
            CHECK_INT(want->name, got->fault, OUTCOME_TLS_FAILED);
            if (!strstr(error, want->error))
                fail_msg("%s: error \"%s\" without \"%s\"", want->name, error, want->error);
            continue;
        }
        CHECK_INT(want->name, got->reused, i);
        CHECK_INT(want->name, got->tls_done_ns != 0, !i);
        const struct mark *last = &got->marks[got->mark_count - 1];
        if (!last->kernel_ns || last->kernel_ns > last->own_ns || last->kernel_ns < got->sent_ns)
            fail_msg("%s: the kernel's stamp is missing or out of order", want->name);
        if (i == 0 && (got->connected_ns < got->started_ns ||
                       got->tls_done_ns <= got->connected_ns || got->sent_ns < got->tls_done_ns))
            fail_msg("%s: the phases are out of order", want->name);
    }
    client_free(client);
}

static void who_is_trusted(void **state)
{
    for (size_t i = 0; i < sizeof TRUSTS / sizeof *TRUSTS; i++) {
        char *url = trust_url(&TRUSTS[i], *state);
        check_trust(&TRUSTS[i], url);
        free(url);
    }
}

static void probe_of_tls(void **state)
{
    for (size_t i = 0; i < sizeof TRUSTS / sizeof *TRUSTS; i++) {
        const struct trust *want = &TRUSTS[i];
        struct http_config config = trust_config(want);
        char *url = trust_url(want, *state), *resolve = NULL;
        struct err err = {""};
        bool ok = http_probe(url, &config, &resolve, &err);
        if (ok != want->works)
            fail_msg("%s: probe %d, %s", want->name, ok, err.text);
        if (!ok &&
            (strncmp(err.text, "cannot reach https://", 21) || !strstr(err.text, want->error)))
            fail_msg("%s: probe said \"%s\"", want->name, err.text);
        free(url);
        free(resolve);
    }
}

static void certificates_that_are_not_there(void **state)
{
    (void)state;
    struct http_config config = client_config();
    config.cacert = "/no/such/file.pem";
    struct err err = {""};
    struct loop *loop = loop_new(&err);
    assert_null(http_new(loop, &config, client_ended, NULL, &err));
    assert_non_null(strstr(err.text, "/no/such/file.pem"));
    loop_free(loop);
}

static int all(void)
{
    if (!client_global_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_trusted),
        cmocka_unit_test(probe_of_tls),
        cmocka_unit_test(certificates_that_are_not_there),
    };
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    http_global_fini();
    return failed;
}

int main(void)
{
    return check_by_the_clock(all);
}
