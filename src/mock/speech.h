/* Answers in the tokens of a tokenizer, in the place of the mock server's own words. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct tokenizer;
struct mock_voice;

/* One choice's text, which the tokenizer divides into exactly `tokens` tokens. */
struct mock_speech {
    char *text;   /* owned */
    size_t *ends; /* owned: how much of the text each token and those before it are */
    uint32_t tokens;
};

/* What makes speeches; one a server. */
struct mock_voice *mock_voice_new(const struct tokenizer *tokenizer);
void mock_voice_free(struct mock_voice *voice);
/* Makes one of words that the numbers decide; false after many vain attempts. */
bool mock_speech_make(struct mock_voice *voice, uint64_t seed, uint64_t request, uint32_t choice,
                      uint32_t tokens, struct mock_speech *out) MUST_CHECK;
void mock_speech_fini(struct mock_speech *speech);
/* The text that token k brings: nothing while a character that is several tokens is not whole, then
 * all of it. */
struct span mock_speech_token(const struct mock_speech *speech, uint32_t k);
/* Tokens of a prompt's text; false: the tokenizer cannot encode it. */
bool mock_voice_count(struct mock_voice *voice, struct span text, uint64_t *count) MUST_CHECK;
