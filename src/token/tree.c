#include "token/tree.h"

#include <stdlib.h>

#include "base/mem.h"

enum { BLOCK_BYTES = 1 << 20 };

/* ---- reading ---- */

/* The text as it stands in the file, or a copy where the reader had to assemble it. */
static const char *keep_text(struct tree *tree, struct span bytes, struct span text)
{
    if (text.len == 0)
        return "";
    if (text.data >= bytes.data && text.data < bytes.data + bytes.len)
        return text.data;
    if (text.len > tree->size - tree->used) {
        tree->size = text.len > BLOCK_BYTES ? text.len : BLOCK_BYTES;
        tree->used = 0;
        tree->texts = mem_resize(tree->texts, tree->blocks + 1, sizeof *tree->texts);
        tree->texts[tree->blocks++] = mem_alloc(tree->size);
    }
    char *copy = tree->texts[tree->blocks - 1] + tree->used;
    memcpy(copy, text.data, text.len);
    tree->used += text.len;
    return copy;
}

static struct node *add(struct tree *tree)
{
    if (tree->count == tree->room) {
        tree->room = tree->room ? tree->room * 2 : 1024;
        tree->nodes = mem_resize(tree->nodes, tree->room, sizeof *tree->nodes);
    }
    return &tree->nodes[tree->count++];
}

/* Where in the tree the reader is: the open objects and arrays. */
struct path {
    uint32_t open[TREE_MAX_DEPTH];
    unsigned depth;
};

static void close_one(struct tree *tree, struct path *path)
{
    uint32_t at = path->open[--path->depth];
    tree->nodes[at].size = (uint32_t)tree->count - at;
}

static bool add_token(struct tree *tree, struct path *path, const struct json *json,
                      struct span bytes, struct err *err)
{
    if (tree->count == TREE_MAX_NODES)
        return err_set(err, "it holds more than %d values", TREE_MAX_NODES);
    if (json->text.len > UINT32_MAX)
        return err_set(err, "it holds a text of %zu bytes", json->text.len);
    bool value = json->last != JSON_KEY;
    if (path->depth) {
        struct node *parent = &tree->nodes[path->open[path->depth - 1]];
        parent->count += parent->token == JSON_OBJECT_BEGIN ? !value : 1;
    }
    *add(tree) = (struct node){
        .text = keep_text(tree, bytes, json->text),
        .len = (uint32_t)json->text.len,
        .size = 1,
        .token = (unsigned char)json->last,
    };
    if (json->last != JSON_OBJECT_BEGIN && json->last != JSON_ARRAY_BEGIN)
        return true;
    if (path->depth == TREE_MAX_DEPTH)
        return err_set(err, "more than %d values are nested in each other", TREE_MAX_DEPTH);
    path->open[path->depth++] = (uint32_t)tree->count - 1;
    return true;
}

static bool read_all(struct tree *tree, struct json *json, struct span bytes, struct err *err)
{
    struct path path = {.depth = 0};
    for (;;) {
        enum json_token token = json_next(json);
        if (token == JSON_END)
            return true;
        if (token == JSON_ERROR)
            return err_set(err, "it is not JSON: %s", json_error(json));
        if (token == JSON_OBJECT_END || token == JSON_ARRAY_END)
            close_one(tree, &path);
        else if (!add_token(tree, &path, json, bytes, err))
            return false;
    }
}

bool tree_read(struct tree *tree, struct span bytes, struct err *err)
{
    struct json json;
    *tree = (struct tree){.nodes = NULL};
    json_init(&json, bytes.data, bytes.len);
    bool ok = read_all(tree, &json, bytes, err);
    json_fini(&json);
    return ok;
}

void tree_fini(struct tree *tree)
{
    for (size_t i = 0; i < tree->blocks; i++)
        free(tree->texts[i]);
    free(tree->texts);
    free(tree->nodes);
}

/* ---- walking ---- */

const struct node *node_next(const struct node *parent, const struct node *at)
{
    const struct node *end = parent + parent->size;
    at += at->size;
    if (parent->token == JSON_OBJECT_BEGIN)
        at += at->size;
    return at < end ? at : NULL;
}

const struct node *node_get(const struct node *object, const char *name)
{
    if (object->token != JSON_OBJECT_BEGIN)
        return NULL;
    for (const struct node *key = node_first(object); key; key = node_next(object, key))
        if (span_equals(node_text(key), name))
            return key[1].token == JSON_NULL ? NULL : key + 1;
    return NULL;
}

/* ---- what must be of a kind ---- */

static bool is_word_of(struct span word, const char *words)
{
    for (const char *at = words; *at;) {
        size_t len = strcspn(at, " ");
        if (word.len == len && memcmp(word.data, at, len) == 0)
            return true;
        at += len + strspn(at + len, " ");
    }
    return false;
}

static bool seen_before(const struct node *object, const struct node *key)
{
    for (const struct node *at = node_first(object); at != key; at = node_next(object, at))
        if (at->len == key->len && memcmp(at->text, key->text, key->len) == 0)
            return true;
    return false;
}

bool node_check(const struct node *object, const char *what, const char *known, struct err *err)
{
    if (!node_is(object, JSON_OBJECT_BEGIN))
        return err_set(err, "%s must be an object", what);
    for (const struct node *key = node_first(object); key; key = node_next(object, key)) {
        struct span name = node_text(key);
        if (!is_word_of(name, known))
            return err_set(err, "%s has \"%.*s\", which is not supported (known are: %s)", what,
                           SHOWN(name), known);
        if (seen_before(object, key))
            return err_set(err, "%s has \"%.*s\" twice", what, SHOWN(name));
    }
    return true;
}

static bool wrong_kind(const char *what, const char *name, const char *right, struct err *err)
{
    return err_set(err, "%s.%s must be %s", what, name, right);
}

bool node_flag(const struct node *object, const char *what, const char *name, bool *value,
               struct err *err)
{
    const struct node *node = node_get(object, name);
    if (!node)
        return true;
    if (node->token != JSON_TRUE && node->token != JSON_FALSE)
        return wrong_kind(what, name, "true or false", err);
    *value = node->token == JSON_TRUE;
    return true;
}

bool node_string(const struct node *object, const char *what, const char *name, struct span *value,
                 struct err *err)
{
    const struct node *node = node_get(object, name);
    if (!node)
        return true;
    if (node->token != JSON_STRING)
        return wrong_kind(what, name, "a string", err);
    *value = node_text(node);
    return true;
}

bool node_integer(const struct node *object, const char *what, const char *name, int64_t *value,
                  struct err *err)
{
    const struct node *node = node_get(object, name);
    if (!node)
        return true;
    if (node->token != JSON_NUMBER || !json_integer(node_text(node), value))
        return wrong_kind(what, name, "a whole number", err);
    return true;
}

bool node_missing(const char *what, const char *name, struct err *err)
{
    return err_set(err, "%s has no \"%s\"", what, name);
}

int shown_length(struct span text)
{
    enum { MOST = 60 };
    size_t len = text.len < MOST ? text.len : MOST;
    while (len > 0 && len < text.len && ((unsigned char)text.data[len] & 0xc0) == 0x80)
        len--;
    return (int)len;
}
