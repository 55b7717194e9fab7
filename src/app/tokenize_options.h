/* The options of `llmbench tokenize`. */
#pragma once

#include <stddef.h>

#include "base/opt.h"

struct tokenize_spec {
    char *path;
    bool count, special, decode;
};

extern const struct opt_row tokenize_rows[];
extern const size_t tokenize_row_count;

struct tokenize_options {
    struct tokenize_spec spec;
    struct opt_set set; /* points into spec: the struct must not move */
};

bool tokenize_options_read(struct tokenize_options *options, int argc, char **argv, int first,
                           struct err *err) MUST_CHECK;
void tokenize_options_fini(struct tokenize_options *options);
