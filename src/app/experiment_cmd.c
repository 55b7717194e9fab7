/* `llmbench experiment`: a Lua file drives whole runs; each is a stage of one session. */
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/commands.h"
#include "app/experiment.h"
#include "app/help.h"
#include "base/mem.h"

/* Its words: the experiment comes first, for its own options are among those that follow. */
static bool take_name(struct experiment *experiment, int argc, char **argv, int first,
                      struct err *err)
{
    if (first >= argc || argv[first][0] == '-')
        return err_set(err,
                       "which experiment? it comes first: llmbench experiment FILE.lua or "
                       "one of %s, then the options",
                       script_builtin_names("experiments"));
    experiment->name = argv[first];
    experiment->argc = argc;
    experiment->argv = argv;
    experiment->first = first + 1;
    return true;
}

int experiment_cmd(int argc, char **argv, int first)
{
    struct err err;
    struct experiment *experiment = experiment_new();
    int code = EXIT_BAD_OPTIONS;
    if (take_name(experiment, argc, argv, first, &err))
        code = experiment_carry_out(experiment);
    else
        session_fail(&experiment->session, code, &err);
    experiment_free(experiment, code);
    return code;
}

int experiment_help(int argc, char **argv, int first, struct script_options *own)
{
    struct err err;
    struct experiment *experiment = experiment_new();
    int code = EXIT_DONE;
    experiment->only_options = true;
    if (first < argc && argv[first][0] != '-' && take_name(experiment, argc, argv, first, &err))
        code = experiment_carry_out(experiment);
    *own = experiment->own;
    experiment->own = (struct script_options){0};
    experiment_free(experiment, code);
    return code;
}
