#include "app/options.h"

#include <stdlib.h>
#include <string.h>

#include "app/about.h"
#include "app/checks.h"

#define FIELD(field, type) OPT_FIELD(struct run_spec, field, type)

#define TARGET "Target"
#define DATA "Data"
#define LOAD "Load"
#define BODY "Request body (sent only when given)"
#define OUTPUT "Output"

static const double day_s = 86400;

const struct opt_row run_rows[] = {
    {
        .name = "url",
        .type = &opt_text,
        FIELD(url, char *),
        .metavar = "URL",
        .group = TARGET,
        .help =
            "the server's endpoint; a bare word with :// is taken for it too, and a URL without "
            "a path gets the API's own",
    },
    {
        .name = "model",
        .type = &opt_text,
        FIELD(model, char *),
        .metavar = "MODEL",
        .group = TARGET,
        .help = "the model's name as the server knows it",
    },
    {
        .name = "api",
        .type = &opt_text,
        FIELD(api, char *),
        .metavar = "NAME|FILE",
        .group = TARGET,
        .help = "the protocol: a built-in name or a Lua file (default: the one of --script, else "
                "openai)",
    },
    {
        .name = "script",
        .letter = 's',
        .aliases = "parser",
        .type = &opt_text,
        FIELD(script, char *),
        .metavar = "FILE",
        .group = TARGET,
        .help = "a Lua file with a protocol, a dataset, or both",
    },
    {
        .name = "api-key",
        .type = &opt_text,
        FIELD(api_key, char *),
        .metavar = "KEY",
        .group = TARGET,
        .help = "sent as the protocol wants it, hidden in everything that is written; also "
                "LLMBENCH_API_KEY, then OPENAI_API_KEY",
        .secret = true,
    },
    {
        .name = "header",
        .letter = 'H',
        .type = &opt_list,
        FIELD(headers, struct list),
        .metavar = "'NAME: VALUE'",
        .group = TARGET,
        .help = "a further request header",
    },
    {
        .name = "headers",
        .type = &opt_words,
        FIELD(header_words, struct list),
        .metavar = "NAME=VALUE",
        .group = TARGET,
        .help = "further request headers, all words up to the next option; each is split at its "
                "first =",
    },
    {
        .name = "insecure",
        .type = &opt_flag,
        FIELD(insecure, bool),
        .group = TARGET,
        .help = "accept any TLS certificate",
    },
    {
        .name = "cacert",
        .type = &opt_text,
        FIELD(cacert, char *),
        .metavar = "FILE",
        .group = TARGET,
        .help = "trust the certificate authorities of this PEM file instead of the system's",
    },
    {
        .name = "compressed",
        .type = &opt_flag,
        FIELD(compressed, bool),
        .group = TARGET,
        .help = "ask for compressed answers",
    },
    {
        .name = "connect-timeout",
        .type = &opt_duration,
        FIELD(connect_timeout_ns, uint64_t),
        .fallback = "120s",
        .min = 0.001,
        .max = day_s,
        .metavar = "TIME",
        .group = TARGET,
        .help = "for name, connection and TLS of one request",
    },
    {
        .name = "read-timeout",
        .type = &opt_duration,
        FIELD(read_timeout_ns, uint64_t),
        .fallback = "120s",
        .min = 0,
        .max = day_s,
        .metavar = "TIME",
        .group = TARGET,
        .help = "for the silence before and between the pieces of an answer; 0 = for ever",
    },
    {
        .name = "total-timeout",
        .type = &opt_duration,
        FIELD(total_timeout_ns, uint64_t),
        .min = 0,
        .max = day_s,
        .metavar = "TIME",
        .group = TARGET,
        .help = "for one request from start to end (default: none)",
    },
    {
        .name = "max-response-bytes",
        .type = &opt_size,
        FIELD(max_response_bytes, uint64_t),
        .fallback = "64MiB",
        .metavar = "SIZE",
        .group = TARGET,
        .help = "a longer answer is given up and counted as too_large",
    },

    {
        .name = "dataset",
        .type = &opt_text,
        FIELD(dataset, char *),
        .metavar = "NAME|FILE",
        .group = DATA,
        .help = "the prompts: a built-in name, a Lua file, or a text file with one prompt a line "
                "(default: the one of --script, else openqa)",
    },
    {
        .name = "dataset-path",
        .type = &opt_text,
        FIELD(dataset_path, char *),
        .metavar = "FILE",
        .group = DATA,
        .help = "the data itself; openqa and longalpaca can do without (cache, download, bundled "
                "sample)",
    },
    {
        .name = "prompt",
        .type = &opt_text,
        FIELD(prompt, char *),
        .metavar = "TEXT|@FILE",
        .group = DATA,
        .help =
            "the same prompt in every request, or a file's content; has priority over --dataset",
    },
    {
        .name = "offline",
        .type = &opt_flag,
        FIELD(offline, bool),
        .group = DATA,
        .help = "never download data",
    },

    {
        .name = "number",
        .letter = 'n',
        .type = &opt_integer,
        FIELD(number, int64_t),
        .min = 1,
        .max = 1e12,
        .metavar = "N",
        .group = LOAD,
        .help = "requests in all; the data starts again when it is shorter (default without "
                "--duration: once over the data, or 1 with --prompt)",
    },
    {
        .name = "duration",
        .letter = 'd',
        .type = &opt_duration,
        FIELD(duration_ns, uint64_t),
        .min = 0.001,
        .max = 365 * day_s,
        .metavar = "TIME",
        .group = LOAD,
        .help = "stop starting requests after this time, such as 90s, 20m or 1h30m; with --number, "
                "whichever is first",
    },
    {
        .name = "grace",
        .type = &opt_duration,
        FIELD(grace_ns, uint64_t),
        .fallback = "30s",
        .min = 0,
        .max = day_s,
        .metavar = "TIME",
        .group = LOAD,
        .help = "what requests in flight are given after --duration or Ctrl-C; then they are "
                "cancelled and counted so",
    },
    {
        .name = "parallel",
        .letter = 'c',
        .aliases = "connections concurrency",
        .type = &opt_integer,
        FIELD(parallel, int64_t),
        .fallback = "1",
        .min = 1,
        .max = 100000,
        .metavar = "N",
        .group = LOAD,
        .help = "requests in flight at any time",
    },
    {
        .name = "threads",
        .letter = 't',
        .type = &opt_integer,
        FIELD(threads, int64_t),
        .fallback = "1",
        .min = 1,
        .max = 256,
        .metavar = "N",
        .group = LOAD,
        .help = "worker threads; one serves a thousand streams and more",
    },
    {
        .name = "plan-seed",
        .type = &opt_integer,
        FIELD(plan_seed, int64_t),
        .fallback = "0",
        .min = 0,
        .max = 9e15,
        .metavar = "N",
        .group = LOAD,
        .help = "the seed of what scripts draw at random: the same seed, the same prompts",
    },

    {
        .name = "stream",
        .type = &opt_flag,
        FIELD(stream, bool),
        .group = BODY,
        .help = "ask for the answer in pieces and time each of them",
    },
    {
        .name = "max-tokens",
        .type = &opt_integer,
        FIELD(max_tokens, int64_t),
        .min = 1,
        .max = 1e9,
        .metavar = "N",
        .group = BODY,
        .help = "tokens of an answer at most",
        .body = "max_tokens",
    },
    {
        .name = "temperature",
        .type = &opt_number,
        FIELD(temperature, double),
        .metavar = "X",
        .group = BODY,
        .help = "sampling temperature",
        .body = "temperature",
    },
    {
        .name = "top-p",
        .type = &opt_number,
        FIELD(top_p, double),
        .metavar = "X",
        .group = BODY,
        .help = "nucleus sampling",
        .body = "top_p",
    },
    {
        .name = "top-k",
        .type = &opt_integer,
        FIELD(top_k, int64_t),
        .metavar = "N",
        .group = BODY,
        .help = "sample among the K likeliest tokens",
        .body = "top_k",
    },
    {
        .name = "frequency-penalty",
        .type = &opt_number,
        FIELD(frequency_penalty, double),
        .metavar = "X",
        .group = BODY,
        .help = "penalty that grows with each repetition of a token",
        .body = "frequency_penalty",
    },
    {
        .name = "presence-penalty",
        .type = &opt_number,
        FIELD(presence_penalty, double),
        .metavar = "X",
        .group = BODY,
        .help = "penalty of every token that has occurred",
        .body = "presence_penalty",
    },
    {
        .name = "repetition-penalty",
        .type = &opt_number,
        FIELD(repetition_penalty, double),
        .metavar = "X",
        .group = BODY,
        .help = "factor against repetition, 1 = none",
        .body = "repetition_penalty",
    },
    {
        .name = "n-choices",
        .type = &opt_integer,
        FIELD(n_choices, int64_t),
        .min = 1,
        .max = 1024,
        .metavar = "N",
        .group = BODY,
        .help = "answers to each prompt",
        .body = "n",
    },
    {
        .name = "seed",
        .type = &opt_integer,
        FIELD(seed, int64_t),
        .metavar = "N",
        .group = BODY,
        .help = "the server's sampling seed",
        .body = "seed",
    },
    {
        .name = "stop",
        .type = &opt_words,
        FIELD(stop, struct list),
        .metavar = "TEXT",
        .group = BODY,
        .help = "texts that end an answer, all words up to the next option",
        .body = "stop",
    },
    {
        .name = "logprobs",
        .type = &opt_flag,
        FIELD(logprobs, bool),
        .group = BODY,
        .help = "ask for the tokens' log probabilities",
        .body = "logprobs",
    },

    {
        .name = "name",
        .type = &opt_text,
        FIELD(name, char *),
        .metavar = "NAME",
        .group = OUTPUT,
        .help = "the run's name and that of its files (default: "
                "MODEL_benchmark_YYYYmmdd_HHMMSS)",
    },
    {
        .name = "outputs-dir",
        .type = &opt_text,
        FIELD(outputs_dir, char *),
        .fallback = "./outputs",
        .metavar = "DIR",
        .group = OUTPUT,
        .help = "where NAME.db and NAME.log are written",
    },
    {
        .name = "json",
        .type = &opt_text,
        FIELD(json, char *),
        .metavar = "FILE",
        .group = OUTPUT,
        .help = "write the report as JSON too; - is stdout, the tables then go to stderr",
    },
    {
        .name = "log-every-n-query",
        .type = &opt_integer,
        FIELD(log_every, int64_t),
        .fallback = "10",
        .min = 1,
        .max = 1e12,
        .metavar = "N",
        .group = OUTPUT,
        .help = "without a terminal, a line of progress after every N finished requests",
    },
    {
        .name = "quiet",
        .letter = 'q',
        .type = &opt_flag,
        FIELD(quiet, bool),
        .group = OUTPUT,
        .help = "no progress and no notes; warnings and the report only",
    },
};
const size_t run_row_count = sizeof run_rows / sizeof *run_rows;

/* The words that belong to no option: at most one, the URL. */
static bool take_words(struct options *options, const struct list *words, struct err *err)
{
    for (size_t i = 0; i < words->count; i++) {
        const char *word = words->items[i];
        if (about_command(word))
            return err_set(err, "the command has to stand first: llmbench %s …", word);
        if (!strstr(word, "://"))
            return err_set(
                err, "\"%s\" belongs to no option; a URL begins with http:// or https://", word);
        if (opt_given(&options->set, "url"))
            return err_set(err, "one URL is enough: \"%s\" and \"%s\" were given",
                           options->spec.url, word);
        if (!opt_assign(&options->set, "url", word, OPT_COMMAND_LINE, err))
            return false;
    }
    return true;
}

/* The first variable that says something wins. */
static bool take_environment(struct options *options, struct err *err)
{
    static const char *const names[] = {"LLMBENCH_API_KEY", "OPENAI_API_KEY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (!value || !*value)
            continue;
        if (!opt_assign(&options->set, "api-key", value, OPT_ENVIRONMENT, err))
            return err_prefix(err, "the environment variable %s", names[i]);
        return true;
    }
    return true;
}

bool options_read(struct options *options, int argc, char **argv, int first, struct err *err)
{
    struct list words = {0};
    memset(&options->spec, 0, sizeof options->spec);
    opt_set_init(&options->set, run_rows, run_row_count, &options->spec);
    bool ok = opt_parse(&options->set, argc, argv, first, &words, err) &&
              take_words(options, &words, err) && take_environment(options, err) &&
              opt_defaults(&options->set, err) && checks_run(&options->set, &options->spec, err);
    list_fini(&words);
    return ok;
}

void options_fini(struct options *options)
{
    opt_set_fini(&options->set);
}
