/* WordPiece: the longest token that a word begins with, then the longest of the rest, written with
 * the prefix of continuations; a word that cannot be cut like that is the unknown token as a whole.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "token/model.h"
#include "token/trie.h"
#include "wire/utf8.h"

struct wordpiece {
    struct trie words;         /* tokens that begin a word */
    struct trie continuations; /* tokens with the prefix, without it */
    int64_t max_characters;
    uint32_t unknown; /* VOCABULARY_NONE: the vocabulary lacks it */
};

static bool load_token(struct wordpiece *wordpiece, const struct model_load *load,
                       const struct node *key, struct span prefix, struct err *err)
{
    struct span text = node_text(key);
    int64_t id;
    if (key[1].token != JSON_NUMBER || !json_integer(node_text(key + 1), &id) || id < 0)
        return err_set(err, "model.vocab: the id of \"%.*s\" is no whole number", SHOWN(text));
    if (!vocabulary_add(load->vocabulary, "model.vocab", text, (uint64_t)id, err) ||
        !trie_add(&wordpiece->words, text, (uint32_t)id, err))
        return false;
    if (text.len < prefix.len || (prefix.len && memcmp(text.data, prefix.data, prefix.len) != 0))
        return true;
    return trie_add(&wordpiece->continuations,
                    span_of(text.data + prefix.len, text.len - prefix.len), (uint32_t)id, err);
}

static bool load_vocabulary(struct wordpiece *wordpiece, const struct model_load *load,
                            struct span prefix, struct err *err)
{
    const struct node *object = node_get(load->node, "vocab");
    if (!node_is(object, JSON_OBJECT_BEGIN))
        return err_set(err, "model.vocab must be an object of tokens and ids");
    vocabulary_expect(load->vocabulary, object->count);
    for (const struct node *key = node_first(object); key; key = node_next(object, key))
        if (!load_token(wordpiece, load, key, prefix, err))
            return false;
    return true;
}

static bool load_fields(struct wordpiece *wordpiece, const struct model_load *load, struct err *err)
{
    static const char *const needed[] = {"unk_token", "continuing_subword_prefix",
                                         "max_input_chars_per_word"};
    struct span unknown = {.len = 0}, prefix = {.len = 0};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!node_get(load->node, needed[i]))
            return node_missing("model", needed[i], err);
    if (!node_string(load->node, "model", "unk_token", &unknown, err) ||
        !node_string(load->node, "model", "continuing_subword_prefix", &prefix, err) ||
        !node_integer(load->node, "model", "max_input_chars_per_word", &wordpiece->max_characters,
                      err) ||
        !load_vocabulary(wordpiece, load, prefix, err))
        return false;
    wordpiece->unknown = vocabulary_find(load->vocabulary, unknown);
    return true;
}

static void wordpiece_free(void *self)
{
    struct wordpiece *wordpiece = self;
    trie_fini(&wordpiece->words);
    trie_fini(&wordpiece->continuations);
    free(wordpiece);
}

static void *wordpiece_load(const struct model_load *load, struct err *err)
{
    static const char known[] =
        "type vocab unk_token continuing_subword_prefix max_input_chars_per_word";
    struct wordpiece *wordpiece = MEM_NEW(struct wordpiece);
    trie_init(&wordpiece->words);
    trie_init(&wordpiece->continuations);
    if (node_check(load->node, "model", known, err) && load_fields(wordpiece, load, err))
        return wordpiece;
    wordpiece_free(wordpiece);
    return NULL;
}

/* The longest token at the start of `rest`, as its length; 0 = none. */
static size_t longest(const struct trie *trie, struct span rest, uint32_t *id)
{
    size_t best = 0;
    uint32_t node = TRIE_ROOT;
    for (size_t i = 0; i < rest.len; i++) {
        node = trie_step(trie, node, (unsigned char)rest.data[i]);
        if (node == TRIE_NONE)
            break;
        if (trie->ids[node] != VOCABULARY_NONE) {
            *id = trie->ids[node];
            best = i + 1;
        }
    }
    return best;
}

static bool cut(const struct wordpiece *wordpiece, struct span word, struct ids *ids)
{
    for (size_t at = 0; at < word.len;) {
        uint32_t id = 0;
        size_t len = longest(at ? &wordpiece->continuations : &wordpiece->words,
                             span_of(word.data + at, word.len - at), &id);
        if (len == 0)
            return false;
        ids_add(ids, id);
        at += len;
    }
    return true;
}

static bool wordpiece_encode(const void *self, void *work, struct span piece, struct ids *ids,
                             struct err *err)
{
    (void)work;
    const struct wordpiece *wordpiece = self;
    size_t before = ids->count;
    if ((int64_t)utf8_count(piece) <= wordpiece->max_characters && cut(wordpiece, piece, ids))
        return true;
    ids->count = before;
    if (wordpiece->unknown == VOCABULARY_NONE)
        return err_set(err, "the model cannot write \"%.*s\" and has no token for the unknown",
                       SHOWN(piece));
    ids_add(ids, wordpiece->unknown);
    return true;
}

const struct model_row model_wordpiece = {
    .type = "WordPiece",
    .load = wordpiece_load,
    .free = wordpiece_free,
    .encode = wordpiece_encode,
};
