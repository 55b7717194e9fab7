/* Pieces of JSON that the report and the database share. Only for this folder. */
#pragma once

#include <cjson/cJSON.h>

#include "base/opt.h"
#include "base/secrets.h"
#include "model/report.h"

/* The text as a JSON string, secrets hidden, invalid UTF-8 replaced; null for NULL and "". */
cJSON *part_text(struct secrets *secrets, const char *text);
/* Every option that has a value from this origin or a higher one, by its name with '_': flags,
 * numbers, texts, lists of texts. */
cJSON *part_options(const struct opt_set *options, enum opt_origin origin, struct secrets *secrets);
char *part_option_key(const char *name); /* with '_' for '-', owned */
cJSON *part_trust(const struct trust *trust);
/* The sentences of the verdict: "reasons" against trusting the numbers, and mere "remarks". */
cJSON *part_verdict(const struct verdict *verdict, struct secrets *secrets);
/* What scripts told of a stage: "shared" counters, "lines" and "error" of done; null when that is
 * nothing. */
cJSON *part_said(const struct said *said, struct secrets *secrets);
/* The example sentence of an outcome without its "OUTCOME: " in front; NULL = none. */
const char *part_example(const struct list *examples, const char *outcome);
