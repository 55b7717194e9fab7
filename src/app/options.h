/* The options of `llmbench run`: the table, and reading them into a run_spec. Main thread.
 *
 * Everything that parsing, help, man page, docs/options.md, the database and Lua's `opts` know of
 * an option stands in its row. */
#pragma once

#include <stddef.h>

#include "base/opt.h"
#include "model/run_spec.h"

extern const struct opt_row run_rows[];
extern const size_t run_row_count;

/* The values, and for each row where its value came from. */
struct options {
    struct run_spec spec;
    struct opt_set set; /* points into spec: the struct must not move */
    char *dump;         /* what --dump-config is to print, header values not yet redacted; owned */
};

/* Reads argv[first…], the config file, the environment with the variables of --env-file, fills in
 * the defaults and checks what options say together (checks.h). False: the sentence names the
 * option. Release with options_fini in either case. */
bool options_read(struct options *options, int argc, char **argv, int first,
                  struct err *err) MUST_CHECK;
void options_fini(struct options *options);
