/* Downloads one file from the first of several sources that delivers it. Main thread, blocking.
 *
 * Bytes go to PATH.part, which is locked against other processes and renamed to PATH when complete,
 * so PATH is never half a file. A download that was cut is resumed (within one call, or by the
 * next) if the server had given an ETag for it, which is kept beside it in PATH.part.etag; a server
 * that ignores the request for a range, or whose file has changed, starts it again. Only JSON is
 * accepted: the first byte that is not blank must be '{' or '['. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"

struct fetch_config {
    const char *path;        /* where the file is to be; its folder exists */
    const char *const *urls; /* the sources, in order */
    size_t url_count;
    uint64_t connect_timeout_ns;
    uint64_t stall_ns; /* a source that sends nothing for so long is given up; whole seconds */
    uint64_t limit;    /* bytes at most */
    bool show;         /* progress on stderr, which is a terminal */
    struct log *log;   /* one warning for each source that failed */
};

enum fetch_result {
    FETCH_DONE,
    FETCH_THERE,       /* another process has brought it meanwhile */
    FETCH_FAILED,      /* err says why the last source failed; the log names all */
    FETCH_INTERRUPTED, /* SIGINT or SIGTERM, which main has blocked, is pending */
};

/* `source` receives the index of the URL that served. */
enum fetch_result fetch_file(const struct fetch_config *config, size_t *source, struct err *err);
