/* Tokens by id and by text. Written while loading, constant afterwards. */
#pragma once

#include <stdint.h>

#include "base/buf.h"

enum {
    VOCABULARY_MAX_ID = 8 * 1024 * 1024,
    VOCABULARY_MAX_BYTES = 512 * 1024 * 1024, /* of all texts together */
};

#define VOCABULARY_NONE UINT32_MAX

struct vocabulary_slot {
    uint32_t id; /* VOCABULARY_NONE = free */
    uint32_t hash;
};

struct vocabulary_entry {
    uint32_t at, len;
    bool used;
};

struct vocabulary {
    struct buf texts;
    struct vocabulary_entry *entries; /* by id */
    size_t count, room;               /* ids 0 … count-1 may exist */
    struct vocabulary_slot *slots;    /* by text: open addressing, a power of two of them */
    size_t slot_count, used;
};

void vocabulary_init(struct vocabulary *vocabulary);
void vocabulary_fini(struct vocabulary *vocabulary);
/* Room for that many tokens at once; sparing, for it saves growing. */
void vocabulary_expect(struct vocabulary *vocabulary, size_t tokens);
/* False: the id is too large, or it has a text already, or the text has an id. `what` names the
 * vocabulary. */
bool vocabulary_add(struct vocabulary *vocabulary, const char *what, struct span text, uint64_t id,
                    struct err *err) MUST_CHECK;
uint32_t vocabulary_find(const struct vocabulary *vocabulary, struct span text);

static inline bool vocabulary_has(const struct vocabulary *vocabulary, uint64_t id)
{
    return id < vocabulary->count && vocabulary->entries[id].used;
}

static inline struct span vocabulary_text(const struct vocabulary *vocabulary, uint32_t id)
{
    const struct vocabulary_entry *entry = &vocabulary->entries[id];
    return entry->len ? span_of(vocabulary->texts.data + entry->at, entry->len) : span_of("", 0);
}
