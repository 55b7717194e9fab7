#include "out/console_compare.h"

#include <inttypes.h>

#include "out/page.h"
#include "out/table.h"

static const struct column {
    const char *title;
    enum metric_id metric;
    enum statistic statistic;
    int decimals;
} columns[] = {
    {"Req/s", METRIC_REQUEST_THROUGHPUT, STAT_MEAN, 2},
    {"Output tok/s", METRIC_OUTPUT_THROUGHPUT, STAT_MEAN, 1},
    {"In flight", METRIC_ACHIEVED_CONCURRENCY, STAT_MEAN, 2},
    {"TTFT p50", METRIC_TTFT, STAT_P50, 4},
    {"p99", METRIC_TTFT, STAT_P99, 4},
    {"TPOT p50", METRIC_TPOT, STAT_P50, 4},
    {"p99", METRIC_TPOT, STAT_P99, 4},
    {"Latency p50", METRIC_LATENCY, STAT_P50, 4},
    {"p99", METRIC_LATENCY, STAT_P99, 4},
};

enum { COLUMNS = sizeof columns / sizeof *columns };

static void add_header(struct table *table)
{
    table_add(table, "Stage");
    table_add(table, "ok");
    table_add(table, "failed");
    for (size_t i = 0; i < COLUMNS; i++)
        table_add(table, columns[i].title);
    table_add(table, "Verdict");
}

static void add_stage(struct table *table, const struct report *report)
{
    char cell[CELL];
    table_add(table, report->label);
    table_addf(table, "%" PRIu64, report->whole.ok);
    table_addf(table, "%" PRIu64, report->whole.failed);
    for (size_t i = 0; i < COLUMNS; i++) {
        double value = page_value(&report->whole, columns[i].metric, columns[i].statistic);
        table_add(table, page_number(cell, value, columns[i].decimals, 12));
    }
    table_add(table, report->verdict.sound ? "sound" : "not sound");
}

void console_compare(FILE *out, const struct reports *reports)
{
    struct page page = {.out = out};
    page_heading(&page, "Stages (times in seconds)");
    struct table *table = table_new("lrrrrrrrrrrrl");
    add_header(table);
    for (size_t i = 0; i < reports->count; i++)
        add_stage(table, &reports->items[i]);
    table_draw(table, true, out);
    table_free(table);
}
