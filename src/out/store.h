/* The SQLite store: one file a run, written in WAL mode in batches by main while the run goes on.
 * Schema: out/schema.sql. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secrets.h"
#include "model/report.h"
#include "model/sink.h"

struct store;

/* Creates the file (never overwrites one), the folders it stands in and the schema, and writes the
 * run's row. NULL on failure, with the sentence in `err`; nothing is left behind. `secrets` (may be
 * NULL) is borrowed until store_close, `facts` for the call. */
struct store *store_open(const char *path, const struct run_facts *facts, struct secrets *secrets,
                         struct err *err);
/* `sample` adds a row to the open batch; `tick` commits a batch that is old enough and writes the
 * interval rows; `end` writes summaries, stage and the end of the run. After the first failure
 * (disk full, I/O error) every call returns false with that first sentence and writes nothing more:
 * the caller reports it once, stops feeding this sink and goes on without it. */
struct sink store_sink(struct store *store);
/* What the stages that begin from now on were given beyond the run's options, JSON; NULL = nothing.
 * Copied. */
void store_stage_options(struct store *store, const char *options);
/* Commits what is pending and closes; safe to call with a half-finished run (interrupts): the file
 * stays valid. Frees the store in any case. NULL is allowed. False: the file is incomplete. */
bool store_close(struct store *store, struct err *err);

const char *store_library(void); /* "SQLite/3.40.1" */
