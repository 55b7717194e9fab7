#include "app/calibrated.h"

#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "app/host.h"
#include "app/paths.h"
#include "base/buf.h"
#include "base/mem.h"
#include "model/report.h"
#include "out/calibration.h"

enum { FILE_LIMIT = 1 << 20 };

char *calibrated_path(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && state[0] == '/')
        return mem_printf("%s/llmbench/calibration.json", state);
    if (home && home[0] == '/')
        return mem_printf("%s/.local/state/llmbench/calibration.json", home);
    return NULL;
}

bool calibrated_keep(const char *path, struct span json, struct err *err)
{
    char *folder = path_folder(path);
    bool ok = path_make_folder(folder, err) && path_write(path, json, true, err);
    free(folder);
    return ok || err_prefix(err, "%s", path);
}

static void take(struct run_facts *facts, const char *path, struct buf *content, struct log *log)
{
    char *machine = host_name();
    facts->calibrated = calibration_line(buf_span(content), facts->version, machine, facts->host);
    if (facts->calibrated)
        facts->calibration = buf_take(content);
    else
        log_info(log, "%s is no calibration of llmbench's and is passed over", path);
    free(machine);
}

void calibrated_look(struct run_facts *facts, struct log *log)
{
    struct buf content;
    struct err err;
    char *path = calibrated_path();
    if (!path)
        return;
    buf_init(&content, FILE_LIMIT);
    if (access(path, F_OK) == 0) {
        if (path_read(path, &content, &err))
            take(facts, path, &content, log);
        else
            log_info(log, "the calibration is passed over: %s", err.text);
    }
    buf_fini(&content);
    free(path);
}
