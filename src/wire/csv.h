/* Comma-separated values as RFC 4180 has them, pure. A record ends at a line feed outside quotes,
 * with or without a carriage return before it; the last one needs no end. A field that begins with
 * a quote ends at the next one that is not doubled, and holds separators and line ends as they are;
 * a quote within any other field is text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

enum csv_state {
    CSV_FIELD,  /* where a field begins */
    CSV_PLAIN,  /* in a field without quotes */
    CSV_QUOTED, /* inside quotes */
    CSV_QUOTE,  /* after a quote that may be half of a doubled one */
    CSV_RETURN, /* after a carriage return behind a closing quote */
};

struct csv {
    char separator;
    enum csv_state state;  /* CSV_QUOTED after the last byte: a quote was never closed */
    bool text_after_quote; /* in this record text follows a closing quote: it is malformed */
    uint64_t lines;        /* of this record, the one it ends in left out */
};

/* The separator is any byte but a quote, CR and LF. Call it before each record. */
void csv_begin(struct csv *csv, char separator);
/* How many bytes of the piece belong to this record, its line feed included; *whole: that came. */
size_t csv_scan(struct csv *csv, struct span piece, bool *whole);
/* Takes the next field off a whole, sound record without its line end, and has its text in `field`;
 * false after the last. The record's data is NULL then: an empty record has one empty field. */
bool csv_field(char separator, struct span *record, struct buf *field);
