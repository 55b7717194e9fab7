/* `llmbench calibrate`: how exact this program is on this machine, and up to which load. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/calibrate.h"
#include "app/calibrated.h"
#include "app/commands.h"
#include "app/paths.h"
#include "base/mem.h"
#include "out/calibration.h"

static int fail(int code, const struct err *err)
{
    if (err->text[0])
        fprintf(stderr, "llmbench calibrate: %s\n", err->text);
    return code;
}

static bool write_json(const char *path, const char *json, struct err *err)
{
    if (strcmp(path, "-") != 0)
        return path_write(path, span_text(json), true, err);
    return fputs(json, stdout) >= 0 || err_set(err, "the result could not be written to stdout");
}

/* Only a result that counts is kept for the runs to come. */
static bool keep(const struct calibration *found, const char *json, FILE *out, struct err *err)
{
    if (found->base.server_late)
        return true;
    char *path = calibrated_path();
    if (!path)
        return err_set(err, "neither XDG_STATE_HOME nor HOME names a folder to keep this in");
    bool ok = calibrated_keep(path, span_text(json), err);
    if (ok)
        fprintf(out, "\nKept for the runs to come: %s\n", path);
    free(path);
    return ok;
}

static int tell(const struct calibrate_spec *spec, const struct calibration *found)
{
    struct err err;
    FILE *out = spec->json && strcmp(spec->json, "-") == 0 ? stderr : stdout;
    char *json = calibration_json(found);
    int code = EXIT_DONE;
    calibration_show(found, out);
    if (!keep(found, json, out, &err))
        code = fail(EXIT_NOTHING_SUCCEEDED, &err);
    if (spec->json && !write_json(spec->json, json, &err))
        code = fail(EXIT_NOTHING_SUCCEEDED, &err);
    free(json);
    if (fflush(stdout) != 0 && code == EXIT_DONE) {
        err_set(&err, "the result could not be written to stdout");
        code = fail(EXIT_NOTHING_SUCCEEDED, &err);
    }
    return code;
}

int calibrate_cmd(int argc, char **argv, int first)
{
    struct err err;
    struct calibrate_options options;
    struct calibration found = {0};
    int code = EXIT_BAD_OPTIONS;
    if (calibrate_options_read(&options, argc, argv, first, &err))
        code = calibrate(&options.spec, &found, &err);
    code = code == EXIT_DONE ? tell(&options.spec, &found) : fail(code, &err);
    calibration_fini(&found);
    calibrate_options_fini(&options);
    return code;
}
