#include "app/session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/calibrated.h"
#include "app/hidden.h"
#include "app/host.h"
#include "app/paths.h"
#include "app/wandb_curl.h"
#include "app/work_dir.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/output.h"
#include "base/tame.h"
#include "io/http.h"
#include "io/loop.h"
#include "out/console_compare.h"
#include "out/debug.h"
#include "out/json_report.h"
#include "out/store.h"
#include "out/wandb.h"

static const struct run_spec *spec_of(const struct session *session)
{
    return &session->options->spec;
}

int session_fail(const struct session *session, int code, const struct err *err)
{
    if (!err->text[0])
        return code;
    char *hidden = secrets_hidden(session->secrets, err->text);
    struct buf text;
    buf_init(&text, SIZE_MAX);
    tame(&text, span_text(hidden), false);
    fprintf(stderr, "llmbench: %.*s\n", (int)text.len, text.data);
    buf_fini(&text);
    free(hidden);
    return code;
}

FILE *session_tables(const struct session *session)
{
    const char *json = spec_of(session)->json;
    return json && strcmp(json, "-") == 0 ? stderr : stdout;
}

/* ---- the start ---- */

void session_init(struct session *session, struct options *options)
{
    *session = (struct session){.options = options, .secrets = secrets_new(), .claim = -1};
}

static enum log_level console_level(const struct run_spec *spec)
{
    if (spec->quiet)
        return LOG_WARN;
    return spec->debug ? LOG_DEBUG : LOG_INFO;
}

void session_log(struct session *session, bool options_valid)
{
    enum log_level level = options_valid ? console_level(spec_of(session)) : LOG_INFO;
    session->log = log_new(level, session->secrets);
    hidden_add(session->secrets, session->options, session->log);
}

void session_listen(struct session *session)
{
    log_set_console(session->log, console_level(spec_of(session)));
    hidden_add(session->secrets, session->options, session->log);
}

bool session_begin(struct session *session, struct err *err)
{
    signals_block();
    outputs_guard(spec_of(session)->debug);
    session->http_begun = http_global_init(err);
    return session->http_begun;
}

/* ---- the results ---- */

bool session_claim(struct session *session, struct err *err)
{
    const char *path = spec_of(session)->resume;
    return !path || store_claim(path, &session->claim, err);
}

/* Results are never overwritten; better said now than when the scripts are loaded. */
static bool check_new(const struct session *session, struct err *err)
{
    const char *path = session->facts.db_path;
    if (access(path, F_OK) != 0)
        return true;
    return err_set(err, "%s exists and is not overwritten; give another --name or remove it", path);
}

/* What goes on keeps its name, its files and the time of its beginning. */
static void name_again(struct session *session)
{
    const struct remains *remains = &session->options->resume.remains;
    struct run_facts *facts = &session->facts;
    facts->started_wall_ns = remains->started_wall_ns;
    facts->name = mem_text(remains->name);
    facts->db_path = mem_text(spec_of(session)->resume);
    facts->log_path = mem_text(remains->log ? remains->log : "");
}

bool session_name(struct session *session, const struct run_facts *first, struct err *err)
{
    struct run_facts *facts = &session->facts;
    const struct run_spec *spec = spec_of(session);
    if (!facts->name) {
        facts->version = LLMBENCH_VERSION;
        facts->libraries = session->libraries = host_libraries();
        facts->host = host_line();
        calibrated_look(facts, session->log);
        facts->options = &session->options->set;
        facts->given = mem_text(session->options->given);
        facts->started_wall_ns = first->started_wall_ns;
        if (session->options->resume.read) {
            name_again(session);
            return true;
        }
        work_dir_apply(session->options, facts->started_wall_ns);
        facts->name = spec->name ? mem_text(spec->name)
                                 : path_run_name(first->model[0] ? first->model : NULL,
                                                 spec->outputs_dir, facts->started_wall_ns);
        facts->db_path = mem_printf("%s/%s.db", spec->outputs_dir, facts->name);
        facts->log_path = mem_printf("%s/%s.log", spec->outputs_dir, facts->name);
    }
    return session->files_made || spec->resume || check_new(session, err);
}

static void set_text(char **field, const char *text)
{
    free(*field);
    *field = mem_text(text);
}

static void describe(struct session *session, const struct run_facts *first)
{
    struct run_facts *facts = &session->facts;
    set_text(&facts->url, first->url);
    set_text(&facts->model, first->model);
    set_text(&facts->api, first->api);
    set_text(&facts->dataset, first->dataset);
    set_text(&facts->data_source, first->data_source);
    facts->ready_asked = first->ready_asked;
    facts->ready_wait_s = first->ready_wait_s;
    set_text(&facts->tokenizer, first->tokenizer);
    set_text(&facts->files, first->files);
}

static void open_wandb(struct session *session)
{
    const struct run_spec *spec = spec_of(session);
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
    if (!spec_of(session)->debug)
        return;
    session->debug = debug_new(session->log, session->secrets, clock_now_ns());
    session->sinks[SINK_DEBUG] = debug_sink(session->debug);
}

static bool make_files(struct session *session, struct err *err)
{
    const struct run_facts *facts = &session->facts;
    bool again = spec_of(session)->resume != NULL;
    session->store =
        again ? store_resume(facts->db_path, session->claim, facts, session->secrets, err)
              : store_open(facts->db_path, facts, session->secrets, err);
    session->claim = -1;
    if (!session->store)
        return false;
    session->files_made = log_open_file(session->log, facts->log_path, err);
    if (session->files_made)
        return true;
    store_close(session->store, NULL);
    session->store = NULL;
    if (!again)
        unlink(facts->db_path);
    return false;
}

bool session_open_files(struct session *session, const struct run_facts *first, struct err *err)
{
    const struct run_spec *spec = spec_of(session);
    if (session->files_made)
        return true;
    describe(session, first);
    if (!path_make_folder(spec->outputs_dir, err))
        return err_prefix(err, spec->work_dir ? "--work-dir" : "--outputs-dir");
    if (!make_files(session, err))
        return false;
    session->sinks[SINK_STORE] = store_sink(session->store);
    open_wandb(session);
    open_debug(session);
    return true;
}

void session_remove_files(const struct session *session)
{
    if (!session->files_made || spec_of(session)->resume)
        return;
    unlink(session->facts.db_path);
    unlink(session->facts.log_path);
}

void session_abandon(struct session *session)
{
    if (session->store)
        store_close(session->store, NULL);
    log_warn(session->log,
             "left at the third interrupt: no report, the database holds what was written");
    _exit(EXIT_INTERRUPTED);
}

/* The main thread is inside Lua, so nothing can be taken down. */
void session_stuck(struct session *session, const char *sentence)
{
    struct err err;
    bool begun = session->store != NULL;
    int code = signals_pending() ? EXIT_INTERRUPTED
               : begun           ? EXIT_NOTHING_SUCCEEDED
                                 : EXIT_CANNOT_START;
    if (begun)
        store_close(session->store, NULL);
    err_set(&err, "%s%s", sentence,
            begun ? "; no report, the database holds what was written" : "");
    _exit(session_fail(session, code, &err));
}

/* ---- the end ---- */

static bool close_files(struct session *session, struct err *err)
{
    debug_free(session->debug);
    session->debug = NULL;
    bool ok = !session->store || store_close(session->store, err);
    session->store = NULL;
    return ok;
}

void session_take(struct session *session, struct reports *reports, const char *options)
{
    struct reports *all = &session->reports;
    all->items = mem_resize(all->items, all->count + reports->count, sizeof *all->items);
    for (size_t i = 0; i < reports->count; i++) {
        struct report *report = &all->items[all->count++];
        *report = reports->items[i];
        report->facts = &session->facts;
        report->options = mem_text(options);
    }
    all->planned += reports->planned;
    all->end = reports->end;
    all->interrupted |= reports->interrupted;
    free(reports->items);
    *reports = (struct reports){0};
}

bool session_again(struct session *session, const struct resume *resume, struct err *err)
{
    struct reread *reread = &session->reread;
    struct reports *all = &session->reports;
    double *stages = mem_zero(resume->stage + 1, sizeof *stages);
    for (uint32_t i = 0; i < resume->stage; i++)
        stages[i] = i;
    const struct reread_job job = {
        .path = session->facts.db_path,
        .stages = stages,
        .stage_count = resume->stage,
        .fail_on = &spec_of(session)->fail_on,
    };
    enum reread_result result =
        resume->stage ? reread_run(reread, &job, err) : REREAD_EMPTY; /* only a warm-up, perhaps */
    free(stages);
    if (result != REREAD_DONE)
        return result == REREAD_EMPTY;
    for (size_t i = 0; i < reread->reports.count; i++) {
        struct report *report = &reread->reports.items[i];
        if (report->plan.warmup)
            continue;
        all->items = mem_resize(all->items, all->count + 1, sizeof *all->items);
        all->items[all->count] = *report;
        all->items[all->count++].facts = &session->facts;
        *report = (struct report){.plan.warmup = true};
    }
    return true;
}

/* One run alone has told the sinks itself. */
static void end_sinks(const struct session *session)
{
    for (size_t i = 0; session->place && i < SINKS; i++) {
        const struct sink *sink = &session->sinks[i];
        struct err err;
        if (sink->end && !sink->end(sink->self, &session->reports, &err))
            log_error(session->log, "%s: %s", sink->name, err.text);
    }
}

/* An output that failed spoils a success. */
static int fail_output(const struct session *session, int code, const struct err *err)
{
    if (signals_pending())
        return session_fail(session, EXIT_INTERRUPTED, err);
    return session_fail(session, code == EXIT_DONE ? EXIT_NOTHING_SUCCEEDED : code, err);
}

static int write_json(const struct session *session, int code)
{
    struct err err;
    const char *json = spec_of(session)->json;
    if (json && !json_report_write(&session->reports, session->secrets, json, &err))
        return fail_output(session, code, &err);
    return code;
}

int session_flush(const struct session *session, int code)
{
    struct err err;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    err_set(&err, "the report could not be written to stdout; the results are in %s",
            session->facts.db_path ? session->facts.db_path : "no file");
    return fail_output(session, code, &err);
}

int session_end(struct session *session, int code)
{
    struct err closing;
    if (session->reports.count)
        end_sinks(session);
    bool closed = close_files(session, &closing);
    if (!session->reports.count)
        return code;
    log_note(session->log, "run ended: %s", run_end_sentence(session->reports.end));
    if (session->shown > 1)
        console_compare(session_tables(session), &session->reports);
    code = write_json(session, session_flush(session, code));
    return closed ? code : fail_output(session, code, &closing);
}

void session_fini(struct session *session, int code)
{
    /* After the report, which does not wait for it. */
    wandb_finish(session->wandb, code);
    wandb_curl_free(session->wandb_curl);
    if (session->stuck)
        _exit(code); /* all that matters has been written and flushed */
    reports_fini(&session->reports);
    reread_fini(&session->reread);
    run_facts_fini(&session->facts);
    free(session->libraries);
    if (session->claim >= 0)
        close(session->claim);
    if (session->http_begun)
        http_global_fini();
    log_free(session->log);
    secrets_free(session->secrets);
}
