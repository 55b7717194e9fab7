/* Encoding a piece: its characters, merged in the order of their ranks.
 *
 * Short pieces are searched for the best pair again and again, long ones keep their pairs in a
 * heap, so that time is n log n at most. Words that were seen before come from a cache of a fixed
 * size. */
#include <stdlib.h>

#include "base/mem.h"
#include "token/bpe.h"
#include "token/chars.h"

enum {
    SHORT_MOST = 48, /* symbols */
    SYMBOLS_MOST = 64 * 1024 * 1024,
    KEPT_MOST = 256 * 1024, /* symbols whose memory is kept for the next piece */
    WORD_SLOTS = 1 << 15,
    WORD_BYTES = 30,
    WORD_IDS = 8,
};

/* A word and its tokens: one line of the CPU's cache. */
struct word {
    unsigned char len, count; /* len 0 = free */
    char text[WORD_BYTES];
    uint32_t ids[WORD_IDS];
};

struct symbol {
    uint32_t id;
    uint32_t before, after; /* places; NOBODY at the ends */
    bool gone;
};

#define NOBODY UINT32_MAX

struct candidate {
    uint64_t order; /* rank, then place */
    uint32_t id;    /* what it would become */
};

struct bpe_work {
    struct word *words;
    struct ids symbols; /* of the piece */
    struct symbol *chain;
    struct candidate *heap;
    size_t chain_room, heap_room, heap_count;
};

void *bpe_work_new(const void *self)
{
    struct bpe_work *work = MEM_NEW(struct bpe_work);
    (void)self;
    work->words = mem_zero(WORD_SLOTS, sizeof *work->words);
    return work;
}

void bpe_work_free(void *self)
{
    struct bpe_work *work = self;
    free(work->words);
    free(work->symbols.items);
    free(work->chain);
    free(work->heap);
    free(work);
}

/* ---- short pieces ---- */

static uint64_t order_of(const struct bpe *bpe, uint32_t left, uint32_t right)
{
    const struct bpe_merge *merge = bpe_find(bpe, left, right);
    return merge ? (uint64_t)merge->rank << 32 | merge->id : UINT64_MAX;
}

static void merge_short(const struct bpe *bpe, const uint32_t *symbols, size_t count,
                        struct ids *ids)
{
    uint32_t left[SHORT_MOST];
    uint64_t orders[SHORT_MOST]; /* of each symbol with the next: rank, what they become */
    for (size_t i = 0; i < count; i++)
        left[i] = symbols[i];
    for (size_t i = 0; i + 1 < count; i++)
        orders[i] = order_of(bpe, left[i], left[i + 1]);
    for (;;) {
        uint64_t best = UINT64_MAX;
        size_t at = 0;
        for (size_t i = 0; i + 1 < count; i++)
            if (orders[i] < best)
                best = orders[at = i];
        if (best == UINT64_MAX)
            break;
        left[at] = (uint32_t)best;
        count--;
        memmove(&left[at + 1], &left[at + 2], (count - at - 1) * sizeof *left);
        if (at + 1 < count)
            memmove(&orders[at + 1], &orders[at + 2], (count - at - 2) * sizeof *orders);
        if (at > 0)
            orders[at - 1] = order_of(bpe, left[at - 1], left[at]);
        if (at + 1 < count)
            orders[at] = order_of(bpe, left[at], left[at + 1]);
    }
    for (size_t i = 0; i < count; i++)
        ids_add(ids, left[i]);
}

/* ---- long pieces ---- */

static void heap_push(struct bpe_work *work, struct candidate candidate)
{
    if (work->heap_count == work->heap_room) {
        work->heap_room = work->heap_room ? work->heap_room * 2 : 1024;
        work->heap = mem_resize(work->heap, work->heap_room, sizeof *work->heap);
    }
    size_t at = work->heap_count++;
    while (at > 0 && work->heap[(at - 1) / 2].order > candidate.order) {
        work->heap[at] = work->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    work->heap[at] = candidate;
}

static struct candidate heap_pop(struct bpe_work *work)
{
    struct candidate best = work->heap[0], last = work->heap[--work->heap_count];
    size_t at = 0, count = work->heap_count;
    for (;;) {
        size_t child = at * 2 + 1;
        if (child + 1 < count && work->heap[child + 1].order < work->heap[child].order)
            child++;
        if (child >= count || work->heap[child].order >= last.order)
            break;
        work->heap[at] = work->heap[child];
        at = child;
    }
    work->heap[at] = last;
    return best;
}

static void offer(const struct bpe *bpe, struct bpe_work *work, uint32_t place)
{
    const struct symbol *left = &work->chain[place];
    const struct bpe_merge *merge = bpe_find(bpe, left->id, work->chain[left->after].id);
    if (merge)
        heap_push(work, (struct candidate){.order = (uint64_t)merge->rank << 32 | place,
                                           .id = merge->id});
}

static void make_chain(struct bpe_work *work, const uint32_t *symbols, size_t count)
{
    if (count > work->chain_room) {
        free(work->chain);
        work->chain = mem_zero(count, sizeof *work->chain);
        work->chain_room = count;
    }
    for (size_t i = 0; i < count; i++)
        work->chain[i] = (struct symbol){
            .id = symbols[i],
            .before = i > 0 ? (uint32_t)i - 1 : NOBODY,
            .after = i + 1 < count ? (uint32_t)i + 1 : NOBODY,
        };
}

static void join(const struct bpe *bpe, struct bpe_work *work, uint32_t place, uint32_t id)
{
    struct symbol *left = &work->chain[place], *right = &work->chain[left->after];
    left->id = id;
    left->after = right->after;
    right->gone = true;
    if (left->after != NOBODY) {
        work->chain[left->after].before = place;
        offer(bpe, work, place);
    }
    if (left->before != NOBODY)
        offer(bpe, work, left->before);
}

/* Is the candidate still what would become of the pair there? */
static bool holds(const struct bpe *bpe, const struct bpe_work *work, struct candidate candidate)
{
    const struct symbol *left = &work->chain[(uint32_t)candidate.order];
    if (left->gone || left->after == NOBODY)
        return false;
    const struct bpe_merge *merge = bpe_find(bpe, left->id, work->chain[left->after].id);
    return merge && merge->id == candidate.id;
}

static void forget_large(struct bpe_work *work)
{
    if (work->chain_room > KEPT_MOST) {
        free(work->chain);
        work->chain = NULL;
        work->chain_room = 0;
    }
    if (work->heap_room > KEPT_MOST) {
        free(work->heap);
        work->heap = NULL;
        work->heap_room = 0;
    }
}

static void merge_long(const struct bpe *bpe, struct bpe_work *work, const uint32_t *symbols,
                       size_t count, struct ids *ids)
{
    make_chain(work, symbols, count);
    work->heap_count = 0;
    for (size_t i = 0; i + 1 < count; i++)
        offer(bpe, work, (uint32_t)i);
    while (work->heap_count > 0) {
        struct candidate best = heap_pop(work);
        if (holds(bpe, work, best))
            join(bpe, work, (uint32_t)best.order, best.id);
    }
    for (uint32_t at = 0; at != NOBODY; at = work->chain[at].after)
        ids_add(ids, work->chain[at].id);
    forget_large(work);
}

/* ---- the symbols of a piece that is not plain bytes ---- */

/* False: not all of its bytes have a token. */
static bool add_bytes(const struct bpe *bpe, struct span character, struct ids *symbols)
{
    if (!bpe->byte_fallback)
        return false;
    for (size_t i = 0; i < character.len; i++)
        if (bpe->bytes[(unsigned char)character.data[i]] == VOCABULARY_NONE)
            return false;
    for (size_t i = 0; i < character.len; i++)
        ids_add(symbols, bpe->bytes[(unsigned char)character.data[i]]);
    return true;
}

/* The unknown waits, to be fused with the unknown behind it; bytes that stand in for a character do
 * not end the waiting, as in the reference. */
static void add_character(const struct bpe *bpe, struct span character, struct ids *symbols,
                          bool *waits)
{
    uint32_t id = vocabulary_find(bpe->vocabulary, character);
    if (id == VOCABULARY_NONE &&
        (add_bytes(bpe, character, symbols) || bpe->unknown == VOCABULARY_NONE))
        return;
    if (*waits && (id != VOCABULARY_NONE || !bpe->fuse_unknown))
        ids_add(symbols, bpe->unknown);
    *waits = id == VOCABULARY_NONE;
    if (!*waits)
        ids_add(symbols, id);
}

/* With what stands before or behind it by the rules of the file. */
static void add_affixed(const struct bpe *bpe, struct span character, bool first, bool last,
                        struct ids *symbols, bool *waits)
{
    bool prefix = bpe->prefix && !first, suffix = bpe->suffix && last;
    if (!prefix && !suffix) {
        add_character(bpe, character, symbols, waits);
        return;
    }
    char *text = mem_printf("%s%.*s%s", prefix ? bpe->prefix : "", (int)character.len,
                            character.data, suffix ? bpe->suffix : "");
    add_character(bpe, span_text(text), symbols, waits);
    free(text);
}

static void find_symbols(const struct bpe *bpe, struct span piece, struct ids *symbols)
{
    const char *end = piece.data + piece.len;
    bool waits = false;
    for (const char *at = piece.data, *start = at; at < end; start = at) {
        char_next(&at);
        add_affixed(bpe, span_of(start, (size_t)(at - start)), start == piece.data, at == end,
                    symbols, &waits);
    }
    if (waits)
        ids_add(symbols, bpe->unknown);
}

/* ---- a piece ---- */

static void merge(const struct bpe *bpe, struct bpe_work *work, struct span piece, struct ids *ids)
{
    struct ids *symbols = &work->symbols;
    symbols->count = 0;
    if (bpe->byte_level)
        for (size_t i = 0; i < piece.len; i++)
            ids_add(symbols, bpe->bytes[(unsigned char)piece.data[i]]);
    else
        find_symbols(bpe, piece, symbols);
    if (symbols->count > SHORT_MOST)
        merge_long(bpe, work, symbols->items, symbols->count, ids);
    else if (symbols->count > 0)
        merge_short(bpe, symbols->items, symbols->count, ids);
    if (symbols->room > KEPT_MOST) {
        free(symbols->items);
        *symbols = (struct ids){0};
    }
}

static void encode_word(const struct bpe *bpe, struct bpe_work *work, struct span piece,
                        struct ids *ids)
{
    if (bpe->ignore_merges) {
        const struct vocabulary *whole = bpe->whole ? bpe->whole : bpe->vocabulary;
        uint32_t id = vocabulary_find(whole, piece);
        if (id != VOCABULARY_NONE) {
            ids_add(ids, id);
            return;
        }
    }
    if (piece.len > WORD_BYTES) {
        merge(bpe, work, piece, ids);
        return;
    }
    struct word *word = &work->words[hash_bytes(piece) % WORD_SLOTS];
    if (word->len != piece.len || memcmp(word->text, piece.data, piece.len) != 0) {
        size_t before = ids->count;
        merge(bpe, work, piece, ids);
        size_t count = ids->count - before;
        if (count <= WORD_IDS) {
            word->len = (unsigned char)piece.len;
            word->count = (unsigned char)count;
            memcpy(word->text, piece.data, piece.len);
            for (size_t i = 0; i < count; i++)
                word->ids[i] = ids->items[before + i];
        }
        return;
    }
    for (unsigned i = 0; i < word->count; i++)
        ids_add(ids, word->ids[i]);
}

/* ---- cutting ---- */

static bool may_cut(const struct bpe *bpe, const char *begin, const char *sign)
{
    const char *at = sign - 1;
    while (at > begin && ((unsigned char)*at & 0xc0) == 0x80)
        at--;
    uint32_t code = char_next(&at);
    for (size_t i = 0; i < bpe->joined_count; i++)
        if (bpe->joined[i] == code)
            return false;
    return code != 0x2581;
}

/* The next sign behind the first character before which the piece may be cut, or the end. */
static const char *next_cut(const struct bpe *bpe, const char *begin, const char *end)
{
    for (const char *at = begin + 1; at < end; at += 3) {
        at = memmem(at, (size_t)(end - at), BPE_SIGN, 3);
        if (!at)
            return end;
        if (may_cut(bpe, begin, at))
            return at;
    }
    return end;
}

bool bpe_encode(const void *self, void *work, struct span piece, struct ids *ids, struct err *err)
{
    const struct bpe *bpe = self;
    if (piece.len > SYMBOLS_MOST)
        return err_set(err, "the text has a piece of %zu bytes; at most %d can be merged",
                       piece.len, SYMBOLS_MOST);
    if (!bpe->cuts) {
        encode_word(bpe, work, piece, ids);
        return true;
    }
    const char *end = piece.data + piece.len;
    for (const char *at = piece.data, *cut; at < end; at = cut) {
        cut = next_cut(bpe, at, end);
        encode_word(bpe, work, span_of(at, (size_t)(cut - at)), ids);
    }
    return true;
}
