/* Where scripts are: files, $LLMBENCH_PATH, the share folder beside the program's bin folder, the
 * one it was configured for, the binary. No Lua. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"

struct source {
    char *name;      /* short: "openai", "mine.lua" */
    char *where;     /* "built in" or the file's path */
    char *chunk;     /* what Lua puts before line numbers: "@mine.lua" */
    char *folder;    /* the file's folder; NULL when built in */
    struct buf text; /* the script itself */
};

void source_fini(struct source *source);
/* kind: "apis", "datasets" or "experiments"; `option` is named in messages. */
bool source_find(struct source *source, const char *kind, const char *option, const char *name,
                 struct err *err) MUST_CHECK;
/* Whether that name leads to a file, be it there or not, and not into the binary. */
bool source_on_disk(const char *kind, const char *name);
/* Whether it is a script of this program, wherever it was found. */
bool source_is_shipped(const struct source *source);
/* A file of lua/ that is in the binary, as it is there. */
bool source_builtin(struct source *source, const char *path, struct err *err) MUST_CHECK;
bool source_read(struct source *source, const char *path, struct err *err) MUST_CHECK;
/* A module for require: "a.b" is a/b.lua in one of the folders, else in the binary. False with an
 * empty err->text: there is none. */
bool source_module(struct source *source, const struct list *folders, const char *name,
                   struct err *err) MUST_CHECK;
