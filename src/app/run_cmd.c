/* `llmbench run`: from options to exit code. */
#include "app/commands.h"

#include <stdlib.h>

#include "app/app.h"
#include "app/one_run.h"
#include "app/options.h"
#include "app/session.h"

static int carry_out(struct session *session)
{
    struct err err = {0};
    struct one_run run;
    one_run_init(&run, session, session->options);
    int code = one_run_carry_out(&run, &err);
    if (code == EXIT_DONE) {
        code = one_run_exit_code(&run.reports);
        session_take(session, &run.reports, NULL);
        code = session_end(session, code);
    } else {
        code = session_end(session, session_fail(session, code, &err));
        session_remove_files(session);
    }
    one_run_fini(&run);
    return code;
}

/* --dump-config: nothing else is done. */
static int print_dump(const struct session *session)
{
    char *text = secrets_hidden(session->secrets, session->options->dump);
    fputs(text, stdout);
    free(text);
    return session_flush(session, EXIT_DONE);
}

static int prepare_and_run(struct session *session)
{
    struct err err;
    if (session->options->dump)
        return print_dump(session);
    if (!session_begin(session, &err))
        return session_fail(session, EXIT_CANNOT_START, &err);
    return carry_out(session);
}

int run_cmd(int argc, char **argv, int first)
{
    struct err err;
    struct options options;
    struct session session;
    session_init(&session, &options);
    bool ok = options_read(&options, argc, argv, first, session.secrets, &err);
    session_log(&session, ok);
    int code = ok ? prepare_and_run(&session) : session_fail(&session, options.code, &err);
    session_fini(&session, code);
    options_fini(&options);
    return code;
}
