/* The counters that all Lua states of a run share. Thread-safe; never used by a worker. */
#pragma once

#include "base/err.h"
#include "base/span.h"
#include "model/said.h"

struct shared;

/* What a counter keeps of the values it is given. A name has one of these for ever. */
enum shared_kind { SHARED_SUM, SHARED_MAX, SHARED_MIN };

struct shared *shared_new(void);
void shared_free(struct shared *shared);
/* Gives the counter a value; *now is what it holds then. False: err names the name, the value and
 * what would be right, and nothing has changed. */
bool shared_give(struct shared *shared, struct span name, enum shared_kind kind, double value,
                 double *now, struct err *err) MUST_CHECK;
/* 0 while nobody has given it a value. */
double shared_value(struct shared *shared, struct span name);
/* A copy of all counters in the order of their names; NULL when there are none. */
struct counter *shared_counters(struct shared *shared, size_t *count);
