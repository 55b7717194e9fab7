#include "run/collector.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "model/sample.h"

static const uint64_t TICK_NS = 200 * NS_PER_MS;
enum { SAMPLES_A_TURN = 256 }; /* then the loop gets a turn: signals and the display stay alive */

/* ---- sinks ---- */

static void sink_result(struct collector *collector, size_t i, bool ok, const struct err *err)
{
    if (ok)
        return;
    collector->sink_broken[i] = true;
    log_error(collector->line->log, "%s: %s (nothing more is written there)",
              collector->config->sinks[i].name, err->text);
}

static void give_sample(struct collector *collector, const struct sample *sample)
{
    for (size_t i = 0; i < collector->config->sink_count; i++) {
        const struct sink *sink = &collector->config->sinks[i];
        struct err err;
        if (sink->sample && !collector->sink_broken[i])
            sink_result(collector, i,
                        sink->sample(sink->self, sample, !sample->bodies_left_out, &err), &err);
    }
}

static void give_tick(struct collector *collector)
{
    for (size_t i = 0; i < collector->config->sink_count; i++) {
        const struct sink *sink = &collector->config->sinks[i];
        struct err err;
        if (sink->tick && !collector->sink_broken[i])
            sink_result(collector, i, sink->tick(sink->self, &collector->live, &err), &err);
    }
}

/* ---- live figures ---- */

static double mean_of(double sum, uint64_t count)
{
    return count ? sum / (double)count : NAN;
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

static void note_facts(struct collector *collector, const struct sample *sample)
{
    const struct exchange *exchange = sample->exchange;
    if (exchange->end_ns > collector->last_end_ns)
        collector->last_end_ns = exchange->end_ns;
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
}

static void collect(void *arg)
{
    struct collector *collector = arg;
    for (int i = 0; i < SAMPLES_A_TURN; i++) {
        struct sample *sample = queue_take_or_watch(collector->line->samples, &collector->waiter);
        if (!sample) {
            if (queue_finished(collector->line->samples))
                loop_stop(collector->loop);
            return;
        }
        note_facts(collector, sample);
        live_add(collector, sample);
        give_sample(collector, sample);
        sample_free(sample);
    }
    loop_wake(collector->loop);
}

static void tick(void *arg)
{
    struct collector *collector = arg;
    live_refresh(collector);
    give_tick(collector);
    uint64_t now = clock_now_ns();
    while (collector->next_tick_ns <= now)
        collector->next_tick_ns += TICK_NS;
    alarm_set(collector->tick, collector->next_tick_ns);
}

/* First drains, second cancels, third keeps what is stored and leaves. */
static void interrupted(void *arg, int signo)
{
    struct collector *collector = arg;
    struct line *line = collector->line;
    collector->interrupts++;
    if (collector->interrupts == 1) {
        log_info(line->log,
                 "%s: no more requests are started; waiting for %u in flight (again: cancel them)",
                 signo == SIGINT ? "interrupted" : "told to stop", atomic_load(&line->in_flight));
        line_stop(line, RUN_END_INTERRUPTED, clock_now_ns());
    } else if (collector->interrupts == 2) {
        log_info(line->log, "cancelling what is in flight (again: leave at once)");
        line_cancel(line);
    } else if (collector->config->abandon) {
        collector->config->abandon(collector->config->arg);
    }
}

/* ---- life ---- */

bool collector_init(struct collector *collector, struct line *line, struct run_config *config,
                    struct err *err)
{
    *collector = (struct collector){.line = line, .config = config, .ttft = hist_new()};
    collector->sink_broken = mem_zero(config->sink_count, sizeof *collector->sink_broken);
    collector->live.asked = line->plan->number;
    collector->live.duration_s = clock_seconds(line->plan->duration_ns);
    collector->live.parallel = line->plan->parallel;
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

void collector_run(struct collector *collector)
{
    line_step_back();
    collector->next_tick_ns = clock_now_ns() + TICK_NS;
    alarm_set(collector->tick, collector->next_tick_ns);
    loop_wake(collector->loop);
    loop_run(collector->loop);
    live_refresh(collector);
    give_tick(collector);
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
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        free(collector->first_error[i]);
}
