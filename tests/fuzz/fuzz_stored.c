/* A run's database that somebody has changed: it is refused with a sentence, or every report that
 * comes of it can be written. The database is that of stored.sql, without the schema's NOT NULL; an
 * input changes it, a line at a time:
 *     TABLE.COLUMN=…     in every row, TABLE.COLUMN:7=… in row 7; behind = stand n (NULL), i and a
 *                        whole number, r and a number, t and text, or b and a blob
 *     @OFFSET=…          these bytes of the file, after all else */
#include "fuzz.h"

#include <sqlite3.h>
#include <unistd.h>

#include "base/embedded.h"
#include "base/mem.h"
#include "model/plan.h"
#include "out/console.h"
#include "out/export.h"
#include "out/json_report.h"
#include "out/remains.h"
#include "out/reread.h"
#include "wire/json.h"

enum { SQL_MOST = 1 << 20, LINES_MOST = 64 };

static const char file_name[] = FUZZ_SOURCE "/tests/fuzz/stored.sql";

/* ---- the database ---- */

static char *read_all(const char *path)
{
    struct buf text;
    char block[4096];
    FILE *file = fopen(path, "rb");
    buf_init(&text, SQL_MOST);
    for (size_t got; file && (got = fread(block, 1, sizeof block, file)) > 0;)
        buf_add(&text, block, got);
    if (!file || text.len == 0)
        fuzz_fail("it cannot be read", span_text(path));
    fclose(file);
    return buf_take(&text);
}

/* Any column may be NULL. */
static char *loose_schema(void)
{
    const struct embedded_file *schema =
        embedded_find(embedded_sql_files, embedded_sql_file_count, "schema.sql");
    char *text = mem_copy((const char *)schema->data, schema->len);
    for (char *at = text; (at = strstr(at, "NOT NULL"));)
        memset(at, ' ', strlen("NOT NULL"));
    return text;
}

static void must_run(sqlite3 *db, char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fuzz_fail(sqlite3_errmsg(db), span_text(sql));
    free(sql);
}

static void bind(sqlite3_stmt *stmt, struct span value)
{
    char *text = mem_copy(value.data + 1, value.len - 1);
    int len = (int)value.len - 1;
    switch (value.data[0]) {
    case 'i': sqlite3_bind_int64(stmt, 1, strtoll(text, NULL, 10)); break;
    case 'r': sqlite3_bind_double(stmt, 1, strtod(text, NULL)); break;
    case 't': sqlite3_bind_text(stmt, 1, text, len, SQLITE_TRANSIENT); break;
    case 'b': sqlite3_bind_blob(stmt, 1, text, len, SQLITE_TRANSIENT); break;
    default: break;
    }
    free(text);
}

static void change_column(sqlite3 *db, struct span name, struct span value)
{
    char table[16], column[32];
    long long row = -1;
    char *text = mem_copy(name.data, name.len);
    int parts = sscanf(text, "%15[a-z].%31[a-z_0-9]:%lld", table, column, &row);
    sqlite3_stmt *stmt = NULL;
    if (parts >= 2 && value.len > 0) {
        char *sql = mem_printf("UPDATE %s SET %s=?1 %s%lld", table, column,
                               parts == 3 ? "WHERE rowid=" : "--", row);
        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
        free(sql);
    }
    if (stmt)
        bind(stmt, value);
    if (stmt)
        sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    free(text);
}

static void change_bytes(FILE *file, struct span offset, struct span bytes)
{
    char *text = mem_copy(offset.data, offset.len);
    long at = strtol(text, NULL, 10);
    if (at >= 0 && at < SQL_MOST && fseek(file, at, SEEK_SET) == 0)
        fwrite(bytes.data, 1, bytes.len, file);
    free(text);
}

/* Gives each line of this kind to the database or to the file, whichever is there. */
static void change(struct span rest, sqlite3 *db, FILE *file)
{
    for (int lines = 0; rest.len > 0 && lines < LINES_MOST; lines++) {
        const char *end = memchr(rest.data, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.data) : rest.len;
        const char *equals = memchr(rest.data, '=', len);
        size_t name = equals ? (size_t)(equals - rest.data) : 0;
        struct span value = equals ? span_of(equals + 1, len - name - 1) : span_of("", 0);
        if (name > 0 && rest.data[0] == '@' && file)
            change_bytes(file, span_of(rest.data + 1, name - 1), value);
        else if (name > 0 && rest.data[0] != '@' && db)
            change_column(db, span_of(rest.data, name), value);
        len += end != NULL;
        rest = span_of(rest.data + len, rest.len - len);
    }
}

static void make(const char *path, struct span input)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        fuzz_fail(sqlite3_errmsg(db), input);
    must_run(db, mem_text("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN"));
    must_run(db, loose_schema());
    must_run(db, read_all(file_name));
    change(input, db, NULL);
    must_run(db, mem_text("COMMIT"));
    sqlite3_close(db);
    FILE *file = fopen(path, "r+b");
    if (!file)
        fuzz_fail("the database is gone", input);
    change(input, NULL, file);
    fclose(file);
}

/* ---- its readers ---- */

static void must_say(bool ok, const struct err *err, struct span input)
{
    if (!ok && !err->text[0])
        fuzz_fail("refused without a sentence", input);
}

static void check_json(const struct reports *reports, struct span input)
{
    struct buf out;
    struct json json;
    buf_init(&out, SIZE_MAX / 2);
    json_report(reports, NULL, &out);
    json_init(&json, out.data ? out.data : "", out.len);
    if (json_next(&json) != JSON_OBJECT_BEGIN || !json_skip(&json) || json_next(&json) != JSON_END)
        fuzz_fail("the report is no JSON", input);
    json_fini(&json);
    buf_fini(&out);
}

static void report(const char *path, struct span input)
{
    struct reread reread;
    struct reread_job job = {.path = path};
    struct err err = {.text = ""};
    bool ok = reread_run(&reread, &job, &err) == REREAD_DONE;
    must_say(ok, &err, input);
    FILE *out = ok ? fopen("/dev/null", "w") : NULL;
    for (size_t i = 0; out && i < reread.reports.count; i++)
        console_report(out, &reread.reports.items[i], NULL);
    if (ok)
        check_json(&reread.reports, input);
    if (out)
        fclose(out);
    reread_fini(&reread);
}

static void export(const char *path, struct span input)
{
    char *names = mem_text(export_format_names), *rest = names, *to = mem_printf("%s.copy", path);
    for (char *name; (name = strsep(&rest, " "));) {
        struct export_counts counts;
        struct err err = {.text = ""};
        struct export_job job = {.format = export_format_find(name), .from = path, .to = to};
        must_say(export_run(&job, &counts, &err) == EXPORT_DONE, &err, input);
        unlink(to);
    }
    free(to);
    free(names);
}

static void take(void *to, struct sample *sample)
{
    *(uint64_t *)to += sample->event_count;
}

static void go_on(const char *path, struct span input)
{
    const struct plan plans[] = {{.parallel = 1}, {.parallel = 1}, {.parallel = 2}};
    struct remains remains;
    struct resume place = {0};
    struct err err = {.text = ""};
    uint64_t events = 0;
    bool ok = remains_read(path, &remains, &err);
    must_say(ok, &err, input);
    if (ok && remains_place(path, plans, sizeof plans / sizeof *plans, &place, &err))
        must_say(remains_samples(path, &place, NULL, take, &events, &err), &err, input);
    else
        must_say(false, &err, input);
    free(place.held);
    remains_fini(&remains);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = span_of((const char *)data, size);
    /* in memory where that can be had: writing waits for the disk */
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    char *path = mem_printf("%s/llmbench-fuzz-XXXXXX", folder);
    int file = mkstemp(path);
    if (file < 0)
        fuzz_fail("no file can be made for a database", input);
    close(file);
    make(path, input);
    report(path, input);
    export(path, input);
    go_on(path, input);
    unlink(path);
    free(path);
    return 0;
}
