/* A text in portions: text[0…cut) and text[cut…), or with cut = 0 single bytes. Each lies in a
 * block of its own, so that a reader that looks past it, or at one that is gone, is caught. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/span.h"

struct portions {
    struct span text;
    size_t cut;
    size_t at; /* behind what was given; a reader that leaves bytes moves it back */
};

/* The next portion, to be released with free(); NULL = that was all. */
static inline char *portions_next(struct portions *portions, size_t *len)
{
    size_t at = portions->at, cut = portions->cut, left = portions->text.len - at;
    *len = cut == 0 && left > 0 ? 1 : at < cut && cut - at < left ? cut - at : left;
    if (*len == 0)
        return NULL;
    char *piece = malloc(*len);
    memcpy(piece, portions->text.data + at, *len);
    portions->at += *len;
    return piece;
}
