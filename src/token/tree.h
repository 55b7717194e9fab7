/* A JSON document as an array of nodes in the order in which they stand, for files of some ten
 * megabytes that are read once: 24 bytes a value, strings borrowed where nothing was escaped. */
#pragma once

#include "wire/json.h"

enum { TREE_MAX_NODES = 32 * 1024 * 1024, TREE_MAX_DEPTH = 64 };

struct node {
    const char *text; /* of a key, a string or a number */
    uint32_t len;
    uint32_t size;       /* nodes from this one to what follows it, itself included */
    uint32_t count;      /* elements of an array, keys of an object */
    unsigned char token; /* enum json_token; objects and arrays have their BEGIN alone */
};

struct tree {
    struct node *nodes;
    size_t count, room;
    char **texts; /* blocks of strings that had escapes */
    size_t blocks, used, size;
};

/* `bytes` must outlive the tree. Call tree_fini in any case. */
bool tree_read(struct tree *tree, struct span bytes, struct err *err) MUST_CHECK;
void tree_fini(struct tree *tree);

static inline const struct node *tree_root(const struct tree *tree)
{
    return tree->nodes;
}

static inline struct span node_text(const struct node *node)
{
    return span_of(node->text, node->len);
}

/* Walks arrays (their elements) and objects (their keys, whose value is key + 1):
 *     for (const struct node *at = node_first(list); at; at = node_next(list, at)) */
static inline const struct node *node_first(const struct node *parent)
{
    return parent->count ? parent + 1 : NULL;
}
const struct node *node_next(const struct node *parent, const struct node *at);

/* What an object has under that name; NULL when it has nothing, or null. */
const struct node *node_get(const struct node *object, const char *name);

static inline bool node_is(const struct node *node, enum json_token token)
{
    return node && node->token == token;
}

/* ---- what must be of a kind; `what` names the place in messages ("Split.behavior") ---- */

/* An object without a key twice, and with none but those of `known` (blank-separated). */
bool node_check(const struct node *object, const char *what, const char *known,
                struct err *err) MUST_CHECK;
/* False when it is there and of another kind; when it is missing the value is as it was. */
bool node_flag(const struct node *object, const char *what, const char *name, bool *value,
               struct err *err) MUST_CHECK;
bool node_string(const struct node *object, const char *what, const char *name, struct span *value,
                 struct err *err) MUST_CHECK;
bool node_integer(const struct node *object, const char *what, const char *name, int64_t *value,
                  struct err *err) MUST_CHECK;
bool node_missing(const char *what, const char *name, struct err *err); /* says so; false */

/* How much of a file's text a message shows, for "%.*s": whole characters. */
int shown_length(struct span text);
#define SHOWN(span) shown_length(span), ((span).data ? (span).data : "")
