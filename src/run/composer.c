#include "run/composer.h"

#include "base/clock.h"
#include "base/mem.h"
#include "script/script.h"

/* Puts one request on the line; false when the line no longer takes any. */
static bool composer_give(struct composer *composer, struct plan_walk *walk,
                          struct request *request)
{
    struct line *line = composer->line;
    request->due_offset_ns = plan_walk_next_ns(walk);
    /* Few but large requests may fill the queue before as many are ready as were wanted. */
    if (queue_bytes(line->ready) + request_bytes(request) > line->ready_limit)
        line_release(line);
    if (!queue_put(line->ready, request, request_bytes(request))) {
        request_free(request);
        return false;
    }
    composer->composed++;
    if (composer->composed >= plan_ahead(line->plan))
        line_release(line);
    return true;
}

static bool composer_fail(struct composer *composer, const struct err *err)
{
    composer->failure = mem_text(err->text);
    log_error(composer->line->log, "%s", err->text);
    line_stop(composer->line, RUN_END_DATA_FAILED, clock_now_ns());
    return false;
}

static bool composer_rewind(struct composer *composer)
{
    struct err err;
    composer->data_ended = false;
    if (!composer->line->plan->one_prompt)
        atomic_fetch_add(&composer->line->data_cycles, 1);
    return script_rewind(composer->script, &err) || composer_fail(composer, &err);
}

/* The data is at its end: true when it starts again. A round without a single prompt ends it for
 * good. */
static bool composer_cycle(struct composer *composer, uint64_t *at_last_cycle)
{
    bool untouched = composer->composed == 0; /* the stage before took the last prompt */
    composer->data_ended = true;
    if (composer->composed == *at_last_cycle || !(composer->line->plan->cycles || untouched))
        return false;
    *at_last_cycle = composer->composed;
    return composer_rewind(composer);
}

static void composer_walk(struct composer *composer)
{
    const struct plan *plan = composer->line->plan;
    uint64_t at_last_cycle = UINT64_MAX;
    struct plan_walk walk;
    plan_walk_begin(&walk, plan);
    bool again = composer->data_ended || (plan->same_prompts && composer->first > 0);
    if (again && !composer_rewind(composer))
        return;
    while (!line_stopped(composer->line) && (!plan->number || composer->composed < plan->number)) {
        struct request *request = NULL;
        struct err err;
        script_refresh(composer->script);
        switch (script_next(composer->script, composer->first + composer->composed, composer->stage,
                            &request, &err)) {
        case SCRIPT_STEP_OK:
            if (!composer_give(composer, &walk, request))
                return;
            break;
        case SCRIPT_STEP_END:
            if (!composer_cycle(composer, &at_last_cycle))
                return;
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
    atomic_store(&composer->line->composer_left, true);
    composer->line->main.wake(composer->line->main.arg);
    return NULL;
}
