/* dataset.shuffle, sample and cycle: each case is a Lua expression whose value is compared as text.
 */
#include "fixture.h"

/* upto(n): an iterator over 1 to n that may not be asked after its end. */
static const char tools[] =
    "local dataset = require('dataset')\n"
    "local function upto(n) local i = 0 return function() i = i + 1 "
    "assert(i <= n + 1, 'asked after its end') if i <= n then return i end end end\n"
    "local function all(rows, most) local t = {} for row in rows do t[#t + 1] = row "
    "if #t == most then break end end return t end\n"
    "local function said(...) return table.concat(all(...), ' ') end\n"
    "local function sorted(...) local t = all(...) table.sort(t) return table.concat(t, ' ') end\n"
    "local function wrong(f, ...) local ok, m = pcall(f, ...) return ok and 'no error' or m end\n";

static char *evaluated(struct fixture *fixture, const char *expression)
{
    char *text = mem_printf(SCRIPT("%s local _ = sorted, wrong, said\n"
                                   "function api.build_request() return tostring((%s)) end"),
                            tools, expression);
    struct script *script = fixture_must_open(fixture, text);
    struct request *request = must_compose(script, 0);
    char *got = mem_text(request->fault ? request->fault : request->body);
    request_free(request);
    script_close(script);
    free(text);
    return got;
}

static const struct {
    const char *expression, *want; /* with a leading '~': only a part of it */
} cases[] = {
    {"sorted(dataset.shuffle(upto(10)))", "1 2 3 4 5 6 7 8 9 10"},
    {"said(dataset.shuffle(upto(0)))", ""},
    {"said(dataset.shuffle(upto(1)))", "1"},
    {"said(dataset.shuffle(upto(200))) ~= said(upto(200))", "true"},
    {"said(dataset.shuffle(upto(6), {window=1}))", "1 2 3 4 5 6"},
    {"#all(dataset.shuffle(upto(500), {window=20}))", "500"},
    {"(function() local seen = {} for row in dataset.shuffle(upto(500), {window=20}) do "
     "assert(not seen[row]) seen[row] = true end return #seen end)()",
     "500"},
    {"(function() local place, early = 0, 0 for row in dataset.shuffle(upto(500), {window=20}) do "
     "place = place + 1 early = math.max(early, row - place) end return early end)()",
     "19"},
    /* every order of three rows comes about equally often: 6 × 1000 of them, σ = 29 */
    {"(function() local seen, fewest = {}, 6000 for _ = 1, 6000 do "
     "local t = said(dataset.shuffle(upto(3))) seen[t] = (seen[t] or 0) + 1 end "
     "local n = 0 for _, c in pairs(seen) do n, fewest = n + 1, math.min(fewest, c) end "
     "return n == 6 and fewest > 850 end)()",
     "true"},
    {"said(dataset.shuffle(dataset.shuffle(upto(1))))", "1"},
    {"(function() local rows = dataset.shuffle(dataset.sample(dataset.cycle(function() "
     "return upto(3) end, 1), 2)) all(rows) return rows() end)()",
     "nil"},
    {"wrong(dataset.shuffle, {})",
     "~dataset.shuffle takes an iterator, as dataset.jsonl gives one, not a table"},
    {"wrong(dataset.shuffle, upto(3), {windows=5})",
     "~dataset.shuffle takes the field window, not 'windows'"},
    {"wrong(dataset.shuffle, upto(3), {window=0})",
     "~dataset.shuffle: window must be a whole number from 1 to 1000000, not 0"},
    {"wrong(dataset.shuffle, upto(3), {window=2.5})", "~not 2.5"},
    {"wrong(dataset.shuffle(upto(1000001)))",
     "~dataset.shuffle: more than 1000000 rows; {window=10000} shuffles any number"},
    {"#all(dataset.shuffle(upto(1000000)))", "1000000"},

    {"said(dataset.sample(upto(5), 5))", "1 2 3 4 5"},
    {"said(dataset.sample(upto(3), 5))", "1 2 3"},
    {"said(dataset.sample(upto(0), 5))", ""},
    {"#all(dataset.sample(upto(1000), 10))", "10"},
    {"said(dataset.sample(upto(1000), 10)) == said(dataset.sample(upto(1000), 10))", "true"},
    {"(function() local t = all(dataset.sample(upto(1000), 100)) for i = 2, 100 do "
     "assert(t[i] > t[i - 1]) end local sum = 0 for _, v in ipairs(t) do sum = sum + v end "
     "return math.abs(sum / 100 - 500) < 100 end)()",
     "true"},
    {"wrong(dataset.sample, upto(3))",
     "~dataset.sample: the number of rows must be a whole number from 1 to 1000000, not nil"},
    {"wrong(dataset.sample, nil, 3)", "~dataset.sample takes an iterator"},

    {"said(dataset.items(upto(4), function(i) return i % 2 == 0 and i * 10 or nil end))", "20 40"},
    {"wrong(dataset.items(upto(3), function() return nil, 'odd' end))",
     "~an iterator of this module is expected"},
    {"wrong(dataset.items, upto(3))",
     "~dataset.items takes an iterator and a function, not a function and a nil"},

    {"said(dataset.cycle(function() return upto(2) end, 3))", "1 2 1 2 1 2"},
    {"said(dataset.cycle(function() return upto(2) end), 5)", "1 2 1 2 1"},
    {"said(dataset.cycle(function() return upto(0) end))", ""},
    {"said(dataset['repeat'](function() return upto(1) end, 2))", "1 1"},
    {"(function() local n = 2 return said(dataset.cycle(function() n = n - 1 return upto(n) end)) "
     "end)()",
     "1"},
    {"wrong(dataset.cycle, {})",
     "~dataset.cycle takes a function that returns an iterator, not a table"},
    {"wrong(dataset.cycle, upto, 0)",
     "~dataset.cycle: the number of passes must be a whole number from 1 to 1000000, not 0"},
    {"wrong(dataset.cycle(upto(3)))",
     "~dataset.cycle: its function must return an iterator, as in function() return "
     "dataset.jsonl(path) end; it returned a number"},
};

static void rows_are_combined(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        fixture_init(&fixture, NULL);
        char *got = evaluated(&fixture, cases[i].expression);
        if (cases[i].want[0] == '~')
            check_contains(cases[i].expression, got, cases[i].want + 1);
        else
            CHECK_TEXT(cases[i].expression, got, cases[i].want);
        free(got);
        fixture_fini(&fixture);
    }
}

static void order_follows_the_seed(void **state)
{
    (void)state;
    static const char *const drawn[] = {
        "said(dataset.shuffle(upto(100)))",
        "said(dataset.shuffle(upto(100), {window=10}))",
        "said(dataset.sample(upto(1000), 10))",
    };
    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++) {
        struct fixture fixture;
        fixture_init(&fixture, NULL);
        char *first = evaluated(&fixture, drawn[i]), *again = evaluated(&fixture, drawn[i]);
        fixture.config.seed++;
        char *other = evaluated(&fixture, drawn[i]);
        CHECK_TEXT(drawn[i], again, first);
        assert_string_not_equal(first, other);
        free(first);
        free(again);
        free(other);
        fixture_fini(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_combined),
        cmocka_unit_test(order_follows_the_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
