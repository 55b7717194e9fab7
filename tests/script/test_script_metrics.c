/* A script's own metrics: what is refused when it is loaded, what `sample` holds, what `of` may
 * return. */
#include <math.h>

#include "fixture.h"
#include "script/contract.h"

/* ---- loading ---- */

#define METRICS(LIST) SCRIPT("api.metrics = " LIST "\n")
#define OF "of = function() end"

static void definitions_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *name, *script, *says;
    } cases[] = {
        {"no list", METRICS("7"), "'metrics' must be a table, not 7"},
        {"a map", METRICS("{words = {}}"), "'metrics' must be a list of tables without gaps"},
        {"one itself", METRICS("{name = 'w', unit = 's', " OF "}"), "must be a list of tables"},
        {"a gap", METRICS("{[1] = {name='w', unit='s', " OF "}, [3] = {}}"), "without gaps"},
        {"no tables", METRICS("{'words'}"), "metrics[1] must be a table, not a string"},
        {"a slip", METRICS("{{nam = 'w'}}"), "metrics[1]: unknown field 'nam' (did you mean"},
        {"a number", METRICS("{{7}}"), "metrics[1]: unknown field '[1]'"},
        {"no name", METRICS("{{unit = 's', " OF "}}"), "metrics[1]: 'name' is missing: its key"},
        {"no unit", METRICS("{{name = 'w', " OF "}}"), "metrics[1]: 'unit' is missing: a unit"},
        {"no of", METRICS("{{name = 'w', unit = 's'}}"), "metrics[1]: 'of' is missing: returns"},
        {"of", METRICS("{{name='w', unit='s', of='x'}}"), "'of' must be a function, not a string"},
        {"over", METRICS("{{name='w', unit='s', over='some', " OF "}}"),
         "'over' is \"some\"; it must be one of: successes all"},
        {"unit", METRICS("{{name = 'w', unit = '', " OF "}}"), "'unit' must be s, tokens"},
        {"the second", METRICS("{{name='a', unit='s', " OF "}, {name='B', unit='s', " OF "}}"),
         "metrics[2]: 'B': a metric's name must be lower-case"},
        {"twice", METRICS("{{name='a', unit='s', " OF "}, {name='a', unit='s', " OF "}}"),
         "metrics[2]: 'a': two metrics have this name"},
        {"built in", METRICS("{{name='latency', unit='s', " OF "}}"),
         "'latency': that is the name of a built-in metric"},
        {"too many",
         SCRIPT("api.metrics = {} for i = 1, 33 do api.metrics[i] = {name='m'..i, unit='s', " OF
                "} end\n"),
         "metrics[33]: 'm33': there may be at most 32 metrics"},
        {"of a data set",
         "return {metrics = {}, build_messages = function() return function() end end}",
         "'metrics' belongs to an API script, but this is a data set script"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        struct err err;
        fixture_init(&fixture, NULL);
        if (fixture_open(&fixture, cases[i].script, &err))
            fail_msg("%s: it was accepted", cases[i].name);
        check_contains(cases[i].name, err.text, cases[i].says);
        check_contains(cases[i].name, err.text, "s.lua:");
        fixture_fini(&fixture);
    }
}

static void definitions_are_told(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, NULL);
    struct script *script = fixture_must_open(
        &fixture, METRICS("{{name='w', unit='seconds', title='W', formula='f', " OF "}, "
                          "{name='v', unit='apples', over='all', " OF "}}"));
    const struct own_metrics *own = script_facts(script)->own;
    CHECK_INT("count", own->count, 2);
    CHECK_TEXT("unit", own->items[0].unit, "s");
    CHECK_TEXT("title", own->items[0].title, "W");
    CHECK_TEXT("formula", own->items[0].formula, "f");
    CHECK_INT("over", own->items[0].over, OVER_SUCCESSES);
    CHECK_TEXT("unit", own->items[1].unit, "apples");
    CHECK_INT("over", own->items[1].over, OVER_ALL_WITH_RESPONSE);
    script_close(script);
    script = fixture_must_open(&fixture, METRICS("{}"));
    assert_null(script_facts(script)->own);
    script_close(script);
    fixture_fini(&fixture);
}

/* ---- computing ---- */

struct lab {
    struct fixture fixture;
    struct script *script;
    struct sample *sample;
};

/* A streamed success: sent at 1 s, events at 1.5, 1.75 and 2.25 s, over at 3 s. */
static struct sample *made_sample(void)
{
    struct sample *sample = MEM_NEW(struct sample);
    struct request *request = MEM_NEW(struct request);
    request->index = 41;
    request->stage = 2;
    request->body = mem_text("{}");
    request->body_len = 2;
    struct exchange *exchange = exchange_new(request, EXCHANGE_HEAD_MOST, 1 << 20);
    exchange->started_ns = exchange->sent_ns = 1000000000;
    exchange->first_byte_ns = 1250000000;
    exchange->end_ns = 3000000000;
    exchange->status = 200;
    *sample = (struct sample){
        .exchange = exchange,
        .outcome = OUTCOME_OK,
        .streamed = true,
        .first_token_ns = 1500000000,
        .last_token_ns = 2250000000,
        .text = mem_text("one two"),
        .text_len = 7,
        .prompt_tokens = 5,
        .completion_tokens = 4,
        .cached_tokens = TOKENS_UNKNOWN,
        .reasoning_tokens = 0,
        .finish_reason = "stop",
        .event_count = 3,
        .events = mem_zero(3, sizeof *sample->events),
    };
    sample->events[0] = (struct event){.time_ns = 1500000000, .kind = EVENT_CONTENT, .tokens = 3};
    sample->events[1] = (struct event){.time_ns = 1750000000, .kind = EVENT_PING, .index = 1};
    sample->events[2] =
        (struct event){.time_ns = 2250000000, .kind = EVENT_CONTENT, .coalesced = true};
    return sample;
}

static void lab_open(struct lab *lab, const char *script)
{
    fixture_init(&lab->fixture, NULL);
    lab->fixture.config.role = SCRIPT_SCORER;
    lab->script = fixture_must_open(&lab->fixture, script);
    lab->sample = made_sample();
}

static void lab_measure(struct lab *lab)
{
    struct err err;
    if (!script_answer_begin(lab->script, lab->sample->exchange, &err))
        fail_msg("%s", err.text);
    script_measure(lab->script, lab->sample);
    script_answer_end(lab->script);
}

static void lab_fini(struct lab *lab)
{
    sample_free(lab->sample);
    script_close(lab->script);
    fixture_fini(&lab->fixture);
}

static const struct {
    const char *body;
    double value; /* NAN = none */
    const char *says;
} functions[] = {
    {"return 7", 7, NULL},
    {"return -0.5", -0.5, NULL},
    {"return nil", (double)NAN, NULL},
    {"", (double)NAN, NULL},
    {"return 1, 'more'", 1, NULL},
    {"return select(2, s.text:gsub('%S+', ''))", 2, NULL},
    {"return s.outcome == 'ok' and s.status == 200 and s.streamed and 1", 1, NULL},
    {"return s.index * 10 + s.stage", 412, NULL},
    {"return s.finish == 'stop' and s.error == nil and 1", 1, NULL},
    {"return s.prompt_tokens * 10 + s.completion_tokens", 54, NULL},
    {"return s.cached_tokens", (double)NAN, NULL},
    {"return s.reasoning_tokens", 0, NULL},
    {"return s.ttfb", 0.25, NULL},
    {"return s.ttft", 0.5, NULL},
    {"return s.latency", 1.25, NULL},
    {"return s.tpot", 0.25, NULL},
    {"return s.connect", (double)NAN, NULL},
    {"return #s.events", 3, NULL},
    {"return s.events[2].time", 0.75, NULL},
    {"return s.events[1].kind == 'c' and s.events[2].kind == 'p' and 1", 1, NULL},
    {"return s.events[1].tokens", 3, NULL},
    {"return s.events[3].tokens", (double)NAN, NULL},
    {"return s.events[2].index", 1, NULL},
    {"return s.events[3].coalesced and not s.events[1].coalesced and 1", 1, NULL},
    {"return s.events == s.events and 1", 1, NULL},
    {"return c.index + c.status", 241, NULL},
    {"return 0/0", (double)NAN, "must return a number or nil, not "},
    {"return 1/0", (double)NAN, "must return a number or nil, not inf"},
    {"return '7'", (double)NAN, "must return a number or nil, not a string"},
    {"return {}", (double)NAN, "must return a number or nil, not a table"},
    {"return 7LL", (double)NAN, "must return a number or nil, not FFI data"},
    {"error('no luck')", (double)NAN, "no luck"},
    {"return s.tfft", (double)NAN, "sample has no 'tfft' (did you mean 'ttft'?)"},
    {"return s.evnts", (double)NAN, "(did you mean 'events'?)"},
    {"return s.nothing_like_it", (double)NAN, "sample has no 'nothing_like_it'"},
    {"return s.itl", (double)NAN, "'itl': it is not one value a request"},
    {"return s.request_throughput", (double)NAN, "it is not one value a request"},
    {"return s[1]", (double)NAN, "by the names of its fields, not by a number"},
    {"s.text = 'x' return 1", (double)NAN, "sample is read-only: 'text' cannot be set"},
    {"return c.nothing.more", (double)NAN, "attempt to index field 'nothing'"},
};

/* Each is the function's body; NULL says: its value. */
static void functions_give_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        struct lab lab;
        char *script = mem_printf(METRICS("{{name='m', unit='s', of=function(s, c) %s end}}"),
                                  functions[i].body);
        lab_open(&lab, script);
        lab_measure(&lab);
        double got = lab.sample->own_values[0];
        if (isnan(got) != isnan(functions[i].value) || (!isnan(got) && got != functions[i].value))
            fail_msg("%s: %g, want %g (%s)", functions[i].body, got, functions[i].value,
                     lab.sample->own_error ? lab.sample->own_error : "");
        CHECK_INT(functions[i].body, lab.sample->own_failed, functions[i].says ? 1 : 0);
        CHECK_INT(functions[i].body, lab.sample->own_error != NULL, functions[i].says != NULL);
        if (functions[i].says) {
            check_contains(functions[i].body, lab.sample->own_error, "metric 'm': ");
            check_contains(functions[i].body, lab.sample->own_error, functions[i].says);
        }
        CHECK_INT("the outcome stays", lab.sample->outcome, OUTCOME_OK);
        lab_fini(&lab);
        free(script);
    }
}

/* Every word of the contract is a field, and the field has what its row says. */
static void every_field_of_the_contract_is_there(void **state)
{
    (void)state;
    const struct script_word *word;
    size_t seen = 0;
    for (size_t i = 0; (word = script_word_at(i)); i++) {
        if (word->kind != WORD_SAMPLE)
            continue;
        struct lab lab;
        char *script = mem_printf(METRICS("{{name='m', unit='s', of=function(s) "
                                          "local x = s.%s return 1 end}}"),
                                  word->name);
        lab_open(&lab, script);
        lab_measure(&lab);
        if (lab.sample->own_error)
            fail_msg("%s: %s", word->name, lab.sample->own_error);
        lab_fini(&lab);
        free(script);
        seen++;
    }
    assert_true(seen > 10);
}

/* One of several fails; the others have their values, and the first failure is kept. */
static void failures_stay_alone(void **state)
{
    (void)state;
    struct lab lab;
    lab_open(&lab, METRICS("{{name='a', unit='s', of=function() return 1 end}, "
                           "{name='b', unit='s', of=function() error('first') end}, "
                           "{name='c', unit='s', of=function() return 3 end}, "
                           "{name='d', unit='s', of=function() error('second') end}}"));
    lab_measure(&lab);
    CHECK_INT("failed", lab.sample->own_failed, 2 + 8);
    assert_true(lab.sample->own_values[0] == 1 && lab.sample->own_values[2] == 3);
    assert_true(isnan(lab.sample->own_values[1]) && isnan(lab.sample->own_values[3]));
    check_contains("first", lab.sample->own_error, "metric 'b': ");
    lab_fini(&lab);
}

static void failed_requests_count_where_asked(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum outcome outcome;
        uint64_t first_byte_ns;
        bool ok, all; /* which have a value */
    } cases[] = {
        {"success", OUTCOME_OK, 1250000000, true, true},
        {"failure", OUTCOME_HTTP_5XX, 1250000000, false, true},
        {"cancelled", OUTCOME_CANCELLED, 1250000000, false, true},
        {"no response", OUTCOME_RESET, 0, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lab lab;
        lab_open(&lab, METRICS("{{name='a', unit='s', of=function() return 1 end}, "
                               "{name='b', unit='s', over='all', of=function() return 1 end}}"));
        lab.sample->outcome = cases[i].outcome;
        lab.sample->exchange->first_byte_ns = cases[i].first_byte_ns;
        lab_measure(&lab);
        CHECK_INT(cases[i].name, !isnan(lab.sample->own_values[0]), cases[i].ok);
        CHECK_INT(cases[i].name, !isnan(lab.sample->own_values[1]), cases[i].all);
        CHECK_INT(cases[i].name, lab.sample->own_failed, 0);
        lab_fini(&lab);
    }
}

/* A script that keeps the sample does not read another one's values by it. */
static void an_old_sample_is_over(void **state)
{
    (void)state;
    struct lab lab;
    lab_open(&lab, METRICS("{{name='m', unit='s', of=function(s) old = old or s "
                           "return old.ttft end}}"));
    lab_measure(&lab);
    assert_true(lab.sample->own_values[0] == 0.5);
    sample_free(lab.sample);
    lab.sample = made_sample();
    lab_measure(&lab);
    check_contains("old", lab.sample->own_error, "this sample is over: keep its values");
    lab_fini(&lab);
}

/* An answer that could not be begun has no ctx, and so no values; without metrics nothing is made.
 */
static void nothing_to_measure(void **state)
{
    (void)state;
    struct lab lab;
    lab_open(&lab, METRICS("{{name='m', unit='s', over='all', of=function(s, c) return c.index "
                           "end}}"));
    script_measure(lab.script, lab.sample);
    assert_true(isnan(lab.sample->own_values[0]));
    CHECK_INT("failed", lab.sample->own_failed, 0);
    lab_fini(&lab);
    lab_open(&lab, SCRIPT(""));
    lab_measure(&lab);
    assert_null(lab.sample->own_values);
    assert_null(lab.sample->own);
    lab_fini(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(definitions_are_checked),
        cmocka_unit_test(definitions_are_told),
        cmocka_unit_test(functions_give_values),
        cmocka_unit_test(every_field_of_the_contract_is_there),
        cmocka_unit_test(failures_stay_alone),
        cmocka_unit_test(failed_requests_count_where_asked),
        cmocka_unit_test(an_old_sample_is_over),
        cmocka_unit_test(nothing_to_measure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
