#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "model/verdict_inner.h"

/* From these figures on the client, not the server, may be what was measured. */
#define LAG_LIMIT_S 0.005
#define LAG_SHARE_OF_ITL 0.1
#define USER_LIMIT 0.01 /* share of reads without the kernel's stamp */
#define TOGETHER_LIMIT                                                                             \
    0.1 /* likewise, where nobody was late: the last event of an answer often comes with its end   \
         */
/* By so much a kernel delays the acknowledgements for which a server with Nagle's algorithm waits:
 * 40 ms on Linux, and then not on a new connection. */
#define DELAYED_ACK_LEAST_S 0.030
#define DELAYED_ACK_MOST_S 0.050
#define NEW_LEAST 5 /* values of TTFT on new connections, and on kept ones, to tell that by */
#define KEPT_LEAST 20
#define COALESCED_LIMIT 0.01 /* share of the gaps between tokens */
#define LATE_WAIT_LIMIT 0.25 /* share of the time that a worker waited for a core */
#define CPU_LIMIT 0.9
#define STARVED_LIMIT 0.01
#define CONCURRENCY_LIMIT 0.95
#define RATE_LIMIT 0.95   /* of the rate that the plan had */
#define WAIT_LIMIT 0.1    /* of the window, without a core */
#define OUTPUTS_LIMIT 0.9 /* of the time, in the database and other outputs */
#define TAIL_LIMIT_S 1.0  /* of work after the last answer */

static void add(struct verdict *out, bool remark, const char *format, va_list args)
{
    if (out->count == VERDICT_REASONS)
        return; /* a static assertion below keeps this from happening */
    out->remark[out->count] = remark;
    vsnprintf(out->reason[out->count], sizeof out->reason[0], format, args);
    out->count++;
    if (!remark)
        out->sound = false;
}

static void PRINTF_LIKE(2, 3) doubt(struct verdict *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(out, false, format, args);
    va_end(args);
}

void verdict_remark(struct verdict *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(out, true, format, args);
    va_end(args);
}

/* ---- doubts: reasons not to trust the numbers ---- */

static void no_success(const struct facts *facts, struct verdict *out)
{
    if (facts->whole->ok == 0)
        doubt(out, "no request succeeded, so nothing was measured");
}

/* Whether nearly every read has the kernel's stamp: then a late loop makes no time longer. */
static bool by_kernel(const struct trust *trust)
{
    double kernel = (double)trust->reads_kernel, user = (double)trust->reads_user;
    return kernel > 0 && user <= USER_LIMIT * (kernel + user);
}

static double coalesced_share(const struct facts *facts)
{
    const struct summary *whole = facts->whole;
    return whole->gaps ? (double)whole->coalesced_gaps / (double)whole->gaps : 0;
}

/* The delay counts from the last of the segments that the kernel has joined: where much was joined
 * because the worker had no core, it says too little. */
static bool waited_for_core(const struct facts *facts)
{
    return by_kernel(facts->trust) && facts->trust->worker_wait_share > LATE_WAIT_LIMIT;
}

static bool reads_late(const struct facts *facts)
{
    return by_kernel(facts->trust) && facts->trust->receive_delay_p99 > LAG_LIMIT_S;
}

/* Only events that came together while we were late have uncertain times; that a server sends
 * several at once is no fault of the client. */
static void behind(const struct facts *facts, struct verdict *out)
{
    double delay = facts->trust->receive_delay_p99, share = coalesced_share(facts);
    if ((!reads_late(facts) && !waited_for_core(facts)) || share <= COALESCED_LIMIT)
        return;
    doubt(out,
          "client-bound: reads came up to %.2f ms after the kernel had the bytes (p99), and %.1f "
          "%% of the gaps between tokens touch events that were read together",
          delay * 1e3, share * 100);
}

static void loop_lag(const struct facts *facts, struct verdict *out)
{
    if (by_kernel(facts->trust))
        return;
    double lag = facts->trust->loop_lag_p99;
    const struct summary_metric *itl = &facts->whole->metric[METRIC_ITL];
    double gap = itl->present ? itl->value[STAT_P50] : 0;
    if (lag > LAG_LIMIT_S)
        doubt(out,
              "client-bound: the event loop handled reads up to %.2f ms late (p99), more than %.0f "
              "ms: times look longer than they were",
              lag * 1e3, LAG_LIMIT_S * 1e3);
    else if (gap > 0 && lag > gap * LAG_SHARE_OF_ITL)
        doubt(out,
              "client-bound: the event loop handled reads up to %.3f ms late (p99), more than a "
              "tenth of the median gap between tokens (%.3f ms)",
              lag * 1e3, gap * 1e3);
}

static void worker_cpu(const struct facts *facts, struct verdict *out)
{
    double share = facts->trust->worker_cpu_share;
    if (share > CPU_LIMIT)
        doubt(out,
              "client-bound: the busiest worker used %.0f %% of a core, more than %.0f %%; more "
              "threads may help",
              share * 100, CPU_LIMIT * 100);
}

/* Both many starts and, of the time that the asked slots had, much: a burst at the beginning may
 * wait a moment for its bodies without harm. */
static void starved(const struct facts *facts, struct verdict *out)
{
    const struct trust *trust = facts->trust;
    double starts = (double)facts->whole->scored;
    const struct stage_facts *stage = &facts->whole->facts;
    double slots = stage->open ? fmax(1, stage->max_in_flight) : fmax(1, stage->asked_concurrency);
    double share =
        facts->whole->window_s > 0 ? trust->starved_s / (facts->whole->window_s * slots) : 0;
    if ((double)trust->starved > STARVED_LIMIT * starts && share > STARVED_LIMIT)
        doubt(out,
              "client-bound: %" PRIu64
              " of %.0f starts waited for a request to be composed, %.3g s in "
              "all, %.1f %% of the time of the slots",
              trust->starved, starts, trust->starved_s, share * 100);
}

/* In a closed loop a late start only means a little less load, which the concurrency shows. */
static void late_starts(const struct facts *facts, struct verdict *out)
{
    double lag = facts->trust->schedule_lag_p99;
    if (facts->whole->facts.open && lag > LAG_LIMIT_S)
        doubt(out,
              "client-bound: requests left up to %.2f ms (p99) later than planned, more than %.0f "
              "ms, for reasons of the client's own",
              lag * 1e3, LAG_LIMIT_S * 1e3);
}

static void held(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->trust->held, outputs = facts->trust->held_outputs;
    if (count)
        doubt(out, "client-bound: starts were held back %" PRIu64 " time%s because %s behind",
              count, plural(count),
              outputs == count ? "the database or another output was"
              : outputs        ? "scorers, and the database or another output, were"
                               : "scorers were");
}

static void no_descriptor(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->trust->no_descriptor;
    if (count)
        doubt(out,
              "descriptors ran out: %" PRIu64 " connection%s could not be made because the limit "
              "of open files was reached (EMFILE or ENFILE; see ulimit -n)",
              count, plural(count));
}

/* An open loop that nobody capped has a cap all the same. */
static void descriptors(const struct facts *facts, struct verdict *out)
{
    uint64_t most = facts->trust->most_in_flight;
    if (most && facts->whole->facts.max_in_flight >= most)
        doubt(out,
              "descriptors: %" PRIu64 " requests were in flight, all that the limit of open files "
              "allows (see ulimit -n); arrivals waited for one to end",
              most);
}

static void concurrency(const struct facts *facts, struct verdict *out)
{
    const struct summary_metric *steady = &facts->steady->metric[METRIC_ACHIEVED_CONCURRENCY];
    uint32_t asked = facts->whole->facts.asked_concurrency;
    if (facts->whole->facts.open || facts->whole->facts.delayed)
        return;
    if (facts->whole->facts.steady_start_ns == 0) {
        if (asked > 0 && facts->whole->scored >= asked)
            doubt(out, "in flight never reached the %u asked for (at most %u)", asked,
                  facts->whole->facts.max_in_flight);
        return;
    }
    double achieved = steady->value[STAT_MEAN];
    if (steady->present && achieved < CONCURRENCY_LIMIT * asked)
        doubt(out,
              "achieved concurrency in the steady part was %.2f, less than %.0f %% of the %u asked "
              "for",
              achieved, CONCURRENCY_LIMIT * 100, asked);
}

/* Of the very arrivals that were started: chance in the plan is no shortfall. */
static bool rate_short(const struct trust *trust)
{
    double planned = trust->planned_rate, achieved = trust->achieved_rate;
    return planned > 0 && achieved > 0 && achieved < RATE_LIMIT * planned;
}

/* With a cap on what is in flight a slow server holds arrivals back, as was asked for. */
static bool rate_by_cap(const struct facts *facts)
{
    const struct summary_metric *wait = &facts->whole->metric[METRIC_SLOT_WAIT];
    return wait->present && !(wait->value[STAT_P50] <= facts->trust->schedule_lag_p50);
}

static void rate(const struct facts *facts, struct verdict *out)
{
    const struct trust *trust = facts->trust;
    if (rate_short(trust) && !rate_by_cap(facts))
        doubt(out,
              "requests left at %.5g a second, less than %.0f %% of the %.5g that the plan had for "
              "them",
              trust->achieved_rate, RATE_LIMIT * 100, trust->planned_rate);
}

static void impossible_times(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->whole->impossible_times;
    if (count)
        doubt(out,
              "times stand in an impossible order in %" PRIu64 " exchange%s (was the clock "
              "stepped?); such pairs were left out",
              count, plural(count));
}

static void beyond_range(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->whole->beyond_range;
    if (count)
        doubt(out,
              "statistics leave out %" PRIu64
              " value%s that no histogram can hold, being too large",
              count, plural(count));
}

/* ---- remarks: what a reader of the numbers should know ---- */

static void rate_capped(const struct facts *facts, struct verdict *out)
{
    const struct trust *trust = facts->trust;
    if (rate_short(trust) && rate_by_cap(facts))
        verdict_remark(
            out,
            "requests left at %.5g a second instead of %.5g because of the cap on what is in "
            "flight: the server was slower than the rate",
            trust->achieved_rate, trust->planned_rate);
}

static void late_reads(const struct facts *facts, struct verdict *out)
{
    if (reads_late(facts) && coalesced_share(facts) <= COALESCED_LIMIT)
        verdict_remark(
            out,
            "reads came up to %.2f ms (p99) after the kernel had the bytes; the kernel's stamps "
            "keep that out of the times",
            facts->trust->receive_delay_p99 * 1e3);
}

static void came_together(const struct facts *facts, struct verdict *out)
{
    double share = coalesced_share(facts), delay = facts->trust->receive_delay_p99;
    if (share <= TOGETHER_LIMIT || reads_late(facts) || waited_for_core(facts) ||
        !by_kernel(facts->trust))
        return;
    verdict_remark(
        out,
        "%.1f %% of the gaps between tokens touch events that came together, though reads came "
        "within %.2f ms (p99): server or network sent them so; their times are upper bounds",
        share * 100, delay * 1e3);
}

/* Nearly all kept connections are slower than nearly all new ones, by that delay. */
static void delayed_acks(const struct facts *facts, struct verdict *out)
{
    const struct summary_metric *new = &facts->whole->ttft_new, *kept = &facts->whole->ttft_kept;
    if (!new->present || new->value[STAT_COUNT_N] < NEW_LEAST ||
        kept->value[STAT_COUNT_N] < KEPT_LEAST || coalesced_share(facts) <= TOGETHER_LIMIT ||
        kept->value[STAT_P10] <= new->value[STAT_P90])
        return;
    double more = kept->value[STAT_P50] - new->value[STAT_P50];
    if (more >= DELAYED_ACK_LEAST_S && more <= DELAYED_ACK_MOST_S)
        verdict_remark(
            out,
            "TTFT was %.1f ms on kept connections, %.1f ms on new ones (p50): likely Nagle's "
            "algorithm waits for delayed ACKs; does the server set TCP_NODELAY?",
            kept->value[STAT_P50] * 1e3, new->value[STAT_P50] * 1e3);
}

static void no_stream(const struct facts *facts, struct verdict *out)
{
    const struct summary *whole = facts->whole;
    if (whole->facts.stream_asked && whole->ok > 0 && whole->streamed == 0)
        verdict_remark(
            out, "--stream was given, but no answer came as a stream: does the server stream, "
                 "and does the script's build_request use opts.stream?");
}

static void no_core(const struct facts *facts, struct verdict *out)
{
    double share = facts->trust->worker_wait_share;
    if (share > WAIT_LIMIT)
        verdict_remark(
            out,
            "a worker was ready to run but had no core for %.0f %% of the time: something else "
            "runs on its core",
            share * 100);
}

static void scorers_behind(const struct facts *facts, struct verdict *out)
{
    double tail = facts->trust->scoring_tail_s;
    if (tail > TAIL_LIMIT_S)
        verdict_remark(
            out,
            "scorers were behind: answers were still read (read_event, parse_responses) %.3g s "
            "after the last one had ended; their times had been taken before",
            tail);
}

static void outputs_behind(const struct facts *facts, struct verdict *out)
{
    const struct trust *trust = facts->trust;
    bool busy = trust->outputs_share > OUTPUTS_LIMIT && trust->outputs_s > TAIL_LIMIT_S;
    if (busy || trust->outputs_tail_s > TAIL_LIMIT_S || trust->scorers_blocked_s > 0)
        verdict_remark(
            out,
            "the database or another output was behind: writing took %.3g s (%.0f %% of the "
            "time; at the longest %.3g s at once) and went on for %.3g s after all was scored",
            trust->outputs_s, trust->outputs_share * 100, trust->outputs_slowest_s,
            trust->outputs_tail_s);
}

static void own_failed(const struct facts *facts, struct verdict *out)
{
    uint64_t count = summary_own_failed(facts->whole);
    if (count)
        verdict_remark(out,
                       "the script failed to give %" PRIu64
                       " value%s of its own metrics, which are missing there",
                       count, plural(count));
}

static void missing(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->trust->missing;
    if (count)
        doubt(out, "%" PRIu64 " of the requests asked for were never made: the data gave no more",
              count);
}

static void sinks_broken(const struct facts *facts, struct verdict *out)
{
    uint64_t lost = facts->trust->results_lost;
    if (lost)
        doubt(out,
              "%" PRIu64 " result%s not in the database, which could not be written (see the log)",
              lost, lost == 1 ? " is" : "s are");
    else if (facts->trust->sinks_broken)
        doubt(out, "what is stored is incomplete: writing it failed during the run (see the log)");
}

static void resumed(const struct facts *facts, struct verdict *out)
{
    uint64_t times = facts->trust->resumed;
    if (times)
        verdict_remark(
            out,
            "the stage was cut off and gone on with %" PRIu64
            " time%s: the pauses are in no window; lags, CPU, what fell behind and the steady "
            "part are of the last part alone",
            times, plural(times));
}

static void paused(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->trust->paused;
    if (count)
        verdict_remark(out,
                       "connections failed: %" PRIu64
                       " time%s a slot paused before its next request (10 ms "
                       "to 1 s)",
                       count, plural(count));
}

static void resent(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->whole->resent;
    if (count)
        verdict_remark(out,
                       "%" PRIu64
                       " request%s had to be sent again on a fresh connection; times count from "
                       "the last try",
                       count, plural(count));
}

static void malformed_rows(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->trust->malformed_rows;
    if (count)
        verdict_remark(out, "the data has %" PRIu64 " malformed row%s, skipped", count,
                       plural(count));
}

static void data_cycles(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->trust->data_cycles;
    if (count)
        verdict_remark(out,
                       "the data started again %" PRIu64
                       " time%s; a prefix cache may have served repeated "
                       "prompts",
                       count, plural(count));
}

static void bodies_left_out(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->trust->bodies_left_out;
    if (count)
        verdict_remark(out,
                       "the bodies of %" PRIu64
                       " exchange%s were not stored because the database was "
                       "behind; their times were",
                       count, plural(count));
}

static void not_asked(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->trust->bodies_not_asked;
    if (count)
        verdict_remark(out,
                       "the bodies of %" PRIu64
                       " exchange%s were not stored, as --store says; their times were",
                       count, plural(count));
}

static void past_max(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->trust->bodies_past_max;
    if (count)
        verdict_remark(
            out,
            "the bodies of %" PRIu64
            " exchange%s were not stored, since --store-max was reached; their times were",
            count, plural(count));
}

static void clock_steps(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->trust->clock_steps;
    if (count)
        verdict_remark(out,
                       "the system's clock was set %" PRIu64
                       " time%s during the run, by up to %.3g s; the kernel's stamps "
                       "around that moment were left out",
                       count, plural(count), facts->trust->clock_step_s);
}

static void preconnect(const struct facts *facts, struct verdict *out)
{
    uint64_t asked = facts->trust->preconnect_asked, open = facts->trust->preconnected;
    if (open < asked)
        verdict_remark(
            out,
            "only %" PRIu64 " of %" PRIu64
            " connections were open when the stage began; the server had closed the others after "
            "their answer, or gave none (--preconnect)",
            open, asked);
}

/* Slow scripts show here, and never as a slow server: no Lua runs while times are taken. */
static void composer_cpu(const struct facts *facts, struct verdict *out)
{
    double share = facts->trust->composer_cpu_share;
    if (share > CPU_LIMIT)
        verdict_remark(out,
                       "the composer used %.0f %% of a core: building requests (data, templates, "
                       "build_request) is near its limit",
                       share * 100);
}

static void scorer_cpu(const struct facts *facts, struct verdict *out)
{
    double share = facts->trust->scorer_cpu_share;
    if (share > CPU_LIMIT)
        verdict_remark(out,
                       "the busiest scorer used %.0f %% of a core: reading answers (read_event, "
                       "parse_responses) is near its limit",
                       share * 100);
}

static void warnings(const struct facts *facts, struct verdict *out)
{
    uint64_t count = facts->trust->warnings;
    if (count)
        verdict_remark(out, "the log has %" PRIu64 " warning%s", count, plural(count));
}

/* Doubts, then remarks. */
static void (*const checks[])(const struct facts *facts, struct verdict *out) = {
    no_success,   loop_lag,        behind,         worker_cpu,
    late_starts,  starved,         held,           no_descriptor,
    descriptors,  concurrency,     rate,           impossible_times,
    beyond_range, missing,         sinks_broken,   resumed,
    rate_capped,  late_reads,      came_together,  delayed_acks,
    no_stream,    no_core,         scorers_behind, outputs_behind,
    composer_cpu, scorer_cpu,      verdict_tokens, own_failed,
    resent,       paused,          preconnect,     malformed_rows,
    data_cycles,  bodies_left_out, not_asked,      past_max,
    clock_steps,  warnings,
};

#define CHECKS (sizeof checks / sizeof *checks)
_Static_assert(CHECKS + VERDICT_TOKENS - 1 <= VERDICT_REASONS,
               "room for the sentences of each check");

void verdict_of(const struct summary *whole, const struct summary *steady,
                const struct trust *trust, struct verdict *out)
{
    struct facts facts = {whole, steady, trust};
    *out = (struct verdict){.sound = true};
    for (size_t i = 0; i < CHECKS; i++)
        checks[i](&facts, out);
}
