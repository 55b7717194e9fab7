#include "mock/ask.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock/speech.h"
#include "mock/text.h"
#include "wire/json.h"

bool mock_refuse(struct mock_refusal *no, int status, const char *code, const char *param,
                 const char *format, ...)
{
    *no = (struct mock_refusal){.status = status, .sent_status = status, .code = code};
    snprintf(no->param, sizeof no->param, "%s", param ? param : "");
    va_list args;
    va_start(args, format);
    vsnprintf(no->message, sizeof no->message, format, args);
    va_end(args);
    return false;
}

void mock_ask_init(struct mock_ask *ask, bool chat)
{
    *ask = (struct mock_ask){.voice = ask->voice,
                             .chat = chat,
                             .choices = 1,
                             .per_event = 1,
                             .most = MOCK_MAX_TOKENS,
                             .max_tokens = -1,
                             .min_tokens = -1};
}

void mock_ask_fini(struct mock_ask *ask)
{
    free(ask->model);
    ask->model = NULL;
}

/* ---- types ---- */

static const struct {
    unsigned kind;
    const char *name;
} kind_names[] = {
    {MOCK_IS_STRING, "a string"},   {MOCK_IS_INTEGER, "an integer"}, {MOCK_IS_NUMBER, "a number"},
    {MOCK_IS_BOOLEAN, "a boolean"}, {MOCK_IS_ARRAY, "an array"},     {MOCK_IS_OBJECT, "an object"},
    {MOCK_IS_NULL, "null"},
};

unsigned mock_kind_of(const cJSON *item)
{
    if (cJSON_IsString(item))
        return MOCK_IS_STRING;
    if (cJSON_IsNumber(item))
        return item->valuedouble == floor(item->valuedouble) ? MOCK_IS_INTEGER | MOCK_IS_NUMBER
                                                             : MOCK_IS_NUMBER;
    if (cJSON_IsBool(item))
        return MOCK_IS_BOOLEAN;
    if (cJSON_IsArray(item))
        return MOCK_IS_ARRAY;
    return cJSON_IsObject(item) ? MOCK_IS_OBJECT : MOCK_IS_NULL;
}

/* "a string or an array"; of a value only the first name counts. */
static void name_kinds(char *out, size_t size, unsigned kinds, bool all)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names && len < size; i++)
        if ((kinds & kind_names[i].kind) && (all || !len))
            len += (size_t)snprintf(out + len, size - len, "%s%s", len ? " or " : "",
                                    kind_names[i].name);
}

bool mock_wrong_type(struct mock_refusal *no, const char *param, unsigned wanted, const cJSON *got)
{
    char want[80], have[80];
    name_kinds(want, sizeof want, wanted, true);
    name_kinds(have, sizeof have, mock_kind_of(got), false);
    return mock_refuse(no, 400, "invalid_type", param,
                       "Invalid type for '%s': expected %s, but got %s instead.", param, want,
                       have);
}

bool mock_empty_array(struct mock_refusal *no, const char *param)
{
    return mock_refuse(no, 400, "empty_array", param,
                       "Invalid '%s': empty array. Expected an array with minimum length 1, but "
                       "got an empty array instead.",
                       param);
}

static bool missing(struct mock_refusal *no, const char *param)
{
    return mock_refuse(no, 400, "missing_required_parameter", param,
                       "Missing required parameter: '%s'.", param);
}

/* ---- fields ---- */

static bool check_bounds(const struct mock_field *field, const char *param, const cJSON *item,
                         struct mock_refusal *no)
{
    if (!(field->min < field->max) || !cJSON_IsNumber(item))
        return true;
    bool whole = field->kinds & MOCK_IS_INTEGER;
    if (item->valuedouble < field->min)
        return mock_refuse(no, 400, whole ? "integer_below_min_value" : "decimal_below_min_value",
                           param, "Invalid '%s': expected a value >= %.17g, but got %.17g instead.",
                           param, field->min, item->valuedouble);
    if (item->valuedouble > field->max)
        return mock_refuse(no, 400, whole ? "integer_above_max_value" : "decimal_above_max_value",
                           param, "Invalid '%s': expected a value <= %.17g, but got %.17g instead.",
                           param, field->max, item->valuedouble);
    return true;
}

static bool check_field(const struct mock_field *field, const char *inside, const cJSON *object,
                        struct mock_refusal *no)
{
    char param[80];
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, field->name);
    snprintf(param, sizeof param, "%s%s", inside, field->name);
    if (!item)
        return !field->required || missing(no, param);
    if (cJSON_IsNull(item) && !field->required)
        return true;
    if (!(mock_kind_of(item) & field->kinds))
        return mock_wrong_type(no, param, field->kinds, item);
    return check_bounds(field, param, item, no);
}

bool mock_check_fields(const cJSON *object, const char *inside, const struct mock_field *fields,
                       size_t count, struct mock_refusal *no)
{
    for (size_t i = 0; i < count; i++)
        if (!check_field(&fields[i], inside, object, no))
            return false;
    return true;
}

bool mock_field_true(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, name));
}

int64_t mock_field_integer(const cJSON *object, const char *name, int64_t otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : otherwise;
}

const char *mock_field_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* ---- messages ---- */

void mock_count_prompt(const char *text, struct mock_ask *ask)
{
    uint64_t count = 0;
    if (!ask->voice || !mock_voice_count(ask->voice, span_text(text), &count))
        count = mock_text_count(span_text(text));
    ask->prompt_tokens += count;
}

static bool read_part(const cJSON *part, const char *param, struct mock_ask *ask,
                      struct mock_refusal *no)
{
    char inner[80];
    if (!cJSON_IsObject(part))
        return mock_wrong_type(no, param, MOCK_IS_OBJECT, part);
    const char *type = mock_field_text(part, "type"), *text = mock_field_text(part, "text");
    if (type && strcmp(type, "text") != 0)
        return true; /* pictures and sounds are accepted and not counted */
    if (type && text) {
        mock_count_prompt(text, ask);
        return true;
    }
    snprintf(inner, sizeof inner, "%.70s.%s", param, type ? "text" : "type");
    return missing(no, inner);
}

static bool read_parts(const cJSON *parts, const char *param, struct mock_ask *ask,
                       struct mock_refusal *no)
{
    if (!parts->child)
        return mock_empty_array(no, param);
    int index = 0;
    for (const cJSON *part = parts->child; part; part = part->next) {
        char name[80];
        snprintf(name, sizeof name, "%.60s[%d]", param, index++);
        if (!read_part(part, name, ask, no))
            return false;
    }
    return true;
}

static bool check_role(const cJSON *message, const char *name, struct mock_refusal *no)
{
    static const char *const roles[] = {"system",    "developer", "user",
                                        "assistant", "tool",      "function"};
    char param[80];
    snprintf(param, sizeof param, "%.70s.role", name);
    const cJSON *role = cJSON_GetObjectItemCaseSensitive(message, "role");
    if (!role)
        return missing(no, param);
    if (!cJSON_IsString(role))
        return mock_wrong_type(no, param, MOCK_IS_STRING, role);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(role->valuestring, roles[i]) == 0)
            return true;
    return mock_refuse(no, 400, "invalid_value", param,
                       "Invalid value: '%.64s'. Supported values are: 'system', 'developer', "
                       "'user', 'assistant', 'tool', and 'function'.",
                       role->valuestring);
}

static bool read_content(const cJSON *message, const char *name, struct mock_ask *ask,
                         struct mock_refusal *no)
{
    char param[80];
    snprintf(param, sizeof param, "%.70s.content", name);
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content");
    bool calls = cJSON_GetObjectItemCaseSensitive(message, "tool_calls") != NULL;
    if (!content && !calls)
        return missing(no, param);
    if (calls && (!content || cJSON_IsNull(content)))
        return true;
    if (cJSON_IsArray(content))
        return read_parts(content, param, ask, no);
    if (!cJSON_IsString(content))
        return mock_wrong_type(no, param, MOCK_IS_STRING | MOCK_IS_ARRAY, content);
    mock_count_prompt(content->valuestring, ask);
    return true;
}

bool mock_read_messages(const cJSON *object, const char *inside, struct mock_ask *ask,
                        struct mock_refusal *no)
{
    char name[60];
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(object, "messages");
    snprintf(name, sizeof name, "%smessages", inside);
    if (!messages->child)
        return mock_empty_array(no, name);
    int index = 0;
    for (const cJSON *message = messages->child; message; message = message->next) {
        snprintf(name, sizeof name, "%smessages[%d]", inside, index++);
        if (!cJSON_IsObject(message))
            return mock_wrong_type(no, name, MOCK_IS_OBJECT, message);
        if (!check_role(message, name, no) || !read_content(message, name, ask, no))
            return false;
    }
    return true;
}

/* ---- bodies ---- */

/* cJSON forgives raw control characters, odd numbers and more; the strict reader goes first. */
static bool check_json(struct span body, struct mock_refusal *no)
{
    struct json json;
    enum json_token token;
    json_init(&json, body.data, body.len);
    do
        token = json_next(&json);
    while (token != JSON_END && token != JSON_ERROR);
    if (token == JSON_ERROR)
        mock_refuse(no, 400, NULL, NULL, "The body of your request is not valid JSON: %s.",
                    json_error(&json));
    json_fini(&json);
    return token == JSON_END;
}

static struct cJSON *read_object(struct span body, struct mock_refusal *no)
{
    size_t valid = mock_text_invalid(body);
    if (valid < body.len) {
        mock_refuse(no, 400, NULL, NULL, "The body of your request is not valid UTF-8 at byte %zu.",
                    valid);
        return NULL;
    }
    if (!check_json(body, no))
        return NULL;
    cJSON *root = cJSON_ParseWithLength(body.data, body.len);
    if (!root) {
        mock_refuse(no, 400, NULL, NULL,
                    "The body of your request is JSON that nests too deep or holds a lone "
                    "surrogate.");
        return NULL;
    }
    if (cJSON_IsObject(root))
        return root;
    mock_wrong_type(no, "body", MOCK_IS_OBJECT, root);
    cJSON_Delete(root);
    return NULL;
}

bool mock_read_body(struct span body,
                    bool (*read)(const struct cJSON *object, struct mock_ask *ask,
                                 struct mock_refusal *no),
                    struct mock_ask *ask, struct mock_refusal *no)
{
    cJSON *object = read_object(body, no);
    bool ok = object && read(object, ask, no);
    cJSON_Delete(object);
    return ok;
}
