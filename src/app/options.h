/* The options of `llmbench run`: the table, and reading them into a run_spec. Main thread.
 *
 * Everything that parsing, help, man page, docs/options.md, the database and Lua's `opts` know of
 * an option stands in its row. */
#pragma once

#include <stddef.h>

#include "app/resume.h"
#include "base/opt.h"
#include "base/secrets.h"
#include "model/run_spec.h"
#include "script/script.h"

extern const struct opt_row run_rows[];
extern const size_t run_row_count;

/* The value of a script's own option, whatever its type. */
union option_value {
    bool flag;
    char *text;
    int64_t integer;
    uint64_t amount;
    double number;
    struct list list;
    struct numbers numbers;
};

/* The values, and for each row where its value came from. */
struct options {
    struct run_spec spec; /* first: all offsets count from here */
    union option_value own[SCRIPT_OPTIONS_MOST];
    union option_value experiment[SCRIPT_OPTIONS_MOST];
    struct opt_set set;             /* points into spec and own: the struct must not move */
    struct script_options declared; /* by the scripts */
    struct opt_row *rows;           /* the program's and theirs; NULL when they have none */
    struct list without; /* what an experiment took away from this run of what others gave */
    struct resume_options resume;
    char *given; /* all options as --config reads them, header values not yet redacted */
    char *dump;  /* what --dump-config is to print, header values not yet redacted; owned */
    int code;    /* the exit code when reading failed: options or a script */
};

/* The first look, for what the scripts declare: it passes over what it does not know or is wrong
 * but for what keeps the scripts from being found and loaded. Afterwards the set holds the
 * program's own rows and what is known of them. Secrets that scripts register go to `secrets`. */
bool options_look(struct options *options, int argc, char **argv, int first,
                  struct secrets *secrets, struct err *err) MUST_CHECK;

/* What there is besides the command line. */
struct options_more {
    const char *stand_in; /* for a --url that nobody gave; NULL = none */
    bool whole;           /* the command line of an experiment, which need not name a target yet */
    const struct script_options *experiment; /* its own options; borrowed, NULL = none */
    struct span given; /* what an experiment says of one run (config_take); NULL data = nothing */
};

/* Loads the scripts for their options, reads argv[first…], the config file, the environment with
 * the variables of --env-file, fills in the defaults and checks what options say together
 * (checks.h). False: the sentence names the option. Release with options_fini in either case. */
bool options_read(struct options *options, int argc, char **argv, int first,
                  struct secrets *secrets, struct err *err) MUST_CHECK;
/* The same; `url` stands in for a --url that nobody gave. */
bool options_read_with(struct options *options, const char *url, int argc, char **argv, int first,
                       struct secrets *secrets, struct err *err) MUST_CHECK;
/* The same for an experiment; `more` is borrowed for the call, its rows as long as the options. */
bool options_read_more(struct options *options, int argc, char **argv, int first,
                       const struct options_more *more, struct secrets *secrets,
                       struct err *err) MUST_CHECK;
void options_fini(struct options *options);
