#include "out/report_zh.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/live.h"
#include "out/page.h"
#include "out/text.h"

/* The throughput counts once the window is larger than either. */
enum { ENOUGH_ANSWERS = 100 };
#define ENOUGH_NS (100 * NS_PER_S)

/* ---- the window ---------------------------------------------------------------------------------
 */

struct answer {
    uint64_t end_ns;
    uint64_t chars;
    double ttft, speed; /* NAN = has none */
};

struct zh {
    double every_s; /* 0 = no lines */
    double next_s;  /* of the run's time */
    uint32_t users; /* most in flight since the last line, as far as ticks saw it */
    bool printed;   /* a line in this stage */
    uint64_t ok, failed;
    struct answer window[ZH_WINDOW];
};

struct zh *zh_new(uint64_t every_ns)
{
    struct zh *zh = MEM_NEW(struct zh);
    zh->every_s = zh->next_s = clock_seconds(every_ns);
    return zh;
}

void zh_free(struct zh *zh)
{
    free(zh);
}

/* Characters a second between first and last text; over the whole time where both are one. */
static double speed_of(const struct sample *sample)
{
    double seconds = sample_interval(sample->first_token_ns, sample->last_token_ns);
    if (isnan(seconds) || seconds <= 0)
        seconds = sample_latency(sample);
    return seconds > 0 ? (double)sample->text_chars / seconds : (double)NAN;
}

static void remember(struct zh *zh, const struct sample *sample)
{
    zh->window[zh->ok++ % ZH_WINDOW] = (struct answer){
        .end_ns = sample->exchange->end_ns,
        .chars = sample->text_chars,
        .ttft = metric_value(metric_at(METRIC_TTFT), sample),
        .speed = speed_of(sample),
    };
}

static size_t window_size(const struct zh *zh)
{
    return zh->ok < ZH_WINDOW ? (size_t)zh->ok : ZH_WINDOW;
}

/* The mean of what has a value. */
struct mean {
    double sum;
    size_t count;
};

static void mean_add(struct mean *mean, double value)
{
    if (isnan(value))
        return;
    mean->sum += value;
    mean->count++;
}

static double mean_of(const struct mean *mean)
{
    return mean->count ? mean->sum / (double)mean->count : (double)NAN;
}

/* NAN while the window is too small; scorers may have passed the answers on in another order than
 * they came in. */
static double throughput(const struct zh *zh, uint64_t now_ns)
{
    uint64_t oldest_ns = UINT64_MAX, chars = 0;
    size_t size = window_size(zh);
    for (size_t i = 0; i < size; i++) {
        chars += zh->window[i].chars;
        if (zh->window[i].end_ns < oldest_ns)
            oldest_ns = zh->window[i].end_ns;
    }
    if (now_ns <= oldest_ns || (size <= ENOUGH_ANSWERS && now_ns - oldest_ns <= ENOUGH_NS))
        return (double)NAN;
    return (double)chars / clock_seconds(now_ns - oldest_ns);
}

/* ---- the line -----------------------------------------------------------------------------------
 */

static const char *figure(char cell[CELL], double value)
{
    snprintf(cell, CELL, isnan(value) ? "-" : "%.1f", value);
    return cell;
}

static void add_figures(const struct zh *zh, uint64_t now_ns, struct buf *out)
{
    struct mean ttft = {0}, speed = {0};
    char cell[CELL];
    for (size_t i = 0; i < window_size(zh); i++) {
        mean_add(&ttft, zh->window[i].ttft);
        mean_add(&speed, zh->window[i].speed);
    }
    double flow = throughput(zh, now_ns);
    buf_printf(out, " [平均延迟] %s秒", figure(cell, mean_of(&ttft)));
    buf_printf(out, " [出字均速] 每秒%s字", figure(cell, mean_of(&speed)));
    if (isnan(flow))
        buf_add_text(out, " [总吞吐] 统计中");
    else
        buf_printf(out, " [总吞吐] %s 字/秒", figure(cell, flow));
}

void zh_line(const struct zh *zh, uint32_t users, uint64_t now_ns, uint64_t wall_ns,
             struct buf *out)
{
    char when[32];
    clock_format(when, sizeof when, "%H:%M:%S", wall_ns);
    buf_printf(out, "%s [并发] %" PRIu32 " [问答/错误] %" PRIu64 "/%" PRIu64, when, users,
               zh->ok + zh->failed, zh->failed);
    if (zh->ok > 1)
        add_figures(zh, now_ns, out);
}

static void print_line(struct zh *zh)
{
    struct buf line;
    buf_init(&line, 4096);
    zh_line(zh, zh->users, clock_now_ns(), clock_wall_ns(), &line);
    fprintf(stderr, "%.*s\n", (int)line.len, line.data);
    fflush(stderr);
    buf_fini(&line);
    zh->users = 0;
    zh->printed = true;
}

/* ---- the sink -----------------------------------------------------------------------------------
 */

/* Each stage is a run of its own, as each number of users is there. */
static bool take_stage_begin(void *self, uint32_t stage, const struct plan *plan, struct err *err)
{
    struct zh *zh = self;
    (void)stage, (void)plan, (void)err;
    zh->ok = zh->failed = zh->users = 0;
    zh->next_s = zh->every_s;
    zh->printed = false;
    return true;
}

static bool take_sample(void *self, const struct sample *sample, bool with_bodies, struct err *err)
{
    struct zh *zh = self;
    (void)with_bodies, (void)err;
    if (sample->outcome == OUTCOME_OK)
        remember(zh, sample);
    else if (outcome_is_failure(sample->outcome))
        zh->failed++;
    return true;
}

static bool take_tick(void *self, const struct live *live, struct err *err)
{
    struct zh *zh = self;
    (void)err;
    if (live->in_flight > zh->users)
        zh->users = live->in_flight;
    if (zh->every_s <= 0 || live->elapsed_s < zh->next_s)
        return true;
    while (zh->next_s <= live->elapsed_s)
        zh->next_s += zh->every_s;
    print_line(zh);
    return true;
}

static bool take_stage_end(void *self, const struct report *report, struct err *err)
{
    struct zh *zh = self;
    (void)err;
    if (!zh->printed || zh->users == 0)
        zh->users = report->whole.facts.max_in_flight;
    if (zh->every_s > 0)
        print_line(zh);
    return true;
}

struct sink zh_sink(struct zh *zh)
{
    return (struct sink){
        .name = "live line",
        .self = zh,
        .sample = take_sample,
        .tick = take_tick,
        .stage_begin = take_stage_begin,
        .stage_end = take_stage_end,
    };
}

/* ---- the block at the end -----------------------------------------------------------------------
 */

enum { LABEL_COLUMNS = 24 };

static void add_row(const struct page *page, const char *label, const char *value, const char *unit)
{
    size_t used = text_columns(span_text(label));
    int gap = used < LABEL_COLUMNS ? (int)(LABEL_COLUMNS - used) : 1;
    fprintf(page->out, "  %s%*s%s%s\n", label, gap, "", value, unit);
}

static void add_counts(const struct page *page)
{
    const struct summary *whole = &page->report->whole;
    char cell[CELL];
    const struct {
        const char *label;
        uint64_t count;
    } counts[] = {
        {"最大并发数", whole->facts.max_in_flight},
        {"问答总数", whole->ok + whole->failed},
        {"成功数", whole->ok},
        {"错误数", whole->failed},
        {"取消数", whole->cancelled},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        snprintf(cell, sizeof cell, "%" PRIu64, counts[i].count);
        add_row(page, counts[i].label, cell, "");
    }
}

static void add_metrics(const struct page *page)
{
    static const struct {
        const char *label;
        enum metric_id metric;
        enum statistic statistic;
        int decimals;
        const char *unit;
    } rows[] = {
        {"平均首字时间", METRIC_TTFT, STAT_MEAN, 3, " 秒"},
        {"中位首字时间", METRIC_TTFT, STAT_P50, 3, " 秒"},
        {"最长首字时间", METRIC_TTFT, STAT_MAX, 3, " 秒"},
        {"平均响应时间", METRIC_LATENCY, STAT_MEAN, 3, " 秒"},
        {"中位响应时间", METRIC_LATENCY, STAT_P50, 3, " 秒"},
        {"最长响应时间", METRIC_LATENCY, STAT_MAX, 3, " 秒"},
        {"平均出字速度", METRIC_USER_CHAR_SPEED, STAT_MEAN, 1, " 字/秒"},
        {"总吞吐", METRIC_CHAR_THROUGHPUT, STAT_MEAN, 1, " 字/秒"},
        {"每秒问答数", METRIC_REQUEST_THROUGHPUT, STAT_MEAN, 2, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char cell[CELL];
        double value = page_value(&page->report->whole, rows[i].metric, rows[i].statistic);
        page_number(cell, value, rows[i].decimals, CELL);
        add_row(page, rows[i].label, cell, isnan(value) ? "" : rows[i].unit);
    }
}

static void add_path(const struct page *page, const char *label, const char *path)
{
    char *line = page_line(page, path ? path : "", SIZE_MAX);
    add_row(page, label, *line ? line : "-", "");
    free(line);
}

static void add_verdict(const struct page *page)
{
    const struct verdict *verdict = &page->report->verdict;
    add_row(page, "结论", verdict->sound ? "数据可信" : "数据不可信：", "");
    for (size_t i = 0; i < verdict->count && i < VERDICT_REASONS; i++)
        if (!verdict->remark[i])
            page_paragraph(page, 4, verdict->reason[i]);
}

static void legend(FILE *out)
{
    static const char *const sentences[] = {
        "说明：",
        "实时行的“平均延迟”是最近 500 次成功问答的平均首字时间（TTFT），不是整个回答的时间；",
        "没有流式输出的回答没有首字时间。“出字均速”是同一窗口内 字数 ÷（末字时间 − 首字时间） 的",
        "平均值，一次到齐的回答按 字数 ÷ 总时间；“总吞吐”是窗口内总字数 ÷（现在 − 窗口内最早一次",
        "完成的时间），窗口超过 100 秒或 100 次之前为“统计中”。“问答”包含错误，不含取消。",
        "上表统计整个阶段，与实时行的窗口不同；“总吞吐”按测量窗口计算。",
    };
    fputc('\n', out);
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        fprintf(out, "  %s\n", sentences[i]);
}

void report_zh(FILE *out, const struct report *report, struct secrets *secrets)
{
    struct page page = {.out = out, .report = report, .secrets = secrets};
    char cell[CELL];
    page_heading(&page, "测试结果");
    page_number(cell, report->whole.scored ? report->whole.window_s : (double)NAN, 3, CELL);
    if (report->label[0])
        add_row(&page, "负载", report->label, "");
    add_row(&page, "测量时间", cell, report->whole.scored ? " 秒" : "");
    add_counts(&page);
    add_metrics(&page);
    add_verdict(&page);
    add_path(&page, "数据库", report->facts->db_path);
    add_path(&page, "日志", report->facts->log_path);
    legend(out);
    fflush(out);
}
