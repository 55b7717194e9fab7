#include "app/work_dir.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define UNNAMED "llm_benchmark"

/* The folder of a run that begins at this time, owned. `name` may be NULL. */
static char *folder_of(const char *work_dir, const char *name, uint64_t wall_ns)
{
    char when[32];
    char *part = mem_text(name && *name ? name : UNNAMED);
    size_t len = strlen(work_dir);
    for (char *at = part; *at; at++)
        if (isspace((unsigned char)*at))
            *at = '_';
    while (len > 1 && work_dir[len - 1] == '/')
        len--;
    clock_format(when, sizeof when, "%Y%m%d%H%M%S", wall_ns);
    char *folder = mem_printf("%.*s/output/%s-%s", (int)len, work_dir, part, when);
    free(part);
    return folder;
}

bool work_dir_check(const struct opt_set *set, const struct run_spec *spec, struct err *err)
{
    if (!spec->work_dir)
        return true;
    if (!*spec->work_dir)
        return err_set(err, "--work-dir is empty; give it a folder, . for this one");
    if (opt_given(set, "outputs-dir"))
        return err_set(err,
                       "--work-dir %s and --outputs-dir %s both say where the outputs go; give one",
                       spec->work_dir, spec->outputs_dir);
    return true;
}

void work_dir_apply(struct options *options, uint64_t wall_ns)
{
    struct run_spec *spec = &options->spec;
    if (!spec->work_dir)
        return;
    char *folder = folder_of(spec->work_dir, spec->name, wall_ns);
    free(spec->outputs_dir);
    spec->outputs_dir = folder;
}
