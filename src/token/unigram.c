/* Unigram: of all ways to cut a piece into tokens the one with the greatest sum of scores. What no
 * token covers is cut into characters that cost more than any token; neighbours among them become
 * one unknown, or the tokens of their bytes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "token/model.h"
#include "token/trie.h"

enum { MAX_PIECE = 1 << 28 };

static const double UNKNOWN_PENALTY = 10; /* below the worst score */

struct unigram {
    const struct vocabulary *vocabulary;
    double *scores; /* by id */
    struct trie trie;
    double unknown_score;
    uint32_t unknown;    /* VOCABULARY_NONE = the model has none */
    uint32_t bytes[256]; /* their tokens when the model falls back to bytes, or VOCABULARY_NONE */
};

/* ---- loading ---- */

static bool load_piece(struct unigram *unigram, const struct model_load *load,
                       const struct node *pair, uint32_t id, struct err *err)
{
    const struct node *text = node_is(pair, JSON_ARRAY_BEGIN) ? node_first(pair) : NULL;
    if (!text || pair->count != 2 || text->token != JSON_STRING || text[1].token != JSON_NUMBER)
        return err_set(err, "model.vocab[%u] is no pair of a text and a score", id);
    double score = json_number(node_text(text + 1));
    if (!isfinite(score))
        return err_set(err, "model.vocab[%u] has the score %.*s, which is out of range", id,
                       SHOWN(node_text(text + 1)));
    unigram->scores[id] = score;
    if (id == 0 || score - UNKNOWN_PENALTY < unigram->unknown_score)
        unigram->unknown_score = score - UNKNOWN_PENALTY;
    return vocabulary_add(load->vocabulary, "model.vocab", node_text(text), id, err) &&
           trie_add(&unigram->trie, node_text(text), id, err);
}

static bool load_vocabulary(struct unigram *unigram, const struct model_load *load, struct err *err)
{
    const struct node *list = node_get(load->node, "vocab");
    if (!node_is(list, JSON_ARRAY_BEGIN))
        return err_set(err, "model.vocab must be an array of pairs of a text and a score");
    unigram->scores = mem_alloc((list->count + 1) * sizeof *unigram->scores);
    vocabulary_expect(load->vocabulary, list->count);
    uint32_t id = 0;
    for (const struct node *pair = node_first(list); pair; pair = node_next(list, pair))
        if (!load_piece(unigram, load, pair, id++, err))
            return false;
    return true;
}

static bool load_unknown(struct unigram *unigram, const struct model_load *load, struct err *err)
{
    int64_t id = -1;
    if (!node_integer(load->node, "model", "unk_id", &id, err))
        return false;
    unigram->unknown = id < 0 ? VOCABULARY_NONE : (uint32_t)id;
    if (node_get(load->node, "unk_id") && (id < 0 || (size_t)id >= load->vocabulary->count))
        return err_set(err, "model.unk_id is %lld, and model.vocab has %zu tokens", (long long)id,
                       load->vocabulary->count);
    return true;
}

static bool load_bytes(struct unigram *unigram, const struct model_load *load, struct err *err)
{
    bool fall_back = false;
    if (!node_flag(load->node, "model", "byte_fallback", &fall_back, err))
        return false;
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        int len = snprintf(name, sizeof name, "<0x%02X>", byte);
        unigram->bytes[byte] = fall_back
                                   ? vocabulary_find(load->vocabulary, span_of(name, (size_t)len))
                                   : VOCABULARY_NONE;
    }
    return true;
}

static void unigram_free(void *self)
{
    struct unigram *unigram = self;
    trie_fini(&unigram->trie);
    free(unigram->scores);
    free(unigram);
}

static void *unigram_load(const struct model_load *load, struct err *err)
{
    struct unigram *unigram = MEM_NEW(struct unigram);
    unigram->vocabulary = load->vocabulary;
    trie_init(&unigram->trie);
    if (node_check(load->node, "model", "type vocab unk_id byte_fallback", err) &&
        load_vocabulary(unigram, load, err) && load_unknown(unigram, load, err) &&
        load_bytes(unigram, load, err))
        return unigram;
    unigram_free(unigram);
    return NULL;
}

/* ---- the best path ---- */

/* The best way to a place in the piece: where its last token begins, and which it is. */
struct step {
    double score;
    uint32_t start; /* its own place = no way was found yet */
    uint32_t id;
};

struct unigram_work {
    struct step *steps; /* by place, 0 … length of the piece */
    size_t room;
};

static void *unigram_work_new(const void *self)
{
    (void)self;
    return MEM_NEW(struct unigram_work);
}

static void unigram_work_free(void *work)
{
    struct unigram_work *own = work;
    free(own->steps);
    free(own);
}

static struct step *make_steps(struct unigram_work *work, size_t len)
{
    if (len + 1 > work->room) {
        work->room = len + 1 > 2 * work->room ? len + 1 : 2 * work->room;
        work->steps = mem_resize(work->steps, work->room, sizeof *work->steps);
    }
    for (size_t i = 0; i <= len; i++)
        work->steps[i].start = (uint32_t)i;
    work->steps[0].score = 0;
    return work->steps;
}

/* Of ways with equal sums the first stays, which is the one whose last token begins earlier. */
static inline bool is_better(const struct step *steps, size_t end, double score)
{
    return steps[end].start == end || score > steps[end].score;
}

static inline void offer(struct step *steps, size_t start, size_t end, double score, uint32_t id)
{
    if (is_better(steps, end, score))
        steps[end] = (struct step){.score = score, .start = (uint32_t)start, .id = id};
}

/* True when a token is just the character of `width` bytes. */
static bool offer_tokens(const struct unigram *unigram, struct span piece, size_t start,
                         size_t width, struct step *steps)
{
    bool single = false;
    uint32_t node = TRIE_ROOT;
    for (size_t end = start; end < piece.len; end++) {
        node = trie_step(&unigram->trie, node, (unsigned char)piece.data[end]);
        if (node == TRIE_NONE)
            break;
        uint32_t id = unigram->trie.ids[node];
        if (id == VOCABULARY_NONE)
            continue;
        offer(steps, start, end + 1, steps[start].score + unigram->scores[id], id);
        single |= end + 1 - start == width;
    }
    return single;
}

static size_t width_at(struct span piece, size_t at)
{
    unsigned char byte = (unsigned char)piece.data[at];
    return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

static bool offer_unknown(const struct unigram *unigram, struct span piece, size_t start,
                          size_t width, struct step *steps, struct err *err)
{
    double score = steps[start].score + unigram->unknown_score;
    if (unigram->unknown == VOCABULARY_NONE && is_better(steps, start + width, score))
        return err_set(err, "the model has no token for \"%.*s\" and none for the unknown",
                       (int)width, piece.data + start);
    offer(steps, start, start + width, score, unigram->unknown);
    return true;
}

static bool find_path(const struct unigram *unigram, struct span piece, struct step *steps,
                      struct err *err)
{
    for (size_t start = 0; start < piece.len;) {
        size_t width = width_at(piece, start);
        if (!offer_tokens(unigram, piece, start, width, steps) &&
            !offer_unknown(unigram, piece, start, width, steps, err))
            return false;
        start += width;
    }
    return true;
}

/* ---- its tokens ---- */

static bool has_bytes(const struct unigram *unigram, struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (unigram->bytes[(unsigned char)text.data[i]] == VOCABULARY_NONE)
            return false;
    return true;
}

/* The text may be a token all the same: the one for the unknown itself, written out. */
static void add_unknown(const struct unigram *unigram, struct span text, struct ids *ids)
{
    uint32_t whole = vocabulary_find(unigram->vocabulary, text);
    if (whole != VOCABULARY_NONE || !has_bytes(unigram, text)) {
        ids_add(ids, whole != VOCABULARY_NONE ? whole : unigram->unknown);
        return;
    }
    for (size_t i = 0; i < text.len; i++)
        ids_add(ids, unigram->bytes[(unsigned char)text.data[i]]);
}

/* Turns the links, which lead from the end to the start, so that each place knows where its token
 * ends; the id moves along to that token's first place. */
static void turn_around(struct step *steps, size_t len)
{
    size_t at = len, follower = len;
    uint32_t id = 0;
    for (;;) {
        struct step here = steps[at];
        steps[at].start = (uint32_t)follower;
        steps[at].id = id;
        if (at == 0)
            return;
        follower = at;
        id = here.id;
        at = here.start;
    }
}

static void add_path(const struct unigram *unigram, struct span piece, const struct step *steps,
                     struct ids *ids)
{
    for (size_t at = 0; at < piece.len;) {
        if (steps[at].id != unigram->unknown) {
            ids_add(ids, steps[at].id);
            at = steps[at].start;
            continue;
        }
        size_t start = at;
        while (at < piece.len && steps[at].id == unigram->unknown)
            at = steps[at].start;
        add_unknown(unigram, span_of(piece.data + start, at - start), ids);
    }
}

static bool unigram_encode(const void *self, void *work, struct span piece, struct ids *ids,
                           struct err *err)
{
    const struct unigram *unigram = self;
    if (piece.len > MAX_PIECE)
        return err_set(err, "a piece of %zu bytes is too long for Unigram; %d are the most",
                       piece.len, MAX_PIECE);
    struct step *steps = make_steps(work, piece.len);
    if (!find_path(unigram, piece, steps, err))
        return false;
    turn_around(steps, piece.len);
    add_path(unigram, piece, steps, ids);
    return true;
}

const struct model_row model_unigram = {
    .type = "Unigram",
    .load = unigram_load,
    .free = unigram_free,
    .work_new = unigram_work_new,
    .work_free = unigram_work_free,
    .encode = unigram_encode,
};
