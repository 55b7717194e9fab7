#include "out/remains.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "out/reread_inner.h"

enum { ARRIVALS_MOST = 1 << 30 };

void remains_fini(struct remains *remains)
{
    free(remains->given);
    free(remains->files);
    free(remains->version);
    free(remains->name);
    free(remains->log);
    *remains = (struct remains){0};
}

/* ---- the run ---- */

static bool came_to_its_end(const char *path, struct err *err)
{
    return err_set(err,
                   "the run of %s came to its end, there is nothing to go on with; its report: "
                   "llmbench report",
                   path);
}

static bool take_run(sqlite3 *db, const char *path, struct remains *out, struct err *err)
{
    sqlite3_stmt *row =
        reread_prepare(db, "SELECT given,files,version,name,log,started_unix,ended,"
                           "(SELECT count(*) FROM stage WHERE options IS NOT NULL) FROM run");
    if (!row || sqlite3_step(row) != SQLITE_ROW) {
        sqlite3_finalize(row);
        return err_set(err, "cannot read %s as the database of a run: %s", path,
                       sqlite3_errmsg(db));
    }
    char **const texts[] = {&out->given, &out->files, &out->version, &out->name, &out->log};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = reread_text(row, (int)i);
    out->started_wall_ns = (uint64_t)(sqlite3_column_double(row, 5) * 1e9 + 0.5);
    bool ended = sqlite3_column_type(row, 6) != SQLITE_NULL;
    bool experiment = sqlite3_column_int(row, 7) > 0;
    sqlite3_finalize(row);
    if (ended)
        return came_to_its_end(path, err);
    if (experiment || !out->given || !out->files)
        return err_set(err, "%s holds an experiment, which cannot be gone on with", path);
    return true;
}

bool remains_read(const char *path, struct remains *out, struct err *err)
{
    sqlite3 *db = NULL;
    *out = (struct remains){0};
    bool ok = reread_open(path, &db, err) && take_run(db, path, out, err);
    sqlite3_close(db);
    return ok;
}

/* ---- the place ---- */

/* One number; `otherwise` for NULL. */
static bool number_of(sqlite3 *db, const char *sql, uint32_t stage, uint64_t otherwise,
                      uint64_t *out)
{
    sqlite3_stmt *stmt = reread_prepare(db, sql);
    if (stmt && sqlite3_bind_parameter_count(stmt))
        sqlite3_bind_int64(stmt, 1, stage);
    bool ok = stmt && sqlite3_step(stmt) == SQLITE_ROW;
    if (ok)
        *out = sqlite3_column_type(stmt, 0) == SQLITE_NULL ? otherwise : reread_count(stmt, 0);
    sqlite3_finalize(stmt);
    return ok;
}

/* A warm-up writes no end: it had one if it has all its results. */
static bool has_ended(sqlite3 *db, uint32_t stage, const struct plan *plan, bool *ended)
{
    uint64_t due, results;
    if (!number_of(db, "SELECT due IS NOT NULL FROM stage WHERE id=?", stage, 0, &due) ||
        !number_of(db, "SELECT count(*) FROM result WHERE stage=?", stage, 0, &results))
        return false;
    *ended = due || (plan->warmup && plan->number && results >= plan->number);
    return true;
}

/* The stage that is gone on with. */
static bool take_stage(sqlite3 *db, const struct plan *plans, size_t count, struct resume *out)
{
    uint64_t begun;
    bool ended = false;
    if (!number_of(db, "SELECT count(*) FROM stage", 0, 0, &begun))
        return false;
    if (begun && begun <= count && !has_ended(db, (uint32_t)begun - 1, &plans[begun - 1], &ended))
        return false;
    out->stage = begun && !ended ? (uint32_t)begun - 1 : (uint32_t)begun;
    return true;
}

static bool take_numbers(sqlite3 *db, struct resume *out)
{
    const struct {
        uint64_t *into;
        const char *sql;
    } rows[] = {
        {&out->ok, "SELECT count(*) FROM result WHERE stage=? AND success"},
        {&out->cancelled, "SELECT count(*) FROM result WHERE stage=? AND outcome='cancelled'"},
        {&out->failed, "SELECT count(*) FROM result WHERE stage=? AND NOT success AND "
                       "outcome<>'cancelled'"},
        {&out->started, "SELECT count(*) FROM result WHERE stage=? AND started_ns IS NOT NULL"},
        {&out->start_ns, "SELECT (SELECT start_ns FROM stage WHERE id=?)"},
        {&out->last_result, "SELECT max(id) FROM result"},
        {&out->last_ns, "SELECT max(end_ns) FROM result"},
        {&out->held_count, "SELECT max(arrival) + 1 FROM result"},
        {&out->body_bytes, "SELECT sum(length(CAST(request AS BLOB)) + "
                           "length(CAST(response_messages AS BLOB)) + "
                           "coalesce(length(CAST(text AS BLOB)), 0)) FROM result "
                           "WHERE NOT bodies_left_out"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!number_of(db, rows[i].sql, out->stage, 0, rows[i].into))
            return false;
    }
    return true;
}

/* The first arrival of a stage that had not begun is the one behind all others. */
static bool take_times(sqlite3 *db, const struct plan *plan, struct resume *out)
{
    uint64_t first = 0, last = 0, looked_ms = 0, most = 0, parts = 0;
    if (!number_of(db, "SELECT (SELECT first_arrival FROM stage WHERE id=?)", out->stage,
                   out->held_count, &first) ||
        !number_of(db, "SELECT max(end_ns) FROM result WHERE stage=?", out->stage, 0, &last) ||
        !number_of(db, "SELECT CAST(1000 * max(t_s) AS INTEGER) FROM interval WHERE stage=?",
                   out->stage, 0, &looked_ms) ||
        !number_of(db, "SELECT max(in_flight) FROM interval WHERE stage=?", out->stage, 0, &most) ||
        !number_of(db, "SELECT count(*) FROM part", 0, 0, &parts))
        return false;
    out->first_arrival = first;
    out->max_in_flight = (uint32_t)most;
    out->times = (unsigned)parts + 1;
    if (!out->start_ns)
        return true;
    out->elapsed_ns = last > out->start_ns ? last - out->start_ns : 0;
    if (looked_ms * NS_PER_MS > out->elapsed_ns)
        out->elapsed_ns = looked_ms * NS_PER_MS;
    if (plan->duration_ns && out->elapsed_ns > plan->duration_ns)
        out->elapsed_ns = plan->duration_ns;
    return true;
}

static bool take_held(sqlite3 *db, struct resume *out)
{
    sqlite3_stmt *stmt = reread_prepare(db, "SELECT arrival, stage FROM result");
    int code = SQLITE_ERROR;
    if (!stmt || out->held_count > ARRIVALS_MOST) {
        sqlite3_finalize(stmt);
        return false;
    }
    out->held = mem_zero(out->held_count + 1, 1);
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        uint64_t arrival = reread_count(stmt, 0);
        bool here = reread_count(stmt, 1) == out->stage;
        if (arrival < out->held_count)
            out->held[arrival] = here ? RESUME_HERE : RESUME_BEFORE;
    }
    sqlite3_finalize(stmt);
    return code == SQLITE_DONE;
}

static bool find_place(sqlite3 *db, const char *path, const struct plan *plans, size_t count,
                       struct resume *out, struct err *err)
{
    uint64_t ended = 0; /* perhaps since its options were read */
    if (!number_of(db, "SELECT ended IS NOT NULL FROM run", 0, 0, &ended) ||
        !take_stage(db, plans, count, out))
        return err_set(err, "cannot read %s: %s", path, sqlite3_errmsg(db));
    if (ended)
        return came_to_its_end(path, err);
    if (out->stage >= count)
        return err_set(err,
                       "all stages of %s had come to their ends, there is nothing to go on with; "
                       "its report: llmbench report",
                       path);
    if (take_numbers(db, out) && take_times(db, &plans[out->stage], out) && take_held(db, out))
        return true;
    return err_set(err, "cannot read %s: %s", path, sqlite3_errmsg(db));
}

bool remains_place(const char *path, const struct plan *plans, size_t count, struct resume *out,
                   struct err *err)
{
    sqlite3 *db = NULL;
    *out = (struct resume){0};
    bool ok = reread_open(path, &db, err) && find_place(db, path, plans, count, out, err);
    sqlite3_close(db);
    return ok;
}

/* ---- the results ---- */

static bool give_samples(sqlite3 *db, sqlite3_stmt *stmt, const struct reread_own *own,
                         void (*take)(void *to, struct sample *sample), void *to, struct err *err)
{
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct sample *sample = reread_sample(stmt, own, err);
        if (!sample)
            return false;
        take(to, sample);
        sample_free(sample);
    }
    return code == SQLITE_DONE || err_set(err, "%s", sqlite3_errmsg(db));
}

bool remains_samples(const char *path, const struct resume *resume, const struct own_metrics *own,
                     void (*take)(void *to, struct sample *sample), void *to, struct err *err)
{
    sqlite3 *db = NULL;
    struct reread_own metrics = {0};
    if (own)
        metrics.metrics = *own;
    for (unsigned i = 0; i < OWN_METRICS; i++)
        metrics.position[i] = i;
    if (!reread_open(path, &db, err)) {
        sqlite3_close(db);
        return false;
    }
    char *sql = mem_printf("SELECT %s FROM result WHERE stage=%u AND id<=%llu ORDER BY id",
                           reread_columns, resume->stage, (unsigned long long)resume->last_result);
    sqlite3_stmt *stmt = reread_prepare(db, sql);
    bool ok = stmt ? give_samples(db, stmt, &metrics, take, to, err)
                   : err_set(err, "%s", sqlite3_errmsg(db));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    free(sql);
    return ok || err_prefix(err, "%s", path);
}
