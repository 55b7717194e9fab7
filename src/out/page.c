#include "out/page.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "out/table.h"
#include "out/text.h"

void page_heading(const struct page *page, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputc('\n', page->out);
    vfprintf(page->out, format, args);
    fputc('\n', page->out);
    va_end(args);
}

char *page_line(const struct page *page, const char *text, size_t columns)
{
    struct buf line;
    char *hidden = page->secrets ? secrets_hidden(page->secrets, text) : NULL;
    buf_init(&line, SIZE_MAX);
    text_line(span_text(hidden ? hidden : text), columns, &line);
    free(hidden);
    return buf_take(&line);
}

void page_paragraph(const struct page *page, unsigned indent, const char *text)
{
    char *line = page_line(page, text, SIZE_MAX);
    size_t used = PAGE_COLUMNS; /* so that the first word starts a line */
    bool first = true;
    for (char *rest = NULL, *word = strtok_r(line, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        size_t columns = text_columns(span_text(word));
        if (used + 1 + columns > PAGE_COLUMNS) {
            fprintf(page->out, "%s%*s", first ? "" : "\n", (int)indent, "");
            used = indent;
        } else {
            fputc(' ', page->out);
            used++;
        }
        fputs(word, page->out);
        used += columns;
        first = false;
    }
    fputc('\n', page->out);
    free(line);
}

double page_value(const struct summary *summary, enum metric_id metric, enum statistic statistic)
{
    const struct summary_metric *found = &summary->metric[metric];
    return found->present ? found->value[statistic] : (double)NAN;
}

char *page_number(char cell[CELL], double value, int decimals, int width)
{
    if (isnan(value)) {
        snprintf(cell, CELL, "-");
        return cell;
    }
    while (snprintf(cell, CELL, "%.*f", decimals, value) > width && decimals > 0)
        decimals--;
    if (strlen(cell) >= CELL - 1)
        snprintf(cell, CELL, "%.3g", value);
    return cell;
}

bool page_statistic(struct table *table, const struct summary_metric *metric,
                    enum statistic statistic, int decimals, int width)
{
    char cell[CELL];
    double value = metric->present ? metric->value[statistic] : (double)NAN;
    double n = metric->present ? metric->value[STAT_COUNT_N] : 0;
    bool marked = !isnan(value) && !statistic_trusted(statistic, n > 0 ? (uint64_t)n : 0);
    table_addf(table, "%s%s", page_number(cell, value, decimals, width), marked ? "*" : "");
    return marked;
}

void page_legend(const struct page *page, bool marked)
{
    if (marked)
        page_paragraph(page, 2,
                       "* too few values to rely on it (p99 asks for 100, p95 for 20, p90 for 10)");
}
