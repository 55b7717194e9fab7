#include "base/opt.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/opt_internal.h"

static void *field_of(const struct opt_set *set, size_t row)
{
    return (char *)set->base + set->rows[row].offset;
}

void opt_set_init(struct opt_set *set, const struct opt_row *rows, size_t count, void *base)
{
    *set = (struct opt_set){.rows = rows, .count = count, .base = base};
    set->origin = mem_zero(count, sizeof *set->origin);
    for (size_t i = 0; i < count; i++)
        memset(field_of(set, i), 0, rows[i].type->size);
}

void opt_set_fini(struct opt_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        set->rows[i].type->release(field_of(set, i));
    free(set->origin);
    *set = (struct opt_set){0};
}

bool opt_set_value(struct opt_set *set, size_t row, const char *text, enum opt_origin origin,
                   struct err *err)
{
    const struct opt_row *r = &set->rows[row];
    void *field = field_of(set, row);
    if (origin < set->origin[row])
        return opt_check(r, text, err);
    /* A list from a higher origin replaces the one from a lower; within one origin it grows. */
    bool list = r->type->kind == OPT_KIND_LIST || r->type->kind == OPT_KIND_NUMBERS;
    if (origin > set->origin[row] && list)
        r->type->release(field);
    if (!r->type->parse(r, text, field, err))
        return false;
    set->origin[row] = (unsigned char)origin;
    return true;
}

bool opt_check(const struct opt_row *row, const char *text, struct err *err)
{
    void *field = mem_zero(1, row->type->size);
    bool ok = row->type->parse(row, text, field, err);
    row->type->release(field);
    free(field);
    return ok;
}

bool opt_defaults(struct opt_set *set, struct err *err)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->origin[i] == OPT_UNSET && set->rows[i].fallback &&
            !opt_set_value(set, i, set->rows[i].fallback, OPT_DEFAULT, err))
            return false;
    for (size_t i = 0; i < set->count; i++)
        if (set->origin[i] == OPT_UNSET && set->rows[i].required)
            return err_set(err, "--%s is required%s%s", set->rows[i].name,
                           set->rows[i].help ? ": " : "",
                           set->rows[i].help ? set->rows[i].help : "");
    return true;
}

static bool take_variable(struct opt_set *set, size_t row, const char *name, bool *done,
                          struct err *err)
{
    const char *value = getenv(name);
    *done = value && *value;
    return !*done || opt_set_value(set, row, value, OPT_ENVIRONMENT, err) ||
           err_prefix(err, "the environment variable %s", name);
}

bool opt_environment(struct opt_set *set, struct err *err)
{
    for (size_t i = 0; i < set->count; i++) {
        bool done = false;
        for (const char *at = set->rows[i].env; at && *at && !done; at += strspn(at, " ")) {
            size_t len = strcspn(at, " ");
            char *name = mem_copy(at, len);
            bool ok = take_variable(set, i, name, &done, err);
            free(name);
            if (!ok)
                return false;
            at += len;
        }
    }
    return true;
}

bool opt_assign(struct opt_set *set, const char *name, const char *text, enum opt_origin origin,
                struct err *err)
{
    size_t row = opt_index(set, span_text(name));
    if (row == set->count) {
        const char *near = opt_nearest(set, span_text(name));
        return err_set(err, "unknown option '%.100s'%s%s%s", name, near ? "; did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
    }
    return opt_set_value(set, row, text, origin, err);
}

void opt_unset(struct opt_set *set, const struct opt_row *row)
{
    size_t index = (size_t)(row - set->rows);
    row->type->release(field_of(set, index));
    memset(field_of(set, index), 0, row->type->size);
    set->origin[index] = OPT_UNSET;
}

static bool same_name(struct span a, const char *b, size_t len)
{
    if (a.len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (a.data[i] != b[i] && !(strchr("-_", a.data[i]) && strchr("-_", b[i])))
            return false;
    return true;
}

bool opt_next_name(const struct opt_row *row, struct span *name)
{
    if (!name->data) {
        *name = span_text(row->name);
        return true;
    }
    const char *at = name->data + name->len;
    if (name->data == row->name)
        at = row->aliases ? row->aliases : "";
    at += strspn(at, " ");
    *name = span_of(at, strcspn(at, " "));
    return name->len > 0;
}

size_t opt_index(const struct opt_set *set, struct span name)
{
    for (size_t i = 0; i < set->count; i++) {
        struct span own = {0};
        while (opt_next_name(&set->rows[i], &own))
            if (same_name(name, own.data, own.len))
                return i;
    }
    return set->count;
}

const struct opt_row *opt_find(const struct opt_set *set, const char *name)
{
    size_t row = opt_index(set, span_text(name));
    return row < set->count ? &set->rows[row] : NULL;
}

const void *opt_field(const struct opt_set *set, const struct opt_row *row)
{
    return (const char *)set->base + row->offset;
}

enum opt_origin opt_origin(const struct opt_set *set, const struct opt_row *row)
{
    return (enum opt_origin)set->origin[row - set->rows];
}

bool opt_given(const struct opt_set *set, const char *name)
{
    const struct opt_row *row = opt_find(set, name);
    return row && opt_origin(set, row) > OPT_DEFAULT;
}

void opt_show(const struct opt_set *set, const struct opt_row *row, struct buf *out)
{
    if (opt_origin(set, row) == OPT_UNSET)
        return;
    if (row->secret)
        buf_add_text(out, "[redacted]");
    else
        row->type->show(row, opt_field(set, row), out);
}
