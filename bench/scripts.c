/* What a script costs: composes requests and scores one recorded answer again and again, in one
 * thread, by the functions that composer and scorers call, and prints one line of JSON. The times
 * are CPU of the thread.
 *
 * Usage: scripts ROUNDS [options of llmbench try], with the answer in --replay */
#include <stdio.h>
#include <stdlib.h>

#include "app/data.h"
#include "app/paths.h"
#include "app/recorded.h"
#include "app/scripts.h"
#include "app/services.h"
#include "app/session.h"
#include "app/try_options.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/http.h"
#include "model/exchange.h"
#include "run/answer.h"

struct bench {
    struct try_options options;
    struct session session;
    struct data_source data;
    struct script_services services;
    struct recorded answer;
    struct script *composer, *scorer;
    uint64_t rounds, index;
    uint64_t compose_ns, score_ns, events, body_bytes;
    const char *outcome;
};

/* ---- before ---- */

static bool read_answer(struct bench *bench, struct err *err)
{
    struct buf bytes;
    buf_init(&bytes, RECORDED_LIMIT);
    bool ok = path_read(bench->options.spec.replay, &bytes, err) &&
              recorded_parse(&bench->answer, buf_span(&bytes), err);
    buf_fini(&bytes);
    return ok;
}

static bool open_scripts(struct bench *bench, struct err *err)
{
    struct run_spec *spec = &bench->options.options.spec;
    spec->offline = true;
    if (!http_global_init(err) ||
        data_find(spec, bench->session.log, false, &bench->data, err) != DATA_FOUND)
        return false;
    bench->services = services_of(spec);
    struct script_config config =
        scripts_config(&bench->options.options, &bench->data, &bench->services, &bench->session);
    config.role = SCRIPT_COMPOSER;
    bench->composer = script_open(&config, err);
    config.role = SCRIPT_SCORER;
    bench->scorer = bench->composer ? script_open(&config, err) : NULL;
    return bench->scorer &&
           script_set_setup(bench->scorer, script_setup_result(bench->composer), err);
}

/* ---- a round ---- */

/* The next request; the data begins anew when it is at its end. NULL: err. */
static struct request *compose(struct bench *bench, struct err *err)
{
    struct request *request = NULL;
    uint64_t begin = clock_thread_cpu_ns();
    enum script_step step = script_next(bench->composer, bench->index, 0, &request, err);
    if (step == SCRIPT_STEP_END && script_rewind(bench->composer, err))
        step = script_next(bench->composer, bench->index, 0, &request, err);
    bench->compose_ns += clock_thread_cpu_ns() - begin;
    bench->index++;
    if (step != SCRIPT_STEP_OK)
        return NULL;
    if (request->fault) {
        err_set(err, "%s", request->fault);
        request_free(request);
        return NULL;
    }
    bench->body_bytes = request->body_len;
    return request;
}

/* As a worker would leave it: read in pieces of some hundred bytes. */
static struct exchange *exchange_of(struct bench *bench, struct request *request)
{
    enum { PIECE = 256, STEP_NS = 1000000 };
    struct exchange *exchange = exchange_new(request, RECORDED_LIMIT);
    struct span rest = buf_span(&bench->answer.body);
    uint64_t now = STEP_NS;
    exchange->due_ns = exchange->started_ns = exchange->sent_ns = now;
    exchange->first_byte_ns = exchange->headers_ns = now;
    exchange->status = bench->answer.status;
    exchange->content_type = mem_text(bench->answer.content_type);
    buf_add_span(&exchange->headers, buf_span(&bench->answer.headers));
    while (rest.len > 0) {
        size_t len = rest.len < PIECE ? rest.len : PIECE;
        now += STEP_NS;
        exchange_read(exchange, rest.data, len, now, now);
        rest = span_of(rest.data + len, rest.len - len);
    }
    exchange->end_ns = now;
    exchange->finish = FINISH_COMPLETE;
    return exchange;
}

static void score(struct bench *bench, struct request *request)
{
    struct exchange *exchange = exchange_of(bench, request);
    uint64_t begin = clock_thread_cpu_ns();
    struct sample *sample = answer_score(bench->scorer, NULL, exchange);
    bench->score_ns += clock_thread_cpu_ns() - begin;
    bench->events += sample->event_count;
    bench->outcome = outcome_name(sample->outcome);
    sample_free(sample);
}

static bool run(struct bench *bench, struct err *err)
{
    for (uint64_t i = 0; i < bench->rounds; i++) {
        struct request *request = compose(bench, err);
        if (!request)
            return false;
        score(bench, request);
    }
    return true;
}

/* The first rounds fill caches and let heaps grow. */
static bool measure(struct bench *bench, struct err *err)
{
    uint64_t rounds = bench->rounds;
    bench->rounds = rounds / 10 + 1;
    if (!run(bench, err))
        return false;
    bench->rounds = rounds;
    bench->compose_ns = bench->score_ns = bench->events = 0;
    return run(bench, err);
}

static void print(const struct bench *bench)
{
    printf("{\"rounds\": %llu, \"outcome\": \"%s\", \"body_bytes\": %llu, \"answer_bytes\": %zu, "
           "\"events\": %llu, \"compose_ns\": %llu, \"score_ns\": %llu}\n",
           (unsigned long long)bench->rounds, bench->outcome, (unsigned long long)bench->body_bytes,
           bench->answer.body.len, (unsigned long long)bench->events,
           (unsigned long long)bench->compose_ns, (unsigned long long)bench->score_ns);
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct bench bench = {.data = {.fd = -1}};
    if (argc < 2 || !(bench.rounds = strtoull(argv[1], NULL, 10))) {
        fputs("usage: scripts ROUNDS [options of llmbench try] --replay FILE\n", stderr);
        return 2;
    }
    session_init(&bench.session, &bench.options.options);
    bool ok = try_options_read(&bench.options, argc, argv, 2, bench.session.secrets, &err);
    session_log(&bench.session, ok);
    ok = ok && (bench.options.spec.replay || err_set(&err, "--replay is missing"));
    ok = ok && read_answer(&bench, &err) && open_scripts(&bench, &err) && measure(&bench, &err);
    if (ok)
        print(&bench);
    else
        fprintf(stderr, "scripts: %s\n", err.text);
    script_close(bench.scorer);
    script_close(bench.composer);
    recorded_fini(&bench.answer);
    data_source_fini(&bench.data);
    session_fini(&bench.session, 0);
    try_options_fini(&bench.options);
    return ok ? 0 : 1;
}
