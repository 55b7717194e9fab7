#include "out/export.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "out/bind.h"
#include "out/export_row.h"

enum {
    ROW_LIMIT = 1000000000, /* bytes; SQLite's own ceiling for a row */
    BUSY_MS = 5000,         /* patience while somebody else holds a lock */
};

/* ---- the formats ---- */

const char export_format_names[] = "evalscope-2024 evalscope-2025";

static const struct export_format formats[] = {
    {
        .name = "evalscope-2024",
        .success_as_text = true,
        .wanted = export_has_content,
    },
    {
        .name = "evalscope-2025",
        .typed = true,
    },
};

const struct export_format *export_format_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

/* ---- one row ---- */

/* Columns of the source, in the order in which they are read. */
enum source {
    ID,
    REQUEST,
    RESPONSE_MESSAGES,
    BODIES_LEFT_OUT,
    SUCCESS,
    STREAMED,
    START_TIME,
    COMPLETED_TIME,
    LATENCY,
    FIRST_CHUNK_LATENCY,
    CHUNK_TIMES,
    PROMPT_TOKENS,
    COMPLETION_TOKENS,
    WARMUP,
};

static const char select_sql[] =
    "SELECT id,request,response_messages,bodies_left_out,success,streamed,start_time,"
    "completed_time,latency,first_chunk_latency,chunk_times,prompt_tokens,completion_tokens,"
    "(SELECT warmup FROM stage WHERE stage.id=result.stage) "
    "FROM result ORDER BY id";

/* An export under way. */
struct export
{
    const struct export_job *job;
    struct export_counts *counts;
    sqlite3 *from, *to;
    sqlite3_stmt *read, *write;
};

/* A row on its way. */
struct row {
    struct export *export;
    struct bind bind;
    struct export_chunks chunks;
    bool chunks_known;
    bool ok; /* as long as the source makes sense; `err` says what does not */
    struct err *err;
};

static bool is_null(const struct row *row, int column)
{
    return sqlite3_column_type(row->export->read, column) == SQLITE_NULL;
}

static bool is_set(const struct row *row, int column)
{
    return sqlite3_column_int64(row->export->read, column) != 0;
}

/* Text or bytes; lives until the next row. */
static struct span bytes_of(const struct row *row, int column)
{
    sqlite3_stmt *stmt = row->export->read;
    const char *data = sqlite3_column_type(stmt, column) == SQLITE_BLOB
                           ? sqlite3_column_blob(stmt, column)
                           : (const char *)sqlite3_column_text(stmt, column);
    return span_of(data ? data : "", (size_t)sqlite3_column_bytes(stmt, column));
}

static void row_fail(struct row *row, const char *column)
{
    err_prefix(row->err, "%s, result %lld, column %s", row->export->job->from,
               (long long)sqlite3_column_int64(row->export->read, ID), column);
    row->ok = false;
}

static void copy_column(struct row *row, int column)
{
    if (is_null(row, column))
        bind_null(&row->bind);
    else if (sqlite3_column_type(row->export->read, column) == SQLITE_INTEGER)
        bind_integer(&row->bind, sqlite3_column_int64(row->export->read, column));
    else
        bind_number(&row->bind, sqlite3_column_double(row->export->read, column));
}

static void put_request(struct row *row)
{
    struct buf text;
    if (is_null(row, REQUEST)) {
        bind_null(&row->bind);
        return;
    }
    buf_init(&text, ROW_LIMIT);
    export_request(bytes_of(row, REQUEST), &text);
    if (text.full)
        row->bind.code = SQLITE_TOOBIG;
    bind_taken(&row->bind, &text);
}

static void put_start_time(struct row *row)
{
    copy_column(row, START_TIME);
}

static void put_chunk_times(struct row *row)
{
    if (is_null(row, CHUNK_TIMES)) {
        bind_null(&row->bind);
        return;
    }
    struct span list = bytes_of(row, CHUNK_TIMES);
    row->chunks_known = export_chunk_times(list, &row->chunks, row->err);
    if (!row->chunks_known)
        row_fail(row, "chunk_times");
    bind_bytes(&row->bind, list);
}

static void put_success(struct row *row)
{
    if (row->export->job->format->success_as_text)
        bind_text(&row->bind, is_set(row, SUCCESS) ? "True" : "False");
    else
        bind_integer(&row->bind, is_set(row, SUCCESS));
}

static void put_response_messages(struct row *row)
{
    struct buf text;
    bool bodiless = is_set(row, BODIES_LEFT_OUT);
    row->export->counts->bodiless += bodiless;
    if (bodiless) {
        bind_null(&row->bind);
        return;
    }
    buf_init(&text, ROW_LIMIT);
    struct span list =
        is_null(row, RESPONSE_MESSAGES) ? span_text("[]") : bytes_of(row, RESPONSE_MESSAGES);
    if (!export_messages(list, row->export->job->format->wanted, &text,
                         &row->export->counts->left_out, row->err))
        row_fail(row, "response_messages");
    if (text.full)
        row->bind.code = SQLITE_TOOBIG;
    bind_taken(&row->bind, &text);
}

static void put_completed_time(struct row *row)
{
    copy_column(row, COMPLETED_TIME);
}

static void put_latency(struct row *row)
{
    copy_column(row, LATENCY);
}

/* An answer in one piece is a first chunk that is also the last. */
static void put_first_chunk_latency(struct row *row)
{
    copy_column(row, is_set(row, STREAMED) ? FIRST_CHUNK_LATENCY : LATENCY);
}

/* The originals leave the first and the last event of a stream out, and take an answer of one
 * event as one whole. */
static void put_n_chunks(struct row *row)
{
    if (!row->chunks_known)
        bind_null(&row->bind);
    else
        bind_count(&row->bind, row->chunks.count > 1 ? row->chunks.count - 2 : 1);
}

static void put_chunk_time(struct row *row)
{
    if (row->chunks_known && row->chunks.count > 1)
        bind_number(&row->bind, row->chunks.before_last - row->chunks.first);
    else if (row->chunks_known)
        put_first_chunk_latency(row);
    else
        bind_null(&row->bind);
}

static void put_prompt_tokens(struct row *row)
{
    copy_column(row, PROMPT_TOKENS);
}

static void put_completion_tokens(struct row *row)
{
    copy_column(row, COMPLETION_TOKENS);
}

static void put_nothing(struct row *row)
{
    bind_null(&row->bind);
}

/* Columns of the copy, in the order of the originals. */
static const struct {
    const char *name, *type;
    void (*put)(struct row *row);
    bool of_failures; /* also filled in rows of failures */
} columns[] = {
    {"request", "TEXT", put_request, true},
    {"start_time", "REAL", put_start_time, true},
    {"chunk_times", "TEXT", put_chunk_times, true},
    {"success", "INTEGER", put_success, true},
    {"response_messages", "TEXT", put_response_messages, true},
    {"completed_time", "REAL", put_completed_time, true},
    {"latency", "REAL", put_latency, false},
    {"first_chunk_latency", "REAL", put_first_chunk_latency, false},
    {"n_chunks", "INTEGER", put_n_chunks, false},
    {"chunk_time", "REAL", put_chunk_time, false},
    {"prompt_tokens", "INTEGER", put_prompt_tokens, false},
    {"completion_tokens", "INTEGER", put_completion_tokens, false},
    {"max_gpu_memory_cost", "REAL", put_nothing, false},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

/* ---- reading and writing ---- */

static enum export_result fail_read(const struct export *export, struct err *err)
{
    err_set(err, "cannot read %s as the database of a run: %s", export->job->from,
            sqlite3_errmsg(export->from));
    return EXPORT_UNREADABLE;
}

static enum export_result fail_write(const struct export *export, int code, struct err *err)
{
    err_set(err, "cannot write %s: %s", export->job->to,
            code == SQLITE_TOOBIG ? "one of the results is too large for SQLite"
                                  : sqlite3_errmsg(export->to));
    return EXPORT_UNWRITABLE;
}

static enum export_result write_row(struct export *export, struct err *err)
{
    struct row row = {
        .export = export,
        .bind = bind_begin(export->write, NULL),
        .ok = true,
        .err = err,
    };
    bool success = is_set(&row, SUCCESS);
    for (size_t i = 0; row.ok && i < COLUMNS; i++) {
        if (success || columns[i].of_failures)
            columns[i].put(&row);
        else
            bind_null(&row.bind);
    }
    if (!row.ok) {
        sqlite3_clear_bindings(export->write);
        return EXPORT_UNREADABLE;
    }
    export->counts->rows++;
    return bind_step(&row.bind) ? EXPORT_DONE : fail_write(export, row.bind.code, err);
}

static enum export_result write_rows(struct export *export, struct err *err)
{
    const struct export_job *job = export->job;
    for (;;) {
        if (job->stopped && job->stopped(job->arg)) {
            err_set(err, "interrupted; %s was not written", job->to);
            return EXPORT_STOPPED;
        }
        int code = sqlite3_step(export->read);
        if (code == SQLITE_DONE)
            return EXPORT_DONE;
        if (code != SQLITE_ROW)
            return fail_read(export, err);
        if (sqlite3_column_int(export->read, WARMUP)) {
            export->counts->warmup++;
            continue;
        }
        enum export_result result = write_row(export, err);
        if (result != EXPORT_DONE)
            return result;
    }
}

/* ---- opening and closing ---- */

/* As a path, so that SQLite takes ":memory:" for a file like any other. */
static int open_database(const char *path, int flags, sqlite3 **db)
{
    char *name = mem_printf("%s%s", path[0] == '/' ? "" : "./", path);
    int code = sqlite3_open_v2(name, db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    free(name);
    if (code == SQLITE_OK)
        sqlite3_busy_timeout(*db, BUSY_MS);
    return code;
}

/* 0, or the errno that says it better than SQLite. */
static int access_error(const char *path)
{
    struct stat facts;
    if (stat(path, &facts) != 0 || access(path, R_OK) != 0)
        return errno;
    return S_ISDIR(facts.st_mode) ? EISDIR : 0;
}

static enum export_result open_source(struct export *export, struct err *err)
{
    int number = access_error(export->job->from);
    if (number) {
        err_set(err, "cannot read %s: %s", export->job->from, strerror(number));
        return EXPORT_UNREADABLE;
    }
    bool ok = open_database(export->job->from, SQLITE_OPEN_READONLY, &export->from) == SQLITE_OK &&
              sqlite3_prepare_v2(export->from, select_sql, -1, &export->read, NULL) == SQLITE_OK;
    return ok ? EXPORT_DONE : fail_read(export, err);
}

static char *create_sql(const struct export_format *format)
{
    struct buf sql;
    buf_init(&sql, SIZE_MAX);
    buf_add_text(&sql, "BEGIN; CREATE TABLE result(");
    for (size_t i = 0; i < COLUMNS; i++)
        buf_printf(&sql, "%s%s%s%s", i ? ", " : "", columns[i].name, format->typed ? " " : "",
                   format->typed ? columns[i].type : "");
    buf_add_char(&sql, ')');
    return buf_take(&sql);
}

static char *insert_sql(void)
{
    struct buf sql;
    buf_init(&sql, SIZE_MAX);
    buf_add_text(&sql, "INSERT INTO result VALUES(");
    for (size_t i = 0; i < COLUMNS; i++)
        buf_add_text(&sql, i ? ",?" : "?");
    buf_add_char(&sql, ')');
    return buf_take(&sql);
}

static enum export_result begin_copy(struct export *export, struct err *err)
{
    char *create = create_sql(export->job->format), *insert = insert_sql();
    int code = open_database(export->job->to, SQLITE_OPEN_READWRITE, &export->to);
    if (code == SQLITE_OK)
        code = sqlite3_exec(export->to, create, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(export->to, insert, -1, &export->write, NULL);
    free(create);
    free(insert);
    return code == SQLITE_OK ? EXPORT_DONE : fail_write(export, code, err);
}

static enum export_result commit(const struct export *export, struct err *err)
{
    int code = sqlite3_exec(export->to, "COMMIT", NULL, NULL, NULL);
    return code == SQLITE_OK ? EXPORT_DONE : fail_write(export, code, err);
}

static enum export_result copy(struct export *export, struct err *err)
{
    enum export_result result = begin_copy(export, err);
    if (result == EXPORT_DONE)
        result = write_rows(export, err);
    if (result == EXPORT_DONE)
        result = commit(export, err);
    return result;
}

static void export_close(struct export *export)
{
    sqlite3_finalize(export->read);
    sqlite3_finalize(export->write);
    sqlite3_close(export->from);
    sqlite3_close(export->to); /* rolls back and removes the journal */
}

/* Claims the name, so that no other program's file is overwritten. */
static enum export_result claim(const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        return EXPORT_DONE;
    }
    if (errno == EEXIST) {
        err_set(err, "%s exists and is not overwritten; give another name or remove it", path);
        return EXPORT_EXISTS;
    }
    err_set(err, "cannot create %s: %s", path, strerror(errno));
    return EXPORT_UNWRITABLE;
}

/* SQLite leaves its journal behind when even rolling back fails. */
static void remove_files(const char *path)
{
    char *journal = mem_printf("%s-journal", path);
    unlink(journal);
    unlink(path);
    free(journal);
}

enum export_result export_run(const struct export_job *job, struct export_counts *counts,
                              struct err *err)
{
    struct export export = {.job = job, .counts = counts};
    *counts = (struct export_counts){0};
    enum export_result result = open_source(&export, err);
    bool claimed = false;
    if (result == EXPORT_DONE) {
        result = claim(job->to, err);
        claimed = result == EXPORT_DONE;
    }
    if (claimed)
        result = copy(&export, err);
    export_close(&export);
    if (claimed && result != EXPORT_DONE)
        remove_files(job->to);
    return result;
}
