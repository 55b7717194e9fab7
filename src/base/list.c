#include "base/list.h"

#include <stdlib.h>

#include "base/mem.h"

void list_add(struct list *list, const char *text)
{
    list->items = mem_resize(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = mem_text(text);
}

void list_fini(struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct list){0};
}

void numbers_add(struct numbers *numbers, double value)
{
    numbers->items = mem_resize(numbers->items, numbers->count + 1, sizeof *numbers->items);
    numbers->items[numbers->count++] = value;
}

void numbers_fini(struct numbers *numbers)
{
    free(numbers->items);
    *numbers = (struct numbers){0};
}
