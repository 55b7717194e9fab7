/* What the parts of the console report share. Only for console*.c. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/secrets.h"
#include "model/report.h"

enum { PAGE_COLUMNS = 100, CELL = 40 };

struct table;

struct page {
    FILE *out;
    const struct report *report;
    struct secrets *secrets; /* may be NULL */
    bool colour;
};

void page_heading(const struct page *page, const char *format, ...) PRINTF_LIKE(2, 3);
/* Wrapped at words, every line indented so far. */
void page_paragraph(const struct page *page, unsigned indent, const char *text);
/* One clean line with secrets hidden, cut to so many columns; released by free(). */
char *page_line(const struct page *page, const char *text, size_t columns);

/* NAN when the metric or the statistic has no value. */
double page_value(const struct summary *summary, enum metric_id metric, enum statistic statistic);
/* "-" for NAN; else so many decimals, fewer where it would be wider than `width`. Returns `cell`.
 */
char *page_number(char cell[CELL], double value, int decimals, int width);

/* Adds a cell with the statistic, marked when n values do not carry it. True: it was marked. */
bool page_statistic(struct table *table, const struct summary_metric *metric,
                    enum statistic statistic, int decimals, int width);
void page_legend(const struct page *page, bool marked); /* what the mark means */

void console_own(const struct page *page);        /* the script's own metrics */
void console_conditions(const struct page *page); /* --fail-on */
void console_trust(const struct page *page);
void console_said(const struct page *page);
void console_verdict(const struct page *page); /* the last part of it */
