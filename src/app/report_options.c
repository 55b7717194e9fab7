#include "app/report_options.h"

#include <string.h>

#include "app/checks.h"
#include "app/report_kinds.h"

#define OUTPUT "Output"

const struct opt_row report_rows[] = {
    {.name = "report",
     .type = &opt_words,
     OPT_FIELD(struct report_spec, reports, struct list),
     .fallback = "table",
     .metavar = "NAME",
     .group = OUTPUT,
     .help = "what is printed, all words up to the next option: table, qianfan, zh, none"},
    {.name = "json",
     .type = &opt_text,
     OPT_FIELD(struct report_spec, json, char *),
     .metavar = "FILE",
     .group = OUTPUT,
     .help = "write the report as JSON too; - is stdout, the tables then go to stderr"},
    {.name = "stage",
     .type = &opt_integers,
     OPT_FIELD(struct report_spec, stages, struct numbers),
     .min = 0,
     .max = 1e6,
     .metavar = "N …",
     .group = OUTPUT,
     .help = "only these stages, by their numbers in the database, a warm-up counted (default: "
             "all but warm-ups)"},
    {.name = "fail-on",
     .type = &opt_list,
     OPT_FIELD(struct report_spec, fail_on, struct list),
     .metavar = "'FIGURE>LIMIT'",
     .group = OUTPUT,
     .help = "judge by these conditions in the place of the run's own; with either, the exit code "
             "is 1 when one holds in a stage, or when the run had no success or no proper end"},
};
const size_t report_row_count = sizeof report_rows / sizeof *report_rows;

static bool check(const struct report_options *options, struct err *err)
{
    const struct list *words = &options->words;
    if (words->count == 0)
        return err_set(err, "give the database of a run: llmbench report outputs/run.db");
    if (words->count > 1)
        return err_set(err, "\"%s\" is one file too many: give the database of one run",
                       words->items[1]);
    return report_kinds_check(&options->spec.reports, err) &&
           checks_conditions(&options->spec.fail_on, NULL, true, err);
}

bool report_options_read(struct report_options *options, int argc, char **argv, int first,
                         struct err *err)
{
    memset(&options->spec, 0, sizeof options->spec);
    options->words = (struct list){0};
    opt_set_init(&options->set, report_rows, report_row_count, &options->spec);
    return opt_parse(&options->set, argc, argv, first, &options->words, err) &&
           opt_defaults(&options->set, err) && check(options, err);
}

void report_options_fini(struct report_options *options)
{
    list_fini(&options->words);
    opt_set_fini(&options->set);
}
