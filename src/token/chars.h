/* Characters and their kinds, as the reference tokenizers see them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/* Steps through valid UTF-8; *at is before the end. */
uint32_t char_next(const char **at);

bool char_is_space(uint32_t code);       /* White_Space */
bool char_is_number(uint32_t code);      /* Nd, Nl, No */
bool char_is_punctuation(uint32_t code); /* ASCII's punctuation and symbols, and P* */
bool char_is_word(uint32_t code);        /* Alphabetic, M, Nd, Pc, the joiners */
bool char_is_mark(uint32_t code);        /* Mn, Mc, Me */
bool char_is_nonspacing(uint32_t code);  /* Mn */
bool char_is_control(uint32_t code);     /* Cc, Cf, Co */

/* The text without White_Space at its ends. */
struct span chars_strip(struct span text, bool left, bool right);
