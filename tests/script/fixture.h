/* What the tests of the Lua bridge share: a small option table, scripts written to a scratch
 * folder, a state opened over them. */
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/opt.h"
#include "check.h"
#include "script/script.h"

struct spec {
    char *prompt, *api_key, *dataset_path;
    struct list header, stop;
    bool stream, logprobs;
    int64_t max_tokens;
    char *seed, *temperature;
    uint64_t timeout_ns;
};

#define SPEC(F, T) OPT_FIELD(struct spec, F, T)
static const struct opt_row spec_rows[] = {
    {.name = "prompt", .type = &opt_text, SPEC(prompt, char *)},
    {.name = "api-key", .type = &opt_text, SPEC(api_key, char *), .secret = true},
    {.name = "dataset-path", .type = &opt_text, SPEC(dataset_path, char *)},
    {.name = "header", .type = &opt_list, SPEC(header, struct list)},
    {.name = "stop", .type = &opt_list, SPEC(stop, struct list), .body = "stop"},
    {.name = "stream", .type = &opt_flag, SPEC(stream, bool)},
    {.name = "logprobs", .type = &opt_flag, SPEC(logprobs, bool), .body = "logprobs"},
    {.name = "max-tokens",
     .aliases = "max-new-tokens",
     .type = &opt_integer,
     SPEC(max_tokens, int64_t),
     .body = "max_tokens"},
    {.name = "seed", .type = &opt_exact_integer, SPEC(seed, char *), .body = "seed"},
    {.name = "temperature",
     .type = &opt_exact_number,
     SPEC(temperature, char *),
     .body = "temperature"},
    {.name = "read-timeout", .type = &opt_duration, SPEC(timeout_ns, uint64_t), .fallback = "90s"},
};

struct fixture {
    char folder[64];
    struct spec spec;
    struct opt_set opts;
    struct secrets *secrets;
    struct log *log;
    struct script_config config;
};

static inline char *fixture_path(const struct fixture *fixture, const char *name)
{
    return mem_printf("%s/%s", fixture->folder, name);
}

static inline void fixture_write_bytes(const struct fixture *fixture, const char *name,
                                       const char *data, size_t len)
{
    char *path = fixture_path(fixture, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    fclose(file);
    free(path);
}

static inline void fixture_write(const struct fixture *fixture, const char *name, const char *text)
{
    fixture_write_bytes(fixture, name, text, strlen(text));
}

/* `words`: the command line, blank-separated; NULL = none. */
static inline void fixture_init(struct fixture *fixture, const char *words)
{
    *fixture = (struct fixture){.folder = "/tmp/llmbench-script-XXXXXX"};
    assert_non_null(mkdtemp(fixture->folder));
    opt_set_init(&fixture->opts, spec_rows, sizeof spec_rows / sizeof *spec_rows, &fixture->spec);
    char *copy = mem_text(words ? words : ""), *argv[32];
    int argc = 0;
    for (char *word = strtok(copy, " "); word && argc < 32; word = strtok(NULL, " "))
        argv[argc++] = word;
    struct list rest = {0};
    struct err err;
    if (!opt_parse(&fixture->opts, argc, argv, 0, &rest, &err) ||
        !opt_defaults(&fixture->opts, &err))
        fail_msg("%s", err.text);
    list_fini(&rest);
    free(copy);
    fixture->secrets = secrets_new();
    fixture->config = (struct script_config){
        .role = SCRIPT_COMPOSER,
        .opts = &fixture->opts,
        .url = "http://127.0.0.1:1/v1/chat/completions",
        .model = "m",
        .secrets = fixture->secrets,
        .seed = 7,
    };
}

/* A log whose lines can be read back by fixture_log_text. */
static inline void fixture_log(struct fixture *fixture)
{
    struct err err;
    char *path = fixture_path(fixture, "log");
    fixture->log = log_new(LOG_ERROR, fixture->secrets);
    if (!log_open_file(fixture->log, path, &err))
        fail_msg("%s", err.text);
    free(path);
    fixture->config.log = fixture->log;
}

static inline char *fixture_log_text(const struct fixture *fixture)
{
    char *path = fixture_path(fixture, "log");
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static char text[65536];
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    free(path);
    return text;
}

static inline void fixture_fini(struct fixture *fixture)
{
    char *command = mem_printf("rm -rf '%s'", fixture->folder);
    log_free(fixture->log);
    opt_set_fini(&fixture->opts);
    secrets_free(fixture->secrets);
    assert_int_equal(system(command), 0);
    free(command);
}

/* Opens the script text as --script. */
static inline struct script *fixture_open(struct fixture *fixture, const char *text,
                                          struct err *err)
{
    char *path = fixture_path(fixture, "s.lua");
    if (text) {
        fixture_write(fixture, "s.lua", text);
        fixture->config.file = path;
    }
    err->text[0] = '\0';
    struct script *script = script_open(&fixture->config, err);
    fixture->config.file = NULL;
    free(path);
    return script;
}

static inline struct script *fixture_must_open(struct fixture *fixture, const char *text)
{
    struct err err;
    struct script *script = fixture_open(fixture, text, &err);
    if (!script)
        fail_msg("script_open: %s", err.text);
    return script;
}

/* Opens a built-in API script. */
static inline struct script *must_open_api(struct fixture *fixture, const char *api,
                                           enum script_role role)
{
    struct err err;
    fixture->config.role = role;
    fixture->config.api = api;
    struct script *script = script_open(&fixture->config, &err);
    if (!script)
        fail_msg("%s: %s", api, err.text);
    return script;
}

static inline struct request *must_compose(struct script *script, uint64_t index)
{
    struct err err = {""};
    struct request *request = NULL;
    enum script_step step = script_next(script, index, 0, &request, &err);
    if (step != SCRIPT_STEP_OK)
        fail_msg("script_next gave %d: %s", (int)step, err.text);
    return request;
}

static inline void check_contains(const char *name, const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("%s: got \"%s\", which lacks \"%s\"", name, text, part);
}

/* Hooks that a script under test needs but does not care about. */
#define API_REST                                                                                   \
    "\nif not api.build_request then function api.build_request(m) return {messages = m} end end"  \
    "\nif not api.parse_responses then function api.parse_responses() end end"
#define DATASET_REST                                                                               \
    "\nif not api.build_messages then function api.build_messages()"                               \
    " local n = 0 return function() n = n + 1 if n <= 3 then return 'p' .. n end end end end"
#define SCRIPT(TEXT) "local api = {}\n" TEXT API_REST DATASET_REST "\nreturn api\n"
