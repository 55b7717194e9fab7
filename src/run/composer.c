#include "run/composer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/resume.h"
#include "script/script.h"
#include "script/watch.h"

/* ---- what the stage before left ---- */

void composer_keep(struct composer *composer, struct request *request)
{
    if (composer->kept_count == composer->kept_cap) {
        composer->kept_cap = composer->kept_cap ? composer->kept_cap * 2 : 16;
        composer->kept = mem_resize(composer->kept, composer->kept_cap, sizeof *composer->kept);
    }
    composer->kept[composer->kept_count++] = request;
}

static int by_index(const void *a, const void *b)
{
    const struct request *const *first = a, *const *second = b;
    return ((*first)->index > (*second)->index) - ((*first)->index < (*second)->index);
}

/* Those that have gone out in this stage leave the list, the others are put in order. */
static void kept_settle(struct composer *composer)
{
    size_t left = composer->kept_count - composer->kept_at;
    for (size_t i = 0; i < left; i++)
        composer->kept[i] = composer->kept[composer->kept_at + i];
    composer->kept_count = left;
    composer->kept_at = 0;
    if (left)
        qsort(composer->kept, left, sizeof *composer->kept, by_index);
}

static void kept_drop(struct composer *composer)
{
    while (composer->kept_at < composer->kept_count)
        request_free(composer->kept[composer->kept_at++]);
    composer->kept_count = composer->kept_at = 0;
    if (composer->first)
        request_free(composer->first);
    composer->first = NULL;
}

uint64_t composer_kept_due(const struct composer *composer, uint64_t offset_ns)
{
    uint64_t due = 0;
    for (size_t i = composer->kept_at; i < composer->kept_count; i++)
        due += composer->kept[i]->due_offset_ns < offset_ns;
    return due;
}

uint64_t composer_unstarted(const struct composer *composer)
{
    return composer->kept_count - composer->kept_at + (composer->first != NULL);
}

void composer_fini(struct composer *composer)
{
    kept_drop(composer);
    free(composer->kept);
    free(composer->failure);
}

/* ---- the first one ---- */

/* A stage goes on in the data where the last ended, unless it is to be once over the data or over
 * the same prompts, or the data says when it begins. */
static bool composer_anew(const struct plan *plan)
{
    return plan->same_prompts || !plan->cycles || plan->arrival == ARRIVAL_TRACE;
}

/* The first of the stage, or with what the stages before took of the data. */
static uint64_t resumed_at(const struct composer *composer, const struct plan *plan)
{
    return composer_anew(plan) ? composer->resume->first_arrival : 0;
}

uint64_t composer_first(const struct composer *composer, const struct plan *plan)
{
    if (composer->resume && composer->stage == composer->resume->stage)
        return composer->resume->first_arrival;
    uint64_t first = composer->next_index;
    if (composer->begun && composer_anew(plan))
        return first;
    if (composer->first && composer->first->index < first)
        first = composer->first->index;
    for (size_t i = composer->kept_at; i < composer->kept_count; i++)
        if (composer->kept[i]->index < first)
            first = composer->kept[i]->index;
    return first;
}

bool composer_open(struct composer *composer, const struct plan *plan, struct err *err)
{
    bool anew = composer_anew(plan);
    if (composer->resume)
        composer->next_index = resumed_at(composer, plan);
    if (!anew && !script_pass_over(composer->script, composer->passed_over, err))
        return false;
    enum script_step step = script_peek(composer->script, &composer->first_at_ns, err);
    bool early = plan->arrival == ARRIVAL_TRACE && composer->first_at_ns > plan_early_ns();
    if (step == SCRIPT_STEP_OK && !early)
        step = script_next(composer->script, composer->next_index, composer->stage,
                           &composer->first, err);
    if (!composer->first)
        return step != SCRIPT_STEP_FAILED;
    composer->next_index++;
    return !composer->first->fault || err_set(err, "%s", composer->first->fault);
}

static struct request *take_first(struct composer *composer)
{
    struct request *first = composer->first;
    composer->first = NULL;
    return first;
}

/* ---- the walk ---- */

/* What is made ready before the start takes nothing from the load. */
static void composer_release(struct composer *composer)
{
    struct line *line = composer->line;
    if (!atomic_load(&line->start_ns))
        composer->cpu_before_ns = clock_thread_cpu_ns();
    line_release(line);
}

/* Puts one request on the line; false when the line no longer takes any. */
static bool composer_give(struct composer *composer, struct plan_walk *walk,
                          struct request *request)
{
    struct line *line = composer->line;
    request->stage = composer->stage;
    request->due_offset_ns = composer->last_due_ns = plan_walk_next_ns(walk);
    /* What was in flight, or due, when the run was cut off is due when it goes on. */
    if (line->plan->shape == PLAN_OPEN && request->due_offset_ns < line->elapsed_ns)
        request->due_offset_ns = line->elapsed_ns;
    /* Few but large requests may fill the queue before as many are ready as were wanted. */
    if (queue_bytes(line->ready) + request_bytes(request) > line->ready_limit)
        composer_release(composer);
    if (!queue_put(line->ready, request, request_bytes(request))) {
        composer_keep(composer, request);
        return false;
    }
    composer->composed++;
    if (atomic_fetch_add(&line->given, 1) + 1 >= plan_ahead(line->plan))
        composer_release(composer);
    return true;
}

static bool composer_fail(struct composer *composer, const struct err *err)
{
    if (!composer->failure)
        composer->failure = mem_text(err->text);
    log_error(composer->line->log, "%s", err->text);
    line_stop(composer->line, RUN_END_DATA_FAILED, clock_now_ns());
    return false;
}

/* A hook that did not return in time ends the run. True: one did not. */
static bool composer_overdue(struct composer *composer)
{
    char *why = script_take_overdue(composer->script);
    if (!why)
        return false;
    line_overdue(composer->line, why);
    free(why);
    return true;
}

static bool composer_rewind(struct composer *composer)
{
    struct err err;
    composer->data_ended = false;
    if (script_rewind(composer->script, &err))
        return true;
    return !composer_overdue(composer) && composer_fail(composer, &err);
}

/* Another pass over a trace. Without a number only its own time could bring it to an end. */
static bool trace_goes_on(struct composer *composer, struct plan_walk *walk)
{
    const struct plan *plan = composer->line->plan;
    struct err err;
    if (plan->arrival != ARRIVAL_TRACE || plan_walk_again(walk) || plan->number)
        return true;
    err_set(&err, "the trace takes no time (each 'at' is 0), so repeating it never fills "
                  "--duration; give --number");
    return composer_fail(composer, &err);
}

/* The data is at its end: true when it starts again. A round without a single prompt ends it for
 * good. */
static bool composer_cycle(struct composer *composer, struct plan_walk *walk,
                           uint64_t *at_last_cycle)
{
    uint64_t seen = composer->composed + composer->passed;
    bool untouched = seen == 0; /* the stage before took the last prompt */
    composer->data_ended = true;
    if (seen == *at_last_cycle || !(composer->line->plan->cycles || untouched))
        return false;
    *at_last_cycle = seen;
    if (!trace_goes_on(composer, walk))
        return false;
    if (!composer->line->plan->one_prompt)
        atomic_fetch_add(&composer->line->data_cycles, 1);
    return composer_rewind(composer);
}

static bool composer_begin(struct composer *composer)
{
    const struct plan *plan = composer->line->plan;
    bool anew = composer_anew(plan), begun = composer->begun;
    composer->begun = true;
    kept_settle(composer);
    if (!begun || !anew)
        return true;
    kept_drop(composer);
    return composer_rewind(composer);
}

/* Waits until little time is left before `due_ns`: what a request is made of, such as a token that
 * the script refreshes, may be old when it leaves. */
static void composer_hold(struct composer *composer, uint64_t due_ns)
{
    struct line *line = composer->line;
    if (due_ns <= plan_early_ns() + line->elapsed_ns)
        return;
    composer_release(composer); /* what is due before it is ready */
    queue_wait_items(line->ready, SIZE_MAX,
                     atomic_load(&line->start_ns) + due_ns - plan_early_ns());
}

/* Of a trace: reads when the next request is due, and waits until it is time to compose it. */
static enum script_step composer_await(struct composer *composer, struct plan_walk *walk,
                                       struct err *err)
{
    uint64_t at_ns = composer->first_at_ns;
    enum script_step step = SCRIPT_STEP_OK;
    if (!composer->first)
        step = script_peek(composer->script, &at_ns, err);
    if (step != SCRIPT_STEP_OK)
        return step;
    if (!plan_walk_trace(walk, at_ns, err))
        return SCRIPT_STEP_FAILED;
    composer->known_ns = walk->due_ns;
    composer_hold(composer, walk->due_ns);
    return step;
}

/* The next request: one that was kept, else a new one. */
static enum script_step composer_next(struct composer *composer, struct plan_walk *walk,
                                      struct request **request, struct err *err)
{
    if (composer->kept_at < composer->kept_count) {
        *request = composer->kept[composer->kept_at++];
        return SCRIPT_STEP_OK;
    }
    enum script_step step = SCRIPT_STEP_OK;
    if (walk->plan->arrival == ARRIVAL_TRACE)
        step = composer_await(composer, walk, err);
    else
        composer_hold(composer, composer->last_due_ns);
    if (step != SCRIPT_STEP_OK)
        return step;
    if (composer->first) {
        *request = take_first(composer);
        return step;
    }
    script_refresh(composer->script);
    step = script_next(composer->script, composer->next_index, composer->stage, request, err);
    composer->next_index += step == SCRIPT_STEP_OK;
    return step;
}

/* A request whose result is in the database is composed once more, so that script and data are
 * where they were, and dropped. */
static bool composer_drop(struct composer *composer, struct plan_walk *walk,
                          struct request *request)
{
    enum resume_held held = resume_held(composer->resume, request->index);
    if (held == RESUME_MISSING)
        return false;
    if (held == RESUME_HERE && composer->stage == composer->resume->stage) {
        composer->last_due_ns = plan_walk_next_ns(walk);
        composer->composed++;
    } else {
        composer->passed++;
    }
    request_free(request);
    return true;
}

/* True: there is nothing more to start, by number or by the end of the data. */
static bool composer_walk(struct composer *composer)
{
    const struct plan *plan = composer->line->plan;
    uint64_t at_last_cycle = UINT64_MAX;
    struct plan_walk walk;
    plan_walk_begin(&walk, plan);
    composer->last_due_ns = 0;
    if (!composer_begin(composer))
        return false;
    while (!plan->number || composer->composed < plan->number) {
        if (line_stopped(composer->line))
            return false;
        struct request *request = NULL;
        struct err err;
        enum script_step step = composer_next(composer, &walk, &request, &err);
        if (composer_overdue(composer)) {
            request_free(request);
            return false;
        }
        switch (step) {
        case SCRIPT_STEP_OK:
            if (!composer_drop(composer, &walk, request) &&
                !composer_give(composer, &walk, request))
                return false;
            break;
        case SCRIPT_STEP_END:
            if (!composer_cycle(composer, &walk, &at_last_cycle))
                return !composer->failure;
            break;
        case SCRIPT_STEP_FAILED: return composer_fail(composer, &err);
        }
    }
    return true;
}

void composer_leave(struct composer *composer)
{
    struct line *line = composer->line;
    queue_close(line->ready);
    composer_release(composer); /* fewer requests than the queue holds */
    composer->cpu_ns = clock_thread_cpu_ns();
    atomic_store(&line->composer_left, true);
    line_wake_all(line); /* those that wait for a slot's time may have nothing to wait for */
    line->main.wake(line->main.arg);
}

void *composer_run(void *arg)
{
    struct composer *composer = arg;
    if (composer->line->connected)
        queue_take(composer->line->connected); /* nothing: waits until it is closed */
    if (composer_walk(composer))
        composer->known_ns = UINT64_MAX;
    composer_leave(composer);
    return NULL;
}
