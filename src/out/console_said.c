/* The last part of the console report: what scripts told of the stage. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "out/harmless.h"
#include "out/page.h"
#include "out/table.h"

enum {
    COUNTERS_SHOWN = 40,
    LINE_CHARACTERS = 200, /* of a line; the JSON report and the database have it whole */
    ERROR_CHARACTERS = 400,
};

/* As it is, blanks kept: a script may have laid out a table. Released by free(). */
static char *shown(const struct page *page, const char *text, uint64_t characters, bool lines)
{
    struct buf out;
    char *hidden = page->secrets ? secrets_hidden(page->secrets, text) : mem_text(text);
    buf_init(&out, SIZE_MAX);
    if (lines)
        harmless_lines(&out, span_text(hidden), characters);
    else
        harmless_line(&out, span_text(hidden), characters, 0);
    free(hidden);
    return buf_take(&out);
}

/* Whole numbers as such. */
static void add_counter(struct table *table, const struct page *page, const struct counter *counter)
{
    char *name = shown(page, counter->name, COUNTER_NAME, false);
    table_add(table, name);
    table_addf(table, "%.15g", counter->value);
    free(name);
}

static void counters(const struct page *page)
{
    const struct said *said = &page->report->said;
    if (!said->counter_count)
        return;
    struct table *table = table_new("lr");
    for (size_t i = 0; i < said->counter_count && i < COUNTERS_SHOWN; i++)
        add_counter(table, page, &said->counters[i]);
    page_heading(page, "Shared counters");
    table_draw(table, false, page->out);
    table_free(table);
    if (said->counter_count > COUNTERS_SHOWN)
        fprintf(page->out, "  and %zu more, in the JSON report and the database\n",
                said->counter_count - COUNTERS_SHOWN);
}

static void lines(const struct page *page)
{
    const struct list *list = &page->report->said.lines;
    for (size_t i = 0; i < list->count; i++) {
        char *line = shown(page, list->items[i], LINE_CHARACTERS, true);
        fprintf(page->out, "  %s\n", line);
        free(line);
    }
}

/* The traceback is in the log. */
static void failure(const struct page *page, const char *error)
{
    char *first = mem_copy(error, strcspn(error, "\n"));
    char *line = shown(page, first, ERROR_CHARACTERS, false);
    fprintf(page->out, "  Failed: %s\n", line);
    free(line);
    free(first);
}

void console_said(const struct page *page)
{
    const struct said *said = &page->report->said;
    counters(page);
    if (!said->lines.count && !said->error)
        return;
    page_heading(page, "Script");
    lines(page);
    if (said->error)
        failure(page, said->error);
}
