/* What the progress display may show while the run goes on. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct live {
    double elapsed_s;
    uint64_t asked;    /* requests in all, 0 = not bounded by a number */
    double duration_s; /* 0 = not bounded by time */
    uint64_t started, ended, scored, ok, failed, cancelled;
    uint32_t in_flight;
    uint64_t reads;  /* of answers, counted by the workers: alive before the first answer ends */
    uint64_t events; /* scored */
    int64_t completion_tokens, prompt_tokens;
    double ttft_p50;                /* of what is scored, seconds; NAN = none yet */
    double latency_mean, ttft_mean; /* seconds; NAN = none yet */
    uint64_t packages;              /* data events of successes */
    double package_latency_mean;
    double window_s; /* since the first start */
    uint32_t parallel;
    bool draining;
    uint32_t stage, stages; /* of the run, warm-up included; from 0 */
    char label[64];         /* of the stage */
};
