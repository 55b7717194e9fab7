#include "app/export_options.h"

#include <string.h>

#include "out/export.h"

const struct opt_row export_rows[] = {
    {
        .name = "format",
        .letter = 'f',
        .type = &opt_choice,
        OPT_FIELD(struct export_spec, format, char *),
        .choices = export_format_names,
        .group = "Output",
        .help = "evalscope-2024 for scripts that ask for success='True', evalscope-2025 for those "
                "that ask for success=1; see docs/export.md",
    },
};
const size_t export_row_count = sizeof export_rows / sizeof *export_rows;

static bool check(const struct export_options *options, struct err *err)
{
    const struct list *words = &options->words;
    if (!options->spec.format)
        return err_set(err, "--format is missing; it is one of: %s", export_format_names);
    if (words->count == 2)
        return true;
    if (words->count > 2)
        return err_set(err,
                       "\"%s\" is one file too many: give the database of a run and the new "
                       "file",
                       words->items[2]);
    return err_set(err, "give two files: the database of a run, and the new one to write");
}

bool export_options_read(struct export_options *options, int argc, char **argv, int first,
                         struct err *err)
{
    memset(&options->spec, 0, sizeof options->spec);
    options->words = (struct list){0};
    opt_set_init(&options->set, export_rows, export_row_count, &options->spec);
    return opt_parse(&options->set, argc, argv, first, &options->words, err) &&
           opt_defaults(&options->set, err) && check(options, err);
}

void export_options_fini(struct export_options *options)
{
    list_fini(&options->words);
    opt_set_fini(&options->set);
}
