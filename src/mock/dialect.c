#include "mock/dialect.h"

#include <stdio.h>
#include <string.h>

#include "mock/dialects.h"

static const struct mock_dialect *const dialects[] = {
    &mock_openai, &mock_dashscope, &mock_zhipu,     &mock_qianfan, &mock_trtllm,
    &mock_tgi,    &mock_ollama,    &mock_anthropic, &mock_custom,
};

const struct mock_dialect *mock_dialect_find(const char *name, struct err *err)
{
    size_t count = sizeof dialects / sizeof *dialects;
    for (size_t i = 0; i < count; i++)
        if (strcmp(dialects[i]->name, name ? name : "openai") == 0)
            return dialects[i];
    err_set(err, "the mock server does not speak \"%s\"; it speaks", name);
    for (size_t i = 0; i < count && err; i++) {
        size_t len = strlen(err->text);
        snprintf(err->text + len, sizeof err->text - len, "%s %s", i ? "," : "", dialects[i]->name);
    }
    return NULL;
}

const char *mock_error_name(const struct mock_error_name *names, const struct mock_refusal *no)
{
    while (names->status) {
        bool same_code = !names->code || (no->code && strcmp(names->code, no->code) == 0);
        if (names->status == no->status && same_code)
            break;
        names++;
    }
    return names->name;
}
