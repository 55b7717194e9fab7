/* The kernel's stamps: through libcurl, on raw sockets, and across steps of the wall clock. */
#include "client.h"
#include "io/seam.h"
#include "io/stamp.h"
#include "peer.h"
#include "script.h"

#define S NS_PER_S
#define US NS_PER_US

/* ---- the wall clock as the one clock ---- */

/* The wall stands `ahead` before the monotonic clock; a reading at `at` takes `took`. */
struct reading {
    uint64_t at, took, ahead;
};

static void sample(struct stamp_clock *clock, struct reading reading)
{
    stamp_clock_sample(clock, reading.at, reading.at + reading.took / 2 + reading.ahead,
                       reading.at + reading.took);
}

static const struct conversion {
    const char *name;
    struct reading first, second; /* `at` 0 = none */
    uint64_t wall, own, want;     /* want 0 = not to be trusted */
    uint64_t steps;
} CONVERSIONS[] = {
    {"never read", {0, 0, 0}, {0, 0, 0}, 105 * S, 6 * S, 0, 0},
    {"plain", {5 * S, 100, 100 * S}, {0, 0, 0}, 106 * S, 6 * S + 10, 6 * S, 0},
    {"later than our own", {5 * S, 100, 100 * S}, {0, 0, 0}, 106 * S + 11, 6 * S + 10, 0, 0},
    {"noise is no step",
     {5 * S, 100, 100 * S},
     {6 * S, 100, 100 * S + 900},
     107 * S,
     8 * S,
     7 * S,
     0},
    {"a slow reading says nothing",
     {5 * S, 100, 100 * S},
     {6 * S, 20 * US, 90 * S},
     107 * S,
     8 * S,
     7 * S,
     0},
    {"set forward", {5 * S, 100, 100 * S}, {6 * S, 100, 103 * S}, 110 * S, 8 * S, 7 * S, 1},
    {"set back", {5 * S, 100, 100 * S}, {6 * S, 100, 99 * S}, 106 * S, 8 * S, 7 * S, 1},
    {"by a little",
     {5 * S, 100, 100 * S},
     {6 * S, 100, 100 * S + 60 * US},
     107 * S + 60 * US,
     8 * S,
     7 * S,
     1},
    {"stamped before it was set forward",
     {5 * S, 100, 100 * S},
     {6 * S, 100, 103 * S},
     105 * S + S / 2,
     8 * S,
     0,
     1},
    {"stamped before it was set back",
     {5 * S, 100, 100 * S},
     {6 * S, 100, 90 * S},
     105 * S + S / 2,
     8 * S,
     0,
     1},
};

static void wall_clock_as_the_one_clock(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CONVERSIONS / sizeof *CONVERSIONS; i++) {
        const struct conversion *c = &CONVERSIONS[i];
        struct stamp_clock clock = {0};
        if (c->first.at)
            sample(&clock, c->first);
        if (c->second.at)
            sample(&clock, c->second);
        CHECK_INT(c->name, stamp_clock_convert(&clock, c->wall, c->own), c->want);
        CHECK_INT(c->name, clock.said.steps, c->steps);
    }
}

static const struct due {
    const char *name;
    uint64_t sampled, wall, own;
    bool want;
} DUES[] = {
    {"never read", 0, 105 * S, 5 * S, true},
    {"just read", 5 * S, 105 * S, 5 * S + 30 * US, false},
    {"long ago", 5 * S, 106 * S, 6 * S + 30 * US, true},
    {"from the future", 5 * S, 106 * S, 5 * S + 30 * US, true},
    {"very old", 5 * S, 104 * S, 5 * S + 30 * US, true},
};

static void when_to_read_the_clocks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof DUES / sizeof *DUES; i++) {
        struct stamp_clock clock = {0};
        if (DUES[i].sampled)
            sample(&clock, (struct reading){DUES[i].sampled, 100, 100 * S});
        CHECK_INT(DUES[i].name, stamp_clock_due(&clock, DUES[i].wall, DUES[i].own), DUES[i].want);
    }
    struct stamp_clock clock = {0};
    sample(&clock, (struct reading){5 * S, 100, 100 * S});
    sample(&clock, (struct reading){6 * S, 100, 103 * S});
    sample(&clock, (struct reading){7 * S, 100, 98 * S});
    CHECK_INT("steps", clock.said.steps, 2);
    CHECK_INT("largest", clock.said.largest_ns, 5 * S);
}

/* ---- pieces of a read ---- */

static void pieces_of_reads(void **state)
{
    (void)state;
    struct stamp_read read = {0};
    struct seam_read first = {.serial = 7, .own_ns = 20, .kernel_ns = 10};
    struct seam_read second = {.serial = 9, .own_ns = 40};
    assert_true(stamp_read(&read, first, 1));
    CHECK_INT("kernel", stamp_ns(&read), 10);
    assert_false(stamp_read(&read, first, 1));
    assert_false(stamp_read(&read, first, 2)); /* what the TLS library still held */
    assert_true(stamp_read(&read, second, 2));
    CHECK_INT("own", stamp_ns(&read), 40);
}

/* A reader of sockets that the seam does not see. */
static void unseen_reads(void **state)
{
    (void)state;
    struct stamp_read read = {0};
    struct seam_read none = {0};
    uint64_t from_ns = clock_now_ns();
    assert_true(stamp_read(&read, none, 1));
    if (read.own_ns < from_ns || read.kernel_ns)
        fail_msg("own %llu, kernel %llu", (unsigned long long)read.own_ns,
                 (unsigned long long)read.kernel_ns);
    assert_false(stamp_read(&read, none, 1));
    assert_true(stamp_read(&read, none, 2));
}

/* ---- sockets ---- */

struct pair {
    int near, far;
};

static struct pair tcp_pair(void)
{
    int port, fd = peer_listen(1, &port);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    struct pair pair = {.near = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(connect(pair.near, (struct sockaddr *)&at, sizeof at), 0);
    pair.far = accept(fd, NULL, NULL);
    close(fd);
    return pair;
}

static void read_some(int fd, size_t len)
{
    char text[64];
    assert_int_equal(recv(fd, text, len, 0), (int)len);
}

/* The kernel's first stamps may be missing while it switches stamping on for the machine. */
static void warm_up(struct pair *pair, struct seam *seam)
{
    for (int i = 0; i < 100; i++) {
        assert_int_equal(write(pair->far, "x", 1), 1);
        seam_enter(seam);
        read_some(pair->near, 1);
        seam_leave();
        if (seam_last(seam, pair->near).kernel_ns)
            return;
        peer_sleep(5);
    }
    fail_msg("the kernel stamps nothing");
}

static void late_reads(void **state)
{
    (void)state;
    struct seam *seam = seam_new();
    struct pair pair = tcp_pair();
    seam_socket(seam, pair.near);
    warm_up(&pair, seam);
    uint64_t before_ns = clock_now_ns();
    assert_int_equal(write(pair.far, "abcd", 4), 4);
    uint64_t after_ns = clock_now_ns();
    peer_sleep(30); /* we are late */
    seam_enter(seam);
    read_some(pair.near, 2);
    struct seam_read first = seam_last(seam, pair.near);
    read_some(pair.near, 2);
    struct seam_read second = seam_last(seam, pair.near);
    seam_leave();
    if (first.kernel_ns < before_ns || first.kernel_ns > after_ns + 5 * NS_PER_MS)
        fail_msg("the kernel's stamp is %lld ns behind the write",
                 (long long)(first.kernel_ns - before_ns));
    assert_true(first.own_ns >= after_ns + 30 * NS_PER_MS);
    assert_true(second.serial == first.serial + 1);
    assert_true(first.more && !second.more);
    assert_int_equal(write(pair.far, "e", 1), 1);
    assert_int_equal(shutdown(pair.far, SHUT_WR), 0);
    peer_sleep(5);
    seam_enter(seam);
    read_some(pair.near, 1);
    seam_leave();
    assert_false(seam_last(seam, pair.near).more); /* the end is nothing that waits */
    CHECK_INT("one segment, one stamp", second.kernel_ns, first.kernel_ns);
    close(pair.near);
    close(pair.far);
    seam_free(seam);
}

static void only_inside_and_only_known_sockets(void **state)
{
    (void)state;
    struct seam *seam = seam_new();
    struct pair pair = tcp_pair();
    assert_int_equal(write(pair.far, "abcdef", 6), 6);
    peer_sleep(5);
    seam_enter(seam);
    read_some(pair.near, 1); /* not known yet */
    CHECK_INT("unknown socket", seam_last(seam, -1).serial, 0);
    seam_socket(seam, pair.near);
    char text[2];
    assert_int_equal(recv(pair.near, text, 1, MSG_PEEK), 1);
    CHECK_INT("a look is no read", seam_last(seam, -1).serial, 0);
    read_some(pair.near, 1);
    CHECK_INT("known socket", seam_last(seam, pair.near).serial, 1);
    seam_leave();
    read_some(pair.near, 1);
    CHECK_INT("outside", seam_last(seam, pair.near).serial, 1);
    seam_enter(seam);
    seam_closed(seam, pair.near);
    CHECK_INT("closed", seam_last(seam, pair.near).serial, 1);
    seam_socket(seam, pair.near); /* the number comes again */
    CHECK_INT("another socket", seam_last(seam, pair.near).serial, 0);
    close(pair.far);
    char rest[8];
    assert_int_equal(recv(pair.near, rest, sizeof rest, 0), 3);
    assert_int_equal(recv(pair.near, rest, sizeof rest, 0), 0);
    assert_true(seam_last(seam, pair.near).end);
    seam_leave();
    close(pair.near);
    seam_free(seam);
}

static void first_byte_sent(void **state)
{
    (void)state;
    struct seam *seam = seam_new();
    struct pair pair = tcp_pair();
    uint64_t sent_ns = 0, unsent_ns = 1, from_ns = clock_now_ns();
    seam_enter(seam);
    seam_await_send(seam, &sent_ns);
    assert_int_equal(send(pair.near, "a", 1, 0), 1);
    uint64_t first_ns = sent_ns;
    assert_true(first_ns >= from_ns && first_ns <= clock_now_ns());
    assert_int_equal(send(pair.near, "b", 1, 0), 1);
    CHECK_INT("the first alone", sent_ns, first_ns);
    seam_await_send(seam, &unsent_ns);
    assert_int_equal(send(-1, "c", 1, 0), -1);
    CHECK_INT("nothing went out", unsent_ns, 1);
    seam_leave();
    assert_int_equal(send(pair.near, "d", 1, 0), 1);
    CHECK_INT("waiting has ended", unsent_ns, 1);
    close(pair.near);
    close(pair.far);
    seam_free(seam);
}

static void given_back_dies_with_its_socket(void **state)
{
    (void)state;
    static const int ERRORS[] = {0, ECONNRESET};
    struct seam *seam = seam_new();
    struct pair pair = tcp_pair();
    for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++) {
        char text[8];
        seam_socket(seam, pair.near);
        seam_give_back(seam, pair.near, span_text("old"), ERRORS[i]);
        seam_closed(seam, pair.near);
        seam_socket(seam, pair.near); /* the number comes again */
        assert_int_equal(write(pair.far, "n", 1), 1);
        seam_enter(seam);
        assert_int_equal(recv(pair.near, text, sizeof text, 0), 1);
        seam_leave();
        CHECK_INT("read", text[0], 'n');
    }
    close(pair.near);
    close(pair.far);
    seam_free(seam);
}

/* ---- through libcurl ---- */

static void every_read_has_the_kernels_stamp(void **state)
{
    (void)state;
    const struct act *const scripts[] = {SCRIPT(
        REQ, SEND(KEPT_CHUNKED "3\r\nabc\r\n"), PAUSE(20), SEND("3\r\ndef\r\n1\r\ng\r\n"),
        PAUSE(20), SEND("0\r\n\r\n"), REQ, SEND(KEPT_CHUNKED "3\r\nabc\r\n0\r\n\r\n"), HOLD)};
    struct peer *peer = peer_new(scripts, 1);
    struct http_config config = client_config();
    struct client *client = client_new(&config);
    peer_sleep(50); /* until the kernel stamps */
    struct exchange *got = client_do(client, peer->port);
    CHECK_INT("finish", got->finish, FINISH_COMPLETE);
    CHECK_INT("marks", got->mark_count, 2);
    for (size_t i = 0; i < got->mark_count; i++)
        assert_true(got->marks[i].kernel_ns && got->marks[i].kernel_ns <= got->marks[i].own_ns);
    assert_true(got->marks[1].kernel_ns - got->marks[0].kernel_ns >= 15 * NS_PER_MS);
    CHECK_INT("headers came with the first read", got->headers_ns, got->marks[0].kernel_ns);
    assert_true(got->end_ns - got->marks[1].kernel_ns >= 15 * NS_PER_MS);
    struct exchange *next = client_do(client, peer->port); /* on the same connection */
    assert_true(next->reused);
    CHECK_INT("marks", next->mark_count, 1);
    assert_true(next->marks[0].kernel_ns >= next->sent_ns);
    CHECK_INT("the end came with the text", next->end_ns, next->marks[0].kernel_ns);
    client_free(client);
    peer_free(peer);
}

static int set_up(void **state)
{
    (void)state;
    return client_global_init() ? 0 : -1;
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wall_clock_as_the_one_clock),
        cmocka_unit_test(when_to_read_the_clocks),
        cmocka_unit_test(pieces_of_reads),
        cmocka_unit_test(unseen_reads),
        cmocka_unit_test(late_reads),
        cmocka_unit_test(only_inside_and_only_known_sockets),
        cmocka_unit_test(first_byte_sent),
        cmocka_unit_test(given_back_dies_with_its_socket),
        cmocka_unit_test(every_read_has_the_kernels_stamp),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

int main(void)
{
    return check_by_the_clock(all);
}
