/* The tokenizer's counts of answers: by event, of texts that grow or are replaced, of several
 * choices, and who goes before it. */
#include "run/answered.h"

#include <unistd.h>

#include "run/answer.h"
#include "run/counter.h"
#include "script/script.h"
#include "token/tokenizer.h"

/* Events say themselves what they are. */
static const char lua[] = "local json = require 'json'\n"
                          "local api = {framing = 'ndjson'}\n"
                          "function api.build_request() return {} end\n"
                          "function api.read_event(data) local e = json.decode(data)\n"
                          "    return e end\n"
                          "function api.parse_responses(list)\n"
                          "    if list[1]:find('refuse') then error('no counts') end\n"
                          "    if list[1]:find('mine') then return 5, 6 end\n"
                          "end\n"
                          "function api.build_messages() return function() return 'x' end end\n"
                          "return api\n";

struct fixture {
    char path[64];
    struct opt_set opts;
    struct script *script;
    struct tokenizer *tokenizer;
};

static int set_up(void **state)
{
    struct fixture *fixture = MEM_NEW(struct fixture);
    struct err err = {{0}};
    strcpy(fixture->path, "/tmp/llmbench-counter-XXXXXX.lua");
    int fd = mkstemps(fixture->path, 4);
    assert_int_equal(write(fd, lua, strlen(lua)), strlen(lua));
    close(fd);
    opt_set_init(&fixture->opts, NULL, 0, NULL);
    struct script_config config = {
        .role = SCRIPT_SCORER, .file = fixture->path, .opts = &fixture->opts, .url = "http://h"};
    fixture->script = script_open(&config, &err);
    fixture->tokenizer = tokenizer_load(TEST_DATA "/tokenizer", &err);
    if (!fixture->script || !fixture->tokenizer)
        fail_msg("%s", err.text);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    script_close(fixture->script);
    tokenizer_free(fixture->tokenizer);
    opt_set_fini(&fixture->opts);
    unlink(fixture->path);
    free(fixture);
    return 0;
}

#define LINE(TEXT) "{" TEXT "}\n"
#define END LINE("\"finish\":\"stop\"")

/* "the" and " river" are tokens of the file in tests/data/tokenizer, "\xe9\xbe\x98" is three. */
static const struct {
    const char *name, *pieces[6], *events; /* tokens of each event */
    int64_t tokens;
    enum token_source source, event_source;
} rows[] = {
    {"one each",
     {LINE("\"content\":\"the\""), LINE("\"content\":\" river\""), END},
     "1 1 0",
     2,
     TOKENS_TOKENIZER,
     TOKENS_TOKENIZER},
    {"several in one",
     {LINE("\"content\":\"the river the\""), LINE("\"content\":\" river\""), END},
     "3 1 0",
     4,
     TOKENS_TOKENIZER,
     TOKENS_TOKENIZER},
    {"a token over two events",
     {LINE("\"content\":\"the riv\""), LINE("\"content\":\"er\""), END},
     "1 1 0",
     2,
     TOKENS_TOKENIZER,
     TOKENS_TOKENIZER},
    {"pieces of a character end with it",
     {LINE("\"content\":\"the\""), LINE("\"content\":\"\xe9\xbe\x98\""), END},
     "1 3 0",
     4,
     TOKENS_TOKENIZER,
     TOKENS_TOKENIZER},
    {"the whole text each time",
     {LINE("\"content\":\"the\",\"cumulative\":true"),
      LINE("\"content\":\"the river\",\"cumulative\":true"), END},
     "1 1 0",
     2,
     TOKENS_TOKENIZER,
     TOKENS_TOKENIZER},
    {"a text that becomes shorter",
     {LINE("\"content\":\"the river the\",\"cumulative\":true"),
      LINE("\"content\":\"the\",\"cumulative\":true"), END},
     "1 0 0",
     1,
     TOKENS_TOKENIZER,
     TOKENS_TOKENIZER},
    {"each kind is a text of its own",
     {LINE("\"reasoning\":\"the\""), LINE("\"content\":\"the\",\"tool\":\" river\""),
      LINE("\"refusal\":\" river\""), END},
     "1 2 1 0",
     4,
     TOKENS_TOKENIZER,
     TOKENS_TOKENIZER},
    {"and each choice",
     {LINE("\"content\":\"the\",\"index\":0"), LINE("\"content\":\"the\",\"index\":1"),
      LINE("\"content\":\" river\",\"index\":0"), END},
     "1 1 1 0",
     3,
     TOKENS_TOKENIZER,
     TOKENS_TOKENIZER},
    {"the script knows better",
     {LINE("\"content\":\"the\",\"tokens\":4"), LINE("\"content\":\" river\",\"tokens\":2"), END},
     "4 2 0",
     2,
     TOKENS_TOKENIZER,
     TOKENS_SCRIPT},
    {"usage goes before",
     {LINE("\"content\":\"the\""), LINE("\"usage\":{\"prompt\":1,\"completion\":9}"), END},
     "1 0 0",
     9,
     TOKENS_USAGE,
     TOKENS_TOKENIZER},
    {"so does what the script counts",
     {LINE("\"content\":\"mine\""), END},
     NULL,
     6,
     TOKENS_SCRIPT,
     TOKENS_TOKENIZER},
    {"an error of the script leaves them unknown",
     {LINE("\"content\":\"refuse\""), END},
     NULL,
     TOKENS_UNKNOWN,
     TOKENS_NONE,
     TOKENS_NONE},
};

static void answers(void **state)
{
    struct fixture *fixture = *state;
    struct counter *counter = counter_new(fixture->tokenizer, false);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct exchange *exchange = answered(200, "application/x-ndjson", rows[i].pieces);
        struct sample *sample = answer_score(fixture->script, counter, exchange);
        char got[128] = "";
        for (size_t k = 0; k < sample->event_count; k++)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%u", k ? " " : "",
                     sample->events[k].tokens);
        if (sample->outcome != OUTCOME_OK)
            fail_msg("%s: %s", rows[i].name, sample->error);
        if (rows[i].events)
            CHECK_TEXT(rows[i].name, got, rows[i].events);
        CHECK_INT(rows[i].name, sample->completion_tokens, rows[i].tokens);
        CHECK_INT(rows[i].name, sample->completion_source, rows[i].source);
        CHECK_INT(rows[i].name, sample->event_source, rows[i].event_source);
        CHECK_INT(rows[i].name, sample->usage_completion,
                  rows[i].source == TOKENS_USAGE ? rows[i].tokens : TOKENS_UNKNOWN);
        sample_free(sample);
    }
    counter_free(counter);
}

/* What is compared is counted even where the usage says it. */
static void checked(void **state)
{
    struct fixture *fixture = *state;
    static const char *const pieces[] = {LINE("\"content\":\"the river\""),
                                         LINE("\"usage\":{\"prompt\":1,\"completion\":9}"), END,
                                         NULL};
    for (int check = 0; check < 2; check++) {
        struct counter *counter = counter_new(fixture->tokenizer, check);
        struct sample *sample =
            answer_score(fixture->script, counter, answered(200, "application/x-ndjson", pieces));
        CHECK_INT("completion", sample->completion_tokens, 9);
        CHECK_INT("counted", sample->counted_completion, check ? 2 : TOKENS_UNKNOWN);
        sample_free(sample);
        counter_free(counter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checked, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
