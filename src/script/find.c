#include "script/find.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/embedded.h"
#include "base/mem.h"
#include "script/contract.h"
#include "script/script.h"

enum { SCRIPT_LIMIT = 4 * 1024 * 1024, NAME_LIMIT = 100, PATH_LIMIT = 4096 };

/* The scripts in the binary, for messages; a test holds this list against the files. */
static const struct {
    const char *kind, *names;
} builtin[] = {
    {"apis", "custom dashscope openai qianfan tgi trtllm zhipu"},
    {"datasets", "auto chat_jsonl line_by_line longalpaca openqa qianfan qianfan_json "
                 "qianfan_jsonl qianfan_txt random sharegpt testset"},
    {"experiments", "ab capacity soak sweep"},
};

const char *script_builtin_names(const char *kind)
{
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++)
        if (strcmp(builtin[i].kind, kind) == 0)
            return builtin[i].names;
    return "";
}

void source_fini(struct source *source)
{
    free(source->name);
    free(source->where);
    free(source->chunk);
    free(source->folder);
    buf_fini(&source->text);
    *source = (struct source){0};
}

/* ---- reading ---- */

static bool read_text(const char *path, struct buf *text, struct err *err)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return err_set(err, "%s: cannot be opened: %s", path, strerror(errno));
    char piece[16384];
    size_t len = 0;
    buf_init(text, SCRIPT_LIMIT);
    while ((len = fread(piece, 1, sizeof piece, file)) > 0)
        buf_add(text, piece, len);
    bool failed = ferror(file) != 0;
    int why = errno;
    fclose(file);
    if (failed)
        return err_set(err, "%s: cannot be read: %s", path, strerror(why));
    return !text->full ||
           err_set(err, "%s: larger than the %d MiB a script may have", path, SCRIPT_LIMIT >> 20);
}

bool source_read(struct source *source, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    source->name = mem_text(slash ? slash + 1 : path);
    source->where = mem_text(path);
    source->chunk = mem_printf("@%s", path);
    source->folder =
        slash ? mem_copy(path, (size_t)(slash - path) + (slash == path)) : mem_text(".");
    return read_text(path, &source->text, err);
}

static bool take_builtin(struct source *source, const char *name, const char *path)
{
    const struct embedded_file *file =
        embedded_find(embedded_lua_files, embedded_lua_file_count, path);
    if (!file)
        return false;
    source->name = mem_text(name);
    source->where = mem_text("built in");
    source->chunk = mem_printf("=builtin:%s", path);
    buf_init(&source->text, SCRIPT_LIMIT);
    buf_add(&source->text, file->data, file->len);
    return true;
}

bool source_builtin(struct source *source, const char *path, struct err *err)
{
    return take_builtin(source, path, path) || err_set(err, "%s is missing in this program", path);
}

/* ---- names ---- */

static bool is_path(const char *name)
{
    size_t len = strlen(name);
    return strchr(name, '/') || (len > 4 && strcmp(name + len - 4, ".lua") == 0);
}

/* FOLDER/KIND/NAME.lua if there is such a file, else NULL; owned. */
static char *in_folder(const char *folder, size_t len, const char *kind, const char *name)
{
    char *path = mem_printf("%.*s/%s/%s.lua", (int)len, folder, kind, name);
    if (len > 0 && access(path, F_OK) == 0)
        return path;
    free(path);
    return NULL;
}

/* PREFIX/share/llmbench of the PREFIX/bin/llmbench that runs, wherever that was installed; NULL for
 * a program that lies elsewhere: what is next to it there may be anybody's. */
static char *own_share(void)
{
    static const char bin[] = "/" LLMBENCH_BIN_FOLDER "/";
    char program[PATH_LIMIT];
    ssize_t got = readlink("/proc/self/exe", program, sizeof program);
    if (got <= 0 || (size_t)got == sizeof program) /* full: it may have been cut */
        return NULL;
    const char *name = memrchr(program, '/', (size_t)got);
    size_t folder = name ? (size_t)(name - program) + 1 : 0, len = sizeof bin - 1;
    if (folder < len || memcmp(program + folder - len, bin, len) != 0)
        return NULL;
    return mem_printf("%.*s/" LLMBENCH_SHARE_FOLDER, (int)(folder - len), program);
}

static char *in_share(const char *kind, const char *name)
{
    char *own = own_share();
    char *path = own ? in_folder(own, strlen(own), kind, name) : NULL;
    free(own);
    return path ? path : in_folder(LLMBENCH_SHARE, strlen(LLMBENCH_SHARE), kind, name);
}

static char *on_disk(const char *kind, const char *name)
{
    const char *at = getenv("LLMBENCH_PATH");
    while (at && *at) {
        size_t len = strcspn(at, ":");
        char *path = in_folder(at, len, kind, name);
        if (path)
            return path;
        at += len + (at[len] == ':');
    }
    return in_share(kind, name);
}

static bool is_builtin(const char *kind, const char *name)
{
    char path[NAME_LIMIT + 32];
    snprintf(path, sizeof path, "%s/%s.lua", kind, name);
    return embedded_find(embedded_lua_files, embedded_lua_file_count, path) != NULL;
}

bool script_known(const char *kind, const char *name)
{
    if (!*name || strlen(name) > NAME_LIMIT)
        return false;
    if (is_path(name))
        return access(name, R_OK) == 0;
    char *path = on_disk(kind, name);
    bool found = path != NULL;
    free(path);
    return found || is_builtin(kind, name);
}

/* The built-in name that was most likely meant, copied to `out`; false when none is close. */
static bool nearest_builtin(const char *kind, const char *name, char out[NAME_LIMIT])
{
    unsigned best = 4;
    const char *at = script_builtin_names(kind);
    for (size_t len = 0; *at; at += len + (at[len] == ' ')) {
        char known[NAME_LIMIT];
        len = strcspn(at, " ");
        snprintf(known, sizeof known, "%.*s", (int)len, at);
        unsigned distance = word_distance(known, name);
        if (distance < best) {
            best = distance;
            memcpy(out, known, len + 1);
        }
    }
    return best < 4;
}

bool source_on_disk(const char *kind, const char *name)
{
    char *path = is_path(name) ? NULL : on_disk(kind, name);
    bool disk = path || is_path(name);
    free(path);
    return disk;
}

bool source_find(struct source *source, const char *kind, const char *option, const char *name,
                 struct err *err)
{
    if (is_path(name))
        return source_read(source, name, err) || err_prefix(err, "%s", option);
    if (*name && strlen(name) <= NAME_LIMIT) {
        char *path = on_disk(kind, name);
        bool ok = path && source_read(source, path, err);
        bool found = path != NULL;
        free(path);
        if (found)
            return ok || err_prefix(err, "%s", option);
        char inside[NAME_LIMIT + 32];
        snprintf(inside, sizeof inside, "%s/%s.lua", kind, name);
        if (take_builtin(source, name, inside))
            return true;
    }
    char nearest[NAME_LIMIT];
    bool close = nearest_builtin(kind, name, nearest);
    return err_set(err,
                   "%s %.100s: there is no script of that name%s%s%s; built in are: %s; a file is "
                   "named with a '/' or the ending .lua",
                   option, name, close ? " (did you mean " : "", close ? nearest : "",
                   close ? "?)" : "", script_builtin_names(kind));
}

/* ---- modules ---- */

bool source_module(struct source *source, const struct list *folders, const char *name,
                   struct err *err)
{
    char path[NAME_LIMIT + 8];
    err->text[0] = '\0';
    if (!*name || strlen(name) > NAME_LIMIT || strchr(name, '/') || strstr(name, ".."))
        return false;
    snprintf(path, sizeof path, "%s.lua", name);
    for (size_t i = 0; name[i]; i++)
        if (name[i] == '.')
            path[i] = '/';
    for (size_t i = 0; i < folders->count; i++) {
        char *file = mem_printf("%s/%s", folders->items[i], path);
        bool found = access(file, F_OK) == 0;
        bool ok = found && source_read(source, file, err);
        free(file);
        if (found)
            return ok;
    }
    return take_builtin(source, name, path);
}

bool source_is_shipped(const struct source *source)
{
    struct span text = buf_span(&source->text);
    for (size_t i = 0; i < embedded_lua_file_count; i++)
        if (embedded_lua_files[i].len == text.len &&
            memcmp(embedded_lua_files[i].data, text.data, text.len) == 0)
            return true;
    return false;
}
