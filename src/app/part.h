/* The unfinished file of a download: PATH.part under a lock, with PATH.part.etag beside it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct part {
    const char *path; /* the final one, borrowed */
    char *part_path;
    char *tag_path;
    int fd;
    uint64_t size; /* bytes in the file */
};

enum part_lock {
    PART_LOCKED,
    PART_BUSY,   /* another process holds it; `size` says how far it is */
    PART_FAILED, /* err says why */
};

void part_init(struct part *part, const char *path);
/* Opens and locks; may be called again after PART_BUSY. */
enum part_lock part_open(struct part *part, struct err *err);
void part_fini(struct part *part); /* unlocks; an empty part is removed */

/* The ETag under which the bytes in the part came from this URL, owned; NULL when they did not or
 * cannot be resumed. */
char *part_tag(const struct part *part, const char *url);
/* Forgets the bytes; what comes next is from this URL under this ETag ("" = none). */
bool part_restart(struct part *part, const char *url, const char *etag, struct err *err) MUST_CHECK;
bool part_add(struct part *part, const void *data, size_t len, struct err *err) MUST_CHECK;
/* Forgets the bytes: they are of no use. */
void part_drop(struct part *part);
/* The part becomes PATH. */
bool part_finish(struct part *part, struct err *err) MUST_CHECK;
