#include "out/page.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

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
