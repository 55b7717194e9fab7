/* Decoders: the texts of tokens → a text. */
#pragma once

#include "token/model.h"

/* Texts, one after the other in a buffer. */
struct words {
    struct buf text;
    size_t *ends;
    size_t count, room;
};

void words_init(struct words *words, size_t limit);
void words_fini(struct words *words);
void words_clear(struct words *words);
/* The word ends where the text does now. */
void words_end(struct words *words);

static inline struct span words_get(const struct words *words, size_t i)
{
    size_t start = i ? words->ends[i - 1] : 0;
    const char *text = words->text.data ? words->text.data : ""; /* none has any text */
    return span_of(text + start, words->ends[i] - start);
}

struct decoder_row;

struct decoder_step {
    const struct decoder_row *row;
    void *self;
};

struct decoder {
    struct decoder_step *steps;
    size_t count;
    bool none; /* tokens are joined by blanks, as the reference does */
};

/* `node`: "decoder", or NULL. Call decoder_fini in any case. */
bool decoder_load(struct decoder *decoder, const struct node *node, struct err *err) MUST_CHECK;
void decoder_fini(struct decoder *decoder);
/* Takes the tokens' texts from `words`, needs `other` for its own use, appends what becomes of
 * them to `out`. */
bool decoder_run(const struct decoder *decoder, struct regex_work *regexes, struct words *words,
                 struct words *other, struct buf *out, struct err *err) MUST_CHECK;
