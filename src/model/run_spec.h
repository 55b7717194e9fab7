/* What the user asked for: every option's value, plain and immutable once the command line has been
 * read.
 *
 * The rows that fill this struct are app's option table; run, script, io and out only read it.
 * Times are ns. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct run_spec {
    /* target */
    char *url;
    char *model;
    char *api;    /* name or file */
    char *script; /* -s: a file with API hooks, dataset hooks, or both */
    char *api_key;
    struct list headers;      /* "Name: value", from --header and --headers */
    struct list header_words; /* "Name=value" as given to --headers; app empties it into headers */
    bool insecure;
    char *cacert;
    bool compressed;
    uint64_t connect_timeout_ns;
    uint64_t read_timeout_ns;  /* idle between reads */
    uint64_t total_timeout_ns; /* 0 = none */
    uint64_t max_response_bytes;

    /* data */
    char *dataset; /* name or file */
    char *dataset_path;
    char *prompt; /* as given, "@file" already replaced by its content */
    bool offline; /* never download */

    /* load */
    int64_t number;       /* 0 = not given */
    uint64_t duration_ns; /* 0 = not given */
    uint64_t grace_ns;
    int64_t parallel;
    int64_t threads;
    int64_t plan_seed; /* of the plan and of Lua's random */

    /* what is sent in the body when given (see opt_row.body) */
    bool stream;
    int64_t max_tokens;
    double temperature;
    double top_p;
    int64_t top_k;
    double frequency_penalty;
    double presence_penalty;
    double repetition_penalty;
    int64_t n_choices;
    int64_t seed; /* the server's sampling seed */
    bool logprobs;
    struct list stop;

    /* output */
    char *name;
    char *outputs_dir;
    char *json; /* FILE or "-" */
    int64_t log_every;
    bool quiet;
};
