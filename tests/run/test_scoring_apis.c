/* From bytes to a sample with the other API scripts and with framing of a script's own: where a
 * stream ends, where it was cut, and what an error in its midst makes of it. */
#include <unistd.h>

#include "model/run_spec.h"
#include "run/answer.h"
#include "run/answered.h"
#include "script/script.h"

#define SSE "text/event-stream"
#define JSON "application/json"

static const struct opt_row rows[] = {
    {.name = "url", .type = &opt_text, OPT_FIELD(struct run_spec, url, char *)},
};

/* What came of one answer. */
struct want {
    const char *outcome, *kinds, *text;
    int64_t prompt, completion;
    const char *source;
    const char *error; /* a part of it; NULL = none */
};

static struct script *open_script(const struct opt_set *opts, const char *api, const char *file)
{
    struct err err;
    struct script_config config = {.role = SCRIPT_SCORER,
                                   .api = api,
                                   .file = file,
                                   .opts = opts,
                                   .url = "http://h",
                                   .model = "m"};
    struct script *script = script_open(&config, &err);
    if (!script)
        fail_msg("%s", err.text);
    return script;
}

static void check_sample(const char *name, const struct sample *sample, const struct want *want)
{
    char *kinds = kinds_of(sample);
    CHECK_TEXT(name, outcome_name(sample->outcome), want->outcome);
    CHECK_TEXT(name, kinds, want->kinds);
    CHECK_TEXT(name, sample->text ? sample->text : "", want->text);
    CHECK_INT(name, sample->prompt_tokens, want->prompt);
    CHECK_INT(name, sample->completion_tokens, want->completion);
    CHECK_TEXT(name, token_source_name(sample->completion_source), want->source);
    if (!want->error != !sample->error || (want->error && !strstr(sample->error, want->error)))
        fail_msg("%s: error is \"%s\", want \"…%s…\"", name, sample->error ? sample->error : "none",
                 want->error ? want->error : "none");
    free(kinds);
}

/* ---- the built-in scripts ---- */

#define DASH(text, finish, usage)                                                                  \
    "id:1\nevent:result\n:HTTP_STATUS/200\ndata:{\"output\":{\"choices\":[{\"message\":{"          \
    "\"role\":\"assistant\",\"content\":\"" text "\"},\"finish_reason\":\"" finish                 \
    "\"}]},\"usage\":" usage ",\"request_id\":\"r\"}\n\n"
#define DASH_USED "{\"input_tokens\":8,\"output_tokens\":2}"
#define ERNIE(text, end, tokens)                                                                   \
    "data: {\"id\":\"as\",\"sentence_id\":0,\"is_end\":" end ",\"is_truncated\":false,"            \
    "\"result\":\"" text "\",\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":" tokens         \
    "}}\n\n"
#define TRT(text) "data: {\"model_name\":\"ensemble\",\"text_output\":\"" text "\"}\n\n"
#define TGI(text, rest)                                                                            \
    "data:{\"token\":{\"id\":1,\"text\":\"" text "\",\"special\":false}," rest "}\n\n"
#define TGI_LAST "\"generated_text\":\"ab\",\"details\":{\"finish_reason\":\"length\"}"

static const struct {
    const char *name, *api;
    int status;
    const char *type;
    const char *pieces[6];
    struct want want;
} cases[] = {
    {"dashscope, the whole each time",
     "dashscope",
     200,
     SSE,
     {DASH("", "null", "{}"), DASH("a", "null", "{}"), DASH("ab", "stop", DASH_USED)},
     {"ok", "popcpc", "ab", 8, 2, "usage", NULL}},
    {"dashscope, cut",
     "dashscope",
     200,
     SSE,
     {DASH("a", "null", DASH_USED)},
     {"truncated", "pc", "a", 8, 2, "usage", "ended without a finish reason"}},
    {"dashscope, an error in its midst",
     "dashscope",
     200,
     SSE ";charset=UTF-8",
     {DASH("a", "null", "{}"), "event:error\n:HTTP_STATUS/429\ndata:{\"code\":\"Throttling\","
                               "\"message\":\"slow down\"}\n\n"},
     {"stream_error", "pcpe", "a", -1, 1, "events", "slow down"}},
    {"dashscope, refused",
     "dashscope",
     400,
     JSON,
     {"{\"code\":\"InvalidParameter\",\"message\":\"no such parameter\",\"request_id\":\"r\"}"},
     {"http_4xx", "e", "", -1, -1, "none", "HTTP 400: no such parameter"}},
    {"dashscope, plain",
     "dashscope",
     200,
     JSON,
     {"{\"output\":{\"text\":\"all\",\"finish_reason\":\"stop\"},\"usage\":" DASH_USED "}"},
     {"ok", "c", "all", 8, 2, "usage", NULL}},
    {"qianfan",
     "qianfan",
     200,
     SSE,
     {ERNIE("One.", "false", "0"), ERNIE(" Two.", "true", "7")},
     {"ok", "cc", "One. Two.", 4, 7, "usage", NULL}},
    {"qianfan, cut: its 0 tokens are no count",
     "qianfan",
     200,
     SSE,
     {ERNIE("One.", "false", "0")},
     {"truncated", "c", "One.", 4, 1, "events", "neither a finish reason"}},
    {"qianfan, a bare line in its midst",
     "qianfan",
     200,
     SSE,
     {ERNIE("One.", "false", "0"), "{\"error_code\":336100,\"error_msg\":\"busy\"}\n\n"},
     {"stream_error", "ce", "One.", 4, 1, "events", "336100: busy"}},
    {"qianfan, refused with 200",
     "qianfan",
     200,
     JSON,
     {"{\"error_code\":110,\"error_msg\":\"Access token invalid\"}"},
     {"stream_error", "e", "", -1, -1, "none", "110: Access token invalid"}},
    {"trtllm has no end",
     "trtllm",
     200,
     SSE,
     {TRT("a"), TRT("b")},
     {"ok", "cc", "ab", -1, 2, "events", NULL}},
    {"trtllm, an error in its midst",
     "trtllm",
     200,
     SSE,
     {TRT("a"), "data: {\"error\":\"out of blocks\"}\n\n"},
     {"stream_error", "ce", "a", -1, 1, "events", "out of blocks"}},
    {"trtllm, silent",
     "trtllm",
     200,
     SSE,
     {TRT("")},
     {"empty", "o", "", -1, -1, "none", "no text"}},
    {"tgi",
     "tgi",
     200,
     SSE,
     {TGI("a", "\"generated_text\":null"), TGI("b", TGI_LAST)},
     {"ok", "cc", "ab", -1, 2, "script", NULL}},
    {"tgi, cut",
     "tgi",
     200,
     SSE,
     {TGI("a", "\"generated_text\":null")},
     {"truncated", "c", "a", -1, 1, "events", "ended without a finish reason"}},
    {"openai, two choices at once",
     "openai",
     200,
     JSON,
     {"{\"choices\":[{\"index\":0,\"message\":{\"content\":\"one\"},\"finish_reason\":\"stop\"},"
      "{\"index\":1,\"message\":{\"content\":\"two\"},\"finish_reason\":\"stop\"}],"
      "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}"},
     {"ok", "c", "one\ntwo", 3, 4, "usage", NULL}},
    {"openai, two choices in each event",
     "openai",
     200,
     SSE,
     {"data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"a\"}},{\"index\":1,\"delta\":"
      "{\"content\":\"b\"}}]}\n\n",
      "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"},{\"index\":1,"
      "\"delta\":{\"content\":\"c\"}}]}\n\n",
      "data: [DONE]\n\n"},
     {"ok", "ccd", "\nbc", -1, 3, "events", NULL}},
    {"custom, no JSON",
     "custom",
     200,
     SSE,
     {"data: {\"choices\":\n\n"},
     {"stream_error", "e", "", -1, -1, "none", "parse failed"}},
};

static void streams_end_as_their_api_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run_spec spec;
        struct opt_set opts;
        opt_set_init(&opts, rows, sizeof rows / sizeof *rows, &spec);
        struct script *script = open_script(&opts, cases[i].api, NULL);
        struct sample *sample =
            answer_score(script, NULL, answered(cases[i].status, cases[i].type, cases[i].pieces));
        check_sample(cases[i].name, sample, &cases[i].want);
        sample_free(sample);
        script_close(script);
        opt_set_fini(&opts);
    }
}

/* ---- own framing, own ends ---- */

static const char framed[] =
    "local api = {}\n"
    "function api.build_request() return '' end\n"
    "function api.parse_responses(all) return nil, #all end\n"
    "function api.frame(bytes, pos)\n"
    "  if bytes:sub(pos, pos) == '!' then error('bad length') end\n"
    "  local from, to = bytes:find('^%d+:', pos)\n"
    "  if not from then return nil end\n"
    "  local len = tonumber(bytes:sub(from, to - 1))\n"
    "  if to + len > #bytes then return nil end\n"
    "  return to + 1, to + len, to + len + 1\n"
    "end\n"
    "function api.read_event(data, name)\n"
    "  if name == 'body' or name == 'rest' then return {error=name .. ' ' .. data} end\n"
    "  if data == 'end' then return {finish='stop'} end\n"
    "  return {content=data}\n"
    "end\n";

static const struct {
    const char *name, *more; /* lines of the script */
    int status;
    const char *type;
    const char *pieces[6];
    struct want want;
} own[] = {
    {"frames across reads",
     "",
     200,
     JSON,
     {"1:", "a2:b", "c"},
     {"ok", "cc", "abc", -1, 2, "script", NULL}},
    {"its end",
     "api.ends = true",
     200,
     SSE,
     {"1:a", "3:end\n"},
     {"ok", "co", "a", -1, 2, "script", NULL}},
    {"no end, but it should have one",
     "api.ends = true",
     200,
     NULL,
     {"1:a"},
     {"truncated", "c", "a", -1, 1, "events", "ended without a finish reason"}},
    {"the end marker in the bytes, which no hook understood",
     "api.end_marker = '3:END\\n\\n'",
     200,
     NULL,
     {"1:a", "3:END\n"},
     {"ok", "cc", "aEND", -1, 2, "script", NULL}},
    {"no end, and none expected",
     "api.ends = false api.end_marker = 'x'",
     200,
     NULL,
     {"1:a"},
     {"ok", "c", "a", -1, 1, "script", NULL}},
    {"half a frame is the rest",
     "",
     200,
     NULL,
     {"1:a", "9:b"},
     {"stream_error", "ce", "a", -1, 1, "events", "rest 9:b"}},
    {"no frame at all is a body",
     "",
     200,
     SSE,
     {"data: x\n\n"},
     {"stream_error", "e", "", -1, -1, "none", "body data: x"}},
    {"an error status is not framed",
     "",
     500,
     NULL,
     {"1:a"},
     {"http_5xx", "e", "", -1, -1, "none", "HTTP 500: body 1:a"}},
    {"an error in the hook",
     "",
     200,
     NULL,
     {"1:a!"},
     {"script_error", "c", "a", -1, 1, "events", "bad length"}},
    {"nothing", "", 200, NULL, {NULL}, {"empty", "", "", -1, -1, "none", "no text"}},
};

static void scripts_frame_what_they_know(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        struct run_spec spec;
        struct opt_set opts;
        char path[] = "/tmp/llmbench-frame-XXXXXX";
        FILE *file = fdopen(mkstemp(path), "w");
        assert_non_null(file);
        fprintf(file, "%s%s\nreturn api\n", framed, own[i].more);
        fclose(file);
        opt_set_init(&opts, rows, sizeof rows / sizeof *rows, &spec);
        struct script *script = open_script(&opts, NULL, path);
        struct sample *sample =
            answer_score(script, NULL, answered(own[i].status, own[i].type, own[i].pieces));
        check_sample(own[i].name, sample, &own[i].want);
        sample_free(sample);
        script_close(script);
        opt_set_fini(&opts);
        unlink(path);
    }
}

/* An event's time is that of the read which brought the last byte of its frame. */
static void frames_take_the_time_of_their_last_byte(void **state)
{
    (void)state;
    struct run_spec spec;
    struct opt_set opts;
    char path[] = "/tmp/llmbench-frame-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    fprintf(file, "%sreturn api\n", framed);
    fclose(file);
    opt_set_init(&opts, rows, sizeof rows / sizeof *rows, &spec);
    struct script *script = open_script(&opts, NULL, path);
    const char *pieces[] = {"2:", "a", "b1:", "c", NULL};
    struct sample *sample = answer_score(script, NULL, answered(200, NULL, pieces));
    CHECK_INT("events", sample->event_count, 2);
    CHECK_INT("first", sample->events[0].time_ns, 1200);
    CHECK_INT("second", sample->events[1].time_ns, 1300);
    CHECK_INT("first token", sample->first_token_ns, 1200);
    CHECK_INT("last token", sample->last_token_ns, 1300);
    assert_true(sample->streamed);
    sample_free(sample);
    script_close(script);
    opt_set_fini(&opts);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_end_as_their_api_says),
        cmocka_unit_test(scripts_frame_what_they_know),
        cmocka_unit_test(frames_take_the_time_of_their_last_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
