/* Copies of a run's database (docs/database.md) in the formats of other programs, so that scripts
 * written for those keep working. One row is in memory at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct export_format {
    const char *name;
    bool typed;           /* columns are declared with types */
    bool success_as_text; /* 'True' or 'False' in place of 1 or 0 */
    /* Which response messages are kept; NULL = all. */
    bool (*wanted)(struct span message);
};

extern const char export_format_names[];                          /* blank-separated */
const struct export_format *export_format_find(const char *name); /* NULL: there is none */

struct export_job {
    const struct export_format *format;
    const char *from, *to;      /* paths */
    bool (*stopped)(void *arg); /* asked before every row; NULL = never */
    void *arg;
};

struct export_counts {
    uint64_t rows;     /* written */
    uint64_t warmup;   /* results of the warm-up, which no average is to hold: not written */
    uint64_t bodiless; /* the run did not store request and messages of so many */
    uint64_t left_out; /* messages that the format does not want */
};

enum export_result {
    EXPORT_DONE,
    EXPORT_EXISTS,     /* `to` is there already; it is untouched */
    EXPORT_UNREADABLE, /* `from` is not there, damaged, or no run's database */
    EXPORT_UNWRITABLE, /* `to` could not be created or written */
    EXPORT_STOPPED,    /* `stopped` said so */
};

/* Unless EXPORT_DONE, `err` has the sentence and no file is left behind. */
enum export_result export_run(const struct export_job *job, struct export_counts *counts,
                              struct err *err) MUST_CHECK;
