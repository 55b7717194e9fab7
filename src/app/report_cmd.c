/* `llmbench report`: the report of a run from its database. */
#include "app/commands.h"

#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/report_kinds.h"
#include "app/report_options.h"
#include "app/report_pass.h"
#include "base/output.h"
#include "io/loop.h"
#include "out/console_compare.h"
#include "out/json_report.h"
#include "out/reread.h"

static const int exit_codes[] = {
    [REREAD_DONE] = EXIT_DONE,
    [REREAD_UNREADABLE] = EXIT_CANNOT_START,
    [REREAD_EMPTY] = EXIT_CANNOT_START,
    [REREAD_STOPPED] = EXIT_INTERRUPTED,
};

static bool interrupted(void *arg)
{
    (void)arg;
    return signals_pending();
}

static void print(const struct report_spec *spec, const struct reread *reread, FILE *out)
{
    const struct reports *reports = &reread->reports;
    size_t shown = 0;
    for (size_t i = 0; i < reports->count; i++) {
        bool printed = report_kinds_print(&spec->reports, out, &reports->items[i], NULL);
        shown += printed;
        if (printed && reports->count > 1)
            fputc('\n', out);
    }
    if (shown > 1)
        console_compare(out, reports);
    if (reread->cut_off)
        fprintf(stderr,
                "llmbench report: %s: the run was cut off; this is what had been stored by then\n",
                reread->facts.db_path);
}

static int show(const struct report_spec *spec, const struct reread *reread, struct err *err)
{
    bool json = spec->json && strcmp(spec->json, "-") == 0;
    print(spec, reread, json ? stderr : stdout);
    if (spec->json && !json_report_write(&reread->reports, NULL, spec->json, err))
        return signals_pending() ? EXIT_INTERRUPTED : EXIT_NOTHING_SUCCEEDED;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    err_set(err, "the report could not be written to stdout");
    return signals_pending() ? EXIT_INTERRUPTED : EXIT_NOTHING_SUCCEEDED;
}

static int show_and_judge(const struct report_spec *spec, const struct reread *reread,
                          struct err *err)
{
    if (!report_pass_check(&spec->fail_on, &reread->reports, err))
        return EXIT_BAD_OPTIONS;
    int code = show(spec, reread, err);
    return code == EXIT_DONE ? report_pass(spec, &reread->reports) : code;
}

static int report(const struct report_options *options, struct err *err)
{
    struct reread reread;
    const struct report_spec *spec = &options->spec;
    struct reread_job job = {
        .path = options->words.items[0],
        .stages = spec->stages.items,
        .stage_count = spec->stages.count,
        .fail_on = spec->fail_on.count ? &spec->fail_on : NULL,
        .stopped = interrupted,
    };
    signals_block();
    outputs_guard(true);
    enum reread_result result = reread_run(&reread, &job, err);
    int code = result == REREAD_DONE ? show_and_judge(spec, &reread, err) : exit_codes[result];
    reread_fini(&reread);
    return code;
}

int report_cmd(int argc, char **argv, int first)
{
    struct err err = {0};
    struct report_options options;
    int code = EXIT_BAD_OPTIONS;
    if (report_options_read(&options, argc, argv, first, &err))
        code = report(&options, &err);
    if (err.text[0])
        report_say(&err);
    report_options_fini(&options);
    return code;
}
