#include "app/hidden.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/span.h"
#include "wire/json.h"

/* URLs that come from the environment, some of them read by libcurl alone. */
static const char *const url_variables[] = {
    "WANDB_BASE_URL", "MODELSCOPE_ENDPOINT", "HF_ENDPOINT", "http_proxy",
    "https_proxy",    "HTTPS_PROXY",         "all_proxy",   "ALL_PROXY",
};

static void add_urls(struct secrets *secrets, const struct run_spec *spec, struct log *log)
{
    if (spec->url)
        secrets_register_url(secrets, spec->url, "a secret in the URL", log);
    for (size_t i = 0; i < sizeof url_variables / sizeof *url_variables; i++) {
        const char *url = getenv(url_variables[i]);
        if (url && *url)
            secrets_register_url(secrets, url, url_variables[i], log);
    }
}

/* Of the rows behind the program's own. */
static void add_own(struct secrets *secrets, const struct opt_set *set, struct log *log)
{
    for (size_t i = run_row_count; i < set->count; i++) {
        const struct opt_row *row = &set->rows[i];
        const void *field = opt_field(set, row);
        char *what = mem_printf("--%s", row->name);
        if (row->secret && row->type->kind == OPT_KIND_TEXT && *(char *const *)field)
            secrets_register(secrets, span_text(*(char *const *)field), what, log);
        const struct list *list = field;
        for (size_t k = 0; row->secret && row->type->kind == OPT_KIND_LIST && k < list->count; k++)
            secrets_register(secrets, span_text(list->items[k]), what, log);
        free(what);
    }
}

/* Values of JSON that an option puts into each body, by the names of their fields. */
static void add_fields(struct secrets *secrets, const char *option, const char *text,
                       struct log *log)
{
    struct json json;
    enum json_token token = JSON_END;
    bool secret = false;
    json_init(&json, text ? text : "", text ? strlen(text) : 0);
    while (text && (token = json_next(&json)) != JSON_END && token != JSON_ERROR) {
        if (secret && token == JSON_STRING)
            secrets_register(secrets, json.text, option, log);
        secret = token == JSON_KEY && secrets_field(json.text);
    }
    json_fini(&json);
}

/* NAME=VALUE */
static void add_parameters(struct secrets *secrets, const struct list *parameters, struct log *log)
{
    for (size_t i = 0; i < parameters->count; i++) {
        const char *text = parameters->items[i], *equals = strchr(text, '=');
        if (equals && secrets_field(span_of(text, (size_t)(equals - text))))
            secrets_register(secrets, span_text(equals + 1), "--parameters", log);
    }
}

void hidden_add(struct secrets *secrets, const struct options *options, struct log *log)
{
    const struct run_spec *spec = &options->spec;
    if (spec->api_key)
        secrets_register(secrets, span_text(spec->api_key), "the API key", log);
    if (spec->wandb_api_key) /* libcurl sends it as the password of "api" */
        secrets_register_login(secrets, span_text("api"), span_text(spec->wandb_api_key),
                               "the wandb API key", log);
    const char *password = getenv("LLMBENCH_KEY_PASSWORD");
    if (password)
        secrets_register(secrets, span_text(password), "LLMBENCH_KEY_PASSWORD", log);
    for (size_t i = 0; i < spec->headers.count; i++)
        secrets_register_header(secrets, spec->headers.items[i], log);
    add_fields(secrets, "--query-template", spec->query_template, log);
    add_fields(secrets, "--hyperparameters", spec->hyperparameters, log);
    add_fields(secrets, "--extra-args", spec->extra_args, log);
    add_parameters(secrets, &spec->parameters, log);
    add_urls(secrets, spec, log);
    add_own(secrets, &options->set, log);
}
