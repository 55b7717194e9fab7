/* The options of `llmbench export`. */
#pragma once

#include <stddef.h>

#include "base/opt.h"

struct export_spec {
    char *format;
};

extern const struct opt_row export_rows[];
extern const size_t export_row_count;

struct export_options {
    struct export_spec spec;
    struct list words;  /* the run's database and the new one */
    struct opt_set set; /* points into spec: the struct must not move */
};

bool export_options_read(struct export_options *options, int argc, char **argv, int first,
                         struct err *err) MUST_CHECK;
void export_options_fini(struct export_options *options);
