/* Finding words of the contract, and the one that was most likely meant. */
#include <stdio.h>
#include <string.h>

#include "script/contract.h"

const struct script_word *script_word_find(enum word_kind kind, const char *name)
{
    const struct script_word *word;
    for (size_t i = 0; (word = script_word_at(i)); i++)
        if (word->kind == kind && strcmp(word->name, name) == 0)
            return word;
    return NULL;
}

unsigned word_slips(const char *name)
{
    size_t len = strlen(name);
    return len < 4 ? 1 : len < 6 ? 2 : 3;
}

const char *script_word_nearest(enum word_kind kind, const char *name)
{
    const char *nearest = NULL, *dot = strchr(name, '.');
    const struct script_word *word;
    size_t module = dot ? (size_t)(dot + 1 - name) : 0;
    unsigned best = word_slips(name + module) + 1;
    for (size_t i = 0; (word = script_word_at(i)); i++) {
        if (word->kind != kind || strncmp(word->name, name, module) != 0)
            continue;
        unsigned distance = word_distance(word->name + module, name + module);
        if (distance < best && distance < strlen(name + module)) {
            best = distance;
            nearest = word->name;
        }
    }
    return nearest;
}

bool script_module_nearest(const char *name, char *out, size_t size)
{
    const struct script_word *word;
    unsigned best = word_slips(name) + 1;
    char module[32];
    for (size_t i = 0; (word = script_word_at(i)); i++) {
        size_t len = strcspn(word->name, ".");
        if (word->kind != WORD_MODULE || !word->name[len] || len >= sizeof module)
            continue;
        snprintf(module, sizeof module, "%.*s", (int)len, word->name);
        unsigned distance = word_distance(module, name);
        if (distance < best && distance < strlen(name)) {
            best = distance;
            snprintf(out, size, "%s", module);
        }
    }
    return best <= word_slips(name);
}

const char *word_type_name(enum word_type type)
{
    static const char *const names[] = {
        [WORD_ANY] = "any value",
        [WORD_FUNCTION] = "a function",
        [WORD_TEXT] = "a string",
        [WORD_FLAG] = "true or false",
        [WORD_COUNT] = "a whole number from 0",
        [WORD_SECONDS] = "a number of seconds from 0 to 10^9",
        [WORD_NUMBER] = "a number",
        [WORD_TABLE] = "a table",
        [WORD_TEXT_OR_TABLE] = "a string or a table",
        [WORD_TEXT_OR_NUMBER] = "a string or a number",
    };
    return names[type];
}

const char *word_type_short(enum word_type type)
{
    static const char *const names[] = {
        [WORD_ANY] = "anything",
        [WORD_FUNCTION] = "function",
        [WORD_TEXT] = "string",
        [WORD_FLAG] = "true or false",
        [WORD_COUNT] = "whole number",
        [WORD_SECONDS] = "number",
        [WORD_NUMBER] = "number",
        [WORD_TABLE] = "table",
        [WORD_TEXT_OR_TABLE] = "string or table",
        [WORD_TEXT_OR_NUMBER] = "string or number",
    };
    return names[type];
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* One row of the edit distance table at a time; names longer than a row are far from anything. */
unsigned word_distance(const char *a, const char *b)
{
    enum { LONGEST = 64, FAR = 9 };
    size_t width = strlen(b);
    if (width >= LONGEST || strlen(a) >= LONGEST)
        return FAR;
    unsigned row[LONGEST];
    for (size_t j = 0; j <= width; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 1; j <= width; j++) {
            unsigned changed = diagonal + (a[i] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(changed, least(row[j], row[j - 1]) + 1);
        }
    }
    return least(row[width], FAR);
}
