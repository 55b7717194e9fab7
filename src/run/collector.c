#include "run/collector.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "model/run_spec.h"
#include "model/sample.h"

static const uint64_t TICK_NS = 200 * NS_PER_MS;
enum { RATE_JUDGED_FROM = 20 }; /* requests that succeeded or failed; --help says it too */
enum { SAMPLES_A_TURN = 256 };  /* then the loop gets a turn: signals and the display stay alive */

/* ---- sinks ---- */

static void sink_result(struct collector *collector, size_t i, uint64_t began_ns, bool ok,
                        const struct err *err)
{
    uint64_t took_ns = clock_now_ns() - began_ns;
    collector->sinks_ns += took_ns;
    if (took_ns > collector->sinks_slowest_ns)
        collector->sinks_slowest_ns = took_ns;
    if (ok)
        return;
    collector->sink_broken[i] = true;
    log_error(collector->config->log, "%s: %s%s", collector->config->sinks[i].name, err->text,
              collector->config->sinks[i].lasts ? "" : " (nothing more is written there)");
}

/* Whether a sink is still given what there is. */
static bool is_heard(const struct collector *collector, size_t i)
{
    return !collector->sink_broken[i] || collector->config->sinks[i].lasts;
}

static void give_sample(struct collector *collector, const struct sample *sample)
{
    for (size_t i = 0; i < collector->config->sink_count; i++) {
        const struct sink *sink = &collector->config->sinks[i];
        struct err err;
        uint64_t began_ns = clock_now_ns();
        if (sink->sample && is_heard(collector, i))
            sink_result(collector, i, began_ns,
                        sink->sample(sink->self, sample, !sample->bodies_left_out, &err), &err);
    }
}

static void give_tick(struct collector *collector)
{
    for (size_t i = 0; i < collector->config->sink_count; i++) {
        const struct sink *sink = &collector->config->sinks[i];
        struct err err;
        uint64_t began_ns = clock_now_ns();
        if (sink->tick && is_heard(collector, i))
            sink_result(collector, i, began_ns, sink->tick(sink->self, &collector->live, &err),
                        &err);
    }
}

static void give_stage_begin(struct collector *collector, uint32_t stage)
{
    for (size_t i = 0; i < collector->config->sink_count; i++) {
        const struct sink *sink = &collector->config->sinks[i];
        struct err err;
        uint64_t began_ns = clock_now_ns();
        if (sink->stage_begin && is_heard(collector, i))
            sink_result(collector, i, began_ns,
                        sink->stage_begin(sink->self, stage, collector->line->plan, &err), &err);
    }
}

void collector_stage_end(struct collector *collector, const struct report *report)
{
    for (size_t i = 0; i < collector->config->sink_count; i++) {
        const struct sink *sink = &collector->config->sinks[i];
        struct err err;
        uint64_t began_ns = clock_now_ns();
        if (sink->stage_end && is_heard(collector, i))
            sink_result(collector, i, began_ns, sink->stage_end(sink->self, report, &err), &err);
    }
}

void collector_end(struct collector *collector, const struct reports *reports)
{
    for (size_t i = 0; i < collector->config->sink_count; i++) {
        const struct sink *sink = &collector->config->sinks[i];
        struct err err;
        uint64_t began_ns = clock_now_ns();
        if (sink->end && is_heard(collector, i))
            sink_result(collector, i, began_ns, sink->end(sink->self, reports, &err), &err);
    }
}

/* ---- live figures ---- */

static double mean_of(double sum, uint64_t count)
{
    return count ? sum / (double)count : NAN;
}

/* Before anything of the stage is given to the sinks. */
static void tell_begun(struct collector *collector)
{
    const struct run_config *config = collector->config;
    uint64_t start_ns = atomic_load(&collector->line->start_ns);
    if (collector->begun || !start_ns)
        return;
    collector->begun = true;
    if (config->began)
        config->began(config->arg, collector->live.stage, start_ns, collector->first_arrival);
}

static void live_refresh(struct collector *collector)
{
    struct line *line = collector->line;
    struct live *live = &collector->live;
    uint64_t now = clock_now_ns(), start_ns = atomic_load(&line->start_ns),
             first_ns = atomic_load(&line->first_start_ns);
    live->elapsed_s = start_ns ? clock_seconds(now - start_ns) : 0;
    live->window_s = first_ns && now > first_ns ? clock_seconds(now - first_ns) : 0;
    live->started = atomic_load(&line->started);
    live->ended = atomic_load(&line->ended);
    live->in_flight = atomic_load(&line->in_flight);
    live->draining = line_stopped(line);
    live->reads = collector->reads(collector->reads_arg);
    live->ttft_p50 = hist_quantile(collector->ttft, 0.5) / 1e9;
    live->ttft_mean = mean_of(collector->ttft_sum, collector->ttft_count);
    live->latency_mean = mean_of(collector->latency_sum, collector->latency_count);
    live->package_latency_mean = mean_of(collector->gap_sum, collector->gap_count);
}

static void live_success(struct collector *collector, const struct sample *sample)
{
    uint64_t sent_ns = sample->exchange->sent_ns;
    double latency = sample_latency(sample);
    const struct metric *gap = metric_at(METRIC_PACKAGE_LATENCY);
    double package_gap = metric_applies(gap, sample) ? gap->of(sample) : NAN;
    if (sample->first_token_ns > sent_ns) {
        hist_record(collector->ttft, sample->first_token_ns - sent_ns);
        collector->ttft_sum += clock_seconds(sample->first_token_ns - sent_ns);
        collector->ttft_count++;
    }
    if (!isnan(latency)) {
        collector->latency_sum += latency;
        collector->latency_count++;
    }
    if (!isnan(package_gap)) {
        collector->gap_sum += package_gap;
        collector->gap_count++;
    }
    collector->live.packages += sample->data_events;
    if (sample->completion_tokens != TOKENS_UNKNOWN)
        collector->live.completion_tokens += sample->completion_tokens;
    if (sample->prompt_tokens != TOKENS_UNKNOWN)
        collector->live.prompt_tokens += sample->prompt_tokens;
}

static void live_add(struct collector *collector, const struct sample *sample)
{
    struct live *live = &collector->live;
    live->scored++;
    live->events += sample->event_count;
    if (sample->outcome == OUTCOME_OK) {
        live->ok++;
        live_success(collector, sample);
    } else if (outcome_is_failure(sample->outcome)) {
        live->failed++;
    } else {
        live->cancelled++;
    }
}

/* ---- samples ---- */

/* The first one is named where everyone sees it, the others for whoever looks for them. */
static void note_own_error(struct collector *collector, const struct sample *sample)
{
    unsigned long long index = (unsigned long long)sample->exchange->request->index;
    if (collector->own_error) {
        log_debug(collector->line->log, "request %llu: %s", index, sample->own_error);
        return;
    }
    collector->own_error = mem_text(sample->own_error);
    log_warn(collector->line->log, "request %llu has no value: %s", index, sample->own_error);
}

static void note_due(struct collector *collector, const struct exchange *exchange)
{
    if (!exchange->started_ns)
        return;
    if (!collector->first_due_ns || exchange->due_ns < collector->first_due_ns)
        collector->first_due_ns = exchange->due_ns;
    if (exchange->due_ns > collector->last_due_ns)
        collector->last_due_ns = exchange->due_ns;
}

static void note_facts(struct collector *collector, const struct sample *sample)
{
    const struct exchange *exchange = sample->exchange;
    if (exchange->end_ns > collector->last_end_ns)
        collector->last_end_ns = exchange->end_ns;
    collector->delayed += exchange->request->delay_ns > 0;
    note_due(collector, exchange);
    for (size_t i = 0; i < exchange->mark_count; i++)
        if (exchange->marks[i].kernel_ns)
            collector->marks_kernel++;
        else
            collector->marks_user++;
    if (sample->error && !collector->first_error[sample->outcome])
        collector->first_error[sample->outcome] = mem_text(sample->error);
    if (sample->token_error)
        log_debug(collector->line->log, "tokens of request %llu: %s",
                  (unsigned long long)exchange->request->index, sample->token_error);
    if (sample->own_error)
        note_own_error(collector, sample);
}

/* --max-errors and --max-error-rate; what the first of them says, NULL = the run may go on. */
static char *too_many_failed(const struct run_spec *spec, const struct live *live)
{
    uint64_t ended = live->ok + live->failed;
    double share = ended ? (double)live->failed / (double)ended : 0;
    if (spec->max_errors && live->failed >= (uint64_t)spec->max_errors)
        return mem_printf("%llu of %llu requests had failed (--max-errors %lld)",
                          (unsigned long long)live->failed, (unsigned long long)ended,
                          (long long)spec->max_errors);
    if (spec->max_error_rate > 0 && ended >= RATE_JUDGED_FROM && share > spec->max_error_rate)
        return mem_printf("%llu of %llu requests (%.1f%%) had failed (--max-error-rate %g%%)",
                          (unsigned long long)live->failed, (unsigned long long)ended, 100 * share,
                          100 * spec->max_error_rate);
    return NULL;
}

static void judge_failures(struct collector *collector)
{
    struct line *line = collector->line;
    if (collector->too_many)
        return;
    collector->too_many = too_many_failed(collector->config->spec, &collector->live);
    if (!collector->too_many)
        return;
    log_warn(line->log, "%s: no more are started", collector->too_many);
    line_stop(line, RUN_END_ERRORS, clock_now_ns());
}

static void collect(void *arg)
{
    struct collector *collector = arg;
    if (!collector->line) /* a late wake between stages */
        return;
    for (int i = 0; i < SAMPLES_A_TURN; i++) {
        struct sample *sample = queue_take_or_watch(collector->line->samples, &collector->waiter);
        if (!sample) {
            if (queue_finished(collector->line->samples) &&
                atomic_load(&collector->line->composer_left))
                loop_stop(collector->loop);
            return;
        }
        tell_begun(collector);
        note_facts(collector, sample);
        live_add(collector, sample);
        judge_failures(collector);
        sample->bodies_unwanted = !keeping_wants(&collector->keeping, sample);
        give_sample(collector, sample);
        sample_free(sample);
    }
    loop_wake(collector->loop);
}

static void set_tick(struct collector *collector)
{
    uint64_t rest_ns = collector->rest_until_ns;
    bool rests = !collector->line && rest_ns < collector->next_tick_ns;
    alarm_set(collector->tick, rests ? rest_ns : collector->next_tick_ns);
}

static void tick(void *arg)
{
    struct collector *collector = arg;
    uint64_t now = clock_now_ns();
    if (collector->line) {
        live_refresh(collector);
        tell_begun(collector);
        give_tick(collector);
        hooks_tick(collector->hooks, collector->line, &collector->live, now);
    } else if (now >= collector->rest_until_ns) {
        loop_stop(collector->loop);
        return;
    }
    while (collector->next_tick_ns <= now)
        collector->next_tick_ns += TICK_NS;
    set_tick(collector);
}

static void show(struct collector *collector)
{
    const struct run_config *config = collector->config;
    if (collector->line)
        live_refresh(collector);
    if (config->show)
        config->show(config->arg, &collector->live, !collector->line);
}

/* First drains, second cancels, third keeps what is stored and leaves. Between stages there is
 * nothing to drain. */
static void interrupted(void *arg, int signo)
{
    struct collector *collector = arg;
    struct line *line = collector->line;
    struct log *log = collector->config->log;
    if (signo == SIGUSR1) {
        show(collector);
        return;
    }
    collector->interrupts++;
    if (!line) {
        loop_stop(collector->loop);
    } else if (collector->interrupts == 1) {
        log_info(log,
                 "%s: no more requests are started; waiting for %u in flight (again: cancel them)",
                 signo == SIGINT ? "interrupted" : "told to stop", atomic_load(&line->in_flight));
        line_stop(line, RUN_END_INTERRUPTED, clock_now_ns());
    } else if (collector->interrupts == 2) {
        log_info(log, "cancelling what is in flight (again: leave at once)");
        line_cancel(line);
    } else if (collector->config->abandon) {
        collector->config->abandon(collector->config->arg);
    }
}

/* ---- life ---- */

static uint64_t sinks_lost(const struct collector *collector)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < collector->config->sink_count; i++) {
        const struct sink *sink = &collector->config->sinks[i];
        lost += sink->lost ? sink->lost(sink->self) : 0;
    }
    return lost;
}

bool collector_init(struct collector *collector, struct run_config *config, struct hooks *hooks,
                    struct err *err)
{
    *collector = (struct collector){.config = config, .hooks = hooks, .ttft = hist_new()};
    collector->sink_broken = mem_zero(config->sink_count, sizeof *collector->sink_broken);
    keeping_init(&collector->keeping, config->spec);
    if (config->place) {
        collector->keeping.bytes = config->place->body_bytes;
        collector->keeping.full = config->place->bodies_full;
    }
    if (!(collector->loop = loop_new(err)) ||
        !(collector->signals = signals_new(collector->loop, interrupted, collector, err)) ||
        !(collector->tick = alarm_new(collector->loop, tick, collector, err))) {
        collector_fini(collector);
        return false;
    }
    collector->waiter = (struct queue_waiter){.wake = loop_wake, .arg = collector->loop};
    loop_on_wake(collector->loop, collect, collector);
    return true;
}

static void forget_errors(struct collector *collector)
{
    for (size_t i = 0; i < OUTCOME_COUNT; i++) {
        free(collector->first_error[i]);
        collector->first_error[i] = NULL;
    }
    free(collector->own_error);
    free(collector->too_many);
    collector->own_error = collector->too_many = NULL;
}

static void forget_stage(struct collector *collector)
{
    hist_free(collector->ttft);
    collector->ttft = hist_new();
    collector->live = (struct live){0};
    collector->begun = false;
    collector->ttft_sum = collector->latency_sum = collector->gap_sum = 0;
    collector->ttft_count = collector->latency_count = collector->gap_count = 0;
    collector->keeping.not_asked = collector->keeping.past_max = 0;
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        collector->earlier_error[i] = false;
    collector->last_end_ns = collector->delayed = collector->marks_kernel = collector->marks_user =
        0;
    collector->first_due_ns = collector->last_due_ns = 0;
    collector->sinks_ns = collector->sinks_slowest_ns = collector->done_ns = 0;
    forget_errors(collector);
}

void collector_begin(struct collector *collector, struct line *line, uint32_t stage,
                     uint64_t (*reads)(void *arg), void *reads_arg)
{
    struct live *live = &collector->live;
    forget_stage(collector);
    collector->lost_before = sinks_lost(collector);
    collector->line = line;
    line->main = (struct line_listener){.wake = loop_wake, .arg = collector->loop};
    collector->reads = reads;
    collector->reads_arg = reads_arg;
    live->asked = line->plan->number;
    live->duration_s = clock_seconds(line->plan->duration_ns);
    live->parallel = line->plan->shape == PLAN_CLOSED ? line->plan->parallel : 0;
    live->stage = stage;
    live->stages = (uint32_t)collector->config->plan_count +
                   (collector->config->place ? collector->config->place->stage : 0);
    plan_label(line->plan, live->label, sizeof live->label);
    give_stage_begin(collector, stage);
    if (collector->interrupts) /* it came while the stage was set up */
        line_stop(line, RUN_END_INTERRUPTED, clock_now_ns());
}

void collector_resume(struct collector *collector, const struct resume *resume)
{
    struct live *live = &collector->live;
    live->ok = resume->ok;
    live->failed = resume->failed;
    live->cancelled = resume->cancelled;
    live->scored = resume->ok + resume->failed + resume->cancelled;
    collector->keeping.bytes = resume->body_bytes;
}

/* Of its errors the first example is the earlier one. */
void collector_earlier(struct collector *collector, const struct sample *sample)
{
    char **first = &collector->first_error[sample->outcome];
    if (sample->error && !collector->earlier_error[sample->outcome]) {
        free(*first);
        *first = NULL;
        collector->earlier_error[sample->outcome] = true;
    }
    note_facts(collector, sample);
}

static void start_ticking(struct collector *collector)
{
    collector->next_tick_ns = clock_now_ns() + TICK_NS;
    set_tick(collector);
}

void collector_run(struct collector *collector)
{
    start_ticking(collector);
    hooks_begin(collector->hooks, clock_now_ns());
    loop_wake(collector->loop);
    loop_run(collector->loop);
    collector->done_ns = clock_now_ns();
    live_refresh(collector);
    give_tick(collector);
}

uint64_t collector_broken_sinks(const struct collector *collector)
{
    uint64_t broken = 0;
    for (size_t i = 0; i < collector->config->sink_count; i++)
        broken += collector->sink_broken[i];
    return broken;
}

uint64_t collector_lost(const struct collector *collector)
{
    return sinks_lost(collector) - collector->lost_before;
}

void collector_leave(struct collector *collector)
{
    if (collector->line)
        queue_unwatch(collector->line->samples, &collector->waiter);
    collector->line = NULL;
}

bool collector_rest(struct collector *collector, uint64_t rest_ns)
{
    collector->rest_until_ns = clock_now_ns() + rest_ns;
    start_ticking(collector);
    loop_run(collector->loop);
    return !collector->interrupts;
}

void collector_fini(struct collector *collector)
{
    if (collector->tick)
        alarm_free(collector->tick);
    if (collector->signals)
        signals_free(collector->signals);
    if (collector->loop)
        loop_free(collector->loop);
    hist_free(collector->ttft);
    free(collector->sink_broken);
    forget_errors(collector);
}
