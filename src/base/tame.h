/* Words of unknown origin, made unable to drive a terminal. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"

/* Appends the text with control characters (C0 but the tab, DEL, C1), the separators of lines and
 * the marks of direction as \x1b or \u202e, and bytes that are no UTF-8 as \xff. `indent`: the
 * lines after the first are indented, so that none looks like one of ours. */
void tame(struct buf *out, struct span text, bool indent);
