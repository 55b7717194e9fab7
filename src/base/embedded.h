/* Files of the source tree that are linked into the binary (generated at build time by
 * scripts/embed.cmake). */
#pragma once

#include <stddef.h>
#include <string.h>

struct embedded_file {
    const char *path;          /* relative to its root: "apis/openai.lua", "schema.sql" */
    const unsigned char *data; /* followed by a NUL that is not counted */
    size_t len;
};

extern const struct embedded_file embedded_lua_files[]; /* everything below lua/ */
extern const size_t embedded_lua_file_count;
extern const struct embedded_file embedded_sql_files[]; /* out/schema.sql */
extern const size_t embedded_sql_file_count;
extern const struct embedded_file embedded_faults_files[]; /* mock/faults/ */
extern const size_t embedded_faults_file_count;

/* NULL when there is none of that path. */
static inline const struct embedded_file *embedded_find(const struct embedded_file *files,
                                                        size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    return NULL;
}
