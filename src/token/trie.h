/* Which pieces of a vocabulary a text begins with. Built once, constant afterwards. */
#pragma once

#include "base/err.h"
#include "token/vocabulary.h"

enum {
    TRIE_MAX_NODES = (1 << 24) - 1,
    TRIE_ROOT = 0,
};

#define TRIE_NONE UINT32_MAX

struct trie_edge {
    uint32_t key;   /* the node it leaves × 256 + the byte */
    uint32_t child; /* 0 = no edge: the root is nobody's child */
};

struct trie {
    struct trie_edge *edges; /* open addressing, a power of two of them */
    size_t edge_count;
    uint32_t *ids; /* by node: the piece that ends there, or VOCABULARY_NONE */
    size_t nodes, room;
};

void trie_init(struct trie *trie);
void trie_fini(struct trie *trie);
/* False, with a sentence, once the pieces have more than TRIE_MAX_NODES beginnings. */
bool trie_add(struct trie *trie, struct span piece, uint32_t id, struct err *err) MUST_CHECK;

static inline size_t trie_slot(const struct trie *trie, uint32_t key)
{
    return (size_t)(key * 0x9e3779b97f4a7c15ULL >> 32) & (trie->edge_count - 1);
}

/* The node that `byte` leads to; TRIE_NONE where no piece goes on like that. */
static inline uint32_t trie_step(const struct trie *trie, uint32_t node, unsigned char byte)
{
    uint32_t key = node << 8 | byte;
    for (size_t i = trie_slot(trie, key);; i = (i + 1) & (trie->edge_count - 1)) {
        if (trie->edges[i].child == 0)
            return TRIE_NONE;
        if (trie->edges[i].key == key)
            return trie->edges[i].child;
    }
}
