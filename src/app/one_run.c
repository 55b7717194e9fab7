#include "app/one_run.h"

#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "app/checks.h"
#include "app/report_kinds.h"
#include "app/scripts.h"
#include "app/services.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/identity.h"
#include "io/loop.h"
#include "io/ready.h"
#include "out/running.h"
#include "out/store.h"
#include "run/run.h"

enum {
    OTHER_DESCRIPTORS = 64, /* database, log, loops, queues, name service */
    WORKER_DESCRIPTORS = 8, /* epoll, timerfd, eventfd, pipes of one worker */
};

enum { MOST_IN_FLIGHT = 100000 }; /* of an open loop without a cap */

static const struct run_spec *spec_of(const struct one_run *run)
{
    return &run->options->spec;
}

/* ---- before the run ---- */

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
            (unsigned long long)parallel, (unsigned long long)parallel + others,
            (unsigned long long)limit);
    uint64_t most = limit - others;
    *most_in_flight = most > MOST_IN_FLIGHT ? MOST_IN_FLIGHT : (uint32_t)most;
    return true;
}

static void note_threads(const struct one_run *run)
{
    const struct run_spec *spec = spec_of(run);
    for (size_t i = 0; i < run->plans.count; i++)
        if (run->plans.items[i].threads < (uint64_t)spec->threads)
            log_info(run->session->log,
                     "--threads %lld: %u requests in flight need no more than %u",
                     (long long)spec->threads, run->plans.items[i].parallel,
                     run->plans.items[i].threads);
}

/* What the report says of this run; api and dataset follow when the scripts are loaded. */
static bool collect_facts(struct one_run *run, struct err *err)
{
    struct run_facts *facts = &run->facts;
    const struct run_facts *results = &run->session->facts;
    const struct run_spec *spec = spec_of(run);
    facts->started_wall_ns = clock_wall_ns();
    facts->url = secrets_url(run->session->secrets, spec->url);
    facts->model = mem_text(spec->model ? spec->model : "");
    facts->data_source = mem_text(run->data.said);
    facts->tokenizer = mem_text(run->tokenizing.said);
    facts->options = &run->options->set;
    if (!session_name(run->session, facts, err))
        return false;
    facts->version = results->version;
    facts->libraries = results->libraries;
    facts->name = mem_text(results->name);
    facts->db_path = mem_text(results->db_path);
    facts->log_path = mem_text(results->log_path);
    facts->host = mem_text(results->host);
    facts->calibration = mem_text(results->calibration);
    facts->calibrated = mem_text(results->calibrated);
    return true;
}

static int find_data(struct one_run *run, struct err *err)
{
    const struct run_spec *spec = spec_of(run);
    bool show = isatty(STDERR_FILENO) && !spec->quiet;
    switch (data_find(spec, run->session->log, show, &run->data, err)) {
    case DATA_FOUND: return EXIT_DONE;
    case DATA_FAILED: return EXIT_CANNOT_START;
    case DATA_INTERRUPTED: err->text[0] = '\0'; break;
    }
    return EXIT_INTERRUPTED;
}

static struct http_config http_of(const struct run_spec *spec)
{
    return (struct http_config){
        .insecure = spec->insecure,
        .cacert = spec->cacert,
        .cert = spec->cert,
        .key = spec->key,
        .key_password = getenv("LLMBENCH_KEY_PASSWORD"),
        .compressed = spec->compressed,
        .connect_timeout_ns = spec->connect_timeout_ns,
        .read_timeout_ns = spec->read_timeout_ns,
        .total_timeout_ns = spec->total_timeout_ns,
        .user_agent = "llmbench/" LLMBENCH_VERSION,
    };
}

static int prepare(struct one_run *run, struct err *err)
{
    const struct run_spec *spec = spec_of(run);
    uint32_t most_in_flight = 0;
    struct http_config http = http_of(spec);
    if (!identity_check(&http, err))
        return EXIT_BAD_OPTIONS;
    if (!checks_files(spec, err) || !raise_descriptors(spec, &most_in_flight, err))
        return EXIT_CANNOT_START;
    if (!plans_of(spec, spec->prompt != NULL, most_in_flight, &run->plans, err))
        return EXIT_BAD_OPTIONS;
    note_threads(run);
    if (!tokenizing_open(&run->tokenizing, spec, err))
        return EXIT_CANNOT_START;
    if (!session_claim(run->session, err))
        return EXIT_CANNOT_START;
    if (run->options->resume.read &&
        !remains_place(spec->resume, run->plans.items, run->plans.count, &run->resume, err))
        return EXIT_CANNOT_START;
    int code = find_data(run, err);
    if (code == EXIT_DONE && !collect_facts(run, err))
        code = EXIT_BAD_OPTIONS;
    return code;
}

/* ---- what the run tells ---- */

static void open_progress(struct one_run *run)
{
    const struct run_spec *spec = spec_of(run);
    struct sink *sink = &run->session->sinks[SINK_PROGRESS];
    if (report_kinds_wanted(&spec->reports, "zh")) {
        run->zh = zh_new(spec->quiet ? 0 : spec->report_interval_ns);
        *sink = zh_sink(run->zh);
    } else if (!spec->quiet) {
        run->progress =
            progress_new(run->session->log, isatty(STDERR_FILENO), (uint64_t)spec->log_every);
        *sink = progress_sink(run->progress);
    }
}

static void close_progress(struct one_run *run)
{
    run->session->sinks[SINK_PROGRESS] = (struct sink){0};
    progress_free(run->progress);
    zh_free(run->zh);
    run->progress = NULL;
    run->zh = NULL;
}

/* Who sees no report learns it all the same. */
static void warn_of_failure(struct log *log, const struct report *report)
{
    const struct list *errors = &report->first_errors;
    if (report->whole.ok == 0)
        log_warn(log, "stage %u (%s): no request succeeded%s%s", report->stage, report->label,
                 errors->count ? ": " : "", errors->count ? errors->items[0] : "");
}

static void show_report(struct one_run *run, const struct report *report)
{
    struct session *session = run->session;
    FILE *out = session_tables(session);
    bool quiet = session->place && spec_of(run)->quiet; /* one run alone always reports */
    bool shown =
        !quiet && report_kinds_print(&spec_of(run)->reports, out, report, session->secrets);
    session->shown += shown;
    if (!shown)
        warn_of_failure(session->log, report);
    if (shown && (run->plans.count > 1 || session->place))
        fputc('\n', out);
    fflush(out);
}

static bool is_resumed(const struct one_run *run)
{
    return run->options->resume.read;
}

/* What the earlier process would have printed. */
static bool show_earlier(struct one_run *run, struct err *err)
{
    struct session *session = run->session;
    if (!session_again(session, &run->resume, err))
        return false;
    for (size_t i = 0; i < session->reports.count; i++)
        show_report(run, &session->reports.items[i]);
    log_info(session->log, "going on with stage %u after %.1f s; %llu results are there",
             run->resume.stage, clock_seconds(run->resume.elapsed_ns),
             (unsigned long long)(run->resume.ok + run->resume.failed + run->resume.cancelled));
    return true;
}

/* The scripts are loaded. A dead target must leave no file behind, so it is asked first. */
static bool on_ready(void *arg, const struct script_facts *scripts, struct http_config *http,
                     struct err *err)
{
    struct one_run *run = arg;
    struct session *session = run->session;
    run->refused = !checks_conditions(&spec_of(run)->fail_on, scripts->own, scripts->has_done, err);
    if (run->refused)
        return false;
    free(run->facts.url);
    run->facts.url = secrets_url(session->secrets, scripts->url);
    run->facts.files = resume_files(spec_of(run), &run->data, scripts, run->facts.tokenizer);
    if (is_resumed(run) && !resume_same_files(&run->options->resume, run->facts.files, err))
        return false;
    if (!http_probe(scripts->url, http, &run->resolve, err))
        return false;
    http->resolve = run->resolve;
    if (!session_open_files(session, &run->facts, err))
        return false;
    store_stage_options(session->store, session->stage_options);
    if (!store_metrics(session->store, run->facts.own, err))
        return false;
    log_info(session->log, "data: %s; results: %s", run->facts.data_source, run->facts.db_path);
    open_progress(run);
    return !is_resumed(run) || show_earlier(run, err);
}

static void log_verdict(struct log *log, const struct report *report)
{
    const struct verdict *verdict = &report->verdict;
    log_note(log, "stage %u (%s) ended: %s; verdict: %s", report->stage, report->label,
             run_end_sentence(report->end), verdict->sound ? "sound" : "not sound");
    for (size_t i = 0; i < verdict->count; i++)
        log_note(log, "%s: %s", verdict->remark[i] ? "note" : "reason", verdict->reason[i]);
}

static void log_conditions(struct log *log, const struct report *report)
{
    for (size_t i = 0; i < report->judgement_count; i++) {
        const struct judgement *judgement = &report->judgements[i];
        const char *why = judgement->why[0] ? judgement->why : judgement->shown;
        if (judgement->failed)
            log_warn(log, "stage %u (%s) fails --fail-on '%s': %s", report->stage, report->label,
                     judgement->condition, why);
        else
            log_note(log, "stage %u (%s) passes --fail-on '%s': %s", report->stage, report->label,
                     judgement->condition, why);
    }
}

static void on_stage_done(void *arg, const struct report *report)
{
    struct one_run *run = arg;
    struct session *session = run->session;
    log_verdict(session->log, report);
    log_conditions(session->log, report);
    show_report(run, report);
}

static bool on_earlier(void *arg, run_earlier_fn *take, void *to, struct err *err)
{
    struct one_run *run = arg;
    return remains_samples(spec_of(run)->resume, &run->resume, run->facts.own, take, to, err);
}

/* The database's times go on where they ended. */
static void on_began(void *arg, uint32_t stage, uint64_t start_ns, uint64_t first_arrival)
{
    struct one_run *run = arg;
    const struct resume *resume = &run->resume;
    uint64_t as_ns = 0;
    if (is_resumed(run) && stage == resume->stage)
        as_ns = resume->start_ns ? resume->start_ns : resume->last_ns;
    store_began(run->session->store, stage, start_ns, first_arrival, as_ns);
}

static void on_show(void *arg, const struct live *live, bool rests)
{
    struct one_run *run = arg;
    char *table = running_table(live, rests);
    log_show(run->session->log, span_text(table));
    free(table);
}

static void on_abandon(void *arg)
{
    struct one_run *run = arg;
    session_abandon(run->session);
}

static void on_stuck(void *arg, const char *sentence)
{
    struct one_run *run = arg;
    session_stuck(run->session, sentence);
}

/* ---- the run ---- */

static struct run_config config_of(struct one_run *run)
{
    return (struct run_config){
        .spec = spec_of(run),
        .plans = run->plans.items,
        .plan_count = run->plans.count,
        .script = scripts_config(run->options, &run->data, &run->services, run->session),
        .tokenizer = run->tokenizing.tokenizer,
        .http = http_of(spec_of(run)),
        .place = run->session->place,
        .resume = is_resumed(run) ? &run->resume : NULL,
        .earlier = on_earlier,
        .began = on_began,
        .log = run->session->log,
        .sinks = run->session->sinks,
        .sink_count = SINKS,
        .facts = &run->facts,
        .ready = on_ready,
        .stage_done = on_stage_done,
        .show = on_show,
        .abandon = on_abandon,
        .stuck = on_stuck,
        .arg = run,
    };
}

void one_run_init(struct one_run *run, struct session *session, const struct options *options)
{
    *run = (struct one_run){.session = session, .options = options, .data = {.fd = -1}};
}

/* Before the scripts are loaded: their setup may ask the server too. */
static int wait_ready(struct one_run *run, struct err *err)
{
    const struct run_spec *spec = spec_of(run);
    struct http_config http = http_of(spec);
    struct ready ready;
    if (!spec->wait_ready_ns)
        return EXIT_DONE;
    char *url = http_url_with_path(spec->url, spec->wait_ready_path);
    bool ok = ready_wait(url, &http, spec->wait_ready_ns, &ready, err);
    free(url);
    if (!ok && ready.interrupted) {
        err->text[0] = '\0';
        return EXIT_INTERRUPTED;
    }
    if (!ok) {
        err_prefix(err, "waited %.1f s (--wait-ready)", ready.waited_s);
        return EXIT_CANNOT_START;
    }
    run->facts.ready_asked = ready.asked;
    run->facts.ready_wait_s = ready.waited_s;
    log_info(run->session->log, "the server was ready after %.1f s (%llu requests)", ready.waited_s,
             (unsigned long long)ready.asked);
    return EXIT_DONE;
}

int one_run_carry_out(struct one_run *run, struct err *err)
{
    int code = prepare(run, err);
    if (code == EXIT_DONE)
        code = wait_ready(run, err);
    if (code == EXIT_DONE) {
        bool counts = run->tokenizing.tokenizer != NULL;
        run->services = services_of(spec_of(run), counts ? &run->tokenizing.words : NULL);
        struct run_config config = config_of(run);
        code = run_execute(&config, &run->reports, err) ? EXIT_DONE
               : run->refused                           ? EXIT_BAD_OPTIONS
                                                        : EXIT_CANNOT_START;
        run->session->stuck |= run->reports.stuck;
        close_progress(run);
    }
    /* Ctrl-C before the run's own signal handling began, for example while a server was silent. */
    return code == EXIT_CANNOT_START && signals_pending() ? EXIT_INTERRUPTED : code;
}

bool one_run_broken(const struct reports *reports)
{
    return reports->end == RUN_END_SCRIPT_ERRORS || reports->end == RUN_END_DATA_FAILED ||
           reports->end == RUN_END_STAGE_FAILED || reports->end == RUN_END_HOOK_TIMEOUT ||
           reports->end == RUN_END_ERRORS;
}

int one_run_exit_code(const struct reports *reports)
{
    if (reports->interrupted)
        return EXIT_INTERRUPTED;
    bool ok = reports->count > 0;
    for (size_t i = 0; i < reports->count; i++)
        ok = ok && reports->items[i].whole.ok > 0 && !report_failed(&reports->items[i]);
    return ok && !one_run_broken(reports) ? EXIT_DONE : EXIT_NOTHING_SUCCEEDED;
}

void one_run_fini(struct one_run *run)
{
    if (run->session->stuck)
        return;
    reports_fini(&run->reports);
    free(run->resume.held);
    plans_fini(&run->plans);
    run_facts_fini(&run->facts);
    free(run->resolve);
    data_source_fini(&run->data);
    tokenizing_close(&run->tokenizing);
}
