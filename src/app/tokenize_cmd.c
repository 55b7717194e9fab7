/* `llmbench tokenize`: lines of JSON on standard input, what a tokenizer makes of them on standard
 * output. */
#include "app/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/app.h"
#include "app/tokenize_options.h"
#include "base/mem.h"
#include "token/tokenizer.h"
#include "wire/json.h"
#include "wire/ndjson.h"

enum { LINE_MOST = 1 << 30, OUT_FLUSH = 1 << 16, IDS_MOST = 1 << 28 };

struct job {
    const struct tokenize_spec *spec;
    const struct tokenizer *tokenizer;
    struct tokens *tokens;
    struct buf out;
    uint32_t *ids; /* of a line that is decoded */
    size_t id_count, id_room;
    uint64_t line;
    struct err *err;
    int code;
};

/* What was done before a mistake is written too; the mistake's sentence stays. */
static bool flush(struct job *job)
{
    if (job->out.len == 0)
        return true;
    bool ok = fwrite(job->out.data, 1, job->out.len, stdout) == job->out.len && fflush(stdout) == 0;
    buf_clear(&job->out);
    if (ok || job->code != EXIT_DONE)
        return ok;
    job->code = EXIT_NOTHING_SUCCEEDED;
    return err_set(job->err, "the result cannot be written");
}

/* ---- text → ids ---- */

static bool write_ids(struct job *job, struct span text)
{
    const uint32_t *ids;
    size_t count;
    unsigned flags = job->spec->special ? TOKENS_SPECIAL : TOKENS_PLAIN;
    if (!tokens_encode(job->tokens, text, flags, &ids, &count, job->err))
        return false;
    buf_add_text(&job->out, "{\"text\":");
    json_write_string(&job->out, text);
    if (job->spec->count) {
        buf_printf(&job->out, ",\"count\":%zu}\n", count);
        return true;
    }
    buf_add_text(&job->out, ",\"ids\":[");
    for (size_t i = 0; i < count; i++)
        buf_printf(&job->out, i ? ",%" PRIu32 : "%" PRIu32, ids[i]);
    buf_add_text(&job->out, "]}\n");
    return true;
}

/* The value under a key of the object that is being read; false: it has none, or is no JSON. */
static bool find_key(struct json *json, const char *key)
{
    for (enum json_token token = json_next(json); token == JSON_KEY; token = json_next(json)) {
        bool wanted = span_equals(json->text, key);
        json_next(json);
        if (wanted)
            return true;
        if (!json_skip(json))
            return false;
    }
    return false;
}

static bool encode_line(struct job *job, struct json *json)
{
    enum json_token token = json_next(json);
    if (token == JSON_OBJECT_BEGIN && find_key(json, "text"))
        token = json->last;
    if (token != JSON_STRING)
        return err_set(job->err, "it must be a string, or an object with one as \"text\"%s%s",
                       *json_error(json) ? ": " : "", json_error(json));
    return write_ids(job, json->text);
}

/* ---- ids → text ---- */

static bool read_ids(struct job *job, struct json *json)
{
    job->id_count = 0;
    for (enum json_token token = json_next(json); token != JSON_ARRAY_END;
         token = json_next(json)) {
        int64_t id;
        if (token != JSON_NUMBER || !json_integer(json->text, &id) || id < 0 || id > UINT32_MAX)
            return err_set(job->err, "an id must be a whole number from 0 on");
        if (job->id_count == IDS_MOST)
            return err_set(job->err, "it has more than %d ids", IDS_MOST);
        if (job->id_count == job->id_room) {
            job->id_room = job->id_room ? job->id_room * 2 : 256;
            job->ids = mem_resize(job->ids, job->id_room, sizeof *job->ids);
        }
        job->ids[job->id_count++] = (uint32_t)id;
    }
    return true;
}

static bool write_text(struct job *job)
{
    struct buf text;
    buf_init(&text, LINE_MOST);
    bool ok =
        tokens_decode(job->tokens, job->ids, job->id_count, job->spec->special, &text, job->err);
    if (ok) {
        buf_add_text(&job->out, "{\"ids\":[");
        for (size_t i = 0; i < job->id_count; i++)
            buf_printf(&job->out, i ? ",%" PRIu32 : "%" PRIu32, job->ids[i]);
        buf_add_text(&job->out, "],\"text\":");
        json_write_string(&job->out, buf_span(&text));
        buf_add_text(&job->out, "}\n");
    }
    buf_fini(&text);
    return ok;
}

static bool decode_line(struct job *job, struct json *json)
{
    enum json_token token = json_next(json);
    if (token == JSON_OBJECT_BEGIN && find_key(json, "ids"))
        token = json->last;
    if (token != JSON_ARRAY_BEGIN)
        return err_set(job->err, "it must be a list of ids, or an object with one as \"ids\"%s%s",
                       *json_error(json) ? ": " : "", json_error(json));
    return read_ids(job, json) && write_text(job);
}

/* ---- lines ---- */

static bool take_line(void *arg, const struct ndjson_item *item)
{
    struct job *job = arg;
    struct json json;
    job->line++;
    json_init(&json, item->data.data, item->data.len);
    bool ok = job->spec->decode ? decode_line(job, &json) : encode_line(job, &json);
    json_fini(&json);
    if (!ok) {
        job->code = EXIT_NOTHING_SUCCEEDED;
        return err_prefix(job->err, "item %" PRIu64 " of the input", job->line);
    }
    if (job->out.full) {
        job->code = EXIT_NOTHING_SUCCEEDED;
        return err_set(job->err, "item %" PRIu64 " makes too long a line", job->line);
    }
    return job->out.len < OUT_FLUSH || flush(job);
}

static void take_all(struct job *job)
{
    struct ndjson lines;
    char bytes[1 << 16];
    size_t len;
    bool ok = true;
    ndjson_init(&lines, LINE_MOST);
    while (ok && (len = fread(bytes, 1, sizeof bytes, stdin)) > 0)
        ok = ndjson_feed(&lines, bytes, len, take_line, job);
    ok = ok && ndjson_end(&lines, take_line, job);
    if (!ok && job->code == EXIT_DONE) {
        job->code = EXIT_NOTHING_SUCCEEDED;
        err_set(job->err, "a line of the input is longer than %d bytes", LINE_MOST);
    }
    ndjson_fini(&lines);
    flush(job);
}

static int tokenize(const struct tokenize_spec *spec, struct err *err)
{
    struct job job = {.spec = spec, .err = err, .code = EXIT_DONE};
    struct tokenizer *tokenizer = tokenizer_load(spec->path, err);
    if (!tokenizer)
        return EXIT_CANNOT_START;
    job.tokenizer = tokenizer;
    job.tokens = tokens_new(tokenizer);
    buf_init(&job.out, (size_t)LINE_MOST * 3);
    take_all(&job);
    buf_fini(&job.out);
    free(job.ids);
    tokens_free(job.tokens);
    tokenizer_free(tokenizer);
    return job.code;
}

int tokenize_cmd(int argc, char **argv, int first)
{
    struct err err;
    struct tokenize_options options;
    int code = EXIT_BAD_OPTIONS;
    if (tokenize_options_read(&options, argc, argv, first, &err))
        code = tokenize(&options.spec, &err);
    if (code != EXIT_DONE)
        fprintf(stderr, "llmbench tokenize: %s\n", err.text);
    tokenize_options_fini(&options);
    return code;
}
