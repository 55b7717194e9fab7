/* The shipped data set scripts and two that read CSV over files of any content: a set is refused
 * with a sentence, or each request that comes of it holds a JSON body. The input's last byte, which
 * is no part of the file, chooses the script and how the file is named. */
#include "fuzz.h"

#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/secrets.h"
#include "script/script.h"
#include "wire/json.h"

enum { MEMORY = 32 << 20, BODY = 1 << 20, ITEMS = 40 };

static void check_body(const struct request *request, struct span input)
{
    struct json json;
    if (request->fault)
        return;
    json_init(&json, request->body, request->body_len);
    bool good =
        json_next(&json) == JSON_OBJECT_BEGIN && json_skip(&json) && json_next(&json) == JSON_END;
    json_fini(&json);
    if (!good)
        fuzz_fail("a body is no JSON object", input);
}

static void walk(struct script *script, struct span input)
{
    struct err err = {""};
    for (int pass = 0; pass < 2; pass++) {
        enum script_step step = SCRIPT_STEP_OK;
        for (uint64_t i = 0; step == SCRIPT_STEP_OK && i < ITEMS; i++) {
            struct request *request = NULL;
            step = script_next(script, i, 0, &request, &err);
            if (step == SCRIPT_STEP_OK)
                check_body(request, input);
            if (request)
                request_free(request);
        }
        if (step == SCRIPT_STEP_FAILED && !err.text[0])
            fuzz_fail("a data set fails without a sentence", input);
        if (step == SCRIPT_STEP_FAILED || !script_rewind(script, &err))
            return;
    }
}

static void open_set(const char *path, const char *dataset, struct span input)
{
    struct opt_set opts;
    struct err err = {""};
    struct secrets *secrets = secrets_new();
    opt_set_init(&opts, NULL, 0, NULL);
    struct script_config config = {.role = SCRIPT_COMPOSER,
                                   .opts = &opts,
                                   .url = "http://h/v1",
                                   .model = "m",
                                   .api = "openai",
                                   .dataset = dataset,
                                   .data_path = path,
                                   .secrets = secrets,
                                   .memory_limit = MEMORY,
                                   .limits.body = BODY,
                                   .seed = 7};
    struct script *script = script_open(&config, &err);
    if (script)
        walk(script, input);
    else if (!err.text[0])
        fuzz_fail("a data set is refused without a sentence", input);
    script_close(script);
    secrets_free(secrets);
    opt_set_fini(&opts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const sets[] = {"auto",
                                       "chat_jsonl",
                                       "line_by_line",
                                       "longalpaca",
                                       "openqa",
                                       "qianfan",
                                       "qianfan_json",
                                       "qianfan_jsonl",
                                       "qianfan_txt",
                                       "sharegpt",
                                       "testset",
                                       FUZZ_SOURCE "/examples/05-csv-data.lua",
                                       FUZZ_SOURCE "/examples/09-trace-replay.lua"};
    static const char *const ends[] = {"jsonl", "json", "txt", "csv"};
    enum { SETS = sizeof sets / sizeof *sets, ENDS = sizeof ends / sizeof *ends };
    char name[] = "/tmp/llmbench-fuzz-XXXXXX";
    if (size == 0)
        return 0;
    struct span input = span_of((const char *)data, size), text = span_of(input.data, size - 1);
    unsigned choice = data[text.len];
    int file = mkstemp(name);
    char *path = mem_printf("%s.%s", name, ends[choice / SETS % ENDS]);
    if (file < 0 || write(file, text.data, text.len) != (ssize_t)text.len ||
        rename(name, path) != 0)
        fuzz_fail("no file can be written in /tmp", input);
    close(file);
    open_set(path, sets[choice % SETS], input);
    unlink(path);
    free(path);
    return 0;
}
