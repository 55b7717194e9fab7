/* OpenAI's dialect, the asking side. */
#include <cjson/cJSON.h>

#include "base/mem.h"
#include "mock/openai.h"

/* ---- the fields of a body ---- */

static const struct mock_field common_fields[] = {
    {"model", MOCK_IS_STRING, 0, 0, true},
    {"stream", MOCK_IS_BOOLEAN, 0, 0, false},
    {"stream_options", MOCK_IS_OBJECT, 0, 0, false},
    {"max_tokens", MOCK_IS_INTEGER, 1, 9007199254740992, false},
    {"min_tokens", MOCK_IS_INTEGER, 0, MOCK_MAX_TOKENS, false},
    {"ignore_eos", MOCK_IS_BOOLEAN, 0, 0, false},
    {"n", MOCK_IS_INTEGER, 1, 128, false},
    {"temperature", MOCK_IS_NUMBER, 0, 2, false},
    {"top_p", MOCK_IS_NUMBER, 0, 1, false},
    {"frequency_penalty", MOCK_IS_NUMBER, -2, 2, false},
    {"presence_penalty", MOCK_IS_NUMBER, -2, 2, false},
    {"seed", MOCK_IS_INTEGER, 0, 0, false},
    {"stop", MOCK_IS_STRING | MOCK_IS_ARRAY, 0, 0, false},
    {"stop_token_ids", MOCK_IS_ARRAY, 0, 0, false},
    {"user", MOCK_IS_STRING, 0, 0, false},
};

static const struct mock_field chat_fields[] = {
    {"messages", MOCK_IS_ARRAY, 0, 0, true},
    {"max_completion_tokens", MOCK_IS_INTEGER, 1, 9007199254740992, false},
    {"logprobs", MOCK_IS_BOOLEAN, 0, 0, false},
    {"tools", MOCK_IS_ARRAY, 0, 0, false},
};

static const struct mock_field completion_fields[] = {
    {"prompt", MOCK_IS_STRING | MOCK_IS_ARRAY, 0, 0, true},
    {"logprobs", MOCK_IS_INTEGER, 0, 20, false},
};

static bool check_fields(const cJSON *body, bool chat, struct mock_refusal *no)
{
    if (!mock_check_fields(body, "", common_fields, sizeof common_fields / sizeof *common_fields,
                           no))
        return false;
    return chat ? mock_check_fields(body, "", chat_fields, sizeof chat_fields / sizeof *chat_fields,
                                    no)
                : mock_check_fields(body, "", completion_fields,
                                    sizeof completion_fields / sizeof *completion_fields, no);
}

/* ---- prompts: a string, a list of strings, a list of token ids, a list of such lists ---- */

static bool read_ids(const cJSON *ids, struct mock_ask *ask, struct mock_refusal *no)
{
    if (!ids->child)
        return mock_empty_array(no, "prompt");
    for (const cJSON *id = ids->child; id; id = id->next) {
        if (!(mock_kind_of(id) & MOCK_IS_INTEGER))
            return mock_wrong_type(no, "prompt", MOCK_IS_INTEGER, id);
        ask->prompt_tokens++;
    }
    return true;
}

static bool read_prompts(const cJSON *prompts, struct mock_ask *ask, struct mock_refusal *no)
{
    uint32_t count = 0;
    for (const cJSON *item = prompts->child; item; item = item->next, count++) {
        if (cJSON_IsString(item))
            mock_count_prompt(item->valuestring, ask);
        else if (!cJSON_IsArray(item))
            return mock_wrong_type(no, "prompt", MOCK_IS_STRING | MOCK_IS_ARRAY, item);
        else if (!read_ids(item, ask, no))
            return false;
    }
    if (count > 1024)
        return mock_refuse(no, 400, "array_above_max_length", "prompt",
                           "Invalid 'prompt': expected at most 1024 prompts, but got %u instead.",
                           count);
    ask->choices *= count;
    return true;
}

static bool read_prompt(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(body, "prompt");
    if (cJSON_IsString(prompt)) {
        mock_count_prompt(prompt->valuestring, ask);
        return true;
    }
    if (!prompt->child)
        return mock_empty_array(no, "prompt");
    return cJSON_IsNumber(prompt->child) ? read_ids(prompt, ask, no)
                                         : read_prompts(prompt, ask, no);
}

/* ---- the whole ---- */

bool mock_openai_read_stream(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(body, "stream_options");
    ask->stream = mock_field_true(body, "stream");
    if (!cJSON_IsObject(options))
        return true;
    if (!ask->stream)
        return mock_refuse(no, 400, NULL, "stream_options",
                           "The 'stream_options' parameter is only allowed when 'stream' is "
                           "enabled.");
    const cJSON *usage = cJSON_GetObjectItemCaseSensitive(options, "include_usage");
    if (usage && !cJSON_IsNull(usage) && !cJSON_IsBool(usage))
        return mock_wrong_type(no, "stream_options.include_usage", MOCK_IS_BOOLEAN, usage);
    ask->include_usage = cJSON_IsTrue(usage);
    return true;
}

static bool read_lengths(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    int64_t max_tokens = mock_field_integer(body, "max_tokens", -1);
    ask->max_tokens =
        ask->chat ? mock_field_integer(body, "max_completion_tokens", max_tokens) : max_tokens;
    ask->min_tokens = mock_field_integer(body, "min_tokens", -1);
    ask->ignore_eos = mock_field_true(body, "ignore_eos");
    ask->choices = (uint32_t)mock_field_integer(body, "n", 1);
    if (ask->max_tokens >= 0 && ask->min_tokens > ask->max_tokens)
        return mock_refuse(no, 400, "invalid_value", "min_tokens",
                           "Invalid 'min_tokens': %lld is more than the %lld tokens asked for at "
                           "most.",
                           (long long)ask->min_tokens, (long long)ask->max_tokens);
    return true;
}

static bool read_body(const cJSON *body, struct mock_ask *ask, struct mock_refusal *no)
{
    if (!check_fields(body, ask->chat, no) || !mock_openai_read_stream(body, ask, no) ||
        !read_lengths(body, ask, no))
        return false;
    if (!(ask->chat ? mock_read_messages(body, "", ask, no) : read_prompt(body, ask, no)))
        return false;
    ask->model = mem_text(mock_field_text(body, "model"));
    return true;
}

static bool parse(const struct mock_http *http, bool chat, struct mock_ask *ask,
                  struct mock_refusal *no)
{
    mock_ask_init(ask, chat);
    return mock_read_body(buf_span(&http->body), read_body, ask, no);
}

bool mock_openai_parse_chat(const struct mock_http *http, struct mock_ask *ask,
                            struct mock_refusal *no)
{
    return parse(http, true, ask, no);
}

bool mock_openai_parse_completions(const struct mock_http *http, struct mock_ask *ask,
                                   struct mock_refusal *no)
{
    return parse(http, false, ask, no);
}
