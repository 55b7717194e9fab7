#include "wire/csv.h"

void csv_begin(struct csv *csv, char separator)
{
    *csv = (struct csv){.separator = separator};
}

/* The state after a byte that is no line feed outside quotes. */
static enum csv_state next_state(struct csv *csv, char c)
{
    switch (csv->state) {
    case CSV_FIELD: return c == '"' ? CSV_QUOTED : c == csv->separator ? CSV_FIELD : CSV_PLAIN;
    case CSV_PLAIN: return c == csv->separator ? CSV_FIELD : CSV_PLAIN;
    case CSV_QUOTED: csv->lines += c == '\n'; return c == '"' ? CSV_QUOTE : CSV_QUOTED;
    case CSV_QUOTE:
        if (c == '"')
            return CSV_QUOTED;
        if (c == csv->separator)
            return CSV_FIELD;
        if (c == '\r')
            return CSV_RETURN;
        break;
    case CSV_RETURN: break;
    }
    csv->text_after_quote = true;
    return CSV_PLAIN;
}

size_t csv_scan(struct csv *csv, struct span piece, bool *whole)
{
    *whole = false;
    for (size_t i = 0; i < piece.len; i++) {
        if (piece.data[i] == '\n' && csv->state != CSV_QUOTED) {
            *whole = true;
            return i + 1;
        }
        csv->state = next_state(csv, piece.data[i]);
    }
    return piece.len;
}

/* Behind the field's last byte. */
static void leave_field(char separator, struct span *record, size_t used)
{
    bool more = used < record->len && record->data[used] == separator;
    *record = more ? span_of(record->data + used + 1, record->len - used - 1) : span_of(NULL, 0);
}

static size_t take_quoted(struct span record, struct buf *field)
{
    size_t at = 1;
    while (at < record.len) {
        const char *quote = memchr(record.data + at, '"', record.len - at);
        size_t end = quote ? (size_t)(quote - record.data) : record.len;
        buf_add(field, record.data + at, end - at);
        at = end + 1;
        if (at >= record.len || record.data[at] != '"')
            break;
        buf_add_char(field, '"');
        at++;
    }
    return at;
}

static size_t take_plain(char separator, struct span record, struct buf *field)
{
    const char *end = record.len ? memchr(record.data, separator, record.len) : NULL;
    size_t len = end ? (size_t)(end - record.data) : record.len;
    buf_add(field, record.data, len);
    return len;
}

bool csv_field(char separator, struct span *record, struct buf *field)
{
    if (!record->data)
        return false;
    buf_clear(field);
    bool quoted = record->len > 0 && record->data[0] == '"';
    leave_field(separator, record,
                quoted ? take_quoted(*record, field) : take_plain(separator, *record, field));
    return true;
}
