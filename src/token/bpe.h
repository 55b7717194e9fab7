/* Byte-pair encoding: what the loader (bpe.c) and the merging (bpe_merge.c) share. */
#pragma once

#include "token/hash.h"
#include "token/model.h"

enum { BPE_CUT_MOST = 16 };

struct bpe_merge {
    uint32_t left, right; /* left VOCABULARY_NONE = a free slot */
    uint32_t rank, id;    /* the smaller the rank the sooner; what the two become */
};

struct bpe {
    const struct vocabulary *vocabulary;
    struct bpe_merge *merges; /* by pair: open addressing */
    size_t merge_mask;
    /* Pieces are plain bytes: the token of each; else with byte_fallback the token of "<0x..>". */
    uint32_t bytes[256];
    bool byte_level, byte_fallback, fuse_unknown, ignore_merges;
    uint32_t unknown;         /* VOCABULARY_NONE = none */
    char *prefix, *suffix;    /* of a character that does not begin, that ends a piece; or NULL */
    struct vocabulary *whole; /* of plain bytes: tokens that ignore_merges looks for */
    /* No merge joins anything with a "▁" behind it, but for "▁" and these: long pieces may be cut
     * there, and the words are found in the cache. */
    bool cuts;
    uint32_t joined[BPE_CUT_MOST];
    size_t joined_count;
};

#define BPE_SIGN "\xe2\x96\x81"

static inline const struct bpe_merge *bpe_find(const struct bpe *bpe, uint32_t left, uint32_t right)
{
    for (size_t i = hash_pair(left, right) & bpe->merge_mask;; i = (i + 1) & bpe->merge_mask) {
        const struct bpe_merge *merge = &bpe->merges[i];
        if (merge->left == left && merge->right == right)
            return merge;
        if (merge->left == VOCABULARY_NONE)
            return NULL;
    }
}

/* ---- making one (bpe.c) ---- */

void bpe_free(void *self);
void bpe_make_merges(struct bpe *bpe, size_t count); /* room for that many */
/* Of a pair that is put twice the later counts, as in the reference. */
void bpe_put_merge(struct bpe *bpe, struct bpe_merge merge);
/* Fills `bytes` with the tokens of the alphabet of byte-level BPE; false: one is missing. */
bool bpe_find_alphabet(struct bpe *bpe);
/* Fills `whole` with the tokens as plain bytes. */
bool bpe_find_whole(struct bpe *bpe, struct err *err) MUST_CHECK;
/* The merges that tiktoken makes: any two tokens that make a third, in the order of the ids. The
 * vocabulary is written in the alphabet. NULL with a sentence. (bpe_ranks.c) */
struct bpe *bpe_from_ranks(const struct vocabulary *vocabulary, struct err *err);

/* ---- using it (bpe_merge.c) ---- */

void *bpe_work_new(const void *self);
void bpe_work_free(void *work);
bool bpe_encode(const void *self, void *work, struct span piece, struct ids *ids, struct err *err);
