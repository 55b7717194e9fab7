/* A document's tokens as one text, so that two ways of reading it can be compared and tables can be
 * read: {"a": [1, null]} is `{ k"a" [ 1 null ] } .`, an error is `! its message`. */
#pragma once

#include "portions.h"
#include "wire/json.h"

static inline void json_log_token(struct buf *log, const struct json *json, enum json_token token)
{
    static const char *const words[] = {
        [JSON_END] = ".",         [JSON_ERROR] = "! ",       [JSON_OBJECT_BEGIN] = "{ ",
        [JSON_OBJECT_END] = "} ", [JSON_ARRAY_BEGIN] = "[ ", [JSON_ARRAY_END] = "] ",
        [JSON_KEY] = "k",         [JSON_STRING] = "s",       [JSON_NUMBER] = "",
        [JSON_TRUE] = "true ",    [JSON_FALSE] = "false ",   [JSON_NULL] = "null ",
    };
    buf_add_text(log, words[token]);
    if (token == JSON_KEY || token == JSON_STRING)
        json_write_string(log, json->text);
    if (token == JSON_NUMBER)
        buf_add_span(log, json->text);
    if (token == JSON_KEY || token == JSON_STRING || token == JSON_NUMBER)
        buf_add_char(log, ' ');
    if (token == JSON_ERROR)
        buf_add_text(log, json_error(json));
}

static inline void json_log(struct buf *log, struct json *json)
{
    enum json_token token;
    do {
        token = json_next(json);
        json_log_token(log, json, token);
    } while (token != JSON_END && token != JSON_ERROR);
    if (json->replaced)
        buf_printf(log, " replaced %llu", (unsigned long long)json->replaced);
}

/* Gives one piece after another; each is gone at the next call. */
struct json_cutter {
    struct portions portions;
    char *piece;
};

static inline struct span json_cutter_next(void *arg)
{
    struct json_cutter *cutter = arg;
    size_t len;
    free(cutter->piece);
    cutter->piece = portions_next(&cutter->portions, &len);
    return span_of(cutter->piece, len);
}

static inline void json_log_whole(struct buf *log, struct span text)
{
    struct json json;
    json_init(&json, text.data, text.len);
    json_log(log, &json);
    json_fini(&json);
}

static inline void json_log_cut(struct buf *log, struct span text, size_t cut, size_t limit)
{
    struct json_cutter cutter = {.portions = {.text = text, .cut = cut}};
    struct json json;
    json_init_refill(&json, json_cutter_next, &cutter, limit);
    json_log(log, &json);
    json_fini(&json);
    free(cutter.piece);
}
