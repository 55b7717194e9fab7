/* A text in pieces: text[0…cut) and text[cut…), or with cut = 0 single bytes. Each lies in a block
 * of its own, so that a reader that looks past it, or at one that is gone, is caught. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/span.h"

struct pieces {
    struct span text;
    size_t cut;
    size_t at; /* behind what was given; a reader that leaves bytes moves it back */
};

/* The next piece, to be released with free(); NULL = that was all. */
static inline char *pieces_next(struct pieces *pieces, size_t *len)
{
    size_t at = pieces->at, cut = pieces->cut, left = pieces->text.len - at;
    *len = cut == 0 && left > 0 ? 1 : at < cut && cut - at < left ? cut - at : left;
    if (*len == 0)
        return NULL;
    char *piece = malloc(*len);
    memcpy(piece, pieces->text.data + at, *len);
    pieces->at += *len;
    return piece;
}
