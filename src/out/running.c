#include "out/running.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "out/table.h"

/* NAN where there is nothing to divide or to divide by: a sum of no known tokens is not known. */
static double quotient(double dividend, double divisor)
{
    return dividend > 0 && divisor > 0 ? dividend / divisor : (double)NAN;
}

static double window(const struct live *live)
{
    return live->window_s;
}

static double concurrency(const struct live *live)
{
    return live->parallel;
}

static double completed(const struct live *live)
{
    return (double)(live->ok + live->failed);
}

static double succeeded(const struct live *live)
{
    return (double)live->ok;
}

static double failed(const struct live *live)
{
    return (double)live->failed;
}

static double qps(const struct live *live)
{
    return live->window_s > 0 ? (double)live->ok / live->window_s : (double)NAN;
}

static double latency(const struct live *live)
{
    return live->latency_mean;
}

static double time_to_first_token(const struct live *live)
{
    return live->ttft_mean;
}

static double throughput(const struct live *live)
{
    return quotient((double)live->completion_tokens, live->window_s);
}

static double time_per_output_token(const struct live *live)
{
    return quotient(live->window_s, (double)live->completion_tokens);
}

static double packages(const struct live *live)
{
    return quotient((double)live->packages, (double)live->ok);
}

static double time_per_package(const struct live *live)
{
    return live->package_latency_mean;
}

static double input_tokens(const struct live *live)
{
    return quotient((double)live->prompt_tokens, (double)live->ok);
}

static double output_tokens(const struct live *live)
{
    return quotient((double)live->completion_tokens, (double)live->ok);
}

const struct running running_metrics[] = {
    {"Time", 1, window},
    {"concurrency", 0, concurrency},
    {"completed", 0, completed},
    {"succeed", 0, succeeded},
    {"failed", 0, failed},
    {"qps", 2, qps},
    {"latency", 3, latency},
    {"time to first token", 3, time_to_first_token},
    {"throughput(output tokens per second)", 1, throughput},
    {"time per output token", 5, time_per_output_token},
    {"package per request", 1, packages},
    {"time per package", 4, time_per_package},
    {"input tokens per request", 1, input_tokens},
    {"output tokens per request", 1, output_tokens},
};
const size_t running_metric_count = sizeof running_metrics / sizeof *running_metrics;

static void add_rows(const struct live *live, FILE *out)
{
    struct table *table = table_new("lr");
    for (size_t i = 0; i < running_metric_count; i++) {
        const struct running *row = &running_metrics[i];
        double value = row->of(live);
        table_add(table, row->name);
        if (isnan(value))
            table_add(table, "-");
        else
            table_addf(table, "%.*f", row->decimals, value);
    }
    table_draw(table, false, out);
    table_free(table);
}

char *running_table(const struct live *live, bool rests)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    fprintf(
        out,
        "llmbench: stage %" PRIu32 " of %" PRIu32 " (%s), %s: %.1f s, %" PRIu64 " started, %" PRIu64
        " ok, %" PRIu64 " failed, %" PRIu64 " cancelled, %" PRIu32 " in flight\n",
        live->stage + 1, live->stages, live->label,
        rests            ? "the next follows"
        : live->draining ? "draining"
                         : "running",
        live->elapsed_s, live->started, live->ok, live->failed, live->cancelled, live->in_flight);
    add_rows(live, out);
    fclose(out);
    return text;
}
