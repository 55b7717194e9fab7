#include "out/wandb_text.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "out/parts.h"
#include "out/running.h"

static char *printed(cJSON *item)
{
    char *text = cJSON_PrintUnformatted(item);
    cJSON_Delete(item);
    char *copy = mem_text(text ? text : "{}");
    cJSON_free(text);
    return copy;
}

/* ---- creating the run ---------------------------------------------------------------------------
 */

void wandb_run_id(char id[WANDB_RUN_ID + 1], uint64_t seed)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t i = 0; i < WANDB_RUN_ID; i++)
        id[i] = letters[rng_below(&rng, sizeof letters - 1)];
    id[WANDB_RUN_ID] = 0;
}

static const char mutation[] =
    "mutation UpsertBucket($name: String, $project: String, $displayName: String, "
    "$config: JSONString, $notes: String) { "
    "upsertBucket(input: {name: $name, modelName: $project, displayName: $displayName, "
    "config: $config, notes: $notes}) { "
    "bucket { id name displayName project { name entity { name } } } inserted } }";

static void add_value(cJSON *config, const char *key, cJSON *value)
{
    cJSON *entry = cJSON_AddObjectToObject(config, key);
    cJSON_AddItemToObject(entry, "value", value);
}

/* What shapes the load and the answers; the rest (URL, prompt, headers, paths) stays here. */
static bool is_shared(const struct opt_row *row)
{
    return !row->secret && (row->body || (row->group && strcmp(row->group, "Load") == 0));
}

static void add_options(cJSON *config, const struct opt_set *options, struct secrets *secrets)
{
    cJSON *all = part_options(options, OPT_DEFAULT, secrets);
    for (size_t i = 0; options && i < options->count; i++) {
        const struct opt_row *row = &options->rows[i];
        if (!is_shared(row))
            continue;
        char *key = mem_text(row->name);
        for (char *at = key; *at; at++)
            *at = *at == '-' ? '_' : *at;
        cJSON *value = cJSON_DetachItemFromObjectCaseSensitive(all, key);
        if (value)
            add_value(config, key, value);
        free(key);
    }
    cJSON_Delete(all);
}

static char *config_text(const struct run_facts *facts, struct secrets *secrets)
{
    cJSON *config = cJSON_CreateObject();
    char time[64];
    clock_format(time, sizeof time, "%Y-%m-%dT%H:%M:%S%z", facts->started_wall_ns);
    add_value(config, "model", part_text(secrets, facts->model));
    add_value(config, "time", part_text(secrets, time));
    add_value(config, "api", part_text(secrets, facts->api));
    add_value(config, "dataset", part_text(secrets, facts->dataset));
    add_value(config, "llmbench_version", part_text(secrets, facts->version));
    add_options(config, facts->options, secrets);
    return printed(config);
}

static const char *description(const struct opt_set *options)
{
    const struct opt_row *row = options ? opt_find(options, "desc") : NULL;
    return row ? *(char *const *)opt_field(options, row) : NULL;
}

char *wandb_upsert_body(const char *project, const char *id, const struct run_facts *facts,
                        struct secrets *secrets)
{
    cJSON *body = cJSON_CreateObject();
    char *config = config_text(facts, secrets);
    cJSON_AddStringToObject(body, "query", mutation);
    cJSON *variables = cJSON_AddObjectToObject(body, "variables");
    cJSON_AddItemToObject(variables, "name", part_text(NULL, id));
    cJSON_AddItemToObject(variables, "project", part_text(secrets, project));
    cJSON_AddItemToObject(variables, "displayName", part_text(secrets, facts->name));
    cJSON_AddItemToObject(variables, "config", part_text(NULL, config));
    cJSON_AddItemToObject(variables, "notes", part_text(secrets, description(facts->options)));
    free(config);
    return printed(body);
}

/* ---- the answer to it ---------------------------------------------------------------------------
 */

static const cJSON *at_path(const cJSON *item, const char *const *keys)
{
    for (; item && *keys; keys++)
        item = cJSON_GetObjectItemCaseSensitive(item, *keys);
    return item;
}

/* NULL unless it is a text that is not empty. */
static const char *text_at(const cJSON *item, const char *const *keys)
{
    const char *text = cJSON_GetStringValue(at_path(item, keys));
    return text && *text ? text : NULL;
}

static void add_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x80 && (isalnum(c) || strchr("-_.~", c)))
            buf_add_char(out, *text);
        else
            buf_printf(out, "%%%02X", c);
    }
}

static char *joined(const char *first, const char *entity, const char *project, const char *middle,
                    const char *run, const char *last)
{
    enum { LIMIT = 16 << 10 };
    struct buf out;
    buf_init(&out, LIMIT);
    buf_add_text(&out, first);
    add_escaped(&out, entity);
    buf_add_char(&out, '/');
    add_escaped(&out, project);
    buf_add_text(&out, middle);
    add_escaped(&out, run);
    buf_add_text(&out, last);
    char *text = out.full ? NULL : buf_take(&out);
    buf_fini(&out);
    return text;
}

static bool refused(const cJSON *root, struct err *err)
{
    const cJSON *error = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(root, "errors"), 0);
    const char *message = text_at(error, (const char *const[]){"message", NULL});
    return err_set(err, "the run was not created: %s",
                   message ? message : "the answer does not name entity, project and run");
}

char *wandb_stream_path(struct span answer, char **page, struct err *err)
{
    cJSON *root = cJSON_ParseWithLength(answer.data ? answer.data : "", answer.len);
    const cJSON *bucket =
        at_path(root, (const char *const[]){"data", "upsertBucket", "bucket", NULL});
    const char *run = text_at(bucket, (const char *const[]){"name", NULL});
    const char *project = text_at(bucket, (const char *const[]){"project", "name", NULL});
    const char *entity = text_at(bucket, (const char *const[]){"project", "entity", "name", NULL});
    char *path = NULL;
    *page = NULL;
    if (run && project && entity) {
        path = joined("/files/", entity, project, "/", run, "/file_stream");
        *page = joined("/", entity, project, "/runs/", run, "");
    }
    if (!path)
        refused(root, err);
    cJSON_Delete(root);
    return path;
}

/* ---- lines --------------------------------------------------------------------------------------
 */

/* What has no value has no key. */
static void add_number(cJSON *object, const char *key, double value)
{
    if (isfinite(value))
        cJSON_AddNumberToObject(object, key, value);
}

static cJSON *running_json(const struct live *live, const struct wandb_moment *moment)
{
    cJSON *line = cJSON_CreateObject();
    for (size_t i = 0; i < running_metric_count; i++)
        add_number(line, running_metrics[i].name, running_metrics[i].of(live));
    if (live->stages > 1)
        add_number(line, "stage", live->stage);
    add_number(line, "_step", (double)moment->step);
    add_number(line, "_runtime", moment->runtime_s);
    add_number(line, "_timestamp", moment->unix_s);
    return line;
}

char *wandb_history_line(const struct live *live, const struct wandb_moment *moment)
{
    return printed(running_json(live, moment));
}

static void add_metric(cJSON *line, const char *prefix, const char *name, bool one_number,
                       const struct summary_metric *metric)
{
    static const enum statistic statistics[] = {STAT_MEAN, STAT_MIN, STAT_MAX, STAT_P50,
                                                STAT_P90,  STAT_P95, STAT_P99};
    size_t count = one_number ? 1 : sizeof statistics / sizeof *statistics;
    for (size_t i = 0; metric->present && i < count; i++) {
        char *key = one_number ? mem_printf("%s%s", prefix, name)
                               : mem_printf("%s%s_%s", prefix, name, statistic_name(statistics[i]));
        add_number(line, key, metric->value[statistics[i]]);
        free(key);
    }
}

static void add_report(cJSON *line, const char *prefix, const struct report *report)
{
    for (size_t id = 0; id < METRIC_COUNT; id++)
        add_metric(line, prefix, metric_at(id)->name, id >= METRIC_SAMPLED,
                   &report->whole.metric[id]);
    for (size_t i = 0; i < report->whole.own_count; i++) {
        const struct summary_own *own = &report->whole.own[i];
        add_metric(line, prefix, own->metric->name, own->metric->over == OVER_STAGE, &own->value);
    }
    char *sound = mem_printf("%ssound", prefix);
    cJSON_AddBoolToObject(line, sound, report->verdict.sound);
    free(sound);
}

char *wandb_summary_line(const struct live *live, const struct wandb_moment *moment,
                         const struct reports *reports)
{
    cJSON *line = running_json(live, moment);
    for (size_t i = 0; reports && i < reports->count; i++) {
        char prefix[32] = "";
        if (reports->count > 1)
            snprintf(prefix, sizeof prefix, "stage%zu_", i + 1);
        add_report(line, prefix, &reports->items[i]);
    }
    if (reports)
        cJSON_AddStringToObject(line, "end", run_end_name(reports->end));
    cJSON *own = cJSON_AddObjectToObject(line, "_wandb");
    add_number(own, "runtime", floor(moment->runtime_s));
    return printed(line);
}

/* ---- posts --------------------------------------------------------------------------------------
 */

static void add_file(cJSON *files, const char *name, uint64_t offset, char *const *lines,
                     size_t count)
{
    cJSON *file = cJSON_AddObjectToObject(files, name);
    cJSON_AddNumberToObject(file, "offset", (double)offset);
    cJSON *content = cJSON_AddArrayToObject(file, "content");
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(content, cJSON_CreateString(lines[i]));
}

/* Without lines and summary it is a heartbeat. */
char *wandb_post_body(const struct wandb_post *post)
{
    cJSON *body = cJSON_CreateObject();
    char *summary = mem_text(post->summary);
    if (post->line_count || summary) {
        cJSON *files = cJSON_AddObjectToObject(body, "files");
        if (post->line_count)
            add_file(files, "wandb-history.jsonl", post->offset, post->lines, post->line_count);
        if (summary)
            add_file(files, "wandb-summary.json", 0, &summary, 1);
    }
    free(summary);
    cJSON_AddNumberToObject(body, "dropped", (double)post->dropped);
    cJSON_AddBoolToObject(body, "complete", post->complete);
    if (post->complete)
        cJSON_AddNumberToObject(body, "exitcode", post->exit_code);
    return printed(body);
}

bool wandb_worth_another_try(long status)
{
    return status == 408 || status == 429 || status >= 500;
}
