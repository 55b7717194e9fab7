/* {"type": "Replace", "pattern": …, "content": …}, which is a normalizer and a decoder. */
#pragma once

#include "base/buf.h"
#include "token/pattern.h"

/* As the rows of both tables want it. */
void *replace_load(const struct node *node, struct err *err);
void replace_free(void *replace);
/* Appends `text` with each match replaced; whether `out` was full is the caller's to look at.
 * False: a regex gave up. */
bool replace_in(const void *replace, struct regex_work *regexes, struct span text, struct buf *out,
                struct err *err) MUST_CHECK;
