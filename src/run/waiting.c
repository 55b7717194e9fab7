#include "run/waiting.h"

#include <stdlib.h>

#include "base/mem.h"
#include "model/request.h"

void waiting_fini(struct waiting *waiting)
{
    for (size_t i = 0; i < waiting->count; i++)
        request_free(waiting->entries[i].request);
    free(waiting->entries);
    *waiting = (struct waiting){0};
}

void waiting_add(struct waiting *waiting, uint64_t due_ns, struct request *request)
{
    if (waiting->count == waiting->cap) {
        waiting->cap = waiting->cap ? waiting->cap * 2 : 16;
        waiting->entries = mem_resize(waiting->entries, waiting->cap, sizeof *waiting->entries);
    }
    struct waiting_entry *entries = waiting->entries;
    size_t i = waiting->count++;
    for (; i > 0 && entries[(i - 1) / 2].due_ns > due_ns; i = (i - 1) / 2)
        entries[i] = entries[(i - 1) / 2];
    entries[i] = (struct waiting_entry){.due_ns = due_ns, .request = request};
}

uint64_t waiting_next_ns(const struct waiting *waiting)
{
    return waiting->count ? waiting->entries[0].due_ns : UINT64_MAX;
}

struct waiting_entry waiting_pop(struct waiting *waiting)
{
    struct waiting_entry *entries = waiting->entries;
    struct waiting_entry first = entries[0], last = entries[--waiting->count];
    size_t i = 0;
    for (size_t child = 1; child < waiting->count; child = 2 * i + 1) {
        if (child + 1 < waiting->count && entries[child + 1].due_ns < entries[child].due_ns)
            child++;
        if (entries[child].due_ns >= last.due_ns)
            break;
        entries[i] = entries[child];
        i = child;
    }
    if (waiting->count)
        entries[i] = last;
    return first;
}
