#include "token/model.h"

#include "base/mem.h"

void ids_grow(struct ids *ids)
{
    ids->room = ids->room ? ids->room * 2 : 1024;
    ids->items = mem_resize(ids->items, ids->room, sizeof *ids->items);
}

void pieces_grow(struct pieces *pieces)
{
    pieces->room = pieces->room ? pieces->room * 2 : 256;
    pieces->items = mem_resize(pieces->items, pieces->room, sizeof *pieces->items);
}

const struct model_row *model_find(struct span type)
{
    static const struct model_row *const rows[] = {&model_bpe, &model_unigram, &model_wordpiece};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (span_equals(type, rows[i]->type))
            return rows[i];
    return NULL;
}
