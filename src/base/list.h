/* A list of owned texts (repeated options, headers). */
#pragma once

#include <stddef.h>

struct list {
    char **items;
    size_t count;
};

void list_add(struct list *list, const char *text); /* copies */
void list_fini(struct list *list);
