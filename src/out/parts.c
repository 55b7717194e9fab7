#include "out/parts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/json.h"

static cJSON *text_of_span(struct secrets *secrets, struct span text)
{
    struct buf hidden, quoted;
    buf_init(&hidden, SIZE_MAX);
    buf_init(&quoted, SIZE_MAX);
    if (secrets && secrets_found(secrets, text)) {
        secrets_hide(secrets, text, &hidden);
        text = buf_span(&hidden);
    }
    json_write_string(&quoted, text);
    char *raw = buf_take(&quoted);
    cJSON *item = cJSON_CreateRaw(raw);
    free(raw);
    buf_fini(&hidden);
    return item;
}

cJSON *part_text(struct secrets *secrets, const char *text)
{
    return text && *text ? text_of_span(secrets, span_text(text)) : cJSON_CreateNull();
}

/* A URL may carry a password or a token that nobody registered as a secret. */
static cJSON *option_text(struct secrets *secrets, const char *text)
{
    char *url = secrets && strstr(text, "://") ? secrets_url(secrets, text) : NULL;
    cJSON *item = text_of_span(secrets, span_text(url ? url : text));
    free(url);
    return item;
}

static cJSON *option_list(struct secrets *secrets, const struct list *list)
{
    cJSON *items = cJSON_CreateArray();
    for (size_t i = 0; i < list->count; i++)
        cJSON_AddItemToArray(items, option_text(secrets, list->items[i]));
    return items;
}

static cJSON *option_numbers(const struct numbers *numbers)
{
    cJSON *items = cJSON_CreateArray();
    for (size_t i = 0; i < numbers->count; i++)
        cJSON_AddItemToArray(items, cJSON_CreateNumber(numbers->items[i]));
    return items;
}

static cJSON *option_shown(const struct opt_set *options, const struct opt_row *row,
                           struct secrets *secrets, bool raw)
{
    struct buf shown;
    buf_init(&shown, SIZE_MAX);
    opt_show(options, row, &shown);
    char *text = buf_take(&shown);
    cJSON *item = raw ? cJSON_CreateRaw(text) : option_text(secrets, text);
    free(text);
    return item;
}

static cJSON *option_value(const struct opt_set *options, const struct opt_row *row,
                           struct secrets *secrets)
{
    const void *field = opt_field(options, row);
    if (row->secret)
        return option_shown(options, row, secrets, false);
    switch (row->type->kind) {
    case OPT_KIND_FLAG: return cJSON_CreateBool(*(const bool *)field);
    case OPT_KIND_LIST: return option_list(secrets, field);
    case OPT_KIND_NUMBERS: return option_numbers(field);
    case OPT_KIND_INTEGER:
    case OPT_KIND_NUMBER:
        if (row->type->plain) /* with all its digits */
            return option_shown(options, row, secrets, true);
        return cJSON_CreateNumber(row->type->number(field));
    case OPT_KIND_TEXT: break;
    }
    return option_shown(options, row, secrets, false);
}

char *part_option_key(const char *name)
{
    char *key = mem_text(name);
    for (char *at = key; *at; at++)
        if (*at == '-')
            *at = '_';
    return key;
}

cJSON *part_options(const struct opt_set *options, enum opt_origin origin, struct secrets *secrets)
{
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; options && i < options->count; i++) {
        const struct opt_row *row = &options->rows[i];
        if (opt_origin(options, row) < origin)
            continue;
        char *key = part_option_key(row->name);
        cJSON_AddItemToObject(object, key, option_value(options, row, secrets));
        free(key);
    }
    return object;
}

cJSON *part_trust(const struct trust *trust)
{
    cJSON *object = cJSON_CreateObject();
    struct trust_figure figure;
    for (size_t i = 0; trust_figure_at(trust, i, &figure); i++) {
        cJSON *into = figure.group ? cJSON_GetObjectItem(object, figure.group) : object;
        if (!into)
            into = cJSON_AddObjectToObject(object, figure.group);
        cJSON_AddNumberToObject(into, figure.name, figure.value);
    }
    return object;
}

cJSON *part_verdict(const struct verdict *verdict, struct secrets *secrets)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *reasons = cJSON_AddArrayToObject(object, "reasons");
    cJSON *remarks = cJSON_AddArrayToObject(object, "remarks");
    for (size_t i = 0; i < verdict->count && i < VERDICT_REASONS; i++)
        cJSON_AddItemToArray(verdict->remark[i] ? remarks : reasons,
                             part_text(secrets, verdict->reason[i]));
    return object;
}

static cJSON *shared_json(const struct said *said, struct secrets *secrets)
{
    cJSON *shared = cJSON_CreateObject();
    for (size_t i = 0; i < said->counter_count; i++) {
        const struct counter *counter = &said->counters[i];
        char *name = secrets ? secrets_hidden(secrets, counter->name) : mem_text(counter->name);
        cJSON_AddNumberToObject(shared, name, counter->value);
        free(name);
    }
    return shared;
}

cJSON *part_said(const struct said *said, struct secrets *secrets)
{
    if (!said->counter_count && !said->lines.count && !said->error)
        return cJSON_CreateNull();
    cJSON *object = cJSON_CreateObject();
    cJSON_AddItemToObject(object, "shared", shared_json(said, secrets));
    cJSON *lines = cJSON_AddArrayToObject(object, "lines");
    for (size_t i = 0; i < said->lines.count; i++)
        cJSON_AddItemToArray(lines, text_of_span(secrets, span_text(said->lines.items[i])));
    cJSON_AddItemToObject(object, "error", part_text(secrets, said->error));
    return object;
}

const char *part_example(const struct list *examples, const char *outcome)
{
    size_t len = strlen(outcome);
    for (size_t i = 0; i < examples->count; i++) {
        const char *text = examples->items[i];
        if (strncmp(text, outcome, len) == 0 && strncmp(text + len, ": ", 2) == 0)
            return text + len + 2;
    }
    return NULL;
}
