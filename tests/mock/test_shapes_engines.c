/* What the mock server answers as TensorRT-LLM, TGI and a made-up API. */
#include "shapes.h"

#define TGI_ASK "{\"inputs\":\"a b\",\"parameters\":{\"details\":true"

static const struct row trtllm_rows[] = {
    {
        .name = "stream",
        .path = TRT "_stream",
        .body = "{\"text_input\":\"a b\",\"max_tokens\":5,\"stream\":true}",
        .stream = true,
        .events = 5,
        .raw = "data: {\"model_name\":\"ensemble\",\"model_version\":\"1\",\"sequence_id\":0,",
        .wants =
            {
                {0, "text_output", "*"},
                {0, "usage", NULL},
                {0, "read_ns", "*"},
                {-1, "text_output", "*"},
            },
    },
    {
        .name = "a stream of one",
        .path = TRT "_stream",
        .body = "{\"text_input\":\"a b\",\"max_tokens\":5}",
        .stream = true,
        .wants =
            {
                {0, "text_output", "*"},
            },
    },
    {
        .name = "plain",
        .path = TRT,
        .body = "{\"text_input\":\"a b\",\"max_tokens\":5}",
        .wants =
            {
                {0, "model_name", "\"ensemble\""},
                {0, "text_output", "*"},
            },
    },
    {
        .name = "several where one is expected",
        .path = TRT,
        .body = "{\"text_input\":\"a\",\"stream\":true}",
        .status = 400,
        .wants =
            {
                {0, "error", "*"},
            },
    },
    {
        .name = "an error after two",
        .path = TRT "_stream?error=2",
        .body = "{\"text_input\":\"a\",\"stream\":true}",
        .stream = true,
        .events = 3,
        .raw = "data: {\"error\":\"",
        .wants =
            {
                {-1, "error", "*"},
            },
    },
    {
        .name = "refused",
        .path = TRT "_stream",
        .body = "{\"max_tokens\":5}",
        .status = 400,
        .wants =
            {
                {0, "error", "*"},
            },
    },
};

static const struct row tgi_rows[] = {
    {
        .name = "ends by itself",
        .path = "/generate_stream",
        .body = TGI_ASK "}}",
        .stream = true,
        .events = TOKENS,
        .raw = "data:{\"index\":1,\"token\":{\"id\":",
        .wants =
            {
                {0, "token.special", "false"},
                {0, "token.id", "*"},
                {0, "token.logprob", "*"},
                {0, "generated_text", "null"},
                {0, "details", "null"},
                {TOKENS - 2, "generated_text", "null"},
                {-1, "token.special", "true"},
                {-1, "generated_text", "*"},
                {-1, "details.finish_reason", "\"eos_token\""},
                {-1, "details.generated_tokens", "12"},
            },
    },
    {
        .name = "cut",
        .path = "/generate_stream",
        .body = TGI_ASK ",\"max_new_tokens\":5}}",
        .stream = true,
        .events = 5,
        .wants =
            {
                {-1, "token.special", "false"},
                {-1, "generated_text", "*"},
                {-1, "details.finish_reason", "\"length\""},
                {-1, "details.generated_tokens", "5"},
            },
    },
    {
        .name = "without details",
        .path = "/generate_stream",
        .body = "{\"inputs\":\"a\"}",
        .stream = true,
        .events = TOKENS,
        .wants =
            {
                {-1, "details", "null"},
                {-1, "generated_text", "*"},
            },
    },
    {
        .name = "empty",
        .path = "/generate_stream?empty=1",
        .body = TGI_ASK "}}",
        .stream = true,
        .wants =
            {
                {0, "token.special", "true"},
                {0, "generated_text", "\"\""},
            },
    },
    {
        .name = "plain",
        .path = "/generate",
        .body = TGI_ASK ",\"max_new_tokens\":5}}",
        .wants =
            {
                {0, "details.finish_reason", "\"length\""},
                {0, "details.generated_tokens", "5"},
                {0, "details.tokens.4.special", "false"},
                {0, "details.tokens.5", NULL},
            },
    },
    {
        .name = "an error after two",
        .path = "/generate_stream?error=2",
        .body = TGI_ASK "}}",
        .stream = true,
        .events = 3,
        .raw = "data:{\"error\":\"",
        .wants =
            {
                {-1, "error_type", "\"generation\""},
            },
    },
    {
        .name = "refused",
        .path = "/generate_stream",
        .body = "{\"inputs\":7}",
        .status = 422,
        .wants =
            {
                {0, "error", "*"},
                {0, "error_type", "\"validation\""},
            },
    },
    {
        .name = "too often",
        .path = "/generate?status=429",
        .body = "{\"inputs\":\"a\"}",
        .status = 429,
        .wants =
            {
                {0, "error_type", "\"overloaded\""},
            },
    },
};

static const struct row custom_rows[] = {
    {
        .name = "messages",
        .path = "/anything/at/all",
        .body =
            "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," SAY "}",
        .stream = true,
        .events = TOKENS + 1,
        .dones = 1,
        .raw = "data: {",
        .wants =
            {
                {0, "choices.0.delta.content", "*"},
                {0, "usage", NULL},
                {-1, "choices.0.finish_reason", "\"stop\""},
                {-1, "usage.prompt_tokens", "4"},
                {-1, "usage.completion_tokens", "12"},
            },
    },
    {
        .name = "a text",
        .path = "/x",
        .body = "{\"input_text\":\"a b\",\"stream\":true}",
        .stream = true,
        .events = TOKENS + 1,
        .dones = 1,
        .wants =
            {
                {0, "choices.0.text", "*"},
                {0, "model", "null"},
                {-1, "usage.prompt_tokens", "2"},
            },
    },
    {
        .name = "plain text",
        .path = "/x",
        .body = "{\"input_text\":\"a b\",\"max_tokens\":2}",
        .wants =
            {
                {0, "choices.0.text", "*"},
                {0, "choices.0.finish_reason", "\"length\""},
                {0, "usage.completion_tokens", "2"},
            },
    },
    {
        .name = "both",
        .path = "/x",
        .body = "{\"input_text\":\"a b\"," SAY "}",
        .status = 400,
        .wants =
            {
                {0, "error.message", "*"},
            },
    },
    {
        .name = "neither",
        .path = "/x",
        .body = "{\"stream\":true}",
        .status = 400,
        .wants =
            {
                {0, "error.code", "\"missing_required_parameter\""},
            },
    },
};

static void test_trtllm(void **state)
{
    (void)state;
    check_rows("trtllm", trtllm_rows, sizeof trtllm_rows / sizeof *trtllm_rows);
}

static void test_tgi(void **state)
{
    (void)state;
    check_rows("tgi", tgi_rows, sizeof tgi_rows / sizeof *tgi_rows);
}

static void test_custom(void **state)
{
    (void)state;
    check_rows("custom", custom_rows, sizeof custom_rows / sizeof *custom_rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trtllm),
        cmocka_unit_test(test_tgi),
        cmocka_unit_test(test_custom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
