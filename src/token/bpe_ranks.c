#include <stdlib.h>

#include "base/mem.h"
#include "token/bpe.h"

struct merges {
    struct bpe_merge *items;
    size_t count, room;
};

static void add(struct merges *merges, struct bpe_merge merge)
{
    if (merges->count == merges->room) {
        merges->room = merges->room ? merges->room * 2 : 4096;
        merges->items = mem_resize(merges->items, merges->room, sizeof *merges->items);
    }
    merges->items[merges->count++] = merge;
}

static bool begins_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

/* Every way to cut a token into two others. */
static void add_cuts(const struct vocabulary *vocabulary, uint32_t id, struct merges *merges)
{
    struct span text = vocabulary_text(vocabulary, id);
    for (size_t at = 1; at < text.len; at++) {
        if (!begins_character(text.data[at]))
            continue;
        uint32_t left = vocabulary_find(vocabulary, span_of(text.data, at));
        if (left == VOCABULARY_NONE)
            continue;
        uint32_t right = vocabulary_find(vocabulary, span_of(text.data + at, text.len - at));
        if (right != VOCABULARY_NONE)
            add(merges, (struct bpe_merge){left, right, id, id});
    }
}

struct bpe *bpe_from_ranks(const struct vocabulary *vocabulary, struct err *err)
{
    struct bpe *bpe = MEM_NEW(struct bpe);
    struct merges merges = {.count = 0};
    bpe->vocabulary = vocabulary;
    bpe->unknown = VOCABULARY_NONE;
    bpe->byte_level = bpe->ignore_merges = true;
    for (uint32_t id = 0; id < vocabulary->count; id++)
        if (vocabulary_has(vocabulary, id))
            add_cuts(vocabulary, id, &merges);
    bpe_make_merges(bpe, merges.count);
    for (size_t i = 0; i < merges.count; i++)
        bpe_put_merge(bpe, merges.items[i]);
    free(merges.items);
    bool all = bpe_find_alphabet(bpe) || err_set(err, "it lacks the token of some byte");
    if (all && bpe_find_whole(bpe, err))
        return bpe;
    bpe_free(bpe);
    return NULL;
}
