/* What the parts of reread.h share; nobody else looks inside. */
#pragma once

#include <sqlite3.h>

#include "model/own_metric.h"
#include "model/sample.h"
#include "out/reread.h"

/* The script's own metrics as a stage had them, with their places in result.metric_failures. */
struct reread_own {
    struct own_metrics metrics;
    unsigned position[OWN_METRICS];
};

/* One stage on its way into a report. */
struct reread_stage {
    sqlite3 *db;
    const struct reread_job *job;
    struct report *report;
    struct reread_own *own; /* lives as long as the report */
    uint64_t stop_ns;       /* the end of the window, 0 = it ended with the last answer */
    uint64_t steady_ns;     /* 0 = there was no steady part */
    bool ended;             /* the run wrote its end */
    uint64_t started, started_first_ns, started_last_ns, end_last_ns; /* of its results */
    uint64_t reads, reads_kernel;
};

/* Columns of `result` in the order in which reread_sample takes them. */
extern const char reread_columns[];
/* The row that the statement stands on; NULL when it makes no sense, with the sentence. The caller
 * owns it. */
struct sample *reread_sample(sqlite3_stmt *stmt, const struct reread_own *own, struct err *err);
/* Of that row. */
uint64_t reread_reads_kernel(sqlite3_stmt *stmt);

/* Fills the report of one stage from its row (id in its first column) and its results. */
enum reread_result reread_stage(struct reread_stage *stage, sqlite3_stmt *row, struct err *err);
extern const char reread_stage_columns[];

/* Text of a column, owned; NULL for NULL. */
char *reread_text(sqlite3_stmt *stmt, int column);
bool reread_is_object(sqlite3_stmt *stmt, int column);      /* JSON's; not for NULL */
double reread_number(sqlite3_stmt *stmt, int column);       /* NAN for NULL */
uint64_t reread_count(sqlite3_stmt *stmt, int column);      /* 0 for NULL and what is negative */
sqlite3_stmt *reread_prepare(sqlite3 *db, const char *sql); /* or NULL */
/* Opens the database of a run whose schema is this program's. Close `db` in any case. */
bool reread_open(const char *path, sqlite3 **db, struct err *err);
enum reread_result reread_fail(const struct reread_job *job, sqlite3 *db, struct err *err);
