/* The mock server's connections: how requests may arrive, how answers may break, what is counted.
 */
#include "client.h"

static struct server server; /* one for all tests of this program */

enum { TOKENS = 8 };

#define CHAT "/v1/chat/completions"
#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"hello there\"}]"
#define STREAM "{\"model\":\"m\",\"stream\":true," MESSAGES "}"
#define PLAIN "{\"model\":\"m\"," MESSAGES "}"

static int start(void **state)
{
    (void)state;
    const struct mock_config config = {
        .ttft_ns = 5 * NS_PER_MS, .itl_ns = NS_PER_MS, .tokens = TOKENS, .seed = 1};
    return server_start(&server, config) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    server_stop(&server);
    return server.served ? 0 : -1;
}

static void reset(void)
{
    struct reply reply;
    exchange(server.port, "/reset", "", &reply);
    CHECK_INT("reset", reply.status, 200);
    reply_fini(&reply);
}

/* Waits until a number in /stats is as wanted: what the client sees and what the server has counted
 * are not one moment. */
static void wait_for(const char *path, double want)
{
    double got = -1;
    for (int i = 0; i < 1000 && got != want; i++) {
        cJSON *stats = fetch_stats(server.port, "/stats");
        got = number(stats, path);
        cJSON_Delete(stats);
        if (got != want)
            usleep(10000);
    }
    CHECK_INT(path, got, want);
}

static void expect_stream(struct client *client, const char *name)
{
    struct reply reply;
    struct stream stream;
    client_reply(client, &reply);
    CHECK_INT(name, reply.status, 200);
    CHECK_INT(name, reply.complete, true);
    stream_read(&stream, &reply);
    CHECK_INT(name, stream.tokens, TOKENS);
    CHECK_INT(name, stream.dones, 1);
    stream_fini(&stream);
    reply_fini(&reply);
}

static void expect_status(struct client *client, const char *name, int status)
{
    struct reply reply;
    client_reply(client, &reply);
    CHECK_INT(name, reply.status, status);
    CHECK_INT(name, reply.complete, status >= 200);
    reply_fini(&reply);
}

/* Nothing more comes, and the server has closed in order. */
static void expect_end(struct client *client, const char *name)
{
    struct reply reply = {0};
    struct buf nothing;
    buf_init(&nothing, 16);
    CHECK_INT(name, client_take(client, 1, &nothing, &reply), false);
    CHECK_INT(name, reply.reset || reply.silent, false);
    buf_fini(&nothing);
}

/* ---- how requests arrive ---- */

static void test_a_connection_is_kept(void **state)
{
    (void)state;
    struct client client;
    client_open(&client, server.port);
    for (int i = 0; i < 3; i++) {
        client_post(&client, CHAT, STREAM);
        expect_stream(&client, "stream");
        client_post(&client, CHAT, PLAIN);
        expect_status(&client, "plain", 200);
        client_post(&client, CHAT, "{}");
        expect_status(&client, "bad", 400);
        client_get(&client, "/health");
        expect_status(&client, "health", 200);
    }
    client_close(&client);
}

static void test_requests_in_a_row_are_answered_in_order(void **state)
{
    (void)state;
    struct client client;
    struct buf row;
    char *post = mem_printf("POST " CHAT " HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
                            strlen(STREAM), STREAM);
    buf_init(&row, 1 << 20);
    for (int i = 0; i < 300; i++)
        buf_add_text(&row, i % 100 == 50 ? post : "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    client_open(&client, server.port);
    client_send(&client, row.data, row.len);
    shutdown(client.fd, SHUT_WR); /* half closed: all answers still come */
    for (int i = 0; i < 300; i++) {
        if (i % 100 == 50)
            expect_stream(&client, "pipelined stream");
        else
            expect_status(&client, "pipelined", 200);
    }
    expect_end(&client, "after the last");
    client_close(&client);
    buf_fini(&row);
    free(post);
}

static void test_requests_may_come_in_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *name, *head;
        bool chunked;
        size_t piece;
    } rows[] = {
        {"bytes", "POST " CHAT " HTTP/1.1\r\nHost: x\r\n", false, 1},
        {"chunked bytes", "POST " CHAT " HTTP/1.1\r\nHost: x\r\n", true, 1},
        {"chunked", "POST " CHAT " HTTP/1.1\r\nHost: x\r\n", true, 1000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client client;
        struct buf text;
        buf_init(&text, 1 << 20);
        buf_add_text(&text, rows[i].head);
        if (rows[i].chunked)
            buf_printf(&text,
                       "Transfer-Encoding: chunked\r\n\r\n5\r\n%.5s\r\n%zx\r\n%s\r\n0\r\n\r\n",
                       STREAM, strlen(STREAM) - 5, &STREAM[5]);
        else
            buf_printf(&text, "Content-Length: %zu\r\n\r\n%s", strlen(STREAM), STREAM);
        client_open(&client, server.port);
        int on = 1;
        setsockopt(client.fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
        for (size_t at = 0; at < text.len; at += rows[i].piece)
            client_send(&client, text.data + at,
                        text.len - at < rows[i].piece ? text.len - at : rows[i].piece);
        expect_stream(&client, rows[i].name);
        client_close(&client);
        buf_fini(&text);
    }
}

static void test_expectation_is_answered(void **state)
{
    (void)state;
    struct client client;
    char *head = mem_printf("POST " CHAT " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                            "Content-Length: %zu\r\n\r\n",
                            strlen(STREAM));
    client_open(&client, server.port);
    for (int i = 0; i < 2; i++) {
        client_send(&client, head, strlen(head));
        expect_status(&client, "interim", 100);
        client_send(&client, STREAM, strlen(STREAM));
        expect_stream(&client, "after 100");
    }
    client_close(&client);
    free(head);
}

static void test_old_clients_get_no_chunks(void **state)
{
    (void)state;
    struct client client;
    struct reply reply;
    struct stream stream;
    char *text = mem_printf("POST " CHAT " HTTP/1.0\r\nContent-Length: %zu\r\n\r\n%s",
                            strlen(STREAM), STREAM);
    client_open(&client, server.port);
    client_send(&client, text, strlen(text));
    client_reply(&client, &reply);
    assert_true(reply.complete && !reply.chunked);
    stream_read(&stream, &reply);
    CHECK_INT("tokens", stream.tokens, TOKENS);
    CHECK_INT("done", stream.dones, 1);
    stream_fini(&stream);
    reply_fini(&reply);
    client_close(&client);
    free(text);
}

/* ---- faults ---- */

enum ending { CUT, RESET, SILENT, CLOSED };

static const struct {
    const char *path, *body;
    enum ending ending;
    unsigned tokens, dones;
    bool fault;  /* counted as one */
    bool flying; /* still in flight as long as the client stays */
} faults[] = {
    {CHAT "?abort=3", STREAM, CUT, 3, 0, true, false},
    {CHAT "?abort=0", STREAM, CUT, 0, 0, true, false},
    {CHAT "?abort=3&coal=5", STREAM, CUT, 3, 0, true, false},
    {CHAT "?reset=3", STREAM, RESET, 3, 0, true, false},
    {CHAT "?stall=3", STREAM, SILENT, 3, 0, true, true},
    {CHAT "?stall=0", STREAM, SILENT, 0, 0, true, true},
    {CHAT "?hold=1", STREAM, SILENT, TOKENS, 1, false, false},
    {CHAT "?close=1", STREAM, CLOSED, TOKENS, 1, false, false},
    {CHAT "?abort=0", PLAIN, CUT, 0, 0, true, false},
    {CHAT "?stall=0", PLAIN, SILENT, 0, 0, true, true},
};

static void check_ending(size_t i, struct client *client, const struct reply *reply)
{
    const char *name = faults[i].path;
    CHECK_INT(name, reply->status, 200);
    CHECK_INT(name, reply->complete, faults[i].ending == CLOSED);
    CHECK_INT(name, reply->reset, faults[i].ending == RESET);
    CHECK_INT(name, reply->silent, faults[i].ending == SILENT);
    if (faults[i].ending == CLOSED) {
        assert_non_null(strstr(reply->head.data, "connection: close"));
        expect_end(client, name);
    }
    if (faults[i].ending == CUT && !reply->chunked)
        assert_true(reply->body.len > 20); /* half of a plain answer has come */
}

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct client client;
        struct reply reply;
        struct stream stream = {0};
        reset();
        client_open(&client, server.port);
        client_patience(&client, faults[i].ending == SILENT ? 300 : 20000);
        client_post(&client, faults[i].path, faults[i].body);
        client_reply(&client, &reply);
        check_ending(i, &client, &reply);
        if (reply.chunked)
            stream_read(&stream, &reply);
        CHECK_INT(faults[i].path, stream.tokens, faults[i].tokens);
        CHECK_INT(faults[i].path, stream.dones, faults[i].dones);
        wait_for("in_flight.now", faults[i].flying);
        client_close(&client);
        wait_for("connections.open", 1); /* the one that asks */
        wait_for("in_flight.now", 0);
        wait_for("faults", faults[i].fault);
        wait_for("aborted_by_client", faults[i].flying);
        wait_for("completed", !faults[i].fault);
        stream_fini(&stream);
        reply_fini(&reply);
    }
}

static void test_an_error_in_a_plain_answer_is_500(void **state)
{
    (void)state;
    struct reply reply;
    exchange(server.port, CHAT "?error=2", PLAIN, &reply);
    CHECK_INT("status", reply.status, 500);
    assert_non_null(strstr(reply.body.data, "server_error"));
    reply_fini(&reply);
}

/* ---- clients with manners and without ---- */

static void test_a_client_that_leaves_is_counted(void **state)
{
    (void)state;
    struct client client;
    reset();
    client_open(&client, server.port);
    client_post(&client, CHAT "?tokens=10000&itl=5", STREAM);
    wait_for("in_flight.now", 1);
    client_close(&client);
    wait_for("aborted_by_client", 1);
    wait_for("in_flight.now", 0);
    wait_for("connections.open", 1);
    wait_for("completed", 0);
}

/* Until no more tokens leave: the socket is full. */
static void wait_until_blocked(void)
{
    double before = -1;
    int still = 0;
    for (int i = 0; i < 2000 && still < 10; i++) {
        cJSON *stats = fetch_stats(server.port, "/stats");
        double tokens = number(stats, "tokens");
        cJSON_Delete(stats);
        still = tokens > 0 && tokens == before ? still + 1 : 0;
        before = tokens;
        usleep(10000);
    }
    CHECK_INT("still", still, 10);
}

/* The client reads nothing for a while, so the socket fills up; then it gets all of it. */
static void test_a_slow_reader_loses_nothing(void **state)
{
    (void)state;
    struct client client;
    struct reply reply;
    struct stream stream;
    reset();
    client_open(&client, server.port);
    client_post(
        &client, CHAT "?tokens=60000&ttft=0&itl=0",
        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," MESSAGES
        "}");
    wait_until_blocked();
    client_reply(&client, &reply);
    assert_true(reply.complete);
    stream_read(&stream, &reply);
    CHECK_INT("tokens", stream.tokens, 60000);
    CHECK_INT("usage", stream.completion_tokens, 60000);
    CHECK_INT("disorder", stream.disorder, false);
    cJSON *stats = fetch_stats(server.port, "/stats");
    assert_true(number(stats, "blocked") > 0);
    CHECK_INT("sent once each", number(stats, "blocked") + number(stats, "lateness_us.count"),
              60000);
    cJSON_Delete(stats);
    stream_fini(&stream);
    reply_fini(&reply);
    client_close(&client);
}

/* The end of an answer is due with its last token. A client that takes its time to read gets it
 * then, and not one itl later. */
static void test_a_slow_reader_gets_the_end_at_once(void **state)
{
    (void)state;
    struct client client;
    struct reply reply;
    reset();
    client_open(&client, server.port);
    client_post(&client, CHAT "?tokens=1000&coal=1000&ttft=0&itl=60000",
                "{\"model\":\"m\",\"stream\":true,\"n\":64," MESSAGES "}");
    wait_until_blocked();
    client_reply(&client, &reply);
    CHECK_INT("complete", reply.complete, true);
    CHECK_INT("silent", reply.silent, false); /* patience is 20 s */
    cJSON *stats = fetch_stats(server.port, "/stats");
    assert_true(number(stats, "blocked") > 0);
    CHECK_INT("tokens", number(stats, "tokens"), 64000);
    cJSON_Delete(stats);
    reply_fini(&reply);
    client_close(&client);
}

/* A client that has been told of the end and stays is left after a while. */
static void test_closing_does_not_last(void **state)
{
    (void)state;
    struct client client;
    wait_for("connections.open", 1);
    client_open(&client, server.port);
    client_post(&client, CHAT "?close=1", PLAIN);
    expect_status(&client, "plain", 200);
    expect_end(&client, "closed");
    wait_for("connections.open", 2);
    wait_for("connections.open", 1);
    client_close(&client);
}

/* ---- statistics ---- */

enum { CROWD = 64 };

static uint64_t fnv(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

/* CROWD streams at once, each with another prompt; returns the sum of the bodies' hashes. */
static uint64_t send_crowd(void)
{
    static struct client crowd[CROWD];
    uint64_t sum = 0;
    for (int i = 0; i < CROWD; i++) {
        char *body = mem_printf("{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\","
                                "\"content\":\"number %d\"}]}",
                                i);
        client_open(&crowd[i], server.port);
        client_post(&crowd[i], CHAT "?ttft=800", body);
        sum += fnv(body);
        free(body);
    }
    for (int i = 0; i < CROWD; i++) {
        expect_stream(&crowd[i], "one of the crowd");
        client_close(&crowd[i]);
    }
    return sum;
}

static void check_numbers(const cJSON *stats, const char *name)
{
    static const struct {
        const char *path;
        double want;
    } rows[] = {
        {"requests.total", CROWD + 5},
        {"requests.chat", CROWD + 2},
        {"requests.completions", 1},
        {"requests.models", 1},
        {"requests.other", 1},
        {"errors.400", 1},
        {"errors.404", 1},
        {"streams", CROWD},
        {"plain", 2},
        {"completed", CROWD + 2},
        {"aborted_by_client", 0},
        {"faults", 0},
        {"events", CROWD * (TOKENS + 2)},
        {"tokens", (CROWD + 2) * TOKENS},
        {"completion_tokens", (CROWD + 2) * TOKENS},
        {"prompt_tokens", CROWD * 2 + 2 + 2},
        {"bodies.count", CROWD + 3},
        {"bodies.distinct", CROWD + 3},
        {"in_flight.now", 0},
        {"in_flight.max", CROWD},
        {"lateness_us.count", CROWD * TOKENS + 2},
        {"connections.open", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (number(stats, rows[i].path) != rows[i].want)
            fail_msg("%s %s: got %.17g, want %.17g", name, rows[i].path,
                     number(stats, rows[i].path), rows[i].want);
    }
}

static void test_stats_tell_the_truth(void **state)
{
    (void)state;
    static const char completion[] = "{\"model\":\"m\",\"prompt\":\"a b\"}";
    char want[32];
    struct reply reply;
    wait_for("connections.open", 1);
    reset();
    uint64_t sum = send_crowd() + fnv(PLAIN) + fnv(completion) + fnv("{}");
    static const struct {
        const char *path, *body;
    } more[] = {
        {CHAT, PLAIN},
        {"/v1/completions", completion},
        {CHAT, "{}"},
        {"/v1/nothing", "{}"},
    };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        exchange(server.port, more[i].path, more[i].body, &reply);
        reply_fini(&reply);
    }
    cJSON *models = fetch_stats(server.port, "/v1/models");
    cJSON_Delete(models);
    wait_for("connections.open", 1);
    cJSON *stats = fetch_stats(server.port, "/stats?arrivals=1");
    check_numbers(stats, "after the crowd");
    snprintf(want, sizeof want, "%llu", (unsigned long long)sum);
    CHECK_TEXT("hash sum", text_of(stats, "bodies.body_hash_sum"), want);
    CHECK_INT("arrivals", cJSON_GetArraySize(member(stats, "arrivals")), CROWD + 3);
    assert_true(number(stats, "arrivals.1") > number(stats, "arrivals.0"));
    assert_true(number(stats, "bytes_in") > (CROWD + 5) * 60);
    assert_true(number(stats, "bytes_out") > CROWD * TOKENS * 200);
    double mean = number(stats, "in_flight.mean");
    assert_true(mean > 1 && mean < CROWD);
    assert_true(number(stats, "in_flight.steady_s") > 0);
    cJSON_Delete(stats);
    reset();
    wait_for("requests.total", 0);
    wait_for("bodies.distinct", 0);
    wait_for("in_flight.max", 0);
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_connection_is_kept),
        cmocka_unit_test(test_requests_in_a_row_are_answered_in_order),
        cmocka_unit_test(test_requests_may_come_in_pieces),
        cmocka_unit_test(test_expectation_is_answered),
        cmocka_unit_test(test_old_clients_get_no_chunks),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_an_error_in_a_plain_answer_is_500),
        cmocka_unit_test(test_a_client_that_leaves_is_counted),
        cmocka_unit_test(test_a_slow_reader_loses_nothing),
        cmocka_unit_test(test_a_slow_reader_gets_the_end_at_once),
        cmocka_unit_test(test_closing_does_not_last),
        cmocka_unit_test(test_stats_tell_the_truth),
    };
    return cmocka_run_group_tests(tests, start, stop);
}

int main(void)
{
    return check_by_the_clock(all);
}
