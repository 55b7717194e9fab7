/* A bounded queue of pointers between threads: many producers, many consumers, first in first out.
 *
 * Bounded in items and in bytes (the caller says what each item weighs). Takers that must not block
 * (event loops) leave a waiter, which is called once, from the putting thread and without the lock,
 * at the next put or at the close. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct queue;

struct queue_waiter {
    void (*wake)(void *arg); /* must be quick and thread-safe: e.g. loop_wake */
    void *arg;
    struct queue_waiter *next; /* the queue's own */
    bool armed;                /* the queue's own */
};

struct queue *queue_new(size_t max_items, size_t max_bytes); /* 0 = no bound of that kind */
void queue_free(struct queue *queue); /* must be empty, or its items are the caller's leak */

/* Waits for room; false when the queue has been closed (the item is still the caller's). An item
 * heavier than the whole queue goes in when the queue is empty. Putters that wait go in in the
 * order they came. */
bool queue_put(struct queue *queue, void *item, size_t bytes) MUST_CHECK;
/* Never waits and may pass the bounds: for workers, whose starts are gated by queue_over instead.
 * False when closed. */
bool queue_push(struct queue *queue, void *item, size_t bytes) MUST_CHECK;
/* The same, but takers that wait go on waiting until queue_nudge, which is to follow before this
 * thread waits for anything: so that several items cost one switch of threads. */
bool queue_push_quietly(struct queue *queue, void *item, size_t bytes) MUST_CHECK;
void queue_nudge(struct queue *queue);

void *queue_take(struct queue *queue);     /* waits; NULL = closed and empty */
void *queue_try_take(struct queue *queue); /* NULL = nothing now */
/* NULL = nothing now, and then the waiter has been left (unless the queue is finished). The bytes
 * of the item leave the account at the take. */
void *queue_take_or_watch(struct queue *queue, struct queue_waiter *waiter);
/* Takes the waiter back. Once it has returned, no wake call is under way and none will come; so it
 * must not be called from within one. */
void queue_unwatch(struct queue *queue, struct queue_waiter *waiter);

void queue_close(struct queue *queue);    /* no more puts; takers drain what is there */
bool queue_finished(struct queue *queue); /* closed and empty */
bool queue_over(struct queue *queue);     /* at or past a bound now */
size_t queue_items(struct queue *queue);
size_t queue_bytes(struct queue *queue);
size_t queue_peak_bytes(struct queue *queue);
/* Waits until at least `items` are in it, or no more can come before somebody takes (it is full or
 * a put waits), or it has been closed, or `until_ns` (clock_now_ns; 0 = no limit) has passed. */
void queue_wait_items(struct queue *queue, size_t items, uint64_t until_ns);
