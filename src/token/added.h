/* Added tokens: texts that are a token wherever they are written, before the model sees anything.
 * Some are looked for in the text as it came, some ("normalized") after the normalizers. */
#pragma once

#include "token/tree.h"
#include "token/trie.h"
#include "token/vocabulary.h"

enum {
    ADDED_BYTES_MOST = 4096, /* of one token: bounds the time that looking for it takes */
    ADDED_MOST = 1 << 20,
};

struct added_token {
    char *text;
    char *shown; /* as the normalizers leave it, which is how decoding writes it; NULL = the same */
    uint32_t len, shown_len, id;
    bool special, lstrip, rstrip, single_word, normalized;
};

/* Finds the longest token that begins at a place. */
struct added_finder {
    struct trie trie;
    bool first[256]; /* bytes that some token begins with */
};

struct added {
    struct added_token *items;
    size_t count, room;
    uint32_t *places; /* by id: where in items it is, + 1 */
    size_t place_room;
    struct vocabulary vocabulary; /* of their texts */
    struct added_finder plain, normalized;
};

void added_init(struct added *added);
void added_fini(struct added *added);
/* Copies the text. `id` VOCABULARY_NONE: the model's id for the text, or the next that is free. An
 * id that is not what the model says of the text, or says of another, is an error. */
bool added_put(struct added *added, const struct vocabulary *model, const struct added_token *token,
               struct err *err) MUST_CHECK;
/* "added_tokens" of tokenizer.json. */
bool added_load(struct added *added, const struct vocabulary *model, const struct node *list,
                struct err *err) MUST_CHECK;
/* tokenizer_config.json: the tokens in it that tokenizer.json lacks. */
bool added_load_config(struct added *added, const struct vocabulary *model,
                       const struct node *config, struct err *err) MUST_CHECK;
const struct added_token *added_find(const struct added *added, struct span text);
const struct added_token *added_by_id(const struct added *added, uint32_t id);
static inline struct span added_shown(const struct added_token *token)
{
    return token->shown ? span_of(token->shown, token->shown_len)
                        : span_of(token->text, token->len);
}
/* The ids in use are below this. */
size_t added_end(const struct added *added, const struct vocabulary *model);

/* Makes the tries. `normalize` gives a token's text as the normalizers leave it. */
struct added_normalizer {
    bool (*normalize)(void *arg, struct span text, struct span *out, struct err *err);
    void *arg;
};
bool added_finish(struct added *added, const struct added_normalizer *normalizer,
                  struct err *err) MUST_CHECK;

/* Walks the tokens that stand in a text. */
struct added_walk {
    const struct added *added;
    const struct added_finder *finder;
    struct span text;
    size_t at;   /* where to look next */
    size_t done; /* the end of the last token, with the white space that it took */
};

struct added_match {
    const struct added_token *token;
    size_t start, end; /* with the white space that it takes */
};

bool added_walk_next(struct added_walk *walk, struct added_match *match);
