/* The thread that logs to Weights & Biases, with a service made of statuses in the place of the
 * network. */
#include "fixture.h"

#include <cjson/cJSON.h>
#include <pthread.h>

#include "base/clock.h"
#include "out/wandb.h"

#define MS NS_PER_MS

enum { POSTS = 64, DEAD = 0, STUCK = -1 };

/* Answers post k with statuses[k], later ones with the last; DEAD = none comes, STUCK = none until
 * cancelled. A held service answers nothing before it is released. */
struct service {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const long *statuses;
    size_t status_count;
    char *paths[POSTS], *bodies[POSTS];
    size_t posts;
    bool held, cancelled;
};

static const char created[] =
    "{\"data\":{\"upsertBucket\":{\"bucket\":{\"name\":\"r1\",\"project\":{\"name\":\"p\","
    "\"entity\":{\"name\":\"me\"}}}}}}";

static bool answer_post(void *self, const char *path, const char *json, long *status,
                        struct buf *answer, struct err *err)
{
    struct service *service = self;
    pthread_mutex_lock(&service->lock);
    size_t k = service->posts;
    assert_true(k < POSTS);
    service->paths[k] = mem_text(path);
    service->bodies[k] = mem_text(json);
    service->posts++;
    long said = service->statuses[k < service->status_count ? k : service->status_count - 1];
    pthread_cond_broadcast(&service->changed);
    while ((service->held || said == STUCK) && !service->cancelled)
        pthread_cond_wait(&service->changed, &service->lock);
    bool answered = said > 0 && !service->cancelled;
    pthread_mutex_unlock(&service->lock);
    *status = answered ? said : 0;
    if (answered)
        buf_add_text(answer, strcmp(path, "/graphql") == 0 ? created : "{\"exitcode\":null}");
    return answered || err_set(err, "no answer");
}

static void answer_cancel(void *self)
{
    struct service *service = self;
    pthread_mutex_lock(&service->lock);
    service->cancelled = true;
    pthread_cond_broadcast(&service->changed);
    pthread_mutex_unlock(&service->lock);
}

static void service_begin(struct service *service, const long *statuses, size_t count)
{
    *service = (struct service){.statuses = statuses, .status_count = count};
    pthread_mutex_init(&service->lock, NULL);
    pthread_cond_init(&service->changed, NULL);
}

static void service_end(struct service *service)
{
    for (size_t i = 0; i < service->posts; i++) {
        free(service->paths[i]);
        free(service->bodies[i]);
    }
    pthread_cond_destroy(&service->changed);
    pthread_mutex_destroy(&service->lock);
}

static void wait_for_posts(struct service *service, size_t count)
{
    pthread_mutex_lock(&service->lock);
    while (service->posts < count)
        pthread_cond_wait(&service->changed, &service->lock);
    pthread_mutex_unlock(&service->lock);
}

static void release(struct service *service)
{
    pthread_mutex_lock(&service->lock);
    service->held = false;
    pthread_cond_broadcast(&service->changed);
    pthread_mutex_unlock(&service->lock);
}

static struct wandb_config config_of(struct service *service, const struct run_facts *facts,
                                     struct log *log)
{
    return (struct wandb_config){
        .project = "perf_benchmark",
        .page_root = "http://page",
        .facts = facts,
        .transport = {.self = service, .post = answer_post, .cancel = answer_cancel},
        .log = log,
        .seed = 1,
        .pause_ns = 20 * MS,
        .backoff_ns = 5 * MS,
        .patience_ns = 300 * MS,
    };
}

/* One tick a second of the run's time, in each of which two requests were scored. */
static void tick(const struct sink *sink, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        struct live live = {.elapsed_s = i, .window_s = i, .scored = 2 * i + 2, .ok = 2 * i + 2};
        assert_true(sink->tick(sink->self, &live, NULL));
    }
}

static void begin(const struct sink *sink)
{
    assert_true(sink->stage_begin(sink->self, 0, NULL, NULL));
}

static void end(const struct sink *sink, struct report *report)
{
    struct reports reports = {.items = report, .count = 1};
    assert_true(sink->stage_end(sink->self, report, NULL));
    assert_true(sink->end(sink->self, &reports, NULL));
}

/* What the service got of the file stream, put together; fails where a piece does not fit on. */
struct got {
    unsigned lines;     /* of history */
    double first_step;  /* of its first line, -1 = none */
    unsigned summaries; /* posts with one */
    unsigned completes; /* posts that end the run */
    double exit_code;   /* of the last one */
    double dropped;     /* as the last post says */
};

static void add_history(const cJSON *body, struct got *got)
{
    const cJSON *files = cJSON_GetObjectItem(body, "files"),
                *file = cJSON_GetObjectItem(files, "wandb-history.jsonl"), *line;
    if (cJSON_GetObjectItem(files, "wandb-summary.json"))
        got->summaries++;
    if (!file)
        return;
    CHECK_INT("offset", cJSON_GetObjectItem(file, "offset")->valuedouble, got->lines);
    cJSON_ArrayForEach(line, cJSON_GetObjectItem(file, "content"))
    {
        cJSON *object = cJSON_Parse(line->valuestring);
        double step = cJSON_GetObjectItem(object, "_step")->valuedouble;
        if (got->lines == 0)
            got->first_step = step;
        CHECK_INT("step", step, got->first_step + got->lines);
        got->lines++;
        cJSON_Delete(object);
    }
}

/* Posts [from…] that were answered with 200. */
static struct got gather(const struct service *service, size_t from)
{
    struct got got = {.first_step = -1, .exit_code = -1};
    for (size_t i = from; i < service->posts; i++) {
        size_t k = i < service->status_count ? i : service->status_count - 1;
        CHECK_TEXT("path", service->paths[i], "/files/me/p/r1/file_stream");
        if (service->statuses[k] != 200)
            continue;
        cJSON *body = cJSON_Parse(service->bodies[i]);
        assert_non_null(body);
        add_history(body, &got);
        got.dropped = cJSON_GetObjectItem(body, "dropped")->valuedouble;
        if (cJSON_IsTrue(cJSON_GetObjectItem(body, "complete"))) {
            got.completes++;
            got.exit_code = cJSON_GetObjectItem(body, "exitcode")->valuedouble;
            CHECK_INT("complete is the last", i, service->posts - 1);
        }
        cJSON_Delete(body);
    }
    return got;
}

static void runs(void **state)
{
    static const struct {
        const char *name;
        long statuses[8];
        size_t status_count;
        size_t posts_at_least, posts_at_most;
        unsigned lines, completes;
        unsigned long warnings;
        uint64_t longest_ms;
    } cases[] = {
        {"normal", {200}, 1, 3, POSTS, 5, 1, 0, 3000},
        {"refused", {401}, 1, 1, 1, 0, 0, 1, 3000},
        {"dead", {DEAD}, 1, 4, 4, 0, 0, 1, 3000},
        {"broken", {500}, 1, 4, 4, 0, 0, 1, 3000},
        {"it comes round", {DEAD, 503, 429, 200}, 4, 6, POSTS, 5, 1, 0, 3000},
        {"a stutter in the stream", {200, 500, DEAD, 200}, 4, 5, POSTS, 5, 1, 0, 3000},
        {"gone in the middle", {200, 404}, 2, 2, 2, 0, 0, 1, 3000},
        {"dies in the middle", {200, DEAD}, 2, 5, 5, 0, 0, 1, 3000},
        {"never answers", {STUCK}, 1, 1, 1, 0, 0, 1, 3000},
        {"never answers the stream", {200, STUCK}, 2, 2, 2, 0, 0, 1, 3000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct service service;
        struct run_facts facts = fixture_facts(NULL);
        struct report report = fixture_report(&facts, 10);
        struct log *log = log_new(LOG_ERROR, NULL);
        service_begin(&service, cases[i].statuses, cases[i].status_count);
        struct wandb_config config = config_of(&service, &facts, log);
        struct wandb *wandb = wandb_start(&config);
        struct sink sink = wandb_sink(wandb);
        begin(&sink);
        tick(&sink, 0, 5);
        wait_for_posts(&service, 1);
        end(&sink, &report);
        uint64_t from_ns = clock_now_ns();
        wandb_finish(wandb, 7);
        uint64_t took_ms = (clock_now_ns() - from_ns) / MS;
        if (took_ms > cases[i].longest_ms)
            fail_msg("%s: the end took %d ms", cases[i].name, (int)took_ms);
        if (service.posts < cases[i].posts_at_least || service.posts > cases[i].posts_at_most)
            fail_msg("%s: %zu posts", cases[i].name, service.posts);
        CHECK_TEXT(cases[i].name, service.paths[0], "/graphql");
        size_t creating = 1;
        while (creating < service.posts && strcmp(service.paths[creating], "/graphql") == 0)
            creating++;
        struct got got = gather(&service, creating);
        CHECK_INT(cases[i].name, got.lines, cases[i].lines);
        CHECK_INT(cases[i].name, got.completes, cases[i].completes);
        CHECK_INT(cases[i].name, got.summaries, cases[i].completes);
        CHECK_INT(cases[i].name, got.exit_code, cases[i].completes ? 7 : -1);
        CHECK_INT(cases[i].name, log_warnings(log), cases[i].warnings);
        service_end(&service);
        log_free(log);
        report_fini(&report);
        run_facts_fini(&facts);
    }
}

/* The service holds back its first answer while more lines come than may wait. */
static void the_oldest_are_dropped(void **state)
{
    static const long statuses[] = {200};
    struct service service;
    struct run_facts facts = fixture_facts(NULL);
    struct log *log = log_new(LOG_ERROR, NULL);
    (void)state;
    service_begin(&service, statuses, 1);
    service.held = true;
    struct wandb_config config = config_of(&service, &facts, log);
    config.patience_ns = 20 * NS_PER_S;
    struct wandb *wandb = wandb_start(&config);
    struct sink sink = wandb_sink(wandb);
    begin(&sink);
    wait_for_posts(&service, 1);
    tick(&sink, 0, 4096 + 10);
    release(&service);
    wandb_finish(wandb, 0);
    struct got got = gather(&service, 1);
    CHECK_INT("lines", got.lines, 4096);
    CHECK_INT("the first one left", got.first_step, 10);
    CHECK_INT("dropped, as told to the service", got.dropped, 10);
    CHECK_INT("completes", got.completes, 1);
    CHECK_INT("said once", log_warnings(log), 1);
    service_end(&service);
    log_free(log);
    run_facts_fini(&facts);
}

/* Ticks come five times a second, lines once, and only if something was scored. */
static void a_line_a_second(void **state)
{
    static const long statuses[] = {200};
    struct service service;
    struct run_facts facts = fixture_facts(NULL);
    struct report report = fixture_report(&facts, 10);
    (void)state;
    service_begin(&service, statuses, 1);
    struct wandb_config config = config_of(&service, &facts, NULL);
    struct wandb *wandb = wandb_start(&config);
    struct sink sink = wandb_sink(wandb);
    begin(&sink);
    for (unsigned i = 0; i < 50; i++) { /* until second 9.8; nothing new between 4 and 8 */
        unsigned scored = i < 20 ? i + 1 : i < 40 ? 20 : i - 19;
        struct live live = {.elapsed_s = 0.2 * i, .scored = scored, .ok = scored};
        assert_true(sink.tick(sink.self, &live, NULL));
    }
    end(&sink, &report);
    wandb_finish(wandb, 0);
    struct got got = gather(&service, 1);
    /* 0, 1, 2, 3; 4.0 with the rest of the fourth second; 8, 9, and the rest at the end */
    CHECK_INT("lines", got.lines, 8);
    service_end(&service);
    report_fini(&report);
    run_facts_fini(&facts);
}

/* Counts and elapsed time begin anew with a stage, the numbers of the lines do not; what the end of
 * a stage had not told yet is told. */
static void stages(void **state)
{
    static const long statuses[] = {200};
    struct service service;
    struct run_facts facts = fixture_facts(NULL);
    struct report two[] = {fixture_report(&facts, 10), fixture_report(&facts, 10)};
    struct reports reports = {.items = two, .count = 2};
    (void)state;
    service_begin(&service, statuses, 1);
    struct wandb_config config = config_of(&service, &facts, NULL);
    struct wandb *wandb = wandb_start(&config);
    struct sink sink = wandb_sink(wandb);
    for (unsigned i = 0; i < 2; i++) {
        begin(&sink);
        tick(&sink, 0, 3);
        struct live last = {.elapsed_s = 2.5, .scored = 7, .ok = 7};
        assert_true(sink.tick(sink.self, &last, NULL));
        assert_true(sink.stage_end(sink.self, &two[i], NULL));
    }
    assert_true(sink.end(sink.self, &reports, NULL));
    wandb_finish(wandb, 0);
    struct got got = gather(&service, 1);
    CHECK_INT("lines", got.lines, 8);
    CHECK_INT("summaries", got.summaries, 1);
    service_end(&service);
    report_fini(&two[0]);
    report_fini(&two[1]);
    run_facts_fini(&facts);
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs),
        cmocka_unit_test(the_oldest_are_dropped),
        cmocka_unit_test(a_line_a_second),
        cmocka_unit_test(stages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return check_by_the_clock(all);
}
