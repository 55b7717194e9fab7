#include "script/contract.h"

#include <stdint.h>
#include <string.h>

#include "script/modules.h"
#include "script/script.h"

static const struct script_word words[] = {
    /* ---- the API script ---- */
    {.kind = WORD_API,
     .type = WORD_TEXT,
     .name = "path",
     .sentence = "appended to --url when that is only a host"},
    {.kind = WORD_API,
     .type = WORD_TEXT,
     .name = "framing",
     .choices = "sse ndjson body",
     .sentence = "how an answer of unknown Content-Type is cut into events"},
    {.kind = WORD_API,
     .type = WORD_TEXT,
     .name = "end_marker",
     .sentence = "an answer whose bytes end with it is complete although the server keeps the "
                 "message open"},
    {.kind = WORD_API,
     .type = WORD_TEXT,
     .name = "auth",
     .sentence = "how --api-key travels: \"bearer\", \"none\", or the name of a header"},
    {.kind = WORD_API,
     .type = WORD_TEXT,
     .name = "params_at",
     .sentence = "where sampling options go in the body: names joined by dots; top level when "
                 "absent"},
    {.kind = WORD_API,
     .type = WORD_FLAG,
     .name = "text",
     .sentence = "false: an answer without text is no failure"},
    {.kind = WORD_API, .name = "options", .later = true, .sentence = "extra options"},
    {.kind = WORD_API,
     .type = WORD_FUNCTION,
     .name = "setup",
     .arguments = "(opts)",
     .when = "once, before the first request, in the composer",
     .sentence = "what it returns (plain data) is ctx.setup everywhere"},
    {.kind = WORD_API, .name = "refresh", .later = true, .sentence = "renews what setup returned"},
    {.kind = WORD_API,
     .name = "refresh_every",
     .later = true,
     .sentence = "seconds between calls of refresh"},
    {.kind = WORD_API,
     .type = WORD_FUNCTION,
     .name = "build_request",
     .arguments = "(messages, opts, ctx)",
     .required = true,
     .when = "for each request, ahead of its time, in the composer",
     .sentence = "returns the body (a table becomes JSON, a string is sent as it is) and perhaps a "
                 "second table {url=, method=, headers=, user=}"},
    {.kind = WORD_API, .name = "frame", .later = true, .sentence = "own framing"},
    {.kind = WORD_API,
     .type = WORD_FUNCTION,
     .name = "read_event",
     .arguments = "(data, name, ctx)",
     .when = "for each event of an answer after it has ended, in a scorer",
     .sentence = "returns nil or a table that says what the event carries; without this hook every "
                 "event counts as content"},
    {.kind = WORD_API,
     .type = WORD_FUNCTION,
     .name = "parse_responses",
     .arguments = "(responses, request, ctx)",
     .required = true,
     .when = "once for each complete answer, in a scorer",
     .sentence = "returns prompt_tokens, completion_tokens; nil = not known here"},
    {.kind = WORD_API, .name = "interval", .later = true, .sentence = "called once a second"},
    {.kind = WORD_API, .name = "done", .later = true, .sentence = "called at the end"},
    {.kind = WORD_API, .name = "metrics", .later = true, .sentence = "own metrics"},

    /* ---- the dataset script ---- */
    {.kind = WORD_DATASET,
     .type = WORD_FUNCTION,
     .name = "build_messages",
     .arguments = "(opts, ctx)",
     .required = true,
     .when = "at the start, and again each time the data begins anew, in the composer",
     .sentence = "returns an iterator: a function that gives the next item, nil at the end"},

    /* ---- an item of a data set ---- */
    {.kind = WORD_ITEM,
     .type = WORD_TABLE,
     .name = "messages",
     .sentence = "a list of {role=, content=}"},
    {.kind = WORD_ITEM, .type = WORD_TEXT, .name = "prompt", .sentence = "one user message"},
    {.kind = WORD_ITEM,
     .type = WORD_COUNT,
     .name = "max_tokens",
     .sentence = "goes into the body unless --max-tokens was given"},
    {.kind = WORD_ITEM,
     .type = WORD_SECONDS,
     .name = "delay",
     .sentence = "think time in seconds before the request, in a closed loop"},
    {.kind = WORD_ITEM, .name = "at", .later = true, .sentence = "arrival time of a trace"},
    {.kind = WORD_ITEM,
     .type = WORD_TABLE,
     .name = "headers",
     .sentence = "further headers: a map, or a list of \"Name: value\""},
    {.kind = WORD_ITEM,
     .type = WORD_TEXT,
     .name = "model",
     .sentence = "replaces the body's model"},
    {.kind = WORD_ITEM,
     .type = WORD_TEXT_OR_TABLE,
     .name = "body",
     .sentence = "the whole body, sent as it is: build_request is not called and no option is "
                 "added"},

    /* ---- build_request's second result ---- */
    {.kind = WORD_SEND, .type = WORD_TEXT, .name = "url", .sentence = "this request's own URL"},
    {.kind = WORD_SEND, .type = WORD_TEXT, .name = "method", .sentence = "in place of POST"},
    {.kind = WORD_SEND,
     .type = WORD_TABLE,
     .name = "headers",
     .sentence = "further headers: a map, or a list of \"Name: value\""},
    {.kind = WORD_SEND,
     .type = WORD_ANY,
     .name = "user",
     .sentence = "plain data that reaches the scorer as ctx.user"},

    /* ---- ctx ---- */
    {.kind = WORD_CTX,
     .type = WORD_TABLE,
     .name = "prompt",
     .sentence = "the dataset's item with its own fields"},
    {.kind = WORD_CTX, .type = WORD_ANY, .name = "setup", .sentence = "what setup returned"},
    {.kind = WORD_CTX, .type = WORD_COUNT, .name = "index", .sentence = "the arrival, from 0"},
    {.kind = WORD_CTX, .type = WORD_COUNT, .name = "stage", .sentence = "the stage, from 0"},
    {.kind = WORD_CTX,
     .type = WORD_COUNT,
     .name = "seed",
     .sentence = "a number below 2^53 that depends on --seed and index alone"},
    {.kind = WORD_CTX,
     .type = WORD_COUNT,
     .name = "status",
     .when = "in a scorer",
     .sentence = "the HTTP status, 0 when none arrived"},
    {.kind = WORD_CTX,
     .type = WORD_TABLE,
     .name = "headers",
     .when = "in a scorer",
     .sentence = "the answer's headers by lower-case name"},
    {.kind = WORD_CTX,
     .type = WORD_ANY,
     .name = "user",
     .when = "in a scorer",
     .sentence = "what build_request gave as user"},

    /* ---- what read_event returns ---- */
    {.kind = WORD_DELTA,
     .type = WORD_TEXT,
     .name = "content",
     .offset = offsetof(struct delta, content),
     .sentence = "text of the answer proper"},
    {.kind = WORD_DELTA,
     .type = WORD_TEXT,
     .name = "reasoning",
     .offset = offsetof(struct delta, reasoning),
     .sentence = "text of the reasoning before it"},
    {.kind = WORD_DELTA,
     .type = WORD_TEXT,
     .name = "refusal",
     .offset = offsetof(struct delta, refusal),
     .sentence = "text of a refusal"},
    {.kind = WORD_DELTA,
     .type = WORD_TEXT,
     .name = "tool",
     .offset = offsetof(struct delta, tool),
     .sentence = "text of a tool call"},
    {.kind = WORD_DELTA,
     .type = WORD_COUNT,
     .name = "index",
     .offset = offsetof(struct delta, index),
     .sentence = "the choice it belongs to, from 0"},
    {.kind = WORD_DELTA,
     .type = WORD_FLAG,
     .name = "opening",
     .offset = offsetof(struct delta, opening),
     .sentence = "the answer has begun, without text yet"},
    {.kind = WORD_DELTA,
     .type = WORD_TEXT,
     .name = "finish",
     .offset = offsetof(struct delta, finish),
     .sentence = "the finish reason"},
    {.kind = WORD_DELTA,
     .type = WORD_TABLE,
     .name = "usage",
     .offset = offsetof(struct delta, usage),
     .sentence = "the server's own token counts"},
    {.kind = WORD_DELTA,
     .type = WORD_FLAG,
     .name = "done",
     .offset = offsetof(struct delta, done),
     .sentence = "the end marker"},
    {.kind = WORD_DELTA,
     .type = WORD_TEXT,
     .name = "error",
     .offset = offsetof(struct delta, error),
     .sentence = "the server reports a failure: its words"},
    {.kind = WORD_DELTA,
     .type = WORD_COUNT,
     .name = "tokens",
     .offset = offsetof(struct delta, tokens),
     .sentence = "how many tokens this event carries, where known"},
    {.kind = WORD_DELTA,
     .type = WORD_FLAG,
     .name = "cumulative",
     .offset = offsetof(struct delta, cumulative),
     .sentence = "the texts are the whole so far and replace what came before"},

    {.kind = WORD_USAGE,
     .type = WORD_COUNT,
     .name = "prompt",
     .offset = offsetof(struct usage, prompt),
     .sentence = "tokens of the prompt"},
    {.kind = WORD_USAGE,
     .type = WORD_COUNT,
     .name = "completion",
     .offset = offsetof(struct usage, completion),
     .sentence = "tokens of the answer"},
    {.kind = WORD_USAGE,
     .type = WORD_COUNT,
     .name = "cached",
     .offset = offsetof(struct usage, cached),
     .sentence = "prompt tokens that came from a cache"},
    {.kind = WORD_USAGE,
     .type = WORD_COUNT,
     .name = "reasoning",
     .offset = offsetof(struct usage, reasoning),
     .sentence = "completion tokens that were reasoning"},

    /* ---- modules ---- */
    {.kind = WORD_MODULE,
     .type = WORD_FUNCTION,
     .name = "json.decode",
     .arguments = "(text, {null=true})",
     .function = json_lua_decode,
     .sentence =
         "the value, or nil and a message; null fields become nil, or json.null when asked; "
         "null elements of lists stay json.null; integers beyond 2^53 become int64_t or "
         "uint64_t"},
    {.kind = WORD_MODULE,
     .type = WORD_FUNCTION,
     .name = "json.encode",
     .arguments = "(value)",
     .function = json_lua_encode,
     .sentence = "JSON text with sorted keys; an empty table is {} unless marked by json.array"},
    {.kind = WORD_MODULE,
     .type = WORD_FUNCTION,
     .name = "json.array",
     .arguments = "(table)",
     .function = json_lua_array,
     .sentence = "marks the table as a list and returns it"},
    {.kind = WORD_MODULE,
     .type = WORD_FUNCTION,
     .name = "json.object",
     .arguments = "(table)",
     .function = json_lua_object,
     .sentence = "marks the table as an object and returns it"},
    {.kind = WORD_MODULE,
     .type = WORD_ANY,
     .name = "json.null",
     .sentence = "the value that stands for null"},
    {.kind = WORD_MODULE,
     .type = WORD_FUNCTION,
     .name = "dataset.lines",
     .arguments = "(path)",
     .function = dataset_lua_lines,
     .sentence = "an iterator over the file's lines, without line ends"},
    {.kind = WORD_MODULE,
     .type = WORD_FUNCTION,
     .name = "dataset.jsonl",
     .arguments = "(path)",
     .function = dataset_lua_jsonl,
     .sentence = "an iterator over a file with one JSON value a line; malformed lines are skipped, "
                 "counted and named in the log"},
    {.kind = WORD_MODULE,
     .type = WORD_FUNCTION,
     .name = "dataset.json_list",
     .arguments = "(path)",
     .function = dataset_lua_json_list,
     .sentence = "an iterator over the elements of a file that is one JSON list"},
    {.kind = WORD_MODULE,
     .type = WORD_FUNCTION,
     .name = "log.debug",
     .arguments = "(format, …)",
     .sentence = "a line for whoever debugs the script"},
    {.kind = WORD_MODULE,
     .type = WORD_FUNCTION,
     .name = "log.info",
     .arguments = "(format, …)",
     .sentence = "a note; print does the same"},
    {.kind = WORD_MODULE,
     .type = WORD_FUNCTION,
     .name = "log.warn",
     .arguments = "(format, …)",
     .sentence = "a warning"},
    {.kind = WORD_MODULE,
     .type = WORD_FUNCTION,
     .name = "log.error",
     .arguments = "(format, …)",
     .sentence = "an error that does not end the run"},
};

const struct script_word *script_words(size_t *count)
{
    *count = sizeof words / sizeof *words;
    return words;
}

const struct script_word *script_word_find(enum word_kind kind, const char *name)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].kind == kind && strcmp(words[i].name, name) == 0)
            return &words[i];
    return NULL;
}

const char *script_word_nearest(enum word_kind kind, const char *name)
{
    const char *nearest = NULL;
    unsigned best = 4; /* three letters off is a slip, more is another word */
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (words[i].kind != kind)
            continue;
        unsigned distance = word_distance(words[i].name, name);
        if (distance < best && distance < strlen(name)) {
            best = distance;
            nearest = words[i].name;
        }
    }
    return nearest;
}

const char *word_type_name(enum word_type type)
{
    static const char *const names[] = {
        [WORD_ANY] = "any value",
        [WORD_FUNCTION] = "a function",
        [WORD_TEXT] = "a string",
        [WORD_FLAG] = "true or false",
        [WORD_COUNT] = "a whole number from 0",
        [WORD_SECONDS] = "a number of seconds from 0",
        [WORD_TABLE] = "a table",
        [WORD_TEXT_OR_TABLE] = "a string or a table",
    };
    return names[type];
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* One row of the edit distance table at a time; names longer than a row are far from anything. */
unsigned word_distance(const char *a, const char *b)
{
    enum { LONGEST = 64, FAR = 9 };
    size_t width = strlen(b);
    if (width >= LONGEST || strlen(a) >= LONGEST)
        return FAR;
    unsigned row[LONGEST];
    for (size_t j = 0; j <= width; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 1; j <= width; j++) {
            unsigned changed = diagonal + (a[i] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(changed, least(row[j], row[j - 1]) + 1);
        }
    }
    return least(row[width], FAR);
}
