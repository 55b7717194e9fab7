/* A list of owned texts (repeated options, headers). */
#pragma once

#include <stddef.h>

struct list {
    char **items;
    size_t count;
};

/* A list of numbers (loads, rates, token ids). */
struct numbers {
    double *items;
    size_t count;
};

void list_add(struct list *list, const char *text); /* copies */
void list_fini(struct list *list);

void numbers_add(struct numbers *numbers, double value);
void numbers_fini(struct numbers *numbers);
