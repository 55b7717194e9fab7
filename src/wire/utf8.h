/* UTF-8 a sequence at a time: what the JSON reader and writer share. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

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
/* Writes a code point (no surrogate, at most 10FFFF) and returns its length. */
unsigned utf8_encode(uint32_t code, char out[4]);
