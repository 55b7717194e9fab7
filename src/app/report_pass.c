#include "app/report_pass.h"

#include <stdio.h>

#include "app/app.h"
#include "base/tame.h"

void report_say(const struct err *err)
{
    struct buf line;
    buf_init(&line, SIZE_MAX);
    tame(&line, span_text(err->text), false);
    fprintf(stderr, "llmbench report: %.*s\n", (int)line.len, line.data);
    buf_fini(&line);
}

static bool is_known(const char *condition, const struct reports *reports, struct err *err)
{
    for (size_t i = 0; i < reports->count; i++)
        if (condition_check_in(condition, &reports->items[i].whole, err))
            return true;
    return err_prefix(err, "--fail-on '%.*s'", CONDITION_SIZE, condition);
}

bool report_pass_check(const struct list *fail_on, const struct reports *reports, struct err *err)
{
    for (size_t i = 0; i < fail_on->count; i++)
        if (!is_known(fail_on->items[i], reports, err))
            return false;
    return true;
}

static bool stage_passes(const struct report *report)
{
    struct err err;
    bool passes = true;
    for (size_t i = 0; i < report->judgement_count; i++) {
        const struct judgement *judgement = &report->judgements[i];
        if (!judgement->failed)
            continue;
        passes =
            err_set(&err, "stage %u (%s) fails --fail-on '%s': %s", report->stage, report->label,
                    judgement->condition, judgement->why[0] ? judgement->why : judgement->shown);
        report_say(&err);
    }
    return passes;
}

static bool ended_as_planned(enum run_end end)
{
    return end == RUN_END_NUMBER || end == RUN_END_DATA || end == RUN_END_DURATION ||
           end == RUN_END_MEMORY;
}

/* Of an experiment one stage is enough. */
static bool all_succeeded(const struct reports *reports)
{
    struct err err;
    size_t some = 0;
    bool experiment = false;
    for (size_t i = 0; i < reports->count; i++) {
        some += reports->items[i].whole.ok > 0;
        experiment |= reports->items[i].options != NULL;
    }
    if (some == reports->count || (experiment && some))
        return true;
    err_set(&err, "no request succeeded%s, so it passes no --fail-on",
            reports->count > 1 ? " in some stage" : "");
    report_say(&err);
    return false;
}

/* With --stage only the ends of these stages matter. */
static bool ends_pass(const struct reports *reports, bool whole_run)
{
    struct err err;
    enum run_end end = RUN_END_NUMBER;
    for (size_t i = 0; i < reports->count; i++)
        if (!ended_as_planned(reports->items[i].end))
            end = reports->items[i].end;
    if (whole_run && ended_as_planned(end))
        end = reports->interrupted ? RUN_END_INTERRUPTED : reports->end;
    if (ended_as_planned(end))
        return true;
    err_set(&err, "the run did not come to its end, so it passes no --fail-on: %s",
            run_end_sentence(end));
    report_say(&err);
    return false;
}

int report_pass(const struct report_spec *spec, const struct reports *reports)
{
    bool asked = false, passes = true;
    for (size_t i = 0; i < reports->count; i++)
        asked |= reports->items[i].judgement_count > 0;
    if (!asked)
        return EXIT_DONE;
    for (size_t i = 0; i < reports->count; i++)
        passes &= stage_passes(&reports->items[i]);
    passes &= all_succeeded(reports);
    passes &= ends_pass(reports, spec->stages.count == 0);
    return passes ? EXIT_DONE : EXIT_NOTHING_SUCCEEDED;
}
