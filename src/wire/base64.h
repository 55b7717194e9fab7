/* Base64 (RFC 4648, section 4) to bytes. Pure. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends the bytes of `text`, strictly: whole groups of four, `=` where the last one is short, no
 * blanks, no bits that belong to no byte. False when it is none or passes out's limit. */
bool base64_decode(struct span text, struct buf *out) MUST_CHECK;
