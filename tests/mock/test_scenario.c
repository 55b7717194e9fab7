/* Scenarios as text, and which request gets which fault. */
#include "check.h"

#include "base/err.h"
#include "mock/faults.h"
#include "mock/scenario.h"

static bool parse(struct mock_scenario *scenario, const char *text, struct err *err)
{
    return mock_scenario_parse(scenario, "s", span_text(text), NULL, err);
}

static void test_what_can_be_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "s:1: the scenario is empty"},
        {"# nothing\n\n", "s:3: the scenario is empty"},
        {"\n  sent \"x\"", "s:2: \"sent\" is none of the words send"},
        {"averyveryverylongword", "no word of a scenario"},
        {"send", "a text in quotes has to follow"},
        {"send x", "a text in quotes has to follow"},
        {"send \"x", "no closing quote"},
        {"send \"x\\", "after a backslash"},
        {"send \"\\q\"", "after a backslash"},
        {"send \"\\x4\"", "after a backslash"},
        {"send \"\"", "nothing to send"},
        {"send \"x\" \"y\"", "\"\"y\"\" does not belong to \"send\""},
        {"wait", "duration"},
        {"wait soon", "'soon'"},
        {"wait -1s", "-1s"},
        {"drip \"x\"", "\"x\""},
        {"drip 1s", "a text in quotes"},
        {"length", "number"},
        {"length x", "'x'"},
        {"fill 0 \"x\"", "at least 1"},
        {"fill 10 \"\"", "at least 1"},
        {"fill ten \"x\"", "ten"},
        {"send-file \"x\"", "may name no files"},
        {"repeat", "neither a number of times nor \"forever\""},
        {"repeat 0\nsend \"x\"\nend", "neither a number"},
        {"repeat -1\nsend \"x\"\nend", "neither a number"},
        {"repeat 2\nend", "s:2: there is nothing to repeat"},
        {"repeat 2\nsend \"x\"", "a repeat has no end"},
        {"end", "no repeat that could end"},
        {"repeat 2\nreset\nend", "s:2: \"reset\" cannot be repeated"},
        {"repeat 2\nanswer\nend", "\"answer\" cannot be repeated"},
        {"close\nsend \"x\"", "s:2: nothing can follow"},
        {"stall now", "does not belong to \"stall\""},
        {"send \"x\"\nanswer", "nothing can be sent before it"},
        {"answer\nnext", "s:2: before \"next\" something has to be sent"},
        {"repeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat 1",
         "s:9: repeats stand in each other at most 8 deep"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mock_scenario scenario;
        struct err err = {""};
        CHECK_INT(rows[i].text, parse(&scenario, rows[i].text, &err), false);
        if (!strstr(err.text, rows[i].error))
            fail_msg("%s: \"%s\" lacks \"%s\"", rows[i].text, err.text, rows[i].error);
        CHECK_INT(rows[i].text, scenario.count, 0);
    }
}

static void test_too_many_steps_and_bytes(void **state)
{
    (void)state;
    struct mock_scenario scenario;
    struct err err;
    struct buf text;
    buf_init(&text, MOCK_SCENARIO_BYTES);
    for (int i = 0; i <= MOCK_SCENARIO_STEPS; i++)
        buf_add_text(&text, "wait 1s\n");
    assert_false(mock_scenario_parse(&scenario, "s", buf_span(&text), NULL, &err));
    assert_non_null(strstr(err.text, "s:10001: a scenario has at most 10000 steps"));
    buf_clear(&text);
    for (int i = 0; i <= MOCK_SCENARIO_BYTES / (64 << 10); i++)
        buf_add_text(&text, "fill 64K \"0123456789abcdef\"\n");
    assert_false(mock_scenario_parse(&scenario, "s", buf_span(&text), NULL, &err));
    assert_non_null(strstr(err.text, "s:1025: a scenario sends at most 64 MiB"));
    buf_fini(&text);
}

static void test_what_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *bytes;
        size_t len;
    } rows[] = {
        {"send \"a\\r\\n\\t\\0\\\\\\\"'\\x41\\xfF\"", "a\r\n\t\0\\\"'A\xff", 10},
        {"\t send 'say \"x\"' # so", "say \"x\"", 7},
        {"line \"X: y\"\r\n", "X: y\r\n", 6},
        {"chunk \"0123456789abcdef\"", "10\r\n0123456789abcdef\r\n", 22},
        {"chunk \"\"", "0\r\n\r\n", 5},
        {"chunked", "Transfer-Encoding: chunked\r\n\r\n", 30},
        {"length -5", "Content-Length: -5\r\n\r\n", 22},
        {"fill 7 'abc'", "abcabca", 7},
        {"drip 5ms 'abc'", "abc", 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mock_scenario scenario;
        struct err err = {""};
        if (!parse(&scenario, rows[i].text, &err))
            fail_msg("%s: %s", rows[i].text, err.text);
        CHECK_INT(rows[i].text, scenario.count, 1);
        CHECK_INT(rows[i].text, scenario.steps[0].len, rows[i].len);
        assert_memory_equal(scenario.steps[0].bytes, rows[i].bytes, rows[i].len);
        mock_scenario_fini(&scenario);
    }
}

static void test_repeats(void **state)
{
    (void)state;
    struct mock_scenario scenario;
    struct err err;
    assert_true(parse(
        &scenario,
        "repeat 3\nrepeat forever\nwait 1s\nend\nend\nsend 'x'\nnext\nanswer\nfill 1M 'x'\nreset",
        &err));
    static const struct {
        enum mock_step_kind kind;
        size_t jump;
    } want[] = {{MOCK_STEP_REPEAT, 4}, {MOCK_STEP_REPEAT, 3}, {MOCK_STEP_WAIT, 0},
                {MOCK_STEP_END, 1},    {MOCK_STEP_END, 0},    {MOCK_STEP_SEND, 0},
                {MOCK_STEP_NEXT, 0},   {MOCK_STEP_ANSWER, 0}, {MOCK_STEP_REPEAT, 10},
                {MOCK_STEP_SEND, 0},   {MOCK_STEP_END, 8},    {MOCK_STEP_RESET, 0}};
    CHECK_INT("steps", scenario.count, sizeof want / sizeof *want);
    for (size_t i = 0; i < scenario.count; i++) {
        CHECK_INT("kind", scenario.steps[i].kind, want[i].kind);
        CHECK_INT("jump", scenario.steps[i].jump, want[i].jump);
    }
    assert_true(scenario.steps[1].times == UINT64_MAX);
    CHECK_INT("blocks", scenario.steps[8].times, 16);
    mock_scenario_fini(&scenario);
}

/* ---- faults ---- */

static void test_every_fault_is_whole(void **state)
{
    (void)state;
    struct mock_faults faults = {0};
    struct err err = {""};
    if (!mock_faults_add_all(&faults, &err))
        fail_msg("%s", err.text);
    CHECK_INT("all", faults.count, mock_fault_count);
    for (size_t i = 0; i < faults.count; i++) {
        const struct mock_fault *row = faults.uses[i].row;
        assert_true(mock_fault_find(span_text(row->name)) == row);
        CHECK_INT(row->name, faults.uses[i].stream.count > 0, row->query == NULL);
    }
    mock_faults_fini(&faults);
}

static void test_words_of_faults(void **state)
{
    (void)state;
    static const struct {
        const char *words[3], *error;
    } rows[] = {
        {{"silent"}, NULL},
        {{"silent:5%", "stall:0.95"}, NULL},
        {{"silent:0"}, NULL},
        {{"mute"}, "\"mute\" is no fault"},
        {{"silent:"}, "--fault silent"},
        {{"silent:x"}, "--fault silent"},
        {{"silent:101%"}, "--fault silent"},
        {{"silent", "stall"}, "add up to 2"},
        {{"silent:50%", "stall:51%"}, "add up to 1.01"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mock_faults faults = {0};
        struct err err = {""};
        bool good = true;
        for (size_t k = 0; k < 3 && good && rows[i].words[k]; k++)
            good = mock_faults_add(&faults, rows[i].words[k], &err);
        CHECK_INT(rows[i].words[0], good, rows[i].error == NULL);
        if (rows[i].error && !strstr(err.text, rows[i].error))
            fail_msg("%s: \"%s\" lacks \"%s\"", rows[i].words[0], err.text, rows[i].error);
        mock_faults_fini(&faults);
    }
}

static void test_shares(void **state)
{
    (void)state;
    enum { REQUESTS = 100000 };
    struct mock_faults faults = {0};
    struct err err;
    unsigned seen[3] = {0}, differ = 0;
    assert_true(mock_faults_add(&faults, "reset-first:20%", &err) &&
                mock_faults_add(&faults, "no-end:0.1", &err) &&
                mock_faults_add(&faults, "close-kept:5%", &err));
    for (uint64_t i = 1; i <= REQUESTS; i++) {
        const struct mock_fault_use *use = mock_faults_pick(&faults, 7, i, true, true);
        const struct mock_fault_use *fresh = mock_faults_pick(&faults, 7, i, false, false);
        seen[0] += use == &faults.uses[0];
        seen[1] += use == &faults.uses[1];
        seen[2] += use == &faults.uses[2];
        differ += mock_faults_pick(&faults, 8, i, true, true) != use;
        assert_true(use == mock_faults_pick(&faults, 7, i, true, true));
        assert_true(fresh == (use == &faults.uses[0] ? use : NULL));
    }
    assert_in_range(seen[0], 19000, 21000);
    assert_in_range(seen[1], 9500, 10500);
    assert_in_range(seen[2], 4500, 5500);
    assert_true(differ > 10000);
    mock_faults_fini(&faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_can_be_wrong),
        cmocka_unit_test(test_too_many_steps_and_bytes),
        cmocka_unit_test(test_what_is_read),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_every_fault_is_whole),
        cmocka_unit_test(test_words_of_faults),
        cmocka_unit_test(test_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
