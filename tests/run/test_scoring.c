/* From bytes and marks to a sample: outcome, text, tokens, times, kinds, coalescing, with the
 * built-in OpenAI script. */
#include "run/answered.h"

#include "model/run_spec.h"
#include "run/answer.h"
#include "script/script.h"

#define CHUNK(delta)                                                                               \
    "data: {\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":null}]}\n\n"
#define ROLE CHUNK("{\"role\":\"assistant\",\"content\":\"\"}")
#define TEXT(text) CHUNK("{\"content\":\"" text "\"}")
#define THINK(text) CHUNK("{\"reasoning_content\":\"" text "\"}")
#define FINISH "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n"
#define DONE "data: [DONE]\n\n"

struct fixture {
    struct run_spec spec;
    struct opt_set opts;
    struct script *script;
};

static const struct opt_row rows[] = {
    {.name = "url", .type = &opt_text, OPT_FIELD(struct run_spec, url, char *)},
    {.name = "model", .type = &opt_text, OPT_FIELD(struct run_spec, model, char *)},
    {.name = "stream", .type = &opt_flag, OPT_FIELD(struct run_spec, stream, bool)},
};

static int set_up(void **state)
{
    struct fixture *fixture = MEM_NEW(struct fixture);
    struct err err = {{0}};
    opt_set_init(&fixture->opts, rows, sizeof rows / sizeof *rows, &fixture->spec);
    struct script_config config = {.role = SCRIPT_SCORER,
                                   .api = "openai",
                                   .opts = &fixture->opts,
                                   .url = "http://h",
                                   .model = "m"};
    fixture->script = script_open(&config, &err);
    if (!fixture->script)
        fail_msg("%s", err.text);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    script_close(fixture->script);
    opt_set_fini(&fixture->opts);
    free(fixture);
    return 0;
}

static const struct {
    const char *name;
    int status;
    const char *type;
    const char *pieces[8];
    const char *outcome, *kinds, *text;
    int64_t prompt, completion;
    const char *source;
    const char *error; /* a part of it */
} cases[] = {
    {"a good stream",
     200,
     "text/event-stream; charset=utf-8",
     {ROLE, TEXT("a"), TEXT("b"), FINISH, USAGE, DONE},
     "ok",
     "occoud",
     "ab",
     7,
     2,
     "usage",
     NULL},
    {"no usage: events are counted",
     200,
     "text/event-stream",
     {ROLE, TEXT("a"), TEXT("b"), FINISH, DONE},
     "ok",
     "occod",
     "ab",
     -1,
     2,
     "events",
     NULL},
    {"no end marker but a finish reason",
     200,
     "text/event-stream",
     {TEXT("a"), FINISH},
     "ok",
     "co",
     "a",
     -1,
     1,
     "events",
     NULL},
    {"neither end",
     200,
     "text/event-stream",
     {ROLE, TEXT("a")},
     "truncated",
     "oc",
     "a",
     -1,
     1,
     "events",
     "neither"},
    {"no text",
     200,
     "text/event-stream",
     {ROLE, FINISH, DONE},
     "empty",
     "ood",
     "",
     -1,
     -1,
     "none",
     "no text"},
    {"nothing at all", 200, NULL, {NULL}, "empty", "", "", -1, -1, "none", "no text"},
    {"an error event",
     200,
     "text/event-stream",
     {TEXT("a"), "data: {\"error\":{\"message\":\"boom\"}}\n\n", DONE},
     "stream_error",
     "ced",
     "a",
     -1,
     1,
     "events",
     "boom"},
    {"an error field",
     200,
     "text/event-stream",
     {"error: {\"code\":500,\"message\":\"full\"}\n\n", DONE},
     "stream_error",
     "ed",
     "",
     -1,
     -1,
     "none",
     "full"},
    {"reasoning counts as text",
     200,
     "text/event-stream",
     {THINK("hm"), TEXT("a"), FINISH, DONE},
     "ok",
     "rcod",
     "a",
     -1,
     2,
     "events",
     NULL},
    {"not what was asked for",
     200,
     "text/html",
     {"<html>log in</html>"},
     "bad_response",
     "x",
     "",
     -1,
     -1,
     "none",
     "understands"},
    {"a plain answer",
     200,
     "application/json",
     {"{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hello\"},"
      "\"finish_reason\":\"stop\"}],"
      "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}"},
     "ok",
     "c",
     "hello",
     3,
     1,
     "usage",
     NULL},
    {"an HTTP error with its message",
     401,
     "application/json",
     {"{\"error\":{\"message\":\"wrong key\"}}"},
     "http_4xx",
     "e",
     "",
     -1,
     -1,
     "none",
     "HTTP 401: wrong key"},
    {"an HTTP error of no known shape",
     503,
     "text/plain",
     {"come back later"},
     "http_5xx",
     "x",
     "",
     -1,
     -1,
     "none",
     "HTTP 503: come back later"},
    {"too many requests", 429, NULL, {NULL}, "http_429", "", "", -1, -1, "none", "HTTP 429"},
    {"comments are pings",
     200,
     "text/event-stream",
     {": hi\n\n", TEXT("a"), FINISH, DONE},
     "ok",
     "pcod",
     "a",
     -1,
     1,
     "events",
     NULL},
};

static void check_case(struct script *script, size_t i)
{
    struct sample *sample =
        answer_score(script, NULL, answered(cases[i].status, cases[i].type, cases[i].pieces));
    const char *name = cases[i].name;
    char *kinds = kinds_of(sample);
    CHECK_TEXT(name, outcome_name(sample->outcome), cases[i].outcome);
    CHECK_TEXT(name, kinds, cases[i].kinds);
    CHECK_TEXT(name, sample->text ? sample->text : "", cases[i].text);
    CHECK_INT(name, sample->prompt_tokens, cases[i].prompt);
    CHECK_INT(name, sample->completion_tokens, cases[i].completion);
    CHECK_TEXT(name, token_source_name(sample->completion_source), cases[i].source);
    if (cases[i].error && (!sample->error || !strstr(sample->error, cases[i].error)))
        fail_msg("%s: error is \"%s\", want \"…%s…\"", name, sample->error ? sample->error : "none",
                 cases[i].error);
    if (!cases[i].error && sample->error)
        fail_msg("%s: unexpected error \"%s\"", name, sample->error);
    free(kinds);
    sample_free(sample);
}

static void test_cases(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(fixture->script, i);
}

/* Whatever came, or waited, behind an event may have given the read its stamp. */
static void test_what_came_with_an_event(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *name;
        const char *pieces[4];
        int more; /* the read that left bytes behind; -1 = none */
        bool first, second;
    } ways[] = {
        {"alone", {TEXT("a"), TEXT("b"), DONE}, -1, false, false},
        {"with a part of the next",
         {TEXT("a") "data: {\"choi", "ces\":[]}\n\n", DONE},
         -1,
         true,
         false},
        {"with a line end", {TEXT("a") "\r\n", TEXT("b"), DONE}, -1, false, false},
        {"bytes left behind", {TEXT("a"), TEXT("b"), DONE}, 0, true, false},
        {"left behind by the next", {TEXT("a"), TEXT("b"), DONE}, 1, false, true},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct exchange *exchange = answered(200, "text/event-stream", ways[i].pieces);
        if (ways[i].more >= 0)
            exchange->marks[ways[i].more].more = 1;
        struct sample *sample = answer_score(fixture->script, NULL, exchange);
        CHECK_INT(ways[i].name, sample->events[0].coalesced, ways[i].first);
        CHECK_INT(ways[i].name, sample->events[1].coalesced, ways[i].second);
        sample_free(sample);
    }
}

static void test_times(void **state)
{
    struct fixture *fixture = *state;
    const char *pieces[] = {ROLE, THINK("hm"), TEXT("a"), TEXT("b") FINISH, DONE, NULL};
    struct sample *sample =
        answer_score(fixture->script, NULL, answered(200, "text/event-stream", pieces));
    CHECK_INT("first chunk", sample->first_chunk_ns, 1000);
    CHECK_INT("first token", sample->first_token_ns, 1100);
    CHECK_INT("first answer", sample->first_answer_ns, 1200);
    CHECK_INT("last token", sample->last_token_ns, 1300);
    CHECK_INT("the one that shares its read is an upper bound", sample->events[3].coalesced, true);
    CHECK_INT("the last of the read is not", sample->events[4].coalesced, false);
    CHECK_INT("alone in its read", sample->events[2].coalesced, false);
    CHECK_INT("packages", sample->data_events, 5);
    CHECK_INT("texts", sample->text_events, 3);
    CHECK_INT("characters", sample->text_chars, 4);
    CHECK_TEXT("finish", sample->finish_reason, "stop");
    sample_free(sample);
}

/* Wherever the stream is cut into two reads, only times may change. */
static void test_cut_anywhere(void **state)
{
    struct fixture *fixture = *state;
    const char *stream =
        ROLE TEXT("h\\u00e9") "\r\n: ping\r\n" TEXT("\xe4\xbd\xa0") FINISH USAGE DONE;
    size_t len = strlen(stream);
    for (size_t cut = 1; cut < len; cut++) {
        char *head = mem_copy(stream, cut);
        const char *pieces[] = {head, stream + cut, NULL};
        struct sample *sample =
            answer_score(fixture->script, NULL, answered(200, "text/event-stream", pieces));
        char *kinds = kinds_of(sample);
        CHECK_TEXT("kinds", kinds, "ocpcoud");
        CHECK_TEXT("text", sample->text, "h\xc3\xa9\xe4\xbd\xa0");
        CHECK_INT("outcome", sample->outcome, OUTCOME_OK);
        CHECK_INT("characters", sample->text_chars, 3);
        free(kinds);
        free(head);
        sample_free(sample);
    }
}

/* A failure of the transport names the outcome, but an error event that came before it goes first.
 */
static void test_broken(void **state)
{
    struct fixture *fixture = *state;
    const char *pieces[] = {ROLE, TEXT("a"), NULL};
    struct exchange *exchange = answered(200, "text/event-stream", pieces);
    exchange->finish = FINISH_BROKEN;
    exchange->fault = OUTCOME_RESET;
    exchange->error = mem_text("connection reset");
    struct sample *sample = answer_score(fixture->script, NULL, exchange);
    CHECK_TEXT("reset", outcome_name(sample->outcome), "reset");
    CHECK_TEXT("its sentence", sample->error, "connection reset");
    CHECK_TEXT("what came before is kept", sample->text, "a");
    sample_free(sample);

    const char *with_error[] = {"data: {\"error\":\"no memory\"}\n\n", NULL};
    exchange = answered(200, "text/event-stream", with_error);
    exchange->finish = FINISH_BROKEN;
    exchange->fault = OUTCOME_RESET;
    exchange->error = mem_text("connection reset");
    sample = answer_score(fixture->script, NULL, exchange);
    CHECK_TEXT("the error event first", outcome_name(sample->outcome), "stream_error");
    sample_free(sample);

    exchange = answered(200, "text/event-stream", pieces);
    exchange->finish = FINISH_CANCELLED;
    sample = answer_score(fixture->script, NULL, exchange);
    CHECK_TEXT("cancelled", outcome_name(sample->outcome), "cancelled");
    sample_free(sample);
}

static void test_never_sent(void **state)
{
    struct fixture *fixture = *state;
    struct request *request = MEM_NEW(struct request);
    request->fault = mem_text("my.lua:3: oops");
    struct exchange *exchange = exchange_new(request, EXCHANGE_HEAD_MOST, 1000);
    exchange->finish = FINISH_BROKEN;
    exchange->fault = OUTCOME_SCRIPT_ERROR;
    exchange->error = mem_text(request->fault);
    struct sample *sample = answer_score(fixture->script, NULL, exchange);
    CHECK_TEXT("outcome", outcome_name(sample->outcome), "script_error");
    CHECK_TEXT("error", sample->error, "my.lua:3: oops");
    sample_free(sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),  cmocka_unit_test(test_what_came_with_an_event),
        cmocka_unit_test(test_times),  cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_broken), cmocka_unit_test(test_never_sent),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
