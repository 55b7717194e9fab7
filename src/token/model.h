/* What a tokenizer is made of, for those who write a part: a model, a normalizer, a pre-tokenizer.
 * Each part is a row of a table in the file of its family (models.c, normalizers.c,
 * pretokenizers.c); the pipeline in encode.c knows rows only.
 *
 * A part's `self` is made by load from its object of tokenizer.json, is constant afterwards and
 * shared by threads; what it needs to write is in `struct work`, one a thread. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "token/tree.h"
#include "token/vocabulary.h"

struct regex_work;

/* Texts between the parts have at most this many bytes. */
#define TOKEN_MAX_TEXT ((size_t)1 << 30)

struct ids {
    uint32_t *items;
    size_t count, room;
};

void ids_grow(struct ids *ids); /* by at least one */

static inline void ids_add(struct ids *ids, uint32_t id)
{
    if (ids->count == ids->room)
        ids_grow(ids);
    ids->items[ids->count++] = id;
}

/* ---- normalizers: text → text ---- */

struct normalizer_row {
    const char *type;
    /* NULL with a sentence. `free` (NULL: nothing to free) releases what it made. */
    void *(*load)(const struct node *node, struct err *err);
    void (*free)(void *self);
    /* Appends the text that becomes of `text` to the empty `out`. False with a sentence. */
    bool (*run)(const void *self, struct regex_work *regexes, struct span text, struct buf *out,
                struct err *err);
};

/* ---- pre-tokenizers: pieces → smaller pieces, perhaps of another text ---- */

struct piece {
    uint32_t start, len;
    bool first; /* begins where the whole text does */
};

struct pieces {
    struct span text; /* what the pieces are of; borrowed */
    struct piece *items;
    size_t count, room;
    struct buf own; /* of a step that makes another text */
};

static inline struct span piece_text(const struct pieces *pieces, size_t i)
{
    return span_of(pieces->text.data + pieces->items[i].start, pieces->items[i].len);
}

void pieces_grow(struct pieces *pieces);

/* A step gives no pieces without length. */
static inline void pieces_add(struct pieces *pieces, size_t start, size_t end, bool first)
{
    if (pieces->count == pieces->room)
        pieces_grow(pieces);
    pieces->items[pieces->count++] =
        (struct piece){.start = (uint32_t)start, .len = (uint32_t)(end - start), .first = first};
}

struct pretokenizer_row {
    const char *type;
    void *(*load)(const struct node *node, struct err *err);
    void (*free)(void *self);
    /* Splits each piece of `in`. `out` has no pieces, its text is that of `in` and its `own` is
     * empty; a step that changes texts writes `own`, and sets out->text to it at the end. */
    bool (*run)(const void *self, struct regex_work *regexes, const struct pieces *in,
                struct pieces *out, struct err *err);
};

/* ---- models: a piece → ids ---- */

struct model_load {
    const struct node *node;       /* the object "model" */
    struct vocabulary *vocabulary; /* empty; the model fills it */
    /* Pieces could come as plain bytes, though the vocabulary is written in the alphabet of
     * byte-level BPE: that saves changing each text. */
    bool byte_level;
};

struct model_row {
    const char *type;
    void *(*load)(const struct model_load *load, struct err *err);
    void (*free)(void *self);
    /* What a thread needs for encoding; NULL pair = nothing. */
    void *(*work_new)(const void *self);
    void (*work_free)(void *work);
    /* Whether it takes plain bytes where load->byte_level was true. NULL: it never does, and gets
     * characters of the alphabet. */
    bool (*takes_bytes)(const void *self);
    /* Appends the ids of a piece that is not empty. */
    bool (*encode)(const void *self, void *work, struct span piece, struct ids *ids,
                   struct err *err);
};

/* The row for an object's "type"; NULL when there is none. */
const struct normalizer_row *normalizer_find(struct span type);
const struct pretokenizer_row *pretokenizer_find(struct span type);
const struct model_row *model_find(struct span type);

extern const struct model_row model_bpe;       /* bpe.c */
extern const struct model_row model_unigram;   /* unigram.c */
extern const struct model_row model_wordpiece; /* wordpiece.c */
