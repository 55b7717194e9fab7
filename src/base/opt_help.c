/* The help text of an option table. */
#include <stdint.h>
#include <string.h>

#include "base/opt_internal.h"

#define NARROWEST 40u
#define WIDE 60u   /* from here on sentences stand beside the names */
#define BESIDE 30u /* the column where they then begin */
#define BELOW 10u

/* Columns a text takes: one a character, as far as UTF-8 tells. */
static size_t columns(struct span text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static void indent(struct buf *out, size_t count)
{
    while (count--)
        buf_add_char(out, ' ');
}

/* Adds the words of `text`, breaking lines before `width`; the first line is at `left` already. */
static void add_wrapped(struct buf *out, struct span text, size_t left, size_t width)
{
    size_t column = left;
    for (size_t at = 0, end; at < text.len; at = end) {
        end = at + 1;
        if (is_blank(text.data[at]))
            continue;
        while (end < text.len && !is_blank(text.data[end]))
            end++;
        struct span word = span_of(text.data + at, end - at);
        if (column > left && column + 1 + columns(word) > width) {
            buf_add_char(out, '\n');
            indent(out, left);
            column = left;
        }
        if (column > left)
            buf_add_char(out, ' ');
        buf_add_span(out, word);
        column += (column > left) + columns(word);
    }
    buf_add_char(out, '\n');
}

static const char *metavar(const struct opt_row *row)
{
    if (row->metavar)
        return row->metavar;
    if (row->type == &opt_choice)
        return "NAME";
    return row->type->kind == OPT_KIND_INTEGER || row->type->kind == OPT_KIND_NUMBER ? "N" : "TEXT";
}

static void add_names(const struct opt_row *row, struct buf *out)
{
    if (row->letter)
        buf_printf(out, "  -%c, --%s", row->letter, row->name);
    else
        buf_printf(out, "      --%s", row->name);
    if (row->type->takes_value)
        buf_printf(out, " %s%s", metavar(row), row->type == &opt_words ? " …" : "");
}

/* A blank-separated list as "a, b, c", each with `before`. */
static void add_listed(struct buf *out, const char *list, const char *before)
{
    const char *comma = "";
    while (*(list += strspn(list, " "))) {
        size_t len = strcspn(list, " ");
        buf_printf(out, "%s%s%.*s", comma, before, (int)len, list);
        comma = ", ";
        list += len;
    }
}

/* That a flag is off by itself goes without saying. */
static bool tells_default(const struct opt_row *row)
{
    bool on = true;
    if (!row->fallback || !*row->fallback || row->secret)
        return false;
    return row->type != &opt_flag || !opt_flag.parse(row, row->fallback, &on, NULL) || on;
}

/* The sentence and, in brackets, what else the row knows. */
static void add_sentence(const struct opt_row *row, struct buf *out)
{
    if (row->help)
        buf_add_text(out, row->help);
    if (row->choices) {
        buf_add_text(out, " (one of ");
        add_listed(out, row->choices, "");
        buf_add_char(out, ')');
    }
    if (row->type->kind == OPT_KIND_LIST)
        buf_add_text(out, " (repeatable)");
    if (tells_default(row))
        buf_printf(out, " (default: %s)", row->fallback);
    if (row->required)
        buf_add_text(out, " (required)");
    if (row->env) {
        buf_add_text(out, " (environment: ");
        add_listed(out, row->env, "");
        buf_add_char(out, ')');
    }
    if (row->aliases) {
        buf_add_text(out, " (also ");
        add_listed(out, row->aliases, "--");
        buf_add_char(out, ')');
    }
}

static void add_row(const struct opt_row *row, size_t width, struct buf *out)
{
    struct buf names, sentence;
    buf_init(&names, SIZE_MAX / 4);
    buf_init(&sentence, SIZE_MAX / 4);
    add_names(row, &names);
    add_sentence(row, &sentence);
    size_t used = columns(buf_span(&names)), left = width < WIDE ? BELOW : BESIDE;
    buf_add_span(out, buf_span(&names));
    if (sentence.len && used + 2 > left) {
        buf_add_char(out, '\n');
        used = 0;
    }
    if (sentence.len)
        indent(out, left - used);
    add_wrapped(out, buf_span(&sentence), left, width);
    buf_fini(&sentence);
    buf_fini(&names);
}

void opt_help(const struct opt_row *rows, size_t count, unsigned width, struct buf *out)
{
    const char *group = "";
    for (size_t i = 0; i < count; i++) {
        const char *own = rows[i].group ? rows[i].group : "";
        if (strcmp(own, group) != 0)
            buf_printf(out, "%s%s:\n", out->len ? "\n" : "", own);
        group = own;
        add_row(&rows[i], width < NARROWEST ? NARROWEST : width, out);
    }
}
