/* Our reading of a document against cJSON's tree of it. */
#pragma once

#include <math.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "wire/json.h"

/* cJSON cuts a string at its first NUL and keeps invalid UTF-8 as it is. */
static inline bool same_text(const struct json *json, uint64_t replaced_before, const char *other)
{
    if (json->replaced != replaced_before)
        return true;
    size_t len = strlen(other);
    if (len > json->text.len || (len > 0 && memcmp(json->text.data, other, len) != 0))
        return false;
    return len == json->text.len || json->text.data[len] == '\0';
}

static inline bool same_number(struct span text, double other)
{
    double value = json_number(text);
    int64_t integer;
    if (json_integer(text, &integer) && (double)integer != value)
        return false;
    return value == other || (isinf(value) && isinf(other));
}

static inline bool same_scalar(const struct json *json, enum json_token token,
                               uint64_t replaced_before, const cJSON *node)
{
    switch (token) {
    case JSON_STRING:
        return cJSON_IsString(node) && same_text(json, replaced_before, node->valuestring);
    case JSON_NUMBER: return cJSON_IsNumber(node) && same_number(json->text, node->valuedouble);
    case JSON_TRUE: return cJSON_IsTrue(node);
    case JSON_FALSE: return cJSON_IsFalse(node);
    case JSON_NULL: return cJSON_IsNull(node);
    default: return false;
    }
}

/* Reads one whole document from `json`, which cJSON accepted as `root`. */
static inline bool same_document(struct json *json, const cJSON *root)
{
    const cJSON *next[JSON_MAX_DEPTH + 1] = {root}; /* what must come next on each level */
    size_t level = 0;
    for (;;) {
        uint64_t replaced = json->replaced;
        enum json_token token = json_next(json);
        const cJSON *node = next[level];
        if (token == JSON_ERROR)
            return false;
        if (token == JSON_END)
            return level == 0 && !node;
        if (token == JSON_OBJECT_END || token == JSON_ARRAY_END) {
            if (node || level-- == 0)
                return false;
            continue;
        }
        if (!node)
            return false;
        if (token == JSON_KEY) {
            if (!node->string || !same_text(json, replaced, node->string))
                return false;
            continue;
        }
        next[level] = level == 0 ? NULL : node->next;
        if (token == JSON_OBJECT_BEGIN || token == JSON_ARRAY_BEGIN) {
            if (!(token == JSON_ARRAY_BEGIN ? cJSON_IsArray(node) : cJSON_IsObject(node)))
                return false;
            next[++level] = node->child;
        } else if (!same_scalar(json, token, replaced, node)) {
            return false;
        }
    }
}
