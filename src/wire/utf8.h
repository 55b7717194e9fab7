/* UTF-8 a sequence at a time. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* What must follow a first byte; the bytes after the second are always 80…BF. */
struct utf8_lead {
    unsigned char first, last;  /* the first bytes this row is for */
    unsigned char length;       /* of the whole sequence */
    unsigned char second_first; /* the range of the second byte */
    unsigned char second_last;
};

/* The row of a first byte of 80 or more; NULL when it can begin nothing. */
const struct utf8_lead *utf8_lead(unsigned char byte);
/* May `byte` stand at `index` (1…length-1) of a sequence with that lead? */
bool utf8_follows(const struct utf8_lead *lead, unsigned index, int byte);
/* How many bytes at `at` (which is before `end`) belong together: a valid character, or the maximal
 * subpart of an invalid one, which one U+FFFD replaces. */
unsigned utf8_step(const char *at, const char *end, bool *valid);
/* Code points of valid UTF-8; each invalid byte counts as one. */
uint64_t utf8_count(struct span text);
/* The code point of a valid sequence of `length` bytes. */
uint32_t utf8_code(const char *at, unsigned length);
/* True for what moves a terminal's cursor, breaks the line or turns the direction of writing: C0,
 * DEL, C1, the separators of lines and paragraphs, the marks of direction. */
bool utf8_steers(uint32_t code);
/* Writes a code point (no surrogate, at most 10FFFF) and returns its length. */
unsigned utf8_encode(uint32_t code, char out[4]);
