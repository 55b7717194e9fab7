/* The SQLite store: one file a run, written in WAL mode in batches by main while the run goes on.
 * Schema: out/schema.sql. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secrets.h"
#include "model/own_metric.h"
#include "model/report.h"
#include "model/sink.h"

struct store;

/* Creates the file (never overwrites one), the folders it stands in and the schema, and writes the
 * run's row. NULL on failure, with the sentence in `err`; nothing is left behind. `secrets` (may be
 * NULL) is borrowed until store_close, `facts` for the call. */
struct store *store_open(const char *path, const struct run_facts *facts, struct secrets *secrets,
                         struct err *err);
/* Claims the database of a run that was cut off: what it says stays so, until this process goes on
 * with it or closes the descriptor. False: it is not there, or the run still goes on. */
bool store_claim(const char *path, int *claim, struct err *err) MUST_CHECK;
/* Opens it to go on with the run; takes the claim over, also on failure. Otherwise as store_open.
 */
struct store *store_resume(const char *path, int claim, const struct run_facts *facts,
                           struct secrets *secrets, struct err *err);
/* A stage has begun at this moment of the monotonic clock, with this arrival. `as_ns`: as which
 * time the database is to have it, 0 = as it stands; it counts for all that follows. */
void store_began(struct store *store, uint32_t stage, uint64_t start_ns, uint64_t first_arrival,
                 uint64_t as_ns);
/* `sample` adds a row to the open batch; `tick` commits it and writes the interval rows; `end`
 * writes summaries, stage and the end of the run. A batch that cannot be written (disk full, I/O
 * error, a lock of somebody else that lasts) is given up and its results are counted as lost; so
 * are those of the next second, then the next batch is tried. Only the first failure is
 * told. */
struct sink store_sink(struct store *store);
/* What the stages that begin from now on were given beyond the run's options, JSON; NULL = nothing.
 * Copied. */
void store_stage_options(struct store *store, const char *options);
/* The script's own metrics, NULL = none: written at once, so that the rows of a run that is killed
 * can be read. */
bool store_metrics(struct store *store, const struct own_metrics *metrics,
                   struct err *err) MUST_CHECK;
/* Commits what is pending and closes; safe to call with a half-finished run (interrupts): the file
 * stays valid. Frees the store in any case. NULL is allowed. False: the file is incomplete, and the
 * sentence says how many results it is without. */
bool store_close(struct store *store, struct err *err);

const char *store_library(void); /* "SQLite/3.40.1" */
