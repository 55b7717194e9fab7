#include "token/pattern.h"

#include <stdlib.h>

#include "base/mem.h"

bool pattern_load(struct pattern *pattern, const struct node *object, const char *what,
                  struct err *err)
{
    *pattern = (struct pattern){.regex = NULL};
    const struct node *node = node_get(object, "pattern");
    if (!node)
        return node_missing(what, "pattern", err);
    if (!node_check(node, "pattern", "String Regex", err))
        return false;
    struct span string = {0}, regex = {0};
    if (node->count != 1 || !node_string(node, "pattern", "String", &string, err) ||
        !node_string(node, "pattern", "Regex", &regex, err) || (!string.len && !regex.len))
        return err_set(err, "%s.pattern must have one of \"String\" and \"Regex\", not empty",
                       what);
    pattern->string = mem_copy(string.data, string.len);
    pattern->len = string.len;
    if (!regex.len)
        return true;
    pattern->regex = regex_new(regex, err);
    return pattern->regex || err_prefix(err, "%s", what);
}

void pattern_fini(struct pattern *pattern)
{
    regex_free(pattern->regex);
    free(pattern->string);
}

void pattern_walk_begin(struct pattern_walk *walk, const struct pattern *pattern,
                        struct regex_work *work, struct span text)
{
    *walk = (struct pattern_walk){.pattern = pattern, .text = text};
    if (pattern->regex)
        regex_walk_begin(&walk->regex, pattern->regex, work, text);
}

enum regex_found pattern_walk_next(struct pattern_walk *walk, size_t *start, size_t *end,
                                   struct err *err)
{
    const struct pattern *pattern = walk->pattern;
    if (pattern->regex)
        return regex_walk_next(&walk->regex, start, end, err);
    const char *from = walk->text.data + walk->from;
    const char *found = memmem(from, walk->text.len - walk->from, pattern->string, pattern->len);
    if (!found)
        return REGEX_NONE;
    *start = (size_t)(found - walk->text.data);
    walk->from = *end = *start + pattern->len;
    return REGEX_MATCH;
}
