/* SentencePiece models (tokenizer.model), by libsentencepiece where llmbench was built with it. The
 * library normalizes, splits and encodes; what is here makes it look like any other model. */
#include <stdlib.h>

#include "base/mem.h"
#include "token/pipeline.h"
#include "token/sentencepiece_shim.h"

#ifdef TOKEN_SENTENCEPIECE

#define BLANK "\xe2\x96\x81" /* U+2581 */

static void sentencepiece_free(void *self)
{
    spm_free(self);
}

static void add_id(void *arg, uint32_t id)
{
    ids_add(arg, id);
}

static bool sentencepiece_encode(const void *self, void *work, struct span piece, struct ids *ids,
                                 struct err *err)
{
    (void)work;
    char message[SPM_MESSAGE];
    return spm_encode(self, piece.data, piece.len, add_id, ids, message) ||
           err_set(err, "libsentencepiece: %s", message);
}

static const struct model_row model_sentencepiece = {
    .type = "SentencePiece",
    .free = sentencepiece_free,
    .encode = sentencepiece_encode,
};

static bool read_pieces(struct tokenizer *tokenizer, const struct spm *spm, struct err *err)
{
    size_t count = spm_count(spm);
    vocabulary_expect(&tokenizer->vocabulary, count);
    for (size_t id = 0; id < count; id++) {
        size_t len;
        const char *text = spm_piece(spm, id, &len);
        if (!vocabulary_add(&tokenizer->vocabulary, "the model's pieces", span_of(text, len), id,
                            err))
            return false;
    }
    return true;
}

/* Has a word a blank before or behind it, that the text has not? */
static bool see_blanks(const struct tokenizer *tokenizer, bool *before, bool *behind,
                       struct err *err)
{
    const struct span blank = span_text(BLANK);
    struct ids ids = {.count = 0};
    bool ok = sentencepiece_encode(tokenizer->model_self, NULL, span_text("a"), &ids, err);
    *before = *behind = false;
    if (ok && ids.count > 0) {
        struct span first = vocabulary_text(&tokenizer->vocabulary, ids.items[0]);
        struct span last = vocabulary_text(&tokenizer->vocabulary, ids.items[ids.count - 1]);
        *before = first.len >= blank.len && memcmp(first.data, blank.data, blank.len) == 0;
        *behind = !*before && span_ends_with(last, blank);
    }
    free(ids.items);
    return ok;
}

/* The way back is that of tokenizer.json. Control tokens that are written out in a text are text,
 * as in the library, so they are no added tokens here. */
static bool load_decoder(struct tokenizer *tokenizer, struct err *err)
{
    bool before, behind;
    if (!see_blanks(tokenizer, &before, &behind, err))
        return false;
    char *parts = mem_printf("{\"decoder\":{\"type\":\"Sequence\",\"decoders\":["
                             "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" BLANK "\"},"
                             "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"
                             "{\"type\":\"Strip\",\"content\":\" \",\"start\":%d,\"stop\":%d}]}}",
                             before, behind);
    bool ok = load_parts(tokenizer, span_text(parts), err);
    free(parts);
    return ok;
}

bool load_sentencepiece(struct tokenizer *tokenizer, struct span bytes, const char *path,
                        struct err *err)
{
    (void)path;
    char message[SPM_MESSAGE];
    struct spm *spm = spm_new(bytes.data, bytes.len, message);
    if (!spm)
        return err_set(err, "libsentencepiece: %s", message);
    tokenizer->model = &model_sentencepiece;
    tokenizer->model_self = spm;
    return read_pieces(tokenizer, spm, err) && load_decoder(tokenizer, err);
}

#else

bool load_sentencepiece(struct tokenizer *tokenizer, struct span bytes, const char *path,
                        struct err *err)
{
    (void)tokenizer, (void)bytes, (void)path;
    return err_set(err,
                   "a SentencePiece model is read by libsentencepiece, which this llmbench was "
                   "built without; a tokenizer.json of the same model will do");
}

#endif
