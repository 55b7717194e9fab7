/* lua/apis/openai.lua: shapes one by one, then whole recordings of real servers. */
#include <strings.h>

#include "fixture.h"
#include "wire/sse.h"

static struct script *open_openai(struct fixture *fixture, enum script_role role)
{
    struct err err;
    fixture->config.role = role;
    fixture->config.api = "openai";
    struct script *script = script_open(&fixture->config, &err);
    if (!script)
        fail_msg("%s", err.text);
    return script;
}

/* ---- requests ---- */

static const struct {
    const char *name, *url, *words, *url_want, *body;
} requests[] = {
    {"chat", "http://h", "", "http://h/v1/chat/completions",
     "{\"messages\":[{\"content\":\"hi\",\"role\":\"user\"}],\"model\":\"m\"}"},
    {"streamed", "http://h/x/chat/completions?a=/completions", "--stream --max-tokens 4",
     "http://h/x/chat/completions?a=/completions",
     "{\"max_tokens\":4,\"messages\":[{\"content\":\"hi\",\"role\":\"user\"}],\"model\":\"m\","
     "\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
    {"completions", "http://h/v1/completions", "", "http://h/v1/completions",
     "{\"model\":\"m\",\"prompt\":\"hi\"}"},
    {"completions with slash and query", "http://h/v1/completions/?k=v", "",
     "http://h/v1/completions/?k=v", "{\"model\":\"m\",\"prompt\":\"hi\"}"},
};

static void requests_follow_the_url(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct fixture fixture;
        char *words = mem_printf("--prompt hi %s", requests[i].words);
        fixture_init(&fixture, words);
        fixture.config.url = requests[i].url;
        struct script *script = open_openai(&fixture, SCRIPT_COMPOSER);
        struct request *request = must_compose(script, 0);
        CHECK_TEXT(requests[i].name, request->body, requests[i].body);
        CHECK_TEXT(requests[i].name, request->url, requests[i].url_want);
        request_free(request);
        script_close(script);
        free(words);
        fixture_fini(&fixture);
    }
}

/* ---- events ---- */

struct event_case {
    const char *name, *event, *data;
    const char *got; /* the delta in the notation of show_delta */
};

static const struct event_case event_cases[] = {
    {"end", "", "[DONE]", "done"},
    {"quoted end", "", "\"[DONE]\"", "done"},
    {"role only", "",
     "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}",
     "opening index=0"},
    {"role with null", "", "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}",
     "opening index=0"},
    {"content", "",
     "{\"choices\":[{\"index\":2,\"delta\":{\"content\":\"a\\u0000b\"},"
     "\"finish_reason\":null}],\"usage\":null}",
     "content=a?b index=2"},
    {"reasoning_content", "",
     "{\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"r\"}}]}",
     "reasoning=r index=0"},
    {"reasoning", "",
     "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\",\"reasoning\":\"r\"}}]}",
     "reasoning=r index=0"},
    {"refusal", "", "{\"choices\":[{\"index\":0,\"delta\":{\"refusal\":\"no\"}}]}",
     "refusal=no index=0"},
    {"tool calls", "",
     "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"i\",\"function\":"
     "{\"name\":\"f\",\"arguments\":\"{\"}},{\"function\":{\"arguments\":\"}\"}}]}}]}",
     "tool=f{} index=0"},
    {"function call", "",
     "{\"choices\":[{\"index\":0,\"delta\":{\"function_call\":{\"name\":\"g\",\"arguments\":\"1\"}}"
     "}]}",
     "tool=g1 index=0"},
    {"finish", "", "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}",
     "opening finish=stop index=0"},
    {"usage alone", "",
     "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":0,"
     "\"prompt_tokens_details\":{\"cached_tokens\":3},\"completion_tokens_details\":"
     "{\"reasoning_tokens\":4}}}",
     "usage=1/0/3/4 index=0"},
    {"usage beside a choice", "",
     "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}],\"usage\":"
     "{\"prompt_tokens\":1,\"completion_tokens\":2,\"prompt_tokens_details\":null}}",
     "opening finish=length usage=1/2/-1/-1 index=0"},
    {"empty choices", "", "{\"choices\":[],\"prompt_filter_results\":[]}", "opening index=0"},
    {"completions chunk", "", "{\"choices\":[{\"index\":0,\"text\":\"t\",\"finish_reason\":null}]}",
     "content=t index=0"},
    {"several choices", "",
     "{\"choices\":[{\"index\":0,\"delta\":{}},{\"index\":1,\"delta\":{\"content\":\"b\"}}]}",
     "content=b index=1"},
    {"parts", "",
     "{\"choices\":[{\"index\":0,\"delta\":{\"content\":[{\"type\":\"text\",\"text\":"
     "\"x\"},{\"type\":\"text\",\"text\":\"y\"},{\"type\":\"image\"}]}}]}",
     "content=xy index=0"},
    {"error object", "", "{\"error\":{\"message\":\"busy\",\"code\":1}}", "error=busy index=0"},
    {"error string", "", "{\"error\":\"busy\"}", "error=busy index=0"},
    {"error without words", "", "{\"error\":{}}", "error={\"error\":{}} index=0"},
    {"object error", "", "{\"object\":\"error\",\"message\":\"bad\",\"code\":400}",
     "error=bad index=0"},
    {"error event", "error", "{\"code\":400,\"message\":\"too long\"}", "error=too long index=0"},
    {"error event in words", "error", "oh no", "error=oh no index=0"},
    {"nested error event", "error", "{\"error\":{\"message\":\"m\"}}", "error=m index=0"},
    {"no JSON", "", "{\"choices\":", "-"},
    {"no object", "", "5", "-"},
    {"another object", "", "{\"ping\":1}", "-"},
    {"null", "", "null", "-"},
    {"odd types", "",
     "{\"choices\":[5,{\"delta\":7,\"index\":-1,\"text\":[],\"finish_reason\":{}}],"
     "\"usage\":{\"prompt_tokens\":\"1\",\"completion_tokens\":1.5}}",
     "opening usage=-1/-1/-1/-1 index=0"},
    {"plain chat", "body",
     "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"whole\","
     "\"reasoning_content\":\"why\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,"
     "\"completion_tokens\":2}}",
     "content=whole reasoning=why finish=stop usage=3/2/-1/-1 index=0"},
    {"plain no JSON", "body", "<html>", "-"},
};

static void show_text(struct buf *out, const char *name, struct span text)
{
    if (!text.data)
        return;
    buf_printf(out, "%s=", name);
    for (size_t i = 0; i < text.len; i++)
        buf_add_char(out, text.data[i] ? text.data[i] : '?');
    buf_add_char(out, ' ');
}

static char *show_delta(const struct delta *delta)
{
    struct buf out;
    buf_init(&out, 65536);
    show_text(&out, "error", delta->error);
    show_text(&out, "content", delta->content);
    show_text(&out, "reasoning", delta->reasoning);
    show_text(&out, "refusal", delta->refusal);
    show_text(&out, "tool", delta->tool);
    if (delta->opening)
        buf_add_text(&out, "opening ");
    show_text(&out, "finish", delta->finish);
    if (delta->has_usage)
        buf_printf(&out, "usage=%d/%d/%d/%d ", (int)delta->usage.prompt,
                   (int)delta->usage.completion, (int)delta->usage.cached,
                   (int)delta->usage.reasoning);
    if (delta->done)
        buf_add_text(&out, "done");
    else if (delta->understood)
        buf_printf(&out, "index=%d", (int)delta->index);
    else
        buf_add_text(&out, "-");
    return buf_take(&out);
}

static void begin(struct script *script, int status)
{
    struct err err;
    struct exchange *exchange = exchange_new(MEM_NEW(struct request), EXCHANGE_HEAD_MOST, 1);
    exchange->status = status;
    if (!script_answer_begin(script, exchange, &err))
        fail_msg("%s", err.text);
    exchange_free(exchange);
}

static void events_are_understood(void **state)
{
    (void)state;
    struct fixture fixture;
    struct err err;
    fixture_init(&fixture, NULL);
    struct script *script = open_openai(&fixture, SCRIPT_SCORER);
    begin(script, 200);
    for (size_t i = 0; i < sizeof event_cases / sizeof *event_cases; i++) {
        struct delta delta;
        if (!script_read_event(script, span_text(event_cases[i].data),
                               span_text(event_cases[i].event), &delta, &err))
            fail_msg("%s: %s", event_cases[i].name, err.text);
        char *got = show_delta(&delta);
        CHECK_TEXT(event_cases[i].name, got, event_cases[i].got);
        free(got);
    }
    script_close(script);
    fixture_fini(&fixture);
}

/* ---- tokens ---- */

static void usage_is_found_from_the_end(void **state)
{
    (void)state;
    static const struct {
        const char *name, *payloads[4];
        int64_t prompt, completion;
    } cases[] = {
        {"last", {"{\"x\":1}", "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":0}}"}, 3, 0},
        {"then null",
         {"{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}", "{\"usage\":null}"},
         3,
         4},
        {"running counts",
         {"{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}",
          "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}"},
         3,
         2},
        {"in parts",
         {"{\"usage\":{\"prompt_tokens\":3}}", "{\"usage\":{\"completion_tokens\":2}}"},
         3,
         2},
        {"only in the text", {"{\"choices\":[{\"text\":\"\\\"usage\\\"\"}]}"}, -1, -1},
        {"none", {"{}"}, -1, -1},
        {"odd", {"{\"usage\":[1]}", "{\"usage\":{\"prompt_tokens\":-1}}", "\"usage\" {"}, -1, -1},
    };
    struct fixture fixture;
    struct err err;
    fixture_init(&fixture, NULL);
    struct script *script = open_openai(&fixture, SCRIPT_SCORER);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span payloads[4];
        size_t count = 0;
        for (; count < 4 && cases[i].payloads[count]; count++)
            payloads[count] = span_text(cases[i].payloads[count]);
        int64_t prompt = 0, completion = 0;
        if (!script_parse_responses(script, payloads, count, span_text("{}"), &prompt, &completion,
                                    &err))
            fail_msg("%s: %s", cases[i].name, err.text);
        CHECK_INT(cases[i].name, prompt, cases[i].prompt);
        CHECK_INT(cases[i].name, completion, cases[i].completion);
    }
    script_close(script);
    fixture_fini(&fixture);
}

/* ---- recordings ---- */

/* What an independent reading of the recordings found: bytes and CRC-32 of the text, events with
 * text, end marker, finish reason, beginning of the error, tokens. */
static const struct recording {
    const char *name;
    int status;
    bool streamed;
    int bytes;
    uint32_t crc;
    int text_events;
    bool done;
    const char *finish, *error;
    int prompt, completion;
} recordings[] = {
    {"chop-byte", 200, true, 39, 0x67b4c0e1, 6, true, "length", "", 29, 6},
    {"llama-ascii-chat-stream-256", 200, true, 1431, 0x7e09b69e, 256, true, "length", "", 29, 256},
    {"llama-chat-nonstream", 200, false, 36, 0xaf433834, 1, false, "length", "", 34, 6},
    {"llama-chat-stream-aborted", 200, true, 30, 0xc889ae9c, 5, false, "", "", -1, -1},
    {"llama-chat-stream-json-schema", 200, true, 269, 0x5f2c2d10, 40, true, "length", "", 32, 40},
    {"llama-chat-stream-logprobs", 200, true, 20, 0x701767cc, 3, true, "length", "", 34, 3},
    {"llama-chat-stream-maxtok0", 200, true, 10, 0x9e043782, 1, true, "length", "", 34, 1},
    {"llama-chat-stream-maxtok1", 200, true, 10, 0x9e043782, 1, true, "length", "", 34, 1},
    {"llama-chat-stream-n2", 500, false, 0, 0x00000000, 0, false, "",
     "Only one completion choice is allowed", -1, -1},
    {"llama-chat-stream-nousage", 200, true, 36, 0xaf433834, 6, true, "length", "", 34, 6},
    {"llama-chat-stream-stop", 200, true, 30, 0xce7ee88e, 5, true, "stop", "", 34, 5},
    {"llama-chat-stream-tools", 500, false, 0, 0x00000000, 0, false, "",
     "Cannot use tools with stream", -1, -1},
    {"llama-chat-stream-usage", 200, true, 60, 0xcd937d21, 12, true, "length", "", 34, 12},
    {"llama-completions-nonstream", 200, false, 25, 0xe7810b49, 1, false, "length", "", 5, 6},
    {"llama-completions-stream", 200, true, 25, 0xe7810b49, 6, true, "length", "", 5, 6},
    {"llama-dream-completions-stream", 200, true, 53, 0x5a141fcc, 24, true, "length", "", 5, 24},
    {"llama-err-401-nokey", 401, false, 0, 0x00000000, 0, false, "", "Invalid API Key", -1, -1},
    {"llama-err-404", 404, false, 0, 0x00000000, 0, false, "", "File Not Found", -1, -1},
    {"llama-err-503-loading", 503, false, 0, 0x00000000, 0, false, "", "Loading model", -1, -1},
    {"llama-err-badjson", 500, false, 0, 0x00000000, 0, false, "",
     "[json.exception.parse_error.101] parse error at li", -1, -1},
    {"llama-err-chat-on-embedding-server", 501, false, 0, 0x00000000, 0, false, "",
     "This server does not support completions. Start it", -1, -1},
    {"llama-err-context-exceeded", 200, true, 23, 0xd0eb8562, 4, true, "length", "", 1884, 4},
    {"llama-err-embeddings-unsupported", 400, false, 0, 0x00000000, 0, false, "",
     "Pooling type 'none' is not OAI compatible. Please ", -1, -1},
    {"llama-err-invalid-utf8", 200, false, 0, 0x00000000, 0, false, "", "", -1, -1},
    {"llama-err-midstream-ctx", 200, true, 0, 0x00000000, 0, true, "",
     "the request exceeds the available context size. tr", -1, -1},
    {"llama-err-nomessages", 500, false, 0, 0x00000000, 0, false, "",
     "[json.exception.out_of_range.403] key 'messages' n", -1, -1},
    {"llama-gpt2-chat-stream", 200, true, 281, 0x964e7811, 40, true, "length", "", 32, 40},
    {"llama-gpt2-chunks-vs-tokens", 200, true, 9606, 0x210ed69e, 1490, true, "length", "", 1, 1500},
    {"llama-mid-chat-stream", 200, true, 59, 0x47429277, 12, true, "length", "", 29, 12},
    {"llama-spm-chunks-vs-tokens", 200, true, 8264, 0xf9c2d9ac, 1495, true, "length", "", 2, 1500},
    {"llama-stream-ctx-limit-reached", 200, true, 2632, 0x83854852, 477, true, "",
     "context shift is disabled", -1, -1},
    {"mockllm-chat-nonstream", 200, false, 50, 0xeefbe2fe, 1, false, "stop", "", 5, 9},
    {"mockllm-chat-stream", 200, true, 58, 0xae6dab41, 11, true, "stop", "", -1, -1},
    {"mockllm-err-404", 404, false, 0, 0x00000000, 0, false, "", "Not Found", -1, -1},
    {"mockllm-nonstream-error429", 429, false, 0, 0x00000000, 0, false, "", "Rate limit reached",
     -1, -1},
    {"mockllm-stream-error429", 200, true, 0, 0x00000000, 0, false, "", "Rate limit reached", -1,
     -1},
    {"portkey-err-upstream-down", 500, false, 0, 0x00000000, 0, false, "", "{\"html-message\":", -1,
     -1},
    {"portkey-openai-chat-stream", 200, true, 33, 0xdacb1484, 6, true, "length", "", 29, 6},
};

struct reading {
    struct script *script;
    struct buf text;
    int text_events;
    bool done;
    char finish[32];
    char error[64];
    struct list payloads;
};

static void take_event(struct reading *reading, struct span data, struct span name)
{
    struct err err;
    struct delta delta;
    if (!script_read_event(reading->script, data, name, &delta, &err))
        fail_msg("%s", err.text);
    buf_add_span(&reading->text, delta.content);
    reading->text_events += delta.content.data != NULL;
    reading->done |= delta.done;
    if (delta.finish.data)
        snprintf(reading->finish, sizeof reading->finish, "%.*s", (int)delta.finish.len,
                 delta.finish.data);
    if (delta.error.data)
        snprintf(reading->error, sizeof reading->error, "%.*s", (int)delta.error.len,
                 delta.error.data);
    char *payload = mem_copy(data.data, data.len);
    if (!delta.done)
        list_add(&reading->payloads, payload);
    free(payload);
}

static bool take_item(void *arg, const struct sse_item *item)
{
    if (item->kind == SSE_EVENT || item->kind == SSE_FIELD)
        take_event(arg, item->data, item->name);
    return true;
}

/* The body of a recorded response: chunks joined. */
static struct buf body_of(const char *raw, size_t len)
{
    const char *body = strstr(raw, "\r\n\r\n") + 4;
    bool chunked = strcasestr(raw, "transfer-encoding: chunked") != NULL;
    struct buf out;
    buf_init(&out, 1 << 22);
    if (!chunked) {
        buf_add(&out, body, len - (size_t)(body - raw));
        return out;
    }
    while (body < raw + len) {
        char *end = NULL;
        size_t size = strtoul(body, &end, 16);
        if (size == 0 || end == body)
            break;
        size_t left = len - (size_t)(end + 2 - raw);
        buf_add(&out, end + 2, size < left ? size : left);
        body = end + 2 + (size < left ? size + 2 : left);
    }
    return out;
}

static uint32_t crc32_of(struct span text)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < text.len; i++) {
        crc ^= (unsigned char)text.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static void replay(struct script *script, const struct recording *want)
{
    static char raw[1 << 20];
    char *path = mem_printf(TEST_DATA "/transcripts/%s.raw", want->name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s is missing", path);
    size_t len = fread(raw, 1, sizeof raw - 1, file);
    raw[len] = '\0';
    fclose(file);
    free(path);
    struct buf body = body_of(raw, len);
    struct reading reading = {.script = script};
    buf_init(&reading.text, 1 << 22);
    begin(script, want->status);
    if (want->streamed) {
        struct sse sse;
        sse_init(&sse, 1 << 20);
        assert_true(sse_feed(&sse, body.data, body.len, take_item, &reading));
        assert_true(sse_end(&sse, take_item, &reading));
        sse_fini(&sse);
    } else {
        take_event(&reading, buf_span(&body), span_text("body"));
    }
    CHECK_INT(want->name, reading.text.len, want->bytes);
    CHECK_INT(want->name, crc32_of(buf_span(&reading.text)), want->crc);
    CHECK_INT(want->name, reading.text_events, want->text_events);
    CHECK_INT(want->name, reading.done, want->done);
    CHECK_TEXT(want->name, reading.finish, want->finish);
    if (strncmp(reading.error, want->error, strlen(want->error)) != 0 ||
        (*want->error == '\0') != (*reading.error == '\0'))
        fail_msg("%s: got error \"%s\", want \"%s\"", want->name, reading.error, want->error);

    struct err err;
    struct span *payloads = mem_zero(reading.payloads.count + 1, sizeof *payloads);
    for (size_t i = 0; i < reading.payloads.count; i++)
        payloads[i] = span_text(reading.payloads.items[i]);
    int64_t prompt = 0, completion = 0;
    if (!script_parse_responses(script, payloads, reading.payloads.count, span_text("{}"), &prompt,
                                &completion, &err))
        fail_msg("%s: %s", want->name, err.text);
    CHECK_INT(want->name, prompt, want->prompt);
    CHECK_INT(want->name, completion, want->completion);
    free(payloads);
    list_fini(&reading.payloads);
    buf_fini(&reading.text);
    buf_fini(&body);
}

static void recordings_are_understood(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    struct script *script = open_openai(&fixture, SCRIPT_SCORER);
    for (size_t i = 0; i < sizeof recordings / sizeof *recordings; i++)
        replay(script, &recordings[i]);
    script_close(script);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_follow_the_url),
        cmocka_unit_test(events_are_understood),
        cmocka_unit_test(usage_is_found_from_the_end),
        cmocka_unit_test(recordings_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
