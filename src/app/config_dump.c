/* --dump-config: all options as a file that --config reads. */
#include <stdlib.h>
#include <string.h>

#include "app/config.h"
#include "app/config_inner.h"
#include "base/secrets.h"
#include "wire/json.h"

static void write_key(struct buf *out, const char *name)
{
    buf_add_char(out, '"');
    for (; *name; name++)
        buf_add_char(out, *name == '-' ? '_' : *name);
    buf_add_text(out, "\": ");
}

static bool is_object(const char *text)
{
    struct json json;
    json_init(&json, text, strlen(text));
    bool ok = json_next(&json) == JSON_OBJECT_BEGIN && json_skip(&json) &&
              json_next(&json) == JSON_END && json.replaced == 0;
    json_fini(&json);
    return ok;
}

static void write_text(struct buf *out, const struct opt_row *row, const char *text)
{
    if (config_is_json(row) && is_object(text)) {
        buf_add_text(out, text);
        return;
    }
    char *safe = strcmp(row->name, "url") == 0 ? secrets_url(NULL, text) : NULL;
    json_write_string(out, span_text(safe ? safe : text));
    free(safe);
}

static void write_list(struct buf *out, const struct list *list)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i)
            buf_add_text(out, ", ");
        json_write_string(out, span_text(list->items[i]));
    }
    buf_add_char(out, ']');
}

static void write_numbers(struct buf *out, const struct numbers *numbers)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < numbers->count; i++) {
        if (i)
            buf_add_text(out, ", ");
        json_write_number(out, numbers->items[i]);
    }
    buf_add_char(out, ']');
}

/* As it would be typed: a number where the option knows no units, else a text. */
static void write_shown(struct buf *out, const struct opt_set *set, const struct opt_row *row)
{
    struct buf shown;
    buf_init(&shown, CONFIG_LIMIT);
    opt_show(set, row, &shown);
    if (row->type->plain || row->type == &opt_flag)
        buf_add_span(out, buf_span(&shown));
    else
        json_write_string(out, buf_span(&shown));
    buf_fini(&shown);
}

static void write_value(struct buf *out, const struct opt_set *set, const struct opt_row *row)
{
    const void *field = opt_field(set, row);
    if (row->secret)
        json_write_string(out, span_text(CONFIG_REDACTED));
    else if (row->type->kind == OPT_KIND_TEXT)
        write_text(out, row, *(char *const *)field);
    else if (row->type->kind == OPT_KIND_LIST)
        write_list(out, field);
    else if (row->type->kind == OPT_KIND_NUMBERS)
        write_numbers(out, field);
    else
        write_shown(out, set, row);
}

static const char *origin_name(enum opt_origin origin)
{
    static const char *const names[] = {
        [OPT_UNSET] = "nowhere",
        [OPT_DEFAULT] = "default",
        [OPT_ENVIRONMENT] = "environment",
        [OPT_CONFIG] = "config",
        [OPT_COMMAND_LINE] = "command line",
        [OPT_EXPERIMENT] = "experiment",
    };
    return names[origin];
}

static bool is_dumped(const struct opt_set *set, const struct opt_row *row)
{
    return opt_origin(set, row) != OPT_UNSET && !config_is_command_line(row);
}

void config_dump(const struct opt_set *set, struct buf *out)
{
    buf_add_text(out, "{\n");
    for (size_t i = 0; i < set->count; i++) {
        const struct opt_row *row = &set->rows[i];
        if (!is_dumped(set, row))
            continue;
        buf_add_text(out, "  ");
        write_key(out, row->name);
        write_value(out, set, row);
        buf_add_text(out, ",\n");
    }
    buf_add_text(out, "  \"_origin\": {");
    const char *comma = "\n    ";
    for (size_t i = 0; i < set->count; i++) {
        const struct opt_row *row = &set->rows[i];
        if (!is_dumped(set, row))
            continue;
        buf_add_text(out, comma);
        write_key(out, row->name);
        json_write_string(out, span_text(origin_name(opt_origin(set, row))));
        comma = ",\n    ";
    }
    buf_add_text(out, "\n  }\n}\n");
}
