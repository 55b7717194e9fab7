/* Where in a text its tokens end. One thread uses a `struct places`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/span.h"

struct tokenizer;
struct places;

struct place_list {
    const size_t *ends; /* of each token: how many bytes of the text it and those before it are */
    size_t count;
    /* The tokens' own texts, joined, are the text. False (a tokenizer that folds case, say): the
     * ends are estimates, in proportion to the lengths of the tokens' texts. */
    bool exact;
};

struct places *places_new(const struct tokenizer *tokenizer); /* which must outlive it */
void places_free(struct places *places);
/* Lives in `places` until its next call. Without special tokens that a post-processor adds. Tokens
 * that are pieces of one character all end with it. The ends never decrease; the last is the end of
 * the text. */
bool places_find(struct places *places, struct span text, struct place_list *out,
                 struct err *err) MUST_CHECK;
