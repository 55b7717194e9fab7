#include "token/trie.h"

#include <stdlib.h>

#include "base/mem.h"

void trie_init(struct trie *trie)
{
    *trie = (struct trie){.edge_count = 1024, .nodes = 1, .room = 512};
    trie->edges = mem_zero(trie->edge_count, sizeof *trie->edges);
    trie->ids = mem_alloc(trie->room * sizeof *trie->ids);
    trie->ids[TRIE_ROOT] = VOCABULARY_NONE;
}

void trie_fini(struct trie *trie)
{
    free(trie->edges);
    free(trie->ids);
}

static void put(struct trie *trie, struct trie_edge edge)
{
    size_t i = trie_slot(trie, edge.key);
    while (trie->edges[i].child)
        i = (i + 1) & (trie->edge_count - 1);
    trie->edges[i] = edge;
}

static void grow_edges(struct trie *trie)
{
    struct trie_edge *old = trie->edges;
    size_t count = trie->edge_count;
    trie->edge_count = count * 2;
    trie->edges = mem_zero(trie->edge_count, sizeof *trie->edges);
    for (size_t i = 0; i < count; i++)
        if (old[i].child)
            put(trie, old[i]);
    free(old);
}

static uint32_t add_node(struct trie *trie, uint32_t parent, unsigned char byte)
{
    if (trie->nodes == trie->room) {
        trie->room *= 2;
        trie->ids = mem_resize(trie->ids, trie->room, sizeof *trie->ids);
    }
    if (trie->nodes * 2 > trie->edge_count)
        grow_edges(trie);
    uint32_t node = (uint32_t)trie->nodes++;
    trie->ids[node] = VOCABULARY_NONE;
    put(trie, (struct trie_edge){.key = parent << 8 | byte, .child = node});
    return node;
}

bool trie_add(struct trie *trie, struct span piece, uint32_t id, struct err *err)
{
    uint32_t node = TRIE_ROOT;
    for (size_t i = 0; i < piece.len; i++) {
        unsigned char byte = (unsigned char)piece.data[i];
        uint32_t child = trie_step(trie, node, byte);
        if (child == TRIE_NONE && trie->nodes == TRIE_MAX_NODES)
            return err_set(err, "its pieces have more than %d different beginnings",
                           TRIE_MAX_NODES);
        node = child == TRIE_NONE ? add_node(trie, node, byte) : child;
    }
    trie->ids[node] = id;
    return true;
}
