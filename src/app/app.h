/* The commands of the program. */
#pragma once

/* Exit codes; the same list stands in --help and README. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_NOTHING_SUCCEEDED = 1, /* in some stage; or too many failed, or --fail-on holds, or the
                                   script, the data or an output did */
    EXIT_BAD_OPTIONS = 2,       /* options or configuration */
    EXIT_CANNOT_START = 3,      /* script, data, target */
    EXIT_INTERRUPTED = 130,
};

int app_main(int argc, char **argv);
