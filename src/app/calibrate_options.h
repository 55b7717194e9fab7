/* The options of `llmbench calibrate`. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/opt.h"

struct calibrate_spec {
    int64_t parallel;
    double rate; /* 0 = not given */
    uint64_t ttft_ns, itl_ns;
    int64_t tokens, threads;
    uint64_t duration_ns, search_ns;
    char *json;
    bool quiet;
};

extern const struct opt_row calibrate_rows[];
extern const size_t calibrate_row_count;

struct calibrate_options {
    struct calibrate_spec spec;
    struct opt_set set; /* points into spec: the struct must not move */
};

bool calibrate_options_read(struct calibrate_options *options, int argc, char **argv, int first,
                            struct err *err) MUST_CHECK;
void calibrate_options_fini(struct calibrate_options *options);
