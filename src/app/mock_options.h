/* The options of `llmbench mock`. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/opt.h"

struct mock_spec {
    char *dialect;
    char *host;
    int64_t port;
    uint64_t ttft_ns;
    uint64_t itl_ns;
    double jitter;
    int64_t tokens;
    char *tokenizer_path;
    char *usage;
    int64_t slots;
    uint64_t max_request_bytes;
    int64_t seed;
    char *api_key;
    char *model;
    uint64_t token_life_ns;
    struct list faults; /* NAME[:SHARE], or "list" */
    char *scenario;     /* a file */
};

extern const struct opt_row mock_rows[];
extern const size_t mock_row_count;

struct mock_options {
    struct mock_spec spec;
    struct opt_set set; /* points into spec: the struct must not move */
};

bool mock_options_read(struct mock_options *options, int argc, char **argv, int first,
                       struct err *err) MUST_CHECK;
void mock_options_fini(struct mock_options *options);
