/* The part of the console report that says what became of --fail-on. */
#include <stdlib.h>

#include "model/report.h"
#include "out/page.h"
#include "out/table.h"

static bool add_judgement(struct table *table, const struct page *page,
                          const struct judgement *judgement)
{
    char *condition = page_line(page, judgement->condition, PAGE_COLUMNS / 2);
    char *shown = page_line(page, judgement->shown, PAGE_COLUMNS / 2);
    table_add(table, judgement->failed ? "FAIL" : "PASS");
    table_add(table, condition);
    table_addf(table, "%s%s", shown, judgement->marked ? "*" : "");
    free(condition);
    free(shown);
    return judgement->marked;
}

static void reasons(const struct page *page)
{
    for (size_t i = 0; i < page->report->judgement_count; i++) {
        const struct judgement *judgement = &page->report->judgements[i];
        struct buf text;
        if (!judgement->why[0])
            continue;
        buf_init(&text, CONDITION_SIZE + sizeof judgement->why + 4);
        buf_printf(&text, "%s: %s", judgement->condition, judgement->why);
        char *line = buf_take(&text);
        page_paragraph(page, 2, line);
        free(line);
    }
}

void console_conditions(const struct page *page)
{
    const struct report *report = page->report;
    bool marked = false;
    if (!report->judgement_count)
        return;
    struct table *table = table_new("llr");
    table_add(table, "Result");
    table_add(table, "Fails if");
    table_add(table, "Value");
    for (size_t i = 0; i < report->judgement_count; i++)
        marked |= add_judgement(table, page, &report->judgements[i]);
    page_heading(page, "Conditions (--fail-on)");
    table_draw(table, true, page->out);
    page_legend(page, marked);
    table_free(table);
    reasons(page);
}
