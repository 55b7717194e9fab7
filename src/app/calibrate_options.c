#include "app/calibrate_options.h"

#include <string.h>

#define FIELD(field, type) OPT_FIELD(struct calibrate_spec, field, type)
#define LOAD "Load"
#define SERVER "The mock server's answers"
#define OUTPUT "Output"

const struct opt_row calibrate_rows[] = {
    {
        .name = "parallel",
        .letter = 'c',
        .type = &opt_integer,
        FIELD(parallel, int64_t),
        .fallback = "100",
        .min = 1,
        .max = 10000,
        .metavar = "N",
        .group = LOAD,
        .help = "so many streams at once, begun one after another; the search goes on from there",
    },
    {
        .name = "rate",
        .type = &opt_number,
        FIELD(rate, double),
        .min = 0.001,
        .max = 100000,
        .metavar = "R",
        .group = LOAD,
        .help = "so many arrivals a second instead, however many are then in flight; the search is "
                "over rates",
    },
    {
        .name = "duration",
        .letter = 'd',
        .type = &opt_duration,
        FIELD(duration_ns, uint64_t),
        .fallback = "4s",
        .min = 0.5,
        .max = 3600,
        .metavar = "TIME",
        .group = LOAD,
        .help = "for how long requests are started, of each load",
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
        .help = "workers",
    },
    {
        .name = "search",
        .type = &opt_duration,
        FIELD(search_ns, uint64_t),
        .fallback = "60s",
        .min = 0,
        .max = 86400,
        .metavar = "TIME",
        .group = LOAD,
        .help =
            "for how long the highest load is looked for at which the verdict is sound; 0 = not "
            "at all",
    },
    {
        .name = "ttft",
        .type = &opt_duration,
        FIELD(ttft_ns, uint64_t),
        .fallback = "100ms",
        .min = 0,
        .max = 60,
        .metavar = "TIME",
        .group = SERVER,
        .help = "from the request to the first token",
    },
    {
        .name = "itl",
        .type = &opt_duration,
        FIELD(itl_ns, uint64_t),
        .fallback = "20ms",
        .min = 0.0001,
        .max = 60,
        .metavar = "TIME",
        .group = SERVER,
        .help = "from each token to the next",
    },
    {
        .name = "tokens",
        .type = &opt_integer,
        FIELD(tokens, int64_t),
        .fallback = "50",
        .min = 2,
        .max = 100000,
        .metavar = "N",
        .group = SERVER,
        .help = "tokens of an answer",
    },
    {
        .name = "json",
        .type = &opt_text,
        FIELD(json, char *),
        .metavar = "FILE",
        .group = OUTPUT,
        .help = "write the result as JSON (docs/calibrate.md), - = to stdout",
    },
    {
        .name = "quiet",
        .letter = 'q',
        .type = &opt_flag,
        FIELD(quiet, bool),
        .group = OUTPUT,
        .help = "say nothing while it goes on",
    },
};
const size_t calibrate_row_count = sizeof calibrate_rows / sizeof *calibrate_rows;

bool calibrate_options_read(struct calibrate_options *options, int argc, char **argv, int first,
                            struct err *err)
{
    struct list words = {0};
    memset(&options->spec, 0, sizeof options->spec);
    opt_set_init(&options->set, calibrate_rows, calibrate_row_count, &options->spec);
    bool ok = opt_parse(&options->set, argc, argv, first, &words, err) &&
              opt_defaults(&options->set, err);
    if (ok && words.count > 0)
        ok = err_set(err, "\"%s\" belongs to no option of calibrate", words.items[0]);
    if (ok && opt_given(&options->set, "rate") && opt_given(&options->set, "parallel"))
        ok = err_set(err, "--rate and --parallel are two kinds of load; give one");
    list_fini(&words);
    return ok;
}

void calibrate_options_fini(struct calibrate_options *options)
{
    opt_set_fini(&options->set);
}
