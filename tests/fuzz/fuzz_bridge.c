/* The Lua bridge. By a byte in its midst an input is an answer, read by one of the shipped API
 * scripts, or it becomes Lua values that a script returns from all its hooks. Nothing may crash or
 * leak, and what comes out lies in memory that is there. */
#include "fuzz.h"

#include <math.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/secrets.h"
#include "model/exchange.h"
#include "script/script.h"

enum { MEMORY = 32 << 20, BODY = 1 << 20, DEPTH = 6, TEXT = 1 << 20 };

struct bench {
    struct opt_set opts;
    struct secrets *secrets;
    struct script_config config;
};

static void bench_init(struct bench *bench)
{
    *bench = (struct bench){.secrets = secrets_new()};
    opt_set_init(&bench->opts, NULL, 0, NULL);
    bench->config = (struct script_config){
        .opts = &bench->opts,
        .url = "http://127.0.0.1:1/v1/chat/completions",
        .model = "m",
        .secrets = bench->secrets,
        .memory_limit = MEMORY,
        .limits.body = BODY,
    };
}

static void bench_fini(struct bench *bench)
{
    opt_set_fini(&bench->opts);
    secrets_free(bench->secrets);
}

/* ---- reading ---- */

/* Looks at every byte, so that a span into freed memory is seen. */
static size_t look(struct span text)
{
    size_t sum = 0;
    for (size_t i = 0; i < text.len; i++)
        sum += (unsigned char)text.data[i];
    return sum;
}

static void check_delta(const struct delta *delta, struct span input)
{
    size_t sum = look(delta->content) + look(delta->reasoning) + look(delta->refusal) +
                 look(delta->tool) + look(delta->error) + look(delta->finish);
    if (delta->index < 0 || delta->tokens < TOKENS_UNKNOWN || sum == SIZE_MAX)
        fuzz_fail("read_event gives an index or a count below nothing", input);
}

static void read_event(struct script *script, struct span data, struct span name)
{
    struct delta delta;
    struct err err;
    if (!script_read_event(script, data, name, &delta, &err))
        return;
    check_delta(&delta, data);
    for (size_t i = 1; i <= delta.more && i <= 8; i++)
        if (script_read_more(script, i, &delta, &err))
            check_delta(&delta, data);
}

static void frame(struct script *script, struct span data)
{
    size_t from = 0, to = 0, next = 0, pos = 0;
    bool found = script_facts(script)->has_frame;
    struct err err;
    while (found && script_frame(script, data, pos, &found, &from, &to, &next, &err) && found) {
        if (from > to || to > data.len || next <= pos || next > data.len)
            fuzz_fail("frame goes beyond the bytes, or not on", data);
        pos = next;
    }
}

static void parse(struct script *script, struct span data)
{
    struct span payloads[8];
    size_t count = 0;
    int64_t prompt = 0, completion = 0;
    struct err err;
    while (count < 8 && data.len > 0) {
        const char *end = memchr(data.data, '\n', data.len);
        size_t len = end ? (size_t)(end - data.data) : data.len;
        payloads[count++] = span_of(data.data, len);
        len += end != NULL;
        data = span_of(data.data + len, data.len - len);
    }
    if (script_parse_responses(script, payloads, count, data, &prompt, &completion, &err) &&
        (prompt < TOKENS_UNKNOWN || completion < TOKENS_UNKNOWN))
        fuzz_fail("parse_responses gives less than nothing", data);
}

static void read_answer(struct script *script, struct span data)
{
    static const char *const names[] = {"", "body", "error", "line", "rest", "message"};
    struct request *request = MEM_NEW(struct request);
    request->body = mem_copy(data.data, data.len);
    request->body_len = data.len;
    struct exchange *exchange = exchange_new(request, EXCHANGE_HEAD_MOST, TEXT);
    struct err err;
    exchange->status = 200;
    buf_add_span(&exchange->headers, data);
    if (script_answer_begin(script, exchange, &err)) {
        frame(script, data);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            read_event(script, data, span_text(names[i]));
        parse(script, data);
    }
    script_answer_end(script);
    exchange_free(exchange);
}

static void by_shipped_script(struct span input)
{
    static const char *const apis[] = {"openai", "dashscope", "zhipu", "qianfan", "trtllm", "tgi"};
    struct bench bench;
    struct err err;
    bench_init(&bench);
    bench.config.role = SCRIPT_SCORER;
    bench.config.api = apis[input.len % (sizeof apis / sizeof *apis)];
    struct script *script = script_open(&bench.config, &err);
    if (!script)
        fuzz_fail(err.text, input);
    else
        read_answer(script, input);
    script_close(script);
    bench_fini(&bench);
}

/* ---- values ---- */

struct maker {
    struct span rest;
    struct buf text;
};

static unsigned char take(struct maker *maker)
{
    if (maker->rest.len == 0)
        return 0;
    unsigned char byte = (unsigned char)maker->rest.data[0];
    maker->rest = span_of(maker->rest.data + 1, maker->rest.len - 1);
    return byte;
}

static void make_number(struct maker *maker)
{
    double number = 0;
    unsigned char bytes[sizeof number];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = take(maker);
    memcpy(&number, bytes, sizeof number);
    if (isnan(number))
        buf_add_text(&maker->text, "(0/0)");
    else if (isinf(number))
        buf_add_text(&maker->text, number > 0 ? "(1/0)" : "(-1/0)");
    else
        buf_printf(&maker->text, "(%.17g)", number);
}

static void make_text(struct maker *maker)
{
    buf_add_char(&maker->text, '"');
    for (unsigned n = take(maker) % 24; n > 0; n--)
        buf_printf(&maker->text, "\\%03u", take(maker));
    buf_add_char(&maker->text, '"');
}

static void make_value(struct maker *maker, unsigned depth);

static void make_table(struct maker *maker, unsigned depth)
{
    static const char *const names[] = {
        "content", "reasoning", "index",    "finish",  "usage", "done",      "error", "tokens",
        "prompt",  "cached",    "messages", "role",    "url",   "method",    "user",  "headers",
        "model",   "body",      "delay",    "opening", "tool",  "max_tokens"};
    buf_add_char(&maker->text, '{');
    for (unsigned n = take(maker) % 6; n > 0; n--) {
        unsigned kind = take(maker);
        if (kind % 4 < 2) {
            buf_printf(&maker->text, "%s=", names[kind / 4 % (sizeof names / sizeof *names)]);
        } else if (kind % 4 == 2) {
            buf_add_text(&maker->text, "[key(");
            make_value(maker, depth + 1);
            buf_add_text(&maker->text, ")]=");
        }
        make_value(maker, depth + 1);
        buf_add_char(&maker->text, ',');
    }
    buf_add_char(&maker->text, '}');
}

static void make_value(struct maker *maker, unsigned depth)
{
    static const char *const words[] = {"nil",
                                        "true",
                                        "false",
                                        "json.null",
                                        "json.array{}",
                                        "print",
                                        "ring",
                                        "json.object{}",
                                        "co",
                                        "io.stderr",
                                        "deep",
                                        "strange",
                                        "big",
                                        "'[DONE]'",
                                        "('x'):rep(70000)",
                                        "{{content='a'},{content='b'}}"};
    unsigned kind = take(maker);
    if (kind % 4 == 0 && depth < DEPTH)
        make_table(maker, depth);
    else if (kind % 4 == 1)
        make_number(maker);
    else if (kind % 4 == 2)
        make_text(maker);
    else
        buf_add_text(&maker->text, words[kind / 4 % (sizeof words / sizeof *words)]);
}

static const char prologue[] =
    "local json = require 'json'\n"
    "local ring = {} ring.ring = ring\n"
    "local deep = {} for _ = 1, 150 do deep = {deep} end\n"
    "local co = coroutine.create(print)\n"
    "local big = json.decode('18446744073709551615')\n"
    "local strange = setmetatable({}, {__index = function(_, k) return k end, __tostring = "
    "error})\n"
    "local function key(k) if k == nil or k ~= k then return 'none' end return k end\n"
    "local api = {}\n";

/* Each hook returns one or two of the values that the input makes. */
static struct span make_script(struct maker *maker)
{
    static const struct {
        const char *before, *after;
    } hooks[] = {
        {"function api.setup() return ", " end\n"},
        {"function api.build_messages() local n = 0 return function() n = n + 1 if n == 1 then "
         "return 'p' elseif n == 2 then return ",
         " end end end\n"},
        {"function api.build_request() return {}, ", " end\n"},
        {"local build = api.build_request function api.build_request(m, o, c) if c.index == 0 then "
         "return ",
         " end return build() end\n"},
        {"function api.read_event() return ", " end\n"},
        {"function api.parse_responses() return ", ", 1 end\n"},
        {"function api.frame(b, p) return p, ", ", p + 1 end\n"},
    };
    buf_add_text(&maker->text, prologue);
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        buf_add_text(&maker->text, hooks[i].before);
        make_value(maker, 0);
        buf_add_text(&maker->text, hooks[i].after);
    }
    buf_add_text(&maker->text, "return api\n");
    return buf_span(&maker->text);
}

static void compose(struct script *script)
{
    struct err err;
    for (uint64_t i = 0; i < 4; i++) {
        struct request *request = NULL;
        if (script_next(script, i, 0, &request, &err) != SCRIPT_STEP_OK)
            return;
        look(span_of(request->body, request->body_len));
        request_free(request);
    }
}

static void run_script(struct bench *bench, const char *path, struct span input)
{
    struct err err;
    bench->config.file = path;
    bench->config.role = SCRIPT_SCORER;
    struct script *scorer = script_open(&bench->config, &err);
    if (!scorer)
        fuzz_fail(err.text, input);
    bench->config.role = SCRIPT_COMPOSER;
    struct script *composer = script_open(&bench->config, &err);
    if (composer) {
        compose(composer);
        if (!script_set_setup(scorer, script_setup_result(composer), &err))
            fuzz_fail(err.text, input);
    }
    read_answer(scorer, input);
    script_close(composer);
    script_close(scorer);
}

static void by_values(struct span input)
{
    char path[] = "/tmp/llmbench-fuzz-XXXXXX";
    struct bench bench;
    struct maker maker = {.rest = input};
    int file = mkstemp(path);
    char *name = mem_printf("%s.lua", path);
    bench_init(&bench);
    buf_init(&maker.text, TEXT);
    struct span text = make_script(&maker);
    if (file < 0 || write(file, text.data, text.len) != (ssize_t)text.len ||
        rename(path, name) != 0)
        fuzz_fail("no file can be written in /tmp", input);
    close(file);
    run_script(&bench, name, input);
    unlink(name);
    free(name);
    buf_fini(&maker.text);
    bench_fini(&bench);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = malloc(size ? size : 1); /* of its own, so that a byte too far is seen */
    if (size > 0)
        memcpy(exact, data, size);
    struct span input = span_of(exact, size);
    if (size > 0 && exact[size / 2] % 2)
        by_values(input);
    else
        by_shipped_script(input);
    free(exact);
    return 0;
}
