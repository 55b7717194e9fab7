#include "mock/openai_request.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mock/text.h"
#include "wire/json.h"

/* ---- refusals ---- */

const char *mock_refusal_type(int status)
{
    if (status == 429)
        return "rate_limit_error";
    return status >= 500 ? "server_error" : "invalid_request_error";
}

bool mock_refuse(struct mock_refusal *no, int status, const char *code, const char *param,
                 const char *format, ...)
{
    *no = (struct mock_refusal){.status = status, .type = mock_refusal_type(status), .code = code};
    snprintf(no->param, sizeof no->param, "%s", param ? param : "");
    va_list args;
    va_start(args, format);
    vsnprintf(no->message, sizeof no->message, format, args);
    va_end(args);
    return false;
}

/* ---- types ---- */

enum kind {
    STRING = 1,
    INTEGER = 2,
    NUMBER = 4,
    BOOLEAN = 8,
    ARRAY = 16,
    OBJECT = 32,
    NOTHING = 64,
};

static const struct {
    unsigned kind;
    const char *name;
} kind_names[] = {
    {STRING, "a string"}, {INTEGER, "an integer"}, {NUMBER, "a number"}, {BOOLEAN, "a boolean"},
    {ARRAY, "an array"},  {OBJECT, "an object"},   {NOTHING, "null"},
};

static unsigned kind_of(const cJSON *item)
{
    if (cJSON_IsString(item))
        return STRING;
    if (cJSON_IsNumber(item))
        return item->valuedouble == floor(item->valuedouble) ? INTEGER | NUMBER : NUMBER;
    if (cJSON_IsBool(item))
        return BOOLEAN;
    if (cJSON_IsArray(item))
        return ARRAY;
    return cJSON_IsObject(item) ? OBJECT : NOTHING;
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

static bool wrong_type(struct mock_refusal *no, const char *param, unsigned wanted,
                       const cJSON *got)
{
    char want[80], have[80];
    name_kinds(want, sizeof want, wanted, true);
    name_kinds(have, sizeof have, kind_of(got), false);
    return mock_refuse(no, 400, "invalid_type", param,
                       "Invalid type for '%s': expected %s, but got %s instead.", param, want,
                       have);
}

/* ---- the fields of a body ---- */

enum { CHAT = 1, COMPLETIONS = 2, BOTH = 3 };

static const struct field {
    const char *name;
    unsigned kinds;
    double min, max; /* both 0: no bounds */
    unsigned dialects;
    bool required; /* must be there, and must not be null */
} fields[] = {
    {"model", STRING, 0, 0, BOTH, true},
    {"messages", ARRAY, 0, 0, CHAT, true},
    {"prompt", STRING | ARRAY, 0, 0, COMPLETIONS, true},
    {"stream", BOOLEAN, 0, 0, BOTH, false},
    {"stream_options", OBJECT, 0, 0, BOTH, false},
    {"max_tokens", INTEGER, 1, 9007199254740992, BOTH, false},
    {"max_completion_tokens", INTEGER, 1, 9007199254740992, CHAT, false},
    {"min_tokens", INTEGER, 0, MOCK_MAX_TOKENS, BOTH, false},
    {"ignore_eos", BOOLEAN, 0, 0, BOTH, false},
    {"n", INTEGER, 1, 128, BOTH, false},
    {"temperature", NUMBER, 0, 2, BOTH, false},
    {"top_p", NUMBER, 0, 1, BOTH, false},
    {"frequency_penalty", NUMBER, -2, 2, BOTH, false},
    {"presence_penalty", NUMBER, -2, 2, BOTH, false},
    {"seed", INTEGER, 0, 0, BOTH, false},
    {"stop", STRING | ARRAY, 0, 0, BOTH, false},
    {"stop_token_ids", ARRAY, 0, 0, BOTH, false},
    {"logprobs", BOOLEAN, 0, 0, CHAT, false},
    {"logprobs", INTEGER, 0, 20, COMPLETIONS, false},
    {"tools", ARRAY, 0, 0, CHAT, false},
    {"user", STRING, 0, 0, BOTH, false},
};

static bool check_bounds(const struct field *field, const cJSON *item, struct mock_refusal *no)
{
    if (!(field->min < field->max) || !cJSON_IsNumber(item))
        return true;
    bool whole = field->kinds & INTEGER;
    if (item->valuedouble < field->min)
        return mock_refuse(no, 400, whole ? "integer_below_min_value" : "decimal_below_min_value",
                           field->name,
                           "Invalid '%s': expected a value >= %.17g, but got %.17g instead.",
                           field->name, field->min, item->valuedouble);
    if (item->valuedouble > field->max)
        return mock_refuse(no, 400, whole ? "integer_above_max_value" : "decimal_above_max_value",
                           field->name,
                           "Invalid '%s': expected a value <= %.17g, but got %.17g instead.",
                           field->name, field->max, item->valuedouble);
    return true;
}

static bool check_field(const struct field *field, const cJSON *body, struct mock_refusal *no)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, field->name);
    if (!item && field->required)
        return mock_refuse(no, 400, "missing_required_parameter", field->name,
                           "Missing required parameter: '%s'.", field->name);
    if (!item || (cJSON_IsNull(item) && !field->required))
        return true;
    if (!(kind_of(item) & field->kinds))
        return wrong_type(no, field->name, field->kinds, item);
    return check_bounds(field, item, no);
}

static bool check_fields(const cJSON *body, bool chat, struct mock_refusal *no)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if ((fields[i].dialects & (chat ? CHAT : COMPLETIONS)) &&
            !check_field(&fields[i], body, no))
            return false;
    return true;
}

static bool is_true(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static int64_t integer_or(const cJSON *object, const char *name, int64_t otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : otherwise;
}

static bool refuse_empty(struct mock_refusal *no, const char *param)
{
    return mock_refuse(no, 400, "empty_array", param,
                       "Invalid '%s': empty array. Expected an array with minimum length 1, but "
                       "got an empty array instead.",
                       param);
}

/* ---- messages ---- */

static uint64_t count_text(const cJSON *text)
{
    return mock_text_count(span_text(text->valuestring));
}

static bool read_part(const cJSON *part, const char *param, struct mock_ask *ask,
                      struct mock_refusal *no)
{
    if (!cJSON_IsObject(part))
        return wrong_type(no, param, OBJECT, part);
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(part, "type");
    if (!cJSON_IsString(type))
        return mock_refuse(no, 400, "missing_required_parameter", param,
                           "Missing required parameter: '%s.type'.", param);
    if (strcmp(type->valuestring, "text") != 0)
        return true; /* pictures and sounds are accepted and not counted */
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(part, "text");
    if (!cJSON_IsString(text))
        return mock_refuse(no, 400, "missing_required_parameter", param,
                           "Missing required parameter: '%s.text'.", param);
    ask->prompt_tokens += count_text(text);
    return true;
}

static bool read_parts(const cJSON *parts, const char *param, struct mock_ask *ask,
                       struct mock_refusal *no)
{
    if (!parts->child)
        return refuse_empty(no, param);
    int index = 0;
    for (const cJSON *part = parts->child; part; part = part->next) {
        char name[80];
        snprintf(name, sizeof name, "%s[%d]", param, index++);
        if (!read_part(part, name, ask, no))
            return false;
    }
    return true;
}

static bool check_role(const cJSON *message, int index, struct mock_refusal *no)
{
    static const char *const roles[] = {"system",    "developer", "user",
                                        "assistant", "tool",      "function"};
    char param[80];
    snprintf(param, sizeof param, "messages[%d].role", index);
    const cJSON *role = cJSON_GetObjectItemCaseSensitive(message, "role");
    if (!role)
        return mock_refuse(no, 400, "missing_required_parameter", param,
                           "Missing required parameter: '%s'.", param);
    if (!cJSON_IsString(role))
        return wrong_type(no, param, STRING, role);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(role->valuestring, roles[i]) == 0)
            return true;
    return mock_refuse(no, 400, "invalid_value", param,
                       "Invalid value: '%.64s'. Supported values are: 'system', 'developer', "
                       "'user', 'assistant', 'tool', and 'function'.",
                       role->valuestring);
}

static bool read_message(const cJSON *message, int index, struct mock_ask *ask,
                         struct mock_refusal *no)
{
    char param[40];
    snprintf(param, sizeof param, "messages[%d]", index);
    if (!cJSON_IsObject(message))
        return wrong_type(no, param, OBJECT, message);
    if (!check_role(message, index, no))
        return false;
    snprintf(param, sizeof param, "messages[%d].content", index);
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content");
    bool calls = cJSON_GetObjectItemCaseSensitive(message, "tool_calls") != NULL;
    if (!content && !calls)
        return mock_refuse(no, 400, "missing_required_parameter", param,
                           "Missing required parameter: '%s'.", param);
    if (calls && (!content || cJSON_IsNull(content)))
        return true;
    if (cJSON_IsArray(content))
        return read_parts(content, param, ask, no);
    if (!cJSON_IsString(content))
        return wrong_type(no, param, STRING | ARRAY, content);
    ask->prompt_tokens += count_text(content);
    return true;
}

static bool read_messages(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(body, "messages");
    if (!messages->child)
        return refuse_empty(no, "messages");
    int index = 0;
    for (const cJSON *message = messages->child; message; message = message->next)
        if (!read_message(message, index++, ask, no))
            return false;
    return true;
}

/* ---- prompts: a string, a list of strings, a list of token ids, a list of such lists ---- */

static bool read_ids(const cJSON *ids, struct mock_ask *ask, struct mock_refusal *no)
{
    if (!ids->child)
        return refuse_empty(no, "prompt");
    for (const cJSON *id = ids->child; id; id = id->next) {
        if (!(kind_of(id) & INTEGER))
            return wrong_type(no, "prompt", INTEGER, id);
        ask->prompt_tokens++;
    }
    return true;
}

static bool read_prompt(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(body, "prompt");
    if (cJSON_IsString(prompt)) {
        ask->prompt_tokens = count_text(prompt);
        return true;
    }
    if (!prompt->child)
        return refuse_empty(no, "prompt");
    if (cJSON_IsNumber(prompt->child))
        return read_ids(prompt, ask, no);
    uint32_t prompts = 0;
    for (const cJSON *item = prompt->child; item; item = item->next, prompts++) {
        if (cJSON_IsString(item))
            ask->prompt_tokens += count_text(item);
        else if (!cJSON_IsArray(item))
            return wrong_type(no, "prompt", STRING | ARRAY, item);
        else if (!read_ids(item, ask, no))
            return false;
    }
    if (prompts > 1024)
        return mock_refuse(no, 400, "array_above_max_length", "prompt",
                           "Invalid 'prompt': expected at most 1024 prompts, but got %u instead.",
                           prompts);
    ask->choices *= prompts;
    return true;
}

/* ---- the whole ---- */

static bool read_stream(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(body, "stream_options");
    ask->stream = is_true(body, "stream");
    if (!cJSON_IsObject(options))
        return true;
    if (!ask->stream)
        return mock_refuse(no, 400, NULL, "stream_options",
                           "The 'stream_options' parameter is only allowed when 'stream' is "
                           "enabled.");
    const cJSON *usage = cJSON_GetObjectItemCaseSensitive(options, "include_usage");
    if (usage && !cJSON_IsNull(usage) && !cJSON_IsBool(usage))
        return wrong_type(no, "stream_options.include_usage", BOOLEAN, usage);
    ask->include_usage = cJSON_IsTrue(usage);
    return true;
}

static bool read_lengths(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    int64_t max_tokens = integer_or(body, "max_tokens", -1);
    ask->max_tokens =
        ask->chat ? integer_or(body, "max_completion_tokens", max_tokens) : max_tokens;
    ask->min_tokens = integer_or(body, "min_tokens", -1);
    ask->ignore_eos = is_true(body, "ignore_eos");
    ask->choices = (uint32_t)integer_or(body, "n", 1);
    if (ask->max_tokens >= 0 && ask->min_tokens > ask->max_tokens)
        return mock_refuse(no, 400, "invalid_value", "min_tokens",
                           "Invalid 'min_tokens': %lld is more than the %lld tokens asked for at "
                           "most.",
                           (long long)ask->min_tokens, (long long)ask->max_tokens);
    return true;
}

static bool read_body(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    if (!cJSON_IsObject(body))
        return wrong_type(no, "body", OBJECT, body);
    if (!check_fields(body, ask->chat, no) || !read_stream(body, ask, no) ||
        !read_lengths(body, ask, no))
        return false;
    if (!(ask->chat ? read_messages(body, ask, no) : read_prompt(body, ask, no)))
        return false;
    ask->model = mem_text(cJSON_GetObjectItemCaseSensitive(body, "model")->valuestring);
    return true;
}

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
        mock_refuse(no, 400, NULL, NULL,
                    "We could not parse the JSON body of your request: %s. The OpenAI API expects "
                    "a JSON payload.",
                    json_error(&json));
    json_fini(&json);
    return token == JSON_END;
}

bool mock_ask_parse(struct span body, bool chat, struct mock_ask *ask, struct mock_refusal *no)
{
    *ask = (struct mock_ask){.chat = chat};
    size_t valid = mock_text_invalid(body);
    if (valid < body.len)
        return mock_refuse(no, 400, NULL, NULL,
                           "The body of your request is not valid UTF-8 at byte %zu.", valid);
    if (!check_json(body, no))
        return false;
    cJSON *root = cJSON_ParseWithLength(body.data, body.len);
    if (!root)
        return mock_refuse(no, 400, NULL, NULL,
                           "We could not parse the JSON body of your request: it nests too deep or "
                           "holds a lone surrogate.");
    bool ok = read_body(root, ask, no);
    cJSON_Delete(root);
    return ok;
}

void mock_ask_fini(struct mock_ask *ask)
{
    free(ask->model);
    ask->model = NULL;
}
