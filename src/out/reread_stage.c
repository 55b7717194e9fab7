/* One stage of a database as a report. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "out/reread_inner.h"

const char reread_stage_columns[] =
    "id,label,kind,warmup,asked_concurrency,asked_rate,options,max_in_flight,window_start_ns,"
    "window_end_ns,drain_end_ns,last_start_ns,steady_start_ns,due,not_started,end_reason,sound,"
    "verdict,trust,script";

enum column {
    ID,
    LABEL,
    KIND,
    WARMUP,
    ASKED_CONCURRENCY,
    ASKED_RATE,
    OPTIONS,
    MAX_IN_FLIGHT,
    WINDOW_START_NS,
    WINDOW_END_NS,
    DRAIN_END_NS,
    LAST_START_NS,
    STEADY_START_NS,
    DUE,
    NOT_STARTED,
    END_REASON,
    SOUND,
    VERDICT,
    TRUST,
    SCRIPT,
};

static bool is_text(sqlite3_stmt *row, int column, const char *text)
{
    const char *found = (const char *)sqlite3_column_text(row, column);
    return found && strcmp(found, text) == 0;
}

/* ---- what the run wrote ---- */

static void take_plan(sqlite3_stmt *row, struct report *report)
{
    struct plan *plan = &report->plan;
    const char *label = (const char *)sqlite3_column_text(row, LABEL);
    snprintf(report->label, sizeof report->label, "%s", label ? label : "");
    plan->shape = is_text(row, KIND, "open") ? PLAN_OPEN : PLAN_CLOSED;
    plan->warmup = sqlite3_column_int(row, WARMUP) != 0;
    plan->parallel = (uint32_t)reread_count(row, ASKED_CONCURRENCY);
    plan->capped = sqlite3_column_type(row, ASKED_CONCURRENCY) != SQLITE_NULL;
    plan->rate = sqlite3_column_double(row, ASKED_RATE);
    plan->arrival = strncmp(report->label, "trace", 5) == 0 ? ARRIVAL_TRACE : ARRIVAL_AT_ONCE;
}

static void take_verdict(sqlite3_stmt *row, struct verdict *verdict)
{
    static const char *const lists[] = {"reasons", "remarks"};
    const char *text = (const char *)sqlite3_column_text(row, VERDICT);
    cJSON *root = text ? cJSON_Parse(text) : NULL;
    const cJSON *sentence;
    verdict->sound = sqlite3_column_int(row, SOUND) != 0;
    for (int i = 0; i < 2; i++)
        cJSON_ArrayForEach(sentence, cJSON_GetObjectItem(root, lists[i]))
        {
            if (!cJSON_IsString(sentence) || verdict->count == VERDICT_REASONS)
                continue;
            snprintf(verdict->reason[verdict->count], sizeof verdict->reason[0], "%s",
                     sentence->valuestring);
            verdict->remark[verdict->count++] = i == 1;
        }
    cJSON_Delete(root);
}

/* What is not there is not known. */
static void take_trust(const char *text, struct trust *trust)
{
    cJSON *root = text ? cJSON_Parse(text) : NULL;
    struct trust_figure figure;
    for (size_t i = 0; trust_figure_at(trust, i, &figure); i++) {
        const cJSON *in = figure.group ? cJSON_GetObjectItem(root, figure.group) : root;
        const cJSON *value = cJSON_GetObjectItem(in, figure.name);
        trust_figure_put(trust, i, cJSON_IsNumber(value) ? value->valuedouble : (double)NAN);
    }
    cJSON_Delete(root);
}

static void take_counters(const cJSON *shared, struct said *said)
{
    const cJSON *value;
    size_t count = (size_t)cJSON_GetArraySize(shared);
    if (!count || count > COUNTERS_MOST)
        return;
    said->counters = mem_zero(count, sizeof *said->counters);
    cJSON_ArrayForEach(value, shared)
    {
        struct counter *counter = &said->counters[said->counter_count++];
        snprintf(counter->name, sizeof counter->name, "%s", value->string);
        counter->value = value->valuedouble;
    }
}

static void take_said(sqlite3_stmt *row, struct said *said)
{
    const char *text = (const char *)sqlite3_column_text(row, SCRIPT);
    cJSON *root = text ? cJSON_Parse(text) : NULL;
    const cJSON *line, *error = cJSON_GetObjectItem(root, "error");
    take_counters(cJSON_GetObjectItem(root, "shared"), said);
    cJSON_ArrayForEach(line, cJSON_GetObjectItem(root, "lines"))
    {
        if (cJSON_IsString(line))
            list_add(&said->lines, line->valuestring);
    }
    said->error = cJSON_IsString(error) ? mem_text(error->valuestring) : NULL;
    cJSON_Delete(root);
}

/* ---- metrics ---- */

static struct span span_of_column(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return span_of(text, text ? (size_t)sqlite3_column_bytes(stmt, column) : 0);
}

static enum metric_over over_of(struct span name)
{
    for (int over = 0; over < OVER_STAGE; over++)
        if (span_equals(name, metric_over_name((enum metric_over)over)))
            return (enum metric_over)over;
    return OVER_STAGE;
}

/* The statement's columns: name, title, unit, formula, over. */
static bool add_metric(sqlite3_stmt *stmt, struct own_metrics *metrics, struct err *err)
{
    const struct own_metric_texts texts = {
        .name = span_of_column(stmt, 0),
        .title = span_of_column(stmt, 1),
        .unit = span_of_column(stmt, 2),
        .formula = span_of_column(stmt, 3),
    };
    return own_metrics_add(metrics, &texts, over_of(span_of_column(stmt, 4)), err);
}

/* The runs of an experiment may have scripts with different ones. */
static bool take_own(struct reread_stage *stage, struct err *err)
{
    sqlite3_stmt *stmt = reread_prepare(
        stage->db, "SELECT name,title,unit,formula,over,position FROM metric "
                   "WHERE position IS NOT NULL AND (?1 OR name IN (SELECT metric FROM summary "
                   "WHERE stage=?2)) ORDER BY position");
    if (!stmt)
        return err_set(err, "%s", sqlite3_errmsg(stage->db));
    bool ok = true;
    sqlite3_bind_int(stmt, 1, stage->report->options == NULL);
    sqlite3_bind_int64(stmt, 2, stage->report->stage);
    while (ok && sqlite3_step(stmt) == SQLITE_ROW) {
        unsigned position = (unsigned)reread_count(stmt, 5) & 31;
        ok = add_metric(stmt, &stage->own->metrics, err);
        if (ok)
            stage->own->position[stage->own->metrics.count - 1] = position;
    }
    sqlite3_finalize(stmt);
    return ok;
}

/* What `done` added. */
static bool take_done(struct reread_stage *stage, struct err *err)
{
    struct report *report = stage->report;
    sqlite3_stmt *stmt = reread_prepare(
        stage->db, "SELECT name,title,unit,formula,over,value FROM metric JOIN summary "
                   "ON metric=name WHERE position IS NULL AND part='whole' AND stage=? "
                   "AND statistic='value' ORDER BY name");
    if (!stmt)
        return err_set(err, "%s", sqlite3_errmsg(stage->db));
    bool ok = true;
    report->said.metrics = MEM_NEW(struct own_metrics);
    sqlite3_bind_int64(stmt, 1, report->stage);
    while (ok && sqlite3_step(stmt) == SQLITE_ROW) {
        struct own_metrics *metrics = report->said.metrics;
        ok = add_metric(stmt, metrics, err) &&
             (summary_add_own(&report->whole, &metrics->items[metrics->count - 1],
                              sqlite3_column_double(stmt, 5)) ||
              err_set(err, "too many metrics"));
    }
    sqlite3_finalize(stmt);
    return ok;
}

/* The stamps of single reads are in no row: what was summed up of them is. */
static void take_receive_delay(struct reread_stage *stage, struct summary *summary,
                               const char *part)
{
    struct summary_metric *metric = &summary->metric[METRIC_RECEIVE_DELAY];
    sqlite3_stmt *stmt =
        reread_prepare(stage->db, "SELECT statistic,value,exact FROM summary WHERE stage=? AND "
                                  "part=? AND metric='receive_delay'");
    if (!stmt)
        return;
    sqlite3_bind_int64(stmt, 1, stage->report->stage);
    sqlite3_bind_text(stmt, 2, part, -1, SQLITE_STATIC);
    while (sqlite3_step(stmt) == SQLITE_ROW)
        for (int i = 0; i < STATISTICS; i++)
            if (is_text(stmt, 0, statistic_name((enum statistic)i))) {
                metric->value[i] = sqlite3_column_double(stmt, 1);
                metric->exact = sqlite3_column_int(stmt, 2) != 0;
                metric->present = true;
            }
    sqlite3_finalize(stmt);
}

/* ---- results ---- */

static void note_error(struct report *report, const struct sample *sample)
{
    const char *name = outcome_name(sample->outcome);
    size_t len = strlen(name);
    if (sample->own_error && !report->own_error)
        report->own_error = mem_text(sample->own_error);
    for (size_t i = 0; i < report->first_errors.count; i++)
        if (strncmp(report->first_errors.items[i], name, len) == 0 &&
            report->first_errors.items[i][len] == ':')
            return;
    if (!sample->error)
        return;
    char *line = mem_printf("%s: %s", name, sample->error);
    list_add(&report->first_errors, line);
    free(line);
}

static void note_sample(struct reread_stage *stage, const struct sample *sample)
{
    uint64_t started_ns = sample->exchange->started_ns, end_ns = sample->exchange->end_ns;
    if (started_ns) {
        stage->started++;
        if (!stage->started_first_ns || started_ns < stage->started_first_ns)
            stage->started_first_ns = started_ns;
        if (started_ns > stage->started_last_ns)
            stage->started_last_ns = started_ns;
    }
    if (end_ns > stage->end_last_ns)
        stage->end_last_ns = end_ns;
    note_error(stage->report, sample);
}

static enum reread_result take_results(struct reread_stage *stage, sqlite3_stmt *stmt,
                                       struct stats *whole, struct stats *steady, struct err *err)
{
    const struct reread_job *job = stage->job;
    int code;
    sqlite3_bind_int64(stmt, 1, stage->report->stage);
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (job->stopped && job->stopped(job->arg)) {
            err_set(err, "interrupted; nothing was reported");
            return REREAD_STOPPED;
        }
        struct sample *sample = reread_sample(stmt, stage->own, err);
        if (!sample) {
            err_prefix(err, "%s", job->path);
            return REREAD_UNREADABLE;
        }
        stage->reads += sample->exchange->mark_count;
        stage->reads_kernel += reread_reads_kernel(stmt);
        note_sample(stage, sample);
        stats_add(whole, sample, stage->stop_ns);
        stats_add_steady(steady, sample, stage->steady_ns);
        sample_free(sample);
    }
    return code == SQLITE_DONE ? REREAD_DONE : reread_fail(job, stage->db, err);
}

/* ---- a stage without its end ---- */

/* What the rows say; the rest is not known. */
static void cut_trust(struct reread_stage *stage)
{
    struct trust *trust = &stage->report->trust;
    const struct summary *whole = &stage->report->whole;
    const double *lag = whole->metric[METRIC_OWN_LAG].value;
    take_trust(NULL, trust);
    trust->schedule_lag_p50 = lag[STAT_P50];
    trust->schedule_lag_p99 = lag[STAT_P99];
    trust->schedule_lag_max = lag[STAT_MAX];
    trust->reads_kernel = stage->reads_kernel;
    trust->reads_user = stage->reads - stage->reads_kernel;
    trust->asked_concurrency = whole->facts.asked_concurrency;
    trust->asked_rate = whole->facts.asked_rate;
    trust->achieved_rate = whole->metric[METRIC_ACHIEVED_RATE].value[STAT_MEAN];
    trust->achieved_concurrency = whole->metric[METRIC_ACHIEVED_CONCURRENCY].value[STAT_MEAN];
}

/* The last look that the run took at itself. */
static void cut_verdict(struct reread_stage *stage)
{
    struct verdict *verdict = &stage->report->verdict;
    sqlite3_stmt *stmt = reread_prepare(
        stage->db, "SELECT t_s, in_flight, ended - scored FROM interval WHERE stage=? "
                   "ORDER BY t_s DESC LIMIT 1");
    snprintf(verdict->reason[0], sizeof verdict->reason[0],
             "the run was cut off: what the program measured about itself is not known, nor what "
             "became of the requests in flight");
    verdict->count = 1;
    if (!stmt)
        return;
    sqlite3_bind_int64(stmt, 1, stage->report->stage);
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        snprintf(verdict->reason[1], sizeof verdict->reason[1],
                 "at its last look, %.1f s after its start, %" PRIu64
                 " requests were in flight, and %" PRIu64 " answers waited to be stored",
                 sqlite3_column_double(stmt, 0), reread_count(stmt, 1), reread_count(stmt, 2));
        verdict->remark[1] = true;
        verdict->count = 2;
    }
    sqlite3_finalize(stmt);
}

static void cut_facts(const struct reread_stage *stage, uint64_t scored, struct stage_facts *facts)
{
    facts->window_start_ns = stage->started_first_ns;
    facts->window_end_ns = facts->drain_end_ns = stage->end_last_ns;
    facts->last_start_ns = stage->started_last_ns;
    facts->due = scored;
}

/* ---- the whole ---- */

static struct stage_facts facts_of(const struct reread_stage *stage, sqlite3_stmt *row)
{
    const struct plan *plan = &stage->report->plan;
    bool open = plan->shape == PLAN_OPEN;
    return (struct stage_facts){
        .window_start_ns = reread_count(row, WINDOW_START_NS),
        .window_end_ns = reread_count(row, WINDOW_END_NS),
        .drain_end_ns = reread_count(row, DRAIN_END_NS),
        .last_start_ns = reread_count(row, LAST_START_NS),
        .steady_start_ns = reread_count(row, STEADY_START_NS),
        .due = reread_count(row, DUE),
        .not_started = reread_count(row, NOT_STARTED),
        .max_in_flight = (uint32_t)reread_count(row, MAX_IN_FLIGHT),
        .asked_concurrency = open ? 0 : plan->parallel,
        .asked_rate = plan->rate,
        .open = open,
        .started = stage->started,
    };
}

static bool sum_up(struct reread_stage *stage, sqlite3_stmt *row, const struct stats *whole,
                   const struct stats *steady, struct err *err)
{
    struct report *report = stage->report;
    struct stage_facts facts = facts_of(stage, row);
    stats_summarise(whole, &facts, &report->whole);
    if (!stage->ended)
        cut_facts(stage, report->whole.scored, &facts);
    stats_summarise(whole, &facts, &report->whole);
    stats_summarise(steady, &facts, &report->steady);
    if (stage->ended) {
        take_receive_delay(stage, &report->whole, "whole");
        take_receive_delay(stage, &report->steady, "steady");
        take_trust((const char *)sqlite3_column_text(row, TRUST), &report->trust);
        take_verdict(row, &report->verdict);
        take_said(row, &report->said);
        return take_done(stage, err);
    }
    report->whole.metric[METRIC_MAX_CONCURRENCY].present = false;
    cut_trust(stage);
    cut_verdict(stage);
    return true;
}

static enum reread_result read_results(struct reread_stage *stage, sqlite3_stmt *row,
                                       struct err *err)
{
    char *sql = mem_printf("SELECT %s FROM result WHERE stage=? ORDER BY id", reread_columns);
    sqlite3_stmt *stmt = reread_prepare(stage->db, sql);
    struct stats *whole = stats_new(), *steady = stats_new();
    stats_own(whole, &stage->own->metrics);
    stats_own(steady, &stage->own->metrics);
    enum reread_result result = stmt ? take_results(stage, stmt, whole, steady, err)
                                     : reread_fail(stage->job, stage->db, err);
    if (result == REREAD_DONE && !sum_up(stage, row, whole, steady, err))
        result = REREAD_UNREADABLE;
    stats_free(whole);
    stats_free(steady);
    sqlite3_finalize(stmt);
    free(sql);
    return result;
}

static bool check_objects(const struct reread_stage *stage, sqlite3_stmt *row, struct err *err)
{
    static const struct {
        int column;
        const char *name;
    } objects[] = {
        {OPTIONS, "options"}, {VERDICT, "verdict"}, {TRUST, "trust"}, {SCRIPT, "script"}};
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        int column = objects[i].column;
        if (sqlite3_column_type(row, column) != SQLITE_NULL && !reread_is_object(row, column))
            return err_set(err, "%s: stage %u: its %s is no JSON object", stage->job->path,
                           stage->report->stage, objects[i].name);
    }
    return true;
}

enum reread_result reread_stage(struct reread_stage *stage, sqlite3_stmt *row, struct err *err)
{
    struct report *report = stage->report;
    report->stage = (uint32_t)reread_count(row, ID);
    if (!check_objects(stage, row, err))
        return REREAD_UNREADABLE;
    report->options = reread_text(row, OPTIONS);
    take_plan(row, report);
    stage->ended = sqlite3_column_type(row, DUE) != SQLITE_NULL;
    const char *reason = (const char *)sqlite3_column_text(row, END_REASON);
    report->end = RUN_END_CUT_OFF;
    if (stage->ended && (!reason || !run_end_find(reason, &report->end))) {
        err_set(err, "%s: stage %u: \"%s\" is no way to end", stage->job->path, report->stage,
                reason ? reason : "");
        return REREAD_UNREADABLE;
    }
    report->interrupted = report->end == RUN_END_INTERRUPTED;
    stage->steady_ns = reread_count(row, STEADY_START_NS);
    if (stage->ended && report->end != RUN_END_NUMBER && report->end != RUN_END_DATA)
        stage->stop_ns = reread_count(row, WINDOW_END_NS);
    if (!take_own(stage, err)) {
        err_prefix(err, "%s", stage->job->path);
        return REREAD_UNREADABLE;
    }
    return read_results(stage, row, err);
}
