#include "out/console.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/output.h"
#include "out/page.h"
#include "out/parts.h"
#include "out/table.h"

/* ---- summary ------------------------------------------------------------------------------------
 */

static void show_window(const struct report *report, char cell[CELL])
{
    page_number(cell, report->whole.scored ? report->whole.window_s : (double)NAN, 3, CELL);
}

static void show_concurrency(const struct report *report, char cell[CELL])
{
    if (!report->whole.facts.open)
        snprintf(cell, CELL, "%" PRIu32, report->whole.facts.asked_concurrency);
    else if (report->plan.capped)
        snprintf(cell, CELL, "%" PRIu32, report->plan.parallel);
}

static void show_total(const struct report *report, char cell[CELL])
{
    snprintf(cell, CELL, "%" PRIu64, report->whole.ok + report->whole.failed);
}

static void show_ok(const struct report *report, char cell[CELL])
{
    snprintf(cell, CELL, "%" PRIu64, report->whole.ok);
}

static void show_failed(const struct report *report, char cell[CELL])
{
    snprintf(cell, CELL, "%" PRIu64, report->whole.failed);
}

/* The number asked for; without one, what came due. */
static void show_expected(const struct report *report, char cell[CELL])
{
    const struct opt_set *options = report->facts->options;
    const struct opt_row *row = options ? opt_find(options, "number") : NULL;
    bool given = row && row->type->number && opt_origin(options, row) != OPT_UNSET;
    double number = given ? row->type->number(opt_field(options, row)) : 0;
    if (number > 0)
        snprintf(cell, CELL, "%.0f", number);
    else
        snprintf(cell, CELL, "%" PRIu64, report->whole.facts.due);
}

static void show_drain(const struct report *report, char cell[CELL])
{
    const struct stage_facts *facts = &report->whole.facts;
    bool drained = facts->window_end_ns && facts->drain_end_ns > facts->window_end_ns;
    double seconds =
        drained ? clock_seconds(facts->drain_end_ns - facts->window_end_ns) : (double)NAN;
    page_number(cell, seconds, 3, CELL);
}

struct summary_row {
    const char *label;
    void (*show)(const struct report *report, char cell[CELL]); /* NULL: the statistic below */
    enum metric_id metric;
    enum statistic statistic;
    int decimals;
    bool only_known; /* no row at all without a value */
};

#define MEAN(id, digits) .metric = (id), .statistic = STAT_MEAN, .decimals = (digits)

/* The first fifteen and the path of the database are the table that users of earlier tools know;
 * "time per output token" there is window over tokens, hence TPOT below it. */
static const struct summary_row summary_rows[] = {
    {.label = "Time taken for tests (seconds)", .show = show_window},
    {.label = "Number of concurrency", .show = show_concurrency},
    {.label = "Total requests", .show = show_total},
    {.label = "Succeed requests", .show = show_ok},
    {.label = "Failed requests", .show = show_failed},
    {.label = "Average QPS", MEAN(METRIC_REQUEST_THROUGHPUT, 3)},
    {.label = "Average latency", MEAN(METRIC_LATENCY, 4)},
    {.label = "Average time to first token", MEAN(METRIC_TTFT, 4)},
    {.label = "Throughput(average output tokens per second)", MEAN(METRIC_OUTPUT_THROUGHPUT, 3)},
    {.label = "Average time per output token", MEAN(METRIC_TIME_PER_OUTPUT_TOKEN, 6)},
    {.label = "Average package per request", MEAN(METRIC_PACKAGES, 3)},
    {.label = "Average package latency", MEAN(METRIC_PACKAGE_LATENCY, 4)},
    {.label = "Average input tokens per request", MEAN(METRIC_INPUT_TOKENS, 3)},
    {.label = "Average output tokens per request", MEAN(METRIC_OUTPUT_TOKENS, 3)},
    {.label = "Expected number of requests", .show = show_expected},
    {.label = "Result DB path"},
};

static const struct summary_row further_rows[] = {
    {.label = "Average TPOT of one user", MEAN(METRIC_TPOT, 5)},
    {.label = "Average speed of one user (tokens per second)", MEAN(METRIC_USER_SPEED, 3)},
    {.label = "Throughput(input and output tokens per second)", MEAN(METRIC_TOTAL_THROUGHPUT, 3)},
    {.label = "Throughput(output characters per second)", MEAN(METRIC_CHAR_THROUGHPUT, 3)},
    {.label = "Average concurrency achieved", MEAN(METRIC_ACHIEVED_CONCURRENCY, 3)},
    {.label = "Drain after the window (seconds)", .show = show_drain, .only_known = true},
};

static void add_summary_row(struct table *table, const struct report *report,
                            const struct summary_row *row)
{
    char cell[CELL] = "-";
    if (row->show)
        row->show(report, cell);
    else
        page_number(cell, page_value(&report->whole, row->metric, row->statistic), row->decimals,
                    CELL);
    if (row->only_known && strcmp(cell, "-") == 0)
        return;
    table_add(table, row->label);
    table_add(table, cell);
}

static void summary_table(const struct page *page)
{
    const struct report *report = page->report;
    const size_t known = sizeof summary_rows / sizeof *summary_rows - 1;
    char *path = page_line(page, report->facts->db_path ? report->facts->db_path : "", SIZE_MAX);
    struct table *table = table_new("ll");
    for (size_t i = 0; i < known; i++)
        add_summary_row(table, report, &summary_rows[i]);
    table_add(table, summary_rows[known].label);
    table_add(table, *path ? path : "-");
    for (size_t i = 0; i < sizeof further_rows / sizeof *further_rows; i++)
        add_summary_row(table, report, &further_rows[i]);
    page_heading(page, "Summary (times in seconds)");
    table_draw(table, false, page->out);
    table_free(table);
    free(path);
}

/* ---- metrics ------------------------------------------------------------------------------------
 */

/* Behind the name where it does not say it; times are in seconds everywhere. */
static const char *unit_behind(enum metric_unit unit)
{
    switch (unit) {
    case UNIT_TOKENS_PER_S: return " (tok/s)";
    case UNIT_CHARS_PER_S:
    case UNIT_PER_S: return " (/s)";
    default: return "";
    }
}

/* Seconds to 0.1 ms, all else to a tenth. */
static bool add_statistic(struct table *table, const struct summary *summary, enum metric_id id,
                          enum statistic statistic, int width)
{
    int decimals = metric_at(id)->unit == UNIT_SECONDS ? 4 : 1;
    return page_statistic(table, &summary->metric[id], statistic, decimals, width);
}

static bool add_metric(struct table *table, const struct summary *summary, enum metric_id id,
                       const enum statistic *columns, size_t count)
{
    char cell[CELL];
    const struct metric *metric = metric_at(id);
    bool marked = false;
    table_addf(table, "%s%s", metric->title, unit_behind(metric->unit));
    for (size_t i = 0; i < count; i++)
        marked |= add_statistic(table, summary, id, columns[i], 6);
    table_add(table, page_number(cell, page_value(summary, id, STAT_COUNT_N), 0, CELL));
    return marked;
}

/* Those two stand in the trust block, in units that fit them. */
static bool in_metrics_table(const struct summary *summary, size_t id)
{
    return summary->metric[id].present && id != METRIC_SCHEDULE_LAG && id != METRIC_OWN_LAG &&
           id != METRIC_RECEIVE_DELAY;
}

static bool any_metric(const struct summary *summary)
{
    for (size_t id = 0; id < METRIC_SAMPLED; id++)
        if (in_metrics_table(summary, id))
            return true;
    return false;
}

static void metrics_table(const struct page *page)
{
    static const char *const header[] = {"Metric", "mean", "std", "min", "p50",
                                         "p90",    "p95",  "p99", "max", "n"};
    static const enum statistic columns[] = {STAT_MEAN, STAT_STD, STAT_MIN, STAT_P50,
                                             STAT_P90,  STAT_P95, STAT_P99, STAT_MAX};
    const struct summary *whole = &page->report->whole;
    if (!any_metric(whole))
        return;
    struct table *table = table_new("lrrrrrrrrr");
    bool marked = false;
    for (size_t i = 0; i < sizeof header / sizeof *header; i++)
        table_add(table, header[i]);
    for (size_t id = 0; id < METRIC_SAMPLED; id++)
        if (in_metrics_table(whole, id))
            marked |= add_metric(table, whole, (enum metric_id)id, columns,
                                 sizeof columns / sizeof *columns);
    page_heading(page, "Metrics (times in seconds)");
    table_draw(table, true, page->out);
    page_legend(page, marked);
    table_free(table);
}

static void percentile_table(const struct page *page)
{
    static const enum statistic rows[] = {STAT_P10, STAT_P25, STAT_P50, STAT_P66, STAT_P75,
                                          STAT_P80, STAT_P90, STAT_P95, STAT_P98, STAT_P99};
    static const struct {
        const char *title;
        enum metric_id metric;
    } columns[] = {
        {"First Chunk Latency", METRIC_TTFC},
        {"Latency", METRIC_LATENCY},
        {"TTFT", METRIC_TTFT},
        {"ITL", METRIC_ITL},
        {"TPOT", METRIC_TPOT},
        {"Output tok/s", METRIC_USER_SPEED},
    };
    const size_t width = sizeof columns / sizeof *columns;
    bool marked = false;
    if (!page->report->whole.ok)
        return;
    struct table *table = table_new("rrrrrrr");
    table_add(table, "Percentile");
    for (size_t c = 0; c < width; c++)
        table_add(table, columns[c].title);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        table_addf(table, "%.0f%%", 100 * statistic_quantile(rows[r]));
        for (size_t c = 0; c < width; c++)
            marked |= add_statistic(table, &page->report->whole, columns[c].metric, rows[r], 8);
    }
    page_heading(page, "Percentiles (times in seconds)");
    table_draw(table, true, page->out);
    page_legend(page, marked);
    table_free(table);
}

/* ---- outcomes -----------------------------------------------------------------------------------
 */

static void add_outcome(struct table *table, const struct page *page, enum outcome outcome)
{
    const struct summary *whole = &page->report->whole;
    const char *name = outcome_name(outcome);
    const char *example = part_example(&page->report->first_errors, name);
    char *line = page_line(page, example ? example : outcome_meaning(outcome), 62);
    table_add(table, name);
    table_addf(table, "%" PRIu64, whole->by_outcome[outcome]);
    table_addf(table, "%.1f%%",
               whole->scored ? 100.0 * (double)whole->by_outcome[outcome] / (double)whole->scored
                             : 0.0);
    table_add(table, line);
    free(line);
}

static void add_felt(struct table *table, const char *title, const struct summary_metric *felt)
{
    static const enum statistic columns[] = {STAT_P50, STAT_P90, STAT_P95, STAT_P99};
    char cell[CELL];
    if (!felt->present)
        return;
    table_add(table, title);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        table_add(table, page_number(cell, felt->value[columns[i]], 4, 8));
}

/* Errors at infinity: the position of the slowest success among all, rounded down, and the
 * percentiles that users felt. */
static void felt_block(const struct page *page)
{
    static const char *const header[] = {"Failures as infinite", "p50", "p90", "p95", "p99"};
    const struct summary *whole = &page->report->whole;
    if (!whole->failed)
        return;
    if (!whole->ok) {
        page_paragraph(page, 2,
                       "Failures counted as infinite latency: every percentile is infinite");
        return;
    }
    double last = (double)(whole->ok + whole->failed) - 1;
    fprintf(page->out, "  Failures counted as infinite latency: finite up to p%.1f\n\n",
            floor(1000 * ((double)whole->ok - 1) / last) / 10);
    struct table *table = table_new("lrrrr");
    for (size_t i = 0; i < sizeof header / sizeof *header; i++)
        table_add(table, header[i]);
    add_felt(table, metric_at(METRIC_LATENCY)->title, &whole->felt_latency);
    add_felt(table, metric_at(METRIC_TTFT)->title, &whole->felt_ttft);
    table_draw(table, true, page->out);
    table_free(table);
}

static void outcomes_line(const struct page *page)
{
    const struct summary *whole = &page->report->whole;
    const struct stage_facts *facts = &whole->facts;
    bool adds_up = facts->due == whole->ok + whole->failed + whole->cancelled + facts->not_started;
    fprintf(page->out,
            "  %" PRIu64 " due = %" PRIu64 " ok + %" PRIu64 " failed + %" PRIu64
            " cancelled + %" PRIu64 " not started%s\n",
            facts->due, whole->ok, whole->failed, whole->cancelled, facts->not_started,
            adds_up ? "" : ": THIS DOES NOT ADD UP");
}

static void errors_table(const struct page *page)
{
    const struct summary *whole = &page->report->whole;
    page_heading(page, "Outcomes");
    if (whole->failed || whole->cancelled) {
        struct table *table = table_new("lrrl");
        table_add(table, "Outcome");
        table_add(table, "Count");
        table_add(table, "Share");
        table_add(table, "Example");
        for (int i = OUTCOME_OK + 1; i < OUTCOME_COUNT; i++)
            if (whole->by_outcome[i])
                add_outcome(table, page, (enum outcome)i);
        table_draw(table, true, page->out);
        table_free(table);
        fputc('\n', page->out);
    }
    outcomes_line(page);
    felt_block(page);
}

/* ---- steady part --------------------------------------------------------------------------------
 */

static void steady_metrics(const struct page *page)
{
    static const enum metric_id rows[] = {METRIC_TTFT, METRIC_ITL, METRIC_TPOT, METRIC_LATENCY};
    static const enum statistic columns[] = {STAT_MEAN, STAT_P50, STAT_P99};
    static const char *const header[] = {"Metric", "mean", "p50", "p99", "n"};
    struct table *table = table_new("lrrrr");
    bool marked = false;
    for (size_t i = 0; i < sizeof header / sizeof *header; i++)
        table_add(table, header[i]);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        marked |= add_metric(table, &page->report->steady, rows[i], columns,
                             sizeof columns / sizeof *columns);
    table_draw(table, true, page->out);
    page_legend(page, marked);
    table_free(table);
}

static void steady_rates(const struct page *page)
{
    static const struct {
        enum metric_id metric;
        const char *unit;
    } rates[] = {
        {METRIC_REQUEST_THROUGHPUT, "requests/s"},
        {METRIC_OUTPUT_THROUGHPUT, "output tokens/s"},
        {METRIC_ACHIEVED_CONCURRENCY, "in flight on average"},
    };
    char cell[CELL];
    const char *before = "  ";
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        double value = page_value(&page->report->steady, rates[i].metric, STAT_MEAN);
        if (isnan(value))
            continue;
        fprintf(page->out, "%s%s %s", before, page_number(cell, value, 2, CELL), rates[i].unit);
        before = ", ";
    }
    if (before[0] == ',')
        fputc('\n', page->out);
}

static void steady_block(const struct page *page)
{
    const struct report *report = page->report;
    if (!report->steady.facts.steady_start_ns)
        return;
    page_heading(
        page, "Steady part (%.3f of %.3f seconds: from %" PRIu32 " in flight to the last start)",
        report->steady.window_s, report->whole.window_s, report->whole.facts.asked_concurrency);
    steady_metrics(page);
    steady_rates(page);
}

/* ---- the whole ----------------------------------------------------------------------------------
 */

static void title(const struct page *page)
{
    const struct run_facts *facts = page->report->facts;
    const char *model = facts->model && *facts->model ? facts->model : "no model named";
    char *text = page_line(page, model, PAGE_COLUMNS);
    char *url = page_line(page, facts->url ? facts->url : "", PAGE_COLUMNS);
    char *api = page_line(page, facts->api ? facts->api : "-", PAGE_COLUMNS);
    char *dataset = page_line(page, facts->dataset ? facts->dataset : "-", PAGE_COLUMNS);
    fprintf(page->out, "llmbench %s: %s at %s\n", facts->version ? facts->version : "", text, url);
    fprintf(page->out, "API %s, data set %s\n", api, dataset);
    free(text);
    free(url);
    free(api);
    free(dataset);
}

void console_report(FILE *out, const struct report *report, struct secrets *secrets)
{
    const char *no_colour = getenv("NO_COLOR");
    int fd = output_descriptor(out);
    struct page page = {
        .out = out,
        .report = report,
        .secrets = secrets,
        .colour = fd >= 0 && isatty(fd) && !(no_colour && *no_colour),
    };
    title(&page);
    summary_table(&page);
    metrics_table(&page);
    console_own(&page);
    percentile_table(&page);
    steady_block(&page);
    errors_table(&page);
    console_conditions(&page);
    console_trust(&page);
    console_said(&page);
    fflush(out);
}
