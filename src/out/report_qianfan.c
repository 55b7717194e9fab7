#include "out/report_qianfan.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "out/page.h"

/* Started requests, however they ended. */
static double sent(const struct summary *whole)
{
    return (double)whole->scored;
}

static double succeeded(const struct summary *whole)
{
    return (double)whole->ok;
}

static double failed(const struct summary *whole)
{
    return (double)whole->failed;
}

static double per_minute(const struct summary *whole)
{
    return 60 * page_value(whole, METRIC_REQUEST_THROUGHPUT, STAT_MEAN);
}

/* First start to last end, the drain included. */
static double total_time(const struct summary *whole)
{
    uint64_t from = whole->facts.window_start_ns, to = whole->facts.drain_end_ns;
    return from && to >= from ? clock_seconds(to - from) : (double)NAN;
}

static double success_share(const struct summary *whole)
{
    return whole->scored ? 100 * (double)whole->ok / (double)whole->scored : (double)NAN;
}

struct qianfan_row {
    const char *label;
    double (*of)(const struct summary *whole); /* NULL: the statistic below */
    enum metric_id metric;
    enum statistic statistic;
    int decimals;
    const char *unit; /* behind the number, or NULL */
};

#define STATISTIC(id, stat, digits) .metric = (id), .statistic = (stat), .decimals = (digits)

static const struct qianfan_row rows[] = {
    {.label = "QPS", STATISTIC(METRIC_REQUEST_THROUGHPUT, STAT_MEAN, 2)},
    {.label = "RPM", .of = per_minute, .decimals = 2},
    {.label = "Latency Avg", STATISTIC(METRIC_LATENCY, STAT_MEAN, 3)},
    {.label = "Latency Min", STATISTIC(METRIC_LATENCY, STAT_MIN, 3)},
    {.label = "Latency Max", STATISTIC(METRIC_LATENCY, STAT_MAX, 3)},
    {.label = "Latency 50%", STATISTIC(METRIC_LATENCY, STAT_P50, 3)},
    {.label = "Latency 80%", STATISTIC(METRIC_LATENCY, STAT_P80, 3)},
    {.label = "FirstTokenLatency Avg", STATISTIC(METRIC_TTFT, STAT_MEAN, 3)},
    {.label = "FirstTokenLatency Min", STATISTIC(METRIC_TTFT, STAT_MIN, 3)},
    {.label = "FirstTokenLatency Max", STATISTIC(METRIC_TTFT, STAT_MAX, 3)},
    {.label = "FirstTokenLatency 50%", STATISTIC(METRIC_TTFT, STAT_P50, 3)},
    {.label = "FirstTokenLatency 80%", STATISTIC(METRIC_TTFT, STAT_P80, 3)},
    {.label = "InputTokens Avg", STATISTIC(METRIC_INPUT_TOKENS, STAT_MEAN, 2)},
    {.label = "OutputTokens Avg", STATISTIC(METRIC_OUTPUT_TOKENS, STAT_MEAN, 2)},
    {.label = "TotalQuery", .of = sent},
    {.label = "SuccessQuery", .of = succeeded},
    {.label = "FailureQuery", .of = failed},
    {.label = "TotalTime", .of = total_time, .decimals = 2},
    {.label = "SuccessRate", .of = success_share, .decimals = 2, .unit = "%"},
};

static void show_row(const struct page *page, const struct qianfan_row *row)
{
    char cell[CELL];
    const struct summary *whole = &page->report->whole;
    double value = row->of ? row->of(whole) : page_value(whole, row->metric, row->statistic);
    page_number(cell, value, row->decimals, CELL);
    fprintf(page->out, "%s: %s%s\n", row->label, cell, row->unit && !isnan(value) ? row->unit : "");
}

static void legend(const struct page *page)
{
    static const char *const sentences[] = {
        "Times in seconds, over the successes; exact, not rounded to two digits.",
        "QPS: successes that ended in the measured window / window; the window reaches from the "
        "first start to the moment starting stopped, or to the last end of a run by number or "
        "data. RPM: 60 times that, over the same window.",
        "FirstTokenLatency: to the first event with text, not to the response headers; only "
        "streamed answers have one.",
        "TotalQuery: requests sent. FailureQuery: those that failed; rows of the data that were "
        "never sent are no failures. SuccessRate: SuccessQuery / TotalQuery. TotalTime: first "
        "start to last end.",
    };
    fputc('\n', page->out);
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        page_paragraph(page, 2, sentences[i]);
    if (page->report->whole.cancelled)
        fprintf(page->out,
                "  %" PRIu64 " cancelled at the end of the run: in TotalQuery, neither success nor "
                "failure.\n",
                page->report->whole.cancelled);
}

void report_qianfan(FILE *out, const struct report *report, struct secrets *secrets)
{
    struct page page = {.out = out, .report = report, .secrets = secrets};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        show_row(&page, &rows[i]);
    legend(&page);
    if (report->label[0])
        fprintf(out, "  Load: %s.\n", report->label);
    console_verdict(&page);
    char *path = page_line(&page, report->facts->log_path ? report->facts->log_path : "", SIZE_MAX);
    fprintf(out, "\nLog: %s\n", *path ? path : "-");
    fflush(out);
    free(path);
}
