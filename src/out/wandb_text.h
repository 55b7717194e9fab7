/* The JSON that goes to Weights & Biases and what comes back. Pure; only for wandb.c and its test.
 *
 * Request shapes: wandb's public client (github.com/wandb/wandb): the mutation and its variables
 * from core/api/graphql/mutation_run.graphql, path and bodies of the file stream from
 * wandb/sdk/internal/file_stream.py and core/internal/filestream/filestreamrequest.go, which
 * statuses are final from core/internal/filestream/retry_policy.go. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secrets.h"
#include "model/live.h"
#include "model/report.h"

enum { WANDB_RUN_ID = 8 }; /* characters */

/* A new run's name in URLs: small letters and digits. */
void wandb_run_id(char id[WANDB_RUN_ID + 1], uint64_t seed);

/* The body that creates the run. Of the options only those of load and request body go along;
 * neither prompts nor URLs. */
char *wandb_upsert_body(const char *project, const char *id, const struct run_facts *facts,
                        struct secrets *secrets);
/* "/files/ENTITY/PROJECT/RUN/file_stream", owned, from the answer to it; `page` gets
 * "/ENTITY/PROJECT/runs/RUN". NULL: the answer says something else. */
char *wandb_stream_path(struct span answer, char **page, struct err *err);

/* When a line was written. */
struct wandb_moment {
    uint64_t step;    /* number of the line in the run */
    double runtime_s; /* of the run */
    double unix_s;
};

/* One line of the history: the running metrics, of the stage when there are several. Owned, as the
 * next two. */
char *wandb_history_line(const struct live *live, const struct wandb_moment *moment);
/* The last running metrics and, as "metric_statistic", the numbers of the reports (NULL = none);
 * with several stages as "stage1_metric_statistic". */
char *wandb_summary_line(const struct live *live, const struct wandb_moment *moment,
                         const struct reports *reports);
/* What one POST to the file stream carries. */
struct wandb_post {
    char **lines; /* of the history, borrowed */
    size_t line_count;
    uint64_t offset;     /* number of the first one */
    uint64_t dropped;    /* lines so far that were given up */
    const char *summary; /* NULL = none */
    bool complete;
    int exit_code; /* when complete */
};
char *wandb_post_body(const struct wandb_post *post);

/* Whether an answer with this status may be a passing trouble. */
bool wandb_worth_another_try(long status);
