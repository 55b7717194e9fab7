/* Post-processors: the special tokens that stand before and behind a text's own. */
#pragma once

#include "token/model.h"

struct post {
    struct ids before, behind;
};

/* `node`: "post_processor". Call post_fini in any case. */
bool post_load(struct post *post, const struct node *node, struct err *err) MUST_CHECK;
void post_fini(struct post *post);
