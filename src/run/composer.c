#include "run/composer.h"

#include "base/clock.h"
#include "base/mem.h"
#include "script/script.h"

/* Puts one request on the line; false when the line no longer takes any. */
static bool composer_give(struct composer *composer, struct request *request)
{
    struct line *line = composer->line;
    request->due_offset_ns = plan_due_ns(line->plan, request->index);
    if (!queue_put(line->ready, request, request_bytes(request))) {
        request_free(request);
        return false;
    }
    composer->composed++;
    if (composer->composed >= plan_ahead(line->plan))
        line_release(line);
    return true;
}

static void composer_fail(struct composer *composer, const struct err *err)
{
    composer->failure = mem_text(err->text);
    log_error(composer->line->log, "%s", err->text);
    line_stop(composer->line, RUN_END_SCRIPT_ERRORS, clock_now_ns());
}

/* The data is at its end: true when it starts again. */
static bool composer_cycle(struct composer *composer, uint64_t at_last_cycle)
{
    struct err err;
    if (!composer->line->plan->cycles || composer->composed == at_last_cycle)
        return false;
    if (!script_rewind(composer->script, &err)) {
        composer_fail(composer, &err);
        return false;
    }
    atomic_fetch_add(&composer->line->data_cycles, 1);
    return true;
}

static void composer_walk(struct composer *composer)
{
    const struct plan *plan = composer->line->plan;
    uint64_t at_last_cycle = 0;
    while (!line_stopped(composer->line) && (!plan->number || composer->composed < plan->number)) {
        struct request *request = NULL;
        struct err err;
        switch (script_next(composer->script, composer->composed, 0, &request, &err)) {
        case SCRIPT_STEP_OK:
            if (!composer_give(composer, request))
                return;
            break;
        case SCRIPT_STEP_END:
            if (!composer_cycle(composer, at_last_cycle))
                return;
            at_last_cycle = composer->composed;
            break;
        case SCRIPT_STEP_FAILED: composer_fail(composer, &err); return;
        }
    }
}

void *composer_run(void *arg)
{
    struct composer *composer = arg;
    composer_walk(composer);
    queue_close(composer->line->ready);
    line_release(composer->line); /* fewer requests than the queue holds */
    return NULL;
}
