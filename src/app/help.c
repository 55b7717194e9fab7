#include "app/help.h"

#include <stdio.h>
#include <string.h>

#include "app/about.h"
#include "app/commands.h"
#include "app/help_lines.h"
#include "script/script.h"

static void add_table(struct buf *out, const char *title, const struct about_table *table,
                      size_t width)
{
    buf_printf(out, "\n%s:\n", title);
    for (size_t i = 0; i < table->count; i++)
        lines_term(out, table->rows[i].term, table->rows[i].text, width);
}

static void add_commands(struct buf *out, size_t width)
{
    buf_add_text(out, "\nCommands:\n");
    for (size_t i = 0; i < about_command_count; i++) {
        const struct command *command = &about_commands[i];
        char term[64];
        snprintf(term, sizeof term, "%s%s%s", command->name, command->alias ? ", " : "",
                 command->alias ? command->alias : "");
        lines_term(out, term, command->summary, width);
    }
}

static void add_examples(struct buf *out, const struct about_table *examples)
{
    buf_add_text(out, "\nExamples:\n");
    for (size_t i = 0; i < examples->count; i++)
        buf_printf(out, "  # %s\n  %s\n", examples->rows[i].text, examples->rows[i].term);
}

static void add_built_in(struct buf *out, size_t width)
{
    buf_add_text(out, "\nBuilt in:\n");
    lines_term(out, "--api", script_builtin_names("apis"), width);
    lines_term(out, "--dataset", script_builtin_names("datasets"), width);
}

void help_text(const struct command *command, const struct script_options *own, unsigned width,
               struct buf *out)
{
    bool whole = command == &about_commands[0];
    buf_printf(out, "llmbench %s: %s\n\nUsage: llmbench %s\n", LLMBENCH_VERSION,
               whole ? about_tagline : command->summary, command->usage);
    if (whole) {
        buf_add_char(out, '\n');
        lines_wrapped(out, about_text, 0, 0, width);
        add_commands(out, width);
    }
    if (command->rows)
        opt_help(command->rows, *command->row_count, width, out);
    if (own)
        opt_help(own->rows, own->count, width, out);
    add_table(out, "Help", &about_help_options, width);
    if (whole)
        add_built_in(out, width);
    if (command->run == experiment_cmd) {
        buf_add_text(out, "\nBuilt in:\n");
        lines_term(out, "NAME", script_builtin_names("experiments"), width);
    }
    if (command->examples.count)
        add_examples(out, &command->examples);
    if (whole) {
        add_table(out, "Exit status", &about_exit_codes, width);
        add_table(out, "Environment", &about_environment, width);
        add_table(out, "Files", &about_files, width);
    }
}
