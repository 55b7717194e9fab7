#include "out/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/live.h"
#include "model/metric.h"
#include "model/plan.h"
#include "model/sample.h"
#include "out/progress_text.h"

#define REDRAW_S 0.2 /* not oftener */
#define CLEAR_LINE "\r\x1b[K"

/* Moments to look back on: at five a second some three seconds. */
enum { MOMENTS = 16, FALLBACK_COLUMNS = 80 };

struct moment {
    double elapsed_s;
    uint64_t ended, events, reads;
};

struct mean {
    double sum;
    uint64_t count;
};

/* What the plain lines say, kept sample by sample: ticks come too seldom for exact counts. */
struct account {
    struct live live; /* the figures that plain lines show, no others */
    uint64_t first_start_ns, last_end_ns;
    struct mean latency, ttft, package_latency;
};

struct progress {
    struct log *log;
    bool terminal;
    uint64_t every;
    struct account account; /* of this stage, without a terminal */
    bool standing;          /* a live line is on the terminal */
    double next_s;          /* not drawn again before */
    struct moment moments[MOMENTS];
    size_t moment_count; /* all that were ever noted */
};

static void account_begin(struct account *account, uint32_t parallel)
{
    double none = (double)NAN;
    *account = (struct account){
        .live = {.parallel = parallel,
                 .latency_mean = none,
                 .ttft_mean = none,
                 .package_latency_mean = none},
    };
}

struct progress *progress_new(struct log *log, bool terminal, uint64_t every)
{
    struct progress *progress = MEM_NEW(struct progress);
    progress->log = log;
    progress->terminal = terminal;
    progress->every = every;
    account_begin(&progress->account, 0);
    return progress;
}

static void clear(struct progress *progress)
{
    if (!progress->standing)
        return;
    fputs(CLEAR_LINE, stderr);
    fflush(stderr);
    if (progress->log)
        log_set_live(progress->log, false);
    progress->standing = false;
}

void progress_free(struct progress *progress)
{
    if (!progress)
        return;
    clear(progress);
    free(progress);
}

static double rate(uint64_t now, uint64_t before, double seconds)
{
    return seconds > 0 && now >= before ? (double)(now - before) / seconds : (double)NAN;
}

/* Notes this moment and compares it with the oldest one kept (at first: the start of the run). */
static struct progress_rates rates_now(struct progress *progress, const struct live *live)
{
    struct moment now = {live->elapsed_s, live->ended, live->events, live->reads};
    struct moment *slot = &progress->moments[progress->moment_count % MOMENTS];
    struct moment before = *slot; /* zero until the ring is full */
    double seconds = now.elapsed_s - before.elapsed_s;
    *slot = now;
    progress->moment_count++;
    return (struct progress_rates){
        .requests = rate(now.ended, before.ended, seconds),
        .events = rate(now.events, before.events, seconds),
        .reads = rate(now.reads, before.reads, seconds),
    };
}

/* One less than there are, so that the cursor does not wrap. */
static size_t terminal_columns(void)
{
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2)
        return FALLBACK_COLUMNS - 1;
    return (size_t)size.ws_col - 1;
}

static void draw(struct progress *progress, const struct live *live)
{
    struct buf line;
    if (live->elapsed_s < progress->next_s)
        return;
    progress->next_s = live->elapsed_s + REDRAW_S;
    struct progress_rates rates = rates_now(progress, live);
    buf_init(&line, 4096);
    progress_live_line(live, &rates, terminal_columns(), &line);
    if (!progress->standing && progress->log)
        log_set_live(progress->log, true);
    progress->standing = true;
    fprintf(stderr, CLEAR_LINE "%.*s", (int)line.len, line.data);
    fflush(stderr);
    buf_fini(&line);
}

/* ---- plain lines ---- */

static void print(const struct live *live)
{
    struct buf line;
    buf_init(&line, 4096);
    progress_plain_line(live, &line);
    fprintf(stderr, "%.*s\n", (int)line.len, line.data);
    fflush(stderr);
    buf_fini(&line);
}

/* Returns the new mean; NAN adds nothing. */
static double add_to_mean(struct mean *mean, double value)
{
    if (!isnan(value)) {
        mean->sum += value;
        mean->count++;
    }
    return mean->count ? mean->sum / (double)mean->count : (double)NAN;
}

static void account_success(struct account *account, const struct sample *sample)
{
    struct live *live = &account->live;
    live->ok++;
    live->latency_mean = add_to_mean(&account->latency, sample_latency(sample));
    live->ttft_mean = add_to_mean(
        &account->ttft, sample_interval(sample->exchange->sent_ns, sample->first_token_ns));
    live->package_latency_mean = add_to_mean(
        &account->package_latency, metric_value(metric_at(METRIC_PACKAGE_LATENCY), sample));
    live->packages += sample->data_events;
    if (sample->completion_tokens != TOKENS_UNKNOWN)
        live->completion_tokens += sample->completion_tokens;
    if (sample->prompt_tokens != TOKENS_UNKNOWN)
        live->prompt_tokens += sample->prompt_tokens;
}

static void account_add(struct account *account, const struct sample *sample)
{
    const struct exchange *exchange = sample->exchange;
    uint64_t first_ns = account->first_start_ns, started_ns = exchange->started_ns;
    if (started_ns && (!first_ns || started_ns < first_ns))
        account->first_start_ns = started_ns;
    if (exchange->end_ns > account->last_end_ns)
        account->last_end_ns = exchange->end_ns;
    if (account->first_start_ns && account->last_end_ns > account->first_start_ns)
        account->live.window_s = clock_seconds(account->last_end_ns - account->first_start_ns);
    if (sample->outcome == OUTCOME_OK)
        account_success(account, sample);
    else
        account->live.failed++;
}

/* ---- the sink ---- */

static bool take_begin(void *self, uint32_t stage, const struct plan *plan, struct err *err)
{
    struct progress *progress = self;
    (void)stage;
    (void)err;
    progress->next_s = 0; /* the clock of the display begins again */
    progress->moment_count = 0;
    memset(progress->moments, 0, sizeof progress->moments);
    account_begin(&progress->account, plan->shape == PLAN_CLOSED ? plan->parallel : 0);
    return true;
}

/* Cancelled requests are neither successes nor failures: they are not counted. */
static bool take_sample(void *self, const struct sample *sample, bool with_bodies, struct err *err)
{
    struct progress *progress = self;
    const struct live *live = &progress->account.live;
    (void)with_bodies;
    (void)err;
    if (progress->terminal || !progress->every || sample->outcome == OUTCOME_CANCELLED)
        return true;
    account_add(&progress->account, sample);
    if ((live->ok + live->failed) % progress->every == 0)
        print(live);
    return true;
}

static bool take_tick(void *self, const struct live *live, struct err *err)
{
    struct progress *progress = self;
    (void)err;
    if (progress->terminal)
        draw(progress, live);
    return true;
}

static bool take_end(void *self, const struct report *report, struct err *err)
{
    (void)report;
    (void)err;
    clear(self);
    return true;
}

struct sink progress_sink(struct progress *progress)
{
    return (struct sink){
        .name = "progress",
        .self = progress,
        .sample = take_sample,
        .tick = take_tick,
        .stage_begin = take_begin,
        .stage_end = take_end,
    };
}
