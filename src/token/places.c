#include "token/places.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "token/tokenizer.h"

enum {
    GROUP_MOST = 8,    /* tokens that make one character at most; a character has four bytes */
    CONTEXT_MOST = 16, /* tokens that are decoded together */
};

struct places {
    struct tokens *tokens;
    uint32_t *ids;
    size_t *ends;
    size_t cap;
    struct buf said; /* decoded */
};

struct places *places_new(const struct tokenizer *tokenizer)
{
    struct places *places = MEM_NEW(struct places);
    places->tokens = tokens_new(tokenizer);
    buf_init(&places->said, SIZE_MAX / 2);
    return places;
}

void places_free(struct places *places)
{
    if (!places)
        return;
    tokens_free(places->tokens);
    free(places->ids);
    free(places->ends);
    buf_fini(&places->said);
    free(places);
}

/* The ids of the text, copied: decoding uses `tokens` too. */
static bool take_ids(struct places *places, struct span text, size_t *count, struct err *err)
{
    const uint32_t *ids;
    if (!tokens_encode(places->tokens, text, TOKENS_PLAIN, &ids, count, err))
        return false;
    if (*count > places->cap) {
        places->cap = *count;
        places->ids = mem_resize(places->ids, *count, sizeof *places->ids);
        places->ends = mem_resize(places->ends, *count, sizeof *places->ends);
    }
    if (*count)
        memcpy(places->ids, ids, *count * sizeof *ids);
    return true;
}

static bool decode(struct places *places, size_t from, size_t to, struct err *err)
{
    buf_clear(&places->said);
    return tokens_decode(places->tokens, places->ids + from, to - from, true, &places->said, err);
}

/* Decoders treat what comes first in their own way (a blank is dropped), so a group of tokens is
 * decoded behind the group before it. */
struct search {
    size_t context;  /* first of the group before; = group at the beginning */
    size_t skip;     /* bytes that the context alone decodes to */
    size_t group;    /* first of the group that is looked at */
    size_t position; /* in the text, where the group begins */
};

/* Whether the group up to `to` decodes to what stands in the text; the position moves behind it. */
static bool matches(struct places *places, struct search *search, size_t to, struct span text)
{
    struct err err;
    if (!decode(places, search->context, to, &err) || places->said.len < search->skip)
        return false;
    size_t len = places->said.len - search->skip;
    if (len > text.len - search->position ||
        (len && memcmp(places->said.data + search->skip, text.data + search->position, len) != 0))
        return false;
    search->position += len;
    return true;
}

static void next_group(struct places *places, struct search *search, size_t to, bool moved)
{
    struct err err;
    if (moved || to - search->context > CONTEXT_MOST)
        search->context = search->group;
    search->group = to;
    bool ok = decode(places, search->context, to, &err);
    search->skip = ok ? places->said.len : 0;
}

/* False: the tokens' texts do not make the text. */
static bool find_exactly(struct places *places, struct span text, size_t count)
{
    struct search search = {0};
    while (search.group < count) {
        size_t before = search.position, to = search.group + 1;
        while (!matches(places, &search, to, text)) {
            if (to == count || to - search.group == GROUP_MOST)
                return false;
            to++;
        }
        for (size_t i = search.group; i < to; i++)
            places->ends[i] = search.position;
        next_group(places, &search, to, search.position > before);
    }
    return search.position == text.len;
}

static void estimate(struct places *places, struct span text, size_t count)
{
    struct err err;
    double all = 0;
    for (size_t i = 0; i < count; i++) {
        bool ok = decode(places, i, i + 1, &err);
        all += ok && places->said.len ? (double)places->said.len : 1;
        places->ends[i] = (size_t)all;
    }
    for (size_t i = 0; i < count; i++)
        places->ends[i] = (size_t)((double)text.len * ((double)places->ends[i] / all));
    if (count)
        places->ends[count - 1] = text.len;
}

bool places_find(struct places *places, struct span text, struct place_list *out, struct err *err)
{
    size_t count;
    if (!take_ids(places, text, &count, err))
        return false;
    bool exact = find_exactly(places, text, count);
    if (!exact)
        estimate(places, text, count);
    *out = (struct place_list){places->ends, count, exact};
    return true;
}
