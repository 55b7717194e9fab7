#include "token/vocabulary.h"

#include <stdlib.h>

#include "base/mem.h"
#include "token/hash.h"
#include "token/tree.h"

void vocabulary_init(struct vocabulary *vocabulary)
{
    *vocabulary = (struct vocabulary){.count = 0};
    buf_init(&vocabulary->texts, VOCABULARY_MAX_BYTES);
}

void vocabulary_fini(struct vocabulary *vocabulary)
{
    buf_fini(&vocabulary->texts);
    free(vocabulary->entries);
    free(vocabulary->slots);
}

/* ---- by text ---- */

static struct vocabulary_slot *find_slot(const struct vocabulary *vocabulary, struct span text)
{
    uint64_t hash = hash_bytes(text);
    size_t mask = vocabulary->slot_count - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct vocabulary_slot *slot = &vocabulary->slots[i];
        if (slot->id == VOCABULARY_NONE)
            return slot;
        if (slot->hash != (uint32_t)(hash >> 32))
            continue;
        struct span other = vocabulary_text(vocabulary, slot->id);
        if (other.len == text.len && memcmp(other.data, text.data, text.len) == 0)
            return slot;
    }
}

static void resize_slots(struct vocabulary *vocabulary, size_t count)
{
    struct vocabulary_slot *old = vocabulary->slots;
    size_t old_count = vocabulary->slot_count, mask = count - 1;
    vocabulary->slots = mem_alloc(count * sizeof *vocabulary->slots);
    vocabulary->slot_count = count;
    for (size_t i = 0; i < count; i++)
        vocabulary->slots[i].id = VOCABULARY_NONE;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].id == VOCABULARY_NONE)
            continue;
        size_t at = hash_bytes(vocabulary_text(vocabulary, old[i].id)) & mask;
        while (vocabulary->slots[at].id != VOCABULARY_NONE)
            at = (at + 1) & mask;
        vocabulary->slots[at] = old[i];
    }
    free(old);
}

uint32_t vocabulary_find(const struct vocabulary *vocabulary, struct span text)
{
    return vocabulary->slots ? find_slot(vocabulary, text)->id : VOCABULARY_NONE;
}

/* ---- by id ---- */

static void make_room(struct vocabulary *vocabulary, size_t ids)
{
    if (ids <= vocabulary->room)
        return;
    size_t room = vocabulary->room ? vocabulary->room : 256;
    while (room < ids)
        room *= 2;
    vocabulary->entries = mem_resize(vocabulary->entries, room, sizeof *vocabulary->entries);
    memset(vocabulary->entries + vocabulary->room, 0,
           (room - vocabulary->room) * sizeof *vocabulary->entries);
    vocabulary->room = room;
}

void vocabulary_expect(struct vocabulary *vocabulary, size_t tokens)
{
    if (tokens > VOCABULARY_MAX_ID)
        return;
    size_t slots = 512;
    while (slots < tokens * 2)
        slots *= 2;
    make_room(vocabulary, tokens);
    if (slots > vocabulary->slot_count)
        resize_slots(vocabulary, slots);
}

bool vocabulary_add(struct vocabulary *vocabulary, const char *what, struct span text, uint64_t id,
                    struct err *err)
{
    if (id >= VOCABULARY_MAX_ID)
        return err_set(err, "%s: \"%.*s\" has the id %llu; ids must be below %d", what, SHOWN(text),
                       (unsigned long long)id, VOCABULARY_MAX_ID);
    if (vocabulary_has(vocabulary, id)) {
        struct span other = vocabulary_text(vocabulary, (uint32_t)id);
        return err_set(err, "%s: \"%.*s\" and \"%.*s\" have the same id, %llu", what, SHOWN(other),
                       SHOWN(text), (unsigned long long)id);
    }
    if (vocabulary->used * 2 >= vocabulary->slot_count)
        resize_slots(vocabulary, vocabulary->slot_count ? vocabulary->slot_count * 2 : 512);
    struct vocabulary_slot *slot = find_slot(vocabulary, text);
    if (slot->id != VOCABULARY_NONE)
        return err_set(err, "%s: \"%.*s\" has two ids, %u and %llu", what, SHOWN(text), slot->id,
                       (unsigned long long)id);
    size_t at = vocabulary->texts.len;
    if (!buf_add_span(&vocabulary->texts, text))
        return err_set(err, "%s: its texts are longer than %d bytes together", what,
                       VOCABULARY_MAX_BYTES);
    make_room(vocabulary, id + 1);
    vocabulary->entries[id] =
        (struct vocabulary_entry){.at = (uint32_t)at, .len = (uint32_t)text.len, .used = true};
    *slot = (struct vocabulary_slot){
        .id = (uint32_t)id,
        .hash = (uint32_t)(hash_bytes(text) >> 32),
    };
    vocabulary->used++;
    if (id >= vocabulary->count)
        vocabulary->count = id + 1;
    return true;
}
