/* Tokenizers as models ship them: text to token ids, exactly as the model's own tokenizer does, and
 * back.
 *
 * A loaded tokenizer is constant and shared by all threads; what encoding needs to write (match
 * data of the regexes, buffers, the cache of words) lives in a `struct tokens` that one thread
 * owns. What a file says and this unit does not know is an error that names it, never a guess. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

struct tokenizer;
struct tokens;

/* Loads `path`: a folder that holds tokenizer.json (then tokenizer_config.json beside it is read
 * too), such a file, a tiktoken rank file, or a SentencePiece model. NULL with a sentence that
 * names the file and what in it is malformed or not supported. Ends in bounded time and memory
 * whatever the file holds. A file's truncation and padding are not followed: they say how to train,
 * not how many tokens a text has. */
struct tokenizer *tokenizer_load(const char *path, struct err *err) MUST_CHECK;
void tokenizer_free(struct tokenizer *tokenizer);

struct tokens *tokens_new(const struct tokenizer *tokenizer); /* which must outlive it */
void tokens_free(struct tokens *tokens);

enum tokens_flags {
    TOKENS_PLAIN = 0,
    TOKENS_SPECIAL = 1, /* with the special tokens that the post-processor adds (<bos>, [CLS]) */
};

/* The ids of `text`; they live in `tokens` until its next call. Special tokens written out in the
 * text are recognised as the file says. Invalid UTF-8: each maximal subpart counts as U+FFFD.
 * Where the model has neither a token for a character nor one for the unknown, BPE leaves the
 * character out, as the reference does. False: the text cannot be encoded (a limit of the regexes,
 * a model without a token for the unknown), said in err. */
bool tokens_encode(struct tokens *tokens, struct span text, unsigned flags, const uint32_t **ids,
                   size_t *count, struct err *err) MUST_CHECK;
/* How many ids that would be. */
bool tokens_count(struct tokens *tokens, struct span text, unsigned flags, uint64_t *count,
                  struct err *err) MUST_CHECK;
/* Appends the text of `ids`, which is valid UTF-8: bytes that make no character become U+FFFD.
 * `special` says whether special tokens are written out. An id that the vocabulary lacks is an
 * error that names it. */
bool tokens_decode(struct tokens *tokens, const uint32_t *ids, size_t count, bool special,
                   struct buf *out, struct err *err) MUST_CHECK;

size_t tokenizer_vocabulary(const struct tokenizer *tokenizer); /* ids 0 … n-1 may exist */
bool tokenizer_is_special(const struct tokenizer *tokenizer, uint32_t id);
const char *tokenizer_name(const struct tokenizer *tokenizer); /* of its file, with its folder */
const char *tokenizer_kind(const struct tokenizer *tokenizer); /* "BPE", "Unigram", "WordPiece" */
