/* The spellings in which one text may stand within another: plain, JSON-escaped any
 * number of times (a payload in a list, and that in a message), percent-encoded up to twice, and
 * both together. What is not an escape stands for itself, so every mixture of escaped and plain
 * characters is found. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/* False: at `at` (below text.len) no value begins whose first byte is one of `first`. */
bool spelling_may_begin(struct span text, size_t at, const bool first[256]);

/* Whether the character may begin an escape, so that it need not stand for itself. */
bool spelling_is_special(char c);

/* How much of the beginning of `text` (not empty) spells `value`, the longest way; 0 = it does not.
 * A text that was cut within the value, which "…" shows, counts up to the cut. */
size_t spelling_match(struct span text, struct span value);

/* "a%20b" as "a b"; with `plus`, "a+b" too. Returns the length in `out`, which holds text.len. */
size_t spelling_percent(struct span text, bool plus, char *out);

/* The JSON escape across the place `at`, so that none is cut in two: where it begins, together with
 * all backslashes before it, but not before `least`; `at` itself when there is none. */
size_t spelling_escape_begin(struct span text, size_t least, size_t at);
/* … and where it ends. */
size_t spelling_escape_end(struct span text, size_t at);
