#include "fixture.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "out/store.h"

/* A store in a folder of its own. */
struct world {
    char folder[64];
    char *path;
    struct fixture_spec spec;
    struct opt_set options;
    struct run_facts facts;
    struct secrets *secrets;
    struct store *store;
    struct sink sink;
    struct err err;
};

static void world_init(struct world *world)
{
    *world = (struct world){.folder = "/tmp/llmbench-store-XXXXXX"};
    assert_non_null(mkdtemp(world->folder));
    world->path = mem_printf("%s/deep/er/run.db", world->folder);
    fixture_options(&world->options, &world->spec);
    world->facts = fixture_facts(&world->options);
    world->secrets = fixture_secrets();
    world->store = store_open(world->path, &world->facts, world->secrets, &world->err);
    if (!world->store)
        fail_msg("%s", world->err.text);
    struct plan plan = {.parallel = 100};
    world->sink = store_sink(world->store);
    assert_true(world->sink.stage_begin(world->sink.self, 0, &plan, &world->err));
}

static void world_close(struct world *world)
{
    if (!store_close(world->store, &world->err))
        fail_msg("%s", world->err.text);
    world->store = NULL;
}

static void world_fini(struct world *world)
{
    static const char *const names[] = {"deep/er/run.db", "deep/er/run.db-wal",
                                        "deep/er/run.db-shm"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = mem_printf("%s/%s", world->folder, names[i]);
        unlink(path);
        free(path);
    }
    for (const char *const *name = (const char *const[]){"/deep/er", "/deep", "", NULL}; *name;
         name++) {
        char *path = mem_printf("%s%s", world->folder, *name);
        assert_int_equal(rmdir(path), 0); /* nothing else was left */
        free(path);
    }
    free(world->path);
    run_facts_fini(&world->facts);
    opt_set_fini(&world->options);
    secrets_free(world->secrets);
}

static void give_with(struct world *world, const struct fixture_sample *of, bool bodies)
{
    struct sample *sample = fixture_sample(of);
    if (!world->sink.sample(world->sink.self, sample, bodies, &world->err))
        fail_msg("%s", world->err.text);
    sample_free(sample);
}

static void give(struct world *world, struct fixture_sample of)
{
    give_with(world, &of, true);
}

static void tick(struct world *world, double elapsed_s)
{
    struct live live = {.elapsed_s = elapsed_s, .started = 7, .reads = 99, .in_flight = 3};
    if (!world->sink.tick(world->sink.self, &live, &world->err))
        fail_msg("%s", world->err.text);
}

static sqlite3 *opened(const char *path)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        fail_msg("%s: %s", path, sqlite3_errmsg(db));
    return db;
}

/* All values of the answer, '|' between columns, newline between rows; NULL as "null". */
static char *asked_of(sqlite3 *db, const char *sql)
{
    struct buf out;
    sqlite3_stmt *stmt = NULL;
    buf_init(&out, 1 << 24);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            const char *text = (const char *)sqlite3_column_text(stmt, i);
            buf_printf(&out, "%s%s", i ? "|" : out.len ? "\n" : "", text ? text : "null");
        }
    }
    sqlite3_finalize(stmt);
    return buf_take(&out);
}

static char *asked(const char *path, const char *sql)
{
    sqlite3 *db = opened(path);
    char *answer = asked_of(db, sql);
    sqlite3_close(db);
    return answer;
}

/* The stage ends with this report, and with it the run. */
static void end_run(struct world *world, struct report *report)
{
    struct sink *sink = &world->sink;
    struct reports reports = {
        .items = report, .count = 1, .end = report->end, .interrupted = report->interrupted};
    assert_true(sink->stage_end(sink->self, report, &world->err));
    assert_true(sink->end(sink->self, &reports, &world->err));
}

static void check(const struct world *world, const char *sql, const char *want)
{
    char *got = asked(world->path, sql);
    CHECK_TEXT(sql, got, want);
    free(got);
}

static void analysis_queries_work(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    give(&world, (struct fixture_sample){.index = 0, .ttft_ms = 50, .tokens = 3, .text = "abc"});
    give(&world,
         (struct fixture_sample){.index = 1, .ttft_ms = 1500, .tokens = 2, .body = "{\"q\":1}"});
    give(&world, (struct fixture_sample){.index = 2, .ttft_ms = 2000, .tokens = 4, .plain = true});
    give(&world, (struct fixture_sample){.index = 3,
                                         .ttft_ms = 3000,
                                         .tokens = 4,
                                         .outcome = OUTCOME_TRUNCATED,
                                         .error = "cut"});
    give(&world, (struct fixture_sample){.index = 4, .outcome = OUTCOME_CANCELLED});
    world_close(&world);
    check(&world,
          "SELECT request, response_messages, prompt_tokens, completion_tokens FROM result WHERE "
          "success=1",
          "{\"model\":\"m\",\"messages\":[]}|[\"{\\\"id\\\":\\\"x\\\"}\"]|12|3\n"
          "{\"q\":1}|[\"{\\\"id\\\":\\\"x\\\"}\"]|12|2\n"
          "{\"model\":\"m\",\"messages\":[]}|[\"{\\\"id\\\":\\\"x\\\"}\"]|12|4");
    check(&world, "SELECT arrival FROM result WHERE success=1 AND first_chunk_latency > 1", "1");
    check(&world,
          "SELECT json_extract(json_extract(response_messages, '$[0]'), '$.id') FROM result "
          "WHERE arrival=0",
          "x");
    check(&world,
          "SELECT outcome, success, error, latency, first_chunk_latency FROM result WHERE id>3",
          "truncated|0|cut|null|null\ncancelled|0|null|null|null");
    check(&world, "SELECT typeof(success), typeof(request), typeof(latency) FROM result WHERE id=1",
          "integer|text|real");
    world_fini(&world);
}

static void times_are_kept(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    give(&world, (struct fixture_sample){.index = 0, .ttft_ms = 50, .tokens = 3});
    world_close(&world);
    check(
        &world,
        "SELECT round(latency,6), round(first_chunk_latency,6), n_chunks, text_events FROM result",
        "0.07|0.05|5|3");
    check(&world,
          "SELECT sent_ns-started_ns, first_token_ns-sent_ns, last_token_ns-sent_ns, connected_ns, "
          "worker, status FROM result",
          "100000|50000000|70000000|null|3|200");
    check(&world, "SELECT events FROM result",
          "{\"t\":[50000000,50000000,60000000,70000000,80000000,90000000],\"k\":\"occcud\","
          "\"read\":[0,1,2,3,4,5],\"bytes\":[20,20,20,20,20,20],\"coalesced\":[0]}");
    check(&world,
          "SELECT abs(start_time - (SELECT (sent_ns + wall_minus_monotonic_ns)/1e9 FROM run)) < "
          "1e-6, "
          "json_array_length(chunk_times), "
          "abs(json_extract(chunk_times,'$[4]') - start_time - 0.08) < 2e-6 FROM result",
          "1|5|1");
    char *offset = asked(world.path, "SELECT wall_minus_monotonic_ns FROM run");
    double apart = (double)(int64_t)(clock_wall_ns() - clock_now_ns()) - atof(offset);
    if (fabs(apart) > 5e9)
        fail_msg("the clocks are %g ns apart from what the database says", apart);
    free(offset);
    world_fini(&world);
}

/* Per-event tokens and choices appear where any is known; times before the origin are negative. */
static void event_lists_hold_what_is_known(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct sample *sample =
        fixture_sample(&(struct fixture_sample){.index = 0, .ttft_ms = 1, .tokens = 2});
    sample->events[1].tokens = 4;
    sample->events[2].index = 1;
    sample->events[0].time_ns = sample->exchange->sent_ns - 7;
    assert_true(world.sink.sample(world.sink.self, sample, true, &world.err));
    sample_free(sample);
    world_close(&world);
    check(&world,
          "SELECT json_extract(events,'$.tokens'), json_extract(events,'$.index'), "
          "json_extract(events,'$.t[0]') FROM result",
          "[0,4,0,0,0]|[0,0,1,0,0]|-7");
    world_fini(&world);
}

static void an_existing_file_is_refused(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    world_close(&world);
    struct stat before, after;
    assert_int_equal(stat(world.path, &before), 0);
    assert_null(store_open(world.path, &world.facts, NULL, &world.err));
    assert_non_null(strstr(world.err.text, "exists; choose another --name or remove it"));
    assert_non_null(strstr(world.err.text, world.path));
    assert_int_equal(stat(world.path, &after), 0);
    CHECK_INT("size", after.st_size, before.st_size);
    char *below = mem_printf("%s/x/run.db", world.path);
    assert_null(store_open(below, &world.facts, NULL, &world.err));
    assert_non_null(strstr(world.err.text, "Not a directory"));
    free(below);
    world_fini(&world);
}

static void odd_bytes_are_kept(void **state)
{
    static const struct {
        const char *name, *body;
        size_t len;
        const char *want; /* type and bytes */
    } cases[] = {
        {"text", "\xe4\xbd\xa0", 3, "text|E4BDA0"},
        {"NUL", "a\0b", 3, "blob|610062"},
        {"no UTF-8", "a\xff", 2, "blob|61FF"},
    };
    (void)state;
    struct world world;
    world_init(&world);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        give(&world, (struct fixture_sample){.index = i,
                                             .tokens = 1,
                                             .body = cases[i].body,
                                             .body_len = cases[i].len,
                                             .text = "bad byte",
                                             .responses = "[\"a\\u0000b\"]"});
    world_close(&world);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *sql =
            mem_printf("SELECT typeof(request), hex(request) FROM result WHERE arrival=%zu", i);
        char *got = asked(world.path, sql);
        CHECK_TEXT(cases[i].name, got, cases[i].want);
        free(got);
        free(sql);
    }
    check(&world, "SELECT text, response_messages FROM result LIMIT 1", "bad byte|[\"a\\u0000b\"]");
    world_fini(&world);
}

static void secrets_are_nowhere(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    give(&world,
         (struct fixture_sample){.tokens = 1,
                                 .outcome = OUTCOME_HTTP_4XX,
                                 .body = "{\"key\":\"" FIXTURE_SECRET "\"}",
                                 .text = "it is " FIXTURE_SECRET,
                                 .error = "HTTP 401: bad key " FIXTURE_SECRET,
                                 .responses = "[\"{\\\"error\\\":\\\"" FIXTURE_SECRET "\\\"}\"]"});
    struct report report = fixture_report(&world.facts, 3);
    report.stop_reason = mem_text("because of " FIXTURE_SECRET);
    report.verdict.count = 1;
    strcpy(report.verdict.reason[0], "leaks " FIXTURE_SECRET);
    end_run(&world, &report);
    world_close(&world);
    char *bytes = mem_zero(1 << 20, 1);
    FILE *file = fopen(world.path, "rb");
    size_t len = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    assert_true(len > 1000);
    assert_null(memmem(bytes, len, FIXTURE_SECRET, strlen(FIXTURE_SECRET)));
    assert_null(memmem(bytes, len, "user:password", 13));
    free(bytes);
    check(&world, "SELECT request, text, error FROM result",
          "{\"key\":\"[redacted]\"}|it is [redacted]|HTTP 401: bad key [redacted]");
    check(&world, "SELECT stop_reason, verdict FROM run, stage",
          "because of [redacted]|{\"reasons\":[\"leaks [redacted]\"],\"remarks\":[]}");
    check(&world, "SELECT json_extract(options,'$.stop'), json_extract(options,'$.seed') FROM run",
          "[\"a\",\"say [redacted]\"]|9007199254740993");
    report_fini(&report);
    world_fini(&world);
}

static void bodies_can_be_left_out(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct fixture_sample of = {.tokens = 2, .text = "abc"};
    give_with(&world, &of, true);
    give_with(&world, &of, false);
    struct sample *sample = fixture_sample(&of);
    sample->bodies_left_out = true;
    assert_true(world.sink.sample(world.sink.self, sample, true, &world.err));
    sample_free(sample);
    world_close(&world);
    check(&world,
          "SELECT request IS NULL, response_messages IS NULL, text IS NULL, bodies_left_out, "
          "events IS NULL FROM result",
          "0|0|0|0|0\n1|1|1|1|0\n1|1|1|1|0");
    world_fini(&world);
}

static void batches_are_visible_before_the_end(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    sqlite3 *other = opened(world.path);
    char *got = asked_of(other, "SELECT count(*), ended IS NULL FROM run");
    CHECK_TEXT("run", got, "1|1");
    free(got);
    uint64_t before_ns = clock_now_ns();
    for (uint64_t i = 0; i < 511; i++)
        give(&world, (struct fixture_sample){.index = i, .tokens = 1});
    char *open = asked_of(other, "SELECT count(*) FROM result");
    give(&world, (struct fixture_sample){.index = 511, .tokens = 1});
    got = asked_of(other, "SELECT count(*) FROM result");
    if (clock_now_ns() - before_ns < 200 * NS_PER_MS) { /* else the age may have committed some */
        CHECK_TEXT("one less", open, "0");
        CHECK_TEXT("by number", got, "512");
    }
    free(open);
    free(got);
    give(&world, (struct fixture_sample){.index = 512, .tokens = 1});
    usleep(300 * 1000);
    tick(&world, 0.5);
    got = asked_of(other, "SELECT count(*) FROM result");
    CHECK_TEXT("by age", got, "513");
    free(got);
    sqlite3_close(other);
    world_close(&world);
    world_fini(&world);
}

static void close_without_end_is_valid(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    give(&world, (struct fixture_sample){.tokens = 1});
    world_close(&world);
    check(&world, "PRAGMA integrity_check", "ok");
    check(&world, "PRAGMA journal_mode", "delete");
    check(&world, "PRAGMA user_version", "2");
    check(&world, "SELECT ended, end_reason, name, started_unix FROM run",
          "null|null|run-1|1700000000.0");
    check(&world, "SELECT count(*) FROM result", "1");
    check(&world, "SELECT count(*) FROM summary", "0");
    world_fini(&world); /* also: no -wal and -shm stay */
}

static void the_end_is_written(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct report report = fixture_report(&world.facts, 340);
    fixture_failures(&report);
    fixture_steady(&report);
    end_run(&world, &report);
    world_close(&world);
    check(
        &world,
        "SELECT run.end_reason, interrupted, sound, data_source, ended IS NOT NULL FROM run, stage",
        "number|0|1|bundled sample (200 prompts)|1");
    check(&world,
          "SELECT json_extract(trust,'$.loop_lag.p99'), json_extract(trust,'$.receive_delay.p50') "
          "FROM stage",
          "0.0003|null");
    check(&world,
          "SELECT id,label,kind,asked_concurrency,due,ok,failed,cancelled,not_started,window_s,"
          "window_end_ns-window_start_ns,steady_start_ns-window_start_ns FROM stage",
          "0|100 parallel|closed|100|353|340|9|1|3|4.872|4872000000|50000000");
    check(
        &world,
        "SELECT part, statistic, value, exact FROM summary WHERE metric='latency' AND statistic IN "
        "('n','p99','mean') ORDER BY part, statistic",
        "felt|n|349.0|1\nsteady|mean|1.3341|1\nsteady|n|250.0|1\nsteady|p99|1.987809|1\n"
        "whole|mean|1.3341|1\nwhole|n|340.0|1\nwhole|p99|1.987809|1");
    check(&world,
          "SELECT statistic, value FROM summary WHERE metric='request_throughput' AND part='whole'",
          "value|71.84");
    check(&world, "SELECT count(*) FROM summary WHERE metric='cached_tokens'", "0");
    report_fini(&report);
    world_fini(&world);
}

static void own_metrics_are_stored(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct own_metrics metrics = {0};
    struct fixture_sample of = {.tokens = 2, .text = "a"};
    fixture_add_own(&metrics, OVER_SUCCESSES, "words", NULL, "count", NULL);
    fixture_add_own(&metrics, OVER_SUCCESSES, "gain", NULL, "points", NULL);
    for (int i = 0; i < 3; i++) { /* without a script's, then with one value, then with two */
        struct sample *sample = fixture_sample(&of);
        struct err err;
        if (i > 0) {
            sample->own = &metrics;
            sample->own_values = mem_zero(2, sizeof *sample->own_values);
            sample->own_values[0] = 1.0 / 3;
            sample->own_values[1] = i == 2 ? -1e300 : (double)NAN;
            sample->own_error = mem_text(i == 1 ? "metric 'gain': no " FIXTURE_SECRET : NULL);
        }
        assert_true(world.sink.sample(world.sink.self, sample, true, &err));
        sample_free(sample);
    }
    struct report report = fixture_report(&world.facts, 340);
    fixture_own(&report);
    fixture_said(&report);
    end_run(&world, &report);
    world_close(&world);
    check(&world,
          "SELECT json_extract(script, '$.shared.cache hits'), script->>'$.lines[0]' FROM stage",
          "12|a  b \x1b[31m[redacted]");
    check(&world, "SELECT metrics, metric_error FROM result ORDER BY id",
          "null|null\n{\"words\":0.33333333333333331}|metric 'gain': no [redacted]\n"
          "{\"words\":0.33333333333333331,\"gain\":-1e+300}|null");
    check(&world, "SELECT name,title,unit,over,formula FROM metric ORDER BY name",
          "gain|Gain|points|successes|after - [redacted]\n"
          "server_time|Server time|s|all with a response|null\n"
          "word_rate|Word rate|1/s|stage|null\nwords|Words|count|successes|null");
    check(&world,
          "SELECT metric, statistic, value FROM summary WHERE part='whole' AND (metric='word_rate' "
          "OR metric IN ('words','gain') AND statistic IN ('n','mean')) ORDER BY 1, 2",
          "gain|mean|-0.0625\ngain|n|337.0\nword_rate|value|52.5\nwords|mean|43.5\nwords|n|340.0");
    report_fini(&report);
    world_fini(&world);
}

static void intervals_are_about_a_second(void **state)
{
    static const double ticks[] = {0.2, 0.9, 1.05, 1.3, 1.9, 2.01, 4.7, 4.9, 5.1, 5.3};
    (void)state;
    struct world world;
    world_init(&world);
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++)
        tick(&world, ticks[i]);
    struct report report = fixture_report(&world.facts, 1);
    end_run(&world, &report);
    world_close(&world);
    check(&world, "SELECT group_concat(t_s) FROM interval", "1.05,2.01,4.7,5.1,5.3");
    check(&world, "SELECT DISTINCT started, reads, in_flight, ok FROM interval", "7|99|3|0");
    report_fini(&report);
    world_fini(&world);
}

/* A limit on the size of files stands in for a full disk; `large` bytes may still be written. */
static struct rlimit limit_files(rlim_t large)
{
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = large, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    return old;
}

static bool give_large(struct world *world, uint64_t index, char *body)
{
    struct sample *sample =
        fixture_sample(&(struct fixture_sample){.index = index, .tokens = 1, .body = body});
    bool ok = world->sink.sample(world->sink.self, sample, true, &world->err);
    sample_free(sample);
    return ok;
}

static void a_full_disk_is_told_once(void **state)
{
    (void)state;
    enum { RESULTS = 20 };
    struct world world;
    world_init(&world);
    give(&world, (struct fixture_sample){.index = 0, .tokens = 1});
    tick(&world, 0.1); /* committed, however young */
    check(&world, "SELECT arrival FROM result", "0");
    struct rlimit old = limit_files(128 * 1024);
    char *body = mem_zero(1 << 20, 1);
    memset(body, 'x', (1 << 20) - 1);
    unsigned told = 0;
    for (uint64_t i = 1; i < RESULTS; i++)
        told += !give_large(&world, i, body);
    struct err again = {{0}};
    struct live live = {.elapsed_s = 3};
    assert_true(world.sink.tick(world.sink.self, &live, &again));
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(told, 1);
    assert_non_null(strstr(world.err.text, "cannot write to the database"));
    assert_non_null(strstr(world.err.text, world.path));
    assert_int_equal(world.sink.lost(world.sink.self), RESULTS - 1);
    assert_false(store_close(world.store, &again));
    assert_non_null(strstr(again.text, "the database is without 19 results: "));
    check(&world, "PRAGMA integrity_check", "ok");
    check(&world, "SELECT arrival FROM result", "0");
    free(body);
    world_fini(&world);
}

static void a_disk_with_room_again_is_written(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct rlimit old = limit_files(0);
    struct plan plan = {.parallel = 1, .threads = 1};
    struct err err;
    assert_false(world.sink.stage_begin(world.sink.self, 1, &plan, &err));
    assert_true(world.sink.sample(world.sink.self, NULL, true, &err)); /* not even looked at */
    setrlimit(RLIMIT_FSIZE, &old);
    usleep(1100 * 1000);
    give(&world, (struct fixture_sample){.index = 7, .tokens = 1});
    tick(&world, 0.1);
    check(&world, "SELECT id FROM stage WHERE id=1", "1");
    check(&world, "SELECT arrival FROM result", "7");
    assert_int_equal(world.sink.lost(world.sink.self), 1);
    assert_false(store_close(world.store, &err));
    assert_non_null(strstr(err.text, "the database is without 1 result: "));
    world_fini(&world);
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(analysis_queries_work),
        cmocka_unit_test(times_are_kept),
        cmocka_unit_test(event_lists_hold_what_is_known),
        cmocka_unit_test(an_existing_file_is_refused),
        cmocka_unit_test(odd_bytes_are_kept),
        cmocka_unit_test(secrets_are_nowhere),
        cmocka_unit_test(bodies_can_be_left_out),
        cmocka_unit_test(batches_are_visible_before_the_end),
        cmocka_unit_test(close_without_end_is_valid),
        cmocka_unit_test(the_end_is_written),
        cmocka_unit_test(own_metrics_are_stored),
        cmocka_unit_test(intervals_are_about_a_second),
        cmocka_unit_test(a_full_disk_is_told_once),
        cmocka_unit_test(a_disk_with_room_again_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return check_by_the_clock(all);
}
