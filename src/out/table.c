#include "out/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "out/text.h"

struct table {
    char *layout;
    size_t columns;
    struct list cells;
};

struct table *table_new(const char *layout)
{
    struct table *table = MEM_NEW(struct table);
    table->layout = mem_text(layout);
    table->columns = strlen(layout);
    return table;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    list_fini(&table->cells);
    free(table->layout);
    free(table);
}

void table_add(struct table *table, const char *text)
{
    list_add(&table->cells, text);
}

void table_addf(struct table *table, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    table_add(table, text);
}

static size_t cell_width(const struct table *table, size_t cell)
{
    return text_columns(span_text(table->cells.items[cell]));
}

static size_t *column_widths(const struct table *table)
{
    size_t *widths = mem_zero(table->columns, sizeof *widths);
    for (size_t i = 0; i < table->cells.count; i++) {
        size_t width = cell_width(table, i);
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    return widths;
}

static void draw_blanks(size_t count, FILE *out)
{
    fprintf(out, "%*s", (int)count, "");
}

/* Blanks are put off until something follows them, so that no line ends in white space. */
static void draw_row(const struct table *table, size_t row, const size_t *widths, FILE *out)
{
    size_t pending = 0;
    for (size_t c = 0; c < table->columns; c++) {
        size_t cell = row * table->columns + c;
        if (cell >= table->cells.count)
            break;
        size_t pad = widths[c] - cell_width(table, cell);
        bool right = table->layout[c] == 'r';
        pending += 2 + (right ? pad : 0);
        if (table->cells.items[cell][0]) {
            draw_blanks(pending, out);
            fputs(table->cells.items[cell], out);
            pending = 0;
        }
        pending += right ? 0 : pad;
    }
    fputc('\n', out);
}

static void draw_rule(const struct table *table, const size_t *widths, FILE *out)
{
    for (size_t c = 0; c < table->columns; c++) {
        fputs("  ", out);
        for (size_t i = 0; i < widths[c]; i++)
            fputc('-', out);
    }
    fputc('\n', out);
}

void table_draw(const struct table *table, bool header, FILE *out)
{
    size_t *widths = column_widths(table);
    size_t rows = (table->cells.count + table->columns - 1) / table->columns;
    for (size_t row = 0; row < rows; row++) {
        draw_row(table, row, widths, out);
        if (header && row == 0)
            draw_rule(table, widths, out);
    }
    free(widths);
}
