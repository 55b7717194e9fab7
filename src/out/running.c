#include "out/running.h"

#include <math.h>

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
