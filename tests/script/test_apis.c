/* The API scripts beside openai.lua: what they make of answers in the shapes their services
 * document. */
#include "fixture.h"
#include "model/exchange.h"

/* ---- answers ---- */

struct event_case {
    const char *name, *data, *got; /* as show_delta says it */
};

static const struct answer_case {
    const char *name, *api, *request; /* the request's body */
    int status;
    struct event_case events[6];
    int prompt, completion;
} answers[] = {
    {"dashscope, piece by piece",
     "dashscope",
     "{\"parameters\":{\"incremental_output\":true}}",
     200,
     {{"result",
       "{\"output\":{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"\"},"
       "\"finish_reason\":\"null\"}]},\"usage\":{},\"request_id\":\"r\"}",
       "opening"},
      {"result",
       "{\"output\":{\"choices\":[{\"message\":{\"content\":\"\",\"reasoning_content\":\"hm\"},"
       "\"finish_reason\":\"null\"}]},\"usage\":{\"input_tokens\":8,\"output_tokens\":2,"
       "\"prompt_tokens_details\":{\"cached_tokens\":3}}}",
       "reasoning=hm tokens=2 usage=8/2/3"},
      {"result",
       "{\"output\":{\"choices\":[{\"message\":{\"content\":\"ha\"},\"finish_reason\":\"null\"}]},"
       "\"usage\":{\"input_tokens\":8,\"output_tokens\":3}}",
       "content=ha tokens=1 usage=8/3/-1"},
      {"result",
       "{\"output\":{\"choices\":[{\"message\":{\"content\":\"ha\"},\"finish_reason\":\"stop\"}]},"
       "\"usage\":{\"input_tokens\":8,\"output_tokens\":5}}",
       "content=ha tokens=2 finish=stop usage=8/5/-1"}},
     8,
     5},
    {"dashscope, the whole each time",
     "dashscope",
     "{\"parameters\":{}}",
     200,
     {{"result", "{\"output\":{\"text\":\"ha\",\"finish_reason\":\"null\"}}", "content=ha"},
      {"result", "{\"output\":{\"text\":\"ha\",\"finish_reason\":\"null\"}}", "opening"},
      {"result", "{\"output\":{\"text\":\"haha\",\"finish_reason\":\"null\"}}", "content=ha"},
      {"result", "{\"output\":{\"text\":\"Haha!\",\"finish_reason\":\"null\"}}",
       "content=Haha! cumulative"},
      {"result",
       "{\"output\":{\"text\":\"Haha!\",\"finish_reason\":\"length\"},\"usage\":"
       "{\"input_tokens\":1,\"output_tokens\":2}}",
       "opening tokens=2 finish=length usage=1/2/-1"}},
     1,
     2},
    {"dashscope, whole messages with reasoning",
     "dashscope",
     "{}",
     200,
     {{"result",
       "{\"output\":{\"choices\":[{\"message\":{\"content\":\"\",\"reasoning_content\":\"a\"}}]}}",
       "reasoning=a"},
      {"result",
       "{\"output\":{\"choices\":[{\"message\":{\"content\":\"x\",\"reasoning_content\":\"ab\"}}]}"
       "}",
       "content=x reasoning=b"},
      {"result",
       "{\"output\":{\"choices\":[{\"message\":{\"content\":\"y\",\"reasoning_content\":\"abc\"}}]}"
       "}",
       "content=y reasoning=abc cumulative"}},
     -1,
     -1},
    {"dashscope, plain",
     "dashscope",
     "{}",
     200,
     {{"body",
       "{\"output\":{\"choices\":[{\"message\":{\"content\":\"hello\"},\"finish_reason\":\"stop\"}]"
       "},\"usage\":{\"input_tokens\":3,\"output_tokens\":1},\"request_id\":\"r\"}",
       "content=hello finish=stop usage=3/1/-1"}},
     3,
     1},
    {"dashscope, plain text",
     "dashscope",
     "{}",
     200,
     {{"body", "{\"output\":{\"text\":\"hello\",\"finish_reason\":\"stop\"}}",
       "content=hello finish=stop"}},
     -1,
     -1},
    {"dashscope, parts",
     "dashscope",
     "{}",
     200,
     {{"body",
       "{\"output\":{\"choices\":[{\"message\":{\"content\":[{\"text\":\"a\"},{\"text\":"
       "\"b\"}]}}]}}",
       "content=ab"}},
     -1,
     -1},
    {"dashscope, errors",
     "dashscope",
     "{}",
     200,
     {{"error", "{\"code\":\"Throttling\",\"message\":\"too fast\",\"request_id\":\"r\"}",
       "error=too fast"},
      {"error", "down", "error=down"},
      {"body", "{\"code\":\"InvalidParameter\",\"message\":\"bad\"}", "error=bad"},
      {"body", "{\"code\":\"Bad\"}", "error=Bad"},
      {"result", "{\"output\":5}", "-"},
      {"result", "{\"output\":{\"choices\":[7]},\"usage\":[1]}", "opening usage=-1/-1/-1"}},
     -1,
     -1},
    {"dashscope, an error status",
     "dashscope",
     "{}",
     401,
     {{"body", "{\"request_id\":\"r\"}", "error={\"request_id\":\"r\"}"}, {"body", "<html>", "-"}},
     -1,
     -1},
    {"zhipu",
     "zhipu",
     "{}",
     200,
     {{"",
       "{\"id\":\"1\",\"model\":\"glm\",\"choices\":[{\"index\":0,\"delta\":{\"role\":"
       "\"assistant\",\"content\":\"a\"}}]}",
       "content=a"},
      {"",
       "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"delta\":{\"content\":\"\"}}],"
       "\"usage\":{\"prompt_tokens\":6,\"completion_tokens\":9}}",
       "opening finish=stop usage=6/9/-1"},
      {"", "[DONE]", "done"},
      {"body", "{\"error\":{\"code\":\"1211\",\"message\":\"no such model\"}}",
       "error=no such model"}},
     6,
     9},
    {"qianfan",
     "qianfan",
     "{}",
     200,
     {{"",
       "{\"id\":\"as-1\",\"object\":\"chat.completion\",\"sentence_id\":0,\"is_end\":false,"
       "\"is_truncated\":false,\"result\":\"One.\",\"usage\":{\"prompt_tokens\":4,"
       "\"completion_tokens\":0,\"total_tokens\":4}}",
       "content=One. usage=4/-1/-1"},
      {"chat", "{\"is_end\":false,\"is_truncated\":false,\"result\":\" Two.\"}", "content= Two."},
      {"",
       "{\"sentence_id\":2,\"is_end\":true,\"is_truncated\":false,\"result\":\"\",\"usage\":"
       "{\"prompt_tokens\":4,\"completion_tokens\":7,\"total_tokens\":11}}",
       "opening finish=stop usage=4/7/-1"}},
     4,
     7},
    {"qianfan, cut for length, and errors",
     "qianfan",
     "{}",
     200,
     {{"", "{\"is_end\":true,\"is_truncated\":true,\"result\":\"x\"}", "content=x finish=length"},
      {"line", "{\"error_code\":336003,\"error_msg\":\"the max length\"}",
       "error=336003: the max length"},
      {"body", "{\"error_code\":110,\"error_msg\":\"Access token invalid\"}",
       "error=110: Access token invalid"},
      {"", "{\"error_code\":1}", "error=1: nil"},
      {"", "{\"is_end\":false}", "-"},
      {"", "nonsense", "-"}},
     -1,
     -1},
    {"qianfan, plain",
     "qianfan",
     "{}",
     200,
     {{"body",
       "{\"id\":\"as\",\"result\":\"All.\",\"is_truncated\":false,\"usage\":{\"prompt_tokens\":1,"
       "\"completion_tokens\":2}}",
       "content=All. finish=stop usage=1/2/-1"}},
     1,
     2},
    {"trtllm",
     "trtllm",
     "{}",
     200,
     {{"",
       "{\"model_name\":\"ensemble\",\"model_version\":\"1\",\"sequence_id\":0,"
       "\"text_output\":\"a\"}",
       "content=a"},
      {"", "{\"text_output\":\"\"}", "opening"},
      {"", "{\"error\":\"in ensemble: too long\"}", "error=in ensemble: too long"},
      {"", "{\"text_output\":[1]}", "-"},
      {"", "5", "-"}},
     -1,
     -1},
    {"trtllm, an error status",
     "trtllm",
     "{}",
     400,
     {{"body", "{\"error\":\"no model\"}", "error=no model"},
      {"body", "{\"a\":1}", "error={\"a\":1}"}},
     -1,
     -1},
    {"tgi",
     "tgi",
     "{}",
     200,
     {{"",
       "{\"index\":1,\"token\":{\"id\":5,\"text\":\"a\",\"logprob\":-0.1,\"special\":false},"
       "\"generated_text\":null,\"details\":null}",
       "content=a tokens=1"},
      {"",
       "{\"token\":{\"id\":2,\"text\":\"</s>\",\"special\":true},\"generated_text\":\"a\","
       "\"details\":{\"finish_reason\":\"eos_token\",\"generated_tokens\":2,\"seed\":1}}",
       "opening tokens=1 finish=eos_token usage=-1/2/-1"}},
     -1,
     2},
    {"tgi without details",
     "tgi",
     "{}",
     200,
     {{"", "{\"token\":{\"text\":\"a\",\"special\":false},\"generated_text\":null}",
       "content=a tokens=1"},
      {"", "{\"token\":{\"text\":\"b\"},\"generated_text\":null}", "content=b tokens=1"},
      {"", "{\"token\":{\"text\":\"c\"},\"generated_text\":\"abc\"}",
       "content=c tokens=1 finish=stop"}},
     -1,
     3},
    {"tgi, plain",
     "tgi",
     "{}",
     200,
     {{"body",
       "{\"generated_text\":\"abc\",\"details\":{\"finish_reason\":\"length\","
       "\"generated_tokens\":20}}",
       "content=abc finish=length usage=-1/20/-1"}},
     -1,
     20},
    {"tgi, a list of one, and errors",
     "tgi",
     "{}",
     200,
     {{"body", "[{\"generated_text\":\"x\"}]", "content=x finish=stop"},
      {"", "{\"error\":\"overloaded\",\"error_type\":\"overloaded\"}", "error=overloaded"},
      {"body", "[5]", "-"},
      {"body", "[]", "-"}},
     -1,
     -1},
    {"custom",
     "custom",
     "{}",
     200,
     {{"", "{\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}", "opening"},
      {"", "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", "content=a"},
      {"line", "comment", "-"},
      {"", "{\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3}}",
       "opening usage=2/3/-1"},
      {"", "[DONE]", "done"}},
     2,
     3},
    {"custom, plain",
     "custom",
     "{}",
     200,
     {{"body",
       "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"usage\":"
       "{\"prompt_tokens\":2,\"completion_tokens\":1}}",
       "content=a finish=stop usage=2/1/-1"}},
     2,
     1},
    {"custom, errors and oddities",
     "custom",
     "{}",
     200,
     {{"", "{\"choices\":", "error=parse failed: {\"choices\":"},
      {"", "{\"error\":{\"message\":\"boom\"}}", "error=boom"},
      {"", "{\"error\":\"boom\"}", "error=boom"},
      {"", "{\"choices\":[{\"text\":\"t\"}]}", "content=t"},
      {"", "{\"choices\":[3],\"usage\":{\"prompt_tokens\":\"x\"}}", "opening usage=-1/-1/-1"},
      {"", "{\"choices\":[{\"delta\":5}],\"usage\":7}", "opening usage=-1/-1/-1"}},
     -1,
     -1},
    {"custom, an error status",
     "custom",
     "{}",
     500,
     {{"body", "<html>", "error=<html>"}, {"body", "{\"message\":\"m\"}", "error=m"}},
     -1,
     -1},
};

static void show_text(struct buf *out, const char *name, struct span text)
{
    if (text.data)
        buf_printf(out, "%s=%.*s ", name, (int)text.len, text.data);
}

static char *show_delta(const struct delta *delta)
{
    struct buf out;
    buf_init(&out, 65536);
    show_text(&out, "error", delta->error);
    show_text(&out, "content", delta->content);
    show_text(&out, "reasoning", delta->reasoning);
    if (delta->opening)
        buf_add_text(&out, "opening ");
    if (delta->tokens != TOKENS_UNKNOWN)
        buf_printf(&out, "tokens=%d ", (int)delta->tokens);
    show_text(&out, "finish", delta->finish);
    if (delta->has_usage)
        buf_printf(&out, "usage=%d/%d/%d ", (int)delta->usage.prompt, (int)delta->usage.completion,
                   (int)delta->usage.cached);
    if (delta->cumulative)
        buf_add_text(&out, "cumulative ");
    if (delta->done)
        buf_add_text(&out, "done ");
    if (!delta->understood)
        buf_add_text(&out, "- ");
    if (out.len > 0)
        out.len--;
    return buf_take(&out);
}

static void begin(struct script *script, const struct answer_case *answer)
{
    struct err err;
    struct request *request = MEM_NEW(struct request);
    request->body = mem_text(answer->request);
    request->body_len = strlen(request->body);
    struct exchange *exchange = exchange_new(request, EXCHANGE_HEAD_MOST, 1);
    exchange->status = answer->status;
    if (!script_answer_begin(script, exchange, &err))
        fail_msg("%s: %s", answer->name, err.text);
    exchange_free(exchange);
}

static void check_answer(struct script *script, const struct answer_case *answer)
{
    struct err err;
    struct span payloads[6];
    size_t count = 0;
    begin(script, answer);
    for (size_t i = 0; i < 6 && answer->events[i].data; i++) {
        const struct event_case *event = &answer->events[i];
        struct delta delta;
        if (!script_read_event(script, span_text(event->data), span_text(event->name), &delta,
                               &err))
            fail_msg("%s, event %zu: %s", answer->name, i, err.text);
        char *got = show_delta(&delta), *name = mem_printf("%s, event %zu", answer->name, i);
        CHECK_TEXT(name, got, event->got);
        if (!delta.done && !delta.error.data)
            payloads[count++] = span_text(event->data);
        free(got);
        free(name);
    }
    int64_t prompt = 0, completion = 0;
    if (!script_parse_responses(script, payloads, count, span_text(answer->request), &prompt,
                                &completion, &err))
        fail_msg("%s: %s", answer->name, err.text);
    CHECK_INT(answer->name, prompt, answer->prompt);
    CHECK_INT(answer->name, completion, answer->completion);
    script_answer_end(script);
}

static void answers_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct fixture fixture;
        fixture_init(&fixture, NULL);
        struct script *script = must_open_api(&fixture, answers[i].api, SCRIPT_SCORER);
        /* twice: nothing of one answer may be left for the next */
        check_answer(script, &answers[i]);
        check_answer(script, &answers[i]);
        script_close(script);
        fixture_fini(&fixture);
    }
}

/* The second version of Qianfan is OpenAI's protocol, which its scorers know from setup. */
static void qianfan_has_two_versions(void **state)
{
    (void)state;
    static const struct answer_case second = {
        "second",
        "qianfan",
        "{}",
        200,
        {{"", "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}", "content=a"},
         {"", "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
          "usage=1/2/-1"},
         {"", "[DONE]", "done"}},
        1,
        2};
    struct fixture fixture;
    struct err err;
    fixture_init(&fixture, "--prompt hi");
    fixture.config.url = "http://h/v2/chat/completions";
    struct script *composer = must_open_api(&fixture, "qianfan", SCRIPT_COMPOSER);
    struct script *scorer = must_open_api(&fixture, "qianfan", SCRIPT_SCORER);
    assert_true(script_set_setup(scorer, script_setup_result(composer), &err));
    check_answer(scorer, &second);
    script_close(scorer);
    script_close(composer);
    fixture_fini(&fixture);
}

/* ---- facts ---- */

static void facts_are_the_protocols(void **state)
{
    (void)state;
    static const struct {
        const char *api, *end_marker;
        bool ends;
    } cases[] = {
        {"custom", "data: [DONE]", true},
        {"dashscope", "", true},
        {"openai", "data: [DONE]", true},
        {"qianfan", "data: [DONE]", true},
        {"tgi", "", true},
        {"trtllm", "", false},
        {"zhipu", "data: [DONE]", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        fixture_init(&fixture, NULL);
        struct script *script = must_open_api(&fixture, cases[i].api, SCRIPT_SCORER);
        const struct script_facts *facts = script_facts(script);
        assert_true(span_equals(facts->end_marker, cases[i].end_marker));
        CHECK_INT(cases[i].api, facts->ends, cases[i].ends);
        CHECK_TEXT(cases[i].api, facts->framing, "sse");
        script_close(script);
        fixture_fini(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_understood),
        cmocka_unit_test(qianfan_has_two_versions),
        cmocka_unit_test(facts_are_the_protocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
