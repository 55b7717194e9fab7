/* A script's own options: rows from Lua tables, and every mistake in them with its row. */
#include "fixture.h"

static bool rows_of(struct fixture *fixture, const char *text, struct script_options *out,
                    struct err *err)
{
    char *path = fixture_path(fixture, "s.lua");
    fixture_write(fixture, "s.lua", text);
    fixture->config.file = path;
    err->text[0] = '\0';
    bool ok = script_options(&fixture->config, out, err);
    fixture->config.file = NULL;
    free(path);
    return ok;
}

/* ---- what is wrong ---- */

static const struct {
    const char *rows, *want; /* behind "s.lua:2: " */
} errors[] = {
    {"5", "options[1] must be a table {name=, type=, …}, not a number"},
    {"x=5", "'options' must be a list of rows {name=, type=, …}; it has a field named by a string"},
    {"{name='a'}, nil, {name='b'}", "'options' must be a list without gaps"},
    {"{}", "options[1]: 'name' is missing"},
    {"{name='a'}, {help='x'}", "options[2]: 'name' is missing"},
    {"{name=5}", "options[1]: 'name' must be a string, not 5"},
    {"{name='a', hlp='x'}", "options[1]: unknown field 'hlp' (did you mean 'help'?)"},
    {"{'a'}", "options[1]: a field is named by a number; names are strings such as name="},
    {"{name='a', type='txt'}",
     "options[1]: 'type' is \"txt\"; it must be one of: text flag integer"},
    {"{name='a', type=5}", "options[1]: 'type' must be a string, not 5"},
    {"{name='a', secret='yes'}", "options[1]: 'secret' must be true or false, not a string"},
    {"{name='a', min='1', type='integer'}", "options[1]: 'min' must be a number, not a string"},
    {"{name='a', min=0/0, type='integer'}", "options[1]: 'min' must be a number, not "},
    {"{name='a\\0b'}", "options[1]: 'name' holds a NUL byte"},
    {"{name=''}", "options[1]: 'name' is empty; leave it out"},
    {"{name='Tenant'}", "options[1]: 'name' is \"Tenant\"; it must be lower-case letters"},
    {"{name='my_tenant'}", "options[1]: 'name' is \"my_tenant\"; it must be lower-case letters"},
    {"{name='1st'}", "options[1]: 'name' is \"1st\""},
    {"{name='a-'}", "options[1]: 'name' is \"a-\""},
    {"{name='a--b'}", "options[1]: 'name' is \"a--b\""},
    {"{name='aaaaaaaaaabbbbbbbbbbccccccccccdddddddddde'}", "letter first, at most 40"},
    {"{name='stream'}",
     "options[1]: 'name' is \"stream\", but --stream is an option of the program; take another"},
    {"{name='max-new-tokens'}", "but --max-tokens is an option of the program"},
    {"{name='help'}", "options[1]: 'name' is \"help\", but --help is an option of the program"},
    {"{name='a'}, {name='a'}",
     "options[2]: 'name' is \"a\", but there is an option of that name already (Options of s.lua)"},
    {"{name='a', aliases='b'}, {name='b'}", "options[2]: 'name' is \"b\", but there is an option"},
    {"{name='a', aliases='b seed'}", "options[1]: 'aliases' is \"seed\", but --seed is an option"},
    {"{name='a', aliases='B'}", "options[1]: 'aliases' is \"B\"; it must be lower-case"},
    {"{name='a', letter='tt'}", "options[1]: 'letter' is \"tt\"; it must be one letter"},
    {"{name='a', letter='5'}", "options[1]: 'letter' is \"5\"; it must be one letter"},
    {"{name='a', letter='h'}", "there is an option -h already (of the program)"},
    {"{name='a', letter='t'}, {name='b', letter='t'}",
     "options[2]: 'letter' is \"t\", but there is an option -t already"},
    {"{name='a', choices='x y', type='integer'}",
     "options[1]: 'choices' belong to a text, not to 'type' \"integer\""},
    {"{name='a', min=1}", "options[1]: 'min' belongs to a number, duration or size, not to a text"},
    {"{name='a', type='flag', max=1}", "'max' belongs to a number, duration or size, not to true"},
    {"{name='a', type='integer', min=5, max=5}",
     "options[1]: 'min' is 5 and 'max' is 5; nothing lies between them"},
    {"{name='a', default=5}", "options[1]: 'default' must be a string, not a number"},
    {"{name='a', default={}}", "options[1]: 'default' must be a string, not a table"},
    {"{name='a', type='flag', default='true'}",
     "options[1]: 'default' must be true or false, not a string"},
    {"{name='a', type='integer', default=true}",
     "options[1]: 'default' must be a number, or a string as it would be typed, not a boolean"},
    {"{name='a', type='integer', default=1.5}", "options[1]: 'default' does not fit: --a '1.5'"},
    {"{name='a', type='integer', max=5, default=9}",
     "options[1]: 'default' does not fit: --a 9: must be at most 5"},
    {"{name='a', type='number', min=0, default=-1}",
     "options[1]: 'default' does not fit: --a -1: must be at least 0"},
    {"{name='a', type='duration', default='soon'}", "options[1]: 'default' does not fit: --a"},
    {"{name='a', choices='x y', default='z'}",
     "options[1]: 'default' does not fit: --a 'z': must be one of: x y"},
    {"{name='a', required=true, default='z'}", "'required' and 'default' contradict"},
    {"{name='a', secret=true, type='integer'}",
     "options[1]: 'secret' belongs to a text without choices or a list, not to a whole number"},
    {"{name='a', secret=true, choices='x y'}", "'secret' belongs to a text without choices"},
};

static void errors_name_the_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct fixture fixture;
        struct script_options out;
        struct err err;
        fixture_init(&fixture, NULL);
        char *text = mem_printf("local api = {}\napi.options = {%s}\n" API_REST "\nreturn api\n",
                                errors[i].rows);
        if (rows_of(&fixture, text, &out, &err))
            fail_msg("%s: accepted", errors[i].rows);
        check_contains(errors[i].rows, err.text, errors[i].want);
        check_contains(errors[i].rows, err.text, "s.lua:2: ");
        script_options_fini(&out);
        free(text);
        fixture_fini(&fixture);
    }
}

/* ---- what rows become ---- */

static const struct {
    const char *row, *typed, *shown; /* typed NULL: the default */
} values[] = {
    {"{name='a', default='x'}", NULL, "x"},
    {"{name='a', type='text'}", "any thing", "any thing"},
    {"{name='a', choices='x y'}", "y", "y"},
    {"{name='a', type='flag', default=true}", NULL, "true"},
    {"{name='a', type='flag'}", "on", "true"},
    {"{name='a', type='integer', default=-5}", NULL, "-5"},
    {"{name='a', type='integer', min=-1}", "9007199254740993", "9007199254740993"},
    {"{name='a', type='integer', default=2^40}", NULL, "1099511627776"},
    {"{name='a', type='number', default=0.1}", NULL, "0.1"},
    {"{name='a', type='number', default=1e300}", NULL, "1e+300"},
    {"{name='a', type='number', max=-1}", "-2", "-2"},
    {"{name='a', type='duration', default=90}", NULL, "90s"},
    {"{name='a', type='duration', max=600, default='1m'}", "10m", "10m"},
    {"{name='a', type='size', default='64k'}", NULL, "64K"},
    {"{name='a', type='share', default=0.25}", "10%", "0.1"},
    {"{name='a', type='list', default='one'}", NULL, "one"},
    {"{name='a', type='words'}", "one", "one"},
    {"{name='a', type='integers', default='1,2'}", NULL, "1 2"},
    {"{name='a', type='numbers', min=0, default=3}", "1.5,2", "1.5 2"},
    {"{name='a', secret=true}", "hush", "[redacted]"},
    {"{name='b-2', aliases='c a'}", "x", "x"},
};

static void rows_take_what_is_typed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct fixture fixture;
        struct script_options out;
        struct opt_set set;
        struct err err;
        struct list field[2]; /* as large as any */
        struct buf shown;
        fixture_init(&fixture, NULL);
        char *text = mem_printf("local api = {}\napi.options = {%s}\n" API_REST "\nreturn api\n",
                                values[i].row);
        if (!rows_of(&fixture, text, &out, &err))
            fail_msg("%s: %s", values[i].row, err.text);
        assert_int_equal(out.count, 1);
        CHECK_TEXT(values[i].row, out.rows[0].group, "Options of s.lua");
        opt_set_init(&set, out.rows, out.count, field);
        bool ok = !values[i].typed || opt_assign(&set, "a", values[i].typed, OPT_CONFIG, &err);
        if (!ok || !opt_defaults(&set, &err))
            fail_msg("%s: %s", values[i].row, err.text);
        buf_init(&shown, 256);
        opt_show(&set, &out.rows[0], &shown);
        char *got = buf_take(&shown);
        CHECK_TEXT(values[i].row, got, values[i].shown);
        free(got);
        opt_set_fini(&set);
        script_options_fini(&out);
        free(text);
        fixture_fini(&fixture);
    }
}

static void both_scripts_declare(void **state)
{
    (void)state;
    struct fixture fixture;
    struct script_options out;
    struct err err;
    fixture_init(&fixture, NULL);
    char *path = fixture_path(&fixture, "d.lua");
    fixture.config.dataset = path;
    fixture_write(&fixture, "d.lua",
                  "return {options={{name='b'}}, build_messages=function() error('called') end}");
    if (!rows_of(&fixture,
                 "return {options={{name='a'}}, build_request=error, parse_responses=error, "
                 "setup=function() error('called') end}",
                 &out, &err))
        fail_msg("%s", err.text);
    assert_int_equal(out.count, 2);
    CHECK_TEXT("api", out.rows[0].group, "Options of s.lua");
    CHECK_TEXT("dataset", out.rows[1].group, "Options of d.lua");
    script_options_fini(&out);

    fixture_write(&fixture, "d.lua", "return {options={{name='a'}}, build_messages=print}");
    assert_false(rows_of(
        &fixture, "return {options={{name='a'}}, build_request=error, parse_responses=error}", &out,
        &err));
    check_contains("twice", err.text,
                   "d.lua:1: options[1]: 'name' is \"a\", but there is an option of "
                   "that name already (Options of s.lua)");
    script_options_fini(&out);
    free(path);
    fixture_fini(&fixture);
}

/* One file as both has its options once; a file may hold as many as there is room for. */
static void as_many_as_there_is_room_for(void **state)
{
    (void)state;
    struct fixture fixture;
    struct script_options out;
    struct err err;
    fixture_init(&fixture, NULL);
    if (!rows_of(&fixture,
                 SCRIPT("api.options = {} for i = 1, 64 do api.options[i] = {name='a' .. i} end"),
                 &out, &err))
        fail_msg("%s", err.text);
    assert_int_equal(out.count, SCRIPT_OPTIONS_MOST);
    CHECK_TEXT("last", out.rows[63].name, "a64");
    script_options_fini(&out);
    assert_false(rows_of(
        &fixture, SCRIPT("api.options = {} for i = 1, 65 do api.options[i] = {name='a' .. i} end"),
        &out, &err));
    check_contains("65", err.text, "options[65]: scripts may have at most 64 options");
    script_options_fini(&out);
    fixture_fini(&fixture);
}

/* Which is why they are not asked. */
static void built_in_scripts_declare_none(void **state)
{
    static const char *const kinds[] = {"apis", "datasets"};
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        struct list names = {0};
        char *all = mem_text(script_builtin_names(kinds[kind]));
        for (char *name = strtok(all, " "); name; name = strtok(NULL, " "))
            list_add(&names, name);
        for (size_t i = 0; i < names.count; i++) {
            struct fixture fixture;
            struct script_options out;
            struct err err;
            fixture_init(&fixture, NULL);
            char *text = mem_printf("return require '%s.%s'", kinds[kind], names.items[i]);
            if (!rows_of(&fixture, text, &out, &err))
                fail_msg("%s: %s", names.items[i], err.text);
            assert_int_equal(out.count, 0);
            script_options_fini(&out);
            free(text);
            fixture_fini(&fixture);
        }
        assert_true(names.count > 5);
        list_fini(&names);
        free(all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_name_the_row),
        cmocka_unit_test(rows_take_what_is_typed),
        cmocka_unit_test(both_scripts_declare),
        cmocka_unit_test(as_many_as_there_is_room_for),
        cmocka_unit_test(built_in_scripts_declare_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
