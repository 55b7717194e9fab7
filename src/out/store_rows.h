/* The rows of the store: which column gets what. Only for store*.c. */
#pragma once

#include <cjson/cJSON.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/secrets.h"
#include "model/live.h"
#include "model/report.h"
#include "model/sample.h"

struct bind;

/* What all rows need. */
struct rows {
    sqlite3 *db;             /* borrowed */
    struct secrets *secrets; /* borrowed, may be NULL */
    int64_t wall_offset_ns;  /* Unix time minus the monotonic clock */
    uint64_t gap_ns; /* the monotonic clock minus the database's times; wraps, 0 in a new run */
    sqlite3_stmt *result, *interval;
};

/* All return false when SQLite reports an error, which sqlite3_errmsg then tells. */
bool rows_prepare(struct rows *rows) MUST_CHECK;
void rows_fini(struct rows *rows);
bool rows_run(const struct rows *rows, const struct run_facts *facts) MUST_CHECK;
bool rows_result(const struct rows *rows, const struct sample *sample, bool with_bodies) MUST_CHECK;
bool rows_interval(const struct rows *rows, const struct live *live) MUST_CHECK;
bool rows_stage_begin(const struct rows *rows, uint32_t stage, const struct plan *plan,
                      const char *options) MUST_CHECK;
bool rows_stage_began(const struct rows *rows, uint32_t stage, uint64_t start_ns,
                      uint64_t first_arrival) MUST_CHECK;
/* The run goes on; by which conditions it is judged; and once gap_ns is known. */
bool rows_part(const struct rows *rows) MUST_CHECK;
bool rows_conditions(const struct rows *rows, const struct run_facts *facts) MUST_CHECK;
bool rows_part_began(const struct rows *rows) MUST_CHECK;
bool rows_stage_end(const struct rows *rows, const struct report *report) MUST_CHECK;
/* What an own metric is called and counted in; a later stage's may be the same. */
bool rows_metric(const struct rows *rows, const struct own_metric *metric,
                 size_t position) MUST_CHECK;
bool rows_summary(const struct rows *rows, uint32_t stage, const char *part,
                  const struct summary *summary) MUST_CHECK;
/* A statement, NULL on failure; and one that is used once: carries it out and releases it. */
sqlite3_stmt *rows_prepared(const struct rows *rows, const char *sql);
/* A tree becomes the text of the next parameter, and is released. */
void rows_bind_tree(struct bind *bind, cJSON *tree);
/* A time of this process as the database counts; 0 → NULL. */
void rows_bind_time(struct bind *bind, const struct rows *rows, uint64_t ns);
bool rows_step_once(struct bind *bind) MUST_CHECK;
bool rows_end(const struct rows *rows, const struct reports *reports) MUST_CHECK;
