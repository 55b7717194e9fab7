#include "out/progress_text.h"

#include <inttypes.h>
#include <math.h>

#include "base/units.h"
#include "out/running.h"

enum { SHORT = 40 };

static void add_time(const struct live *live, struct buf *out)
{
    buf_printf(out, "%.1fs", live->elapsed_s);
    if (live->duration_s > 0)
        buf_printf(out, "/%gs", live->duration_s);
}

static void add_done(const struct live *live, struct buf *out)
{
    if (live->asked)
        buf_printf(out, "  %" PRIu64 "/%" PRIu64, live->ended, live->asked);
    else
        buf_printf(out, "  %" PRIu64 " done", live->ended);
    buf_printf(out, "  %" PRIu32 " in flight", live->in_flight);
}

static void add_count_rate(struct buf *out, double rate, const char *unit)
{
    char text[SHORT];
    if (rate >= 0 && rate < 1e15)
        buf_printf(out, "  %s %s", units_show_count(text, sizeof text, (uint64_t)(rate + 0.5)),
                   unit);
}

/* Before the first answer has been scored, the reads show that the server speaks. */
static void add_rates(const struct live *live, const struct progress_rates *rates, struct buf *out)
{
    char text[SHORT];
    if (!live->scored) {
        add_count_rate(out, rates->reads, "reads/s");
        return;
    }
    if (isfinite(rates->requests))
        buf_printf(out, "  %.1f req/s", rates->requests);
    add_count_rate(out, rates->events, "events/s");
    if (isfinite(live->ttft_p50))
        buf_printf(out, "  TTFT p50 %s", units_show_seconds(text, sizeof text, live->ttft_p50));
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

void progress_live_line(const struct live *live, const struct progress_rates *rates,
                        struct buf *out)
{
    char text[SHORT];
    add_time(live, out);
    add_done(live, out);
    add_rates(live, rates, out);
    buf_printf(out, "  errors %" PRIu64, live->failed);
    double left = seconds_left(live, rates);
    if (live->draining)
        buf_add_text(out, "  draining");
    else if (isfinite(left))
        buf_printf(out, "  ETA %s", units_show_span(text, sizeof text, left));
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
