#include "out/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/embedded.h"
#include "base/mem.h"
#include "out/store_rows.h"

/* A batch is committed when it has so many rows or bytes, or is so old. */
enum { BATCH_ROWS = 512, BATCH_BYTES = 8 << 20 };
#define BATCH_AGE_NS (250 * NS_PER_MS)
/* After a failure (disk full, somebody else's lock) the next batch is tried so much later. */
#define RETRY_NS NS_PER_S

struct store {
    char *path;
    char *stage_options;
    struct rows rows;
    struct plan plan; /* of the stage under way, until its row has been committed */
    uint32_t stage;
    bool stage_due;
    bool began_due; /* when it began has to be written */
    uint64_t start_ns, first_arrival;
    int lock; /* the file, as long as it is ours */
    bool open_batch;
    uint64_t batch_start_ns;
    size_t batch_rows, batch_bytes;
    double next_interval_s; /* elapsed time at which the next interval row is due */
    struct live last_live;  /* the newest tick, for the last, incomplete second */
    bool last_written;
    uint64_t retry_ns; /* nothing is tried before; 0 = the last batch went well */
    uint64_t lost;     /* results that were given and are not in the file */
    bool end_lost;     /* the end of a stage, or of the run, is not either */
    struct err why;    /* the first failure */
};

/* ---- opening ------------------------------------------------------------------------------------
 */

/* mkdir -p of the folder that `path` stands in. */
static bool make_folders(const char *path, struct err *err)
{
    char *folder = mem_text(path);
    bool ok = true;
    for (char *slash = strchr(folder + 1, '/'); ok && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        ok = mkdir(folder, 0777) == 0 || errno == EEXIST;
        if (!ok)
            err_set(err, "cannot create the folder %s: %s", folder, strerror(errno));
        *slash = '/';
    }
    free(folder);
    return ok;
}

/* Claims the name: two runs at the same moment cannot both have it, nor go on with it. */
static bool create_file(const char *path, int *lock, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return err_set(err, "the database %s exists; choose another --name or remove it", path);
    if (fd < 0)
        return err_set(err, "cannot create the database %s: %s", path, strerror(errno));
    flock(fd, LOCK_EX | LOCK_NB);
    *lock = fd;
    return true;
}

bool store_claim(const char *path, int *claim, struct err *err)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, "cannot open the database %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return err_set(err, "the run of %s goes on: another llmbench writes to it", path);
    }
    *claim = fd;
    return true;
}

static bool execute(struct store *store, const char *sql)
{
    return sqlite3_exec(store->rows.db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* Bodies are long: large pages hold more of them for less, and a checkpoint, which brings the log's
 * pages to their places and waits for the disk, comes every 64 MB instead of every 4. */
static const char settings[] =
    "PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
    "PRAGMA wal_autocheckpoint=4096; BEGIN";

static bool set_up(struct store *store, const struct run_facts *facts)
{
    const struct embedded_file *schema =
        embedded_find(embedded_sql_files, embedded_sql_file_count, "schema.sql");
    sqlite3_busy_timeout(store->rows.db, 2000); /* somebody else writes to the file */
    return schema && execute(store, settings) && execute(store, (const char *)schema->data) &&
           rows_run(&store->rows, facts) && execute(store, "COMMIT") && rows_prepare(&store->rows);
}

static void free_store(struct store *store)
{
    rows_fini(&store->rows);
    sqlite3_close(store->rows.db);
    if (store->lock >= 0)
        close(store->lock); /* not before: to close a file takes SQLite's own locks off it */
    free(store->path);
    free(store->stage_options);
    free(store);
}

static void remove_files(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *name = mem_printf("%s%s", path, endings[i]);
        unlink(name);
        free(name);
    }
}

static struct store *new_store(const char *path, int lock, struct secrets *secrets)
{
    struct store *store = MEM_NEW(struct store);
    store->path = mem_text(path);
    store->lock = lock;
    store->next_interval_s = 1;
    store->rows.secrets = secrets;
    store->rows.wall_offset_ns = (int64_t)(clock_wall_ns() - clock_now_ns());
    return store;
}

static bool open_file(struct store *store)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    return sqlite3_open_v2(store->path, &store->rows.db, flags, NULL) == SQLITE_OK;
}

struct store *store_open(const char *path, const struct run_facts *facts, struct secrets *secrets,
                         struct err *err)
{
    int lock = -1;
    if (!make_folders(path, err) || !create_file(path, &lock, err))
        return NULL;
    struct store *store = new_store(path, lock, secrets);
    if (open_file(store) && set_up(store, facts))
        return store;
    err_set(err, "cannot write the database %s: %s", path, sqlite3_errmsg(store->rows.db));
    free_store(store);
    remove_files(path);
    return NULL;
}

static bool set_up_again(struct store *store, const struct run_facts *facts)
{
    sqlite3_busy_timeout(store->rows.db, 2000);
    return execute(store, settings) && rows_part(&store->rows) &&
           rows_conditions(&store->rows, facts) && execute(store, "COMMIT") &&
           rows_prepare(&store->rows);
}

struct store *store_resume(const char *path, int claim, const struct run_facts *facts,
                           struct secrets *secrets, struct err *err)
{
    struct store *store = new_store(path, claim, secrets);
    if (open_file(store) && set_up_again(store, facts))
        return store;
    err_set(err, "cannot write the database %s: %s", path, sqlite3_errmsg(store->rows.db));
    free_store(store);
    return NULL;
}

/* ---- while the run goes on ----------------------------------------------------------------------
 */

/* Gives the batch up and counts what was in it. Only the first failure is told: a full disk lets a
 * small batch through now and then. */
static bool fail(struct store *store, struct err *err)
{
    bool again = store->why.text[0] != '\0';
    if (!again)
        err_set(&store->why, "%s", sqlite3_errmsg(store->rows.db));
    if (!sqlite3_get_autocommit(store->rows.db))
        execute(store, "ROLLBACK");
    store->lost += store->batch_rows;
    store->batch_rows = 0;
    store->open_batch = false;
    store->retry_ns = clock_now_ns() + RETRY_NS;
    return again ||
           err_set(err,
                   "cannot write to the database %s: %s; what cannot be written is lost, counted, "
                   "and tried again with later results",
                   store->path, store->why.text);
}

static bool resting(const struct store *store)
{
    return store->retry_ns && clock_now_ns() < store->retry_ns;
}

static bool write_began(struct store *store)
{
    return rows_stage_began(&store->rows, store->stage, store->start_ns, store->first_arrival) &&
           rows_part_began(&store->rows);
}

/* At once for writing, so that somebody else's lock is met before anything is in the batch. */
static bool begin(struct store *store)
{
    if (store->open_batch)
        return true;
    store->batch_start_ns = clock_now_ns();
    store->batch_rows = store->batch_bytes = 0;
    store->open_batch = execute(store, "BEGIN IMMEDIATE");
    return store->open_batch &&
           (!store->stage_due ||
            rows_stage_begin(&store->rows, store->stage, &store->plan, store->stage_options)) &&
           (!store->began_due || write_began(store));
}

static bool commit(struct store *store)
{
    if (!store->open_batch)
        return true;
    if (!execute(store, "COMMIT"))
        return false;
    store->open_batch = store->stage_due = store->began_due = false;
    store->batch_rows = 0;
    store->retry_ns = 0;
    return true;
}

static bool batch_is_due(const struct store *store)
{
    return store->batch_rows >= BATCH_ROWS || store->batch_bytes >= BATCH_BYTES ||
           clock_now_ns() - store->batch_start_ns >= BATCH_AGE_NS;
}

static bool commit_if_due(struct store *store)
{
    return !store->open_batch || !batch_is_due(store) || commit(store);
}

static bool take_sample(void *self, const struct sample *sample, bool with_bodies, struct err *err)
{
    struct store *store = self;
    if (resting(store)) {
        store->lost++;
        return true;
    }
    bool ok = begin(store);
    store->batch_rows++;
    store->batch_bytes += sample_bytes(sample);
    ok = ok && rows_result(&store->rows, sample, with_bodies && !sample->bodies_unwanted) &&
         commit_if_due(store);
    return ok || fail(store, err);
}

static bool write_interval(struct store *store)
{
    if (store->last_written)
        return true;
    store->last_written = true;
    return begin(store) && rows_interval(&store->rows, &store->last_live);
}

static bool take_tick(void *self, const struct live *live, struct err *err)
{
    struct store *store = self;
    store->last_live = *live;
    store->last_written = false;
    if (resting(store))
        return true;
    bool ok = true;
    if (live->elapsed_s >= store->next_interval_s) {
        store->next_interval_s = (double)(uint64_t)live->elapsed_s + 1;
        ok = write_interval(store);
    }
    /* However young: nothing waits for longer than a tick. */
    return (ok && commit(store)) || fail(store, err);
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static bool take_stage_begin(void *self, uint32_t stage, const struct plan *plan, struct err *err)
{
    struct store *store = self;
    store->last_live = (struct live){0};
    store->next_interval_s = 1;
    bool ok = commit(store);
    store->plan = *plan;
    store->stage = stage;
    store->stage_due = true;
    return (ok && begin(store) && commit(store)) || fail(store, err);
}

static bool fail_end(struct store *store, struct err *err)
{
    store->end_lost = true;
    return fail(store, err);
}

static bool write_stage(struct store *store, const struct report *report)
{
    bool steady = report->steady.facts.steady_start_ns != 0;
    uint32_t stage = report->stage;
    return begin(store) && (store->last_live.elapsed_s <= 0 || write_interval(store)) &&
           rows_stage_end(&store->rows, report) &&
           rows_summary(&store->rows, stage, "whole", &report->whole) &&
           (!steady || rows_summary(&store->rows, stage, "steady", &report->steady)) &&
           commit(store);
}

static bool take_stage_end(void *self, const struct report *report, struct err *err)
{
    struct store *store = self;
    return write_stage(store, report) || fail_end(store, err);
}

static bool take_end(void *self, const struct reports *reports, struct err *err)
{
    struct store *store = self;
    bool ok = begin(store) && rows_end(&store->rows, reports) && commit(store);
    return ok || fail_end(store, err);
}

static uint64_t lost(void *self)
{
    const struct store *store = self;
    return store->lost;
}

struct sink store_sink(struct store *store)
{
    return (struct sink){
        .name = "database",
        .self = store,
        .lasts = true,
        .lost = lost,
        .sample = take_sample,
        .tick = take_tick,
        .stage_begin = take_stage_begin,
        .stage_end = take_stage_end,
        .end = take_end,
    };
}

void store_began(struct store *store, uint32_t stage, uint64_t start_ns, uint64_t first_arrival,
                 uint64_t as_ns)
{
    if (stage != store->stage)
        return;
    if (as_ns)
        store->rows.gap_ns = start_ns - as_ns;
    store->start_ns = start_ns;
    store->first_arrival = first_arrival;
    store->began_due = true; /* nothing of the stage has been given yet, so no batch is open */
}

void store_stage_options(struct store *store, const char *options)
{
    free(store->stage_options);
    store->stage_options = mem_text(options);
}

bool store_metrics(struct store *store, const struct own_metrics *metrics, struct err *err)
{
    bool ok = begin(store);
    for (size_t i = 0; ok && metrics && i < metrics->count; i++)
        ok = rows_metric(&store->rows, &metrics->items[i], i);
    return (ok && commit(store)) || fail_end(store, err);
}

bool store_close(struct store *store, struct err *err)
{
    if (!store)
        return true;
    struct err closing;
    bool ok = (commit(store) || fail(store, &closing)) && !store->retry_ns;
    rows_fini(&store->rows);
    /* So that one plain file remains. While another program reads the database this cannot be done;
     * then the file stays in WAL mode, as valid as before. */
    if (ok) {
        sqlite3_busy_timeout(store->rows.db, 100);
        execute(store, "PRAGMA wal_checkpoint(TRUNCATE)");
        execute(store, "PRAGMA journal_mode=DELETE");
    }
    ok = !store->lost && !store->end_lost;
    if (store->lost)
        err_set(err, "the database is without %" PRIu64 " result%s: %s", store->lost,
                store->lost == 1 ? "" : "s", store->why.text);
    else if (!ok)
        err_set(err, "the database is without its end: %s", store->why.text);
    free_store(store);
    return ok;
}

const char *store_library(void)
{
    return "SQLite/" SQLITE_VERSION;
}
