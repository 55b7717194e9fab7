#include "app/experiment.h"

#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/hidden.h"
#include "app/paths.h"
#include "app/services.h"
#include "base/mem.h"
#include "base/output.h"
#include "io/loop.h"
#include "out/json_report.h"

enum { RUNS_MOST = 10000 }; /* each keeps its report until the end */

#define INTERRUPTED "interrupted"

/* ---- the command line ---- */

/* Ends the Lua code; the words are never seen. */
static bool stop(struct experiment *experiment, int code, struct err *err)
{
    experiment->stopped = true;
    experiment->failure_code = code;
    return err_set(err, INTERRUPTED);
}

static bool failed(struct experiment *experiment, int code, const struct err *err)
{
    experiment->failure = *err;
    experiment->failure_code = code;
    return false;
}

static bool print_dump(struct experiment *experiment, struct err *err)
{
    char *text = secrets_hidden(experiment->session.secrets, experiment->options.dump);
    fputs(text, stdout);
    free(text);
    return stop(experiment, session_flush(&experiment->session, EXIT_DONE), err);
}

/* Not before the experiment has said which options of its own there are. */
static bool read_options(struct experiment *experiment, struct err *err)
{
    struct options *options = &experiment->options;
    struct options_more more = {.whole = true, .experiment = &experiment->own};
    if (experiment->only_options)
        return stop(experiment, EXIT_DONE, err);
    if (experiment->options_read)
        return true;
    bool ok = options_read_more(options, experiment->argc, experiment->argv, experiment->first,
                                &more, experiment->session.secrets, err);
    if (!ok)
        return failed(experiment, options->code, err);
    experiment->options_read = true;
    session_listen(&experiment->session);
    return !options->dump || print_dump(experiment, err);
}

static bool host_options(void *arg, const struct opt_set **values, struct err *err)
{
    struct experiment *experiment = arg;
    if (experiment->options_read)
        return err_set(err, "bench.options comes once, and before the first bench.run");
    *values = &experiment->options.set;
    return read_options(experiment, err);
}

/* ---- a run ---- */

static bool hear(struct experiment *experiment)
{
    experiment->interrupted |= signals_pending();
    return experiment->interrupted;
}

static bool may_run(struct experiment *experiment, struct err *err)
{
    struct session *session = &experiment->session;
    if (!read_options(experiment, err))
        return false;
    if (hear(experiment)) {
        err_set(err, INTERRUPTED);
        return failed(experiment, EXIT_INTERRUPTED, err);
    }
    if (session->stuck) {
        err_set(err, "bench.run: a script is stuck in the run before, so there can be no other");
        return failed(experiment, EXIT_NOTHING_SUCCEEDED, err);
    }
    if (experiment->runs == RUNS_MOST)
        return err_set(err, "bench.run: an experiment may have at most %d runs", RUNS_MOST);
    if (!session->http_begun && !session_begin(session, err))
        return failed(experiment, EXIT_CANNOT_START, err);
    return true;
}

/* The options have been read: from here on they are as good as those of `llmbench run`. */
static int carry_out(struct experiment *experiment, struct options *options, struct one_run *run,
                     struct err *err)
{
    struct session *session = &experiment->session;
    struct data_place *place = data_place_of(&experiment->data, &options->spec, err);
    if (!place)
        return EXIT_CANNOT_START;
    hidden_add(session->secrets, options, session->log);
    session->stage_options =
        json_report_given(&options->set, OPT_EXPERIMENT, &options->without, session->secrets);
    experiment->place.items = place->items;
    options->spec.offline |= place->looked;
    place->looked = true;
    int code = one_run_carry_out(run, err);
    if (code == EXIT_DONE)
        place->items = experiment->place.items;
    return code;
}

/* Keeps what the run has brought. */
static void take(struct experiment *experiment, struct reports *reports)
{
    struct session *session = &experiment->session;
    size_t before = session->reports.count, count = reports->count;
    for (size_t i = 0; i < count; i++)
        experiment->succeeded |= reports->items[i].whole.ok > 0;
    for (size_t i = 0; i < count; i++)
        experiment->broken |= report_failed(&reports->items[i]);
    experiment->interrupted |= reports->interrupted;
    experiment->broken |= one_run_broken(reports);
    experiment->runs++;
    session_take(session, reports, session->stage_options);
    experiment->view = (struct reports){.items = session->reports.items + before, .count = count};
}

/* A run that was interrupted during its warm-up has nothing to show. */
static int run_once(struct experiment *experiment, struct options *options, struct err *err)
{
    struct one_run run;
    one_run_init(&run, &experiment->session, options);
    int code = carry_out(experiment, options, &run, err);
    if (code == EXIT_DONE)
        take(experiment, &run.reports);
    if (code == EXIT_DONE && !experiment->view.count)
        code = EXIT_INTERRUPTED;
    if (code == EXIT_INTERRUPTED) {
        experiment->interrupted = true;
        err_set(err, INTERRUPTED);
    }
    one_run_fini(&run);
    free(experiment->session.stage_options);
    experiment->session.stage_options = NULL;
    return code;
}

static bool host_run(void *arg, struct span given, const struct reports **reports, struct err *err)
{
    struct experiment *experiment = arg;
    struct options_more more = {.experiment = &experiment->own, .given = given};
    if (!may_run(experiment, err))
        return false;
    struct options *options = MEM_NEW(struct options);
    int code = EXIT_DONE;
    if (options_read_more(options, experiment->argc, experiment->argv, experiment->first, &more,
                          experiment->session.secrets, err))
        code = run_once(experiment, options, err);
    else
        code = options->code;
    if (!experiment->session.stuck) { /* else its thread may look at them */
        options_fini(options);
        free(options);
    }
    *reports = &experiment->view;
    return code == EXIT_DONE || failed(experiment, code, err);
}

/* ---- what else it may do ---- */

static void host_print(void *arg, struct span text)
{
    struct experiment *experiment = arg;
    struct buf hidden;
    FILE *out = session_tables(&experiment->session);
    buf_init(&hidden, SIZE_MAX);
    secrets_hide(experiment->session.secrets, text, &hidden);
    fwrite(hidden.data, 1, hidden.len, out);
    fflush(out);
    buf_fini(&hidden);
}

static bool host_write(void *arg, const char *path, struct span content, bool replace,
                       struct err *err)
{
    struct experiment *experiment = arg;
    struct buf hidden;
    buf_init(&hidden, SIZE_MAX);
    secrets_hide(experiment->session.secrets, content, &hidden);
    bool ok = path_write(path, buf_span(&hidden), replace, err);
    buf_fini(&hidden);
    return ok;
}

static bool host_interrupted(void *arg)
{
    struct experiment *experiment = arg;
    bool pending = signals_pending();
    experiment->interrupted |= pending;
    return pending || experiment->stopped;
}

/* ---- life ---- */

struct experiment *experiment_new(void)
{
    struct experiment *experiment = MEM_NEW(struct experiment);
    session_init(&experiment->session, &experiment->options);
    session_log(&experiment->session, false);
    experiment->session.place = &experiment->place;
    experiment->services = services_of(&experiment->options.spec, NULL);
    experiment->host = (struct experiment_host){
        .run = host_run,
        .options = host_options,
        .own = &experiment->own,
        .print = host_print,
        .write = host_write,
        .interrupted = host_interrupted,
        .arg = experiment,
    };
    return experiment;
}

/* What an error that nobody caught means: it may be a run's that could not start. */
static int code_of_error(const struct experiment *experiment, const struct err *err)
{
    const char *sentence = experiment->failure.text;
    if (*sentence && strstr(err->text, sentence))
        return experiment->failure_code;
    return experiment->runs ? EXIT_NOTHING_SUCCEEDED : EXIT_CANNOT_START;
}

static int code_of_runs(const struct experiment *experiment)
{
    if (experiment->interrupted)
        return EXIT_INTERRUPTED;
    bool empty = experiment->runs > 0 && !experiment->succeeded;
    return empty || experiment->broken ? EXIT_NOTHING_SUCCEEDED : EXIT_DONE;
}

static bool run_lua(struct experiment *experiment, struct err *err)
{
    static const struct opt_set program = {.rows = run_rows};
    struct opt_set rows = program;
    rows.count = run_row_count;
    struct script_config config = {
        .role = SCRIPT_COMPOSER,
        .opts = &rows,
        .log = experiment->session.log,
        .secrets = experiment->session.secrets,
        .services = &experiment->services,
    };
    experiment->script = experiment_open(experiment->name, &experiment->host, &config, err);
    bool ok = experiment->script && experiment_run(experiment->script, err);
    if (experiment->script)
        script_close(experiment->script);
    return ok;
}

/* Wrong options are said even if the experiment never asked for them. */
static bool run_to_the_end(struct experiment *experiment, struct err *err)
{
    return run_lua(experiment, err) && read_options(experiment, err);
}

int experiment_carry_out(struct experiment *experiment)
{
    struct err err = {0};
    struct session *session = &experiment->session;
    signals_block();
    outputs_guard(false);
    bool ok = run_to_the_end(experiment, &err);
    int code = ok ? code_of_runs(experiment) : code_of_error(experiment, &err);
    if (experiment->stopped)
        return experiment->failure_code;
    if (!ok && experiment->interrupted)
        code = EXIT_INTERRUPTED;
    else if (!ok)
        session_fail(session, code, &err);
    code = session_end(session, code);
    if (session->reports.count)
        return code;
    session_remove_files(session);
    return session_flush(session, code);
}

void experiment_free(struct experiment *experiment, int code)
{
    data_places_fini(&experiment->data);
    session_fini(&experiment->session, code);
    options_fini(&experiment->options);
    script_options_fini(&experiment->own);
    free(experiment);
}
