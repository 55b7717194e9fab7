#include "mock/overrides.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "mock/faults.h"

enum kind { MILLISECONDS, COUNT, FLAG };

static const struct row {
    const char *name;
    enum kind kind;
    size_t offset;
    int64_t min, max;
} rows[] = {
    {"ttft", MILLISECONDS, offsetof(struct mock_overrides, ttft_ns), 0, 86400000},
    {"itl", MILLISECONDS, offsetof(struct mock_overrides, itl_ns), 0, 86400000},
    {"tokens", COUNT, offsetof(struct mock_overrides, tokens), 1, 1000000},
    {"status", COUNT, offsetof(struct mock_overrides, status), 400, 599},
    {"abort", COUNT, offsetof(struct mock_overrides, abort), 0, 1000000},
    {"reset", COUNT, offsetof(struct mock_overrides, reset), 0, 1000000},
    {"stall", COUNT, offsetof(struct mock_overrides, stall), 0, 1000000},
    {"error", COUNT, offsetof(struct mock_overrides, error), 0, 1000000},
    {"ping", COUNT, offsetof(struct mock_overrides, ping), 1, 1000000},
    {"coal", COUNT, offsetof(struct mock_overrides, coal), 1, 1000},
    {"nousage", FLAG, offsetof(struct mock_overrides, nousage), 0, 1},
    {"nodone", FLAG, offsetof(struct mock_overrides, nodone), 0, 1},
    {"hold", FLAG, offsetof(struct mock_overrides, hold), 0, 1},
    {"close", FLAG, offsetof(struct mock_overrides, close), 0, 1},
    {"crlf", FLAG, offsetof(struct mock_overrides, crlf), 0, 1},
    {"split", FLAG, offsetof(struct mock_overrides, split), 0, 1},
    {"empty", FLAG, offsetof(struct mock_overrides, empty), 0, 1},
    {"noend", FLAG, offsetof(struct mock_overrides, noend), 0, 1},
    {"half", FLAG, offsetof(struct mock_overrides, half), 0, 1},
};

static bool store(const struct row *row, double value, struct mock_overrides *over)
{
    void *field = (char *)over + row->offset;
    bool whole = value == floor(value);
    if (!(value >= (double)row->min && value <= (double)row->max)) /* a NAN neither */
        return false;
    if (row->kind != MILLISECONDS && !whole)
        return false;
    if (row->kind == FLAG)
        *(bool *)field = value > 0;
    else if (row->kind == COUNT)
        *(int64_t *)field = (int64_t)value;
    else
        *(int64_t *)field = (int64_t)llround(value * (double)NS_PER_MS);
    return true;
}

static const struct row *find(struct span name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (span_equals(name, rows[i].name))
            return &rows[i];
    return NULL;
}

static bool parse_fault(struct span name, struct mock_overrides *over, struct err *err)
{
    over->fault = mock_fault_find(name);
    return over->fault || err_set(err, "The URL's 'fault' must be one that --fault list shows.");
}

static bool parse_pair(struct span pair, struct mock_overrides *over, struct err *err)
{
    const char *equals = memchr(pair.data, '=', pair.len);
    size_t name_len = equals ? (size_t)(equals - pair.data) : pair.len;
    const struct row *row = find(span_of(pair.data, name_len));
    if (equals && span_equals(span_of(pair.data, name_len), "fault"))
        return parse_fault(span_of(equals + 1, pair.len - name_len - 1), over, err);
    if (!row)
        return err_set(err, "The URL asks for '%.*s', which the mock server does not know.",
                       (int)(name_len < 100 ? name_len : 100), pair.data);
    char text[32] = "";
    size_t len = equals ? pair.len - name_len - 1 : 0;
    if (len && len < sizeof text)
        memcpy(text, equals + 1, len);
    char *end = text;
    double value = strspn(text, "0123456789.") == strlen(text) ? strtod(text, &end) : NAN;
    if (end == text || *end || !store(row, value, over))
        return err_set(err, "The URL's '%s' must be a %s of %lld to %lld.", row->name,
                       row->kind == MILLISECONDS ? "number of milliseconds" : "whole number",
                       (long long)row->min, (long long)row->max);
    return true;
}

static bool is_named(struct span pair, const char *name)
{
    size_t len = name ? strlen(name) : 0;
    return name && pair.len > len && pair.data[len] == '=' && memcmp(pair.data, name, len) == 0;
}

static bool parse_pairs(struct span query, const char *foreign, struct mock_overrides *over,
                        struct err *err)
{
    while (query.len) {
        const char *end = memchr(query.data, '&', query.len);
        size_t len = end ? (size_t)(end - query.data) : query.len;
        struct span pair = span_of(query.data, len);
        if (len && !is_named(pair, foreign) && !parse_pair(pair, over, err))
            return false;
        size_t skip = len + (end ? 1 : 0);
        query = span_of(query.data + skip, query.len - skip);
    }
    return true;
}

bool mock_overrides_parse(const struct mock_config *config, struct span query, const char *foreign,
                          struct mock_overrides *over, struct err *err)
{
    *over = (struct mock_overrides){
        .ttft_ns = (int64_t)config->ttft_ns,
        .itl_ns = (int64_t)config->itl_ns,
        .tokens = config->tokens,
        .status = -1,
        .abort = -1,
        .reset = -1,
        .stall = -1,
        .error = -1,
        .ping = -1,
        .coal = 1,
        .nousage = config->no_usage,
    };
    return parse_pairs(query, foreign, over, err);
}

bool mock_overrides_add(struct mock_overrides *over, const char *query, struct err *err)
{
    return parse_pairs(span_text(query), NULL, over, err);
}
