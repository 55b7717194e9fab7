/* The trust block of the console report: what the run measured about itself, and its verdict. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "out/page.h"
#include "out/table.h"

static void add(struct table *table, const struct page *page, const char *label, const char *text)
{
    char *line = page_line(page, text, SIZE_MAX);
    table_add(table, label);
    table_add(table, line);
    free(line);
}

static void add_lag(struct table *table, const char *label, double p50, double p99, double max)
{
    char a[CELL], b[CELL], c[CELL];
    table_add(table, label);
    if (isnan(p50) && isnan(max))
        table_add(table, "not measured");
    else
        table_addf(table, "p50 %s, p99 %s, max %s", units_show_seconds(a, sizeof a, p50),
                   units_show_seconds(b, sizeof b, p99), units_show_seconds(c, sizeof c, max));
}

static void add_stamps(struct table *table, const struct trust *trust)
{
    char kernel[CELL], user[CELL];
    units_show_count(kernel, sizeof kernel, trust->reads_kernel);
    units_show_count(user, sizeof user, trust->reads_user);
    if (trust->reads_kernel)
        add_lag(table, "Receive delay", trust->receive_delay_p50, trust->receive_delay_p99,
                trust->receive_delay_max);
    table_add(table, "Times stamped by");
    if (trust->reads_kernel)
        table_addf(table, "kernel (%s reads), user (%s reads)", kernel, user);
    else
        table_addf(table, "user (%s reads): our own clock after each read", user);
}

static void add_coalesced(struct table *table, const struct summary *whole)
{
    if (!whole->events)
        return;
    table_add(table, "Events that came together");
    table_addf(table, "%.1f%% (their times are upper bounds)",
               100.0 * (double)whole->coalesced_events / (double)whole->events);
}

static void add_cpu(struct table *table, const struct trust *trust)
{
    if (isnan(trust->worker_cpu_share))
        return;
    table_add(table, "CPU, of one core");
    table_addf(table, "worker %.0f%%, composer %.0f%%, scorer %.0f%% (the busiest of each)",
               100 * trust->worker_cpu_share, 100 * trust->composer_cpu_share,
               100 * trust->scorer_cpu_share);
    if (trust->worker_wait_share > 0) {
        table_add(table, "Ready without a core");
        table_addf(table, "worker %.1f%% of the time (the worst)", 100 * trust->worker_wait_share);
    }
    if (isnan(trust->process_cpu_s))
        return;
    table_add(table, "CPU of the whole process");
    table_addf(table, "%.2f s", trust->process_cpu_s);
}

static void add_outputs(struct table *table, const struct trust *trust)
{
    char all[CELL], longest[CELL];
    if (!(trust->outputs_s > 0))
        return;
    table_add(table, "Writing results");
    table_addf(table, "%s in all, at most %s at once",
               units_show_seconds(all, sizeof all, trust->outputs_s),
               units_show_seconds(longest, sizeof longest, trust->outputs_slowest_s));
}

/* A run that was cut off has not said it. */
static char *most_in_flight(const struct report *report, char cell[CELL])
{
    double most = report->whole.facts.max_in_flight;
    bool known = page_value(&report->whole, METRIC_MAX_CONCURRENCY, STAT_MEAN) >= 0 ||
                 report->end != RUN_END_CUT_OFF;
    return page_number(cell, known ? most : (double)NAN, 0, CELL);
}

static void add_closed_load(struct table *table, const struct report *report)
{
    char achieved[CELL], most[CELL];
    const struct trust *trust = &report->trust;
    table_add(table, "Concurrency");
    table_addf(table, "%s achieved of %" PRIu32 " asked, at most %s",
               page_number(achieved, trust->achieved_concurrency, 2, CELL),
               report->whole.facts.asked_concurrency, most_in_flight(report, most));
}

static void add_open_load(struct table *table, const struct report *report)
{
    char achieved[CELL], asked[CELL], most[CELL];
    const struct trust *trust = &report->trust;
    table_add(table, "Arrivals a second");
    if (trust->asked_rate > 0)
        table_addf(table, "%s achieved of %s asked",
                   page_number(achieved, trust->achieved_rate, 2, CELL),
                   page_number(asked, trust->asked_rate, 2, CELL));
    else if (report->plan.arrival == ARRIVAL_TRACE)
        table_addf(table, "%s achieved, at the times of the data",
                   page_number(achieved, trust->achieved_rate, 2, CELL));
    else
        table_add(table, "all at once");
    table_add(table, "Concurrency");
    table_addf(table, "%s on average, at most %s",
               page_number(achieved, trust->achieved_concurrency, 2, CELL),
               most_in_flight(report, most));
}

static void add_connections(struct table *table, const struct summary *whole)
{
    table_add(table, "Connections");
    table_addf(table, "%" PRIu64 " of %" PRIu64 " requests on a kept one, %" PRIu64 " resent",
               whole->reused, whole->scored, whole->resent);
}

static void add_ready(struct table *table, const struct run_facts *facts)
{
    char waited[CELL];
    if (!facts->ready_asked)
        return;
    table_add(table, "Waited for the server");
    table_addf(table, "%s before the start, %" PRIu64 " requests that count nowhere",
               units_show_seconds(waited, sizeof waited, facts->ready_wait_s), facts->ready_asked);
}

static void add_preconnect(struct table *table, const struct trust *trust)
{
    if (!trust->preconnect_asked || trust->preconnect_asked == TRUST_UNKNOWN)
        return;
    table_add(table, "Opened before the start");
    table_addf(table,
               "%" PRIu64 " of %" PRIu64 " connections, by a request each that counts nowhere",
               trust->preconnected, trust->preconnect_asked);
}

static void add_sources(struct buf *text, const uint64_t *by)
{
    unsigned kinds = 0;
    for (int i = 0; i < TOKEN_SOURCES; i++) {
        if (!by[i])
            continue;
        buf_printf(text, "%s%s (%" PRIu64 ")", kinds ? ", " : "",
                   token_source_name((enum token_source)i), by[i]);
        kinds++;
    }
    if (kinds > 1)
        buf_add_text(text, ": MIXED");
}

/* Of the output; of the input, too, where that differs. */
static void add_token_sources(struct table *table, const struct summary *whole)
{
    struct buf text;
    buf_init(&text, 1024);
    add_sources(&text, whole->by_source);
    if (whole->token_errors)
        buf_printf(&text, "; parse_responses failed for %" PRIu64, whole->token_errors);
    if (whole->uncounted)
        buf_printf(&text, "; the tokenizer failed for %" PRIu64, whole->uncounted);
    char *line = buf_take(&text);
    table_add(table, "Tokens counted from");
    table_add(table, *line ? line : "-");
    free(line);
    if (memcmp(whole->by_source, whole->by_prompt_source, sizeof whole->by_source) == 0 &&
        !whole->template_tokens)
        return;
    buf_init(&text, 1024);
    add_sources(&text, whole->by_prompt_source);
    if (whole->template_tokens)
        buf_printf(&text, "; %" PRId64 " tokens are an estimate for the chat template",
                   whole->template_tokens);
    line = buf_take(&text);
    table_add(table, "Input tokens from");
    table_add(table, line);
    free(line);
}

/* Only where somebody counted them. */
static void add_event_sources(struct table *table, const struct summary *whole)
{
    struct buf text;
    if (!whole->by_event_source[TOKENS_SCRIPT] && !whole->by_event_source[TOKENS_TOKENIZER])
        return;
    buf_init(&text, 1024);
    add_sources(&text, whole->by_event_source);
    char *line = buf_take(&text);
    table_add(table, "Tokens of events from");
    table_add(table, line);
    free(line);
}

static void add_token_checks(struct table *table, const struct summary *whole)
{
    static const char *const titles[] = {[TOKENS_PROMPT] = "Input, usage and tokenizer",
                                         [TOKENS_COMPLETION] = "Output, usage and tokenizer"};
    for (size_t i = 0; i < TOKEN_KINDS; i++) {
        const struct token_check *check = &whole->check[i];
        if (!check->answers)
            continue;
        table_add(table, titles[i]);
        table_addf(table,
                   "%" PRId64 " and %" PRId64 " tokens, difference %+" PRId64 "; %" PRIu64
                   " of %" PRIu64 " answers differ",
                   check->usage, check->tokenizer, check->usage - check->tokenizer, check->differ,
                   check->answers);
    }
}

static void add_tokenizer(struct table *table, const struct page *page)
{
    const char *tokenizer = page->report->facts->tokenizer;
    if (tokenizer)
        add(table, page, "Tokenizer", tokenizer);
}

static void add_data(struct table *table, const struct page *page)
{
    const char *source = page->report->facts->data_source;
    add(table, page, "Data", source && *source ? source : "-");
}

/* Only what happened. */
static void add_troubles(struct table *table, const struct page *page)
{
    const struct trust *trust = &page->report->trust;
    const struct summary *whole = &page->report->whole;
    const struct {
        const char *label;
        uint64_t count;
        const char *remark;
    } rows[] = {
        {"Data started again", trust->data_cycles, "times over its end"},
        {"Malformed data rows", trust->malformed_rows, "passed over"},
        {"Steps of the system's clock", trust->clock_steps, "kernel stamps around them left out"},
        {"Starts held back", trust->held, "scorers or database behind"},
        {"No descriptor left", trust->no_descriptor, "connections not made; see ulimit -n"},
        {"Bodies not stored", trust->bodies_left_out, "scorers or database behind"},
        {"Bodies not asked for", trust->bodies_not_asked, "--store; not stored"},
        {"Bodies past --store-max", trust->bodies_past_max, "not stored"},
        {"Requests not made", trust->missing, "the data gave no more"},
        {"Pauses of a slot", trust->paused, "a connection could not be made"},
        {"Times gone on with", trust->resumed, "--resume, after the run had been cut off"},
        {"Results not in the database", trust->results_lost, "it could not be written"},
        {"Outputs that failed", trust->sinks_broken, "incomplete; see the log"},
        {"Impossible times", whole->impossible_times, "two times in an order that cannot be"},
        {"Values beyond the histogram", whole->beyond_range, "left out of percentiles"},
    };
    char span[CELL];
    if (trust->starved && trust->starved != TRUST_UNKNOWN) {
        table_add(table, "Starts without a request ready");
        table_addf(table, "%" PRIu64 ", %s in all", trust->starved,
                   units_show_seconds(span, sizeof span, trust->starved_s));
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].count || rows[i].count == TRUST_UNKNOWN)
            continue;
        table_add(table, rows[i].label);
        table_addf(table, "%" PRIu64 " (%s)", rows[i].count, rows[i].remark);
    }
}

static void add_warnings(struct table *table, const struct page *page)
{
    const char *log = page->report->facts->log_path;
    struct buf text;
    buf_init(&text, 1 << 16);
    uint64_t warnings = page->report->trust.warnings;
    if (warnings == TRUST_UNKNOWN)
        buf_add_text(&text, "not known");
    else
        buf_printf(&text, "%" PRIu64, warnings);
    if (log && *log)
        buf_printf(&text, " (log: %s)", log);
    char *line = buf_take(&text);
    add(table, page, "Warnings", line);
    free(line);
}

static void reason(const struct page *page, const char *sentence, bool remark)
{
    struct buf text;
    buf_init(&text, 1024);
    buf_printf(&text, "%s %s", remark ? "note:" : "-", sentence);
    char *line = buf_take(&text);
    page_paragraph(page, 2, line);
    free(line);
}

void console_verdict(const struct page *page)
{
    const struct verdict *found = &page->report->verdict;
    const char *colour = found->sound ? "\x1b[32m" : "\x1b[33m";
    fprintf(page->out, "\nVerdict: %s%s%s\n", page->colour ? colour : "",
            found->sound ? "sound" : "not sound", page->colour ? "\x1b[0m" : "");
    for (size_t i = 0; i < found->count && i < VERDICT_REASONS; i++)
        reason(page, found->reason[i], found->remark[i]);
}

void console_trust(const struct page *page)
{
    const struct report *report = page->report;
    const struct trust *trust = &report->trust;
    struct table *table = table_new("ll");
    add_lag(table, "Loop lag", trust->loop_lag_p50, trust->loop_lag_p99, trust->loop_lag_max);
    add_lag(table, "Schedule lag", trust->schedule_lag_p50, trust->schedule_lag_p99,
            trust->schedule_lag_max);
    add_stamps(table, trust);
    add_coalesced(table, &report->whole);
    add_cpu(table, trust);
    add_outputs(table, trust);
    if (report->whole.facts.open)
        add_open_load(table, report);
    else
        add_closed_load(table, report);
    add_connections(table, &report->whole);
    add_ready(table, report->facts);
    add_preconnect(table, trust);
    add_tokenizer(table, page);
    add_token_sources(table, &report->whole);
    add_event_sources(table, &report->whole);
    add_token_checks(table, &report->whole);
    add_data(table, page);
    if (report->facts->calibrated)
        add(table, page, "Calibrated", report->facts->calibrated);
    add_troubles(table, page);
    add_warnings(table, page);
    add(table, page, "Run ended", run_end_sentence(report->end));
    if (report->stop_reason)
        add(table, page, "", report->stop_reason);
    page_heading(page, "Trust");
    table_draw(table, false, page->out);
    table_free(table);
    console_verdict(page);
}
