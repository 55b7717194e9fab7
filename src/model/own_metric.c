#include "model/own_metric.h"

#include <string.h>

static bool is_name(struct span text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz", rest[] = "0123456789_";
    for (size_t i = 0; i < text.len; i++) {
        bool letter = memchr(letters, text.data[i], sizeof letters - 1) != NULL;
        bool other = memchr(rest, text.data[i], sizeof rest - 1) != NULL;
        if (!letter && (i == 0 || !other))
            return false;
    }
    return text.len > 0;
}

/* One line of the report, so no control characters (a NUL is one). */
static bool is_line(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return false;
    return true;
}

/* `size` with the NUL. */
static bool take(char *out, size_t size, struct span text)
{
    if (text.len >= size || !is_line(text))
        return false;
    if (text.len)
        memcpy(out, text.data, text.len);
    out[text.len] = 0;
    return true;
}

static bool take_name(const struct own_metrics *metrics, struct own_metric *metric,
                      struct span name, struct err *err)
{
    int shown = name.len > 200 ? 200 : (int)name.len;
    if (!is_name(name))
        return err_set(err,
                       "'%.*s': a metric's name must be lower-case letters, digits and _, and "
                       "begin with a letter",
                       shown, name.data ? name.data : "");
    if (!take(metric->name, sizeof metric->name, name))
        return err_set(err, "'%.*s': a metric's name has at most %d letters", shown, name.data,
                       OWN_NAME - 1);
    if (metric_find(metric->name))
        return err_set(err, "'%s': that is the name of a built-in metric", metric->name);
    if (own_metrics_find(metrics, metric->name))
        return err_set(err, "'%s': two metrics have this name", metric->name);
    return true;
}

/* The built-in units by their names; seconds also by their word. */
static enum metric_unit unit_of(const char *name)
{
    for (enum metric_unit unit = UNIT_SECONDS; unit < UNIT_OWN; unit++)
        if (strcmp(metric_unit_name(unit), name) == 0)
            return unit;
    return strcmp(name, "seconds") == 0 ? UNIT_SECONDS : UNIT_OWN;
}

static bool take_unit(struct own_metric *metric, struct span unit, struct err *err)
{
    if (!unit.data)
        unit = span_text(metric_unit_name(UNIT_COUNT));
    if (unit.len == 0 || !take(metric->unit, sizeof metric->unit, unit))
        return err_set(err,
                       "'%s': 'unit' must be s, tokens, tokens/s, characters, characters/s, count, "
                       "1/s, share, or another word of at most %d bytes",
                       metric->name, OWN_UNIT - 1);
    metric->kind = unit_of(metric->unit);
    if (metric->kind != UNIT_OWN)
        strcpy(metric->unit, metric_unit_name(metric->kind));
    return true;
}

static bool take_texts(struct own_metric *metric, const struct own_metric_texts *texts,
                       struct err *err)
{
    struct span title = texts->title.data ? texts->title : span_text(metric->name);
    if (title.len == 0 || !take(metric->title, sizeof metric->title, title))
        return err_set(err, "'%s': 'title' must be one line of 1 to %d bytes", metric->name,
                       OWN_TITLE - 1);
    if (!take(metric->formula, sizeof metric->formula, texts->formula))
        return err_set(err, "'%s': 'formula' must be one line of at most %d bytes", metric->name,
                       OWN_FORMULA - 1);
    return take_unit(metric, texts->unit, err);
}

bool own_metrics_add(struct own_metrics *metrics, const struct own_metric_texts *texts,
                     enum metric_over over, struct err *err)
{
    struct own_metric metric = {.over = over};
    if (!take_name(metrics, &metric, texts->name, err) || !take_texts(&metric, texts, err))
        return false;
    if (metrics->count == OWN_METRICS)
        return err_set(err, "'%s': there may be at most %d metrics", metric.name, OWN_METRICS);
    metrics->items[metrics->count++] = metric;
    return true;
}

const struct own_metric *own_metrics_find(const struct own_metrics *metrics, const char *name)
{
    for (size_t i = 0; i < metrics->count; i++)
        if (strcmp(metrics->items[i].name, name) == 0)
            return &metrics->items[i];
    return NULL;
}

bool own_metrics_equal(const struct own_metrics *a, const struct own_metrics *b)
{
    size_t count = a ? a->count : 0;
    if (count != (b ? b->count : 0))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct own_metric *first = &a->items[i], *second = &b->items[i];
        if (strcmp(first->name, second->name) != 0 || strcmp(first->title, second->title) != 0 ||
            strcmp(first->unit, second->unit) != 0 || first->over != second->over)
            return false;
    }
    return true;
}
