#include "out/reread.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "out/reread_inner.h"

enum {
    BUSY_MS = 5000, /* patience while somebody else holds a lock */
    SCHEMA = 2,     /* PRAGMA user_version of what can be read */
    STAGES_MOST = 100000,
};

sqlite3_stmt *reread_prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    return stmt;
}

/* ---- opening ---- */

/* 0, or the errno that says it better than SQLite. */
static int access_error(const char *path)
{
    struct stat facts;
    if (stat(path, &facts) != 0 || access(path, R_OK) != 0)
        return errno;
    return S_ISDIR(facts.st_mode) ? EISDIR : 0;
}

/* As a path, so that SQLite takes ":memory:" for a file like any other. What a killed run left in
 * its log has to be put in place, so it is opened for writing where that is allowed. */
static bool open_database(const char *path, sqlite3 **db)
{
    char *name = mem_printf("%s%s", path[0] == '/' ? "" : "./", path);
    bool ok =
        sqlite3_open_v2(name, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK;
    free(name);
    if (ok)
        sqlite3_busy_timeout(*db, BUSY_MS);
    return ok;
}

/* Where the program was killed, the last results (or all) are in the file beside it. */
static bool unreadable(const char *path, sqlite3 *db, struct err *err)
{
    char *log = mem_printf("%s-wal", path);
    bool readonly = sqlite3_errcode(db) == SQLITE_CANTOPEN && access(log, F_OK) == 0;
    free(log);
    if (readonly)
        return err_set(err,
                       "cannot read %s: its run was cut off, so %s-wal has to be put in place, in "
                       "a folder that can be written; copy both files to one",
                       path, path);
    return err_set(err, "cannot read %s as the database of a run: %s", path, sqlite3_errmsg(db));
}

static bool check_schema(const char *path, sqlite3 *db, struct err *err)
{
    sqlite3_stmt *stmt = reread_prepare(db, "PRAGMA user_version");
    if (!stmt || sqlite3_step(stmt) != SQLITE_ROW) {
        sqlite3_finalize(stmt);
        return unreadable(path, db, err);
    }
    int version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    if (version == 0)
        return err_set(err,
                       "%s holds no run: it ended before its database was set up, or is another "
                       "program's, or %s-wal was beside it and is missing or damaged",
                       path, path);
    return version == SCHEMA ||
           err_set(err, "%s was written by another version of llmbench: its schema is %d, not %d",
                   path, version, SCHEMA);
}

bool reread_open(const char *path, sqlite3 **db, struct err *err)
{
    int number = access_error(path);
    if (number)
        return err_set(err, "cannot read %s: %s", path, strerror(number));
    if (!open_database(path, db))
        return unreadable(path, *db, err);
    return check_schema(path, *db, err);
}

enum reread_result reread_fail(const struct reread_job *job, sqlite3 *db, struct err *err)
{
    unreadable(job->path, db, err);
    return REREAD_UNREADABLE;
}

/* ---- the run ---- */

static const char run_sql[] =
    "SELECT "
    "version,libraries,name,url,model,api,dataset,data_source,tokenizer,calibration,calibrated,"
    "host,log,options,started_unix,ended,end_reason,stop_reason,interrupted FROM run";

enum run_column { OPTIONS = 13, STARTED_UNIX, ENDED, END_REASON, STOP_REASON, INTERRUPTED };

static void take_facts(struct reread *reread, sqlite3_stmt *row, const char *path)
{
    struct run_facts *facts = &reread->facts;
    char **const texts[] = {
        &facts->name,       &facts->url,         &facts->model,     &facts->api,
        &facts->dataset,    &facts->data_source, &facts->tokenizer, &facts->calibration,
        &facts->calibrated, &facts->host,        &facts->log_path,  &facts->options_json,
    };
    facts->version = reread->version = reread_text(row, 0);
    facts->libraries = reread->libraries = reread_text(row, 1);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = reread_text(row, 2 + (int)i);
    if (!facts->model)
        facts->model = mem_text("");
    facts->db_path = mem_text(path);
    facts->started_wall_ns = (uint64_t)(sqlite3_column_double(row, STARTED_UNIX) * 1e9 + 0.5);
}

static size_t count_of(const cJSON *options, const char *name)
{
    const cJSON *list = cJSON_GetObjectItem(options, name);
    return cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0;
}

/* How many stages there were to be; an experiment's are in a list in any case. */
static size_t planned_of(const char *json)
{
    cJSON *options = json ? cJSON_Parse(json) : NULL;
    size_t parallel = count_of(options, "parallel"), rate = count_of(options, "rate");
    cJSON_Delete(options);
    return parallel > rate ? parallel : rate;
}

static enum reread_result take_run(struct reread *reread, const struct reread_job *job, sqlite3 *db,
                                   char **stop_reason, struct err *err)
{
    sqlite3_stmt *row = reread_prepare(db, run_sql);
    if (!row || sqlite3_step(row) != SQLITE_ROW) {
        sqlite3_finalize(row);
        return reread_fail(job, db, err);
    }
    if (!reread_is_object(row, OPTIONS)) {
        sqlite3_finalize(row);
        err_set(err, "%s: the run's options are no JSON object", job->path);
        return REREAD_UNREADABLE;
    }
    struct reports *reports = &reread->reports;
    const char *reason = (const char *)sqlite3_column_text(row, END_REASON);
    take_facts(reread, row, job->path);
    reread->cut_off = !reason || !run_end_find(reason, &reports->end);
    if (reread->cut_off)
        reports->end = RUN_END_CUT_OFF;
    reports->interrupted = sqlite3_column_int(row, INTERRUPTED) != 0;
    reports->planned = planned_of(reread->facts.options_json);
    *stop_reason = reread_text(row, STOP_REASON);
    sqlite3_finalize(row);
    return REREAD_DONE;
}

/* ---- the stages ---- */

static bool is_wanted(const struct reread_job *job, double number)
{
    for (size_t i = 0; i < job->stage_count; i++)
        if (job->stages[i] == number)
            return true;
    return job->stage_count == 0;
}

/* True: the options say which conditions there are, perhaps none. */
static bool add_conditions(const char *json, struct list *conditions)
{
    cJSON *options = json ? cJSON_Parse(json) : NULL;
    const cJSON *given = cJSON_GetObjectItem(options, "fail_on"), *one;
    cJSON_ArrayForEach(one, given)
    {
        if (cJSON_IsString(one))
            list_add(conditions, one->valuestring);
    }
    cJSON_Delete(options);
    return given != NULL;
}

/* --fail-on: of the run, unless an experiment said otherwise of one of its runs. */
static void judge(const struct reread *reread, const struct reread_job *job, struct report *report)
{
    struct list conditions = {0};
    if (job->fail_on) {
        report_judge(report, job->fail_on);
        return;
    }
    if (!add_conditions(report->options, &conditions))
        add_conditions(reread->facts.options_json, &conditions);
    report_judge(report, &conditions);
    list_fini(&conditions);
}

static enum reread_result add_stage(struct reread *reread, const struct reread_job *job,
                                    sqlite3 *db, sqlite3_stmt *row, struct err *err)
{
    struct reports *reports = &reread->reports;
    size_t at = reports->count;
    reports->items = mem_resize(reports->items, at + 1, sizeof *reports->items);
    reread->own = mem_resize(reread->own, at + 1, sizeof *reread->own);
    reports->items[at] = (struct report){.facts = &reread->facts};
    reread->own[at] = MEM_NEW(struct reread_own);
    reports->count++;
    struct reread_stage stage = {
        .db = db,
        .job = job,
        .report = &reports->items[at],
        .own = reread->own[at],
    };
    enum reread_result result = reread_stage(&stage, row, err);
    if (result == REREAD_DONE)
        judge(reread, job, stage.report);
    return result;
}

/* Warm-ups are not reported, unless there is nothing else. `warmups`: those. */
static enum reread_result take_stages(struct reread *reread, const struct reread_job *job,
                                      sqlite3 *db, bool warmups, struct err *err)
{
    char *sql =
        mem_printf("SELECT %s FROM stage WHERE %s ORDER BY id LIMIT %d", reread_stage_columns,
                   warmups ? "warmup" : "NOT warmup OR due IS NOT NULL", STAGES_MOST);
    sqlite3_stmt *row = reread_prepare(db, sql);
    enum reread_result result = row ? REREAD_DONE : reread_fail(job, db, err);
    int code = SQLITE_DONE;
    while (result == REREAD_DONE && (code = sqlite3_step(row)) == SQLITE_ROW)
        if (is_wanted(job, sqlite3_column_double(row, 0)))
            result = add_stage(reread, job, db, row, err);
    if (result == REREAD_DONE && code != SQLITE_DONE)
        result = reread_fail(job, db, err);
    sqlite3_finalize(row);
    free(sql);
    return result;
}

static enum reread_result read_database(struct reread *reread, const struct reread_job *job,
                                        sqlite3 *db, struct err *err)
{
    struct reports *reports = &reread->reports;
    char *stop_reason = NULL;
    enum reread_result result = take_run(reread, job, db, &stop_reason, err);
    if (result == REREAD_DONE)
        result = take_stages(reread, job, db, false, err);
    if (result == REREAD_DONE && !reports->count)
        result = take_stages(reread, job, db, true, err);
    if (result == REREAD_DONE && !reports->count) {
        err_set(err, "%s: %s", job->path,
                job->stage_count ? "there is no such stage to report" : "no stage had begun");
        result = REREAD_EMPTY;
    }
    if (result == REREAD_DONE)
        reports->items[reports->count - 1].stop_reason = stop_reason;
    else
        free(stop_reason);
    return result;
}

enum reread_result reread_run(struct reread *reread, const struct reread_job *job, struct err *err)
{
    sqlite3 *db = NULL;
    *reread = (struct reread){0};
    enum reread_result result = REREAD_UNREADABLE;
    if (reread_open(job->path, &db, err))
        result = read_database(reread, job, db, err);
    sqlite3_close(db);
    return result;
}

void reread_fini(struct reread *reread)
{
    for (size_t i = 0; i < reread->reports.count; i++)
        free(reread->own[i]);
    free(reread->own);
    reports_fini(&reread->reports);
    free(reread->version);
    free(reread->libraries);
    run_facts_fini(&reread->facts);
}
