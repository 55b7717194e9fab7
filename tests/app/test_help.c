/* The help's copies agree with their originals. */
#include <unistd.h>

#include "app/about.h"
#include "app/app.h"
#include "app/help.h"
#include "app/mock_options.h"
#include "app/options.h"
#include "app/paths.h"
#include "check.h"
#include "mock/dialect.h"
#include "script/contract.h"

static char *written(void (*write_form)(struct buf *out))
{
    struct buf text;
    buf_init(&text, HELP_LIMIT);
    write_form(&text);
    assert_false(text.full);
    return buf_take(&text);
}

static void test_options_md(void **state)
{
    struct buf file;
    struct err err;
    (void)state;
    buf_init(&file, HELP_LIMIT);
    if (!path_read(TEST_DATA "/../../docs/options.md", &file, &err))
        fail_msg("%s", err.text);
    char *have = buf_take(&file), *want = written(help_options_md);
    size_t same = 0;
    while (have[same] && have[same] == want[same])
        same++;
    if (have[same] || want[same])
        fail_msg(
            "docs/options.md is old; llmbench --help=options-md writes it anew. From byte %zu: "
            "\"%.60s\", want \"%.60s\"",
            same, have + same, want + same);
    free(have);
    free(want);
}

static void test_every_option_is_shown(void **state)
{
    struct buf text;
    (void)state;
    buf_init(&text, HELP_LIMIT);
    help_text(about_command("run"), NULL, 80, &text);
    char *help = buf_take(&text), *man = written(help_man), name[64];
    for (size_t i = 0; i < run_row_count; i++) {
        snprintf(name, sizeof name, "--%s", run_rows[i].name);
        if (!strstr(help, name))
            fail_msg("--help lacks %s", name);
    }
    static const char *const sections[] = {"NAME",        "SYNOPSIS", "DESCRIPTION",
                                           "COMMANDS",    "OPTIONS",  "EXIT STATUS",
                                           "ENVIRONMENT", "FILES",    "EXAMPLES"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        snprintf(name, sizeof name, "\n.SH \"%s\"\n", sections[i]);
        if (!strstr(man, name))
            fail_msg("the manual page lacks %s", sections[i]);
    }
    free(help);
    free(man);
}

/* A script may rename whatever an option puts into the body, so the contract lists it. */
static void test_every_body_field_can_be_renamed(void **state)
{
    const struct script_word *word = script_word_find(WORD_API, "param_names");
    char name[64];
    (void)state;
    for (size_t i = 0; i < run_row_count; i++) {
        if (!run_rows[i].body)
            continue;
        snprintf(name, sizeof name, " %s,", run_rows[i].body);
        if (!strstr(word->sentence, name))
            fail_msg("the sentence of param_names lacks %s", run_rows[i].body);
    }
}

static void test_help_keeps_its_width(void **state)
{
    struct buf text;
    (void)state;
    buf_init(&text, HELP_LIMIT);
    help_text(about_command("mock"), NULL, 80, &text);
    char *help = buf_take(&text);
    for (char *line = strtok(help, "\n"); line; line = strtok(NULL, "\n"))
        if (strlen(line) > 80 && !strstr(line, "  llmbench "))
            fail_msg("%zu columns: %s", strlen(line), line);
    free(help);
}

static size_t columns(const char *line)
{
    size_t count = 0;
    for (; *line; line++)
        count += ((unsigned char)*line & 0xc0) != 0x80;
    return count;
}

static void test_lua_help_keeps_its_width(void **state)
{
    (void)state;
    for (unsigned width = 60; width <= 100; width += 20) {
        struct buf text;
        buf_init(&text, HELP_LIMIT);
        help_lua(width, &text);
        assert_false(text.full);
        char *help = buf_take(&text);
        for (char *line = strtok(help, "\n"); line; line = strtok(NULL, "\n"))
            if (columns(line) > width)
                fail_msg("%zu columns, not %u: %s", columns(line), width, line);
        free(help);
    }
}

/* Each word of the contract stands in the help once as a term, and in the Markdown. */
static void test_lua_help_has_every_word(void **state)
{
    struct buf text;
    const struct script_word *word;
    (void)state;
    buf_init(&text, HELP_LIMIT);
    help_lua(100, &text);
    char *help = buf_take(&text), *md = written(help_lua_md), term[160];
    for (size_t i = 0; (word = script_word_at(i)); i++) {
        snprintf(term, sizeof term, "\n  %s%s", word->name, word->arguments ? word->arguments : "");
        if (!strstr(help, term))
            fail_msg("--help=lua lacks %s", word->name);
        snprintf(term, sizeof term, "\n| `%s%s` | ", word->name,
                 word->arguments ? word->arguments : "");
        if (!strstr(md, term))
            fail_msg("--help=lua-md lacks %s", word->name);
    }
    free(help);
    free(md);
}

static void test_each_kind_has_its_group(void **state)
{
    (void)state;
    assert_null(word_group_at(WORD_KINDS));
    for (size_t kind = 0; kind < WORD_KINDS; kind++) {
        size_t groups = 0;
        for (size_t i = 0; i < WORD_KINDS; i++)
            groups += word_group_at(i)->kind == kind;
        if (groups != 1)
            fail_msg("kind %zu has %zu rows in word_group_at", kind, groups);
    }
}

static void test_exit_codes(void **state)
{
    static const enum exit_code codes[] = {EXIT_DONE, EXIT_NOTHING_SUCCEEDED, EXIT_BAD_OPTIONS,
                                           EXIT_CANNOT_START, EXIT_INTERRUPTED};
    (void)state;
    CHECK_INT("exit codes", about_exit_codes.count, sizeof codes / sizeof *codes);
    for (size_t i = 0; i < about_exit_codes.count; i++)
        CHECK_INT(about_exit_codes.rows[i].text, atoi(about_exit_codes.rows[i].term), codes[i]);
}

/* The choices of --dialect are what the mock server speaks, in its order. */
static void test_dialects(void **state)
{
    struct err err;
    const char *choices = NULL;
    (void)state;
    assert_null(mock_dialect_find("klingon", &err));
    for (size_t i = 0; i < mock_row_count; i++)
        if (strcmp(mock_rows[i].name, "dialect") == 0)
            choices = mock_rows[i].choices;
    assert_non_null(choices);
    const char *spoken = strstr(err.text, "it speaks ");
    assert_non_null(spoken);
    char *commas = strdup(spoken + strlen("it speaks "));
    char *blanks = commas;
    for (const char *c = commas; *c; c++)
        if (*c != ',')
            *blanks++ = *c;
    *blanks = '\0';
    CHECK_TEXT("dialects", choices, commas);
    free(commas);
}

static void test_commands(void **state)
{
    static const struct {
        const char *word, *command, *nearest;
    } cases[] = {
        {"run", "run", "run"},
        {"perf", "run", "perf"},
        {"mock", "mock", "mock"},
        {"mokc", NULL, "mock"},
        {"rn", NULL, "run"},
        {"verson", NULL, "version"},
        {"elephant", NULL, NULL},
        {"x", NULL, NULL},
        {"", NULL, NULL},
        {"Run", NULL, "run"},
        {"a-very-long-word-that-is-nothing-like-a-command", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct command *command = about_command(cases[i].word);
        const char *nearest = about_nearest(cases[i].word);
        CHECK_TEXT(cases[i].word, command ? command->name : "(none)",
                   cases[i].command ? cases[i].command : "(none)");
        CHECK_TEXT(cases[i].word, nearest ? nearest : "(none)",
                   cases[i].nearest ? cases[i].nearest : "(none)");
    }
}

/* app_main's own exit codes; what it prints goes to /dev/null. */
static void test_exits(void **state)
{
    static const struct {
        const char *args[4];
        int code;
    } cases[] = {
        {{"--help"}, 0},
        {{"-h"}, 0},
        {{"help"}, 0},
        {{"help", "mock"}, 0},
        {{"mock", "--help"}, 0},
        {{"--version"}, 0},
        {{"version"}, 0},
        {{"--help=man"}, 0},
        {{"--help=lua"}, 0},
        {{"--help=lua-md"}, 0},
        {{"--nonsense", "--help"}, 0},
        {{"--help=html"}, 2},
        {{"help", "moc"}, 2},
        {{"mokc"}, 2},
        {{NULL}, 2},
        {{"run"}, 2},
        {{"--nonsense"}, 2},
        {{"mock", "--port", "70000"}, 2},
        {{"mock", "--dialect", "klingon"}, 2},
        {{"mock", "word"}, 2},
    };
    (void)state;
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *argv[6] = {(char *)"llmbench"};
        int argc = 1;
        for (; argc < 5 && cases[i].args[argc - 1]; argc++)
            argv[argc] = (char *)cases[i].args[argc - 1];
        assert_non_null(freopen("/dev/null", "w", stdout));
        int code = app_main(argc, argv);
        fflush(stdout);
        dup2(kept, STDOUT_FILENO);
        CHECK_INT(cases[i].args[0] ? cases[i].args[0] : "(nothing)", code, cases[i].code);
    }
    close(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_md),
        cmocka_unit_test(test_every_option_is_shown),
        cmocka_unit_test(test_every_body_field_can_be_renamed),
        cmocka_unit_test(test_help_keeps_its_width),
        cmocka_unit_test(test_lua_help_keeps_its_width),
        cmocka_unit_test(test_lua_help_has_every_word),
        cmocka_unit_test(test_each_kind_has_its_group),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_dialects),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_exits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
