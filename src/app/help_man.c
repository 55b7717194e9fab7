/* The manual page. Text is escaped so that roff prints it as it stands. */
#include <stdio.h>
#include <string.h>

#include "app/about.h"
#include "app/help.h"

static void add_escaped(struct buf *out, const char *text)
{
    bool line_begins = true;
    for (; *text; text++) {
        if (line_begins && (*text == '.' || *text == '\''))
            buf_add_text(out, "\\&");
        line_begins = *text == '\n';
        switch (*text) {
        case '\\': buf_add_text(out, "\\e"); break;
        case '-': buf_add_text(out, "\\-"); break;
        case '\'': buf_add_text(out, "\\(aq"); break;
        case '~': buf_add_text(out, "\\(ti"); break;
        case '^': buf_add_text(out, "\\(ha"); break;
        case '`': buf_add_text(out, "\\(ga"); break;
        default: buf_add_char(out, *text);
        }
    }
}

/* A heading is quoted, so that its blanks do not make it several arguments. */
static void add_heading(struct buf *out, const char *macro, const char *title)
{
    buf_printf(out, ".%s \"", macro);
    add_escaped(out, title);
    buf_add_text(out, "\"\n");
}

static void add_item(struct buf *out, const char *term, const char *text)
{
    buf_add_text(out, ".TP\n.B ");
    add_escaped(out, term);
    buf_add_char(out, '\n');
    add_escaped(out, text);
    buf_add_char(out, '\n');
}

static void add_table(struct buf *out, const char *title, const struct about_table *table)
{
    add_heading(out, "SH", title);
    for (size_t i = 0; i < table->count; i++)
        add_item(out, table->rows[i].term, table->rows[i].text);
}

static void add_names(struct buf *out, const struct opt_row *row)
{
    char term[256];
    if (row->letter)
        snprintf(term, sizeof term, "-%c, --%s%s%s", row->letter, row->name,
                 row->metavar ? " " : "", row->metavar ? row->metavar : "");
    else
        snprintf(term, sizeof term, "--%s%s%s", row->name, row->metavar ? " " : "",
                 row->metavar ? row->metavar : "");
    buf_add_text(out, ".TP\n.B ");
    add_escaped(out, term);
    buf_add_char(out, '\n');
}

static void add_option(struct buf *out, const struct opt_row *row)
{
    add_names(out, row);
    add_escaped(out, row->help);
    if (row->fallback)
        buf_printf(out, " (default: %s)", row->fallback);
    if (row->env)
        buf_printf(out, " (environment: %s)", row->env);
    if (row->body)
        buf_printf(out, "; travels as \"%s\"", row->body);
    buf_add_text(out, ".\n");
    for (const char *alias = row->aliases; alias && *alias;) {
        size_t len = strcspn(alias, " ");
        buf_printf(out, "Also \\-\\-%.*s.\n", (int)len, alias);
        alias += len + strspn(alias + len, " ");
    }
}

static void add_options(struct buf *out, const struct command *command)
{
    const char *group = "";
    for (size_t i = 0; i < *command->row_count; i++) {
        const struct opt_row *row = &command->rows[i];
        if (strcmp(group, row->group) != 0) {
            group = row->group;
            add_heading(out, "SS", group);
        }
        add_option(out, row);
    }
}

static void add_synopsis(struct buf *out)
{
    add_heading(out, "SH", "SYNOPSIS");
    for (size_t i = 0; i < about_command_count; i++) {
        buf_add_text(out, i ? ".br\n.B llmbench\n" : ".B llmbench\n");
        add_escaped(out, about_commands[i].usage);
        buf_add_char(out, '\n');
    }
}

static void add_commands(struct buf *out)
{
    add_heading(out, "SH", "COMMANDS");
    for (size_t i = 0; i < about_command_count; i++) {
        const struct command *command = &about_commands[i];
        char term[64];
        snprintf(term, sizeof term, "%s%s%s", command->name, command->alias ? ", " : "",
                 command->alias ? command->alias : "");
        add_item(out, term, command->summary);
    }
}

static void add_examples(struct buf *out)
{
    add_heading(out, "SH", "EXAMPLES");
    for (size_t i = 0; i < about_command_count; i++) {
        const struct about_table *examples = &about_commands[i].examples;
        for (size_t k = 0; k < examples->count; k++) {
            buf_add_text(out, ".PP\n");
            add_escaped(out, examples->rows[k].text);
            buf_add_text(out, ":\n.PP\n.nf\n.RS\n");
            add_escaped(out, examples->rows[k].term);
            buf_add_text(out, "\n.RE\n.fi\n");
        }
    }
}

void help_man(struct buf *out)
{
    buf_printf(out, ".TH LLMBENCH 1 \"\" \"llmbench %s\" \"User Commands\"\n", LLMBENCH_VERSION);
    add_heading(out, "SH", "NAME");
    buf_add_text(out, "llmbench \\- ");
    add_escaped(out, about_tagline);
    buf_add_char(out, '\n');
    add_synopsis(out);
    add_heading(out, "SH", "DESCRIPTION");
    add_escaped(out, about_text);
    buf_add_char(out, '\n');
    add_commands(out);
    add_heading(out, "SH", "OPTIONS");
    add_options(out, about_command("run"));
    add_heading(out, "SH", "OPTIONS OF THE MOCK SERVER");
    add_options(out, about_command("mock"));
    add_heading(out, "SH", "OPTIONS OF TRY");
    add_options(out, about_command("try"));
    add_table(out, "HELP", &about_help_options);
    add_table(out, "EXIT STATUS", &about_exit_codes);
    add_table(out, "ENVIRONMENT", &about_environment);
    add_table(out, "FILES", &about_files);
    add_examples(out);
}
