/* `llmbench new`: a script to begin with. */
#include "app/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/paths.h"
#include "base/embedded.h"
#include "base/mem.h"

static const char folder[] = "skeletons/"; /* below lua/: a file KIND.lua for each kind */

enum { SKELETON_LIMIT = 1 << 20 };

static const struct embedded_file *find_kind(const char *kind)
{
    char path[64];
    snprintf(path, sizeof path, "%s%.40s.lua", folder, kind);
    return embedded_find(embedded_lua_files, embedded_lua_file_count, path);
}

/* The kinds there are: "api, dataset". */
static char *known_kinds(void)
{
    struct buf text;
    buf_init(&text, SKELETON_LIMIT);
    for (size_t i = 0; i < embedded_lua_file_count; i++) {
        const char *path = embedded_lua_files[i].path;
        if (strncmp(path, folder, strlen(folder)) != 0)
            continue;
        const char *name = path + strlen(folder);
        buf_printf(&text, "%s%.*s", text.len ? ", " : "", (int)strcspn(name, "."), name);
    }
    return buf_take(&text);
}

/* The name stands in the script itself, so it holds nothing that would end a comment or a string.
 */
static bool check_name(const char *name, struct err *err)
{
    static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t len = strlen(name);
    if (len > 0 && len <= PATH_NAME_LIMIT && strspn(name, fit) == len && !strchr(".-", name[0]))
        return true;
    return err_set(err,
                   "\"%.100s\" is no name for a script: it is letters, digits, '_', '-' and '.', "
                   "at most %d of them, begins with neither '-' nor '.', and the file is made in "
                   "the current folder",
                   name, PATH_NAME_LIMIT);
}

/* The skeleton with NAME replaced; owned by `out`. */
static void fill(const struct embedded_file *skeleton, const char *name, struct buf *out)
{
    static const char mark[] = "NAME";
    const char *at = (const char *)skeleton->data, *found;
    buf_init(out, SKELETON_LIMIT);
    for (; (found = strstr(at, mark)); at = found + strlen(mark)) {
        buf_add(out, at, (size_t)(found - at));
        buf_add_text(out, name);
    }
    buf_add_text(out, at);
}

static int write_new(const char *path, const struct buf *text, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST) {
        err_set(err, "%s exists and is not overwritten; give another name or remove it", path);
        return EXIT_BAD_OPTIONS;
    }
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool ok = file && fwrite(text->data, 1, text->len, file) == text->len;
    ok = file && fclose(file) == 0 && ok;
    if (ok)
        return EXIT_DONE;
    err_set(err, "%s cannot be written: %s", path, strerror(errno));
    if (fd >= 0)
        unlink(path);
    return EXIT_NOTHING_SUCCEEDED;
}

static int make(const char *kind, char *name, struct err *err)
{
    const struct embedded_file *skeleton = find_kind(kind);
    if (!skeleton) {
        char *kinds = known_kinds();
        err_set(err, "there is no skeleton \"%.100s\"; there are: %s", kind, kinds);
        free(kinds);
        return EXIT_BAD_OPTIONS;
    }
    if (path_ends_with(name, ".lua"))
        name[strlen(name) - strlen(".lua")] = '\0';
    if (!check_name(name, err))
        return EXIT_BAD_OPTIONS;
    struct buf text;
    fill(skeleton, name, &text);
    char *path = mem_printf("%s.lua", name);
    int code = write_new(path, &text, err);
    if (code == EXIT_DONE)
        printf("%s is written; it says how to try it\n", path);
    free(path);
    buf_fini(&text);
    return code;
}

int new_cmd(int argc, char **argv, int first)
{
    struct err err;
    int code = EXIT_BAD_OPTIONS;
    if (argc - first != 2) {
        char *kinds = known_kinds();
        err_set(&err, "what is to be written? llmbench new KIND NAME, where KIND is one of: %s",
                kinds);
        free(kinds);
    } else {
        code = make(argv[first], argv[first + 1], &err);
    }
    if (code != EXIT_DONE)
        fprintf(stderr, "llmbench new: %s\n", err.text);
    return code;
}
