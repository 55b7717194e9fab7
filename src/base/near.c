#include "base/near.h"

#include <ctype.h>
#include <stdbool.h>

enum { LONGEST = 64 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters alike for the search: neither case nor the kind of dash is a mistake. */
static bool alike(char a, char b)
{
    a = a == '_' ? '-' : (char)tolower((unsigned char)a);
    b = b == '_' ? '-' : (char)tolower((unsigned char)b);
    return a == b;
}

/* How many letters must be inserted, dropped, replaced or swapped with their neighbour. */
static size_t distance(struct span a, struct span b)
{
    size_t rows[3][LONGEST + 1], *older = rows[0], *old = rows[1], *now = rows[2];
    if (a.len > LONGEST || b.len > LONGEST)
        return LONGEST;
    for (size_t k = 0; k <= b.len; k++)
        old[k] = older[k] = k;
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t k = 1; k <= b.len; k++) {
            size_t changed = old[k - 1] + !alike(a.data[i - 1], b.data[k - 1]);
            now[k] = smaller(changed, smaller(old[k], now[k - 1]) + 1);
            if (i > 1 && k > 1 && alike(a.data[i - 1], b.data[k - 2]) &&
                alike(a.data[i - 2], b.data[k - 1]))
                now[k] = smaller(now[k], older[k - 2] + 1);
        }
        size_t *spare = older;
        older = old;
        old = now;
        now = spare;
    }
    return old[b.len];
}

/* How far `name` is from a known one; a cut-off beginning counts as one mistake. */
static size_t farness(struct span name, struct span known)
{
    size_t far = distance(name, known);
    if (far > 1 && name.len >= 3 && name.len < known.len &&
        distance(name, span_of(known.data, name.len)) == 0)
        far = 1;
    return far;
}

struct near near_to(struct span word)
{
    size_t limit = word.len < 4 ? 1 : word.len < 8 ? 2 : 3;
    return (struct near){.word = word, .far = limit + 1};
}

void near_try(struct near *near, struct span known, const char *name)
{
    size_t far = farness(near->word, known);
    if (far < near->far && far < known.len) {
        near->far = far;
        near->found = name;
    }
}
