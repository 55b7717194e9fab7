#include "check.h"

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "opt_rows.h"

enum { MOST_WORDS = 16 };

struct fixture {
    struct opts opts;
    struct opt_set set;
    struct list words;
    struct err err;
};

static void begin(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    memset(&f->opts, 0xa5, sizeof f->opts); /* the set empties the fields itself */
    opt_set_init(&f->set, rows, ROWS, &f->opts);
}

static void end(struct fixture *f)
{
    opt_set_fini(&f->set);
    list_fini(&f->words);
}

/* Parses a command line written as one text with blanks between the words. */
static bool parse_line(struct fixture *f, const char *line)
{
    char *copy = mem_text(line), *argv[MOST_WORDS] = {"program"}, *rest = copy;
    int argc = 1;
    for (char *word; argc < MOST_WORDS && (word = strsep(&rest, " "));)
        argv[argc++] = word;
    bool ok = opt_parse(&f->set, *line ? argc : 1, argv, 1, &f->words, &f->err);
    free(copy);
    return ok;
}

static char *shown(struct fixture *f, const char *name)
{
    struct buf out;
    buf_init(&out, 10000);
    opt_show(&f->set, opt_find(&f->set, name), &out);
    return buf_take(&out);
}

/* ---- what is right ------------------------------------------------------------------------------
 */

static const struct {
    const char *line, *name, *want; /* as opt_show shows it */
} right[] = {
    {"--parallel 5", "parallel", "5"},
    {"--parallel=5", "parallel", "5"},
    {"-c 5", "parallel", "5"},
    {"-c5", "parallel", "5"},
    {"-qc5", "parallel", "5"},
    {"-qvc 5", "parallel", "5"},
    {"-qv", "verbose", "true"},
    {"--concurrency 6", "parallel", "6"},
    {"--max_parallel=6", "parallel", "6"},
    {"--parallel 5 -c 6", "parallel", "6"},
    {"--rate -1", "rate", "-1"},
    {"--rate=-1", "rate", "-1"},
    {"--rate -.5", "rate", "-0.5"},
    {"-r -1e3", "rate", "-1000"},
    {"-r-1", "rate", "-1"},
    {"--rate 0.1", "rate", "0.1"},
    {"--seed -5", "seed", "-5"},
    {"--jitter 25%", "jitter", "0.25"},
    {"--url http://a --url http://b", "url", "http://b"},
    {"--url -", "url", "-"},
    {"--url --strange", "url", "--strange"},
    {"--url -x", "url", "-x"},
    {"--url=--model", "url", "--model"},
    {"--url=", "url", ""},
    {"--url=a=b", "url", "a=b"},
    {"--mode open", "mode", "open"},
    {"--api_key abc", "api-key", "[redacted]"},
    {"--stream", "stream", "true"},
    {"--stream=false", "stream", "false"},
    {"--stream=NO", "stream", "false"},
    {"--stream=1", "stream", "true"},
    {"--stream --stream=0", "stream", "false"},
    {"--read-timeout 1h30m", "read-timeout", "90m"},
    {"--read_timeout 1.5", "read-timeout", "1500ms"},
    {"--read-timeout 90", "read-timeout", "90s"},
    {"--read-timeout 2h", "read-timeout", "2h"},
    {"--limit 64k", "limit", "64K"},
    {"--limit 1.5G", "limit", "1536M"},
    {"--limit 1025", "limit", "1025"},
    {"-H a:b --header c -Hd", "header", "a:b c d"},
    {"--urls a b -1 c --stream d", "urls", "a b -1 c"},
    {"--urls a --urls b - -- c", "urls", "a b -"},
    {"--urls=a b", "urls", "a"},
    {"--whole 18446744073709551615", "whole", "18446744073709551615"},
    {"--whole -9223372036854775808", "whole", "-9223372036854775808"},
    {"--whole +007", "whole", "7"},
    {"--whole 000", "whole", "0"},
    {"--whole 1 --whole 2", "whole", "2"},
    {"--exact 0.70", "exact", "0.70"},
    {"--exact 1e2", "exact", "1e2"},
    {"--exact -.5", "exact", "-0.5"},
    {"--exact +05.", "exact", "5"},
    {"--exact 5.e1", "exact", "5e1"},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        struct fixture f;
        begin(&f);
        if (!parse_line(&f, right[i].line))
            fail_msg("%s: %s", right[i].line, f.err.text);
        char *got = shown(&f, right[i].name);
        CHECK_TEXT(right[i].line, got, right[i].want);
        CHECK_INT(right[i].line, opt_given(&f.set, right[i].name), 1);
        free(got);
        end(&f);
    }
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *line, *want; /* the words, joined by '|' */
    } cases[] = {
        {"", ""},
        {"a b", "a|b|"},
        {"a -q b", "a|b|"},
        {"- a", "-|a|"},
        {"-5 -.5", "-5|-.5|"},
        {"-- --parallel -q -- x", "--parallel|-q|--|x|"},
        {"--parallel 5 a", "a|"},
        {"--urls a b -q c", "c|"},
        {"--urls a -- b", "b|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        begin(&f);
        if (!parse_line(&f, cases[i].line))
            fail_msg("%s: %s", cases[i].line, f.err.text);
        struct buf joined;
        buf_init(&joined, 1000);
        for (size_t k = 0; k < f.words.count; k++)
            buf_printf(&joined, "%s|", f.words.items[k]);
        char *got = buf_take(&joined);
        CHECK_TEXT(cases[i].line, got, cases[i].want);
        free(got);
        end(&f);
    }
}

/* ---- what is wrong ------------------------------------------------------------------------------
 */

static const struct {
    const char *line, *want;
} wrong[] = {
    {"--parallel abc", "--parallel 'abc': not a whole number"},
    {"--concurrency=1.5", "--parallel '1.5': not a whole number"},
    {"-c", "option -c needs a value"},
    {"--parallel 0", "--parallel 0: must be at least 1"},
    {"-c -3", "--parallel -3: must be at least 1"},
    {"--parallel=", "--parallel '': not a whole number"},
    {"--parallel 99999999999999999999",
     "--parallel '99999999999999999999': too large a number (at most 63 bits)"},
    {"--seed 11", "--seed 11: must be between -10 and 10"},
    {"--seed -11", "--seed -11: must be between -10 and 10"},
    {"--whole 18446744073709551616",
     "--whole '18446744073709551616': too large a number (at most 64 bits)"},
    {"--whole -9223372036854775809",
     "--whole '-9223372036854775809': too large a number (at most 64 bits)"},
    {"--whole 1.0", "--whole '1.0': not a whole number"},
    {"--whole=+", "--whole '+': not a whole number"},
    {"--exact 0x1", "--exact '0x1': not a number"},
    {"--exact 200.5", "--exact 200.5: must be between -2 and 200"},
    {"--rate x", "--rate 'x': not a number"},
    {"--rate 1e400", "--rate '1e400': a number too large to hold"},
    {"--jitter 2", "--jitter: '2' is not a share between 0 and 1 (write 0.1 or 10%)"},
    {"--read-timeout bananas",
     "--read-timeout: 'bananas' is not a duration (write 300, 50ms, 1.5s, 20m or 1h30m)"},
    {"--read-timeout 99999999999h",
     "--read-timeout: '99999999999h' is too long a duration (at most 36525d, a hundred years)"},
    {"--read-timeout 2d", "--read-timeout 2d: must be between 1ms and 1d"},
    {"--limit 1", "--limit 1: must be at least 1K"},
    {"--limit x", "--limit: 'x' is not a size (write 4096, 64K, 1.5M or 2GiB)"},
    {"--mode close", "--mode 'close': must be one of: closed open burst"},
    {"--mode=", "--mode '': must be one of: closed open burst"},
    {"--mode=closed open", NULL},
    {"--url", "option --url needs a value"},
    {"--url --model x", "option --url needs a value, but '--model' is an option"},
    {"--url --model=x", "option --url needs a value, but '--model=x' is an option"},
    {"--url -m x", "option --url needs a value, but '-m' is an option"},
    {"--url -- x", "option --url needs a value, but '--' ends the options"},
    {"--parallel --model", "option --parallel needs a value, but '--model' is an option"},
    {"--urls --model", "option --urls needs a value, but '--model' is an option"},
    {"--urls", "option --urls needs a value"},
    {"--stream=x", "option --stream takes no value ('--stream=x')"},
    {"--stream=", "option --stream takes no value ('--stream=')"},
    {"--paralel 5", "unknown option --paralel; did you mean --parallel?"},
    {"--paralel=5", "unknown option --paralel; did you mean --parallel?"},
    {"--Parallel", "unknown option --Parallel; did you mean --parallel?"},
    {"--prallal", "unknown option --prallal; did you mean --parallel?"},
    {"--concurency", "unknown option --concurency; did you mean --parallel?"},
    {"--mdoel", "unknown option --mdoel; did you mean --model?"},
    {"--read", "unknown option --read; did you mean --read-timeout?"},
    {"--readtimeout", "unknown option --readtimeout; did you mean --read-timeout?"},
    {"--ulr", "unknown option --ulr; did you mean --url?"},
    {"--xyz", "unknown option --xyz"},
    {"--bananas", "unknown option --bananas"},
    {"--=x", "unknown option --"},
    {"-x", "unknown option -x"},
    {"-qx", "unknown option -x in '-qx'"},
    {"-q=1", "unknown option -= in '-q=1'"},
    {"-5 -q5", "unknown option -5 in '-q5'"},
    {"-model x", "option '-model' has only one dash: write --model"},
    {"-stream", "option '-stream' has only one dash: write --stream"},
    {"-rate=5", "option '-rate=5' has only one dash: write --rate"},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fixture f;
        begin(&f);
        bool ok = parse_line(&f, wrong[i].line);
        if (ok != !wrong[i].want)
            fail_msg("'%s' was %s", wrong[i].line, ok ? "accepted" : f.err.text);
        if (wrong[i].want)
            CHECK_TEXT(wrong[i].line, f.err.text, wrong[i].want);
        end(&f);
    }
}

static void test_no_words_wanted(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    char *argv[] = {"program", "command", "-q", "stray"};
    assert_false(opt_parse(&f.set, 4, argv, 2, NULL, &f.err));
    CHECK_TEXT("sentence", f.err.text, "unexpected word 'stray'");
    assert_true(f.opts.quiet);
    end(&f);
}

static void test_hostile_words(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    char *lengthy = mem_alloc(100001);
    memset(lengthy, 'p', 100000);
    lengthy[100000] = '\0';
    lengthy[0] = lengthy[1] = '-';
    char *argv[] = {lengthy};
    assert_false(opt_parse(&f.set, 1, argv, 0, NULL, &f.err));
    assert_true(strlen(f.err.text) < 200);
    lengthy[1] = 'c';
    assert_false(opt_parse(&f.set, 1, argv, 0, NULL, &f.err));
    assert_true(strlen(f.err.text) < 200);
    free(lengthy);
    end(&f);
}

/* ---- origins ------------------------------------------------------------------------------------
 */

static void test_highest_origin_wins(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_true(parse_line(&f, "--model typed --header one --header two"));
    assert_true(opt_assign(&f.set, "model", "environment", OPT_ENVIRONMENT, &f.err));
    assert_true(opt_assign(&f.set, "url", "config", OPT_CONFIG, &f.err));
    assert_true(opt_assign(&f.set, "url", "environment", OPT_ENVIRONMENT, &f.err));
    assert_true(opt_assign(&f.set, "url", "environment again", OPT_ENVIRONMENT, &f.err));
    assert_true(opt_assign(&f.set, "header", "three", OPT_CONFIG, &f.err));
    assert_true(opt_assign(&f.set, "max_parallel", "9", OPT_CONFIG, &f.err));
    assert_true(opt_assign(&f.set, "stream", "no", OPT_CONFIG, &f.err));
    assert_true(opt_defaults(&f.set, &f.err));
    CHECK_TEXT("model", f.opts.model, "typed");
    CHECK_TEXT("url", f.opts.url, "config");
    CHECK_INT("headers", f.opts.headers.count, 2);
    CHECK_INT("parallel", f.opts.parallel, 9);
    assert_false(f.opts.stream);
    static const struct {
        const char *name;
        enum opt_origin origin;
    } want[] = {{"model", OPT_COMMAND_LINE}, {"url", OPT_CONFIG},   {"parallel", OPT_CONFIG},
                {"stream", OPT_CONFIG},      {"mode", OPT_DEFAULT}, {"rate", OPT_UNSET}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        CHECK_INT(want[i].name, opt_origin(&f.set, opt_find(&f.set, want[i].name)), want[i].origin);
        CHECK_INT(want[i].name, opt_given(&f.set, want[i].name), want[i].origin > OPT_DEFAULT);
    }
    assert_false(opt_given(&f.set, "no such option"));
    end(&f);
}

static void test_lists_start_anew_at_a_higher_origin(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_true(opt_assign(&f.set, "header", "config 1", OPT_CONFIG, &f.err));
    assert_true(opt_assign(&f.set, "header", "config 2", OPT_CONFIG, &f.err));
    CHECK_INT("both", f.opts.headers.count, 2);
    assert_true(parse_line(&f, "-H typed1 -H typed2"));
    CHECK_INT("replaced", f.opts.headers.count, 2);
    CHECK_TEXT("first", f.opts.headers.items[0], "typed1");
    end(&f);
}

static void test_assign_errors(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_true(parse_line(&f, "--parallel 3"));
    static const struct {
        const char *name, *text, *want;
    } cases[] = {
        {"paralel", "1", "unknown option 'paralel'; did you mean 'parallel'?"},
        {"bananas", "1", "unknown option 'bananas'"},
        {"", "1", "unknown option ''"},
        {"parallel", "x", "--parallel 'x': not a whole number"}, /* overridden, but still wrong */
        {"stream", "maybe", "--stream 'maybe': neither true nor false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(opt_assign(&f.set, cases[i].name, cases[i].text, OPT_CONFIG, &f.err));
        CHECK_TEXT(cases[i].name, f.err.text, cases[i].want);
    }
    CHECK_INT("kept", f.opts.parallel, 3);
    end(&f);
}

static void test_defaults(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    CHECK_INT("emptied", f.opts.parallel, 0);
    assert_null(f.opts.url);
    char *nothing = shown(&f, "parallel");
    CHECK_TEXT("unset", nothing, "");
    free(nothing);
    assert_true(opt_defaults(&f.set, &f.err));
    CHECK_INT("parallel", f.opts.parallel, 1);
    CHECK_INT("timeout", f.opts.read_timeout, 300 * NS_PER_S);
    CHECK_TEXT("mode", f.opts.mode, "closed");
    assert_true(f.opts.stream);
    assert_false(f.opts.quiet);
    assert_null(f.opts.url);
    CHECK_INT("no default", opt_origin(&f.set, opt_find(&f.set, "url")), OPT_UNSET);
    end(&f);

    static const struct opt_row bad = {.name = "bad", .type = &opt_integer, .fallback = "x"};
    int64_t value = 0;
    struct opt_set set;
    opt_set_init(&set, &bad, 1, &value);
    assert_false(opt_defaults(&set, &f.err));
    CHECK_TEXT("wrong default", f.err.text, "--bad 'x': not a whole number");
    opt_set_fini(&set);
}

/* A first look takes what it knows and passes over all else, wherever that stands. */
static void test_look(void **state)
{
    (void)state;
    static const struct {
        const char *line, *parallel, *model; /* as shown */
    } cases[] = {
        {"--tenant acme --parallel 5", "5", ""},
        {"--tenant=acme word --parallel 5 -m x", "5", "x"},
        {"-x --parallel 5", "5", ""},
        {"--flag -c5 --last", "5", ""},
        {"--rate bananas --parallel 5", "5", ""},
        {"--parallel bananas -m x", "", "x"},
        {"--parallel 0 --model", "", ""},
        {"--tenant -7 -m x", "", "x"},
        {"-m x -- --parallel 5", "", "x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        begin(&f);
        char *copy = mem_text(cases[i].line), *argv[MOST_WORDS] = {"program"}, *rest = copy;
        int argc = 1;
        for (char *word; argc < MOST_WORDS && (word = strsep(&rest, " "));)
            argv[argc++] = word;
        opt_look(&f.set, argc, argv, 1);
        char *parallel = shown(&f, "parallel"), *model = shown(&f, "model");
        CHECK_TEXT(cases[i].line, parallel, cases[i].parallel);
        CHECK_TEXT(cases[i].line, model, cases[i].model);
        free(parallel);
        free(model);
        free(copy);
        end(&f);
    }
}

static void test_required_and_environment(void **state)
{
    (void)state;
    static const struct opt_row own[] = {
        {.name = "n",
         .type = &opt_integer,
         .required = true,
         .help = "how many",
         .env = "OPT_TEST_A OPT_TEST_B"},
    };
    static const struct {
        const char *a, *b, *given;
        bool ok;
        const char *want; /* the value, or the sentence */
    } cases[] = {
        {NULL, NULL, NULL, false, "--n is required: how many"},
        {"", "", NULL, false, "--n is required: how many"},
        {"3", "4", NULL, true, "3"},
        {"", "4", NULL, true, "4"},
        {"3", NULL, "5", true, "5"},
        {NULL, "x", NULL, false,
         "the environment variable OPT_TEST_B: --n 'x': not a whole number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = 0;
        struct opt_set set;
        struct err err = {""};
        char got[40];
        opt_set_init(&set, own, 1, &value);
        cases[i].a ? setenv("OPT_TEST_A", cases[i].a, 1) : unsetenv("OPT_TEST_A");
        cases[i].b ? setenv("OPT_TEST_B", cases[i].b, 1) : unsetenv("OPT_TEST_B");
        bool ok =
            (!cases[i].given || opt_assign(&set, "n", cases[i].given, OPT_COMMAND_LINE, &err)) &&
            opt_environment(&set, &err) && opt_defaults(&set, &err);
        CHECK_INT("ok", ok, cases[i].ok);
        snprintf(got, sizeof got, "%lld", (long long)value);
        CHECK_TEXT("value or sentence", ok ? got : err.text, cases[i].want);
        opt_set_fini(&set);
    }
}

static void test_find(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    static const struct {
        const char *name, *want;
    } cases[] = {
        {"parallel", "parallel"},
        {"concurrency", "parallel"},
        {"max-parallel", "parallel"},
        {"max_parallel", "parallel"},
        {"read_timeout", "read-timeout"},
        {"api_key", "api-key"},
        {"Parallel", NULL},
        {"paralle", NULL},
        {"parallell", NULL},
        {"concurrency max-parallel", NULL},
        {"", NULL},
        {"max parallel", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct opt_row *row = opt_find(&f.set, cases[i].name);
        CHECK_TEXT(cases[i].name, row ? row->name : "nothing",
                   cases[i].want ? cases[i].want : "nothing");
    }
    assert_ptr_equal(opt_field(&f.set, opt_find(&f.set, "seed")), &f.opts.seed);
    end(&f);
}

static void test_numbers(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_true(parse_line(&f, "-c 7 --rate 0.30000000000000004 --read-timeout 1500ms --limit 2K"));
    static const struct {
        const char *name;
        double want;
    } cases[] = {
        {"parallel", 7}, {"rate", 0.30000000000000004}, {"read-timeout", 1.5}, {"limit", 2048}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct opt_row *row = opt_find(&f.set, cases[i].name);
        double got = row->type->number(opt_field(&f.set, row));
        if (fabs(got - cases[i].want) > 0)
            fail_msg("%s: got %.17g, want %.17g", cases[i].name, got, cases[i].want);
    }
    char *rate = shown(&f, "rate");
    CHECK_TEXT("shortest text", rate, "0.30000000000000004");
    free(rate);
    end(&f);
}

/* Whatever is shown can be typed again and gives the same value. */
static void test_shown_reads_back(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } cases[] = {{"read-timeout", "1.000001"},
                 {"read-timeout", "1001us"},
                 {"read-timeout", "12345678ns"},
                 {"read-timeout", "1h1m"},
                 {"limit", "1049600"},
                 {"limit", "3T"},
                 {"rate", "1e300"},
                 {"rate", "0.1234567890123"},
                 {"jitter", "33.3%"},
                 {"seed", "-7"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture a, b;
        begin(&a);
        begin(&b);
        assert_true(opt_assign(&a.set, cases[i].name, cases[i].text, OPT_CONFIG, &a.err));
        char *text = shown(&a, cases[i].name);
        assert_true(opt_assign(&b.set, cases[i].name, text, OPT_CONFIG, &b.err));
        if (memcmp(&a.opts, &b.opts, sizeof a.opts) != 0)
            fail_msg("%s %s: shown as %s, which is another value", cases[i].name, cases[i].text,
                     text);
        free(text);
        end(&a);
        end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_no_words_wanted),
        cmocka_unit_test(test_hostile_words),
        cmocka_unit_test(test_highest_origin_wins),
        cmocka_unit_test(test_lists_start_anew_at_a_higher_origin),
        cmocka_unit_test(test_assign_errors),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_look),
        cmocka_unit_test(test_required_and_environment),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_shown_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
