#include "app/help.h"

#include <stdio.h>
#include <string.h>

#include "app/about.h"
#include "script/script.h"

enum { INDENT = 2, COLUMN = 24 }; /* of a term, and of its explanation */

static void add_blanks(struct buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_add_char(out, ' ');
}

/* Words up to the line's end, further lines indented; `at` is the column already reached. */
static void add_wrapped(struct buf *out, const char *text, size_t at, size_t indent, size_t width)
{
    for (const char *word = text; *word;) {
        size_t len = strcspn(word, " ");
        bool begins_line = at == indent;
        if (!begins_line && at + 1 + len > width) {
            buf_add_char(out, '\n');
            add_blanks(out, indent);
            at = indent;
        } else if (!begins_line) {
            buf_add_char(out, ' ');
            at++;
        }
        buf_add(out, word, len);
        at += len;
        word += len + strspn(word + len, " ");
    }
    buf_add_char(out, '\n');
}

static void add_term(struct buf *out, const char *term, const char *text, size_t width)
{
    size_t end = INDENT + strlen(term);
    add_blanks(out, INDENT);
    buf_add_text(out, term);
    if (end + 2 > COLUMN) {
        buf_add_char(out, '\n');
        end = 0;
    }
    add_blanks(out, COLUMN - end);
    add_wrapped(out, text, COLUMN, COLUMN, width);
}

static void add_table(struct buf *out, const char *title, const struct about_table *table,
                      size_t width)
{
    buf_printf(out, "\n%s:\n", title);
    for (size_t i = 0; i < table->count; i++)
        add_term(out, table->rows[i].term, table->rows[i].text, width);
}

static void add_commands(struct buf *out, size_t width)
{
    buf_add_text(out, "\nCommands:\n");
    for (size_t i = 0; i < about_command_count; i++) {
        const struct command *command = &about_commands[i];
        char term[64];
        snprintf(term, sizeof term, "%s%s%s", command->name, command->alias ? ", " : "",
                 command->alias ? command->alias : "");
        add_term(out, term, command->summary, width);
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
    add_term(out, "--api", script_builtin_names("apis"), width);
    add_term(out, "--dataset", script_builtin_names("datasets"), width);
}

void help_text(const struct command *command, unsigned width, struct buf *out)
{
    bool whole = command == &about_commands[0];
    buf_printf(out, "llmbench %s: %s\n\nUsage: llmbench %s\n", LLMBENCH_VERSION,
               whole ? about_tagline : command->summary, command->usage);
    if (whole) {
        buf_add_char(out, '\n');
        add_wrapped(out, about_text, 0, 0, width);
        add_commands(out, width);
    }
    if (command->rows)
        opt_help(command->rows, *command->row_count, width, out);
    add_table(out, "Help", &about_help_options, width);
    if (whole)
        add_built_in(out, width);
    if (command->examples.count)
        add_examples(out, &command->examples);
    if (whole) {
        add_table(out, "Exit status", &about_exit_codes, width);
        add_table(out, "Environment", &about_environment, width);
        add_table(out, "Files", &about_files, width);
    }
}
