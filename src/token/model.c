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
