#include "app/body_checks.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/paths.h"
#include "base/mem.h"
#include "wire/json.h"

enum { FILE_LIMIT = 64 << 20, SHOWN = 200 };

static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

/* The file that a value names: "@file", or a path that cannot be meant as JSON; NULL = none. */
static const char *file_of(const char *value)
{
    if (value[0] == '@')
        return value + 1;
    char first = value[strspn(value, " \t\r\n")];
    return first != '{' && first != '[' && is_file(value) ? value : NULL;
}

static bool check_object(struct span text, struct err *err)
{
    struct json json;
    json_init(&json, text.data, text.len);
    enum json_token token = json_next(&json);
    bool object = token == JSON_OBJECT_BEGIN;
    bool ok = token != JSON_ERROR && json_skip(&json) && json_next(&json) == JSON_END;
    if (!ok)
        err_set(err, "not JSON: %s", json_error(&json));
    else if (!object)
        ok = err_set(err, "a JSON object ({…}) is wanted");
    json_fini(&json);
    return ok;
}

/* The option's text, read from the file it names. */
static bool take_object(const char *option, char **value, struct err *err)
{
    if (!*value)
        return true;
    const char *path = file_of(*value);
    struct buf content;
    buf_init(&content, FILE_LIMIT);
    bool ok = !path || path_read(path, &content, err);
    if (ok)
        ok = check_object(path ? buf_span(&content) : span_text(*value), err) ||
             err_prefix(err, "%.*s", SHOWN, *value);
    if (ok && path) {
        free(*value);
        *value = buf_take(&content);
    }
    buf_fini(&content);
    return ok || err_prefix(err, "--%s", option);
}

static bool check_parameters(const struct list *parameters, struct err *err)
{
    for (size_t i = 0; i < parameters->count; i++)
        if (strcspn(parameters->items[i], "=") == 0 || !strchr(parameters->items[i], '='))
            return err_set(err, "--parameters \"%.*s\": a parameter is NAME=VALUE", SHOWN,
                           parameters->items[i]);
    return true;
}

bool body_checks(struct run_spec *spec, struct err *err)
{
    return take_object("query-template", &spec->query_template, err) &&
           take_object("hyperparameters", &spec->hyperparameters, err) &&
           take_object("extra-args", &spec->extra_args, err) &&
           check_parameters(&spec->parameters, err);
}
