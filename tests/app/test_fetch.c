/* Downloads from a server that behaves well, badly and half way. */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "app/fetch.h"
#include "app/hub.h"
#include "app/paths.h"
#include "base/clock.h"
#include "io/http.h"
#include "io/loop.h"

enum { SOURCES = 2 };

struct place {
    struct hub hub;
    char folder[64];
    char path[128], part[140], tag[144];
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    struct err err;
    assert_true(http_global_init(&err));
    strcpy(place->folder, "/tmp/llmbench_fetch_XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/data.jsonl", place->folder);
    snprintf(place->part, sizeof place->part, "%s.part", place->path);
    snprintf(place->tag, sizeof place->tag, "%s.part.etag", place->path);
    hub_start(&place->hub);
    place->hub.watched = place->path;
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    hub_stop(&place->hub);
    unlink(place->path);
    unlink(place->part);
    unlink(place->tag);
    CHECK_INT("the folder holds nothing else", rmdir(place->folder), 0);
    http_global_fini();
    free(place);
    return 0;
}

static enum fetch_result fetch(struct place *place, const char *const paths[SOURCES],
                               uint64_t limit, size_t *source, struct err *err)
{
    char urls[SOURCES][160];
    const char *list[SOURCES];
    size_t count = 0;
    for (; count < SOURCES && paths[count]; count++) {
        char first = paths[count][0];
        snprintf(urls[count], sizeof urls[count], "http://%s:%u%s",
                 first == '~' ? "0.0.0.0" : "127.0.0.1", first == '!' ? 1 : place->hub.port,
                 paths[count] + (first != '/'));
        list[count] = urls[count];
    }
    struct fetch_config config = {
        .path = place->path,
        .urls = list,
        .url_count = count,
        .connect_timeout_ns = 3 * NS_PER_S,
        .stall_ns = NS_PER_S,
        .limit = limit,
    };
    err->text[0] = 0;
    return fetch_file(&config, source, err);
}

static bool file_is_whole(const struct place *place)
{
    struct buf text;
    buf_init(&text, HUB_BODY * 2);
    bool whole = path_read(place->path, &text, NULL) && text.len == HUB_BODY &&
                 memcmp(text.data, place->hub.body, HUB_BODY) == 0;
    buf_fini(&text);
    return whole;
}

static const struct {
    const char *name;
    /* '!' before a path: nobody listens there; '~': a host that is not said to be this machine */
    const char *paths[SOURCES];
    uint64_t limit;
    enum fetch_result result;
    size_t source, hits;
    const char *range; /* of the last request */
    const char *says;
} cases[] = {
    {"plain", {"/ok"}, HUB_BODY, FETCH_DONE, 0, 1, "", ""},
    {"redirected", {"/redirect"}, HUB_BODY, FETCH_DONE, 0, 2, "", ""},
    {"cut, then resumed", {"/cut"}, HUB_BODY, FETCH_DONE, 0, 2, "bytes=50000-", ""},
    {"cut, range ignored", {"/norange"}, HUB_BODY, FETCH_DONE, 0, 2, "bytes=50000-", ""},
    {"cut, changed since", {"/changed"}, HUB_BODY, FETCH_DONE, 0, 2, "bytes=50000-", ""},
    {"cut, no ETag", {"/noetag"}, HUB_BODY, FETCH_DONE, 0, 2, "", ""},
    {"cut, weak ETag", {"/weak"}, HUB_BODY, FETCH_DONE, 0, 2, "", ""},
    {"cut, range unsatisfiable", {"/tail416"}, HUB_BODY, FETCH_DONE, 0, 3, "", ""},
    {"another range than asked",
     {"/wrong206"},
     HUB_BODY,
     FETCH_FAILED,
     0,
     2,
     "bytes=50000-",
     "status 206"},
    {"cut again and again", {"/trickle"}, HUB_BODY, FETCH_FAILED, 0, 3, "bytes=2000-", ""},
    {"404, then the second", {"/404", "/ok"}, HUB_BODY, FETCH_DONE, 1, 2, "", ""},
    {"nobody, then the second", {"!/ok", "/ok"}, HUB_BODY, FETCH_DONE, 1, 1, "", ""},
    {"HTML, then the second", {"/html", "/ok"}, HUB_BODY, FETCH_DONE, 1, 2, "", ""},
    {"silence, then the second", {"/silent", "/ok"}, HUB_BODY, FETCH_DONE, 1, 2, "", ""},
    {"half of one, all of the other", {"/trickle", "/ok"}, HUB_BODY, FETCH_DONE, 1, 4, "", ""},
    {"404", {"/404"}, HUB_BODY, FETCH_FAILED, 0, 1, "", "HTTP 404"},
    {"HTML", {"/html"}, HUB_BODY, FETCH_FAILED, 0, 1, "", "not JSON: it begins with \"<html>"},
    {"empty", {"/empty"}, HUB_BODY, FETCH_FAILED, 0, 1, "", "the answer is empty"},
    {"blank", {"/blank"}, HUB_BODY, FETCH_FAILED, 0, 1, "", "the answer is empty"},
    {"too large", {"/ok"}, HUB_BODY - 1, FETCH_FAILED, 0, 1, "", "larger than the limit"},
    {"nobody", {"!/ok"}, HUB_BODY, FETCH_FAILED, 0, 0, "", "connect"},
    {"not https", {"~/ok"}, HUB_BODY, FETCH_FAILED, 0, 0, "", "is not https"},
    {"not https, then the second", {"~/ok", "/ok"}, HUB_BODY, FETCH_DONE, 1, 1, "", ""},
    {"redirected to no https", {"/elsewhere"}, HUB_BODY, FETCH_FAILED, 0, 2, "", "is not https"},
    {"trailers without end", {"/trailers"}, HUB_BODY, FETCH_FAILED, 0, 1, "", "headers are larger"},
    {"no source", {NULL}, HUB_BODY, FETCH_FAILED, 0, 0, "", "no source"},
};

static void run_case(size_t i)
{
    void *state;
    struct err err;
    size_t source = 0;
    set_up(&state);
    struct place *place = state;
    enum fetch_result result = fetch(place, cases[i].paths, cases[i].limit, &source, &err);
    size_t hits = atomic_load(&place->hub.hit_count);
    CHECK_INT(cases[i].name, result, cases[i].result);
    CHECK_INT(cases[i].name, hits, cases[i].hits);
    CHECK_TEXT(cases[i].name, hits ? place->hub.hits[hits - 1].range : "", cases[i].range);
    if (!strstr(err.text, cases[i].says))
        fail_msg("%s: got \"%s\", want \"%s\"", cases[i].name, err.text, cases[i].says);
    CHECK_INT(cases[i].name, file_is_whole(place), result == FETCH_DONE);
    if (result == FETCH_DONE) {
        CHECK_INT(cases[i].name, source, cases[i].source);
        CHECK_INT("no .part left", access(place->part, F_OK), -1);
        CHECK_INT("no .etag left", access(place->tag, F_OK), -1);
    } else {
        CHECK_INT("no file", access(place->path, F_OK), -1);
    }
    CHECK_INT("half a file was never there", atomic_load(&place->hub.seen), false);
    tear_down(&state);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_case(i);
}

/* Cut in one call, completed by the next. */
static void test_resumed_later(void **state)
{
    struct place *place = *state;
    static const char *const paths[SOURCES] = {"/later"};
    struct err err;
    struct stat info;
    size_t source;
    CHECK_INT("first", fetch(place, paths, HUB_BODY, &source, &err), FETCH_FAILED);
    assert_int_equal(stat(place->part, &info), 0);
    CHECK_INT("kept", info.st_size, HUB_BODY / 2);
    CHECK_INT("second", fetch(place, paths, HUB_BODY, &source, &err), FETCH_DONE);
    CHECK_INT("hits", atomic_load(&place->hub.hit_count), 3);
    CHECK_TEXT("range", place->hub.hits[2].range, "bytes=50000-");
    CHECK_INT("sent but once", atomic_load(&place->hub.sent), HUB_BODY);
    assert_true(file_is_whole(place));
}

/* What was begun at one source is not continued with bytes of another. */
static void test_other_source_starts_anew(void **state)
{
    struct place *place = *state;
    static const char *const begun[SOURCES] = {"/trickle"}, *const other[SOURCES] = {"/regular"};
    struct err err;
    size_t source;
    CHECK_INT("first", fetch(place, begun, HUB_BODY, &source, &err), FETCH_FAILED);
    assert_int_equal(access(place->part, F_OK), 0);
    CHECK_INT("second", fetch(place, other, HUB_BODY, &source, &err), FETCH_DONE);
    CHECK_INT("hits", atomic_load(&place->hub.hit_count), 4);
    CHECK_TEXT("range", place->hub.hits[3].range, "");
    assert_true(file_is_whole(place));
}

struct holder {
    struct place *place;
    int fd;
    bool finishes;
};

static void *hold_a_while(void *arg)
{
    struct holder *holder = arg;
    struct timespec while_ns = {.tv_nsec = 300 * 1000 * 1000};
    nanosleep(&while_ns, NULL);
    if (holder->finishes)
        rename(holder->place->part, holder->place->path);
    close(holder->fd);
    return NULL;
}

/* Another process holds the part: it is waited for, and what it brought is taken. */
static void wait_for_holder(struct place *place, bool finishes, enum fetch_result want)
{
    static const char *const paths[SOURCES] = {"/ok"};
    struct holder holder = {.place = place, .finishes = finishes};
    struct err err;
    size_t source;
    pthread_t thread;
    holder.fd = open(place->part, O_RDWR | O_CREAT, 0600);
    assert_int_equal(flock(holder.fd, LOCK_EX), 0);
    assert_int_equal(write(holder.fd, "{}\n", 3), 3);
    assert_int_equal(pthread_create(&thread, NULL, hold_a_while, &holder), 0);
    CHECK_INT("result", fetch(place, paths, HUB_BODY, &source, &err), want);
    pthread_join(thread, NULL);
}

static void test_other_process_brings_it(void **state)
{
    struct place *place = *state;
    wait_for_holder(place, true, FETCH_THERE);
    CHECK_INT("nothing was asked for", atomic_load(&place->hub.hit_count), 0);
}

static void test_other_process_gives_up(void **state)
{
    struct place *place = *state;
    wait_for_holder(place, false, FETCH_DONE);
    assert_true(file_is_whole(place));
}

static void test_other_process_hangs(void **state)
{
    struct place *place = *state;
    static const char *const paths[SOURCES] = {"/ok"};
    struct err err;
    size_t source;
    int fd = open(place->part, O_RDWR | O_CREAT, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    CHECK_INT("result", fetch(place, paths, HUB_BODY, &source, &err), FETCH_FAILED);
    assert_non_null(strstr(err.text, "does not get on"));
    close(fd);
}

/* Ctrl-C, blocked as main does, ends a download that says nothing. */
static void test_interrupted(void **state)
{
    struct place *place = *state;
    static const char *const paths[SOURCES] = {"/silent"};
    struct err err;
    size_t source;
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    assert_false(signals_pending());
    raise(SIGINT);
    CHECK_INT("result", fetch(place, paths, HUB_BODY, &source, &err), FETCH_INTERRUPTED);
    int taken;
    assert_int_equal(sigwait(&set, &taken), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test_setup_teardown(test_resumed_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_source_starts_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_process_brings_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_process_gives_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_process_hangs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interrupted, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return check_by_the_clock(all);
}
