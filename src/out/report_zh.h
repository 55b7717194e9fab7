/* The display of a run in Chinese: a live line on stderr every so often, as users of
 * llm-perf-benchmark know it, and a block at the end. Main thread.
 *
 *   23:16:06 [并发] 1 [问答/错误] 3/0 [平均延迟] 0.1秒 [出字均速] 每秒56.4字 [总吞吐] 59.5 字/秒
 *
 * The figures of the line are taken over the last 500 successes: the mean TTFT, the mean of
 * characters / (last text − first text) (of characters / whole time where the answer came in one
 * piece), and Σ characters / (now − the oldest completion). They appear with the second success;
 * the last one reads 统计中 until the window is longer than 100 s or 100 answers. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "model/sink.h"

struct zh;
struct live;
struct report;
struct secrets;

enum { ZH_WINDOW = 500 };

/* A line on stderr every `every_ns` of a stage's time and one at its end; 0 = none at all. The
 * figures begin anew with each stage. */
struct zh *zh_new(uint64_t every_ns);
void zh_free(struct zh *zh); /* NULL is allowed */
struct sink zh_sink(struct zh *zh);
/* The live line without a newline. `users`: requests in flight; `now_ns` as from clock_now_ns,
 * `wall_ns` as from clock_wall_ns. */
void zh_line(const struct zh *zh, uint32_t users, uint64_t now_ns, uint64_t wall_ns,
             struct buf *out);

/* The block at the end; `secrets` may be NULL. */
void report_zh(FILE *out, const struct report *report, struct secrets *secrets);
