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
    char *model;      /* --endpoint's name where there is no --model */
    char *endpoint;   /* of a platform that names what is deployed; NULL = not given */
    char *model_type; /* "ChatCompletion" or "Completion"; NULL = what the URL says */
    char *api;        /* name or file */
    char *script;     /* -s: a file with API hooks, dataset hooks, or both */
    char *api_key;
    struct list headers;      /* "Name: value", from --header and --headers */
    struct list header_words; /* "Name=value" as given to --headers; app empties it into headers */
    bool insecure;
    char *cacert;
    char *cert, *key; /* files of the client's certificate; its password is in the environment */
    bool compressed;
    uint64_t connect_timeout_ns;
    uint64_t read_timeout_ns;  /* idle between reads */
    uint64_t total_timeout_ns; /* 0 = none */
    uint64_t max_response_bytes;
    uint64_t max_header_bytes;
    uint64_t max_request_bytes;
    uint64_t max_row_bytes;
    uint64_t max_memory;      /* bytes of requests and answers on their way */
    uint64_t hook_timeout_ns; /* 0 = none */
    uint64_t lua_memory;      /* bytes of one Lua state */

    char *tokenizer_path;  /* folder or file; NULL = none */
    char *input_tokens;    /* of each prompt of the data set random: "1024", "256-1024" */
    int64_t prefix_tokens; /* of them, those that all prompts share */
    bool check_tokens;     /* usage and tokenizer side by side */

    /* data */
    char *dataset; /* name or file */
    char *dataset_path;
    char *prompt;              /* as given, "@file" already replaced by its content */
    bool offline;              /* never download */
    char *test_set;            /* app makes a dataset and its path of it */
    int64_t min_prompt_length; /* characters: more than this … */
    int64_t max_prompt_length; /* … and fewer than this; 0 = not given */
    int64_t min_prompt_tokens; /* at least so many … */
    int64_t max_prompt_tokens; /* … and at most; 0 = not given */
    bool apply_chat_template;  /* false: the API script gets texts, not messages */
    bool no_apply_chat_template;

    /* load */
    struct numbers number; /* one, or one a stage; none = not given */
    uint64_t duration_ns;  /* 0 = not given */
    uint64_t grace_ns;
    struct numbers parallel; /* one a stage; none = not given */
    struct numbers rate; /* arrivals a second, one a stage, -1 = all at once; none = closed loop */
    char *arrival;       /* "poisson", "constant", or "trace": by the items' `at`, without a rate */
    double trace_speed;  /* the times of a trace are divided by it; 0 = not given */
    double spawn_rate;   /* slots a second; 0 = all at once */
    uint64_t runtime_ns; /* ends at the end of the data or of this time; 0 = not given */
    int64_t warmup_num;
    uint64_t sleep_interval_ns; /* between stages */
    bool same_prompts;
    int64_t threads;
    bool preconnect; /* opens connections before each stage */
    char *preconnect_path;
    struct list fail_on;    /* conditions, each of which fails the run (model/condition.h) */
    uint64_t wait_ready_ns; /* for a server that is still starting; 0 = not given */
    char *wait_ready_path;
    int64_t max_errors;    /* failures that end the run; 0 = not given */
    double max_error_rate; /* a share; 0 = not given */
    bool pin;              /* workers to CPUs of their own */
    int64_t plan_seed;     /* of the plan and of Lua's random */

    /* what is sent in the body when given (see opt_row.body); numbers as their digits, NULL = none
     */
    bool stream;
    char *max_tokens;
    char *temperature;
    char *top_p;
    char *top_k;
    char *frequency_penalty;
    char *presence_penalty;
    char *repetition_penalty;
    int64_t n_choices;
    char *seed; /* the server's sampling seed */
    bool logprobs;
    struct list stop;
    struct numbers stop_token_ids;
    char *query_template, *hyperparameters, *extra_args; /* JSON objects, files already read */
    struct list parameters;                              /* "NAME=VALUE" */

    /* where options come from */
    char *resume;   /* the database of a run that was cut off */
    char *config;   /* a JSON file of options */
    char *env_file; /* variables for this run */
    bool dump_config;

    /* output */
    char *name;
    char *outputs_dir;
    char *json;               /* FILE or "-" */
    char *store;              /* whose bodies the database keeps: "all", "failed", "none" */
    uint64_t store_max_bytes; /* of bodies in the database; 0 = no limit */
    int64_t log_every;
    bool quiet;
    bool debug;
    struct list reports;         /* what is printed at the end */
    uint64_t report_interval_ns; /* of the zh report's live line */
    char *work_dir;              /* NULL = outputs_dir says it */
    char *desc;
    bool wandb; /* also set when wandb_api_key was given */
    char *wandb_api_key;
    char *wandb_project;
};
