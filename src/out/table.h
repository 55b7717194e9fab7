/* Plain aligned tables for the terminal: two blanks between columns, the header underlined by
 * dashes. Collects cells row by row, then measures and draws. Knows nothing of what it shows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

struct table;

/* `layout`: one letter a column, 'l' left or 'r' right; copied. */
struct table *table_new(const char *layout);
void table_free(struct table *table);
/* Adds the next cell, row by row from the left. The text must be one clean line (text_line). */
void table_add(struct table *table, const char *text);
void table_addf(struct table *table, const char *format, ...) PRINTF_LIKE(2, 3);
/* Draws it; with `header`, the first row is underlined. A last row that is not full is drawn as far
 * as it goes. */
void table_draw(const struct table *table, bool header, FILE *out);
