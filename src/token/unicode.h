/* The Unicode normalization forms, in linear time but for a sort of marks. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum unicode_form { UNICODE_NFC, UNICODE_NFD, UNICODE_NFKC, UNICODE_NFKD };

/* Appends the form of valid UTF-8. False: `out` is full. */
bool unicode_normalize(enum unicode_form form, struct span text, struct buf *out);
/* Each character's lower case, by itself (so no final sigma). */
bool unicode_lower(struct span text, struct buf *out);
