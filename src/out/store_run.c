/* Rows of the tables run, part and stage. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "out/bind.h"
#include "out/parts.h"
#include "out/store_rows.h"

/* A tree becomes the text of the next parameter. Its texts have their secrets hidden already; to
 * hide them once more could spoil a number. */
void rows_bind_tree(struct bind *bind, cJSON *tree)
{
    struct buf taken;
    char *text = cJSON_PrintUnformatted(tree);
    buf_init(&taken, SIZE_MAX);
    buf_add_text(&taken, text);
    bind_taken(bind, &taken);
    cJSON_free(text);
    cJSON_Delete(tree);
}

/* A time of this process as the database counts. */
void rows_bind_time(struct bind *bind, const struct rows *rows, uint64_t ns)
{
    bind_ns(bind, ns ? ns - rows->gap_ns : 0);
}

bool rows_step_once(struct bind *bind)
{
    bool ok = bind_step(bind);
    sqlite3_finalize(bind->stmt);
    return ok;
}

static void bind_said(struct bind *bind, const struct said *said, struct secrets *secrets)
{
    cJSON *tree = part_said(said, secrets);
    if (!cJSON_IsNull(tree)) {
        rows_bind_tree(bind, tree);
        return;
    }
    cJSON_Delete(tree);
    bind_text(bind, NULL);
}

static void bind_iso_time(struct bind *bind, uint64_t wall_ns)
{
    char text[64];
    clock_format(text, sizeof text, "%Y-%m-%dT%H:%M:%S%z", wall_ns);
    bind_text(bind, text);
}

bool rows_run(const struct rows *rows, const struct run_facts *facts)
{
    sqlite3_stmt *stmt = rows_prepared(
        rows, "INSERT INTO run(name,started,started_unix,wall_minus_monotonic_ns,version,"
              "libraries,host,calibration,calibrated,log,url,model,api,dataset,data_source,"
              "tokenizer,options,given,files) "
              "VALUES(coalesce(?,''),?,?,?,coalesce(?,''),?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    if (!stmt)
        return false;
    struct bind bind = bind_begin(stmt, rows->secrets);
    bind_text(&bind, facts->name);
    bind_iso_time(&bind, facts->started_wall_ns);
    bind_number(&bind, clock_seconds(facts->started_wall_ns));
    bind_integer(&bind, rows->wall_offset_ns);
    bind_text(&bind, facts->version);
    bind_text(&bind, facts->libraries);
    bind_text(&bind, facts->host);
    bind_text(&bind, facts->calibration);
    bind_text(&bind, facts->calibrated);
    bind_text(&bind, facts->log_path);
    bind_text(&bind, facts->url);
    bind_text(&bind, facts->model);
    bind_text(&bind, facts->api);
    bind_text(&bind, facts->dataset);
    bind_text(&bind, facts->data_source);
    bind_text(&bind, facts->tokenizer);
    rows_bind_tree(&bind, part_options(facts->options, OPT_DEFAULT, rows->secrets));
    bind_text(&bind, facts->given);
    bind_text(&bind, facts->files);
    return rows_step_once(&bind);
}

static const char *kind_of(const struct plan *plan)
{
    return plan->shape == PLAN_OPEN ? "open" : "closed";
}

bool rows_stage_begin(const struct rows *rows, uint32_t stage, const struct plan *plan,
                      const char *options)
{
    char label[64];
    sqlite3_stmt *stmt = rows_prepared(
        rows, "INSERT OR IGNORE INTO stage(id,label,kind,warmup,asked_concurrency,asked_rate,"
              "options) VALUES(?,?,?,?,?,?,?)");
    if (!stmt)
        return false;
    bool slots = plan->shape == PLAN_CLOSED || plan->capped;
    struct bind bind = bind_begin(stmt, rows->secrets);
    bind_integer(&bind, stage);
    bind_text(&bind, plan_label(plan, label, sizeof label));
    bind_text(&bind, kind_of(plan));
    bind_integer(&bind, plan->warmup);
    bind_number(&bind, slots ? (double)plan->parallel : (double)NAN);
    bind_number(&bind, plan->rate > 0 ? plan->rate : (double)NAN);
    bind_text(&bind, options);
    return rows_step_once(&bind);
}

bool rows_stage_began(const struct rows *rows, uint32_t stage, uint64_t start_ns,
                      uint64_t first_arrival)
{
    sqlite3_stmt *stmt = rows_prepared(rows, "UPDATE stage SET start_ns=coalesce(start_ns,?),"
                                             "first_arrival=coalesce(first_arrival,?) WHERE id=?");
    if (!stmt)
        return false;
    struct bind bind = bind_begin(stmt, rows->secrets);
    rows_bind_time(&bind, rows, start_ns);
    bind_count(&bind, first_arrival);
    bind_integer(&bind, stage);
    return rows_step_once(&bind);
}

bool rows_part(const struct rows *rows)
{
    uint64_t now_ns = clock_wall_ns();
    sqlite3_stmt *stmt = rows_prepared(
        rows, "INSERT INTO part(number,started,started_unix,first_result) SELECT "
              "coalesce(max(number),0)+1,?,?,(SELECT coalesce(max(id),0)+1 FROM result) FROM part");
    if (!stmt)
        return false;
    struct bind bind = bind_begin(stmt, rows->secrets);
    bind_iso_time(&bind, now_ns);
    bind_number(&bind, clock_seconds(now_ns));
    return rows_step_once(&bind);
}

bool rows_conditions(const struct rows *rows, const struct run_facts *facts)
{
    sqlite3_stmt *stmt =
        rows_prepared(rows, "UPDATE run SET options=json_set(options,'$.fail_on',json(?))");
    if (!stmt)
        return false;
    cJSON *options = part_options(facts->options, OPT_DEFAULT, rows->secrets);
    cJSON *conditions = cJSON_DetachItemFromObject(options, "fail_on");
    struct bind bind = bind_begin(stmt, rows->secrets);
    rows_bind_tree(&bind, conditions ? conditions : cJSON_CreateArray());
    cJSON_Delete(options);
    return rows_step_once(&bind);
}

bool rows_part_began(const struct rows *rows)
{
    sqlite3_stmt *stmt =
        rows_prepared(rows, "UPDATE part SET wall_minus_ns=? WHERE wall_minus_ns IS NULL AND "
                            "number=(SELECT max(number) FROM part)");
    if (!stmt)
        return false;
    struct bind bind = bind_begin(stmt, rows->secrets);
    bind_integer(&bind, rows->wall_offset_ns + (int64_t)rows->gap_ns);
    return rows_step_once(&bind);
}

bool rows_stage_end(const struct rows *rows, const struct report *report)
{
    const struct summary *whole = &report->whole;
    const struct stage_facts *facts = &whole->facts;
    sqlite3_stmt *stmt = rows_prepared(
        rows, "UPDATE stage SET max_in_flight=?,window_start_ns=?,window_end_ns=?,"
              "drain_end_ns=?,last_start_ns=?,steady_start_ns=?,window_s=?,due=?,ok=?,"
              "failed=?,cancelled=?,not_started=?,end_reason=?,sound=?,verdict=?,trust=?,script=? "
              "WHERE id=?");
    if (!stmt)
        return false;
    struct bind bind = bind_begin(stmt, rows->secrets);
    bind_integer(&bind, facts->max_in_flight);
    rows_bind_time(&bind, rows, facts->window_start_ns);
    rows_bind_time(&bind, rows, facts->window_end_ns);
    rows_bind_time(&bind, rows, facts->drain_end_ns);
    rows_bind_time(&bind, rows, facts->last_start_ns);
    rows_bind_time(&bind, rows, facts->steady_start_ns);
    bind_number(&bind, whole->window_s);
    bind_count(&bind, facts->due);
    bind_count(&bind, whole->ok);
    bind_count(&bind, whole->failed);
    bind_count(&bind, whole->cancelled);
    bind_count(&bind, facts->not_started);
    bind_text(&bind, run_end_name(report->end));
    bind_integer(&bind, report->verdict.sound);
    rows_bind_tree(&bind, part_verdict(&report->verdict, rows->secrets));
    rows_bind_tree(&bind, part_trust(&report->trust));
    bind_said(&bind, &report->said, rows->secrets);
    bind_integer(&bind, report->stage);
    return rows_step_once(&bind);
}

bool rows_end(const struct rows *rows, const struct reports *reports)
{
    const struct report *last = reports->count ? &reports->items[reports->count - 1] : NULL;
    uint64_t now_ns = clock_wall_ns();
    sqlite3_stmt *stmt =
        rows_prepared(rows, "UPDATE run SET ended=?,ended_unix=?,end_reason=?,stop_reason=?,"
                            "interrupted=?");
    if (!stmt)
        return false;
    struct bind bind = bind_begin(stmt, rows->secrets);
    bind_iso_time(&bind, now_ns);
    bind_number(&bind, clock_seconds(now_ns));
    bind_text(&bind, run_end_name(reports->end));
    bind_text(&bind, last ? last->stop_reason : NULL);
    bind_integer(&bind, reports->interrupted);
    return rows_step_once(&bind);
}
