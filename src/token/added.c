#include "token/added.h"

#include <stdlib.h>

#include "base/mem.h"
#include "token/chars.h"

void added_init(struct added *added)
{
    *added = (struct added){.count = 0};
    vocabulary_init(&added->vocabulary);
    trie_init(&added->plain.trie);
    trie_init(&added->normalized.trie);
}

void added_fini(struct added *added)
{
    for (size_t i = 0; i < added->count; i++) {
        free(added->items[i].text);
        free(added->items[i].shown);
    }
    free(added->items);
    free(added->places);
    vocabulary_fini(&added->vocabulary);
    trie_fini(&added->plain.trie);
    trie_fini(&added->normalized.trie);
}

/* ---- which tokens there are ---- */

const struct added_token *added_find(const struct added *added, struct span text)
{
    uint32_t id = vocabulary_find(&added->vocabulary, text);
    return id == VOCABULARY_NONE ? NULL : added_by_id(added, id);
}

const struct added_token *added_by_id(const struct added *added, uint32_t id)
{
    return id < added->place_room && added->places[id] ? &added->items[added->places[id] - 1]
                                                       : NULL;
}

size_t added_end(const struct added *added, const struct vocabulary *model)
{
    return added->vocabulary.count > model->count ? added->vocabulary.count : model->count;
}

static void put_place(struct added *added, uint32_t id)
{
    if (id >= added->place_room) {
        size_t room = added->place_room ? added->place_room : 256;
        while (room <= id)
            room *= 2;
        added->places = mem_resize(added->places, room, sizeof *added->places);
        memset(added->places + added->place_room, 0,
               (room - added->place_room) * sizeof *added->places);
        added->place_room = room;
    }
    added->places[id] = (uint32_t)added->count;
}

static bool find_id(const struct added *added, const struct vocabulary *model, struct span text,
                    uint32_t wanted, uint32_t *id, struct err *err)
{
    uint32_t of_model = vocabulary_find(model, text);
    *id = wanted != VOCABULARY_NONE     ? wanted
          : of_model != VOCABULARY_NONE ? of_model
                                        : (uint32_t)added_end(added, model);
    if (of_model != VOCABULARY_NONE && of_model != *id)
        return err_set(err,
                       "the added token \"%.*s\" has the id %u, which the vocabulary gives as "
                       "%u",
                       SHOWN(text), *id, of_model);
    if (of_model == VOCABULARY_NONE && vocabulary_has(model, *id)) {
        struct span other = vocabulary_text(model, *id);
        return err_set(err, "the added token \"%.*s\" has the id %u, which is that of \"%.*s\"",
                       SHOWN(text), *id, SHOWN(other));
    }
    return true;
}

bool added_put(struct added *added, const struct vocabulary *model, const struct added_token *token,
               struct err *err)
{
    struct span text = span_of(token->text, token->len);
    uint32_t id;
    if (text.len == 0 || text.len > ADDED_BYTES_MOST)
        return err_set(err, "an added token has %zu bytes; 1 to %d are supported", text.len,
                       ADDED_BYTES_MOST);
    if (added->count == ADDED_MOST)
        return err_set(err, "there are more than %d added tokens", ADDED_MOST);
    if (!find_id(added, model, text, token->id, &id, err) ||
        !vocabulary_add(&added->vocabulary, "added tokens", text, id, err))
        return false;
    if (added->count == added->room) {
        added->room = added->room ? added->room * 2 : 64;
        added->items = mem_resize(added->items, added->room, sizeof *added->items);
    }
    struct added_token *copy = &added->items[added->count++];
    *copy = *token;
    copy->id = id;
    copy->text = mem_copy(text.data, text.len);
    put_place(added, id);
    return true;
}

/* ---- what the files say ---- */

static bool read_flags(struct added_token *token, const struct node *node, struct err *err)
{
    static const char what[] = "an added token";
    return node_flag(node, what, "special", &token->special, err) &&
           node_flag(node, what, "lstrip", &token->lstrip, err) &&
           node_flag(node, what, "rstrip", &token->rstrip, err) &&
           node_flag(node, what, "single_word", &token->single_word, err) &&
           node_flag(node, what, "normalized", &token->normalized, err);
}

static bool read_token(struct added_token *token, const struct node *node, struct err *err)
{
    struct span content = {0};
    if (!node_is(node, JSON_OBJECT_BEGIN))
        return err_set(err, "an added token must be an object");
    if (!node_string(node, "an added token", "content", &content, err))
        return false;
    if (!content.data)
        return node_missing("an added token", "content", err);
    *token = (struct added_token){.text = (char *)content.data, .len = (uint32_t)content.len};
    if (!read_flags(token, node, err))
        return false;
    if (!node_get(node, "normalized"))
        token->normalized = !token->special;
    return true;
}

static bool set_id(struct added_token *token, struct span digits, struct err *err)
{
    int64_t id;
    if (!json_integer(digits, &id) || id < 0 || id >= VOCABULARY_MAX_ID)
        return err_set(err, "the added token \"%.*s\" has the id %.*s; ids are 0 to %d",
                       SHOWN(span_of(token->text, token->len)), SHOWN(digits),
                       VOCABULARY_MAX_ID - 1);
    token->id = (uint32_t)id;
    return true;
}

bool added_load(struct added *added, const struct vocabulary *model, const struct node *list,
                struct err *err)
{
    static const char known[] = "id content single_word lstrip rstrip normalized special";
    if (!node_is(list, JSON_ARRAY_BEGIN))
        return err_set(err, "added_tokens must be a list");
    for (const struct node *at = node_first(list); at; at = node_next(list, at)) {
        struct added_token token;
        if (!node_check(at, "an added token", known, err) || !read_token(&token, at, err))
            return false;
        const struct node *id = node_get(at, "id");
        if (!node_is(id, JSON_NUMBER))
            return err_set(err, "the id of an added token must be a number");
        if (!set_id(&token, node_text(id), err) || !added_put(added, model, &token, err))
            return false;
    }
    return true;
}

/* "added_tokens_decoder": {"32000": {"content": …}} */
static bool load_decoder(struct added *added, const struct vocabulary *model,
                         const struct node *map, struct err *err)
{
    for (const struct node *key = node_first(map); key; key = node_next(map, key)) {
        struct added_token token;
        if (!read_token(&token, key + 1, err) || !set_id(&token, node_text(key), err))
            return false;
        const struct added_token *other = added_find(added, span_of(token.text, token.len));
        if (other && other->id != token.id)
            return err_set(err, "\"%.*s\" has the id %u, in tokenizer.json %u",
                           SHOWN(span_of(token.text, token.len)), token.id, other->id);
        if (!other && !added_put(added, model, &token, err))
            return false;
    }
    return true;
}

/* "bos_token": "<s>", or an object; null and what is known already are passed over. */
static bool load_named(struct added *added, const struct vocabulary *model, const struct node *node,
                       struct err *err)
{
    struct added_token token = {.id = VOCABULARY_NONE};
    if (!node || node->token == JSON_NULL)
        return true;
    if (node->token == JSON_STRING)
        token.text = (char *)node->text, token.len = node->len;
    else if (!read_token(&token, node, err))
        return false;
    token.id = VOCABULARY_NONE;
    token.special = true;
    if (node->token == JSON_STRING || !node_get(node, "normalized"))
        token.normalized = false;
    if (token.len == 0 || added_find(added, span_of(token.text, token.len)))
        return true;
    return added_put(added, model, &token, err);
}

bool added_load_config(struct added *added, const struct vocabulary *model,
                       const struct node *config, struct err *err)
{
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    const struct node *map = node_get(config, "added_tokens_decoder");
    if (map && !node_is(map, JSON_OBJECT_BEGIN))
        return err_set(err, "added_tokens_decoder must be an object");
    if (map && !load_decoder(added, model, map, err))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!load_named(added, model, node_get(config, names[i]), err))
            return err_prefix(err, "%s", names[i]);
    const struct node *list = node_get(config, "additional_special_tokens");
    if (!node_is(list, JSON_ARRAY_BEGIN))
        return true;
    for (const struct node *at = node_first(list); at; at = node_next(list, at))
        if (!load_named(added, model, at, err))
            return err_prefix(err, "additional_special_tokens");
    return true;
}

/* A token that is looked for in normalized text is normalized itself. */
static bool normalize(struct added_token *token, const struct added_normalizer *normalizer,
                      struct span *text, struct err *err)
{
    if (!normalizer->normalize(normalizer->arg, *text, text, err))
        return false;
    if (text->len > ADDED_BYTES_MOST)
        return err_set(err, "an added token has %zu bytes when it is normalized", text->len);
    token->shown = mem_copy(text->data, text->len);
    token->shown_len = (uint32_t)text->len;
    return true;
}

static bool add_to_finder(struct added *added, uint32_t i,
                          const struct added_normalizer *normalizer, struct err *err)
{
    struct added_token *token = &added->items[i];
    struct added_finder *finder = token->normalized ? &added->normalized : &added->plain;
    struct span text = span_of(token->text, token->len);
    if (token->normalized && !normalize(token, normalizer, &text, err))
        return false;
    if (text.len == 0)
        return true;
    finder->first[(unsigned char)*text.data] = true;
    return trie_add(&finder->trie, text, i, err) || err_prefix(err, "added tokens");
}

/* Of tokens that are normalized to one text the last counts, and special ones come first; the
 * reference takes any of them, not always the same. */
bool added_finish(struct added *added, const struct added_normalizer *normalizer, struct err *err)
{
    for (int special = 1; special >= 0; special--)
        for (uint32_t i = 0; i < added->count; i++)
            if (added->items[i].special == special && !add_to_finder(added, i, normalizer, err))
                return false;
    return true;
}

/* ---- looking for them ---- */

static bool begins_with_word(struct span text)
{
    const char *at = text.data;
    return text.len > 0 && char_is_word(char_next(&at));
}

static bool ends_with_word(struct span text)
{
    if (text.len == 0)
        return false;
    const char *at = text.data + text.len - 1;
    while (at > text.data && ((unsigned char)*at & 0xc0) == 0x80)
        at--;
    return char_is_word(char_next(&at));
}

static struct span part(struct span text, size_t from, size_t to)
{
    return span_of(text.data + from, to - from);
}

/* False: it may not stand there. */
static bool place(const struct added_walk *walk, struct added_match *match)
{
    struct span text = walk->text;
    const struct added_token *token = match->token;
    struct span before = part(text, 0, match->start), behind = part(text, match->end, text.len);
    if (token->single_word && (ends_with_word(before) || begins_with_word(behind)))
        return false;
    if (token->lstrip && walk->done < match->start) {
        before = part(text, walk->done, match->start);
        match->start = walk->done + chars_strip(before, false, true).len;
    }
    if (token->rstrip)
        match->end = text.len - chars_strip(behind, true, false).len;
    return true;
}

/* The longest token that `text`, which is not empty, begins with; NULL = none. */
static const struct added_token *begins_with(const struct added_walk *walk, struct span text,
                                             size_t *len)
{
    const struct trie *trie = &walk->finder->trie;
    uint32_t found = VOCABULARY_NONE, node = TRIE_ROOT;
    if (!walk->finder->first[(unsigned char)*text.data])
        return NULL;
    for (size_t i = 0; i < text.len && node != TRIE_NONE; i++) {
        node = trie_step(trie, node, (unsigned char)text.data[i]);
        if (node != TRIE_NONE && trie->ids[node] != VOCABULARY_NONE)
            found = trie->ids[node], *len = i + 1;
    }
    return found == VOCABULARY_NONE ? NULL : &walk->added->items[found];
}

bool added_walk_next(struct added_walk *walk, struct added_match *match)
{
    struct span text = walk->text;
    while (walk->at < text.len) {
        size_t len = 0;
        const struct added_token *token = begins_with(walk, part(text, walk->at, text.len), &len);
        if (!token) {
            walk->at++;
            continue;
        }
        *match = (struct added_match){.token = token, .start = walk->at, .end = walk->at + len};
        walk->at += len;
        if (place(walk, match)) {
            walk->done = match->end;
            return true;
        }
    }
    return false;
}
