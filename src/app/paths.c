#include "app/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum { MODEL_PART = 100 }; /* bytes of the model's name that enter the run's */

bool path_ends_with(const char *path, const char *suffix)
{
    size_t len = strlen(path), tail = strlen(suffix);
    return len >= tail && strcmp(path + len - tail, suffix) == 0;
}

char *path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return mem_text(".");
    return mem_copy(path, slash == path ? 1 : (size_t)(slash - path));
}

static bool make_one(const char *path, struct err *err)
{
    struct stat info;
    if (mkdir(path, 0777) == 0)
        return true;
    int why = errno;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return true;
    return err_set(err, "cannot make the folder %s: %s", path, strerror(why));
}

bool path_make_folder(const char *path, struct err *err)
{
    if (!*path)
        return err_set(err, "a folder without a name cannot be made");
    char *copy = mem_text(path);
    bool ok = true;
    for (char *slash = strchr(copy + 1, '/'); ok && slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        ok = make_one(copy, err);
        *slash = '/';
    }
    ok = ok && make_one(copy, err);
    free(copy);
    return ok;
}

bool path_read(const char *path, struct buf *out, struct err *err)
{
    enum { PIECE = 64 << 10 };
    FILE *file = fopen(path, "rb");
    if (!file)
        return err_set(err, "cannot read %s: %s", path, strerror(errno));
    char *piece = mem_alloc(PIECE);
    size_t got;
    bool ok = true;
    while (ok && (got = fread(piece, 1, PIECE, file)) > 0)
        ok = buf_add(out, piece, got) ||
             err_set(err, "%s is larger than %zu bytes", path, out->limit);
    if (ok && ferror(file))
        ok = err_set(err, "cannot read %s: %s", path, strerror(errno));
    free(piece);
    fclose(file);
    return ok;
}

static bool write_all(FILE *file, struct span content)
{
    bool ok = fwrite(content.data ? content.data : "", 1, content.len, file) == content.len;
    return fclose(file) == 0 && ok;
}

/* The name is claimed first, so that nobody else's file of that name can be lost. */
static bool claim(const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return err_set(err, "%s exists and is not overwritten", path);
    if (fd < 0)
        return err_set(err, "cannot write %s: %s", path, strerror(errno));
    close(fd);
    return true;
}

bool path_write(const char *path, struct span content, bool replace, struct err *err)
{
    if (!replace && !claim(path, err))
        return false;
    char *beside = mem_printf("%s.%ld.tmp", path, (long)getpid());
    FILE *file = fopen(beside, "we");
    bool ok = file && write_all(file, content) && rename(beside, path) == 0;
    if (!ok) {
        err_set(err, "cannot write %s: %s", path, strerror(errno));
        unlink(beside);
        if (!replace)
            unlink(path);
    }
    free(beside);
    return ok;
}

static void fit_for_file_name(char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    for (char *p = text; *p; p++)
        if (!strchr(plain, *p) || (p == text && *p == '.'))
            *p = '_';
}

static bool is_taken(const char *folder, const char *name)
{
    char *path = mem_printf("%s/%s.db", folder, name);
    bool taken = access(path, F_OK) == 0;
    free(path);
    return taken;
}

char *path_run_name(const char *model, const char *folder, uint64_t wall_ns)
{
    char part[MODEL_PART + 1], when[32];
    snprintf(part, sizeof part, "%s", model && *model ? model : "llm");
    fit_for_file_name(part);
    clock_format(when, sizeof when, "%Y%m%d_%H%M%S", wall_ns);
    char *name = mem_printf("%s_benchmark_%s", part, when);
    for (unsigned again = 2; is_taken(folder, name) && again < 1000; again++) {
        free(name);
        name = mem_printf("%s_benchmark_%s_%u", part, when, again);
    }
    return name;
}
