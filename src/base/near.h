/* What a word that nobody knows may have meant. */
#pragma once

#include <stddef.h>

#include "base/span.h"

struct near {
    struct span word;
    size_t far;        /* the mistakes in it if `found` was meant; more count as none */
    const char *found; /* NULL = nothing is near */
};

struct near near_to(struct span word);
/* `known` is a word that there is; `name` is what to suggest for it, borrowed. Of equally near ones
 * the first stays. */
void near_try(struct near *near, struct span known, const char *name);
