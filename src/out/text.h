/* Text of unknown origin made fit to be stored or shown: UTF-8 checked, measured, cut. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/span.h"

/* Valid UTF-8 without NUL: any reader of a database takes it as text. */
bool text_sound(struct span text);
/* Appends the text with U+FFFD in the place of every NUL and every invalid byte. */
void text_clean(struct span text, struct buf *out);
/* Columns it takes on a terminal: East-Asian wide characters take two. */
size_t text_columns(struct span text);
/* Appends it as one line of at most `columns` columns: white space runs to one blank, other control
 * characters escaped (\x1b), invalid bytes as U+FFFD, "..." where it had to be cut. */
void text_line(struct span text, size_t columns, struct buf *out);
