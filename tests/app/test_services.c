/* What the program does for scripts: requests over libcurl, against a server in a thread. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/services.h"
#include "base/clock.h"
#include "base/mem.h"
#include "check.h"
#include "io/http.h"
#include "model/run_spec.h"

/* A server that answers each connection with `answer` and keeps what it was sent. */
struct echo {
    int fd;
    uint16_t port;
    const char *answer; /* NULL: silence */
    char asked[8192];
    pthread_t thread;
};

static bool is_whole(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "content-length:");
    return end && (!length || strlen(end + 4) >= strtoul(length + 15, NULL, 10));
}

static void *echo_thread(void *arg)
{
    struct echo *echo = arg;
    int fd = accept(echo->fd, NULL, NULL);
    size_t len = 0;
    ssize_t got;
    while (!is_whole(echo->asked) &&
           (got = recv(fd, echo->asked + len, sizeof echo->asked - 1 - len, 0)) > 0)
        echo->asked[len += (size_t)got] = '\0';
    if (echo->answer)
        send(fd, echo->answer, strlen(echo->answer), MSG_NOSIGNAL);
    char rest[256]; /* silence lasts until the client goes */
    while (!echo->answer && recv(fd, rest, sizeof rest, 0) > 0)
        continue;
    close(fd);
    return NULL;
}

static void echo_start(struct echo *echo, const char *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    *echo = (struct echo){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .answer = answer};
    assert_int_equal(bind(echo->fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(echo->fd, 4), 0);
    assert_int_equal(getsockname(echo->fd, (struct sockaddr *)&address, &size), 0);
    echo->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&echo->thread, NULL, echo_thread, echo), 0);
}

static void echo_stop(struct echo *echo)
{
    pthread_join(echo->thread, NULL);
    close(echo->fd);
}

static void answer_init(struct script_http_answer *answer, size_t body_limit)
{
    *answer = (struct script_http_answer){0};
    buf_init(&answer->headers, 1000);
    buf_init(&answer->body, body_limit);
}

static void answer_fini(struct script_http_answer *answer)
{
    buf_fini(&answer->headers);
    buf_fini(&answer->body);
}

static struct run_spec spec = {.connect_timeout_ns = 2 * NS_PER_S};

static bool ask(uint16_t port, const char *method, const char *body, const char *header,
                struct script_http_answer *answer, struct err *err)
{
    struct script_services services = services_of(&spec, NULL);
    struct list headers = {0};
    char *url = mem_printf("http://127.0.0.1:%u/path?q=1", (unsigned)port);
    if (header)
        list_add(&headers, header);
    struct script_http_request request = {.method = method,
                                          .url = url,
                                          .headers = &headers,
                                          .body = span_text(body),
                                          .timeout_ns = 500 * NS_PER_MS};
    bool ok = services.http(services.arg, &request, answer, err);
    list_fini(&headers);
    free(url);
    return ok;
}

#define PLAIN "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello"

static const struct {
    const char *name, *method, *body, *header, *answer;
    const char *asked[3]; /* parts of the request; the first is its beginning */
    const char *absent;   /* no part of it */
    int status;
    const char *headers, *got;
} cases[] = {
    {"get",
     "GET",
     NULL,
     NULL,
     PLAIN,
     {"GET /path?q=1 HTTP/1.1\r\n", "User-Agent: llmbench/"},
     "Content-Type",
     200,
     "X-A: b\r\nContent-Length: 5\r\n",
     "hello"},
    {"post",
     "POST",
     "a=b",
     "X-Y: z",
     PLAIN,
     {"POST /path?q=1 HTTP/1.1\r\n", "X-Y: z\r\n", "\r\n\r\na=b"},
     "Content-Type",
     200,
     "X-A: b\r\nContent-Length: 5\r\n",
     "hello"},
    {"post nothing",
     "POST",
     "",
     "Content-Type: x/y",
     PLAIN,
     {"POST ", "Content-Length: 0\r\n", "Content-Type: x/y\r\n"},
     "urlencoded",
     200,
     "X-A: b\r\nContent-Length: 5\r\n",
     "hello"},
    {"another method",
     "DELETE",
     NULL,
     NULL,
     "HTTP/1.1 204 Gone\r\n\r\n",
     {"DELETE /path?q=1"},
     "Content-Length",
     204,
     "",
     ""},
    {"an error status is an answer",
     "GET",
     NULL,
     NULL,
     "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
     {"GET"},
     "Expect",
     403,
     "Content-Length: 2\r\n",
     "no"},
    {"a redirect is not followed",
     "GET",
     NULL,
     NULL,
     "HTTP/1.1 302 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
     {"GET"},
     "Expect",
     302,
     "Location: http://127.0.0.1:1/\r\nContent-Length: 0\r\n",
     ""},
    {"a provisional answer is left out",
     "POST",
     "x",
     NULL,
     "HTTP/1.1 103 Hints\r\nX-Early: 1\r\n\r\n" PLAIN,
     {"POST"},
     "Expect",
     200,
     "X-A: b\r\nContent-Length: 5\r\n",
     "hello"},
};

static void requests_are_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *name = cases[i].name;
        struct echo echo;
        struct err err;
        struct script_http_answer answer;
        answer_init(&answer, 1000);
        echo_start(&echo, cases[i].answer);
        bool ok = ask(echo.port, cases[i].method, cases[i].body, cases[i].header, &answer, &err);
        echo_stop(&echo);
        if (!ok)
            fail_msg("%s: %s", name, err.text);
        for (size_t k = 0; k < 3 && cases[i].asked[k]; k++)
            if (!strstr(echo.asked, cases[i].asked[k]))
                fail_msg("%s: \"%s\" lacks \"%s\"", name, echo.asked, cases[i].asked[k]);
        if (strstr(echo.asked, cases[i].absent))
            fail_msg("%s: \"%s\" has \"%s\"", name, echo.asked, cases[i].absent);
        CHECK_INT(name, answer.status, cases[i].status);
        buf_add_char(&answer.headers, '\0');
        buf_add_char(&answer.body, '\0');
        CHECK_TEXT(name, answer.headers.data, cases[i].headers);
        CHECK_TEXT(name, answer.body.data, cases[i].got);
        answer_fini(&answer);
    }
}

static void failures_are_sentences(void **state)
{
    (void)state;
    struct echo echo;
    struct err err;
    struct script_http_answer answer;

    answer_init(&answer, 4);
    echo_start(&echo, PLAIN);
    assert_false(ask(echo.port, "GET", NULL, NULL, &answer, &err));
    CHECK_TEXT("too large", err.text, "the answer is larger than 4 bytes");
    echo_stop(&echo);
    answer_fini(&answer);

    answer_init(&answer, 1000);
    echo_start(&echo, NULL);
    uint64_t begun_ns = clock_now_ns();
    assert_false(ask(echo.port, "GET", NULL, NULL, &answer, &err));
    assert_true(clock_now_ns() - begun_ns >= 450 * NS_PER_MS);
    if (!strstr(err.text, "timed out"))
        fail_msg("silence: %s", err.text);
    echo_stop(&echo);

    echo_start(&echo, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello");
    assert_false(ask(echo.port, "GET", NULL, NULL, &answer, &err));
    if (!strstr(err.text, "remaining") || strstr(err.text, "q=1"))
        fail_msg("cut: %s", err.text);
    echo_stop(&echo);
    answer_fini(&answer);
}

/* A proxy that leads nowhere stands in the environment. */
static void no_proxy_stands_before_this_machine(void **state)
{
    (void)state;
    struct echo echo;
    struct err err;
    struct script_http_answer answer;
    answer_init(&answer, 1000);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    echo_start(&echo, PLAIN);
    if (!ask(echo.port, "GET", NULL, NULL, &answer, &err))
        fail_msg("%s", err.text);
    unsetenv("http_proxy");
    CHECK_INT("status", answer.status, 200);
    echo_stop(&echo);
    answer_fini(&answer);
    static const struct {
        const char *url;
        bool local;
    } urls[] = {{"http://127.0.0.1/", true},       {"https://localhost:8000/x", true},
                {"http://[::1]:5/", true},         {"http://127.0.0.1.example.org/", false},
                {"http://example.org/", false},    {"nonsense", false},
                {"http://localhost.evil/", false}, {"http://10.0.0.1/", false}};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        CHECK_INT(urls[i].url, http_is_local(urls[i].url), urls[i].local);
}

static int begin(void **state)
{
    struct err err;
    (void)state;
    return http_global_init(&err) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    http_global_fini();
    return 0;
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered),
        cmocka_unit_test(failures_are_sentences),
        cmocka_unit_test(no_proxy_stands_before_this_machine),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

int main(void)
{
    return check_by_the_clock(all);
}
