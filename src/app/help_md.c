/* docs/options.md. */
#include <string.h>

#include "app/about.h"
#include "app/help.h"

/* Text inside a table's cell. */
static void add_cell(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("|<>*_", *text))
            buf_add_char(out, '\\');
        buf_add_char(out, *text);
    }
}

/* Code inside a table's cell: only the bar needs care there. */
static void add_code(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_add_text(out, *text == '|' ? "\\|" : (char[]){*text, 0});
}

static void add_names(struct buf *out, const struct opt_row *row)
{
    buf_add_char(out, '`');
    if (row->letter)
        buf_printf(out, "-%c`, `", row->letter);
    buf_printf(out, "--%s", row->name);
    if (row->metavar) {
        buf_add_char(out, ' ');
        add_code(out, row->metavar);
    }
    buf_add_char(out, '`');
    for (const char *alias = row->aliases; alias && *alias;) {
        size_t len = strcspn(alias, " ");
        buf_printf(out, ", `--%.*s`", (int)len, alias);
        alias += len + strspn(alias + len, " ");
    }
}

static void add_option(struct buf *out, const struct opt_row *row, bool with_body)
{
    buf_add_text(out, "| ");
    add_names(out, row);
    buf_add_text(out, " | ");
    if (row->fallback)
        buf_printf(out, "`%s`", row->fallback);
    buf_add_text(out, " | ");
    if (with_body && row->body)
        buf_printf(out, "`%s` | ", row->body);
    else if (with_body)
        buf_add_text(out, " | ");
    add_cell(out, row->help);
    if (row->env)
        buf_printf(out, "; environment: %s", row->env);
    buf_add_text(out, " |\n");
}

static bool group_has_body(const struct opt_row *rows, size_t count, const char *group)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].body && strcmp(rows[i].group, group) == 0)
            return true;
    return false;
}

static void add_command(struct buf *out, const struct command *command)
{
    const char *group = "";
    bool body = false;
    buf_printf(out, "\n## `llmbench %s`\n", command->usage);
    for (size_t i = 0; i < *command->row_count; i++) {
        const struct opt_row *row = &command->rows[i];
        if (strcmp(group, row->group) != 0) {
            group = row->group;
            body = group_has_body(command->rows, *command->row_count, group);
            buf_printf(out, "\n### %s\n\n", group);
            buf_add_text(out, body
                                  ? "| option | default | body key | meaning |\n|---|---|---|---|\n"
                                  : "| option | default | meaning |\n|---|---|---|\n");
        }
        add_option(out, row, body);
    }
}

static void add_table(struct buf *out, const char *title, const char *term,
                      const struct about_table *table)
{
    buf_printf(out, "\n## %s\n\n| %s | meaning |\n|---|---|\n", title, term);
    for (size_t i = 0; i < table->count; i++) {
        buf_add_text(out, "| `");
        add_code(out, table->rows[i].term);
        buf_add_text(out, "` | ");
        add_cell(out, table->rows[i].text);
        buf_add_text(out, " |\n");
    }
}

void help_options_md(struct buf *out)
{
    buf_add_text(out,
                 "# Options\n\n"
                 "Written by `llmbench --help=options-md`; a test compares the two.\n\n"
                 "Values follow a blank or an `=`. Times are seconds or have units: `50ms`, `90s`, "
                 "`20m`, `1h30m`. Sizes have units of 1024: `64k`, `1.5G`. An option that is given "
                 "twice counts as given last; those that take several values collect them. `--` "
                 "ends the options.\n");
    for (size_t i = 0; i < about_command_count; i++)
        if (about_commands[i].rows)
            add_command(out, &about_commands[i]);
    add_table(out, "Help", "option", &about_help_options);
    add_table(out, "Exit status", "code", &about_exit_codes);
    add_table(out, "Environment", "variable", &about_environment);
    add_table(out, "Files", "file", &about_files);
}
