/* Several states at once, as the line runs them: one a thread, over the same options, log and
 * secrets. */
#include <pthread.h>

#include "fixture.h"
#include "model/exchange.h"

enum { SCORERS = 3, ANSWERS = 200 };

static const char text[] =
    SCRIPT("local json, log = require('json'), require('log')\n"
           "function api.setup(o) return {word='shared', limit=o.max_tokens} end\n"
           "function api.build_messages() return function() return 'p' end end\n"
           "function api.build_request(m, o, c) return {n=c.index} end\n"
           "function api.read_event(data, name, c) log.debug('%d', c.index)\n"
           "return {content=c.setup.word .. json.decode(data).n, tokens=c.setup.limit} end");

struct scorer {
    pthread_t thread;
    const struct script_config *config;
    struct span setup;
    char problem[256]; /* empty = none */
};

static bool answer(struct script *script, struct request *request, struct err *err)
{
    struct exchange *exchange = exchange_new(request, EXCHANGE_HEAD_MOST, 1024);
    struct delta delta;
    char *want = mem_printf("shared%d", (int)request->index);
    bool ok = script_answer_begin(script, exchange, err) &&
              script_read_event(script, span_of(request->body, request->body_len), span_text(""),
                                &delta, err);
    if (ok && (!span_equals(delta.content, want) || delta.tokens != 5))
        ok = err_set(err, "got %.*s, want %s", (int)delta.content.len, delta.content.data, want);
    script_answer_end(script);
    free(want);
    exchange_free(exchange);
    return ok;
}

static void *score(void *arg)
{
    struct scorer *scorer = arg;
    struct err err = {""};
    struct script_config config = *scorer->config;
    config.role = SCRIPT_SCORER;
    struct script *script = script_open(&config, &err);
    bool ok = script && script_set_setup(script, scorer->setup, &err);
    for (uint64_t i = 0; ok && i < ANSWERS; i++) {
        struct request *request = MEM_NEW(struct request);
        request->index = i;
        request->body = mem_printf("{\"n\":%d}", (int)i);
        request->body_len = strlen(request->body);
        ok = answer(script, request, &err);
    }
    snprintf(scorer->problem, sizeof scorer->problem, "%.200s", ok ? "" : err.text);
    script_close(script);
    return NULL;
}

static void states_do_not_disturb_each_other(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, "--max-tokens 5");
    fixture_log(&fixture);
    fixture_write(&fixture, "s.lua", text);
    char *path = fixture_path(&fixture, "s.lua");
    fixture.config.file = path;
    struct err err;
    struct script *composer = script_open(&fixture.config, &err);
    if (!composer)
        fail_msg("%s", err.text);
    struct scorer scorers[SCORERS];
    for (int i = 0; i < SCORERS; i++) {
        scorers[i] = (struct scorer){
            .config = &fixture.config,
            .setup = script_setup_result(composer),
        };
        assert_int_equal(pthread_create(&scorers[i].thread, NULL, score, &scorers[i]), 0);
    }
    for (uint64_t i = 0; i < ANSWERS; i++) {
        struct request *request = must_compose(composer, i);
        assert_null(request->fault);
        request_free(request);
    }
    for (int i = 0; i < SCORERS; i++) {
        pthread_join(scorers[i].thread, NULL);
        CHECK_TEXT("scorer", scorers[i].problem, "");
    }
    script_close(composer);
    free(path);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
