/* What the mock server answers as DashScope, Zhipu and Qianfan. */
#include "shapes.h"

#define QWEN "{\"model\":\"qwen\",\"input\":{" SAY "}"

static const struct row dashscope_rows[] = {
    {
        .name = "pieces of messages",
        .path = DASH,
        .headers = SSE,
        .body = QWEN ",\"parameters\":{\"result_format\":\"message\",\"incremental_output\":true}}",
        .stream = true,
        .events = TOKENS + 1,
        .comments = TOKENS + 1,
        .raw = "id:1\nevent:result\n:HTTP_STATUS/200\ndata:{\"output\":{\"choices\":[{\"message\":"
               "{\"role\":\"assistant\",\"content\":\"",
        .wants =
            {
                {0, "output.choices.0.message.role", "\"assistant\""},
                {0, "output.choices.0.finish_reason", "\"null\""},
                {0, "output.text", NULL},
                {0, "usage.input_tokens", "4"},
                {0, "usage.output_tokens", "1"},
                {0, "usage.prompt_tokens_details.cached_tokens", "0"},
                {0, "request_id", "*"},
                {0, "read_ns", "*"},
                {1, "read_ns", NULL},
                {1, "usage.output_tokens", "2"},
                {-1, "output.choices.0.finish_reason", "\"stop\""},
                {-1, "output.choices.0.message.content", "\"\""},
                {-1, "usage.output_tokens", "12"},
                {-1, "usage.total_tokens", "16"},
            },
    },
    {
        .name = "whole texts",
        .path = DASH,
        .headers = SSE,
        .body = QWEN ",\"parameters\":{\"max_tokens\":3,\"stream\":false}}",
        .stream = true,
        .events = 4,
        .comments = 4,
        .wants =
            {
                {0, "output.choices", NULL},
                {0, "output.finish_reason", "\"null\""},
                {-1, "output.finish_reason", "\"length\""},
                {-1, "usage.output_tokens", "3"},
            },
    },
    {
        .name = "lines end in CR LF",
        .path = DASH "?crlf=1&nousage=1",
        .headers = SSE,
        .body = QWEN "}",
        .stream = true,
        .events = TOKENS + 1,
        .comments = TOKENS + 1,
        .raw = "event:result\r\n:HTTP_STATUS/200\r\ndata:{",
        .wants =
            {
                {0, "usage", "{}"},
                {-1, "usage", "{}"},
            },
    },
    {
        .name = "plain, by messages",
        .path = DASH,
        .body = QWEN ",\"parameters\":{\"result_format\":\"message\",\"stream\":true}}",
        .wants =
            {
                {0, "output.choices.0.finish_reason", "\"stop\""},
                {0, "output.choices.0.message.role", "\"assistant\""},
                {0, "usage.output_tokens", "12"},
                {0, "request_id", "*"},
            },
    },
    {
        .name = "another header value is no stream",
        .path = DASH,
        .headers = "X-DashScope-SSE: enable=True\r\n",
        .body = "{\"model\":\"q\",\"input\":{\"prompt\":\"a b\"}}",
        .wants =
            {
                {0, "output.text", "*"},
                {0, "usage.input_tokens", "2"},
                {0, "read_ns", "*"},
            },
    },
    {
        .name = "an error after two",
        .path = DASH "?error=2",
        .headers = SSE,
        .body = QWEN "}",
        .stream = true,
        .events = 3,
        .comments = 3,
        .raw = "id:3\nevent:error\n:HTTP_STATUS/500\ndata:{\"code\":",
        .wants =
            {
                {-1, "code", "\"InternalError\""},
                {-1, "message", "*"},
                {-1, "request_id", "*"},
            },
    },
    {
        .name = "refused in a stream",
        .path = DASH,
        .headers = SSE,
        .body = "{\"model\":\"q\",\"input\":{}}",
        .stream = true,
        .comments = 1,
        .raw = "id:1\nevent:error\n:HTTP_STATUS/400\ndata:{",
        .wants =
            {
                {0, "code", "\"InvalidParameter\""},
                {0, "message", "*"},
                {0, "request_id", "*"},
            },
    },
    {
        .name = "refused",
        .path = DASH,
        .body = "{\"model\":\"q\",\"input\":{}}",
        .status = 400,
        .wants =
            {
                {0, "code", "\"InvalidParameter\""},
                {0, "request_id", "*"},
            },
    },
    {
        .name = "an unknown format",
        .path = DASH,
        .body = QWEN ",\"parameters\":{\"result_format\":\"xml\"}}",
        .status = 400,
        .raw = "parameters.result_format",
        .wants =
            {
                {0, "code", "\"InvalidParameter\""},
            },
    },
    {
        .name = "whole texts have a ceiling",
        .path = DASH "?tokens=10001",
        .headers = SSE,
        .body = QWEN "}",
        .stream = true,
        .comments = 1,
        .raw = "10000",
        .wants =
            {
                {0, "code", "\"InvalidParameter\""},
            },
    },
    {
        .name = "too often, even in a stream",
        .path = DASH "?status=429",
        .headers = SSE,
        .body = QWEN "}",
        .status = 429,
        .wants =
            {
                {0, "code", "\"Throttling\""},
            },
    },
    {
        .name = "plain failure",
        .path = DASH "?error=1",
        .body = QWEN "}",
        .status = 500,
        .wants =
            {
                {0, "code", "\"InternalError\""},
            },
    },
    {
        .name = "no such path",
        .path = "/v1/chat/completions",
        .body = QWEN "}",
        .status = 404,
        .wants =
            {
                {0, "code", "\"NotFound\""},
            },
    },
    {
        .name = "the compatible mode",
        .path = "/compatible-mode/v1/chat/completions",
        .body = "{\"model\":\"m\",\"stream\":true," SAY "}",
        .stream = true,
        .events = TOKENS + 2,
        .dones = 1,
        .wants =
            {
                {0, "object", "\"chat.completion.chunk\""},
            },
    },
};

static const struct row zhipu_rows[] = {
    {
        .name = "stream",
        .path = GLM,
        .body = "{\"model\":\"glm\",\"stream\":true," SAY "}",
        .stream = true,
        .events = TOKENS + 1,
        .dones = 1,
        .raw = "data: {\"id\":\"",
        .wants =
            {
                {0, "object", NULL},
                {0, "model", "\"glm\""},
                {0, "created", "*"},
                {0, "choices.0.delta.role", "\"assistant\""},
                {0, "choices.0.finish_reason", NULL},
                {0, "usage", NULL},
                {TOKENS - 1, "usage", NULL},
                {-1, "choices.0.delta.content", "\"\""},
                {-1, "choices.0.finish_reason", "\"stop\""},
                {-1, "usage.prompt_tokens", "4"},
                {-1, "usage.completion_tokens", "12"},
                {-1, "usage.total_tokens", "16"},
            },
    },
    {
        .name = "plain",
        .path = GLM,
        .body = "{\"model\":\"glm\",\"max_tokens\":3," SAY "}",
        .wants =
            {
                {0, "object", NULL},
                {0, "choices.0.finish_reason", "\"length\""},
                {0, "choices.0.message.role", "\"assistant\""},
                {0, "usage.completion_tokens", "3"},
            },
    },
    {
        .name = "an error after none",
        .path = GLM "?error=0",
        .body = "{\"model\":\"glm\",\"stream\":true," SAY "}",
        .stream = true,
        .dones = 1,
        .wants =
            {
                {0, "error.code", "\"500\""},
                {0, "error.message", "*"},
            },
    },
    {
        .name = "refused",
        .path = GLM,
        .body = "{\"model\":\"glm\"}",
        .status = 400,
        .wants =
            {
                {0, "error.code", "\"1214\""},
                {0, "error.message", "*"},
            },
    },
};

static const struct row qianfan_rows[] = {
    {
        .name = "sentences",
        .path = ERNIE "?access_token=any",
        .body = "{\"stream\":true," SAY "}",
        .stream = true,
        .events = 3,
        .raw = "data: {\"id\":\"as-",
        .wants =
            {
                {0, "object", "\"chat.completion\""},
                {0, "sentence_id", "0"},
                {0, "is_end", "false"},
                {0, "is_truncated", "false"},
                {0, "need_clear_history", "false"},
                {0, "usage.prompt_tokens", "4"},
                {0, "usage.completion_tokens", "0"},
                {1, "sentence_id", "1"},
                {1, "is_end", "false"},
                {-1, "is_end", "true"},
                {-1, "result", "\"\""},
                {-1, "usage.completion_tokens", "12"},
                {-1, "usage.total_tokens", "16"},
            },
    },
    {
        .name = "cut",
        .path = ERNIE,
        .body = "{\"stream\":true,\"max_output_tokens\":8," SAY "}",
        .stream = true,
        .events = 2,
        .wants =
            {
                {0, "is_truncated", "false"},
                {-1, "is_end", "true"},
                {-1, "is_truncated", "true"},
                {-1, "usage.completion_tokens", "8"},
            },
    },
    {
        .name = "plain completion",
        .path = "/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/sqlcoder",
        .body = "{\"prompt\":\"a b c\"}",
        .wants =
            {
                {0, "result", "*"},
                {0, "usage.prompt_tokens", "3"},
                {0, "usage.completion_tokens", "12"},
            },
    },
    {
        .name = "an error after one",
        .path = ERNIE "?error=1",
        .body = "{\"stream\":true," SAY "}",
        .stream = true,
        .events = 2,
        .bare = 1,
        .raw = "\n\n{\"error_code\":336000,",
        .wants =
            {
                {-1, "error_code", "336000"},
                {-1, "error_msg", "*"},
            },
    },
    {
        .name = "refused, behind 200",
        .path = ERNIE,
        .body = "{\"messages\":7}",
        .wants =
            {
                {0, "error_code", "336003"},
                {0, "error_msg", "*"},
            },
    },
    {
        .name = "no JSON, behind 200",
        .path = ERNIE,
        .body = "{",
        .wants =
            {
                {0, "error_code", "336002"},
            },
    },
    {
        .name = "plain failure, behind 200",
        .path = ERNIE "?error=0",
        .body = "{" SAY "}",
        .wants =
            {
                {0, "error_code", "336000"},
            },
    },
    {
        .name = "asked to be a 503",
        .path = ERNIE "?status=503",
        .body = "{" SAY "}",
        .status = 503,
        .wants =
            {
                {0, "error_code", "336000"},
            },
    },
    {
        .name = "no model",
        .path = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/",
        .body = "{" SAY "}",
        .status = 404,
        .wants =
            {
                {0, "error_code", "3"},
            },
    },
    {
        .name = "V2",
        .path = "/v2/chat/completions",
        .body =
            "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," SAY "}",
        .stream = true,
        .events = TOKENS + 3,
        .dones = 1,
        .wants =
            {
                {0, "object", "\"chat.completion.chunk\""},
                {0, "choices.0.delta.role", "\"assistant\""},
                {-1, "usage.completion_tokens", "12"},
            },
    },
};

static void test_dashscope(void **state)
{
    (void)state;
    check_rows("dashscope", dashscope_rows, sizeof dashscope_rows / sizeof *dashscope_rows);
}

static void test_zhipu(void **state)
{
    (void)state;
    check_rows("zhipu", zhipu_rows, sizeof zhipu_rows / sizeof *zhipu_rows);
}

static void test_qianfan(void **state)
{
    (void)state;
    check_rows("qianfan", qianfan_rows, sizeof qianfan_rows / sizeof *qianfan_rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dashscope),
        cmocka_unit_test(test_zhipu),
        cmocka_unit_test(test_qianfan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
