/* The script's own metrics on the console. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "out/page.h"
#include "out/table.h"

enum { TITLE_COLUMNS = 40 };

/* Whole things to a tenth on average; of what only the script knows, as many as there is room for.
 */
static int decimals_of(const struct own_metric *metric)
{
    switch (metric->kind) {
    case UNIT_TOKENS:
    case UNIT_CHARS:
    case UNIT_COUNT: return 1;
    default: return 4;
    }
}

/* Times are in seconds everywhere, and a count says enough. */
static void add_title(struct table *table, const struct page *page, const struct own_metric *metric)
{
    bool plain = metric->kind == UNIT_SECONDS || metric->kind == UNIT_COUNT;
    char *title = page_line(page, metric->title, TITLE_COLUMNS);
    char *unit = page_line(page, metric->unit, TITLE_COLUMNS);
    if (plain)
        table_add(table, title);
    else
        table_addf(table, "%s (%s)", title, unit);
    free(title);
    free(unit);
}

static bool has_kind(const struct summary *whole, bool stage)
{
    for (size_t i = 0; i < whole->own_count; i++)
        if ((whole->own[i].metric->over == OVER_STAGE) == stage)
            return true;
    return false;
}

/* One value a request. */
static void distributions(const struct page *page)
{
    static const char *const header[] = {"Metric", "mean", "std", "min", "p50",
                                         "p90",    "p95",  "p99", "max", "n"};
    static const enum statistic columns[] = {STAT_MEAN, STAT_STD, STAT_MIN, STAT_P50,
                                             STAT_P90,  STAT_P95, STAT_P99, STAT_MAX};
    const struct summary *whole = &page->report->whole;
    struct table *table = table_new("lrrrrrrrrr");
    bool marked = false;
    for (size_t i = 0; i < sizeof header / sizeof *header; i++)
        table_add(table, header[i]);
    for (size_t i = 0; i < whole->own_count; i++) {
        const struct summary_own *own = &whole->own[i];
        if (own->metric->over == OVER_STAGE)
            continue;
        add_title(table, page, own->metric);
        for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
            marked |= page_statistic(table, &own->value, columns[c], decimals_of(own->metric), 6);
        table_addf(table, "%.0f", own->value.present ? own->value.value[STAT_COUNT_N] : 0);
    }
    table_draw(table, true, page->out);
    page_legend(page, marked);
    table_free(table);
}

/* One number for the stage. */
static void numbers(const struct page *page)
{
    char cell[CELL];
    const struct summary *whole = &page->report->whole;
    struct table *table = table_new("ll");
    for (size_t i = 0; i < whole->own_count; i++) {
        const struct summary_own *own = &whole->own[i];
        if (own->metric->over != OVER_STAGE)
            continue;
        double value = own->value.present ? own->value.value[STAT_MEAN] : (double)NAN;
        add_title(table, page, own->metric);
        table_add(table, page_number(cell, value, decimals_of(own->metric), 10));
    }
    table_draw(table, false, page->out);
    table_free(table);
}

/* The first failure without its traceback, which the log and the database have. */
static void failures(const struct page *page)
{
    uint64_t failed = summary_own_failed(&page->report->whole);
    const char *error = page->report->own_error;
    if (!failed)
        return;
    char *first = mem_copy(error ? error : "", error ? strcspn(error, "\n") : 0);
    char *line = page_line(page, first, (size_t)2 * PAGE_COLUMNS);
    struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text, "%" PRIu64 " value%s missing where the script failed, first: %s", failed,
               failed == 1 ? "" : "s", line);
    char *sentence = buf_take(&text);
    page_paragraph(page, 2, sentence);
    free(sentence);
    free(line);
    free(first);
}

void console_own(const struct page *page)
{
    const struct summary *whole = &page->report->whole;
    if (!whole->own_count)
        return;
    page_heading(page, "Metrics of the script (times in seconds)");
    bool values = has_kind(whole, false), stage = has_kind(whole, true);
    if (values)
        distributions(page);
    if (values && stage)
        fputc('\n', page->out);
    if (stage)
        numbers(page);
    failures(page);
}
