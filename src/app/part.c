#include "app/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/paths.h"
#include "base/mem.h"

enum { TAG_FILE_LIMIT = 16 << 10 };

void part_init(struct part *part, const char *path)
{
    *part = (struct part){
        .path = path,
        .part_path = mem_printf("%s.part", path),
        .tag_path = mem_printf("%s.part.etag", path),
        .fd = -1,
    };
}

static void close_part(struct part *part)
{
    if (part->fd >= 0)
        close(part->fd);
    part->fd = -1;
}

/* Whether the name still leads to the file that was opened: its last holder may have renamed it
 * while this process waited for the lock. */
static bool is_same_file(const struct part *part, struct stat *opened)
{
    struct stat named;
    return fstat(part->fd, opened) == 0 && stat(part->part_path, &named) == 0 &&
           named.st_ino == opened->st_ino && named.st_dev == opened->st_dev;
}

enum part_lock part_open(struct part *part, struct err *err)
{
    struct stat info;
    close_part(part);
    part->fd = open(part->part_path, O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, 0666);
    if (part->fd < 0) {
        err_set(err, "cannot write %s: %s", part->part_path, strerror(errno));
        return PART_FAILED;
    }
    bool locked = flock(part->fd, LOCK_EX | LOCK_NB) == 0;
    bool same = is_same_file(part, &info);
    part->size = same ? (uint64_t)info.st_size : 0;
    if (locked && same)
        return PART_LOCKED;
    close_part(part);
    return PART_BUSY;
}

void part_fini(struct part *part)
{
    if (part->fd >= 0 && part->size == 0) {
        unlink(part->part_path);
        unlink(part->tag_path);
    }
    close_part(part);
    free(part->part_path);
    free(part->tag_path);
}

/* The file beside the part holds two lines: URL and ETag. */
char *part_tag(const struct part *part, const char *url)
{
    struct buf text;
    buf_init(&text, TAG_FILE_LIMIT);
    char *tag = NULL;
    if (part->size > 0 && path_read(part->tag_path, &text, NULL)) {
        char *lines = buf_take(&text), *newline = strchr(lines, '\n');
        size_t len = newline ? (size_t)(newline - lines) : 0;
        if (newline && len == strlen(url) && memcmp(lines, url, len) == 0)
            tag = mem_copy(newline + 1, strcspn(newline + 1, "\n"));
        free(lines);
    }
    buf_fini(&text);
    if (tag && !*tag) {
        free(tag);
        tag = NULL;
    }
    return tag;
}

static bool write_tag(const struct part *part, const char *url, const char *etag, struct err *err)
{
    FILE *file = fopen(part->tag_path, "w");
    if (!file)
        return err_set(err, "cannot write %s: %s", part->tag_path, strerror(errno));
    bool ok = fprintf(file, "%s\n%s\n", url, etag) > 0;
    ok = fclose(file) == 0 && ok;
    return ok || err_set(err, "cannot write %s: %s", part->tag_path, strerror(errno));
}

bool part_restart(struct part *part, const char *url, const char *etag, struct err *err)
{
    if (ftruncate(part->fd, 0) != 0)
        return err_set(err, "cannot empty %s: %s", part->part_path, strerror(errno));
    part->size = 0;
    return write_tag(part, url, etag, err);
}

void part_drop(struct part *part)
{
    /* Without its tag the rest is never resumed, so a failure here does no harm. */
    unlink(part->tag_path);
    if (ftruncate(part->fd, 0) == 0)
        part->size = 0;
}

bool part_add(struct part *part, const void *data, size_t len, struct err *err)
{
    const char *bytes = data;
    while (len > 0) {
        ssize_t put = write(part->fd, bytes, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_set(err, "cannot write %s: %s", part->part_path, strerror(errno));
        bytes += put;
        len -= (size_t)put;
        part->size += (uint64_t)put;
    }
    return true;
}

bool part_finish(struct part *part, struct err *err)
{
    if (fsync(part->fd) != 0)
        return err_set(err, "cannot write %s: %s", part->part_path, strerror(errno));
    if (rename(part->part_path, part->path) != 0)
        return err_set(err, "cannot rename %s: %s", part->part_path, strerror(errno));
    unlink(part->tag_path);
    close_part(part);
    return true;
}
