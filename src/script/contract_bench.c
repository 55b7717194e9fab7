/* Rows of the contract: what `require "bench"` gives to an experiment (lua/bench.lua). */
#include "script/contract_rows.h"

static const struct script_word words[] = {
    {.kind = WORD_BENCH,
     .type = WORD_FUNCTION,
     .name = "bench.run",
     .arguments = "{url=, parallel=, number=, …}",
     .sentence =
         "carries out one run with these options of llmbench run (names with '_', values as "
         "in a config file) over those of the command line; false takes away what the "
         "command line gave; returns a summary, of a list of loads one for each as further "
         "results ({bench.run{…}} is the list); a run that cannot start is an error"},
    {.kind = WORD_BENCH,
     .type = WORD_FUNCTION,
     .name = "bench.options",
     .arguments = "{{name=, type=, default=, help=}, …}",
     .sentence =
         "declares the experiment's own options, once and before the first run, and returns "
         "all options of the command line by name; rows as in \"Options of your own\""},
    {.kind = WORD_BENCH,
     .type = WORD_FUNCTION,
     .name = "bench.value",
     .arguments = "(summary, \"ttft.p99\")",
     .sentence =
         "that statistic, in seconds where it is a time; a metric with one number a stage by its "
         "name alone, \"output_throughput\"; nil when it has no value; an unknown name is an "
         "error"},
    {.kind = WORD_BENCH,
     .type = WORD_FUNCTION,
     .name = "bench.table",
     .arguments = "(rows, columns)",
     .sentence = "prints rows (tables by name) with aligned columns; a column is a name or {name, "
                 "title, format}; without columns all names in order"},
    {.kind = WORD_BENCH,
     .type = WORD_FUNCTION,
     .name = "bench.print",
     .arguments = "(…)",
     .sentence = "prints to standard output, as print does in an experiment; with --json - to "
                 "standard error"},
    {.kind = WORD_BENCH,
     .type = WORD_FUNCTION,
     .name = "bench.save",
     .arguments = "(path, value, {replace=true, columns=})",
     .sentence =
         "writes the value as JSON, or rows as CSV when the path ends in .csv; whole or not "
         "at all; a file that is there is an error unless replace is given"},
    {.kind = WORD_BENCH,
     .type = WORD_FUNCTION,
     .name = "bench.mean",
     .arguments = "(list)",
     .sentence = "the mean of its numbers"},
    {.kind = WORD_BENCH,
     .type = WORD_FUNCTION,
     .name = "bench.deviation",
     .arguments = "(list)",
     .sentence = "their standard deviation (n - 1)"},
    {.kind = WORD_BENCH,
     .type = WORD_FUNCTION,
     .name = "bench.interval",
     .arguments = "(list)",
     .sentence = "the mean, and the lower and upper bound of its 95 % confidence interval by "
                 "Student's t; of fewer than two numbers there are no bounds"},
};

const struct script_words script_words_bench = {words, sizeof words / sizeof *words};
