/* CSV records as text, [field][field] a record with its line feeds; ! = malformed, … = open: so
 * that two ways of feeding them can be compared and tables can be read. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "wire/csv.h"

static inline void csv_log_record(struct buf *log, const struct csv *csv, struct span record)
{
    struct buf field;
    buf_init(&field, SIZE_MAX);
    if (record.len && record.data[record.len - 1] == '\n')
        record.len--;
    if (record.len && record.data[record.len - 1] == '\r')
        record.len--;
    if (csv->text_after_quote)
        buf_add_text(log, "!");
    else if (csv->state == CSV_QUOTED)
        buf_printf(log, "…%d", (int)csv->lines);
    else {
        while (csv_field(csv->separator, &record, &field))
            buf_printf(log, "[%.*s]", (int)field.len, field.len ? field.data : "");
        buf_printf(log, "%d", (int)csv->lines);
    }
    buf_add_text(log, "\n");
    buf_fini(&field);
}

/* In two pieces, or with cut = 0 in single bytes. */
static inline void csv_log_text(struct buf *log, struct span text, size_t cut, char separator)
{
    struct buf record;
    struct csv csv;
    buf_init(&record, SIZE_MAX);
    csv_begin(&csv, separator);
    for (size_t at = 0, used; at < text.len; at += used) {
        bool whole;
        size_t len = cut == 0 ? 1 : at < cut ? cut - at : text.len - at;
        char *piece = malloc(len); /* to be caught reading past it */
        memcpy(piece, text.data + at, len);
        used = csv_scan(&csv, span_of(piece, len), &whole);
        buf_add(&record, piece, used);
        free(piece);
        if (!whole)
            continue;
        csv_log_record(log, &csv, buf_span(&record));
        buf_clear(&record);
        csv_begin(&csv, separator);
    }
    if (record.len)
        csv_log_record(log, &csv, buf_span(&record));
    buf_fini(&record);
}
