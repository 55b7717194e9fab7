/* Rows of the tables summary and metric. */
#include <math.h>

#include "out/bind.h"
#include "out/store_rows.h"

struct statistic_row {
    sqlite3_stmt *stmt;
    uint32_t stage;
    const char *part, *metric;
    bool exact;
};

/* No row for a statistic without a value. */
static bool add_statistic(const struct statistic_row *row, const char *statistic, double value)
{
    if (!isfinite(value))
        return true;
    struct bind bind = bind_begin(row->stmt, NULL);
    bind_integer(&bind, row->stage);
    bind_text(&bind, row->part);
    bind_text(&bind, row->metric);
    bind_text(&bind, statistic);
    bind_number(&bind, value);
    bind_integer(&bind, row->exact);
    return bind_step(&bind);
}

static bool add_metric(const struct statistic_row *row, const struct summary_metric *metric,
                       bool one_number)
{
    if (one_number)
        return add_statistic(row, "value", metric->value[STAT_MEAN]);
    for (int i = 0; i < STATISTICS; i++)
        if (!add_statistic(row, statistic_name((enum statistic)i), metric->value[i]))
            return false;
    return true;
}

static bool add_felt(sqlite3_stmt *stmt, uint32_t stage, const char *metric,
                     const struct summary_metric *felt)
{
    struct statistic_row row = {stmt, stage, "felt", metric, felt->exact};
    return !felt->present || add_metric(&row, felt, false);
}

bool rows_metric(const struct rows *rows, const struct own_metric *metric, size_t position)
{
    sqlite3_stmt *stmt =
        rows_prepared(rows, "INSERT OR IGNORE INTO metric(name,title,unit,over,formula,position) "
                            "VALUES(?,?,?,?,?,?)");
    if (!stmt)
        return false;
    struct bind bind = bind_begin(stmt, rows->secrets);
    bind_text(&bind, metric->name);
    bind_text(&bind, metric->title);
    bind_text(&bind, metric->unit);
    bind_text(&bind, metric_over_name(metric->over));
    bind_text(&bind, metric->formula);
    bind_known(&bind, metric->over == OVER_STAGE ? -1 : (int64_t)position);
    return rows_step_once(&bind);
}

static bool add_own(const struct rows *rows, sqlite3_stmt *stmt, uint32_t stage, const char *part,
                    const struct summary *summary)
{
    bool ok = true;
    for (size_t i = 0; ok && i < summary->own_count; i++) {
        const struct summary_own *own = &summary->own[i];
        struct statistic_row row = {stmt, stage, part, own->metric->name, own->value.exact};
        ok =
            rows_metric(rows, own->metric, i) &&
            (!own->value.present || add_metric(&row, &own->value, own->metric->over == OVER_STAGE));
    }
    return ok;
}

bool rows_summary(const struct rows *rows, uint32_t stage, const char *part,
                  const struct summary *summary)
{
    sqlite3_stmt *stmt =
        rows_prepared(rows, "INSERT INTO summary(stage,part,metric,statistic,value,exact) "
                            "VALUES(?,?,?,?,?,?)");
    bool ok = stmt != NULL;
    for (size_t i = 0; ok && i < METRIC_COUNT; i++) {
        const struct summary_metric *metric = &summary->metric[i];
        struct statistic_row row = {stmt, stage, part, metric_at(i)->name, metric->exact};
        if (metric->present)
            ok = add_metric(&row, metric, i >= METRIC_SAMPLED);
    }
    ok = ok && add_own(rows, stmt, stage, part, summary);
    if (ok && !summary->steady)
        ok = add_felt(stmt, stage, metric_at(METRIC_LATENCY)->name, &summary->felt_latency) &&
             add_felt(stmt, stage, metric_at(METRIC_TTFT)->name, &summary->felt_ttft);
    sqlite3_finalize(stmt);
    return ok;
}
