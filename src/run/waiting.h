/* Requests that wait for their time, earliest first (a binary heap). */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct request;

struct waiting_entry {
    uint64_t due_ns;
    struct request *request;
};

struct waiting {
    struct waiting_entry *entries;
    size_t count, cap;
};

void waiting_fini(struct waiting *waiting); /* releases the requests too */
void waiting_add(struct waiting *waiting, uint64_t due_ns, struct request *request);
uint64_t waiting_next_ns(
    const struct waiting *waiting); /* when the earliest is due; UINT64_MAX = none waits */
struct waiting_entry waiting_pop(struct waiting *waiting); /* there must be one */
