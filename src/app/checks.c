#include "app/checks.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/body_checks.h"
#include "app/paths.h"
#include "base/mem.h"
#include "model/condition.h"
#include "model/plan.h"
#include "script/script.h"

enum { PROMPT_FILE_LIMIT = 64 << 20 };

static bool check_url(const char *url, struct err *err)
{
    if (!url)
        return err_set(err,
                       "which server? give --url URL, for example "
                       "llmbench --url http://127.0.0.1:8000/v1/chat/completions --model NAME");
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        return err_set(err, "--url %s: a URL begins with http:// or https://", url);
    CURLU *parts = curl_url();
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, 0);
    curl_url_cleanup(parts);
    if (code != CURLUE_OK)
        return err_set(err, "--url %s: %s", url, curl_url_strerror(code));
    return true;
}

/* A header's name is a token (RFC 9110), its value one line; "Name;" is one without a value. */
static bool check_header(const char *line, struct err *err)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t name = strspn(line, token);
    bool empty = strcmp(line + name, ";") == 0;
    if (name == 0 || (line[name] != ':' && !empty))
        return err_set(
            err, "--header \"%s\": a header is 'Name: value', or 'Name;' without a value", line);
    if (strpbrk(line, "\r\n"))
        return err_set(err, "--header \"%.*s\": its value has a line break", (int)name, line);
    return true;
}

/* "Name=value", split at the first '=', as the header line it stands for; NULL without a name. */
static char *header_of_word(const char *word)
{
    const char *equals = strchr(word, '=');
    if (!equals || equals == word)
        return NULL;
    return mem_printf("%.*s: %s", (int)(equals - word), word, equals + 1);
}

static void give_origin(struct opt_set *set, const char *from, const char *to)
{
    size_t source = (size_t)(opt_find(set, from) - set->rows);
    size_t target = (size_t)(opt_find(set, to) - set->rows);
    if (set->origin[source] > set->origin[target])
        set->origin[target] = set->origin[source];
    set->origin[source] = OPT_UNSET;
}

/* From here on there is one list of headers. */
static bool join_headers(struct opt_set *set, struct run_spec *spec, struct err *err)
{
    for (size_t i = 0; i < spec->header_words.count; i++) {
        char *line = header_of_word(spec->header_words.items[i]);
        if (!line)
            return err_set(err, "--headers \"%s\": a header is Name=value",
                           spec->header_words.items[i]);
        list_add(&spec->headers, line);
        free(line);
    }
    if (spec->header_words.count > 0) {
        list_fini(&spec->header_words);
        give_origin(set, "headers", "header");
    }
    for (size_t i = 0; i < spec->headers.count; i++)
        if (!check_header(spec->headers.items[i], err))
            return false;
    return true;
}

static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

static bool check_readable(const char *option, const char *path, struct err *err)
{
    if (!path)
        return true;
    if (access(path, R_OK) != 0)
        return err_set(err, "%s %s: %s", option, path, strerror(errno));
    if (!is_file(path))
        return err_set(err, "%s %s: this is a folder, a file is wanted", option, path);
    return true;
}

/* Scripts by name are known ones, scripts by path exist. */
static bool check_script(const char *option, const char *kind, const char *value, struct err *err)
{
    if (strchr(value, '/') || path_ends_with(value, ".lua"))
        return check_readable(option, value, err);
    if (!script_known(kind, value))
        return err_set(err,
                       "%s %s: there is none of that name; built in are %s, and a Lua file "
                       "ends in .lua",
                       option, value, script_builtin_names(kind));
    return true;
}

/* Whether the two belong together is seen when libcurl reads them. */
static bool check_certificate(const struct run_spec *spec, struct err *err)
{
    if (spec->key && !spec->cert)
        return err_set(err, "--key %s needs the certificate that it belongs to: give --cert too",
                       spec->key);
    if (spec->cert && strncasecmp(spec->url, "https://", 8) != 0)
        return err_set(err, "--cert %s is shown to https servers only; --url is none", spec->cert);
    return check_readable("--cert", spec->cert, err) && check_readable("--key", spec->key, err);
}

static bool is_data_file(const char *dataset)
{
    if (path_ends_with(dataset, ".lua"))
        return false;
    return is_file(dataset) && (strchr(dataset, '/') || !script_known("datasets", dataset));
}

static bool check_dataset(struct opt_set *set, struct run_spec *spec, struct err *err)
{
    if (!spec->dataset)
        return true;
    if (!is_data_file(spec->dataset))
        return true;
    if (spec->dataset_path)
        return err_set(err, "--dataset %s is a data file, so --dataset-path %s has no meaning",
                       spec->dataset, spec->dataset_path);
    bool rows = path_ends_with(spec->dataset, ".jsonl") || path_ends_with(spec->dataset, ".json");
    spec->dataset_path = spec->dataset;
    spec->dataset = mem_text(rows ? "auto" : "line_by_line");
    set->origin[opt_find(set, "dataset-path") - set->rows] = OPT_COMMAND_LINE;
    return true;
}

static bool take_test_set(struct opt_set *set, struct run_spec *spec, struct err *err)
{
    if (!spec->test_set)
        return true;
    if (spec->dataset || spec->dataset_path)
        return err_set(err, "--test-set %s names the data already; leave out %s %s", spec->test_set,
                       spec->dataset ? "--dataset" : "--dataset-path",
                       spec->dataset ? spec->dataset : spec->dataset_path);
    spec->dataset = mem_text("testset");
    spec->dataset_path = mem_text(spec->test_set);
    set->origin[opt_find(set, "dataset") - set->rows] = OPT_COMMAND_LINE;
    set->origin[opt_find(set, "dataset-path") - set->rows] = OPT_COMMAND_LINE;
    return true;
}

static bool check_prompt_length(const struct run_spec *spec, struct err *err)
{
    if (spec->max_prompt_length == 0 || spec->max_prompt_length > spec->min_prompt_length + 1)
        return true;
    return err_set(err,
                   "--min-prompt-length %lld and --max-prompt-length %lld leave no length between "
                   "them",
                   (long long)spec->min_prompt_length, (long long)spec->max_prompt_length);
}

/* What needs a tokenizer, and which limits exclude each other. */
static bool check_tokenizer(const struct opt_set *set, const struct run_spec *spec, struct err *err)
{
    static const char *const needing[] = {"check-tokens", "min-prompt-tokens", "max-prompt-tokens"};
    for (size_t i = 0; i < sizeof needing / sizeof *needing; i++)
        if (!spec->tokenizer_path && opt_given(set, needing[i]))
            return err_set(err, "--%s needs --tokenizer-path, which says what counts the tokens",
                           needing[i]);
    if (spec->max_prompt_tokens == 0 || spec->max_prompt_tokens >= spec->min_prompt_tokens)
        return true;
    return err_set(err,
                   "--min-prompt-tokens %lld and --max-prompt-tokens %lld leave no length between "
                   "them",
                   (long long)spec->min_prompt_tokens, (long long)spec->max_prompt_tokens);
}

/* Data sets from elsewhere may look at these too. */
static bool check_lengths(const struct opt_set *set, const struct run_spec *spec, struct err *err)
{
    static const char *const made[] = {"input-tokens", "prefix-tokens"};
    bool random = spec->dataset && strcmp(spec->dataset, "random") == 0;
    bool unused =
        spec->prompt || (spec->dataset ? script_known("datasets", spec->dataset) : !spec->script);
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        if (opt_given(set, made[i]) && (unused && (spec->prompt || !random)))
            return err_set(
                err, "--%s says how long the prompts of --dataset random are, which is not given",
                made[i]);
    return true;
}

static bool take_chat_template(struct opt_set *set, struct run_spec *spec, struct err *err)
{
    if (!spec->no_apply_chat_template)
        return true;
    if (opt_given(set, "apply-chat-template") && spec->apply_chat_template)
        return err_set(err, "--apply-chat-template and --no-apply-chat-template contradict");
    spec->apply_chat_template = spec->no_apply_chat_template = false;
    give_origin(set, "no-apply-chat-template", "apply-chat-template");
    return true;
}

/* "@file" becomes its content. */
static bool read_prompt(struct run_spec *spec, struct err *err)
{
    if (spec->prompt && spec->prompt[0] == '@') {
        struct buf content;
        buf_init(&content, PROMPT_FILE_LIMIT);
        bool ok = path_read(spec->prompt + 1, &content, err);
        if (ok && memchr(content.data ? content.data : "", 0, content.len))
            ok = err_set(err, "%s holds a NUL byte; a prompt is text", spec->prompt + 1);
        if (!ok) {
            buf_fini(&content);
            return err_prefix(err, "--prompt");
        }
        free(spec->prompt);
        spec->prompt = buf_take(&content);
    }
    if (spec->prompt && !*spec->prompt)
        return err_set(err, "--prompt is empty; give it a text or @FILE");
    return true;
}

static bool check_name(const char *name, struct err *err)
{
    if (!name)
        return true;
    if (!*name || name[0] == '.' || strchr(name, '/') || strlen(name) > PATH_NAME_LIMIT)
        return err_set(
            err,
            "--name \"%s\": a name is 1 to %d bytes, without / and not with a dot first; "
            "the folder is --outputs-dir",
            name, PATH_NAME_LIMIT);
    return true;
}

/* Better known now than after an hour's run. */
static bool check_json(const char *path, struct err *err)
{
    if (!path || strcmp(path, "-") == 0)
        return true;
    struct stat info;
    if (!*path || (stat(path, &info) == 0 && S_ISDIR(info.st_mode)))
        return err_set(err, "--json \"%s\": a file is wanted, or - for stdout", path);
    char *folder = path_folder(path);
    bool ok = access(folder, W_OK | X_OK) == 0 ||
              err_set(err, "--json %s: cannot write in %s: %s", path, folder, strerror(errno));
    free(folder);
    return ok;
}

static bool check_trace(const struct run_spec *spec, struct err *err)
{
    if (!plan_is_trace(spec))
        return !(spec->trace_speed > 0) ||
               err_set(err, "--trace-speed %g needs --arrival trace, whose times it divides",
                       spec->trace_speed);
    if (spec->rate.count)
        return err_set(err,
                       "--arrival trace takes its times from the data; --rate %g would plan "
                       "others: leave it out (--trace-speed changes the pace)",
                       spec->rate.items[0]);
    if (spec->spawn_rate > 0)
        return err_set(err, "--spawn-rate adds users to a closed loop; with --arrival trace there "
                            "are no users to add");
    if (spec->prompt)
        return err_set(err, "--arrival trace needs a data set whose items have 'at'; --prompt has "
                            "none");
    return true;
}

static bool check_preconnect(const struct run_spec *spec, struct err *err)
{
    const char *path = spec->preconnect_path;
    bool open = spec->rate.count || plan_is_trace(spec);
    if (path[0] != '/' || strpbrk(path, " \t\r\n"))
        return err_set(err, "--preconnect-path \"%s\": a path begins with / and has no blanks",
                       path);
    if (spec->preconnect && open && !spec->parallel.count)
        return err_set(err, "--preconnect opens --parallel connections; give --parallel too");
    return true;
}

static bool check_wait_ready(const struct run_spec *spec, struct err *err)
{
    const char *path = spec->wait_ready_path;
    return (path[0] == '/' && !strpbrk(path, " \t\r\n")) ||
           err_set(err, "--wait-ready-path \"%s\": a path begins with / and has no blanks", path);
}

static bool check_load(const struct run_spec *spec, struct err *err)
{
    if (spec->max_response_bytes == 0)
        return err_set(err, "--max-response-bytes 0 leaves no room for an answer");
    for (size_t i = 0; i < spec->rate.count; i++)
        if (!(spec->rate.items[i] > 0) && spec->rate.items[i] != -1)
            return err_set(
                err, "--rate %g: must be more than 0 arrivals a second, or -1 for all at once",
                spec->rate.items[i]);
    for (size_t i = 0; i < spec->rate.count; i++)
        if (spec->rate.items[i] == -1 && !spec->number.count &&
            (spec->duration_ns || spec->runtime_ns))
            return err_set(err, "--rate -1 sends everything at once, so a time does not bound it; "
                                "give --number");
    if (spec->rate.count && spec->spawn_rate > 0)
        return err_set(err,
                       "--spawn-rate adds users to a closed loop; with --rate the arrivals are "
                       "planned and there are no users to add");
    if (spec->runtime_ns && spec->duration_ns)
        return err_set(err, "--runtime ends with the data, --duration starts it again; give one of "
                            "them");
    return check_wait_ready(spec, err) && check_preconnect(spec, err) && check_trace(spec, err);
}

/* A script's own metrics are known when it has been loaded. */
static bool check_conditions(const struct run_spec *spec, struct err *err)
{
    bool own_api = spec->api && (strchr(spec->api, '/') || path_ends_with(spec->api, ".lua"));
    return checks_conditions(&spec->fail_on, NULL, spec->script || own_api, err);
}

bool checks_dataset(struct opt_set *set, struct run_spec *spec, struct err *err)
{
    return take_test_set(set, spec, err) && check_dataset(set, spec, err);
}

bool checks_results(const struct run_spec *spec, struct err *err)
{
    return check_name(spec->name, err) && check_json(spec->json, err);
}

bool checks_run(struct opt_set *set, struct run_spec *spec, struct err *err)
{
    return check_url(spec->url, err) && join_headers(set, spec, err) && check_load(spec, err) &&
           check_readable("--cacert", spec->cacert, err) && check_certificate(spec, err) &&
           checks_dataset(set, spec, err) && check_prompt_length(spec, err) &&
           check_tokenizer(set, spec, err) && check_lengths(set, spec, err) &&
           take_chat_template(set, spec, err) && check_conditions(spec, err) &&
           body_checks(spec, err) && read_prompt(spec, err) && checks_results(spec, err);
}

bool checks_conditions(const struct list *conditions, const struct own_metrics *own, bool more,
                       struct err *err)
{
    for (size_t i = 0; i < conditions->count; i++)
        if (!condition_check(conditions->items[i], own, more, err))
            return err_prefix(err, "--fail-on '%.*s'", CONDITION_SIZE, conditions->items[i]);
    return true;
}

bool checks_scripts(const struct run_spec *spec, struct err *err)
{
    return check_readable("--script", spec->script, err) &&
           (!spec->api || check_script("--api", "apis", spec->api, err)) &&
           (!spec->dataset || check_script("--dataset", "datasets", spec->dataset, err));
}

bool checks_files(const struct run_spec *spec, struct err *err)
{
    return check_readable("--dataset-path", spec->dataset_path, err);
}
