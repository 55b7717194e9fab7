#include "script/shared.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/utf8.h"

struct entry {
    struct counter counter;
    enum shared_kind kind;
};

struct shared {
    pthread_mutex_t lock;
    struct entry entries[COUNTERS_MOST]; /* in the order in which they were first used */
    size_t count;
};

struct shared *shared_new(void)
{
    struct shared *shared = MEM_NEW(struct shared);
    pthread_mutex_init(&shared->lock, NULL);
    return shared;
}

void shared_free(struct shared *shared)
{
    if (!shared)
        return;
    pthread_mutex_destroy(&shared->lock);
    free(shared);
}

/* ---- names ---- */

static bool is_plain_text(struct span text)
{
    const char *end = text.data + text.len;
    for (const char *at = text.data; at < end;) {
        bool valid = false;
        unsigned step = utf8_step(at, end, &valid);
        if (!valid || utf8_steers(utf8_code(at, step)))
            return false;
        at += step;
    }
    return true;
}

static bool check_name(struct span name, struct err *err)
{
    if (name.len == 0)
        return err_set(err, "the name of a counter is empty");
    if (name.len >= COUNTER_NAME)
        return err_set(err, "the name of a counter has %zu bytes; it may have %d", name.len,
                       COUNTER_NAME - 1);
    if (!is_plain_text(name))
        return err_set(err, "the name of a counter must be UTF-8 text without control characters");
    return true;
}

/* With the lock held. */
static struct entry *find(struct shared *shared, struct span name)
{
    for (size_t i = 0; i < shared->count; i++) {
        const char *known = shared->entries[i].counter.name;
        if (strlen(known) == name.len && memcmp(known, name.data, name.len) == 0)
            return &shared->entries[i];
    }
    return NULL;
}

/* ---- values ---- */

static const char *kind_name(enum shared_kind kind)
{
    static const char *const names[] = {
        [SHARED_SUM] = "sum", [SHARED_MAX] = "maximum", [SHARED_MIN] = "minimum"};
    return names[kind];
}

static bool give_first(struct shared *shared, struct span name, enum shared_kind kind, double value,
                       struct err *err)
{
    if (shared->count == COUNTERS_MOST)
        return err_set(err, "'%.*s' would be one counter too many: there are %d", (int)name.len,
                       name.data, COUNTERS_MOST);
    struct entry *entry = &shared->entries[shared->count++];
    *entry = (struct entry){.kind = kind};
    memcpy(entry->counter.name, name.data, name.len);
    entry->counter.value = value;
    return true;
}

static double joined(const struct entry *entry, double value)
{
    double old = entry->counter.value;
    switch (entry->kind) {
    case SHARED_SUM: return old + value;
    case SHARED_MAX: return value > old ? value : old;
    case SHARED_MIN: break;
    }
    return value < old ? value : old;
}

static bool give_more(struct entry *entry, enum shared_kind kind, double value, struct err *err)
{
    double now = joined(entry, value);
    if (entry->kind != kind)
        return err_set(err, "'%s' is a %s already and cannot be a %s too", entry->counter.name,
                       kind_name(entry->kind), kind_name(kind));
    if (!isfinite(now))
        return err_set(err, "'%s' would pass the largest number there is", entry->counter.name);
    entry->counter.value = now;
    return true;
}

bool shared_give(struct shared *shared, struct span name, enum shared_kind kind, double value,
                 double *now, struct err *err)
{
    if (!check_name(name, err))
        return false;
    if (!isfinite(value))
        return err_set(err, "'%.*s' cannot take %g: a counter takes finite numbers", (int)name.len,
                       name.data, value);
    pthread_mutex_lock(&shared->lock);
    struct entry *entry = find(shared, name);
    bool ok =
        entry ? give_more(entry, kind, value, err) : give_first(shared, name, kind, value, err);
    if (ok)
        *now = entry ? entry->counter.value : value;
    pthread_mutex_unlock(&shared->lock);
    return ok;
}

double shared_value(struct shared *shared, struct span name)
{
    pthread_mutex_lock(&shared->lock);
    const struct entry *entry = find(shared, name);
    double value = entry ? entry->counter.value : 0;
    pthread_mutex_unlock(&shared->lock);
    return value;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct counter *)a)->name, ((const struct counter *)b)->name);
}

struct counter *shared_counters(struct shared *shared, size_t *count)
{
    pthread_mutex_lock(&shared->lock);
    struct counter *copy = shared->count ? mem_zero(shared->count, sizeof *copy) : NULL;
    *count = shared->count;
    for (size_t i = 0; i < shared->count; i++)
        copy[i] = shared->entries[i].counter;
    pthread_mutex_unlock(&shared->lock);
    if (copy)
        qsort(copy, *count, sizeof *copy, by_name);
    return copy;
}
