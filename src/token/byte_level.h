/* The alphabet of byte-level BPE: a printable character for each byte. */
#pragma once

#include "base/buf.h"

struct regex;

/* Appends the characters for the bytes. */
bool byte_level_write(struct buf *out, struct span bytes);
/* Appends the bytes that the characters stand for; false: a character is not of the alphabet (what
 * was appended before it stays). */
bool byte_level_read(struct buf *out, struct span text);
