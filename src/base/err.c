#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool err_set(struct err *err, const char *format, ...)
{
    if (!err)
        return false;
    struct err fresh; /* the arguments may be texts of the old one */
    va_list args;
    va_start(args, format);
    vsnprintf(fresh.text, sizeof fresh.text, format, args);
    va_end(args);
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
    vsnprintf(prefix, sizeof prefix - 2, format, args);
    va_end(args);
    strcat(prefix, ": ");
    size_t len = strlen(prefix), old = strlen(err->text);
    if (old > sizeof err->text - 1 - len)
        old = sizeof err->text - 1 - len;
    memmove(err->text + len, err->text, old);
    memcpy(err->text, prefix, len);
    err->text[len + old] = '\0';
    return false;
}
