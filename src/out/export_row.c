#include "out/export_row.h"

#include "out/pickle.h"
#include "out/text.h"
#include "wire/json.h"

/* ---- base64 ---- */

static void add_base64(struct span bytes, struct buf *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *to = buf_reserve(out, (bytes.len + 2) / 3 * 4);
    if (!to)
        return;
    for (size_t at = 0; at < bytes.len; at += 3, to += 4) {
        size_t have = bytes.len - at < 3 ? bytes.len - at : 3;
        uint32_t group = 0;
        for (size_t i = 0; i < 3; i++)
            group = group << 8 | (i < have ? (unsigned char)bytes.data[at + i] : 0);
        for (size_t i = 0; i < 4; i++)
            to[i] = i <= have ? letters[group >> (18 - 6 * i) & 63] : '=';
    }
    out->len += (bytes.len + 2) / 3 * 4;
}

static void end_pickle(struct buf *pickle, struct buf *out)
{
    pickle_end(pickle);
    out->full = out->full || pickle->full;
    add_base64(buf_span(pickle), out);
    buf_fini(pickle);
}

/* ---- the request ---- */

static void pickle_as_text(struct buf *pickle, struct span body, size_t limit)
{
    struct buf clean;
    buf_init(&clean, limit);
    text_clean(body, &clean);
    buf_clear(pickle);
    pickle_begin(pickle);
    pickle_text(pickle, buf_span(&clean));
    pickle->full = pickle->full || clean.full;
    buf_fini(&clean);
}

void export_request(struct span body, struct buf *out)
{
    struct buf pickle;
    struct json json;
    buf_init(&pickle, out->limit);
    json_init(&json, body.data, body.len);
    pickle_begin(&pickle);
    if (!pickle_json(&pickle, &json))
        pickle_as_text(&pickle, body, out->limit);
    json_fini(&json);
    end_pickle(&pickle, out);
}

/* ---- the messages ---- */

static bool not_a_list(const struct json *json, const char *of, struct err *err)
{
    const char *why = json_error(json);
    return err_set(err, "it is not a JSON list of %s%s%s", of, *why ? ": " : "", why);
}

static bool pickle_messages(struct json *json, bool (*wanted)(struct span), struct buf *pickle,
                            uint64_t *left_out)
{
    if (json_next(json) != JSON_ARRAY_BEGIN)
        return false;
    pickle_list_begin(pickle);
    while (json_next(json) == JSON_STRING) {
        bool marker = span_equals(json->text, "[DONE]");
        bool has_place = !wanted || wanted(json->text);
        if (!marker && has_place)
            pickle_text(pickle, json->text);
        *left_out += !marker && !has_place;
    }
    pickle_list_end(pickle);
    return json->last == JSON_ARRAY_END && json_next(json) == JSON_END;
}

bool export_messages(struct span list, bool (*wanted)(struct span message), struct buf *out,
                     uint64_t *left_out, struct err *err)
{
    struct buf pickle;
    struct json json;
    buf_init(&pickle, out->limit);
    json_init(&json, list.data, list.len);
    pickle_begin(&pickle);
    bool ok =
        pickle_messages(&json, wanted, &pickle, left_out) || not_a_list(&json, "strings", err);
    json_fini(&json);
    end_pickle(&pickle, out);
    return ok;
}

/* The steps to a place in a document; "" is the first element of a list, NULL the place. */
static const char *const content_path[] = {"choices", "", "delta", "content", NULL};

static bool leads_to_string(struct json *json, enum json_token value, const char *const *path);

/* As in Python, the last of several equal keys counts. */
static bool object_leads(struct json *json, const char *const *path)
{
    bool found = false;
    while (json_next(json) == JSON_KEY) {
        bool here = span_equals(json->text, *path);
        enum json_token value = json_next(json);
        if (here)
            found = leads_to_string(json, value, path + 1);
        else
            json_skip(json);
    }
    return found;
}

static bool first_element_leads(struct json *json, const char *const *path)
{
    enum json_token value = json_next(json);
    bool found = leads_to_string(json, value, path + 1);
    while (value != JSON_ARRAY_END && value != JSON_ERROR) {
        value = json_next(json);
        json_skip(json);
    }
    return found;
}

/* Is there a string at the end of the path that begins in this value? Reads to the value's end. */
static bool leads_to_string(struct json *json, enum json_token value, const char *const *path)
{
    if (*path && **path && value == JSON_OBJECT_BEGIN)
        return object_leads(json, path);
    if (*path && !**path && value == JSON_ARRAY_BEGIN)
        return first_element_leads(json, path);
    json_skip(json);
    return !*path && value == JSON_STRING;
}

bool export_has_content(struct span message)
{
    struct json json;
    json_init(&json, message.data, message.len);
    /* Python's json takes no byte-order mark; the reader here does. */
    bool marked = message.len > 0 && message.data[0] == '\xef';
    bool found = leads_to_string(&json, json_next(&json), content_path);
    bool valid = json_next(&json) == JSON_END;
    json_fini(&json);
    return found && valid && !marked;
}

/* ---- the times ---- */

static void add_time(struct export_chunks *chunks, double time)
{
    if (chunks->count == 0)
        chunks->first = time;
    chunks->before_last = chunks->last;
    chunks->last = time;
    chunks->count++;
}

bool export_chunk_times(struct span list, struct export_chunks *chunks, struct err *err)
{
    struct json json;
    *chunks = (struct export_chunks){0};
    json_init(&json, list.data, list.len);
    bool ok = json_next(&json) == JSON_ARRAY_BEGIN;
    while (ok && json_next(&json) == JSON_NUMBER)
        add_time(chunks, json_number(json.text));
    ok = ok && json.last == JSON_ARRAY_END && json_next(&json) == JSON_END;
    if (!ok)
        not_a_list(&json, "numbers", err);
    json_fini(&json);
    return ok;
}
