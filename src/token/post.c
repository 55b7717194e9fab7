#include "token/post.h"

#include <stdlib.h>

#include "base/mem.h"

enum { SPECIAL_MOST = 1024 };

void post_fini(struct post *post)
{
    free(post->before.items);
    free(post->behind.items);
}

static bool add_id(struct ids *ids, const struct node *number, const char *what, struct err *err)
{
    int64_t id;
    if (!node_is(number, JSON_NUMBER) || !json_integer(node_text(number), &id) || id < 0 ||
        id >= VOCABULARY_MAX_ID)
        return err_set(err, "%s: the id of a special token must be a number from 0 to %d", what,
                       VOCABULARY_MAX_ID - 1);
    if (ids->count == SPECIAL_MOST)
        return err_set(err, "%s adds more than %d special tokens", what, SPECIAL_MOST);
    ids_add(ids, (uint32_t)id);
    return true;
}

/* What an inner post-processor added stays nearer to the text. */
static void put_around(struct post *post, const struct ids *before, const struct ids *behind)
{
    struct ids joined = {0};
    for (size_t i = 0; i < before->count; i++)
        ids_add(&joined, before->items[i]);
    for (size_t i = 0; i < post->before.count; i++)
        ids_add(&joined, post->before.items[i]);
    free(post->before.items);
    post->before = joined;
    for (size_t i = 0; i < behind->count; i++)
        ids_add(&post->behind, behind->items[i]);
}

/* ---- TemplateProcessing ---- */

static bool add_special(struct ids *ids, const struct node *special, const struct node *map,
                        struct err *err)
{
    static const char what[] = "TemplateProcessing";
    struct span name = {0};
    if (!node_check(special, what, "id type_id", err) ||
        !node_string(special, what, "id", &name, err))
        return false;
    const struct node *found = NULL;
    for (const struct node *key = map ? node_first(map) : NULL; key && !found;
         key = node_next(map, key))
        if (key->len == name.len && memcmp(key->text, name.data, name.len) == 0)
            found = node_get(key + 1, "ids");
    if (!node_is(found, JSON_ARRAY_BEGIN))
        return err_set(err, "%s.special_tokens has no ids for \"%.*s\"", what, SHOWN(name));
    for (const struct node *at = node_first(found); at; at = node_next(found, at))
        if (!add_id(ids, at, what, err))
            return false;
    return true;
}

static bool load_template_into(const struct node *node, struct ids *before, struct ids *behind,
                               struct err *err)
{
    const struct node *single = node_get(node, "single"), *map = node_get(node, "special_tokens");
    bool text = false;
    if (!node_is(single, JSON_ARRAY_BEGIN) || (map && !node_is(map, JSON_OBJECT_BEGIN)) ||
        single->count > SPECIAL_MOST || (map && map->count > SPECIAL_MOST))
        return err_set(err,
                       "TemplateProcessing needs a list \"single\" and an object "
                       "\"special_tokens\", each of at most %d",
                       SPECIAL_MOST);
    for (const struct node *at = node_first(single); at; at = node_next(single, at)) {
        const struct node *special = node_get(at, "SpecialToken"), *of = node_get(at, "Sequence");
        struct span name = {0};
        if (special && !add_special(text ? behind : before, special, map, err))
            return false;
        if (of &&
            (!node_string(of, "Sequence", "id", &name, err) || !span_equals(name, "A") || text))
            return err_set(err, "TemplateProcessing.single must have the sequence A once");
        if (!of && !special)
            return err_set(err, "TemplateProcessing.single may have SpecialToken and Sequence "
                                "alone");
        text = text || of;
    }
    return text || err_set(err, "TemplateProcessing.single lacks the sequence A");
}

static bool load_template(struct post *post, const struct node *node, struct err *err)
{
    struct ids before = {0}, behind = {0};
    bool ok = node_check(node, "TemplateProcessing", "type single pair special_tokens", err) &&
              load_template_into(node, &before, &behind, err);
    if (ok)
        put_around(post, &before, &behind);
    free(before.items);
    free(behind.items);
    return ok;
}

/* ---- the others ---- */

/* "cls": ["[CLS]", 101] */
static bool load_bert(struct post *post, const struct node *node, struct err *err)
{
    struct ids before = {0}, behind = {0};
    const struct node *cls = node_get(node, "cls"), *sep = node_get(node, "sep");
    bool ok =
        node_check(node, "the post-processor", "type sep cls trim_offsets add_prefix_space", err);
    if (ok && (!node_is(cls, JSON_ARRAY_BEGIN) || cls->count != 2 ||
               !node_is(sep, JSON_ARRAY_BEGIN) || sep->count != 2))
        ok = err_set(err, "the post-processor needs cls and sep, each [token, id]");
    ok = ok && add_id(&before, node_next(cls, node_first(cls)), "cls", err) &&
         add_id(&behind, node_next(sep, node_first(sep)), "sep", err);
    if (ok)
        put_around(post, &before, &behind);
    free(before.items);
    free(behind.items);
    return ok;
}

/* ByteLevel changes offsets only. */
static bool load_nothing(struct post *post, const struct node *node, struct err *err)
{
    (void)post;
    return node_check(node, "the post-processor ByteLevel",
                      "type add_prefix_space trim_offsets use_regex", err);
}

static bool load_one(struct post *post, const struct node *node, struct err *err)
{
    static const struct {
        const char *type;
        bool (*load)(struct post *post, const struct node *node, struct err *err);
    } rows[] = {
        {"TemplateProcessing", load_template},
        {"ByteLevel", load_nothing},
        {"BertProcessing", load_bert},
        {"RobertaProcessing", load_bert},
    };
    struct span type = {0};
    if (!node_is(node, JSON_OBJECT_BEGIN))
        return err_set(err, "post_processor must be an object");
    if (!node_string(node, "post_processor", "type", &type, err))
        return false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (span_equals(type, rows[i].type))
            return rows[i].load(post, node, err);
    return err_set(err, "the post-processor \"%.*s\" is not supported", SHOWN(type));
}

bool post_load(struct post *post, const struct node *node, struct err *err)
{
    struct span type = {0};
    *post = (struct post){.before = {0}};
    if (!node)
        return true;
    if (!node_is(node, JSON_OBJECT_BEGIN) ||
        !node_string(node, "post_processor", "type", &type, err) || !span_equals(type, "Sequence"))
        return load_one(post, node, err);
    const struct node *list = node_get(node, "processors");
    if (!node_check(node, "post_processor", "type processors", err))
        return false;
    if (!node_is(list, JSON_ARRAY_BEGIN) || list->count > SPECIAL_MOST)
        return err_set(err, "post_processor.processors must be a list of at most %d", SPECIAL_MOST);
    for (const struct node *at = node_first(list); at; at = node_next(list, at))
        if (!load_one(post, at, err))
            return false;
    return true;
}
