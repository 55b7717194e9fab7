/* {"String": …} or {"Regex": …}, as Split and Replace have them. */
#pragma once

#include "token/regex.h"
#include "token/tree.h"

struct pattern {
    struct regex *regex; /* NULL: the string */
    char *string;
    size_t len;
};

/* object.pattern; `what` is the object's type, for messages. Call pattern_fini in any case. */
bool pattern_load(struct pattern *pattern, const struct node *object, const char *what,
                  struct err *err) MUST_CHECK;
void pattern_fini(struct pattern *pattern);

struct pattern_walk {
    const struct pattern *pattern;
    struct regex_walk regex;
    struct span text;
    size_t from;
};

void pattern_walk_begin(struct pattern_walk *walk, const struct pattern *pattern,
                        struct regex_work *work, struct span text);
enum regex_found pattern_walk_next(struct pattern_walk *walk, size_t *start, size_t *end,
                                   struct err *err);
