/* An event loop over libev, which only the files of this folder know. One thread a loop, but for
 * loop_wake.
 *
 * A loop measures its own lag: the time from the wake-up by the kernel to the handling of each
 * ready watcher. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hist.h"
#include "base/interrupt.h"

struct loop;
struct ev_loop;

struct loop *loop_new(struct err *err);
void loop_free(struct loop *loop);
/* Until loop_stop, or nothing is watched any more: neither a wake callback, nor an alarm (armed or
 * not), nor signals, nor a running transfer. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);          /* from a callback of this loop */
struct ev_loop *loop_ev(struct loop *loop); /* for io's own files */

/* loop_wake is thread-safe: it makes `on_wake` run once soon in the loop's thread; several wakes
 * may fold into one. loop_on_wake comes first, in the loop's thread; a wake before it is lost. NULL
 * ends it. */
void loop_on_wake(struct loop *loop, void (*on_wake)(void *arg), void *arg);
void loop_wake(void *loop); /* a queue_waiter's wake */

/* Runs before the loop waits for the kernel: what was put off during the turn. NULL ends it. */
void loop_on_rest(struct loop *loop, void (*on_rest)(void *arg), void *arg);

/* The loop's lag: noted by each io callback of this folder. */
void loop_note_lag(struct loop *loop);
void loop_forget_lag(struct loop *loop);              /* counts anew */
const struct hist *loop_lag(const struct loop *loop); /* ns */

/* An alarm at an absolute time by timerfd (ev_timer is late by up to a millisecond). Setting it
 * again moves it; 0 disarms it. A time in the past rings at the next turn. */
struct alarm;
struct alarm *alarm_new(struct loop *loop, void (*ring)(void *arg), void *arg, struct err *err);
void alarm_free(struct alarm *alarm);
void alarm_set(struct alarm *alarm, uint64_t at_ns);

/* Signals by signalfd: `on_signal` runs in the loop's thread. They must have been blocked by
 * signals_block. */
struct signals;
struct signals *signals_new(struct loop *loop, void (*on_signal)(void *arg, int signo), void *arg,
                            struct err *err);
void signals_free(struct signals *signals);

/* Raises the soft descriptor limit towards `wanted` (up to the hard one); returns the limit now in
 * force. */
uint64_t loop_raise_descriptors(uint64_t wanted);

const char *loop_library(void); /* "libev/4.33" */
