/* A pull reader and a writer of JSON for the path of events, prompts and templates: no tree,
 * numbers as their exact text, NUL kept. Pure: no I/O.
 *
 * Strict (RFC 8259: one value, nothing but white space after it), with two mercies: a byte-order
 * mark before the value is skipped, and what is not Unicode in a string is replaced by U+FFFD and
 * counted, never a rejection. A lone surrogate escape becomes one U+FFFD; of invalid UTF-8 each
 * "maximal subpart" becomes one, as the Unicode standard recommends and browsers do: a sequence cut
 * short is one, a byte that can begin nothing is one (so an encoded surrogate, ED A0 80, is three).
 *
 * Input arrives whole (json_init) or in pieces through a refill function, so that an array of any
 * size is read in constant memory: one string or number is the largest thing kept. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

enum json_token {
    JSON_END,   /* after the one value: nothing more */
    JSON_ERROR, /* json_error says what and where; final */
    JSON_OBJECT_BEGIN,
    JSON_OBJECT_END,
    JSON_ARRAY_BEGIN,
    JSON_ARRAY_END,
    JSON_KEY,    /* text */
    JSON_STRING, /* text */
    JSON_NUMBER, /* text: exactly as it stood */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

enum { JSON_MAX_DEPTH = 512 };

/* Gives the next piece of input; an empty span = the end. The piece lives until the next call. */
typedef struct span json_refill_fn(void *arg);

struct json {
    const char *at, *end;   /* the rest of the current piece */
    json_refill_fn *refill; /* NULL = the piece is all */
    void *refill_arg;
    uint64_t consumed; /* bytes of the pieces before this one */
    const char *piece;
    const char *mark;   /* where the text being read begins in this piece; NULL = none is */
    struct buf scratch; /* texts that could not be borrowed; its limit is theirs */
    struct span text;   /* of the last key, string or number; lives until the next json_next */
    uint64_t line;      /* from 1, for messages */
    uint64_t replaced;  /* how many U+FFFD stand for invalid UTF-8 or lone surrogates so far */
    unsigned depth;
    unsigned char state;
    enum json_token last;
    unsigned char stack[JSON_MAX_DEPTH / 8];
    char message[160];
};

void json_init(struct json *json, const char *bytes, size_t len); /* borrows the bytes */
/* A string or number longer than `string_limit` bytes is an error. */
void json_init_refill(struct json *json, json_refill_fn *refill, void *arg, size_t string_limit);
void json_fini(struct json *json);

enum json_token json_next(struct json *json);
/* After a BEGIN token: reads on to its END, which counts as the last token then. After any other
 * token: nothing. False on error. */
bool json_skip(struct json *json);
/* "line 3, byte 120: expected ',' or '}', not ':'": the byte is the offset in the input, from 0.
 * Empty while there is no error. */
const char *json_error(const struct json *json);
uint64_t json_offset(const struct json *json); /* bytes consumed so far */

/* A number's text as an exact integer, if it is plainly one ("1.0" and "1e3" are not) and fits. */
bool json_integer(struct span text, int64_t *value);
/* The nearest double; past its range an infinity or zero. `text` is a JSON_NUMBER's. */
double json_number(struct span text);

/* Appends `text` as a JSON string with quotes; invalid UTF-8 becomes U+FFFD as above; control
 * characters are escaped, '/' and non-ASCII are not. */
void json_write_string(struct buf *out, struct span text);
/* Appends a double in the shortest form that reads back as the same double ("-0" too); integers up
 * to 2^53 as digits alone; NAN and infinities as null. */
void json_write_number(struct buf *out, double value);
/* Appends a text that is one JSON value with an element a line, each level two blanks further in
 * than `margin`; strings and numbers stay byte for byte. False: it is no JSON, nothing was added.
 */
bool json_indent(struct buf *out, struct span text, unsigned margin);
