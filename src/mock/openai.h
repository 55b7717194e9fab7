/* OpenAI's dialect, for those that resemble it. What each function does stands in dialect.h. */
#pragma once

#include "mock/dialect.h"

bool mock_openai_parse_chat(const struct mock_http *http, struct mock_ask *ask,
                            struct mock_refusal *no);
bool mock_openai_parse_completions(const struct mock_http *http, struct mock_ask *ask,
                                   struct mock_refusal *no);
/* Reads "stream" and "stream_options" of a body whose fields have been checked. */
bool mock_openai_read_stream(const struct cJSON *body, struct mock_ask *ask,
                             struct mock_refusal *no);

extern const struct mock_shape mock_openai_chat;

void mock_openai_prefix(struct mock_answer *answer, uint64_t wall_ns);
void mock_openai_token(struct buf *out, struct mock_answer *answer, uint32_t choice, uint32_t k);
void mock_openai_failure(struct buf *out, struct mock_answer *answer);
void mock_openai_plain(struct buf *out, struct mock_answer *answer);
void mock_openai_refusal(struct buf *out, const struct mock_refusal *no);
/* "stop" or "length" */
const char *mock_openai_reason(const struct mock_answer *answer);
