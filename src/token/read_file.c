#include "token/read_file.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

bool read_file_exists(const char *path)
{
    struct stat stat_of;
    return stat(path, &stat_of) == 0;
}

static bool cannot_read(const char *path, struct err *err)
{
    return err_set(err, "%s cannot be read: %s", path, strerror(errno));
}

static bool read_open(FILE *file, const char *path, size_t most, char **bytes, size_t *len,
                      struct err *err)
{
    struct stat stat_of;
    if (fstat(fileno(file), &stat_of) != 0)
        return cannot_read(path, err);
    if (!S_ISREG(stat_of.st_mode))
        return err_set(err, "%s is no regular file", path);
    if ((uint64_t)stat_of.st_size > most)
        return err_set(err, "%s has %lld bytes; at most %zu are read", path,
                       (long long)stat_of.st_size, most);
    *bytes = mem_alloc((size_t)stat_of.st_size + 1);
    *len = fread(*bytes, 1, (size_t)stat_of.st_size, file);
    return !ferror(file) || cannot_read(path, err);
}

bool read_file(const char *path, size_t most, char **bytes, size_t *len, struct err *err)
{
    *bytes = NULL;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return cannot_read(path, err);
    bool ok = read_open(file, path, most, bytes, len, err);
    fclose(file);
    if (!ok) {
        free(*bytes);
        *bytes = NULL;
    }
    return ok;
}
