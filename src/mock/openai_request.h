/* OpenAI's dialect, the asking side: a body becomes what was asked for, or a refusal as OpenAI
 * would word it. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

/* An error answer: {"error":{"message","type","param","code"}}. */
struct mock_refusal {
    int status;
    const char *type;
    const char *code; /* NULL = null */
    char param[80];   /* "" = null */
    char message[640];
};

/* Fills it and returns false. param and code may be NULL. */
bool mock_refuse(struct mock_refusal *no, int status, const char *code, const char *param,
                 const char *format, ...) PRINTF_LIKE(5, 6);
/* OpenAI's type for an error of that status. */
const char *mock_refusal_type(int status);

struct mock_ask {
    bool chat; /* else completions */
    bool stream, include_usage, ignore_eos;
    uint32_t choices; /* prompts × n */
    uint64_t prompt_tokens;
    int64_t max_tokens, min_tokens; /* -1 = not given */
    char *model;                    /* owned */
};

enum { MOCK_MAX_TOKENS = 1000000 }; /* of one answer, over all choices */

/* Owns nothing when it fails. */
bool mock_ask_parse(struct span body, bool chat, struct mock_ask *ask,
                    struct mock_refusal *no) MUST_CHECK;
void mock_ask_fini(struct mock_ask *ask);
