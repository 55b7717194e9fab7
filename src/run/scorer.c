#include "run/scorer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "run/answer.h"
#include "script/watch.h"

/* The end of the window, if it matters to this exchange. A worker may notice the deadline a moment
 * late, and this exchange may have ended in that moment. */
static uint64_t scorer_stop_ns(struct line *line, const struct exchange *exchange)
{
    uint64_t deadline_ns = line_deadline_ns(line), stop_ns = atomic_load(&line->stop_ns);
    return !stop_ns && exchange->end_ns > deadline_ns ? deadline_ns : stop_ns;
}

static void scorer_count(struct scorer *scorer, const struct sample *sample)
{
    struct line *line = scorer->line;
    uint64_t stop_ns = scorer_stop_ns(line, sample->exchange);
    uint64_t steady_ns = atomic_load(&line->steady_start_ns);
    stats_add(scorer->whole, sample, stop_ns);
    stats_add_steady(scorer->steady, sample, steady_ns);
    if (sample->outcome == OUTCOME_SCRIPT_ERROR &&
        atomic_fetch_add(&line->script_errors, 1) + 1 >= SCRIPT_ERROR_LIMIT)
        line_stop(line, RUN_END_SCRIPT_ERRORS, clock_now_ns());
}

/* Main is behind and so are we: what is stored of this exchange shrinks to its facts. */
static void scorer_leave_out(struct scorer *scorer, struct sample *sample)
{
    struct exchange *exchange = sample->exchange;
    buf_fini(&exchange->body);
    free(exchange->request->body);
    exchange->request->body = NULL;
    exchange->request->body_len = 0;
    free(sample->responses);
    free(sample->text);
    sample->responses = sample->text = NULL;
    sample->responses_len = 0;
    sample->bodies_left_out = true;
    atomic_fetch_add(&scorer->line->bodies_left_out, 1);
}

static void scorer_hand_on(struct scorer *scorer, struct sample *sample)
{
    struct line *line = scorer->line;
    if (queue_over(line->samples) && queue_over(line->finished) && !sample->exchange_kept)
        scorer_leave_out(scorer, sample);
    uint64_t full_ns = queue_over(line->samples) ? clock_now_ns() : 0;
    if (!queue_put(line->samples, sample, sample_bytes(sample)))
        sample_free(sample); /* only when the line has been given up */
    if (full_ns)
        scorer->blocked_ns += clock_now_ns() - full_ns;
}

static struct sample *scorer_unread(struct scorer *scorer, struct exchange *exchange)
{
    return answer_unread(scorer->script, exchange, atomic_load(&scorer->line->overdue_why));
}

/* After a second hook that did not return, what is left is not waited for. */
static struct sample *scorer_score(struct scorer *scorer, struct exchange *exchange)
{
    if (atomic_load(&scorer->line->overdue) > 1)
        return scorer_unread(scorer, exchange);
    atomic_store(&scorer->current, exchange);
    struct sample *sample = answer_score(scorer->script, scorer->counter, exchange);
    char *why = script_take_overdue(scorer->script);
    if (why)
        line_overdue(scorer->line, why);
    free(why);
    return sample;
}

static void scorer_pass(struct scorer *scorer, struct sample *sample)
{
    scorer_count(scorer, sample);
    scorer_hand_on(scorer, sample);
}

void *scorer_run(void *arg)
{
    struct scorer *scorer = arg;
    struct line *line = scorer->line;
    struct exchange *exchange;
    line_step_back();
    scorer->blocked_ns = scorer->left_ns = 0;
    while ((exchange = queue_take(line->finished)))
        scorer_pass(scorer, scorer_score(scorer, exchange));
    scorer->cpu_ns = clock_thread_cpu_ns();
    scorer->left_ns = clock_now_ns();
    if (atomic_fetch_sub(&line->scorers_left, 1) == 1)
        queue_close(line->samples);
    return NULL;
}

void *scorer_stand_in(void *arg)
{
    struct scorer *scorer = arg;
    struct line *line = scorer->line;
    struct exchange *exchange = atomic_load(&scorer->current);
    struct sample *stuck = scorer_unread(scorer, exchange);
    stuck->exchange_kept = true;
    scorer_pass(scorer, stuck);
    if (atomic_fetch_sub(&line->scorers_left, 1) > 1)
        return NULL;
    while ((exchange = queue_take(line->finished)))
        scorer_pass(scorer, scorer_unread(scorer, exchange));
    queue_close(line->samples);
    return NULL;
}
