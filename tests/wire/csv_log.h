/* CSV records as text, [field][field] a record with its line feeds; ! = malformed, … = open: so
 * that two ways of feeding them can be compared and tables can be read. */
#pragma once

#include "portions.h"
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

/* Of a text in portions. */
static inline void csv_log_text(struct buf *log, struct span text, size_t cut, char separator)
{
    struct portions portions = {.text = text, .cut = cut};
    struct buf record;
    struct csv csv;
    size_t len;
    buf_init(&record, SIZE_MAX);
    csv_begin(&csv, separator);
    for (char *piece; (piece = portions_next(&portions, &len)); free(piece)) {
        bool whole;
        size_t used = csv_scan(&csv, span_of(piece, len), &whole);
        buf_add(&record, piece, used);
        portions.at -= len - used;
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
