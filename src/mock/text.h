/* What the answers say and how prompts are counted; the rules stand in docs/mock.md. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

/* Appends token k of one choice of one request as a JSON string with its quotes. The same four
 * numbers give the same token everywhere. */
void mock_text_write(struct buf *out, uint64_t seed, uint64_t request, uint32_t choice, uint32_t k);
/* The same token without quotes and escapes. */
void mock_text_add(struct buf *out, uint64_t seed, uint64_t request, uint32_t choice, uint32_t k);

/* Tokens of a prompt's text: every CJK character is one, and so is every run of other characters
 * between white space and CJK characters. */
uint64_t mock_text_count(struct span text);

/* Offset of the first byte that is not valid UTF-8, or text.len. */
size_t mock_text_invalid(struct span text);
