#include "run/run.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "model/run_spec.h"
#include "run/collector.h"
#include "run/composer.h"
#include "run/scorer.h"
#include "run/worker.h"

enum {
    FINISHED_ITEMS = 4096, /* or four a slot, whichever is more */
    SAMPLES_ITEMS = 4096,
};
static const size_t READY_BYTES = (size_t)256 << 20;
static const size_t FINISHED_BYTES = (size_t)256 << 20;
static const size_t SAMPLES_BYTES = (size_t)64 << 20;

struct thread {
    pthread_t id;
    bool running;
};

/* The stations and their threads. Arrays have `count` entries made so far. */
struct run {
    struct run_config *config;
    struct line line;
    struct composer composer;
    struct thread composer_thread;
    struct worker **workers;
    struct thread *worker_threads;
    size_t worker_count;
    struct scorer *scorers;
    struct thread *scorer_threads;
    size_t scorer_count;
    struct collector collector;
    bool collector_ready;
};

/* ---- setting up ---- */

static void name_scripts(struct run_facts *facts, const struct script_facts *script)
{
    facts->api = mem_printf("%s (%s)", script->api_name, script->api_where);
    facts->dataset = script->dataset_where
                         ? mem_printf("%s (%s)", script->dataset_name, script->dataset_where)
                         : mem_text(script->dataset_name);
}

static bool open_scripts(struct run *run, struct err *err)
{
    struct script_config config = run->config->script;
    size_t wanted = run->config->scorers ? run->config->scorers : run->config->plan.threads;
    config.role = SCRIPT_SCORER;
    run->scorers = mem_zero(wanted, sizeof *run->scorers);
    run->scorer_threads = mem_zero(wanted, sizeof *run->scorer_threads);
    for (; run->scorer_count < wanted; run->scorer_count++) {
        struct scorer *scorer = &run->scorers[run->scorer_count];
        scorer->line = &run->line;
        if (!(scorer->script = script_open(&config, err)))
            return false;
        scorer->whole = stats_new();
        scorer->steady = stats_new();
        if (!script_set_setup(scorer->script, script_setup_result(run->composer.script), err)) {
            run->scorer_count++;
            return false;
        }
    }
    return true;
}

static bool open_workers(struct run *run, struct err *err)
{
    const struct plan *plan = &run->config->plan;
    uint64_t body_limit = run->config->spec->max_response_bytes;
    run->workers = mem_zero(plan->threads, sizeof *run->workers);
    run->worker_threads = mem_zero(plan->threads, sizeof *run->worker_threads);
    run->line.listeners = mem_zero(plan->threads, sizeof *run->line.listeners);
    for (; run->worker_count < plan->threads; run->worker_count++) {
        struct worker *worker = worker_new(&run->line, (uint32_t)run->worker_count,
                                           &run->config->http, body_limit, err);
        if (!worker)
            return false;
        run->workers[run->worker_count] = worker;
        run->line.listeners[run->line.listener_count++] = worker_listener(worker);
    }
    return true;
}

static uint64_t all_reads(void *arg)
{
    struct run *run = arg;
    uint64_t reads = 0;
    for (size_t i = 0; i < run->worker_count; i++)
        reads += worker_reads(run->workers[i]);
    return reads;
}

static void open_line(struct run *run)
{
    const struct plan *plan = &run->config->plan;
    struct line *line = &run->line;
    size_t finished = (size_t)plan->parallel * 4;
    line->plan = plan;
    line->log = run->config->log;
    line->ready = queue_new(plan_ahead(plan), READY_BYTES);
    line->finished =
        queue_new(finished > FINISHED_ITEMS ? finished : FINISHED_ITEMS, FINISHED_BYTES);
    line->samples = queue_new(SAMPLES_ITEMS, SAMPLES_BYTES);
    run->composer.line = line;
}

static bool run_open(struct run *run, struct err *err)
{
    struct run_config *config = run->config;
    struct script_config script = config->script;
    script.role = SCRIPT_COMPOSER;
    open_line(run);
    if (!(run->composer.script = script_open(&script, err)))
        return false;
    const struct script_facts *facts = script_facts(run->composer.script);
    name_scripts(config->facts, facts);
    config->http.end_marker = facts->end_marker;
    if (!open_scripts(run, err) || !config->ready(config->arg, facts, &config->http, err) ||
        !open_workers(run, err) || !collector_init(&run->collector, &run->line, config, err))
        return false;
    run->collector_ready = true;
    run->collector.reads = all_reads;
    run->collector.reads_arg = run;
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

static bool start_threads(struct run *run, struct err *err)
{
    bool ok = true;
    atomic_store(&run->line.workers_left, (uint32_t)run->worker_count);
    atomic_store(&run->line.scorers_left, (uint32_t)run->scorer_count);
    for (size_t i = 0; ok && i < run->scorer_count; i++)
        ok = thread_start(&run->scorer_threads[i], scorer_run, &run->scorers[i], err);
    for (size_t i = 0; ok && i < run->worker_count; i++)
        ok = thread_start(&run->worker_threads[i], worker_run, run->workers[i], err);
    return ok && thread_start(&run->composer_thread, composer_run, &run->composer, err);
}

static void join_thread(struct thread *thread)
{
    if (thread->running)
        pthread_join(thread->id, NULL);
}

static bool run_threads(struct run *run, struct err *err)
{
    bool ok = start_threads(run, err);
    if (ok) {
        collector_run(&run->collector);
    } else { /* nothing has been released: those that did start find the stop and leave */
        line_stop(&run->line, RUN_END_INTERRUPTED, clock_now_ns());
        queue_close(run->line.finished);
        queue_close(run->line.samples);
    }
    join_thread(&run->composer_thread);
    for (size_t i = 0; i < run->worker_count; i++)
        join_thread(&run->worker_threads[i]);
    for (size_t i = 0; i < run->scorer_count; i++)
        join_thread(&run->scorer_threads[i]);
    return ok;
}

/* ---- summing up ---- */

static enum run_end run_ended_by(struct run *run)
{
    if (line_stopped(&run->line))
        return (enum run_end)atomic_load(&run->line.end);
    return run->config->plan.number ? RUN_END_NUMBER : RUN_END_DATA;
}

static struct stage_facts stage_facts_of(struct run *run)
{
    struct line *line = &run->line;
    uint64_t stop_ns = atomic_load(&line->stop_ns), last_end_ns = run->collector.last_end_ns;
    uint64_t not_started = atomic_load(&line->not_started);
    struct stage_facts facts = {
        .window_start_ns = atomic_load(&line->first_start_ns),
        .window_end_ns = stop_ns ? stop_ns : last_end_ns,
        .drain_end_ns = last_end_ns,
        .last_start_ns = atomic_load(&line->last_start_ns),
        .steady_start_ns = atomic_load(&line->steady_start_ns),
        .due = run->collector.live.scored + not_started,
        .not_started = not_started,
        .max_in_flight = atomic_load(&line->max_in_flight),
        .asked_concurrency = run->config->plan.parallel,
    };
    return facts;
}

static void sum_up(struct run *run, struct report *report)
{
    struct stage_facts facts = stage_facts_of(run);
    struct stats *whole = run->scorers[0].whole, *steady = run->scorers[0].steady;
    for (size_t i = 1; i < run->scorer_count; i++) {
        stats_merge(whole, run->scorers[i].whole);
        stats_merge(steady, run->scorers[i].steady);
    }
    stats_summarise(whole, &facts, &report->whole);
    stats_summarise(steady, &facts, &report->steady);
}

static void trust_lags(struct run *run, struct trust *trust)
{
    struct hist *lag = hist_new();
    for (size_t i = 0; i < run->worker_count; i++)
        hist_merge(lag, worker_facts(run->workers[i]).loop_lag);
    trust->loop_lag_p50 = hist_quantile(lag, 0.5) / 1e9;
    trust->loop_lag_p99 = hist_quantile(lag, 0.99) / 1e9;
    trust->loop_lag_max = hist_max(lag) / 1e9;
    hist_free(lag);
}

static void trust_from_summary(const struct summary *whole, struct trust *trust)
{
    const double *lag = whole->metric[METRIC_SCHEDULE_LAG].value,
                 *delay = whole->metric[METRIC_RECEIVE_DELAY].value;
    trust->schedule_lag_p50 = lag[STAT_P50];
    trust->schedule_lag_p99 = lag[STAT_P99];
    trust->schedule_lag_max = lag[STAT_MAX];
    trust->receive_delay_p50 = delay[STAT_P50];
    trust->receive_delay_p99 = delay[STAT_P99];
    trust->receive_delay_max = delay[STAT_MAX];
}

static void trust_workers(struct run *run, double window_s, struct trust *trust)
{
    for (size_t i = 0; i < run->worker_count; i++) {
        struct worker_facts facts = worker_facts(run->workers[i]);
        double share = window_s > 0 ? clock_seconds(facts.cpu_ns) / window_s : NAN;
        if (i == 0 || share > trust->worker_cpu_share)
            trust->worker_cpu_share = share;
        trust->starved += facts.starved;
        trust->starved_s += clock_seconds(facts.starved_ns);
        trust->held += facts.held;
    }
}

static void fill_trust(struct run *run, struct report *report)
{
    struct trust *trust = &report->trust;
    const struct summary *whole = &report->whole;
    const struct summary *best = whole->facts.steady_start_ns ? &report->steady : whole;
    uint64_t begun = whole->facts.window_start_ns, drained = whole->facts.drain_end_ns;
    trust_lags(run, trust);
    trust_from_summary(whole, trust);
    trust_workers(run, drained > begun ? clock_seconds(drained - begun) : 0, trust);
    trust->reads_kernel = run->collector.marks_kernel;
    trust->reads_user = run->collector.marks_user;
    trust->process_cpu_s = clock_seconds(clock_process_cpu_ns());
    trust->bodies_left_out = atomic_load(&run->line.bodies_left_out);
    trust->data_cycles = atomic_load(&run->line.data_cycles);
    trust->malformed_rows = script_malformed(run->composer.script);
    trust->asked_concurrency = run->config->plan.parallel;
    trust->achieved_concurrency = best->metric[METRIC_ACHIEVED_CONCURRENCY].value[STAT_MEAN];
    trust->warnings = log_warnings(run->config->log);
}

static void fill_errors(struct run *run, struct report *report)
{
    for (size_t i = 0; i < OUTCOME_COUNT; i++) {
        const char *error = run->collector.first_error[i];
        if (!error)
            continue;
        char *line = mem_printf("%s: %s", outcome_name((enum outcome)i), error);
        list_add(&report->first_errors, line);
        free(line);
    }
}

static void fill_report(struct run *run, struct report *report)
{
    report->facts = run->config->facts;
    report->end = run_ended_by(run);
    report->interrupted = report->end == RUN_END_INTERRUPTED;
    sum_up(run, report);
    fill_trust(run, report);
    fill_errors(run, report);
    verdict_of(&report->whole, &report->steady, &report->trust, &report->verdict);
    if (run->composer.failure)
        report->stop_reason = mem_text(run->composer.failure);
}

/* ---- taking down ---- */

static void close_queues(struct line *line)
{
    void *item;
    queue_close(line->ready);
    while ((item = queue_try_take(line->ready)))
        request_free(item);
    queue_free(line->ready);
    queue_free(line->finished);
    queue_free(line->samples);
}

static void run_close(struct run *run)
{
    if (run->collector_ready)
        collector_fini(&run->collector);
    for (size_t i = 0; i < run->worker_count; i++)
        worker_free(run->workers[i]);
    free(run->workers);
    free(run->worker_threads);
    free(run->line.listeners);
    for (size_t i = 0; i < run->scorer_count; i++) {
        script_close(run->scorers[i].script);
        stats_free(run->scorers[i].whole);
        stats_free(run->scorers[i].steady);
    }
    free(run->scorers);
    free(run->scorer_threads);
    if (run->composer.script)
        script_close(run->composer.script);
    free(run->composer.failure);
    close_queues(&run->line);
}

static void end_sinks(struct run *run, const struct report *report)
{
    for (size_t i = 0; i < run->config->sink_count; i++) {
        const struct sink *sink = &run->config->sinks[i];
        struct err err;
        if (sink->end && !run->collector.sink_broken[i] && !sink->end(sink->self, report, &err))
            log_error(run->config->log, "%s: %s", sink->name, err.text);
    }
}

bool run_execute(struct run_config *config, struct report *report, struct err *err)
{
    struct run *run = MEM_NEW(struct run);
    run->config = config;
    *report = (struct report){0};
    bool ok = run_open(run, err) && run_threads(run, err);
    if (ok) {
        fill_report(run, report);
        end_sinks(run, report);
    }
    run_close(run);
    free(run);
    return ok;
}
