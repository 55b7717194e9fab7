/* The regexes of tokenizer files, which are written for Oniguruma (Ruby's dialect), carried out by
 * PCRE2. What the two read differently is rewritten; what cannot be is refused by name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

/* White_Space, as the inside of a class. PCRE2's own \s also takes U+180E. */
#define REGEX_SPACE                                                                                \
    "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}"       \
    "\\x{3000}"
#define REGEX_LETTERS "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
/* Oniguruma's \w also takes the small digits and fractions of Latin-1; PCRE2's own lacks marks. */
#define REGEX_WORD REGEX_LETTERS "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"

struct regex; /* constant once made: any number of threads may use it */
struct regex_work;

struct regex *regex_new(struct span pattern, struct err *err) MUST_CHECK;
void regex_free(struct regex *regex);

/* Match data and stack of one thread, for all regexes. */
struct regex_work *regex_work_new(void);
void regex_work_free(struct regex_work *work);

enum regex_found { REGEX_ERROR = -1, REGEX_NONE, REGEX_MATCH };

/* The leftmost match in valid UTF-8 at or after `from`. An error is a limit that was passed. */
enum regex_found regex_find(const struct regex *regex, struct regex_work *work, struct span text,
                            size_t from, size_t *start, size_t *end, struct err *err);

/* Walks all matches, one after the other; an empty one directly behind the last is none. */
struct regex_walk {
    const struct regex *regex;
    struct regex_work *work;
    struct span text;
    size_t from, last; /* where to look next, and where the last match ended */
    bool matched;
};

void regex_walk_begin(struct regex_walk *walk, const struct regex *regex, struct regex_work *work,
                      struct span text);
enum regex_found regex_walk_next(struct regex_walk *walk, size_t *start, size_t *end,
                                 struct err *err);

/* The pattern as PCRE2 has to read it, appended to `out` (regex_dialect.c). */
bool regex_translate(struct span pattern, struct buf *out, struct err *err) MUST_CHECK;
