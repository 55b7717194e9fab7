#include "app/env_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/paths.h"
#include "base/list.h"
#include "base/mem.h"

enum { FILE_LIMIT = 1 << 20 };

static const char *const name_chars =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t\r");
}

static bool is_end(const char *at)
{
    at = skip_blanks(at);
    return !*at || *at == '#';
}

/* The value up to its closing quote; NULL when there is none. `end` is behind it. */
static char *quoted_value(const char *text, const char **end)
{
    static const char plain[] = "nt\"\\$", meant[] = "\n\t\"\\$";
    char quote = *text++;
    char *value = mem_text(text), *to = value;
    for (; *text && *text != quote; text++) {
        const char *known =
            quote == '"' && *text == '\\' && text[1] ? strchr(plain, text[1]) : NULL;
        if (known)
            text++;
        *to++ = known ? meant[known - plain] : *text;
    }
    *to = 0;
    *end = text + 1;
    if (*text)
        return value;
    free(value);
    return NULL;
}

/* The value up to a '#' after a blank, or the end of the line. */
static char *bare_value(const char *text)
{
    size_t len = 0;
    while (text[len] && !(text[len] == '#' && (len == 0 || isblank((unsigned char)text[len - 1]))))
        len++;
    while (len > 0 && strchr(" \t\r", text[len - 1]))
        len--;
    return mem_copy(text, len);
}

static char *value_of(const char *text, struct err *err)
{
    const char *end = text;
    if (*text != '"' && *text != '\'')
        return bare_value(text);
    char *value = quoted_value(text, &end);
    if (value && is_end(end))
        return value;
    err_set(err, value ? "only a # may follow the closing quote" : "the quote %c is not closed",
            *text);
    free(value);
    return NULL;
}

static const char *skip_export(const char *at)
{
    static const char word[] = "export";
    size_t len = sizeof word - 1;
    return strncmp(at, word, len) == 0 && isblank((unsigned char)at[len]) ? skip_blanks(at + len)
                                                                          : at;
}

/* Adds the line's name and value, if it has any. */
static bool read_line(const char *line, struct list *names, struct list *values, struct err *err)
{
    const char *name = skip_export(skip_blanks(line));
    if (is_end(name))
        return true;
    size_t len = isdigit((unsigned char)*name) ? 0 : strspn(name, name_chars);
    if (len == 0 || name[len] != '=')
        return err_set(err, "this is no line NAME=VALUE (a name is letters, digits and _)");
    char *value = value_of(skip_blanks(name + len + 1), err);
    if (!value)
        return false;
    char *copy = mem_copy(name, len);
    list_add(names, copy);
    list_add(values, value);
    free(copy);
    free(value);
    return true;
}

static bool read_lines(const char *path, char *text, struct list *names, struct list *values,
                       struct err *err)
{
    unsigned number = 0;
    for (char *line = text, *next; line; line = next) {
        number++;
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        if (!read_line(line, names, values, err))
            return err_prefix(err, "--env-file %s:%u", path, number);
    }
    return true;
}

/* From the last on, and never over what is there. */
static bool set_all(const struct list *names, const struct list *values, struct err *err)
{
    for (size_t i = names->count; i-- > 0;)
        if (setenv(names->items[i], values->items[i], 0) != 0)
            return err_set(err, "cannot set the environment variable %s: %s", names->items[i],
                           strerror(errno));
    return true;
}

bool env_file_read(const char *path, struct err *err)
{
    static const char mark[] = "\xef\xbb\xbf";
    struct list names = {0}, values = {0};
    struct buf content;
    buf_init(&content, FILE_LIMIT);
    bool ok = path_read(path, &content, err) || err_prefix(err, "--env-file");
    if (ok && content.len && memchr(content.data, 0, content.len))
        ok = err_set(err, "--env-file %s holds a NUL byte; it must be a text", path);
    char *text = buf_take(&content);
    if (ok) {
        char *begin = strncmp(text, mark, 3) == 0 ? text + 3 : text;
        ok = read_lines(path, begin, &names, &values, err) && set_all(&names, &values, err);
    }
    free(text);
    list_fini(&names);
    list_fini(&values);
    return ok;
}
