#include "token/split.h"

bool split_behavior_find(struct span name, enum split_behavior *behavior)
{
    static const char *const names[] = {
        [SPLIT_REMOVED] = "Removed",
        [SPLIT_ISOLATED] = "Isolated",
        [SPLIT_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
        [SPLIT_MERGED_WITH_NEXT] = "MergedWithNext",
        [SPLIT_CONTIGUOUS] = "Contiguous",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (span_equals(name, names[i])) {
            *behavior = (enum split_behavior)i;
            return true;
        }
    return false;
}

void split_begin(struct split *split, struct pieces *out, const struct piece *piece,
                 enum split_behavior behavior, bool invert)
{
    *split = (struct split){
        .out = out,
        .base = piece->start,
        .begin = out->count,
        .first = piece->first,
        .behavior = behavior,
        .invert = invert,
    };
}

/* Parts of no length stay until the end, since others may be merged with them. */
static void put(struct split *split, size_t start, size_t end)
{
    split->empties = split->empties || start == end;
    pieces_add(split->out, split->base + start, split->base + end, split->first && start == 0);
}

/* Makes the last part longer, if there is one. */
static void put_behind(struct split *split, size_t start, size_t end)
{
    struct pieces *out = split->out;
    if (out->count > split->begin)
        out->items[out->count - 1].len += (uint32_t)(end - start);
    else
        put(split, start, end);
}

/* A match goes with what follows it, unless that is a match too. */
static void put_with_next(struct split *split, size_t start, size_t end, bool match)
{
    bool waited = split->waits_end > 0;
    size_t from = split->waits;
    if (waited && match)
        put(split, from, split->waits_end);
    split->waits_end = 0;
    if (match) {
        split->waits = start;
        split->waits_end = end;
    } else {
        put(split, waited ? from : start, end);
    }
}

static void part(struct split *split, size_t start, size_t end, bool match)
{
    bool before = split->before;
    match = match != split->invert;
    split->before = match;
    switch (split->behavior) {
    case SPLIT_REMOVED:
        if (!match)
            put(split, start, end);
        break;
    case SPLIT_ISOLATED: put(split, start, end); break;
    case SPLIT_MERGED_WITH_PREVIOUS:
        if (match && !before)
            put_behind(split, start, end);
        else
            put(split, start, end);
        break;
    case SPLIT_MERGED_WITH_NEXT: put_with_next(split, start, end, match); break;
    case SPLIT_CONTIGUOUS:
        if (match == before)
            put_behind(split, start, end);
        else
            put(split, start, end);
        break;
    }
}

void split_match(struct split *split, size_t start, size_t end)
{
    if (split->done < start)
        part(split, split->done, start, false);
    part(split, start, end, true);
    split->done = end;
}

static void drop_empty(struct split *split)
{
    struct pieces *out = split->out;
    size_t kept = split->begin;
    for (size_t i = split->begin; i < out->count; i++)
        if (out->items[i].len > 0)
            out->items[kept++] = out->items[i];
    out->count = kept;
}

void split_end(struct split *split, size_t len)
{
    if (split->done < len)
        part(split, split->done, len, false);
    if (split->waits_end > 0)
        put(split, split->waits, split->waits_end);
    if (split->empties)
        drop_empty(split);
}
