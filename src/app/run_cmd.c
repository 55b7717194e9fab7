/* `llmbench run`: from options to exit code. */
#include "app/commands.h"

#include <errno.h>
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
#include "app/report_kinds.h"
#include "app/services.h"
#include "app/wandb_curl.h"
#include "app/work_dir.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "out/console_compare.h"
#include "out/debug.h"
#include "out/json_report.h"
#include "out/progress.h"
#include "out/report_zh.h"
#include "out/store.h"
#include "out/wandb.h"
#include "run/run.h"

enum {
    OTHER_DESCRIPTORS = 64, /* database, log, loops, queues, name service */
    WORKER_DESCRIPTORS = 8, /* epoll, timerfd, eventfd, pipes of one worker */
    BODY_LIMIT = 64 << 20,  /* bytes of one composed request body */
};

enum { MOST_IN_FLIGHT = 100000 }; /* of an open loop without a cap */

enum { SINK_STORE, SINK_PROGRESS, SINK_WANDB, SINK_DEBUG, SINKS };

/* Everything a run needs from its first option to its last line. */
struct session {
    struct options options;
    struct secrets *secrets;
    struct log *log;
    struct data_source data;
    struct script_services services;
    struct run_facts facts;
    char *resolve; /* for http_config */
    char *libraries;
    struct store *store;
    struct progress *progress; /* or the live line of the zh report */
    struct zh *zh;
    struct wandb_curl *wandb_curl;
    struct wandb *wandb;
    struct debug *debug;
    struct sink sinks[SINKS]; /* the store joins when the target has been probed */
    struct plans plans;
    struct reports reports;
    bool files_made; /* database and log */
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
    work_dir_apply(&session->options, facts->started_wall_ns);
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

static uint64_t most_parallel(const struct run_spec *spec)
{
    uint64_t most = 1;
    for (size_t i = 0; i < spec->parallel.count; i++)
        if (spec->parallel.items[i] > (double)most)
            most = (uint64_t)spec->parallel.items[i];
    return most;
}

/* Raises the limit of open files to what the load needs, and says how many requests that allows in
 * flight. */
static bool raise_descriptors(const struct run_spec *spec, uint32_t *most_in_flight,
                              struct err *err)
{
    uint64_t parallel = most_parallel(spec);
    uint64_t others = OTHER_DESCRIPTORS + (uint64_t)spec->threads * WORKER_DESCRIPTORS;
    bool unbounded = spec->rate.count && !spec->parallel.count;
    uint64_t limit = loop_raise_descriptors(unbounded ? UINT32_MAX : parallel + others);
    if (limit < parallel + others)
        return err_set(
            err,
            "--parallel %llu needs %llu open files, but this system allows %llu to a process "
            "(see ulimit -Hn); raise that limit or lower --parallel",
            (unsigned long long)parallel, (unsigned long long)(parallel + others),
            (unsigned long long)limit);
    uint64_t most = limit - others;
    *most_in_flight = most > MOST_IN_FLIGHT ? MOST_IN_FLIGHT : (uint32_t)most;
    return true;
}

static void note_threads(const struct session *session)
{
    const struct run_spec *spec = &session->options.spec;
    for (size_t i = 0; i < session->plans.count; i++)
        if (session->plans.items[i].threads < (uint64_t)spec->threads)
            log_info(session->log, "--threads %lld: %u requests in flight need no more than %u",
                     (long long)spec->threads, session->plans.items[i].parallel,
                     session->plans.items[i].threads);
}

static void open_progress(struct session *session)
{
    const struct run_spec *spec = &session->options.spec;
    if (report_kinds_wanted(&spec->reports, "zh")) {
        session->zh = zh_new(spec->quiet ? 0 : spec->report_interval_ns);
        session->sinks[SINK_PROGRESS] = zh_sink(session->zh);
        return;
    }
    if (spec->quiet)
        return;
    session->progress =
        progress_new(session->log, isatty(STDERR_FILENO), (uint64_t)spec->log_every);
    session->sinks[SINK_PROGRESS] = progress_sink(session->progress);
}

static void open_wandb(struct session *session)
{
    const struct run_spec *spec = &session->options.spec;
    if (!spec->wandb)
        return;
    session->wandb_curl = wandb_curl_new(spec->wandb_api_key, session->secrets);
    struct wandb_config config = {
        .project = spec->wandb_project,
        .page_root = wandb_curl_page_root(session->wandb_curl),
        .facts = &session->facts,
        .transport = wandb_curl_transport(session->wandb_curl),
        .hurried = signals_pending,
        .log = session->log,
        .secrets = session->secrets,
        .seed = clock_wall_ns() ^ (uint64_t)getpid() << 40,
    };
    session->wandb = wandb_start(&config);
    if (session->wandb)
        session->sinks[SINK_WANDB] = wandb_sink(session->wandb);
}

static void open_debug(struct session *session)
{
    if (!session->options.spec.debug)
        return;
    session->debug = debug_new(session->log, session->secrets, clock_now_ns());
    session->sinks[SINK_DEBUG] = debug_sink(session->debug);
}

/* Both or neither: a run that cannot start leaves no file behind. */
static bool open_files(struct session *session, struct err *err)
{
    const struct run_facts *facts = &session->facts;
    session->store = store_open(facts->db_path, facts, session->secrets, err);
    if (!session->store)
        return false;
    session->files_made = log_open_file(session->log, facts->log_path, err);
    if (session->files_made)
        return true;
    store_close(session->store, NULL);
    session->store = NULL;
    unlink(facts->db_path);
    return false;
}

/* A run that could not start after all has nothing to keep. */
static void remove_files(const struct session *session)
{
    if (!session->files_made)
        return;
    unlink(session->facts.db_path);
    unlink(session->facts.log_path);
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
        return err_prefix(err, spec->work_dir ? "--work-dir" : "--outputs-dir");
    if (!open_files(session, err))
        return false;
    log_info(session->log, "data: %s; results: %s", session->facts.data_source,
             session->facts.db_path);
    session->sinks[SINK_STORE] = store_sink(session->store);
    open_progress(session);
    open_wandb(session);
    open_debug(session);
    return true;
}

/* With the JSON on stdout the tables step aside, so that stdout can be parsed. */
static FILE *tables_file(const struct session *session)
{
    const char *json = session->options.spec.json;
    return json && strcmp(json, "-") == 0 ? stderr : stdout;
}

static void log_verdict(const struct session *session, const struct report *report)
{
    const struct verdict *verdict = &report->verdict;
    log_note(session->log, "stage %u (%s) ended: %s; verdict: %s", report->stage, report->label,
             run_end_sentence(report->end), verdict->sound ? "sound" : "not sound");
    for (size_t i = 0; i < verdict->count; i++)
        log_note(session->log, "%s: %s", verdict->remark[i] ? "note" : "reason",
                 verdict->reason[i]);
}

static void on_stage_done(void *arg, const struct report *report)
{
    struct session *session = arg;
    FILE *out = tables_file(session);
    log_verdict(session, report);
    report_kinds_print(&session->options.spec.reports, out, report, session->secrets);
    if (session->plans.count > 1)
        fputc('\n', out);
    fflush(out);
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
        .plans = session->plans.items,
        .plan_count = session->plans.count,
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
                .services = &session->services,
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
        .stage_done = on_stage_done,
        .abandon = on_abandon,
        .arg = session,
    };
}

static int exit_code_of(const struct reports *reports)
{
    if (reports->interrupted)
        return EXIT_INTERRUPTED;
    bool ok = reports->count > 0;
    for (size_t i = 0; i < reports->count; i++)
        ok = ok && reports->items[i].whole.ok > 0;
    bool failed = reports->end == RUN_END_SCRIPT_ERRORS || reports->end == RUN_END_DATA_FAILED ||
                  reports->end == RUN_END_STAGE_FAILED;
    return ok && !failed ? EXIT_DONE : EXIT_NOTHING_SUCCEEDED;
}

static int write_json(struct session *session, int code)
{
    struct err err;
    const char *json = session->options.spec.json;
    if (json && !json_report_write(&session->reports, session->secrets, json, &err))
        return fail(session, code == EXIT_DONE ? EXIT_NOTHING_SUCCEEDED : code, &err);
    return code;
}

/* What the tables were printed to may be full or gone. */
static int flush_tables(struct session *session, int code)
{
    struct err err;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    err_set(&err, "the report could not be written to stdout; the results are in %s",
            session->facts.db_path);
    return fail(session, code == EXIT_DONE ? EXIT_NOTHING_SUCCEEDED : code, &err);
}

static bool close_files(struct session *session, struct err *err)
{
    bool ok = true;
    if (session->progress)
        progress_free(session->progress);
    zh_free(session->zh);
    debug_free(session->debug);
    if (session->store)
        ok = store_close(session->store, err);
    session->progress = NULL;
    session->zh = NULL;
    session->debug = NULL;
    session->store = NULL;
    return ok;
}

/* After the report, which does not wait for it. */
static void close_wandb(struct session *session, int code)
{
    wandb_finish(session->wandb, code);
    wandb_curl_free(session->wandb_curl);
    session->wandb = NULL;
    session->wandb_curl = NULL;
}

static int carry_out(struct session *session)
{
    struct err err, closing;
    session->services = services_of(&session->options.spec);
    struct run_config config = config_of(session);
    bool ran = run_execute(&config, &session->reports, &err);
    bool closed = close_files(session, &closing);
    if (!ran) {
        remove_files(session);
        return fail(session, EXIT_CANNOT_START, &err);
    }
    log_note(session->log, "run ended: %s", run_end_sentence(session->reports.end));
    if (session->reports.count > 1)
        console_compare(tables_file(session), &session->reports);
    int code = flush_tables(session, exit_code_of(&session->reports));
    code = write_json(session, code);
    if (!closed)
        code = fail(session, code == EXIT_DONE ? EXIT_NOTHING_SUCCEEDED : code, &closing);
    return code;
}

/* ---- the whole command ---- */

static int prepare_and_run(struct session *session)
{
    struct err err;
    const struct run_spec *spec = &session->options.spec;
    uint32_t most_in_flight = 0;
    if (!checks_files(spec, &err) || !raise_descriptors(spec, &most_in_flight, &err))
        return fail(session, EXIT_CANNOT_START, &err);
    if (!plans_of(spec, spec->prompt != NULL, most_in_flight, &session->plans, &err))
        return fail(session, EXIT_BAD_OPTIONS, &err);
    note_threads(session);
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
    close_wandb(session, code);
    /* Ctrl-C before the run's own signal handling began, for example while a server was silent. */
    return code == EXIT_CANNOT_START && signals_pending() ? EXIT_INTERRUPTED : code;
}

static void session_fini(struct session *session)
{
    reports_fini(&session->reports);
    plans_fini(&session->plans);
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

static enum log_level console_level(const struct run_spec *spec)
{
    if (spec->quiet)
        return LOG_WARN;
    return spec->debug ? LOG_DEBUG : LOG_INFO;
}

/* --dump-config: nothing else is done. */
static int print_dump(struct session *session)
{
    char *text = secrets_hidden(session->secrets, session->options.dump);
    fputs(text, stdout);
    free(text);
    return flush_tables(session, EXIT_DONE);
}

int run_cmd(int argc, char **argv, int first)
{
    struct err err;
    struct session session = {.secrets = secrets_new(), .data = {.fd = -1}};
    bool ok = options_read(&session.options, argc, argv, first, &err);
    session.log = log_new(ok ? console_level(&session.options.spec) : LOG_INFO, session.secrets);
    hidden_add(session.secrets, &session.options.spec, session.log);
    int code;
    if (!ok)
        code = fail(&session, EXIT_BAD_OPTIONS, &err);
    else if (session.options.dump)
        code = print_dump(&session);
    else
        code = prepare_and_run(&session);
    session_fini(&session);
    return code;
}
