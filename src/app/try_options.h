/* The options of `llmbench try`; it takes those of `llmbench run` as well. */
#pragma once

#include <stddef.h>

#include "app/options.h"
#include "base/opt.h"

struct try_spec {
    int64_t requests;
    char *replay;
    char *content_type;
    int64_t status;
    bool no_setup;
};

extern const struct opt_row try_rows[];
extern const size_t try_row_count;

struct try_options {
    struct try_spec spec;
    struct opt_set set;     /* points into spec: the struct must not move */
    struct options options; /* of the run that is tried */
    int code;               /* the exit code when reading failed */
};

/* Without --url a stand-in is taken. Secrets that scripts register go to `secrets`. Release with
 * try_options_fini in either case. */
bool try_options_read(struct try_options *options, int argc, char **argv, int first,
                      struct secrets *secrets, struct err *err) MUST_CHECK;
void try_options_fini(struct try_options *options);
