#include "out/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "model/live.h"
#include "out/progress_text.h"

#define REDRAW_S 0.2 /* not oftener */
#define CLEAR_LINE "\r\x1b[K"

/* Moments to look back on: at five a second some three seconds. */
enum { MOMENTS = 16, FALLBACK_COLUMNS = 80 };

struct moment {
    double elapsed_s;
    uint64_t ended, events, reads;
};

struct progress {
    struct log *log;
    bool terminal;
    uint64_t every;
    uint64_t printed; /* scored at the last plain line */
    bool standing;    /* a live line is on the terminal */
    double next_s;    /* not drawn again before */
    struct moment moments[MOMENTS];
    size_t moment_count; /* all that were ever noted */
};

struct progress *progress_new(struct log *log, bool terminal, uint64_t every)
{
    struct progress *progress = MEM_NEW(struct progress);
    progress->log = log;
    progress->terminal = terminal;
    progress->every = every;
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
    progress_live_line(live, &rates, &line);
    size_t columns = terminal_columns();
    if (line.len > columns) /* plain ASCII */
        line.len = columns;
    if (!progress->standing && progress->log)
        log_set_live(progress->log, true);
    progress->standing = true;
    fprintf(stderr, CLEAR_LINE "%.*s", (int)line.len, line.data);
    fflush(stderr);
    buf_fini(&line);
}

static void print(struct progress *progress, const struct live *live)
{
    struct buf line;
    if (!progress->every || live->scored / progress->every == progress->printed / progress->every)
        return;
    progress->printed = live->scored;
    buf_init(&line, 4096);
    progress_plain_line(live, &line);
    fprintf(stderr, "%.*s\n", (int)line.len, line.data);
    fflush(stderr);
    buf_fini(&line);
}

static bool take_tick(void *self, const struct live *live, struct err *err)
{
    struct progress *progress = self;
    (void)err;
    if (progress->terminal)
        draw(progress, live);
    else
        print(progress, live);
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
        .tick = take_tick,
        .stage_end = take_end,
    };
}
