/* The one error idiom: what can fail returns bool and takes a last `struct err *`.
 *
 * The text is one sentence for the user: it names the thing, the wrong value and what would be
 * right. Callers pass it on unchanged or put a prefix before it; only the commands in app print it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

struct err {
    char text[2048];
};

/* Stores the sentence, cut when it is longer than the text; always returns false, so that `return
 * err_set(err, …)` fails in one line. A NULL err is allowed when the caller does not want the text.
 */
bool err_set(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts "…" at the end of a text that was cut to fill `size` bytes with its NUL, so that it is seen
 * to be cut. */
void err_mark_cut(char *text, size_t size);

/* Puts "PREFIX: " before the sentence that is already there; always returns false. */
bool err_prefix(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);
