/* `llmbench run`: from options to exit code. */
#include "app/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/checks.h"
#include "app/data.h"
#include "app/fetch.h"
#include "app/hidden.h"
#include "app/host.h"
#include "app/options.h"
#include "app/paths.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "out/console.h"
#include "out/json_report.h"
#include "out/progress.h"
#include "out/store.h"
#include "run/run.h"

enum {
    OTHER_DESCRIPTORS = 64, /* database, log, loops, queues, name service */
    WORKER_DESCRIPTORS = 8, /* epoll, timerfd, eventfd, pipes of one worker */
    BODY_LIMIT = 64 << 20,  /* bytes of one composed request body */
};

enum { SINK_STORE, SINK_PROGRESS, SINKS };

/* Everything a run needs from its first option to its last line. */
struct session {
    struct options options;
    struct secrets *secrets;
    struct log *log;
    struct data_source data;
    struct run_facts facts;
    char *resolve; /* for http_config */
    char *libraries;
    struct store *store;
    struct progress *progress;
    struct sink sinks[SINKS]; /* the store joins when the target has been probed */
    struct report report;
    bool http_begun;
};

static int fail(struct session *session, int code, const struct err *err)
{
    char *text = secrets_hidden(session->secrets, err->text);
    fprintf(stderr, "llmbench: %s\n", text);
    free(text);
    return code;
}

/* ---- before the run ---- */

static void name_run(struct session *session)
{
    struct run_facts *facts = &session->facts;
    const struct run_spec *spec = &session->options.spec;
    facts->started_wall_ns = clock_wall_ns();
    facts->name = spec->name
                      ? mem_text(spec->name)
                      : path_run_name(spec->model, spec->outputs_dir, facts->started_wall_ns);
    facts->db_path = mem_printf("%s/%s.db", spec->outputs_dir, facts->name);
    facts->log_path = mem_printf("%s/%s.log", spec->outputs_dir, facts->name);
}

static void collect_facts(struct session *session)
{
    struct run_facts *facts = &session->facts;
    const struct run_spec *spec = &session->options.spec;
    name_run(session);
    session->libraries = host_libraries();
    facts->version = LLMBENCH_VERSION;
    facts->libraries = session->libraries;
    facts->url = secrets_url(session->secrets, spec->url);
    facts->model = mem_text(spec->model ? spec->model : "");
    facts->data_source = mem_text(session->data.said);
    facts->host = host_line();
    facts->options = &session->options.set;
}

/* Results are never overwritten; better said now than when the scripts are loaded. */
static bool check_new(const struct session *session, struct err *err)
{
    const char *path = session->facts.db_path;
    if (access(path, F_OK) != 0)
        return true;
    return err_set(err, "%s exists and is not overwritten; give another --name or remove it", path);
}

static bool raise_descriptors(const struct run_spec *spec, struct err *err)
{
    uint64_t wanted =
        (uint64_t)spec->parallel + OTHER_DESCRIPTORS + (uint64_t)spec->threads * WORKER_DESCRIPTORS;
    uint64_t limit = loop_raise_descriptors(wanted);
    if (limit >= wanted)
        return true;
    return err_set(
        err,
        "--parallel %lld needs %llu open files, but this system allows %llu to a process "
        "(see ulimit -Hn); raise that limit or lower --parallel",
        (long long)spec->parallel, (unsigned long long)wanted, (unsigned long long)limit);
}

static void open_progress(struct session *session)
{
    const struct run_spec *spec = &session->options.spec;
    if (spec->quiet)
        return;
    session->progress =
        progress_new(session->log, isatty(STDERR_FILENO), (uint64_t)spec->log_every);
    session->sinks[SINK_PROGRESS] = progress_sink(session->progress);
}

/* Both or neither: a run that cannot start leaves no file behind. */
static bool open_files(struct session *session, struct err *err)
{
    const struct run_facts *facts = &session->facts;
    session->store = store_open(facts->db_path, facts, session->secrets, err);
    if (!session->store)
        return false;
    if (log_open_file(session->log, facts->log_path, err))
        return true;
    store_close(session->store, NULL);
    session->store = NULL;
    unlink(facts->db_path);
    return false;
}

/* The scripts are loaded. A dead target must leave no file behind, so it is asked first. */
static bool on_ready(void *arg, const struct script_facts *scripts, struct http_config *http,
                     struct err *err)
{
    struct session *session = arg;
    const struct run_spec *spec = &session->options.spec;
    free(session->facts.url);
    session->facts.url = secrets_url(session->secrets, scripts->url);
    if (!http_probe(scripts->url, http, &session->resolve, err))
        return false;
    http->resolve = session->resolve;
    if (!path_make_folder(spec->outputs_dir, err))
        return err_prefix(err, "--outputs-dir");
    if (!open_files(session, err))
        return false;
    log_info(session->log, "data: %s; results: %s", session->facts.data_source,
             session->facts.db_path);
    session->sinks[SINK_STORE] = store_sink(session->store);
    open_progress(session);
    return true;
}

/* The third interrupt: what has been written stays valid, nothing else is waited for. */
static void on_abandon(void *arg)
{
    struct session *session = arg;
    if (session->store)
        store_close(session->store, NULL);
    log_warn(session->log,
             "left at the third interrupt: no report, the database holds what was written");
    _exit(EXIT_INTERRUPTED);
}

/* ---- the run ---- */

static struct run_config config_of(struct session *session)
{
    const struct run_spec *spec = &session->options.spec;
    return (struct run_config){
        .spec = spec,
        .plan = plan_of(spec, spec->prompt != NULL),
        .script =
            {
                .file = spec->script,
                .api = spec->api,
                .dataset = spec->dataset,
                .opts = &session->options.set,
                .data_path = session->data.path,
                .url = spec->url,
                .model = spec->model,
                .log = session->log,
                .secrets = session->secrets,
                .seed = (uint64_t)spec->plan_seed,
                .body_limit = BODY_LIMIT,
            },
        .http =
            {
                .insecure = spec->insecure,
                .cacert = spec->cacert,
                .compressed = spec->compressed,
                .connect_timeout_ns = spec->connect_timeout_ns,
                .read_timeout_ns = spec->read_timeout_ns,
                .total_timeout_ns = spec->total_timeout_ns,
                .user_agent = "llmbench/" LLMBENCH_VERSION,
            },
        .log = session->log,
        .sinks = session->sinks,
        .sink_count = SINKS,
        .facts = &session->facts,
        .ready = on_ready,
        .abandon = on_abandon,
        .arg = session,
    };
}

static int exit_code_of(const struct report *report)
{
    if (report->interrupted)
        return EXIT_INTERRUPTED;
    bool failed = report->end == RUN_END_SCRIPT_ERRORS || report->end == RUN_END_HOOK_TIMEOUT;
    return report->whole.ok > 0 && !failed ? EXIT_DONE : EXIT_NOTHING_SUCCEEDED;
}

/* With the JSON on stdout the tables step aside, so that stdout can be parsed. */
static int write_report(struct session *session)
{
    struct err err;
    const char *json = session->options.spec.json;
    bool json_on_stdout = json && strcmp(json, "-") == 0;
    console_report_hiding(json_on_stdout ? stderr : stdout, &session->report, session->secrets);
    fflush(stdout);
    int code = exit_code_of(&session->report);
    if (json && !json_report_write(&session->report, session->secrets, json, &err))
        return fail(session, code == EXIT_DONE ? EXIT_NOTHING_SUCCEEDED : code, &err);
    return code;
}

static bool close_files(struct session *session, struct err *err)
{
    bool ok = true;
    if (session->progress)
        progress_free(session->progress);
    if (session->store)
        ok = store_close(session->store, err);
    session->progress = NULL;
    session->store = NULL;
    return ok;
}

static void log_verdict(const struct session *session)
{
    const struct verdict *verdict = &session->report.verdict;
    log_note(session->log, "run ended: %s", run_end_sentence(session->report.end));
    log_note(session->log, "verdict: %s", verdict->sound ? "sound" : "not sound");
    for (size_t i = 0; i < verdict->count; i++)
        log_note(session->log, "%s: %s", verdict->remark[i] ? "note" : "reason",
                 verdict->reason[i]);
}

static int carry_out(struct session *session)
{
    struct err err, closing;
    struct run_config config = config_of(session);
    bool ran = run_execute(&config, &session->report, &err);
    bool closed = close_files(session, &closing);
    if (!ran)
        return fail(session, EXIT_CANNOT_START, &err);
    log_verdict(session);
    int code = write_report(session);
    if (!closed)
        code = fail(session, code == EXIT_DONE ? EXIT_NOTHING_SUCCEEDED : code, &closing);
    return code;
}

/* ---- the whole command ---- */

static int prepare_and_run(struct session *session)
{
    struct err err;
    const struct run_spec *spec = &session->options.spec;
    if (!checks_files(spec, &err) || !raise_descriptors(spec, &err))
        return fail(session, EXIT_CANNOT_START, &err);
    signals_block();
    if (!http_global_init(&err))
        return fail(session, EXIT_CANNOT_START, &err);
    session->http_begun = true;
    bool show = isatty(STDERR_FILENO) && !spec->quiet;
    enum data_result data = data_find(spec, session->log, show, &session->data, &err);
    if (data == DATA_INTERRUPTED)
        return EXIT_INTERRUPTED;
    if (data == DATA_FAILED)
        return fail(session, EXIT_CANNOT_START, &err);
    collect_facts(session);
    if (!check_new(session, &err))
        return fail(session, EXIT_BAD_OPTIONS, &err);
    int code = carry_out(session);
    /* Ctrl-C before the run's own signal handling began, for example while a server was silent. */
    return code == EXIT_CANNOT_START && fetch_interrupted() ? EXIT_INTERRUPTED : code;
}

static void session_fini(struct session *session)
{
    report_fini(&session->report);
    run_facts_fini(&session->facts);
    free(session->resolve);
    free(session->libraries);
    data_source_fini(&session->data);
    if (session->http_begun)
        http_global_fini();
    log_free(session->log);
    secrets_free(session->secrets);
    options_fini(&session->options);
}

int run_cmd(int argc, char **argv, int first)
{
    struct err err;
    struct session session = {.secrets = secrets_new(), .data = {.fd = -1}};
    bool ok = options_read(&session.options, argc, argv, first, &err);
    session.log = log_new(ok && session.options.spec.quiet ? LOG_WARN : LOG_INFO, session.secrets);
    hidden_add(session.secrets, &session.options.spec, session.log);
    int code = ok ? prepare_and_run(&session) : fail(&session, EXIT_BAD_OPTIONS, &err);
    session_fini(&session);
    return code;
}
