/* The options of `llmbench report`. */
#pragma once

#include <stddef.h>

#include "base/list.h"
#include "base/opt.h"

struct report_spec {
    struct list reports; /* what is printed */
    char *json;          /* FILE or "-" */
    struct numbers stages;
    struct list fail_on; /* conditions in the place of the run's */
};

extern const struct opt_row report_rows[];
extern const size_t report_row_count;

struct report_options {
    struct report_spec spec;
    struct list words;  /* the database */
    struct opt_set set; /* points into spec: the struct must not move */
};

bool report_options_read(struct report_options *options, int argc, char **argv, int first,
                         struct err *err) MUST_CHECK;
void report_options_fini(struct report_options *options);
