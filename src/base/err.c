#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void err_mark_cut(char *text, size_t size)
{
    static const char mark[] = "…";
    if (size < sizeof mark)
        return;
    size_t at = size - sizeof mark;
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80) /* not within a character */
        at--;
    memcpy(text + at, mark, sizeof mark);
}

bool err_set(struct err *err, const char *format, ...)
{
    if (!err)
        return false;
    struct err fresh; /* the arguments may be texts of the old one */
    va_list args;
    va_start(args, format);
    int len = vsnprintf(fresh.text, sizeof fresh.text, format, args);
    va_end(args);
    if (len >= (int)sizeof fresh.text)
        err_mark_cut(fresh.text, sizeof fresh.text);
    memcpy(err->text, fresh.text, strlen(fresh.text) + 1);
    return false;
}

bool err_prefix(struct err *err, const char *format, ...)
{
    if (!err)
        return false;
    char prefix[512];
    va_list args;
    va_start(args, format);
    int all = vsnprintf(prefix, sizeof prefix - 2, format, args);
    va_end(args);
    if (all >= (int)sizeof prefix - 2)
        err_mark_cut(prefix, sizeof prefix - 2);
    strcat(prefix, ": ");
    size_t len = strlen(prefix), old = strlen(err->text);
    bool cut = old > sizeof err->text - 1 - len;
    if (cut)
        old = sizeof err->text - 1 - len;
    memmove(err->text + len, err->text, old);
    memcpy(err->text, prefix, len);
    err->text[len + old] = '\0';
    if (cut)
        err_mark_cut(err->text, sizeof err->text);
    return false;
}
