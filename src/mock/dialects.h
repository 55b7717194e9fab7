/* The dialects there are, one file each. */
#pragma once

#include "mock/dialect.h"

extern const struct mock_dialect mock_openai;
extern const struct mock_dialect mock_dashscope;
extern const struct mock_dialect mock_zhipu;
extern const struct mock_dialect mock_qianfan;
extern const struct mock_dialect mock_trtllm;
extern const struct mock_dialect mock_tgi;
extern const struct mock_dialect mock_ollama;
extern const struct mock_dialect mock_anthropic;
extern const struct mock_dialect mock_custom;
