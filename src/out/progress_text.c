#include "out/progress_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "out/running.h"

enum { SHORT = 40, PART = 64 };

/* In the order in which they stand. */
enum part { TIME, DONE, FLIGHT, RATE, EVENTS, TTFT, ERRORS, LEFT, PARTS };

/* Each part in words and in short; empty = nothing to say. */
struct words {
    char full[PARTS][PART], brief[PARTS][PART];
};

/* From the widest line to the narrowest; the first that fits is shown. */
static const struct form {
    bool brief;
    unsigned without; /* parts left out, a bit each */
} forms[] = {
    {false, 0},
    {false, 1u << EVENTS},
    {false, 1u << EVENTS | 1u << TTFT},
    {true, 1u << EVENTS | 1u << TTFT},
    {true, 1u << EVENTS | 1u << TTFT | 1u << TIME},
    {true, 1u << EVENTS | 1u << TTFT | 1u << TIME | 1u << FLIGHT},
    {true, 1u << EVENTS | 1u << TTFT | 1u << TIME | 1u << FLIGHT | 1u << RATE},
};
enum { FORMS = sizeof forms / sizeof *forms };

static void say_time(const struct live *live, struct words *words)
{
    char *text = words->full[TIME];
    int len = snprintf(text, PART, "%.1fs", live->elapsed_s);
    if (live->duration_s > 0 && len > 0 && len < PART)
        snprintf(text + len, PART - (size_t)len, "/%gs", live->duration_s);
    memcpy(words->brief[TIME], text, PART);
}

static void say_counts(const struct live *live, struct words *words)
{
    char *done = words->full[DONE];
    if (live->asked)
        snprintf(done, PART, "%" PRIu64 "/%" PRIu64, live->ended, live->asked);
    else
        snprintf(done, PART, "%" PRIu64 " done", live->ended);
    memcpy(words->brief[DONE], done, PART);
    snprintf(words->full[FLIGHT], PART, "%" PRIu32 " in flight", live->in_flight);
    snprintf(words->brief[FLIGHT], PART, "%" PRIu32 " fl", live->in_flight);
    snprintf(words->full[ERRORS], PART, "errors %" PRIu64, live->failed);
    snprintf(words->brief[ERRORS], PART, "err %" PRIu64, live->failed);
}

static void say_count_rate(char out[PART], double rate, const char *unit)
{
    char text[SHORT];
    if (rate >= 0 && rate < 1e15)
        snprintf(out, PART, "%s %s", units_show_count(text, sizeof text, (uint64_t)(rate + 0.5)),
                 unit);
}

/* Before the first answer has been scored, the reads show that the server speaks. */
static void say_rates(const struct live *live, const struct progress_rates *rates,
                      struct words *words)
{
    char text[SHORT];
    if (!live->scored) {
        say_count_rate(words->full[RATE], rates->reads, "reads/s");
        memcpy(words->brief[RATE], words->full[RATE], PART);
        return;
    }
    if (isfinite(rates->requests)) {
        snprintf(words->full[RATE], PART, "%.1f req/s", rates->requests);
        snprintf(words->brief[RATE], PART, "%.1f/s", rates->requests);
    }
    say_count_rate(words->full[EVENTS], rates->events, "events/s");
    if (isfinite(live->ttft_p50))
        snprintf(words->full[TTFT], PART, "TTFT p50 %s",
                 units_show_seconds(text, sizeof text, live->ttft_p50));
}

/* What is left by number at the present rate, or by time, whichever is less; NAN = not known. */
static double seconds_left(const struct live *live, const struct progress_rates *rates)
{
    double by_number = (double)NAN, by_time = (double)NAN;
    if (live->asked && rates->requests > 0)
        by_number =
            live->asked > live->ended ? (double)(live->asked - live->ended) / rates->requests : 0;
    if (live->duration_s > 0)
        by_time = live->duration_s > live->elapsed_s ? live->duration_s - live->elapsed_s : 0;
    return fmin(by_number, by_time); /* of one NAN it takes the other */
}

static void say_left(const struct live *live, const struct progress_rates *rates,
                     struct words *words)
{
    char text[SHORT], *left = words->full[LEFT];
    double seconds = seconds_left(live, rates);
    if (live->draining)
        snprintf(left, PART, "draining");
    else if (isfinite(seconds))
        snprintf(left, PART, "ETA %s", units_show_span(text, sizeof text, seconds));
    memcpy(words->brief[LEFT], left, PART);
}

static void join(const struct words *words, const struct form *form, struct buf *out)
{
    const char *gap = form->brief ? " " : "  ";
    for (int i = 0; i < PARTS; i++) {
        const char *text = form->brief ? words->brief[i] : words->full[i];
        if (*text && !(form->without >> i & 1))
            buf_printf(out, "%s%s", out->len ? gap : "", text);
    }
}

void progress_live_line(const struct live *live, const struct progress_rates *rates, size_t columns,
                        struct buf *out)
{
    struct words words = {0};
    say_time(live, &words);
    say_counts(live, &words);
    say_rates(live, rates, &words);
    say_left(live, rates, &words);
    for (size_t i = 0; i < FORMS; i++) {
        buf_clear(out);
        join(&words, &forms[i], out);
        if (out->len <= columns)
            return;
    }
    out->len = columns; /* plain ASCII */
}

void progress_plain_line(const struct live *live, struct buf *out)
{
    for (size_t i = 0; i < running_metric_count; i++) {
        const struct running *metric = &running_metrics[i];
        double value = metric->of(live);
        buf_printf(out, "%s%s: ", i ? ", " : "", metric->name);
        if (isfinite(value))
            buf_printf(out, "%.*f", metric->decimals, value);
        else
            buf_add_text(out, "-");
    }
}
