/* Lines of the help for a terminal: words wrapped, terms with their explanation beside them. */
#pragma once

#include <stddef.h>

#include "base/buf.h"

/* Words up to column `width`, further lines indented; `at` is the column already reached. */
void lines_wrapped(struct buf *out, const char *text, size_t at, size_t indent, size_t width);
/* A term and its explanation, which begins on a line of its own when the term is long. */
void lines_term(struct buf *out, const char *term, const char *text, size_t width);
