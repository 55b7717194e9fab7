/* What splitting at matches does with the matches: the behaviours that Split and its kin share. */
#pragma once

#include "token/model.h"

enum split_behavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
    SPLIT_CONTIGUOUS,
};

bool split_behavior_find(struct span name, enum split_behavior *behavior);

/* The splitting of one piece: what lies between matches and the matches themselves come in order.
 */
struct split {
    struct pieces *out;
    size_t base;  /* where the piece begins in the text */
    size_t begin; /* the first of `out` that is of this piece */
    size_t done;  /* up to here the piece has been given */
    bool first;   /* of the piece */
    enum split_behavior behavior;
    bool invert;             /* what lies between counts as the matches */
    bool before;             /* was the last part a match? */
    bool empties;            /* a part of no length was put */
    size_t waits, waits_end; /* a match that may be merged with what follows; waits_end 0 = none */
};

void split_begin(struct split *split, struct pieces *out, const struct piece *piece,
                 enum split_behavior behavior, bool invert);
/* A match, at places relative to the piece; what lies before it goes out first. */
void split_match(struct split *split, size_t start, size_t end);
void split_end(struct split *split, size_t len); /* of the piece */
