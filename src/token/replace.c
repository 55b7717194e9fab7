#include "token/replace.h"

#include <stdlib.h>

#include "base/mem.h"

struct replace {
    struct pattern pattern;
    char *content;
    size_t len;
};

void replace_free(void *self)
{
    struct replace *replace = self;
    pattern_fini(&replace->pattern);
    free(replace->content);
    free(replace);
}

void *replace_load(const struct node *node, struct err *err)
{
    struct replace *replace = MEM_NEW(struct replace);
    struct span content = {0};
    if (node_check(node, "Replace", "type pattern content", err) &&
        pattern_load(&replace->pattern, node, "Replace", err) &&
        node_string(node, "Replace", "content", &content, err) &&
        (node_get(node, "content") || node_missing("Replace", "content", err))) {
        replace->content = mem_copy(content.data, content.len);
        replace->len = content.len;
        return replace;
    }
    replace_free(replace);
    return NULL;
}

bool replace_in(const void *self, struct regex_work *regexes, struct span text, struct buf *out,
                struct err *err)
{
    const struct replace *replace = self;
    struct pattern_walk walk;
    size_t start, end, done = 0;
    enum regex_found found;
    pattern_walk_begin(&walk, &replace->pattern, regexes, text);
    while ((found = pattern_walk_next(&walk, &start, &end, err)) == REGEX_MATCH) {
        buf_add(out, text.data + done, start - done);
        buf_add(out, replace->content, replace->len);
        done = end;
    }
    if (found != REGEX_ERROR)
        buf_add(out, text.data + done, text.len - done);
    return found != REGEX_ERROR;
}
