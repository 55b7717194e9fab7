/* What the help, the man page and docs/options.md say besides the options: each fact once, as a
 * table of term and explanation. Knows no layout. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/opt.h"

struct about_row {
    const char *term;
    const char *text; /* one sentence, no final full stop */
};

struct about_table {
    const struct about_row *rows;
    size_t count;
};

/* A command of the program, its options (NULL = none) and its examples. */
struct command {
    const char *name;
    const char *alias; /* or NULL */
    const char *summary;
    const char *usage; /* what follows the program's name */
    const struct opt_row *rows;
    const size_t *row_count;
    bool scripts; /* its words may name scripts, whose own options then belong to its help */
    struct about_table examples; /* command line and what it does */
    /* argv[first…] are the command's words; returns the exit code. */
    int (*run)(int argc, char **argv, int first);
};

extern const struct command about_commands[];
extern const size_t about_command_count;

/* By name or alias; NULL when there is none. */
const struct command *about_command(const char *word);
/* The command whose name is nearest to the word; NULL when none is near. */
const char *about_nearest(const char *word);

extern const char about_tagline[]; /* one line */
extern const char about_text[];    /* a paragraph */
extern const struct about_table about_exit_codes;
extern const struct about_table about_environment;
extern const struct about_table about_files;
extern const struct about_table about_help_options;
