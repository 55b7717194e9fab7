/* Text of unknown origin for a terminal or a log: what moves the cursor, turns the direction of
 * writing or is no UTF-8 is shown escaped or as U+FFFD, and long text is cut, with what was left
 * out counted. Secrets must be hidden before. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/secrets.h"
#include "base/span.h"

/* In one line: at most the `first` and the `last` characters. */
void harmless_line(struct buf *out, struct span text, uint64_t first, uint64_t last);
/* With its line feeds and tabs as they are: at most the `first` characters. */
void harmless_lines(struct buf *out, struct span text, uint64_t first);
/* A header line in one line, at most `first` characters: secrets are hidden here, and the value of
 * a confidential one ("Authorization") is never shown. `confidential`: whether the line before was
 * (false at first); a line that begins with a blank continues it. */
void harmless_header(struct buf *out, struct span line, uint64_t first, struct secrets *secrets,
                     bool *confidential);
