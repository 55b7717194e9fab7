#include "base/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

struct entry {
    void *item;
    size_t bytes;
};

/* Invariant under the lock: while an item is in the queue no waiter is armed, since a waiter is
 * left only at an empty queue and every addition disarms all of them; a quiet one with the nudge
 * that follows. */
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t room;  /* the front putter's turn or room may have come */
    pthread_cond_t items; /* an item came, or the queue was closed */
    pthread_cond_t level; /* for queue_wait_items */
    pthread_cond_t quiet; /* no wake call is under way */
    size_t max_items, max_bytes;

    struct entry *ring;
    size_t cap, head, count;
    size_t bytes, peak_bytes;
    bool closed;

    /* Putters go in by turns, so that light items cannot overtake a heavy one for ever. */
    uint64_t next_turn, turn;
    size_t level_waiters;
    size_t waking; /* threads that are calling waiters now */
    struct queue_waiter *waiters;
};

/* What a detached waiter needs, copied: the waiter itself may be armed again meanwhile. */
struct wake {
    void (*wake)(void *arg);
    void *arg;
};

struct wakes {
    struct wake few[16];
    struct wake *all; /* few, or owned */
    size_t count;
};

struct queue *queue_new(size_t max_items, size_t max_bytes)
{
    struct queue *queue = MEM_NEW(struct queue);
    queue->max_items = max_items ? max_items : SIZE_MAX;
    queue->max_bytes = max_bytes ? max_bytes : SIZE_MAX;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->room, NULL);
    pthread_cond_init(&queue->items, NULL);
    pthread_cond_init(&queue->quiet, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->level, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return queue;
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    pthread_cond_destroy(&queue->quiet);
    pthread_cond_destroy(&queue->level);
    pthread_cond_destroy(&queue->items);
    pthread_cond_destroy(&queue->room);
    pthread_mutex_destroy(&queue->lock);
    free(queue->ring);
    free(queue);
}

static bool fits(const struct queue *queue, size_t bytes)
{
    if (queue->count == 0)
        return true;
    return queue->count < queue->max_items && queue->bytes <= queue->max_bytes &&
           bytes <= queue->max_bytes - queue->bytes;
}

static void grow(struct queue *queue)
{
    size_t cap = queue->cap ? queue->cap * 2 : 16;
    queue->ring = mem_resize(queue->ring, cap, sizeof *queue->ring);
    /* The part that had wrapped to the front goes behind the old end. */
    memcpy(queue->ring + queue->cap, queue->ring, queue->head * sizeof *queue->ring);
    queue->cap = cap;
}

static void append(struct queue *queue, void *item, size_t bytes)
{
    if (queue->count == queue->cap)
        grow(queue);
    size_t at = (queue->head + queue->count) & (queue->cap - 1);
    queue->ring[at] = (struct entry){.item = item, .bytes = bytes};
    queue->count++;
    queue->bytes += bytes;
    if (queue->bytes > queue->peak_bytes)
        queue->peak_bytes = queue->bytes;
}

/* Disarms all waiters under the lock; wakes_call then calls them without it. */
static void wakes_detach(struct queue *queue, struct wakes *wakes)
{
    size_t count = 0;
    for (struct queue_waiter *w = queue->waiters; w; w = w->next)
        count++;
    wakes->count = 0;
    wakes->all = count <= sizeof wakes->few / sizeof *wakes->few
                     ? wakes->few
                     : mem_zero(count, sizeof *wakes->all);
    for (struct queue_waiter *w = queue->waiters; w; w = w->next) {
        wakes->all[wakes->count++] = (struct wake){.wake = w->wake, .arg = w->arg};
        w->armed = false;
    }
    queue->waiters = NULL;
    if (count)
        queue->waking++;
}

static void wakes_call(struct queue *queue, struct wakes *wakes)
{
    if (wakes->count == 0)
        return;
    for (size_t i = 0; i < wakes->count; i++)
        wakes->all[i].wake(wakes->all[i].arg);
    if (wakes->all != wakes->few)
        free(wakes->all);
    pthread_mutex_lock(&queue->lock);
    if (--queue->waking == 0)
        pthread_cond_broadcast(&queue->quiet);
    pthread_mutex_unlock(&queue->lock);
}

/* After additions: wakes who waits for them, and leaves the lock. */
static void wake_and_unlock(struct queue *queue)
{
    struct wakes wakes;
    if (queue->count == 1)
        pthread_cond_signal(&queue->items);
    else
        pthread_cond_broadcast(&queue->items);
    if (queue->level_waiters)
        pthread_cond_broadcast(&queue->level);
    wakes_detach(queue, &wakes);
    pthread_mutex_unlock(&queue->lock);
    wakes_call(queue, &wakes);
}

bool queue_put(struct queue *queue, void *item, size_t bytes)
{
    pthread_mutex_lock(&queue->lock);
    uint64_t turn = queue->next_turn++;
    while (!queue->closed && (turn != queue->turn || !fits(queue, bytes))) {
        if (queue->level_waiters)
            pthread_cond_broadcast(&queue->level);
        pthread_cond_wait(&queue->room, &queue->lock);
    }
    queue->turn++;
    if (queue->closed) {
        pthread_mutex_unlock(&queue->lock);
        return false;
    }
    if (queue->next_turn != queue->turn)
        pthread_cond_broadcast(&queue->room);
    append(queue, item, bytes);
    wake_and_unlock(queue);
    return true;
}

static bool push_and_keep_lock(struct queue *queue, void *item, size_t bytes)
{
    pthread_mutex_lock(&queue->lock);
    if (!queue->closed)
        append(queue, item, bytes);
    return !queue->closed;
}

bool queue_push(struct queue *queue, void *item, size_t bytes)
{
    bool pushed = push_and_keep_lock(queue, item, bytes);
    wake_and_unlock(queue);
    return pushed;
}

bool queue_push_quietly(struct queue *queue, void *item, size_t bytes)
{
    bool pushed = push_and_keep_lock(queue, item, bytes);
    pthread_mutex_unlock(&queue->lock);
    return pushed;
}

void queue_nudge(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    wake_and_unlock(queue);
}

/* A putter that waits is woken when half of the room is free, not for each item anew. */
static bool is_low(const struct queue *queue)
{
    return queue->count <= queue->max_items / 2 && queue->bytes <= queue->max_bytes / 2;
}

static void *take_front(struct queue *queue)
{
    if (queue->count == 0)
        return NULL;
    struct entry entry = queue->ring[queue->head];
    queue->head = (queue->head + 1) & (queue->cap - 1);
    queue->count--;
    queue->bytes -= entry.bytes;
    if (queue->next_turn != queue->turn && is_low(queue))
        pthread_cond_broadcast(&queue->room);
    return entry.item;
}

void *queue_take(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->closed)
        pthread_cond_wait(&queue->items, &queue->lock);
    void *item = take_front(queue);
    pthread_mutex_unlock(&queue->lock);
    return item;
}

void *queue_try_take(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    void *item = take_front(queue);
    pthread_mutex_unlock(&queue->lock);
    return item;
}

void *queue_take_or_watch(struct queue *queue, struct queue_waiter *waiter)
{
    pthread_mutex_lock(&queue->lock);
    void *item = take_front(queue);
    if (!item && !queue->closed && !waiter->armed) {
        waiter->armed = true;
        waiter->next = queue->waiters;
        queue->waiters = waiter;
    }
    pthread_mutex_unlock(&queue->lock);
    return item;
}

void queue_unwatch(struct queue *queue, struct queue_waiter *waiter)
{
    pthread_mutex_lock(&queue->lock);
    for (struct queue_waiter **at = &queue->waiters; *at; at = &(*at)->next)
        if (*at == waiter) {
            *at = waiter->next;
            break;
        }
    waiter->armed = false;
    while (queue->waking)
        pthread_cond_wait(&queue->quiet, &queue->lock);
    pthread_mutex_unlock(&queue->lock);
}

void queue_close(struct queue *queue)
{
    struct wakes wakes;
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->room);
    pthread_cond_broadcast(&queue->items);
    pthread_cond_broadcast(&queue->level);
    wakes_detach(queue, &wakes);
    pthread_mutex_unlock(&queue->lock);
    wakes_call(queue, &wakes);
}

bool queue_finished(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool finished = queue->closed && queue->count == 0;
    pthread_mutex_unlock(&queue->lock);
    return finished;
}

bool queue_over(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool over = queue->count >= queue->max_items || queue->bytes >= queue->max_bytes;
    pthread_mutex_unlock(&queue->lock);
    return over;
}

static size_t read_size(struct queue *queue, const size_t *field)
{
    pthread_mutex_lock(&queue->lock);
    size_t value = *field;
    pthread_mutex_unlock(&queue->lock);
    return value;
}

size_t queue_items(struct queue *queue)
{
    return read_size(queue, &queue->count);
}

size_t queue_bytes(struct queue *queue)
{
    return read_size(queue, &queue->bytes);
}

size_t queue_peak_bytes(struct queue *queue)
{
    return read_size(queue, &queue->peak_bytes);
}

/* A putter that waits shows that no more will come before somebody takes. */
static bool level_reached(const struct queue *queue, size_t items)
{
    return queue->closed || queue->count >= items || queue->count >= queue->max_items ||
           queue->next_turn != queue->turn;
}

void queue_wait_items(struct queue *queue, size_t items, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                             .tv_nsec = (long)(until_ns % NS_PER_S)};
    pthread_mutex_lock(&queue->lock);
    queue->level_waiters++;
    while (!level_reached(queue, items) && (until_ns == 0 || clock_now_ns() < until_ns)) {
        if (until_ns)
            pthread_cond_timedwait(&queue->level, &queue->lock, &until);
        else
            pthread_cond_wait(&queue->level, &queue->lock);
    }
    queue->level_waiters--;
    pthread_mutex_unlock(&queue->lock);
}
