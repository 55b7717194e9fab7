#include "app/app.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app/about.h"
#include "app/commands.h"
#include "app/help.h"
#include "app/host.h"
#include "app/options.h"
#include "base/interrupt.h"
#include "base/mem.h"

enum { WIDTH_MIN = 60, WIDTH_DEFAULT = 80, WIDTH_MAX = 100 };

static unsigned terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return WIDTH_DEFAULT;
    if (size.ws_col < WIDTH_MIN)
        return WIDTH_MIN;
    return size.ws_col > WIDTH_MAX ? WIDTH_MAX : size.ws_col;
}

static int print_and_free(struct buf *text)
{
    fwrite(text->data, 1, text->len, stdout);
    buf_fini(text);
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_CANNOT_START;
}

int version_cmd(int argc, char **argv, int first)
{
    (void)argc, (void)argv, (void)first;
    char *libraries = host_libraries();
    printf("llmbench %s\n%s\n", LLMBENCH_VERSION, libraries);
    free(libraries);
    return EXIT_DONE;
}

static int print_help(const struct command *command, const struct script_options *own)
{
    struct buf text;
    buf_init(&text, HELP_LIMIT);
    help_text(command, own, terminal_width(), &text);
    return print_and_free(&text);
}

/* With the options of the scripts that are named beside it. Mistakes in options do not keep anybody
 * from the help, a script that cannot be loaded does: its options are what was asked for. */
static int print_whole_help(const struct command *command, int argc, char **argv, int first)
{
    struct err err;
    struct options options;
    struct secrets *secrets = secrets_new();
    int code = EXIT_CANNOT_START;
    if (options_look(&options, argc, argv, first, secrets, &err) ||
        options.code != EXIT_CANNOT_START) {
        code = print_help(command, &options.declared);
    } else {
        char *sentence = secrets_hidden(secrets, err.text);
        fprintf(stderr, "llmbench: %s\n", sentence);
        free(sentence);
    }
    options_fini(&options);
    secrets_free(secrets);
    return code;
}

/* With the options of the experiment that is named beside it. */
static int print_experiment_help(int argc, char **argv, int first, const struct command *command)
{
    struct script_options own;
    int code = experiment_help(argc, argv, first, &own);
    if (code == EXIT_DONE)
        code = print_help(command, &own);
    script_options_fini(&own);
    return code;
}

static int unknown_command(const char *word)
{
    const char *nearest = about_nearest(word);
    if (nearest)
        fprintf(stderr, "llmbench: there is no command \"%s\"; did you mean %s?\n", word, nearest);
    else
        fprintf(stderr,
                "llmbench: there is no command \"%s\"; see llmbench --help (a URL begins with "
                "http:// or https://)\n",
                word);
    return EXIT_BAD_OPTIONS;
}

/* --help=FORM */
static int print_form(const char *form)
{
    static const struct {
        const char *name;
        void (*write)(struct buf *out);
        void (*wrap)(unsigned width, struct buf *out); /* in the place of `write` */
    } forms[] = {
        {.name = "man", .write = help_man},
        {.name = "options-md", .write = help_options_md},
        {.name = "lua", .wrap = help_lua},
        {.name = "lua-md", .write = help_lua_md},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(form, forms[i].name) != 0)
            continue;
        struct buf text;
        buf_init(&text, HELP_LIMIT);
        if (forms[i].wrap)
            forms[i].wrap(terminal_width(), &text);
        else
            forms[i].write(&text);
        return print_and_free(&text);
    }
    fprintf(stderr, "llmbench: there is no --help=%s; there are --help", form);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        fprintf(stderr, ", --help=%s", forms[i].name);
    fputc('\n', stderr);
    return EXIT_BAD_OPTIONS;
}

static int print_help_of(int argc, char **argv, int first, const struct command *command)
{
    if (command->run == experiment_cmd)
        return print_experiment_help(argc, argv, first, command);
    return command->scripts ? print_whole_help(command, argc, argv, first)
                            : print_help(command, NULL);
}

/* Help and version are served wherever they stand, even beside mistakes. True: they were. */
static bool serve_help(int argc, char **argv, int first, const struct command *command, int *code)
{
    static const char form[] = "--help=";
    for (int i = first; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
            *code = print_help_of(argc, argv, first, command);
        else if (strcmp(argv[i], "--version") == 0)
            *code = version_cmd(argc, argv, i);
        else if (strncmp(argv[i], form, strlen(form)) == 0)
            *code = print_form(argv[i] + strlen(form));
        else
            continue;
        return true;
    }
    return false;
}

int help_cmd(int argc, char **argv, int first)
{
    if (first >= argc)
        return print_help(&about_commands[0], NULL);
    const struct command *command = about_command(argv[first]);
    return command ? print_help(command, NULL) : unknown_command(argv[first]);
}

/* Whoever closed one of the three standard descriptors would otherwise have the first file or
 * socket in its place, and progress lines written into it. What is written there still fails. */
static void hold_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            return;
}

int app_main(int argc, char **argv)
{
    mem_settle();
    signals_hold();
    hold_descriptors();
    const struct command *command = &about_commands[0];
    int first = 1, code;
    if (argc > 1 && argv[1][0] != '-' && !strstr(argv[1], "://")) {
        command = about_command(argv[1]);
        if (!command)
            return unknown_command(argv[1]);
        first = 2;
    }
    if (serve_help(argc, argv, first, command, &code))
        return code;
    return command->run(argc, argv, first);
}
