/* A sink that compares what was measured with what the mock server says of itself: each of its
 * events holds the moment at which it was sent, the first also when the request had been read
 * (docs/mock.md). Both programs read the one clock of this machine. Main thread. */
#pragma once

#include <stdint.h>

#include "model/calibration.h"
#include "model/sink.h"

struct stamps;

/* The server's schedule, which has no jitter. */
struct stamps *stamps_new(uint64_t ttft_ns, uint64_t itl_ns);
void stamps_free(struct stamps *stamps);
void stamps_clear(struct stamps *stamps); /* for the next run */
struct sink stamps_sink(struct stamps *stamps);
/* Fills in the answers and how far TTFT, ITL and the server's schedule were off. */
void stamps_report(const struct stamps *stamps, struct calibration_probe *probe);
