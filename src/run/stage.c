#include "run/stage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hist.h"
#include "base/mem.h"
#include "model/run_spec.h"
#include "run/stage_behind.h"
#include "script/watch.h"

enum {
    FINISHED_ITEMS = 4096, /* or four a slot, whichever is more */
    SAMPLES_ITEMS = 4096,
};
/* Where each queue is full. A station waits then, or starts are held back; long before the ceiling
 * of all, past which the run ends. */
static const size_t READY_BYTES = (size_t)256 << 20;
static const size_t FINISHED_BYTES = (size_t)256 << 20;
static const size_t SAMPLES_BYTES = (size_t)64 << 20;
enum { QUEUE_SHARE = 8 }; /* none of them more than an eighth of the ceiling */

/* ---- setting up ---- */

static bool open_workers(struct stage *stage, struct err *err)
{
    const struct plan *plan = stage->plan;
    stage->workers = mem_zero(plan->threads, sizeof *stage->workers);
    stage->worker_threads = mem_zero(plan->threads, sizeof *stage->worker_threads);
    stage->line.listeners = mem_zero(plan->threads, sizeof *stage->line.listeners);
    for (; stage->worker_count < plan->threads; stage->worker_count++) {
        struct worker *worker = worker_new(&stage->line, (uint32_t)stage->worker_count,
                                           &stage->config->http, stage->config->spec, err);
        if (!worker)
            return false;
        stage->workers[stage->worker_count] = worker;
        stage->line.listeners[stage->line.listener_count++] = worker_listener(worker);
    }
    return true;
}

static uint64_t all_reads(void *arg)
{
    const struct stage *stage = arg;
    uint64_t reads = 0;
    for (size_t i = 0; i < stage->worker_count; i++)
        reads += worker_reads(stage->workers[i]);
    return reads;
}

static size_t within_share(size_t bytes, uint64_t ceiling)
{
    uint64_t share = ceiling / QUEUE_SHARE;
    return share < bytes ? (size_t)share : bytes;
}

static void open_preconnect(struct stage *stage)
{
    const struct run_spec *spec = stage->config->spec;
    struct line *line = &stage->line;
    if (!spec->preconnect)
        return;
    line->preconnect_url =
        http_url_with_path(script_facts(stage->composer->script)->url, spec->preconnect_path);
    line->connected = queue_new(1, 0);
    atomic_store(&line->connecting, stage->plan->threads);
}

/* What is gone on with in this stage, or NULL. */
static const struct resume *stage_resume(const struct stage *stage)
{
    const struct resume *resume = stage->config->resume;
    return resume && resume->stage == stage->number ? resume : NULL;
}

static void open_line(struct stage *stage)
{
    uint64_t ceiling = stage->config->spec->max_memory;
    const struct plan *plan = stage->plan;
    struct line *line = &stage->line;
    size_t finished = (size_t)plan->parallel * 4;
    line->plan = plan;
    line->log = stage->config->log;
    line->watch = stage->watch;
    line->pin = stage->pin;
    line->max_bytes = ceiling;
    line->ready_limit = within_share(READY_BYTES, ceiling);
    line->ready = queue_new(plan_ahead(plan), line->ready_limit);
    line->finished = queue_new(finished > FINISHED_ITEMS ? finished : FINISHED_ITEMS,
                               within_share(FINISHED_BYTES, ceiling));
    line->samples = queue_new(SAMPLES_ITEMS, within_share(SAMPLES_BYTES, ceiling));
    open_preconnect(stage);
    stage->composer->line = line;
    stage->composer->stage = stage->number;
    stage->first_arrival = composer_first(stage->composer, plan);
    if (!stage_resume(stage))
        return;
    line->elapsed_ns = stage_resume(stage)->elapsed_ns;
    atomic_store(&line->started, stage_resume(stage)->started);
    atomic_store(&line->ended, stage_resume(stage)->started);
    atomic_store(&line->max_in_flight, stage_resume(stage)->max_in_flight);
}

static void open_statistics(struct stage *stage)
{
    for (size_t i = 0; i < stage->scorer_count; i++) {
        stage->scorers[i].line = &stage->line;
        stage->scorers[i].whole = stats_new();
        stage->scorers[i].steady = stats_new();
        stats_own(stage->scorers[i].whole, stage->config->facts->own);
        stats_own(stage->scorers[i].steady, stage->config->facts->own);
    }
    stage->scorer_threads = mem_zero(stage->scorer_count, sizeof *stage->scorer_threads);
    stage->stand_ins = mem_zero(stage->scorer_count, sizeof *stage->stand_ins);
}

bool stage_open(struct stage *stage, struct err *err)
{
    /* What came before the first stage is its own: start-up and loading. */
    stage->cpu_before_ns = stage->number ? clock_process_cpu_ns() : 0;
    stage->warnings_before = stage->number ? log_warnings(stage->config->log) : 0;
    open_line(stage);
    open_statistics(stage);
    if (!open_workers(stage, err))
        return false;
    collector_begin(stage->collector, &stage->line, stage->number, all_reads, stage);
    stage->collector->first_arrival = stage->first_arrival;
    if (stage_resume(stage))
        collector_resume(stage->collector, stage_resume(stage));
    return true;
}

/* ---- running ---- */

/* A thread of the line; `running` says whether there is one to join. */
static bool thread_start(struct thread *thread, void *(*body)(void *), void *arg, struct err *err)
{
    int failure = pthread_create(&thread->id, NULL, body, arg);
    thread->running = failure == 0;
    return thread->running || err_set(err, "cannot start a thread: %s", strerror(failure));
}

static bool start_threads(struct stage *stage, struct err *err)
{
    bool ok = true;
    atomic_store(&stage->line.workers_left, (uint32_t)stage->worker_count);
    atomic_store(&stage->line.scorers_left, (uint32_t)stage->scorer_count);
    for (size_t i = 0; ok && i < stage->scorer_count; i++)
        ok = thread_start(&stage->scorer_threads[i], scorer_run, &stage->scorers[i], err);
    for (size_t i = 0; ok && i < stage->worker_count; i++)
        ok = thread_start(&stage->worker_threads[i], worker_run, stage->workers[i], err);
    return ok && thread_start(&stage->composer_thread, composer_run, stage->composer, err);
}

static void join_thread(struct thread *thread)
{
    if (thread->running && !thread->given_up)
        pthread_join(thread->id, NULL);
}

static void keep(void *composer, struct request *request)
{
    composer_keep(composer, request);
}

/* What was composed and not started goes out first in the next stage. */
static void keep_unstarted(struct stage *stage)
{
    struct request *request;
    queue_close(stage->line.ready);
    while ((request = queue_try_take(stage->line.ready)))
        composer_keep(stage->composer, request);
    for (size_t i = 0; i < stage->worker_count; i++)
        worker_give_back(stage->workers[i], keep, stage->composer);
}

bool stage_run(struct stage *stage, struct err *err)
{
    bool ok = start_threads(stage, err);
    if (ok) {
        collector_run(stage->collector);
    } else { /* nothing has been released: those that did start find the stop and leave */
        line_stop(&stage->line, RUN_END_INTERRUPTED, clock_now_ns());
        queue_close(stage->line.finished);
        queue_close(stage->line.samples);
    }
    watch_settle(stage->watch);
    join_thread(&stage->composer_thread);
    for (size_t i = 0; i < stage->worker_count; i++)
        join_thread(&stage->worker_threads[i]);
    for (size_t i = 0; i < stage->scorer_count; i++)
        join_thread(&stage->scorer_threads[i]);
    for (size_t i = 0; i < stage->scorer_count; i++)
        join_thread(&stage->stand_ins[i]);
    keep_unstarted(stage);
    return ok;
}

static void stand_in(struct stage *stage, size_t i)
{
    struct err err;
    if (thread_start(&stage->stand_ins[i], scorer_stand_in, &stage->scorers[i], &err))
        return;
    log_warn(stage->config->log, "%s", err.text);
    scorer_stand_in(&stage->scorers[i]);
}

void stage_give_up(struct stage *stage, const struct script *script, const char *sentence)
{
    line_overdue(&stage->line, sentence);
    for (size_t i = 0; i < stage->scorer_count; i++)
        if (stage->scorers[i].script == script) {
            stage->scorer_threads[i].given_up = true;
            stand_in(stage, i);
        }
    if (stage->composer->script == script) {
        stage->composer_thread.given_up = true;
        composer_leave(stage->composer);
    }
}

/* ---- summing up ---- */

/* How many of the asked number the data did not give. */
static uint64_t missing(struct stage *stage)
{
    uint64_t number = stage->plan->number, composed = stage->composer->composed;
    return !line_stopped(&stage->line) && composed < number ? number - composed : 0;
}

enum run_end stage_end(struct stage *stage)
{
    if (atomic_load(&stage->line.overdue))
        return RUN_END_HOOK_TIMEOUT;
    if (stage->composer->failure)
        return RUN_END_DATA_FAILED;
    enum run_end end = (enum run_end)atomic_load(&stage->line.end);
    bool stopped = line_stopped(&stage->line);
    /* Failures may have become too many while what was in flight came to its end. */
    if (stage->collector->too_many && !(stopped && end == RUN_END_INTERRUPTED))
        return RUN_END_ERRORS;
    if (stopped)
        return end;
    return stage->plan->number && !missing(stage) ? RUN_END_NUMBER : RUN_END_DATA;
}

/* Arrivals that were due before the stop and never started: of a closed loop the workers know, of
 * an open one the plan, of a trace those that had been read tell. */
static uint64_t not_started(const struct stage *stage, uint64_t stop_ns)
{
    const struct line *line = &stage->line;
    uint64_t start_ns = atomic_load(&line->start_ns), scored = stage->collector->live.scored;
    if (stage->plan->shape == PLAN_CLOSED)
        return atomic_load(&line->not_started);
    if (!stop_ns || stop_ns < start_ns)
        return 0;
    if (stage->plan->arrival == ARRIVAL_TRACE)
        return composer_kept_due(stage->composer, stop_ns - start_ns);
    uint64_t due = stage->plan->arrival == ARRIVAL_AT_ONCE && !stage->plan->number
                       ? stage->composer->composed
                       : plan_due_by(stage->plan, stop_ns - start_ns);
    if (stage->composer->data_ended && due > stage->composer->composed)
        due = stage->composer->composed; /* there was nothing more to send */
    return due > scored ? due - scored : 0;
}

static struct stage_facts stage_facts_of(struct stage *stage)
{
    struct line *line = &stage->line;
    uint64_t stop_ns = atomic_load(&line->stop_ns), last_end_ns = stage->collector->last_end_ns;
    struct stage_facts facts = {
        .window_start_ns = atomic_load(&line->first_start_ns),
        .window_end_ns = stop_ns ? stop_ns : last_end_ns,
        .drain_end_ns = last_end_ns,
        .last_start_ns = atomic_load(&line->last_start_ns),
        .steady_start_ns = atomic_load(&line->steady_start_ns),
        .started = atomic_load(&line->started),
        .delayed = stage->collector->delayed,
        .stream_asked = stage->config->spec->stream,
        .open = stage->plan->shape == PLAN_OPEN,
        .asked_rate = stage->plan->rate,
        .max_in_flight = atomic_load(&line->max_in_flight),
        .asked_concurrency = stage->plan->shape == PLAN_CLOSED ? stage->plan->parallel : 0,
    };
    facts.not_started = not_started(stage, stop_ns);
    facts.due = stage->collector->live.scored + facts.not_started;
    return facts;
}

/* A result from before the run was cut off, on the clock of this process. */
static void take_earlier(void *to, struct sample *sample)
{
    struct stage *stage = to;
    struct line *line = &stage->line;
    uint64_t start_ns = atomic_load(&line->start_ns), stop_ns = atomic_load(&line->stop_ns);
    sample_shift(sample, start_ns - stage_resume(stage)->start_ns);
    stats_add(stage->scorers[0].whole, sample, stop_ns);
    if (sample->exchange->started_ns)
        line_earlier(line, sample->exchange->started_ns);
    collector_earlier(stage->collector, sample);
}

static void add_earlier(struct stage *stage)
{
    const struct run_config *config = stage->config;
    struct err err;
    if (!stage_resume(stage) || !stage_resume(stage)->start_ns)
        return;
    if (!config->earlier(config->arg, take_earlier, stage, &err))
        log_error(config->log,
                  "what had been stored before the run was cut off is not in this "
                  "report: %s",
                  err.text);
}

static void sum_up(struct stage *stage, struct report *report)
{
    add_earlier(stage);
    struct stage_facts facts = stage_facts_of(stage);
    struct stats *whole = stage->scorers[0].whole, *steady = stage->scorers[0].steady;
    for (size_t i = 1; i < stage->scorer_count; i++) {
        stats_merge(whole, stage->scorers[i].whole);
        stats_merge(steady, stage->scorers[i].steady);
    }
    stats_summarise(whole, &facts, &report->whole);
    stats_summarise(steady, &facts, &report->steady);
}

static void trust_lags(struct stage *stage, struct trust *trust)
{
    struct hist *lag = hist_new();
    for (size_t i = 0; i < stage->worker_count; i++)
        hist_merge(lag, worker_facts(stage->workers[i]).loop_lag);
    trust->loop_lag_p50 = hist_quantile(lag, 0.5) / 1e9;
    trust->loop_lag_p99 = hist_quantile(lag, 0.99) / 1e9;
    trust->loop_lag_max = hist_max(lag) / 1e9;
    hist_free(lag);
}

static void trust_from_summary(const struct summary *whole, struct trust *trust)
{
    const double *lag = whole->metric[METRIC_OWN_LAG].value,
                 *delay = whole->metric[METRIC_RECEIVE_DELAY].value;
    trust->schedule_lag_p50 = lag[STAT_P50];
    trust->schedule_lag_p99 = lag[STAT_P99];
    trust->schedule_lag_max = lag[STAT_MAX];
    trust->receive_delay_p50 = delay[STAT_P50];
    trust->receive_delay_p99 = delay[STAT_P99];
    trust->receive_delay_max = delay[STAT_MAX];
}

/* The share of a core that the busiest of a kind used; `i` counts them. */
static double busier(size_t i, double share, uint64_t cpu_ns, double window_s)
{
    double own = window_s > 0 ? clock_seconds(cpu_ns) / window_s : NAN;
    return i == 0 || own > share ? own : share;
}

static void trust_scripts(const struct stage *stage, double window_s, struct trust *trust)
{
    const struct composer *composer = stage->composer;
    uint64_t before_ns = composer->cpu_before_ns;
    /* Of a thread that was given up another one has said the last word. */
    uint64_t during_ns = composer->cpu_ns > before_ns ? composer->cpu_ns - before_ns : 0;
    trust->composer_cpu_s = clock_seconds(composer->cpu_ns);
    trust->composer_cpu_share = busier(0, 0, during_ns, window_s);
    for (size_t i = 0; i < stage->scorer_count; i++) {
        const struct scorer *scorer = &stage->scorers[i];
        uint64_t drained_ns = stage->collector->last_end_ns;
        /* Whoever is behind goes on after the window. */
        double more_s =
            scorer->left_ns > drained_ns ? clock_seconds(scorer->left_ns - drained_ns) : 0;
        trust->scorer_cpu_s += clock_seconds(scorer->cpu_ns);
        trust->scorer_cpu_share =
            busier(i, trust->scorer_cpu_share, scorer->cpu_ns, window_s + more_s);
    }
}

static void trust_workers(struct stage *stage, double window_s, struct trust *trust)
{
    for (size_t i = 0; i < stage->worker_count; i++) {
        struct worker_facts facts = worker_facts(stage->workers[i]);
        trust->worker_cpu_s += clock_seconds(facts.cpu_ns);
        trust->worker_cpu_share = busier(i, trust->worker_cpu_share, facts.cpu_ns, window_s);
        trust->starved += facts.starved;
        trust->starved_s += clock_seconds(facts.starved_ns);
        trust->held += facts.held;
        /* every worker sees the same steps */
        if (facts.clock.steps > trust->clock_steps)
            trust->clock_steps = facts.clock.steps;
        trust->clock_step_s = fmax(trust->clock_step_s, clock_seconds(facts.clock.largest_ns));
        trust->paused += facts.paused;
        trust->preconnect_asked += facts.preconnect_asked;
        trust->preconnected += facts.preconnected;
    }
}

static void fill_trust(struct stage *stage, struct report *report)
{
    struct trust *trust = &report->trust;
    const struct summary *whole = &report->whole;
    const struct summary *best = whole->facts.steady_start_ns ? &report->steady : whole;
    uint64_t begun = whole->facts.window_start_ns, drained = whole->facts.drain_end_ns;
    trust_lags(stage, trust);
    trust_from_summary(whole, trust);
    double window_s = drained > begun ? clock_seconds(drained - begun) : 0;
    trust_workers(stage, window_s, trust);
    trust_scripts(stage, window_s, trust);
    trust->reads_kernel = stage->collector->marks_kernel;
    trust->reads_user = stage->collector->marks_user;
    trust->process_cpu_s = clock_seconds(clock_process_cpu_ns() - stage->cpu_before_ns);
    trust->bodies_left_out = atomic_load(&stage->line.bodies_left_out);
    trust->bodies_not_asked = stage->collector->keeping.not_asked;
    trust->bodies_past_max = stage->collector->keeping.past_max;
    trust->missing = missing(stage);
    trust->sinks_broken = collector_broken_sinks(stage->collector);
    trust->results_lost = collector_lost(stage->collector);
    trust->resumed = stage_resume(stage) ? stage_resume(stage)->times : 0;
    trust->data_cycles = atomic_load(&stage->line.data_cycles);
    trust->malformed_rows = script_malformed(stage->composer->script);
    trust->asked_concurrency = whole->facts.asked_concurrency;
    trust->asked_rate = whole->facts.asked_rate;
    trust->achieved_rate = whole->metric[METRIC_ACHIEVED_RATE].value[STAT_MEAN];
    trust->achieved_concurrency = best->metric[METRIC_ACHIEVED_CONCURRENCY].value[STAT_MEAN];
    trust->warnings = log_warnings(stage->config->log) - stage->warnings_before;
}

static void fill_errors(struct stage *stage, struct report *report)
{
    for (size_t i = 0; i < OUTCOME_COUNT; i++) {
        const char *error = stage->collector->first_error[i];
        if (!error)
            continue;
        char *line = mem_printf("%s: %s", outcome_name((enum outcome)i), error);
        list_add(&report->first_errors, line);
        free(line);
    }
    report->own_error = mem_text(stage->collector->own_error);
}

/* A cap, a slow script or data that come slowly can keep the composer behind the times of a trace;
 * what it had not read at the stop is in no count. */
static void note_unread(const struct stage *stage)
{
    uint64_t stop_ns = atomic_load(&stage->line.stop_ns),
             start_ns = atomic_load(&stage->line.start_ns), known_ns = stage->composer->known_ns;
    if (stage->plan->arrival == ARRIVAL_TRACE && stop_ns > start_ns &&
        known_ns < stop_ns - start_ns)
        log_warn(
            stage->config->log,
            "the trace had been read up to %.3f s when starting stopped at %.3f s; what was due "
            "between them is not counted, neither as due nor as not started",
            clock_seconds(known_ns), clock_seconds(stop_ns - start_ns));
}

void stage_report(struct stage *stage, struct report *report)
{
    report->facts = stage->config->facts;
    report->stage = stage->number;
    report->plan = *stage->plan;
    plan_label(stage->plan, report->label, sizeof report->label);
    report->end = stage_end(stage);
    note_unread(stage);
    report->interrupted = report->end == RUN_END_INTERRUPTED;
    sum_up(stage, report);
    fill_trust(stage, report);
    stage_behind(stage, report);
    fill_errors(stage, report);
    verdict_of(&report->whole, &report->steady, &report->trust, &report->verdict);
    const char *overdue = atomic_load(&stage->line.overdue_why),
               *failure = stage->composer->failure;
    if (overdue || failure)
        report->stop_reason = mem_text(overdue ? overdue : failure);
    else if (report->end == RUN_END_ERRORS)
        report->stop_reason = mem_text(stage->collector->too_many);
}

/* ---- taking down ---- */

static void close_queues(struct line *line)
{
    queue_free(line->ready);
    queue_free(line->finished);
    queue_free(line->samples);
    queue_free(line->connected);
    free(line->preconnect_url);
}

void stage_close(struct stage *stage)
{
    collector_leave(stage->collector);
    for (size_t i = 0; i < stage->worker_count; i++)
        worker_free(stage->workers[i]);
    free(stage->workers);
    free(stage->worker_threads);
    free(stage->line.listeners);
    for (size_t i = 0; i < stage->scorer_count; i++) {
        stats_free(stage->scorers[i].whole);
        stats_free(stage->scorers[i].steady);
        stage->scorers[i].whole = stage->scorers[i].steady = NULL;
    }
    free(stage->scorer_threads);
    free(stage->stand_ins);
    free(atomic_load(&stage->line.overdue_why));
    stage->composer->composed = stage->composer->passed = 0;
    stage->composer->known_ns = 0;
    close_queues(&stage->line);
}
