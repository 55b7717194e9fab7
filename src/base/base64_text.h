/* Bytes as base64 (RFC 4648, section 4). Pure. */
#pragma once

#include "base/buf.h"
#include "base/span.h"

/* Appends the digits of the bytes, without padding. */
void base64_text(struct buf *out, struct span bytes);
