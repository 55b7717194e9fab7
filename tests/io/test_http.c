/* One exchange at a time against a scripted server: what ends how. */
#include "client.h"
#include "script.h"

/* gzip of "hello, hello, hello\n" */
static const char GZIP[] = {0x1f,       (char)0x8b, 0x08,       0x00,       0x00,       0x00,
                            0x00,       0x00,       0x02,       0x03,       (char)0xcb, 0x48,
                            (char)0xcd, (char)0xc9, (char)0xc9, (char)0xd7, 0x51,       (char)0xc8,
                            0x40,       (char)0xa2, (char)0xb8, 0x00,       (char)0xe7, 0x42,
                            0x6e,       0x52,       0x14,       0x00,       0x00,       0x00};

static char big_header[300 * 1024];

static const struct ending {
    const char *name;
    const struct act *script;
    enum finish finish;
    enum outcome fault;
    int status;
    const char *body;
    const char *error; /* must occur in the sentence */
} ENDINGS[] = {
    {"plain", SCRIPT(REQ, SEND(LENGTH(5) "hello")), FINISH_COMPLETE, 0, 200, "hello", NULL},
    {"chunked", SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")), FINISH_COMPLETE, 0,
     200, "hello!", NULL},
    {"chunked with trailers",
     SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\n0\r\nContent-Type: a/b\r\nX: y\r\n\r\n")),
     FINISH_COMPLETE, 0, 200, "hello", NULL},
    {"no length, closed", SCRIPT(REQ, SEND("HTTP/1.0 200 OK\r\n\r\nhello")), FINISH_COMPLETE, 0,
     200, "hello", NULL},
    {"1xx first",
     SCRIPT(REQ,
            SEND("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Type: a/b\r\n"
                 "Link: <x>\r\n\r\n"),
            PAUSE(5), SEND(LENGTH(2) "ok")),
     FINISH_COMPLETE, 0, 200, "ok", NULL},
    {"101 is an answer", SCRIPT(REQ, SEND("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")),
     FINISH_COMPLETE, 0, 101, "", NULL},
    {"204", SCRIPT(REQ, SEND("HTTP/1.1 204 No\r\nConnection: close\r\n\r\n")), FINISH_COMPLETE, 0,
     204, "", NULL},
    {"304", SCRIPT(REQ, SEND("HTTP/1.1 304 Not\r\nConnection: close\r\n\r\n")), FINISH_COMPLETE, 0,
     304, "", NULL},
    {"redirect is not followed",
     SCRIPT(REQ, SEND("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                      "Connection: close\r\nContent-Length: 2\r\n\r\nno")),
     FINISH_COMPLETE, 0, 302, "no", NULL},
    {"429",
     SCRIPT(REQ, SEND("HTTP/1.1 429 Slow\r\nConnection: close\r\nContent-Length: 4\r\n\r\n"
                      "wait")),
     FINISH_COMPLETE, 0, 429, "wait", NULL},
    {"more than the length", SCRIPT(REQ, SEND(LENGTH(2) "hello")), FINISH_COMPLETE, 0, 200, "he",
     NULL},
    {"gzip",
     SCRIPT(REQ, SEND(OK_HEAD "Content-Encoding: gzip\r\nConnection: close\r\n\r\n"),
            SENDN(GZIP, sizeof GZIP)),
     FINISH_COMPLETE, 0, 200, "hello, hello, hello\n", NULL},
    {"gzip in pieces",
     SCRIPT(REQ, SEND(OK_HEAD "Content-Encoding: gzip\r\nConnection: close\r\n\r\n"),
            {.kind = ACT_TRICKLE, .bytes = GZIP, .len = sizeof GZIP, .ms = 1}),
     FINISH_COMPLETE, 0, 200, "hello, hello, hello\n", NULL},
    {"not gzip",
     SCRIPT(REQ, SEND(OK_HEAD "Content-Encoding: gzip\r\nConnection: close\r\n\r\nplain text")),
     FINISH_BROKEN, OUTCOME_BAD_RESPONSE, 200, "", NULL},
    {"byte by byte",
     SCRIPT(REQ, {.kind = ACT_TRICKLE, .bytes = CHUNKED "5\r\nhello\r\n0\r\n\r\n", .ms = 1}),
     FINISH_COMPLETE, 0, 200, "hello", NULL},
    {"nothing", SCRIPT(REQ), FINISH_BROKEN, OUTCOME_RESET, 0, "", "Empty reply"},
    {"reset before", SCRIPT(REQ, PAUSE(5), RESET), FINISH_BROKEN, OUTCOME_RESET, 0, "", "reset"},
    {"reset in the headers", SCRIPT(REQ, SEND(OK_HEAD), PAUSE(100), RESET), FINISH_BROKEN,
     OUTCOME_RESET, 200, "", "reset"},
    {"reset in the body", SCRIPT(REQ, SEND(LENGTH(9) "hello"), PAUSE(100), RESET), FINISH_BROKEN,
     OUTCOME_RESET, 200, "hello", "reset"},
    {"reset in a chunk", SCRIPT(REQ, SEND(CHUNKED "9\r\nhello"), PAUSE(100), RESET), FINISH_BROKEN,
     OUTCOME_RESET, 200, "hello", "reset"},
    {"closed in the headers", SCRIPT(REQ, SEND(OK_HEAD "Content-Le")), FINISH_BROKEN,
     OUTCOME_TRUNCATED, 200, "", "middle of the response's headers"},
    {"closed in the body", SCRIPT(REQ, SEND(LENGTH(9) "hello")), FINISH_BROKEN, OUTCOME_TRUNCATED,
     200, "hello", "4 bytes"},
    {"closed in a chunk", SCRIPT(REQ, SEND(CHUNKED "9\r\nhello")), FINISH_BROKEN, OUTCOME_TRUNCATED,
     200, "hello", "outstanding"},
    {"closed between chunks", SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\n")), FINISH_BROKEN,
     OUTCOME_TRUNCATED, 200, "hello", "outstanding"},
    {"bad chunk", SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\nxyz\r\n")), FINISH_BROKEN,
     OUTCOME_BAD_RESPONSE, 200, "hello", "chunked"},
    {"huge chunk size", SCRIPT(REQ, SEND(CHUNKED "fffffffffffffffffffff\r\nhello\r\n")),
     FINISH_BROKEN, OUTCOME_BAD_RESPONSE, 200, "", "chunked"},
    {"chunks that come one by one",
     SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\n"), PAUSE(20), SEND("1\r\n,\r\n2"), PAUSE(20),
            SEND("\r\n h\r\n1\r\n"), PAUSE(20), SEND("i\r\n"), PAUSE(20), SEND("0\r\n\r\n")),
     FINISH_COMPLETE, 0, 200, "hello, hi", NULL},
    {"no chunk with the headers",
     SCRIPT(REQ, SEND(CHUNKED), PAUSE(20), SEND("5\r\nhello\r\n0\r\n"), PAUSE(20), SEND("\r\n")),
     FINISH_COMPLETE, 0, 200, "hello", NULL},
    {"the headers cut a chunk in two",
     SCRIPT(REQ, SEND(CHUNKED "5\r\nhe"), PAUSE(20), SEND("llo\r\n"), PAUSE(20), SEND("1\r\n!\r\n"),
            PAUSE(20), SEND("0\r\n\r\n")),
     FINISH_COMPLETE, 0, 200, "hello!", NULL},
    {"trailers come late",
     SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\n"), PAUSE(20), SEND("1\r\n!\r\n0\r\nContent-"),
            PAUSE(20), SEND("Type: a/b\r\nX: y\r\n\r\n")),
     FINISH_COMPLETE, 0, 200, "hello!", NULL},
    {"an extension comes late",
     SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\n"), PAUSE(20), SEND("1;a=b\r\n!\r\n"), PAUSE(20),
            SEND("1\r\n?\r\n0\r\n\r\n")),
     FINISH_COMPLETE, 0, 200, "hello!?", NULL},
    {"a bad chunk comes late",
     SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\n"), PAUSE(20), SEND("1\r\n!\r\nxyz\r\n"), PAUSE(20)),
     FINISH_BROKEN, OUTCOME_BAD_RESPONSE, 200, "hello!", "chunked"},
    {"a chunk longer than its size",
     SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\n"), PAUSE(20), SEND("1\r\n!?\r\n"), PAUSE(20)),
     FINISH_BROKEN, OUTCOME_BAD_RESPONSE, 200, "hello!", "chunked"},
    {"closed late in a chunk",
     SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\n"), PAUSE(20), SEND("9\r\n!"), PAUSE(20)),
     FINISH_BROKEN, OUTCOME_TRUNCATED, 200, "hello!", "outstanding"},
    {"closed late in a size",
     SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\n"), PAUSE(20), SEND("1\r\n!\r\n1"), PAUSE(20)),
     FINISH_BROKEN, OUTCOME_TRUNCATED, 200, "hello!", "outstanding"},
    {"reset late",
     SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\n"), PAUSE(20), SEND("1\r\n!\r\n"), PAUSE(100), RESET),
     FINISH_BROKEN, OUTCOME_RESET, 200, "hello!", "reset"},
    {"reset late in a size",
     SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\n"), PAUSE(20), SEND("1\r\n!\r\n1"), PAUSE(100), RESET),
     FINISH_BROKEN, OUTCOME_RESET, 200, "hello!", "reset"},
    {"any number of CR behind a chunk",
     SCRIPT(REQ, SEND(CHUNKED "5\r\nhello\r\r\n"), PAUSE(20), SEND("1\r\n!\r\r\r\n"), PAUSE(20),
            SEND("0\r\n\r\n")),
     FINISH_COMPLETE, 0, 200, "hello!", NULL},
    {"compressed, and compressed no more",
     SCRIPT(REQ,
            SEND(OK_HEAD
                 "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"
                 "Content-Encoding: identity\r\nContent-Encoding:\r\nConnection: close\r\n\r\n"),
            PAUSE(20), SEND("1e\r\n"), SENDN(GZIP, sizeof GZIP), SEND("\r\n"), PAUSE(20),
            SEND("0\r\n\r\n")),
     FINISH_COMPLETE, 0, 200, "hello, hello, hello\n", NULL},
    {"compressed, says a 1xx of itself",
     SCRIPT(REQ, SEND("HTTP/1.1 103 Hints\r\nContent-Encoding: gzip\r\n\r\n" CHUNKED), PAUSE(20),
            SEND("5\r\nhello\r\n"), PAUSE(20), SEND("0\r\n\r\n")),
     FINISH_COMPLETE, 0, 200, "hello", NULL},
    {"101 in chunks is no HTTP",
     SCRIPT(REQ, SEND("HTTP/1.1 101 Up\r\nTransfer-Encoding: chunked\r\n\r\n"), PAUSE(20),
            SEND("1\r\n!\r\n"), PAUSE(20), SEND("1\r\n?\r\n")),
     FINISH_COMPLETE, 0, 101, "1\r\n!\r\n1\r\n?\r\n", NULL},
    {"huge trailer line",
     SCRIPT(REQ, SEND(CHUNKED "1\r\n!\r\n0\r\n"), SENDN(big_header, sizeof big_header)),
     FINISH_BROKEN, OUTCOME_TOO_LARGE, 200, "!", "trailers"},
    {"no status line", SCRIPT(REQ, SEND("hello\r\n\r\n"), PAUSE(5)), FINISH_BROKEN,
     OUTCOME_BAD_RESPONSE, 0, "", "HTTP/0.9"},
    {"bad length", SCRIPT(REQ, SEND(OK_HEAD "Content-Length: -5\r\n\r\nhello")), FINISH_BROKEN,
     OUTCOME_BAD_RESPONSE, 200, "", "Content-Length"},
    {"huge header line", SCRIPT(REQ, SEND(OK_HEAD), SENDN(big_header, sizeof big_header)),
     FINISH_BROKEN, OUTCOME_TOO_LARGE, 200, "", "100 KB"},
};

static void check_ending(const struct ending *want, const struct exchange *got)
{
    const char *error = got->error ? got->error : "";
    if (got->finish != want->finish)
        fail_msg("%s: finish %d (%s), want %d", want->name, got->finish, error, want->finish);
    if (got->fault != want->fault)
        fail_msg("%s: fault %d (%s), want %d", want->name, got->fault, error, want->fault);
    CHECK_INT(want->name, got->status, want->status);
    char *body = client_body(got);
    CHECK_TEXT(want->name, body, want->body);
    free(body);
    if ((want->finish == FINISH_BROKEN) != (got->error != NULL))
        fail_msg("%s: error \"%s\"", want->name, error);
    if (want->error && !strstr(error, want->error))
        fail_msg("%s: error \"%s\" without \"%s\"", want->name, error, want->error);
}

/* Times are in the order of life, marks rise and end with the body. */
static void check_times(const char *name, const struct exchange *got)
{
    const uint64_t times[] = {got->due_ns,  got->started_ns,    got->connected_ns, got->tls_done_ns,
                              got->sent_ns, got->first_byte_ns, got->headers_ns,   got->end_ns};
    uint64_t last = 0;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        if (times[i] && times[i] < last)
            fail_msg("%s: time %zu lies before the one before", name, i);
        last = times[i] ? times[i] : last;
    }
    uint64_t end = 0, at = got->headers_ns;
    for (size_t i = 0; i < got->mark_count; i++) {
        const struct mark *mark = &got->marks[i];
        uint64_t time = mark_time_ns(mark);
        if (mark->end <= end || time < at || time > got->end_ns || time > mark->own_ns)
            fail_msg("%s: mark %zu is not behind the one before", name, i);
        end = mark->end;
        at = time;
    }
    CHECK_INT(name, end, got->body.len);
}

static void every_ending(void **state)
{
    (void)state;
    memset(big_header, 'x', sizeof big_header);
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        struct peer *peer = peer_new(&ENDINGS[i].script, 1);
        struct exchange *got = client_do(client, peer->port);
        check_ending(&ENDINGS[i], got);
        check_times(ENDINGS[i].name, got);
        assert_true(got->sent_ns && !got->reused && got->connected_ns);
        assert_int_equal(got->resent, 0);
        peer_free(peer);
    }
    client_free(client);
}

static void headers_of_the_final_response(void **state)
{
    (void)state;
    const struct act *script =
        SCRIPT(REQ, SEND("HTTP/1.1 103 Hints\r\nContent-Type: a/b\r\nX-Early: 1\r\n\r\n"
                         "HTTP/1.1 200 OK\r\ncontent-type: \t text/plain; charset=x \r\nX-A: 1\r\n"
                         "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                         "1\r\na\r\n0\r\nX-Trailer: 1\r\nContent-Type: x/y\r\n\r\n"));
    struct peer *peer = peer_new(&script, 1);
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    struct exchange *got = client_do(client, peer->port);
    char *headers = mem_copy(got->headers.data, got->headers.len);
    CHECK_TEXT("type", got->content_type, "text/plain; charset=x");
    CHECK_TEXT("headers", headers,
               "content-type: \t text/plain; charset=x \r\nX-A: 1\r\n"
               "Transfer-Encoding: chunked\r\nConnection: close\r\n");
    free(headers);
    client_free(client);
    peer_free(peer);
}

/* ---- the same answer, cut everywhere ---- */

enum { CUTS = 256, CUT_ACTS = 5 };

struct cuts {
    struct act acts[CUTS][CUT_ACTS];
    const struct act *scripts[CUTS];
    size_t count;
};

static struct cuts *cuts_of(const char *answer, bool go_on)
{
    struct cuts *cuts = calloc(1, sizeof *cuts);
    cuts->count = strlen(answer);
    assert_true(cuts->count < CUTS);
    for (size_t i = 1; i < cuts->count; i++) {
        struct act *act = cuts->acts[i];
        *act++ = (struct act)REQ;
        *act++ = (struct act)SENDN(answer, i);
        *act++ = (struct act)PAUSE(go_on ? 1 : 0);
        if (go_on)
            *act = (struct act)SEND(answer + i);
        cuts->scripts[i - 1] = cuts->acts[i];
    }
    cuts->count--;
    return cuts;
}

static const char *const CUT_ANSWERS[] = {
    CHUNKED "c\r\ndata: hello\n\r\n8;x=y\r\ndata: x\n\r\n0\r\n\r\n",
    CHUNKED "c\r\ndata: hello\n\r\n8\r\ndata: x\n\r\n0\r\n\r\n",
    LENGTH(20) "data: hello\ndata: x\n",
};

static void cut_and_continued(void **state)
{
    (void)state;
    struct http_config config = client_config();
    for (size_t a = 0; a < sizeof CUT_ANSWERS / sizeof *CUT_ANSWERS; a++) {
        struct cuts *cuts = cuts_of(CUT_ANSWERS[a], true);
        struct peer *peer = peer_new(cuts->scripts, cuts->count);
        struct client *client = client_new(&config);
        for (size_t i = 0; i < cuts->count; i++) {
            struct exchange *got = client_do(client, peer->port);
            struct ending want = {"cut", NULL, FINISH_COMPLETE, 0, 200, "data: hello\ndata: x\n",
                                  NULL};
            check_ending(&want, got);
            check_times("cut", got);
        }
        CHECK_INT("connections", peer->connections, cuts->count);
        client_free(client);
        peer_free(peer);
        free(cuts);
    }
}

static void cut_and_closed(void **state)
{
    (void)state;
    struct http_config config = client_config();
    for (size_t a = 0; a < sizeof CUT_ANSWERS / sizeof *CUT_ANSWERS; a++) {
        struct cuts *cuts = cuts_of(CUT_ANSWERS[a], false);
        struct peer *peer = peer_new(cuts->scripts, cuts->count);
        struct client *client = client_new(&config);
        size_t status_line = strlen("HTTP/1.1 200 OK\r\n");
        for (size_t i = 0; i < cuts->count; i++) {
            struct exchange *got = client_do(client, peer->port);
            enum outcome want = i + 1 < status_line ? OUTCOME_RESET : OUTCOME_TRUNCATED;
            /* Of a chunked answer that lacks only its very last "\n" nothing is missing. */
            if (a < 2 && i + 1 == cuts->count && got->finish == FINISH_COMPLETE)
                continue;
            if (got->finish != FINISH_BROKEN || got->fault != want)
                fail_msg("answer %zu cut after %zu: finish %d fault %d (%s), want %d", a, i + 1,
                         got->finish, got->fault, got->error ? got->error : "", want);
            check_times("cut", got);
        }
        client_free(client);
        peer_free(peer);
        free(cuts);
    }
}

/* ---- the request on the wire ---- */

static const struct sending {
    const char *name, *method, *body, *header;
    bool compressed;
    const char *line;   /* how it begins */
    const char *has[4]; /* must occur */
    const char *hasnt[4];
} SENDINGS[] = {
    {"post",
     "POST",
     "{\"n\":1}",
     "X-A: b",
     false,
     "POST /v1?q=1 HTTP/1.1\r\n",
     {"\r\nX-A: b\r\n", "\r\nContent-Type: application/json\r\n", "\r\nContent-Length: 7\r\n",
      "\r\n\r\n{\"n\":1}"},
     {"Expect", "Accept-Encoding", "urlencoded"}},
    {"agent",
     "POST",
     "{}",
     "X-A: b",
     false,
     "POST",
     {"\r\nUser-Agent: test/1\r\n", "\r\nAccept: */*\r\n", "\r\nHost: 127.0.0.1:"},
     {NULL}},
    {"own accept",
     "POST",
     "{}",
     "Accept: text/event-stream",
     false,
     "POST",
     {"\r\nAccept: text/event-stream\r\n"},
     {"*/*"}},
    {"compressed", "POST", "{}", "X-A: b", true, "POST", {"\r\nAccept-Encoding: ", "gzip"}, {NULL}},
    {"own encoding",
     "POST",
     "{}",
     "Accept-Encoding: gzip;q=0.5",
     false,
     "POST",
     {"\r\nAccept-Encoding: gzip;q=0.5\r\n"},
     {"deflate"}},
    {"get",
     "GET",
     NULL,
     "X-A: b",
     false,
     "GET /v1?q=1 HTTP/1.1\r\n",
     {NULL},
     {"Content-Length", "Content-Type"}},
    {"get with body",
     "GET",
     "{}",
     "X-A: b",
     false,
     "GET /v1?q=1 HTTP/1.1\r\n",
     {"\r\nContent-Length: 2\r\n", "\r\n\r\n{}"},
     {NULL}},
    {"put", "PUT", "{}", "X-A: b", false, "PUT /v1?q=1 HTTP/1.1\r\n", {"\r\n\r\n{}"}, {"Expect"}},
    {"delete", "DELETE", NULL, "X-A: b", false, "DELETE /v1?q=1 HTTP/1.1\r\n", {NULL}, {NULL}},
    {"post without body",
     "POST",
     NULL,
     "X-A: b",
     false,
     "POST /v1?q=1 HTTP/1.1\r\n",
     {"\r\nContent-Length: 0\r\n"},
     {"urlencoded"}},
    {"without a value",
     "POST",
     "{}",
     "X-A;",
     false,
     "POST",
     {"\r\nX-A:\r\n", "\r\nContent-Type: application/json\r\n"},
     {";"}},
    {"type without a value",
     "POST",
     NULL,
     "content-type;",
     false,
     "POST",
     {"\r\ncontent-type:\r\n"},
     {"Content-Type", "urlencoded"}},
    {"taken away", "POST", "{}", "Accept:", false, "POST", {NULL}, {"Accept", ";"}},
    {"head", "HEAD", NULL, "X-A: b", false, "HEAD /v1?q=1 HTTP/1.1\r\n", {NULL}, {NULL}},
};

static void check_sending(const struct sending *want, const char *got)
{
    if (strncmp(got, want->line, strlen(want->line)) != 0)
        fail_msg("%s: got \"%s\", want \"%s\"", want->name, got, want->line);
    for (size_t i = 0; i < 4; i++) {
        if (want->has[i] && !strstr(got, want->has[i]))
            fail_msg("%s: \"%s\" is without \"%s\"", want->name, got, want->has[i]);
        if (want->hasnt[i] && strstr(got, want->hasnt[i]))
            fail_msg("%s: \"%s\" has \"%s\"", want->name, got, want->hasnt[i]);
    }
}

/* All go through the same easy handle, so that what one leaves behind would show in the next. */
static void what_is_sent(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(REQ, SEND("HTTP/1.1 204 No\r\nConnection: close\r\n\r\n"));
    struct peer *peer = peer_new(&script, 1);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1?q=1", peer->port);
    struct http_config config = client_config();
    struct client *clients[2];
    for (int c = 0; c < 2; c++) {
        config.compressed = c;
        clients[c] = client_new(&config);
    }
    size_t count = sizeof SENDINGS / sizeof *SENDINGS;
    for (size_t i = 0; i < count * 2; i++) {
        const struct sending *sending = &SENDINGS[i % count];
        struct client *client = clients[sending->compressed];
        struct exchange *exchange = client_exchange(url, sending->method, sending->body);
        list_add(&exchange->request->headers, sending->header);
        client_must_start(client, exchange);
        client_run(client, client->count + 1);
        CHECK_INT(sending->name, exchange->finish, FINISH_COMPLETE);
        check_sending(sending, peer->request);
    }
    client_free(clients[0]);
    client_free(clients[1]);
    peer_free(peer);
}

static void large_body_is_sent_whole(void **state)
{
    (void)state;
    enum { LARGE = 1500000 }; /* libcurl would ask for "100 Continue" from 1 MB on */
    const struct act *script = SCRIPT(REQ, SEND(LENGTH(2) "ok"));
    struct peer *peer = peer_new(&script, 1);
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    struct exchange *exchange = client_post(peer->port);
    struct request *request = exchange->request;
    request->body = mem_resize(request->body, LARGE + 1, 1);
    memset(request->body, 'y', LARGE);
    request->body_len = LARGE;
    client_must_start(client, exchange);
    client_run(client, 1);
    CHECK_INT("finish", exchange->finish, FINISH_COMPLETE);
    const char *body = strstr(peer->request, "\r\n\r\n");
    assert_non_null(body);
    CHECK_INT("length", peer->request_len - (size_t)(body + 4 - peer->request), LARGE);
    CHECK_INT("only y", strspn(body + 4, "y"), LARGE);
    assert_null(strstr(peer->request, "Expect"));
    client_free(client);
    peer_free(peer);
}

static const struct refusal {
    const char *url, *method, *header, *error;
} REFUSALS[] = {
    {"ftp://127.0.0.1/x", "POST", "A: b", "scheme \"ftp\""},
    {"127.0.0.1:8000/v1", "POST", "A: b", "it should look like"},
    {"", "POST", "A: b", "it should look like"},
    {"http://", "POST", "A: b", "it should look like"},
    {"http://127.0.0.1:99999/", "POST", "A: b", "it should look like"},
    {"http://127.0.0.1:1/", "PO ST", "A: b", "\"PO ST\""},
    {"http://127.0.0.1:1/", "", "A: b", "no HTTP method"},
    {"http://127.0.0.1:1/", "POST", "no colon", "\"no colon\""},
    {"http://127.0.0.1:1/", "POST", "A: b\r\nC: d", "\"A\""},
    {"http://127.0.0.1:1/", "POST", "A;b", "\"A\""},
    {"http://127.0.0.1:1/", "POST", "A;\r\nC: d", "\"A\""},
    {"http://127.0.0.1:1/", "POST", ";", "Name;"},
    {"http://127.0.0.1:1/", "POST", ": b", "Name: value"},
};

static void what_cannot_begin(void **state)
{
    (void)state;
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    for (size_t i = 0; i < sizeof REFUSALS / sizeof *REFUSALS; i++) {
        const struct refusal *want = &REFUSALS[i];
        struct exchange *exchange = client_exchange(want->url, want->method, "{}");
        list_add(&exchange->request->headers, want->header);
        struct err err = {""};
        if (client_start(client, exchange, &err))
            fail_msg("%s %s %s has been started", want->method, want->url, want->header);
        if (!strstr(err.text, want->error))
            fail_msg("\"%s\" is without \"%s\"", err.text, want->error);
        exchange_free(exchange);
    }
    assert_int_equal(http_in_flight(client->http), 0);
    client_free(client);
}

static void no_more_than_agreed(void **state)
{
    (void)state;
    const struct act *script = SCRIPT(REQ, HOLD);
    struct peer *peer = peer_new(&script, 1);
    struct http_config config = client_config();
    config.connections = 2;
    struct client *client = client_new(&config);
    struct err err = {""};
    client_must_start(client, client_post(peer->port));
    client_must_start(client, client_post(peer->port));
    struct exchange *third = client_post(peer->port);
    assert_false(client_start(client, third, &err));
    assert_non_null(strstr(err.text, "2 requests"));
    exchange_free(third);
    assert_int_equal(http_in_flight(client->http), 2);
    http_cancel_all(client->http);
    assert_int_equal(client->count, 0); /* not from inside */
    client_run(client, 2);
    for (size_t i = 0; i < 2; i++)
        CHECK_INT("finish", client->ended[i]->finish, FINISH_CANCELLED);
    assert_int_equal(http_in_flight(client->http), 0);
    client_free(client);
    peer_free(peer);
}

/* ---- ceilings ---- */

static void body_past_its_ceiling(void **state)
{
    (void)state;
    const struct act *script =
        SCRIPT(REQ, SEND(LENGTH(20) "0123456789"), PAUSE(100), SEND("0123456789"));
    struct peer *peer = peer_new(&script, 1);
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    struct exchange *exchange = client_post(peer->port);
    exchange->body.limit = 15;
    client_must_start(client, exchange);
    client_run(client, 1);
    struct ending want = {"ceiling", NULL,         FINISH_BROKEN, OUTCOME_TOO_LARGE,
                          200,       "0123456789", "15 bytes"};
    check_ending(&want, exchange);
    client_free(client);
    peer_free(peer);
}

enum { FLOOD_LINES = 400 };

/* What goes before 400 lines of 1 KB each. */
static const struct flood {
    const char *name, *head, *line; /* how each line begins */
    int status;
    const char *body;
} FLOODS[] = {
    {"headers", OK_HEAD, "X: ", 200, ""},
    {"provisional headers", "HTTP/1.1 103 Hints\r\n", "X: ", 0, ""},
    {"provisional answers", "HTTP/1.1 103 Hints\r\n", "\r\nHTTP/1.1 103 Hints\r\nX: ", 0, ""},
    {"trailers", CHUNKED "1\r\n!\r\n0\r\n", "X: ", 200, "!"},
};

static void headers_past_their_ceiling(void **state)
{
    (void)state;
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    for (size_t f = 0; f < sizeof FLOODS / sizeof *FLOODS; f++) {
        char line[1002];
        memset(line, 'a', sizeof line);
        memcpy(line, FLOODS[f].line, strlen(FLOODS[f].line));
        memcpy(line + 998, "\r\n", 3);
        struct act acts[FLOOD_LINES + 3] = {REQ, {.kind = ACT_SEND, .bytes = FLOODS[f].head}};
        for (int i = 0; i < FLOOD_LINES; i++)
            acts[i + 2] = (struct act)SEND(line);
        const struct act *script = acts;
        struct peer *peer = peer_new(&script, 1);
        struct ending want = {FLOODS[f].name,   NULL,           FINISH_BROKEN, OUTCOME_TOO_LARGE,
                              FLOODS[f].status, FLOODS[f].body, "headers are"};
        check_ending(&want, client_do(client, peer->port));
        peer_free(peer);
    }
    client_free(client);
}

int main(void)
{
    if (!client_global_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ending),          cmocka_unit_test(headers_of_the_final_response),
        cmocka_unit_test(cut_and_continued),     cmocka_unit_test(cut_and_closed),
        cmocka_unit_test(what_is_sent),          cmocka_unit_test(large_body_is_sent_whole),
        cmocka_unit_test(what_cannot_begin),     cmocka_unit_test(no_more_than_agreed),
        cmocka_unit_test(body_past_its_ceiling), cmocka_unit_test(headers_past_their_ceiling),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_fini();
    return failed;
}
