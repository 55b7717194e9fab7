#include "out/json_report.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/output.h"
#include "model/report.h"
#include "out/parts.h"

enum { SCHEMA_VERSION = 1 };

static void add_text(cJSON *object, const char *key, struct secrets *secrets, const char *text)
{
    cJSON_AddItemToObject(object, key, part_text(secrets, text));
}

static void add_count(cJSON *object, const char *key, uint64_t count)
{
    cJSON_AddNumberToObject(object, key, (double)count);
}

/* Seconds from `from` to `to`; null where either never was. */
static void add_span(cJSON *object, const char *key, uint64_t from, uint64_t to)
{
    double seconds = from && to >= from ? clock_seconds(to - from) : (double)NAN;
    cJSON_AddNumberToObject(object, key, seconds);
}

static cJSON *run_json(const struct run_facts *facts, struct secrets *secrets)
{
    const struct {
        const char *key, *text;
    } texts[] = {
        {"name", facts->name},
        {"version", facts->version},
        {"libraries", facts->libraries},
        {"host", facts->host},
        {"url", facts->url},
        {"model", facts->model},
        {"api", facts->api},
        {"dataset", facts->dataset},
        {"data_source", facts->data_source},
        {"tokenizer", facts->tokenizer},
    };
    cJSON *run = cJSON_CreateObject();
    char started[64];
    clock_format(started, sizeof started, "%Y-%m-%dT%H:%M:%S%z", facts->started_wall_ns);
    add_text(run, "started", secrets, started);
    cJSON_AddNumberToObject(run, "started_unix", clock_seconds(facts->started_wall_ns));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        add_text(run, texts[i].key, secrets, texts[i].text);
    cJSON_AddNumberToObject(run, "ready_wait_s", facts->ready_asked ? facts->ready_wait_s : NAN);
    add_text(run, "calibrated", secrets, facts->calibrated);
    cJSON *calibration = facts->calibration ? cJSON_Parse(facts->calibration) : NULL;
    cJSON_AddItemToObject(run, "calibration", calibration ? calibration : cJSON_CreateNull());
    return run;
}

static cJSON *end_json(enum run_end reason, const char *stop_reason, struct secrets *secrets)
{
    cJSON *end = cJSON_CreateObject();
    add_text(end, "reason", secrets, run_end_name(reason));
    add_text(end, "sentence", secrets, run_end_sentence(reason));
    add_text(end, "stop_reason", secrets, stop_reason);
    return end;
}

static cJSON *counts_json(const struct summary *whole)
{
    cJSON *counts = cJSON_CreateObject();
    add_count(counts, "due", whole->facts.due);
    add_count(counts, "ok", whole->ok);
    add_count(counts, "failed", whole->failed);
    add_count(counts, "cancelled", whole->cancelled);
    add_count(counts, "not_started", whole->facts.not_started);
    add_count(counts, "streamed", whole->streamed);
    add_count(counts, "plain", whole->plain);
    add_count(counts, "resent", whole->resent);
    add_count(counts, "reused", whole->reused);
    add_count(counts, "impossible_times", whole->impossible_times);
    add_count(counts, "beyond_range", whole->beyond_range);
    cJSON *by_outcome = cJSON_AddObjectToObject(counts, "by_outcome");
    for (int i = 0; i < OUTCOME_COUNT; i++)
        add_count(by_outcome, outcome_name((enum outcome)i), whole->by_outcome[i]);
    return counts;
}

/* Null unless some answer has both counts. */
static cJSON *check_json(const struct summary *whole)
{
    static const char *const names[] = {
        [TOKENS_PROMPT] = "prompt", [TOKENS_COMPLETION] = "completion"};
    if (!whole->check[TOKENS_PROMPT].answers && !whole->check[TOKENS_COMPLETION].answers)
        return cJSON_CreateNull();
    cJSON *both = cJSON_CreateObject();
    for (size_t i = 0; i < TOKEN_KINDS; i++) {
        const struct token_check *check = &whole->check[i];
        cJSON *object = cJSON_AddObjectToObject(both, names[i]);
        add_count(object, "answers", check->answers);
        add_count(object, "differ", check->differ);
        cJSON_AddNumberToObject(object, "usage", (double)check->usage);
        cJSON_AddNumberToObject(object, "tokenizer", (double)check->tokenizer);
        cJSON_AddNumberToObject(object, "difference", (double)(check->usage - check->tokenizer));
        cJSON_AddNumberToObject(object, "apart", (double)check->apart);
    }
    return both;
}

static cJSON *tokens_json(const struct summary *whole)
{
    cJSON *tokens = cJSON_CreateObject();
    cJSON_AddNumberToObject(tokens, "prompt", (double)whole->prompt_tokens);
    cJSON_AddNumberToObject(tokens, "completion", (double)whole->completion_tokens);
    cJSON_AddNumberToObject(tokens, "cached", (double)whole->cached_tokens);
    cJSON_AddNumberToObject(tokens, "reasoning", (double)whole->reasoning_tokens);
    cJSON_AddNumberToObject(tokens, "template", (double)whole->template_tokens);
    add_count(tokens, "text_chars", whole->text_chars);
    add_count(tokens, "errors", whole->token_errors);
    add_count(tokens, "uncounted", whole->uncounted);
    cJSON *sources = cJSON_AddObjectToObject(tokens, "sources");
    for (int i = 0; i < TOKEN_SOURCES; i++)
        add_count(sources, token_source_name((enum token_source)i), whole->by_source[i]);
    cJSON *prompts = cJSON_AddObjectToObject(tokens, "prompt_sources");
    for (int i = 0; i < TOKEN_SOURCES; i++)
        add_count(prompts, token_source_name((enum token_source)i), whole->by_prompt_source[i]);
    cJSON *events = cJSON_AddObjectToObject(tokens, "event_sources");
    for (int i = 0; i < TOKEN_SOURCES; i++)
        add_count(events, token_source_name((enum token_source)i), whole->by_event_source[i]);
    cJSON_AddItemToObject(tokens, "check", check_json(whole));
    return tokens;
}

static cJSON *events_json(const struct summary *whole)
{
    cJSON *events = cJSON_CreateObject();
    add_count(events, "all", whole->events);
    add_count(events, "with_text", whole->text_events);
    add_count(events, "coalesced", whole->coalesced_events);
    add_count(events, "reads", whole->reads);
    add_count(events, "answer_bytes", whole->answer_bytes);
    add_count(events, "gaps", whole->gaps);
    add_count(events, "coalesced_gaps", whole->coalesced_gaps);
    return events;
}

static cJSON *window_json(const struct summary *whole)
{
    const struct stage_facts *facts = &whole->facts;
    cJSON *window = cJSON_CreateObject();
    cJSON_AddNumberToObject(window, "seconds", whole->window_s);
    add_span(window, "last_start_s", facts->window_start_ns, facts->last_start_ns);
    add_span(window, "drain_s", facts->window_end_ns, facts->drain_end_ns);
    return window;
}

/* NAN and infinities become null. */
static cJSON *metric_json(const struct summary_metric *metric, bool stage)
{
    cJSON *object = cJSON_CreateObject();
    if (stage) {
        cJSON_AddNumberToObject(object, "value", metric->present ? metric->value[STAT_MEAN] : NAN);
        return object;
    }
    cJSON_AddNumberToObject(object, "n", metric->present ? metric->value[STAT_COUNT_N] : 0);
    for (int i = STAT_COUNT_N + 1; i < STATISTICS; i++)
        cJSON_AddNumberToObject(object, statistic_name((enum statistic)i),
                                metric->present ? metric->value[i] : NAN);
    cJSON_AddItemToObject(object, "exact",
                          metric->present ? cJSON_CreateBool(metric->exact) : cJSON_CreateNull());
    return object;
}

/* A metric that no table describes says itself what it is. */
static cJSON *own_json(const struct summary_own *own, struct secrets *secrets)
{
    cJSON *object = metric_json(&own->value, own->metric->over == OVER_STAGE);
    add_text(object, "title", secrets, own->metric->title);
    add_text(object, "unit", secrets, own->metric->unit);
    add_text(object, "over", secrets, metric_over_name(own->metric->over));
    add_text(object, "formula", secrets, own->metric->formula);
    add_count(object, "failed", own->failed);
    return object;
}

static cJSON *metrics_json(const struct summary *summary, struct secrets *secrets)
{
    cJSON *metrics = cJSON_CreateObject();
    for (size_t i = 0; i < METRIC_COUNT; i++)
        cJSON_AddItemToObject(metrics, metric_at(i)->name,
                              metric_json(&summary->metric[i], i >= METRIC_SAMPLED));
    for (size_t i = 0; i < summary->own_count; i++)
        cJSON_AddItemToObject(metrics, summary->own[i].metric->name,
                              own_json(&summary->own[i], secrets));
    return metrics;
}

static cJSON *steady_json(const struct report *report, struct secrets *secrets)
{
    const struct summary *steady = &report->steady;
    if (!steady->facts.steady_start_ns)
        return cJSON_CreateNull();
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "seconds", steady->window_s);
    add_span(object, "from_s", report->whole.facts.window_start_ns, steady->facts.steady_start_ns);
    add_count(object, "ok", steady->ok);
    add_count(object, "failed", steady->failed);
    add_count(object, "cancelled", steady->cancelled);
    cJSON_AddItemToObject(object, "metrics", metrics_json(steady, secrets));
    return object;
}

static cJSON *errors_json(const struct report *report, struct secrets *secrets)
{
    cJSON *errors = cJSON_CreateArray();
    for (int i = OUTCOME_OK + 1; i < OUTCOME_CANCELLED; i++) {
        if (!report->whole.by_outcome[i])
            continue;
        const char *name = outcome_name((enum outcome)i);
        cJSON *error = cJSON_CreateObject();
        add_text(error, "outcome", secrets, name);
        add_count(error, "count", report->whole.by_outcome[i]);
        add_text(error, "example", secrets, part_example(&report->first_errors, name));
        cJSON_AddItemToArray(errors, error);
    }
    return errors;
}

static cJSON *fail_on_json(const struct report *report, struct secrets *secrets)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < report->judgement_count; i++) {
        const struct judgement *judgement = &report->judgements[i];
        cJSON *object = cJSON_CreateObject();
        add_text(object, "condition", secrets, judgement->condition);
        cJSON_AddNumberToObject(object, "value", judgement->value);
        cJSON_AddBoolToObject(object, "failed", judgement->failed);
        add_text(object, "why", secrets, judgement->why[0] ? judgement->why : NULL);
        cJSON_AddItemToArray(list, object);
    }
    return list;
}

static cJSON *verdict_json(const struct verdict *verdict, struct secrets *secrets)
{
    cJSON *object = part_verdict(verdict, secrets);
    cJSON_AddBoolToObject(object, "sound", verdict->sound);
    return object;
}

/* Null: infinite, or nothing to tell. */
static cJSON *felt_metric_json(const struct summary_metric *felt)
{
    cJSON *object = cJSON_CreateObject();
    for (enum statistic i = STAT_P1; i < STATISTICS; i++)
        cJSON_AddNumberToObject(object, statistic_name(i), felt->value[i]);
    return object;
}

static cJSON *felt_json(const struct summary *whole)
{
    if (!whole->felt_latency.present)
        return cJSON_CreateNull();
    cJSON *felt = cJSON_CreateObject();
    cJSON_AddItemToObject(felt, metric_at(METRIC_LATENCY)->name,
                          felt_metric_json(&whole->felt_latency));
    cJSON_AddItemToObject(felt, metric_at(METRIC_TTFT)->name,
                          whole->felt_ttft.present ? felt_metric_json(&whole->felt_ttft)
                                                   : cJSON_CreateNull());
    return felt;
}

/* What is said of one stage. */
static void add_stage(cJSON *object, const struct report *report, struct secrets *secrets)
{
    cJSON_AddItemToObject(object, "counts", counts_json(&report->whole));
    cJSON_AddItemToObject(object, "tokens", tokens_json(&report->whole));
    cJSON_AddItemToObject(object, "events", events_json(&report->whole));
    cJSON_AddItemToObject(object, "window", window_json(&report->whole));
    cJSON_AddItemToObject(object, "metrics", metrics_json(&report->whole, secrets));
    add_text(object, "metric_error", secrets, report->own_error);
    cJSON_AddItemToObject(object, "felt", felt_json(&report->whole));
    cJSON_AddItemToObject(object, "steady", steady_json(report, secrets));
    cJSON_AddItemToObject(object, "errors", errors_json(report, secrets));
    cJSON_AddItemToObject(object, "fail_on", fail_on_json(report, secrets));
    cJSON_AddItemToObject(object, "trust", part_trust(&report->trust));
    cJSON_AddItemToObject(object, "verdict", verdict_json(&report->verdict, secrets));
    cJSON_AddItemToObject(object, "script", part_said(&report->said, secrets));
}

static cJSON *stage_json(const struct report *report, struct secrets *secrets)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "stage", report->stage);
    cJSON_AddStringToObject(object, "label", report->label);
    cJSON_AddItemToObject(object, "end", end_json(report->end, report->stop_reason, secrets));
    if (report->options)
        cJSON_AddItemToObject(object, "options", cJSON_Parse(report->options));
    add_stage(object, report, secrets);
    return object;
}

/* A run of one stage tells of it at the top; one of several has them in a list, and so has every
 * experiment. */
static cJSON *report_json(const struct reports *reports, struct secrets *secrets)
{
    cJSON *root = cJSON_CreateObject();
    const struct report *last = &reports->items[reports->count - 1];
    const struct run_facts *facts = last->facts;
    cJSON_AddNumberToObject(root, "schema_version", SCHEMA_VERSION);
    cJSON_AddItemToObject(root, "run", run_json(facts, secrets));
    cJSON_AddItemToObject(root, "options",
                          facts->options_json ? cJSON_CreateRaw(facts->options_json)
                                              : part_options(facts->options, OPT_DEFAULT, secrets));
    cJSON_AddItemToObject(root, "end", end_json(reports->end, last->stop_reason, secrets));
    cJSON_AddBoolToObject(root, "interrupted", reports->interrupted);
    if (reports->planned <= 1 && !last->options) {
        add_stage(root, last, secrets);
    } else {
        cJSON *stages = cJSON_AddArrayToObject(root, "stages");
        for (size_t i = 0; i < reports->count; i++)
            cJSON_AddItemToArray(stages, stage_json(&reports->items[i], secrets));
    }
    add_text(root, "database", secrets, facts->db_path);
    add_text(root, "log", secrets, facts->log_path);
    return root;
}

char *json_report_given(const struct opt_set *options, enum opt_origin origin,
                        const struct list *without, struct secrets *secrets)
{
    cJSON *object = part_options(options, origin, secrets);
    for (size_t i = 0; i < without->count; i++) {
        char *key = part_option_key(without->items[i]);
        cJSON_AddNullToObject(object, key);
        free(key);
    }
    char *printed = cJSON_PrintUnformatted(object), *text = mem_text(printed ? printed : "{}");
    cJSON_free(printed);
    cJSON_Delete(object);
    return text;
}

void json_report(const struct reports *reports, struct secrets *secrets, struct buf *out)
{
    cJSON *root = report_json(reports, secrets);
    char *text = cJSON_Print(root);
    buf_add_text(out, text ? text : "null");
    buf_add_char(out, '\n');
    cJSON_free(text);
    cJSON_Delete(root);
}

static bool write_all(FILE *file, struct span text)
{
    return fwrite(text.data, 1, text.len, file) == text.len && fflush(file) == 0;
}

/* To what is no ordinary file (a pipe, /dev/stdout): it cannot be replaced, only written to. */
static bool write_into(const char *path, struct span text, struct err *err)
{
    FILE *file = output_open(path);
    bool ok = file && write_all(file, text);
    if (!ok)
        err_set(err, "cannot write the report to %s: %s", path, strerror(errno));
    if (file)
        fclose(file);
    return ok;
}

/* The options may hold a prompt, so that a new file is its owner's alone; who could read the one
 * that is replaced still can (`mode` 0: there was none). */
static bool write_beside(const char *path, mode_t mode, struct span text, struct err *err)
{
    char *beside = mem_printf("%s.%ld.tmp", path, (long)getpid());
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool ok = file && write_all(file, text) && (!mode || fchmod(fd, mode) == 0);
    if (file && fclose(file) != 0)
        ok = false;
    ok = ok && rename(beside, path) == 0;
    if (!ok) {
        err_set(err, "cannot write the report to %s: %s", path, strerror(errno));
        if (fd >= 0)
            unlink(beside);
    }
    free(beside);
    return ok;
}

bool json_report_write(const struct reports *reports, struct secrets *secrets, const char *path,
                       struct err *err)
{
    struct buf text;
    struct stat there;
    bool ok = false, exists = stat(path, &there) == 0;
    buf_init(&text, SIZE_MAX);
    json_report(reports, secrets, &text);
    if (strcmp(path, "-") == 0) {
        ok = write_all(stdout, buf_span(&text));
        if (!ok)
            err_set(err, "cannot write the report to stdout: %s", strerror(errno));
    } else if (exists && !S_ISREG(there.st_mode)) {
        ok = write_into(path, buf_span(&text), err);
    } else {
        ok = write_beside(path, exists ? there.st_mode & 0777 : 0, buf_span(&text), err);
    }
    buf_fini(&text);
    return ok;
}
