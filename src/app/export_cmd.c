/* `llmbench export`: a run's database in the format of another program. */
#include "app/commands.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "app/app.h"
#include "app/export_options.h"
#include "base/output.h"
#include "io/loop.h"
#include "out/export.h"

static const int exit_codes[] = {
    [EXPORT_DONE] = EXIT_DONE,
    [EXPORT_EXISTS] = EXIT_BAD_OPTIONS,
    [EXPORT_UNREADABLE] = EXIT_CANNOT_START,
    [EXPORT_UNWRITABLE] = EXIT_NOTHING_SUCCEEDED,
    [EXPORT_STOPPED] = EXIT_INTERRUPTED,
};

/* The signals are blocked, so that a Ctrl-C waits here and no half-written file stays behind. */
static bool interrupted(void *arg)
{
    sigset_t pending;
    (void)arg;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
            sigismember(&pending, SIGHUP) == 1);
}

static void report(const struct export_job *job, const struct export_counts *counts)
{
    printf("%" PRIu64 " results written to %s (%s)\n", counts->rows, job->to, job->format->name);
    if (counts->warmup)
        printf("%" PRIu64 " results of the warm-up left out\n", counts->warmup);
    if (counts->left_out)
        printf("%" PRIu64 " response messages without choices[0].delta.content left out\n",
               counts->left_out);
    fflush(stdout);
    if (counts->bodiless)
        fprintf(stderr,
                "llmbench export: the run did not store the bodies of %" PRIu64
                " results; their request and response_messages are NULL\n",
                counts->bodiless);
}

static int export_files(const struct export_options *options, struct err *err)
{
    struct export_counts counts;
    struct export_job job = {
        .format = export_format_find(options->spec.format),
        .from = options->words.items[0],
        .to = options->words.items[1],
        .stopped = interrupted,
    };
    signals_block();
    outputs_guard(true);
    enum export_result result = export_run(&job, &counts, err);
    if (result == EXPORT_DONE)
        report(&job, &counts);
    return exit_codes[result];
}

int export_cmd(int argc, char **argv, int first)
{
    struct err err;
    struct export_options options;
    int code = EXIT_BAD_OPTIONS;
    if (export_options_read(&options, argc, argv, first, &err))
        code = export_files(&options, &err);
    if (code != EXIT_DONE)
        fprintf(stderr, "llmbench export: %s\n", err.text);
    export_options_fini(&options);
    return code;
}
