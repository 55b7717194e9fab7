/* `llmbench try`: what a script would send and what it reads, without a server. */
#include "app/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/checks.h"
#include "app/data.h"
#include "app/paths.h"
#include "app/recorded.h"
#include "app/scripts.h"
#include "app/services.h"
#include "app/session.h"
#include "app/tokenizing.h"
#include "app/try_options.h"
#include "app/try_show.h"
#include "base/mem.h"
#include "io/http.h"
#include "model/plan.h"
#include "out/harmless.h"
#include "run/counter.h"
#include "script/watch.h"

enum { MOST_IN_FLIGHT = 1000 }; /* for the plan; nothing flies */

struct trial {
    struct try_options *options;
    struct session *session;
    struct data_source data;
    struct plans plans;
    struct recorded recorded;
    struct tokenizing tokenizing;
    struct script_services services;
    struct script_config config;
    struct watch *watch;
    struct script *composer;
    struct request *first; /* what the recorded answer belongs to; owned. A script that opened has
                              at least one */
    bool script_failed;
};

static void print_and_clear(struct buf *text)
{
    fwrite(text->data ? text->data : "", 1, text->len, stdout);
    buf_clear(text);
}

/* ---- before ---- */

static bool read_recording(struct trial *trial, struct err *err)
{
    const struct try_spec *spec = &trial->options->spec;
    struct buf bytes;
    if (!spec->replay)
        return true;
    buf_init(&bytes, RECORDED_LIMIT);
    bool ok = path_read(spec->replay, &bytes, err);
    ok = ok && (recorded_parse(&trial->recorded, buf_span(&bytes), err) ||
                err_prefix(err, "%s", spec->replay));
    buf_fini(&bytes);
    if (!ok)
        return err_prefix(err, "--replay");
    if (spec->status)
        trial->recorded.status = (int)spec->status;
    if (spec->content_type) {
        free(trial->recorded.content_type);
        trial->recorded.content_type = mem_text(spec->content_type);
    }
    return true;
}

/* What has been shown stays; the thread that shows is lost. */
static void stuck(void *arg, struct script *script, const char *sentence)
{
    struct trial *trial = arg;
    (void)script;
    fflush(stdout);
    session_stuck(trial->session, sentence);
}

static bool open_composer(struct trial *trial, struct err *err)
{
    const struct watch_config watch = {
        .limit_ns = trial->options->options.spec.hook_timeout_ns,
        .given_up = stuck,
        .arg = trial,
    };
    trial->config.watch = trial->watch = watch_new(&watch, err);
    trial->composer = trial->watch ? script_open(&trial->config, err) : NULL;
    return trial->composer != NULL;
}

/* As a run is prepared; nothing is downloaded. */
static int prepare(struct trial *trial, struct err *err)
{
    struct run_spec *spec = &trial->options->options.spec;
    struct session *session = trial->session;
    if (!plans_of(spec, spec->prompt != NULL, MOST_IN_FLIGHT, &trial->plans, err))
        return EXIT_BAD_OPTIONS;
    spec->offline = true;
    if (!checks_files(spec, err) || !read_recording(trial, err))
        return EXIT_CANNOT_START;
    session->http_begun = http_global_init(err);
    if (!session->http_begun ||
        data_find(spec, session->log, false, &trial->data, err) != DATA_FOUND)
        return EXIT_CANNOT_START;
    if (!tokenizing_open(&trial->tokenizing, spec, err))
        return EXIT_CANNOT_START;
    bool counts = trial->tokenizing.tokenizer != NULL;
    trial->services = services_of(spec, counts ? &trial->tokenizing.words : NULL);
    trial->config =
        scripts_config(&trial->options->options, &trial->data, &trial->services, session);
    trial->config.no_setup = trial->options->spec.no_setup;
    trial->config.role = SCRIPT_COMPOSER;
    return open_composer(trial, err) ? EXIT_DONE : EXIT_CANNOT_START;
}

/* The stage that is measured first. */
static const struct plan *plan_of(const struct trial *trial)
{
    size_t i = 0;
    while (i + 1 < trial->plans.count && trial->plans.items[i].warmup)
        i++;
    return &trial->plans.items[i];
}

/* ---- requests ---- */

static void show_head(const struct trial *trial, struct buf *out)
{
    const struct script_facts *facts = script_facts(trial->composer);
    const struct try_spec *spec = &trial->options->spec;
    buf_printf(out, "API %s (%s), data set %s%s%s%s; nothing is sent%s\n", facts->api_name,
               facts->api_where, facts->dataset_name, facts->dataset_where ? " (" : "",
               facts->dataset_where ? facts->dataset_where : "", facts->dataset_where ? ")" : "",
               facts->has_setup && !spec->no_setup ? ", but what setup itself did" : "");
    if (!opt_given(&trial->options->options.set, "url"))
        buf_printf(out, "no --url is given: %s stands in\n", trial->options->options.spec.url);
    buf_add_char(out, '\n');
    if (facts->has_setup && spec->no_setup)
        buf_add_text(out, "setup was not called: --no-setup\n\n");
    else if (facts->has_setup)
        try_show_setup(out, trial->composer, trial->session->secrets);
}

static void take_request(struct trial *trial, struct request *request)
{
    trial->script_failed = trial->script_failed || request->fault;
    if (trial->first)
        request_free(request);
    else
        trial->first = request;
}

/* The next request, due as the plan or the item's place in a trace says. */
static enum script_step next_request(struct trial *trial, struct plan_walk *walk, uint64_t index,
                                     struct request **request, struct err *err)
{
    uint64_t at_ns = 0;
    enum script_step step = SCRIPT_STEP_OK;
    if (walk->plan->arrival == ARRIVAL_TRACE)
        step = script_peek(trial->composer, &at_ns, err);
    if (step == SCRIPT_STEP_OK && walk->plan->arrival == ARRIVAL_TRACE &&
        !plan_walk_trace(walk, at_ns, err))
        step = SCRIPT_STEP_FAILED;
    if (step == SCRIPT_STEP_OK)
        step = script_next(trial->composer, index, 0, request, err);
    if (step == SCRIPT_STEP_OK)
        (*request)->due_offset_ns = plan_walk_next_ns(walk);
    return step;
}

/* False: the data set failed. */
static bool show_requests(struct trial *trial, struct buf *out, struct err *err)
{
    uint64_t shown = (uint64_t)trial->options->spec.requests;
    uint64_t wanted = shown ? shown : trial->options->spec.replay ? 1 : 0;
    struct plan_walk walk;
    plan_walk_begin(&walk, plan_of(trial));
    for (uint64_t i = 0; i < wanted; i++) {
        struct request *request = NULL;
        switch (next_request(trial, &walk, i, &request, err)) {
        case SCRIPT_STEP_FAILED: return false;
        case SCRIPT_STEP_END:
            buf_printf(out, "the data ends after %llu prompts\n\n", (unsigned long long)i);
            return true;
        case SCRIPT_STEP_OK: break;
        }
        if (i < shown)
            try_show_request(out, request, plan_of(trial)->shape == PLAN_OPEN,
                             trial->session->secrets);
        take_request(trial, request);
        print_and_clear(out);
    }
    return true;
}

/* ---- the answer ---- */

/* An exchange in which all of it came in one read. */
static struct exchange *exchange_of(struct trial *trial)
{
    enum { MOMENT_NS = 1 };
    struct recorded *recorded = &trial->recorded;
    struct exchange *exchange = exchange_new(trial->first, EXCHANGE_HEAD_MOST, RECORDED_LIMIT);
    trial->first = NULL;
    exchange->due_ns = exchange->started_ns = exchange->sent_ns = MOMENT_NS;
    exchange->first_byte_ns = exchange->headers_ns = exchange->end_ns = MOMENT_NS;
    exchange->status = recorded->status;
    exchange->content_type = mem_text(recorded->content_type);
    buf_add_span(&exchange->headers, buf_span(&recorded->headers));
    exchange_read(exchange, recorded->body.data ? recorded->body.data : "", recorded->body.len,
                  MOMENT_NS, 0);
    exchange->finish = recorded->broken ? FINISH_BROKEN : FINISH_COMPLETE;
    if (recorded->broken) {
        exchange->fault = OUTCOME_RESET;
        exchange->error = mem_text(recorded->broken);
    }
    return exchange;
}

/* Of a request that could not be built there is no answer; it says so itself. */
static void fail_unbuilt(struct exchange *exchange)
{
    if (!exchange->request->fault)
        return;
    exchange->finish = FINISH_BROKEN;
    exchange->fault = OUTCOME_SCRIPT_ERROR;
    free(exchange->error);
    exchange->error = mem_text(exchange->request->fault);
}

static void show_recording(const struct trial *trial, struct buf *out)
{
    enum { TYPE_MOST = 100 };
    const struct recorded *recorded = &trial->recorded;
    buf_printf(out, "answer from %s: HTTP %d", trial->options->spec.replay, recorded->status);
    if (recorded->content_type) {
        buf_add_text(out, ", ");
        harmless_line(out, span_text(recorded->content_type), TYPE_MOST, 0);
    }
    buf_printf(out, ", a body of %zu bytes%s%s\n", recorded->body.len, recorded->note ? "; " : "",
               recorded->note ? recorded->note : "");
}

static void score(struct trial *trial, struct script *scorer, struct buf *out)
{
    struct try_reading reading;
    try_reading_init(&reading, trial->session->secrets);
    struct answer_watch watch = try_reading_watch(&reading);
    struct exchange *exchange = exchange_of(trial);
    fail_unbuilt(exchange);
    const struct tokenizer *tokenizer = trial->tokenizing.tokenizer;
    bool check = trial->options->options.spec.check_tokens;
    struct counter *counter = tokenizer ? counter_new(tokenizer, check) : NULL;
    struct sample *sample = answer_score_watched(scorer, counter, exchange, &watch);
    counter_free(counter);
    show_recording(trial, out);
    try_reading_show(out, &reading, sample);
    bool uncounted = sample->token_error && !sample->uncounted;
    trial->script_failed = trial->script_failed || reading.fault || uncounted || sample->own_failed;
    sample_free(sample);
    try_reading_fini(&reading);
}

static bool replay(struct trial *trial, struct buf *out, struct err *err)
{
    struct script_config config = trial->config;
    if (!trial->options->spec.replay)
        return true;
    config.role = SCRIPT_SCORER;
    struct script *scorer = script_open(&config, err);
    bool ok = scorer && script_set_setup(scorer, script_setup_result(trial->composer), err);
    if (ok)
        score(trial, scorer, out);
    script_close(scorer);
    return ok;
}

/* ---- the whole ---- */

static int show(struct trial *trial, struct err *err)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 4);
    show_head(trial, &out);
    print_and_clear(&out);
    bool ok = show_requests(trial, &out, err);
    int code = ok ? EXIT_DONE : EXIT_NOTHING_SUCCEEDED;
    if (ok && !replay(trial, &out, err))
        code = EXIT_CANNOT_START;
    print_and_clear(&out);
    fflush(stdout);
    buf_fini(&out);
    return code;
}

/* Stdout may be full or gone. */
static int flush(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fputs("llmbench: what is to be seen could not be written to stdout\n", stderr);
    return code == EXIT_DONE ? EXIT_NOTHING_SUCCEEDED : code;
}

static int try_it(struct trial *trial)
{
    struct err err = {0};
    int code = prepare(trial, &err);
    if (code == EXIT_DONE)
        code = show(trial, &err);
    if (code != EXIT_DONE)
        code = session_fail(trial->session, code, &err);
    else if (trial->script_failed)
        code = EXIT_NOTHING_SUCCEEDED;
    script_close(trial->composer);
    watch_free(trial->watch);
    request_free(trial->first);
    recorded_fini(&trial->recorded);
    data_source_fini(&trial->data);
    tokenizing_close(&trial->tokenizing);
    plans_fini(&trial->plans);
    return flush(code);
}

int try_cmd(int argc, char **argv, int first)
{
    struct err err;
    struct try_options options;
    struct session session;
    session_init(&session, &options.options);
    bool ok = try_options_read(&options, argc, argv, first, session.secrets, &err);
    session_log(&session, ok);
    struct trial trial = {.options = &options, .session = &session, .data = {.fd = -1}};
    int code = ok ? try_it(&trial) : session_fail(&session, options.code, &err);
    session_fini(&session, code);
    try_options_fini(&options);
    return code;
}
