/* The mock server with few slots: who waits, in which order, and that nobody keeps a slot. */
#include "base/clock.h"
#include "client.h"

enum { SLOTS = 2, WORK_MS = 60, CLIENTS = 6 };

static const struct mock_config config = {
    .ttft_ns = WORK_MS * NS_PER_MS,
    .tokens = 1,
    .slots = SLOTS,
};

#define PATH "/v1/chat/completions"
#define ASK "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
#define ASK_STREAM                                                                                 \
    "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"

static double ms_since(uint64_t start_ns)
{
    return (double)(clock_now_ns() - start_ns) / (double)NS_PER_MS;
}

/* Requests in a row are answered two by two: after one, two, three times the work. */
static void check_turns(const char *body)
{
    struct server server;
    struct client clients[CLIENTS];
    assert_true(server_start(&server, config));
    uint64_t start_ns = clock_now_ns();
    for (size_t i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], server.port);
        client_post(&clients[i], PATH, body);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        struct reply reply;
        client_reply(&clients[i], &reply);
        double took = ms_since(start_ns), least = (double)(WORK_MS * (i / SLOTS + 1));
        CHECK_INT("status", reply.status, 200);
        if (took < least || took > least + WORK_MS)
            fail_msg("client %zu was answered after %.1f ms, not some %.0f ms", i, took, least);
        reply_fini(&reply);
        client_close(&clients[i]);
    }
    server_stop(&server);
}

static void test_they_wait_their_turn(void **state)
{
    (void)state;
    check_turns(ASK);
    check_turns(ASK_STREAM);
}

/* One leaves while it waits, one while it is served; the last one still gets its answer in time. */
static void test_those_who_leave_give_way(void **state)
{
    (void)state;
    struct server server;
    struct client clients[4];
    struct reply reply;
    assert_true(server_start(&server, config));
    uint64_t start_ns = clock_now_ns();
    for (size_t i = 0; i < 4; i++) {
        client_open(&clients[i], server.port);
        client_post(&clients[i], PATH, ASK_STREAM);
    }
    client_close(&clients[0]);
    client_close(&clients[2]);
    client_reply(&clients[3], &reply);
    assert_true(ms_since(start_ns) < 3 * WORK_MS);
    reply_fini(&reply);
    client_close(&clients[1]);
    client_close(&clients[3]);
    server_stop(&server);
}

/* Refusals take no slot. */
static void test_refusals_do_not_wait(void **state)
{
    (void)state;
    struct server server;
    struct client clients[SLOTS + 1];
    struct reply reply;
    assert_true(server_start(&server, config));
    uint64_t start_ns = clock_now_ns();
    for (size_t i = 0; i <= SLOTS; i++) {
        client_open(&clients[i], server.port);
        client_post(&clients[i], PATH, i < SLOTS ? ASK : "{}");
    }
    client_reply(&clients[SLOTS], &reply);
    CHECK_INT("status", reply.status, 400);
    assert_true(ms_since(start_ns) < WORK_MS);
    reply_fini(&reply);
    for (size_t i = 0; i <= SLOTS; i++)
        client_close(&clients[i]);
    server_stop(&server);
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_they_wait_their_turn),
        cmocka_unit_test(test_those_who_leave_give_way),
        cmocka_unit_test(test_refusals_do_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return check_by_the_clock(all);
}
