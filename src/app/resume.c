#include "app/resume.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/config.h"
#include "app/config_inner.h"
#include "base/mem.h"
#include "script/digest.h"
#include "wire/json.h"

/* What does not change the plan, or is not in the database. */
static const char *const may_differ[] = {
    "resume",        "api-key",
    "header",        "headers",
    "url",           "json",
    "quiet",         "debug",
    "report",        "report-interval",
    "wandb",         "wandb-api-key",
    "wandb-project", "log-every-n-query",
    "env-file",      "offline",
    "fail-on",
};

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* ---- options ---- */

/* The dump has an option a line, so one that holds a secret goes with its line. */
static void keep_lines(const char *given, struct list *again, struct buf *out)
{
    while (*given) {
        size_t len = strcspn(given, "\n");
        char *line = mem_copy(given, len);
        bool secret = strstr(line, CONFIG_REDACTED) && strncmp(line, "  \"", 3) == 0;
        if (secret) {
            line[3 + strcspn(line + 3, "\"")] = '\0';
            list_add(again, line + 3);
        } else {
            buf_add_text(out, line);
            buf_add_char(out, '\n');
        }
        free(line);
        given += len + (given[len] == '\n');
    }
}

bool resume_take(struct resume_options *resume, const char *path, struct opt_set *set, bool look,
                 struct err *err)
{
    if (!path)
        return true;
    if (!resume->read && !remains_read(path, &resume->remains, err))
        return err_prefix(err, "--resume");
    resume->read = true;
    if (strcmp(resume->remains.version, LLMBENCH_VERSION) != 0)
        return err_set(err,
                       "--resume: %s is a run of llmbench %s, which may plan otherwise than %s",
                       path, resume->remains.version, LLMBENCH_VERSION);
    struct buf text;
    buf_init(&text, CONFIG_LIMIT);
    list_fini(&resume->again);
    keep_lines(resume->remains.given, &resume->again, &text);
    bool ok = config_text(set, buf_span(&text), look, err) || err_prefix(err, "--resume %s", path);
    buf_fini(&text);
    return ok;
}

/* A URL is in the database without its credentials. */
static bool check_url(const struct resume_options *resume, const struct opt_set *set,
                      struct err *err)
{
    if (!opt_given(set, "url"))
        return true;
    struct buf shown;
    buf_init(&shown, CONFIG_LIMIT);
    opt_show(set, opt_find(set, "url"), &shown);
    char *now = buf_take(&shown), *safe = secrets_url(NULL, now), *line = NULL;
    struct buf quoted;
    buf_init(&quoted, CONFIG_LIMIT);
    buf_add_text(&quoted, "\n  \"url\": ");
    json_write_string(&quoted, span_text(safe));
    line = buf_take(&quoted);
    bool same = strstr(resume->remains.given, line) != NULL;
    if (!same)
        err_set(err,
                "--resume: --url %s is not where the run asked; it goes on at the same URL, only "
                "credentials in it may be given anew",
                safe);
    free(now);
    free(safe);
    free(line);
    return same;
}

static bool check_secrets(const struct resume_options *resume, const struct opt_set *set,
                          struct err *err)
{
    for (size_t i = 0; i < resume->again.count; i++) {
        const struct opt_row *row = opt_find(set, resume->again.items[i]);
        if (!row || opt_origin(set, row) <= OPT_DEFAULT)
            return err_set(err,
                           "--resume: the run was given a secret in --%s, which no database holds; "
                           "give --%s again",
                           row ? row->name : resume->again.items[i],
                           row ? row->name : resume->again.items[i]);
    }
    return true;
}

/* What held a secret, be it a part of the bodies. */
static bool is_asked_again(const struct resume_options *resume, const struct opt_set *set,
                           const struct opt_row *row)
{
    for (size_t i = 0; i < resume->again.count; i++)
        if (opt_find(set, resume->again.items[i]) == row)
            return true;
    return false;
}

bool resume_check(const struct resume_options *resume, const struct opt_set *set, struct err *err)
{
    if (!resume->read)
        return true;
    for (size_t i = 0; i < set->count; i++)
        if (opt_origin(set, &set->rows[i]) == OPT_COMMAND_LINE &&
            !is_one_of(set->rows[i].name, may_differ, sizeof may_differ / sizeof *may_differ) &&
            !is_asked_again(resume, set, &set->rows[i]))
            return err_set(err,
                           "--resume goes on with the plan in the database, so --%s cannot be "
                           "given; only secrets and outputs may differ",
                           set->rows[i].name);
    return check_secrets(resume, set, err) && check_url(resume, set, err);
}

void resume_options_fini(struct resume_options *resume)
{
    remains_fini(&resume->remains);
    list_fini(&resume->again);
}

/* ---- files ---- */

/* "none": it is no ordinary file, such as a pipe, or built in. */
static void add_file(cJSON *files, const char *key, const char *path)
{
    char *hex = path ? digest_of_file(path) : NULL;
    cJSON_AddStringToObject(files, key, hex ? hex : "none");
    free(hex);
}

/* What options named by "@FILE": the files may be others now. */
static void add_texts(cJSON *files, const struct run_spec *spec)
{
    const char *const texts[] = {spec->prompt, spec->query_template, spec->hyperparameters,
                                 spec->extra_args};
    char *hex = digest_of_texts(texts, sizeof texts / sizeof *texts);
    cJSON_AddStringToObject(files, "texts", hex);
    free(hex);
}

char *resume_files(const struct run_spec *spec, const struct data_source *data,
                   const struct script_facts *scripts, const char *tokenizer)
{
    cJSON *files = cJSON_CreateObject();
    add_file(files, "script", spec->script);
    add_file(files, "api", scripts->api_where);
    add_file(files, "dataset", scripts->dataset_where);
    add_file(files, "data", data->path);
    add_texts(files, spec);
    cJSON_AddStringToObject(files, "tokenizer", tokenizer ? tokenizer : "none");
    char *printed = cJSON_PrintUnformatted(files), *text = mem_text(printed);
    cJSON_free(printed);
    cJSON_Delete(files);
    return text;
}

bool resume_same_files(const struct resume_options *resume, const char *files, struct err *err)
{
    static const struct {
        const char *key, *said;
    } named[] = {
        {"script", "the file of --script"},
        {"api", "the API script"},
        {"dataset", "the data set script"},
        {"data", "the data"},
        {"tokenizer", "the tokenizer"},
        {"texts",
         "a file that --prompt, --query-template, --hyperparameters or --extra-args names"},
    };
    cJSON *then = cJSON_Parse(resume->remains.files), *now = cJSON_Parse(files);
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof named / sizeof *named; i++) {
        const char *before = cJSON_GetStringValue(cJSON_GetObjectItem(then, named[i].key));
        const char *found = cJSON_GetStringValue(cJSON_GetObjectItem(now, named[i].key));
        if (!before || !found || strcmp(before, found) != 0)
            ok = err_set(err,
                         "--resume: %s is not what it was when the run began (then %.80s, now "
                         "%.80s); the same requests cannot be made from it",
                         named[i].said, before ? before : "none", found ? found : "none");
    }
    cJSON_Delete(then);
    cJSON_Delete(now);
    return ok;
}
