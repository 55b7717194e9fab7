/* Options from anywhere. By its last byte an input is a command's command line (a word a line), a
 * config file, an environment file or what an experiment says of a run. It is refused with a
 * sentence, or everything it gave can be shown; and a config that was read comes back from its
 * dump.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "app/calibrate_options.h"
#include "app/config.h"
#include "app/env_file.h"
#include "app/export_options.h"
#include "app/mock_options.h"
#include "app/options.h"
#include "app/report_options.h"
#include "app/tokenize_options.h"
#include "app/try_options.h"
#include "base/mem.h"

enum { WORDS = 40 };

/* Whatever a set holds can be typed again. */
static void show(const struct opt_set *set)
{
    struct buf out;
    buf_init(&out, SIZE_MAX);
    for (size_t i = 0; i < set->count; i++)
        opt_show(set, &set->rows[i], &out);
    buf_fini(&out);
}

static void must_say(bool ok, const struct err *err, struct span input)
{
    if (!ok && !err->text[0])
        fuzz_fail("refused without a sentence", input);
}

/* ---- command lines ---- */

/* One function a command: reads its options and, if it may, shows them. */
#define COMMAND(name, read)                                                                        \
    static void name##_command(int argc, char **argv, struct span input)                           \
    {                                                                                              \
        struct name##_options options;                                                             \
        struct err err = {""};                                                                     \
        bool ok = read;                                                                            \
        must_say(ok, &err, input);                                                                 \
        if (ok)                                                                                    \
            show(&options.set);                                                                    \
        name##_options_fini(&options);                                                             \
    }

COMMAND(mock, mock_options_read(&options, argc, argv, 1, &err))
COMMAND(report, report_options_read(&options, argc, argv, 1, &err))
COMMAND(export, export_options_read(&options, argc, argv, 1, &err))
COMMAND(tokenize, tokenize_options_read(&options, argc, argv, 1, &err))
COMMAND(calibrate, calibrate_options_read(&options, argc, argv, 1, &err))

static void run_command(int argc, char **argv, struct span input)
{
    struct options options;
    struct err err = {""};
    bool ok = options_read(&options, argc, argv, 1, NULL, &err);
    must_say(ok, &err, input);
    if (ok)
        show(&options.set);
    options_fini(&options);
}

static void try_command(int argc, char **argv, struct span input)
{
    struct try_options options;
    struct err err = {""};
    must_say(try_options_read(&options, argc, argv, 1, NULL, &err), &err, input);
    try_options_fini(&options);
}

/* Words that name no files: what lies on the disk is no part of the input. */
static void command_line(struct span input, void (*command)(int, char **, struct span))
{
    char *text = mem_copy(input.data, input.len), *argv[WORDS + 2] = {(char *)"llmbench"};
    int argc = 1;
    for (size_t i = 0; i < input.len; i++)
        if (text[i] == '\0' ||
            (text[i] == '/' && (i < 2 || (text[i - 1] != ':' && text[i - 2] != ':'))))
            text[i] = '.';
    for (char *word = strtok(text, "\n"); word && argc <= WORDS; word = strtok(NULL, "\n"))
        argv[argc++] = word;
    command(argc, argv, input);
    free(text);
}

/* ---- files ---- */

/* The path of a file of this content in memory; *file is to be closed. */
static char *path_of(struct span input, int *file)
{
    *file = memfd_create("fuzz", 0);
    if (*file < 0 || write(*file, input.data, input.len) != (ssize_t)input.len)
        fuzz_fail("no file can be made in memory", input);
    return mem_printf("/proc/self/fd/%d", *file);
}

/* What a set holds is read again from its dump, unless a secret stands there. */
static void dump_and_read(const struct opt_set *set, struct span input)
{
    struct buf first, second;
    struct run_spec spec;
    struct opt_set again;
    struct err err;
    buf_init(&first, SIZE_MAX);
    buf_init(&second, SIZE_MAX);
    config_dump(set, &first);
    buf_add_char(&first, '\0');
    if (!strstr(first.data, "[redacted]")) {
        opt_set_init(&again, run_rows, run_row_count, &spec);
        if (!config_text(&again, span_of(first.data, first.len - 1), false, &err))
            fuzz_fail(err.text, input);
        config_dump(&again, &second);
        buf_add_char(&second, '\0');
        fuzz_same(&first, &second, "read again", input);
        opt_set_fini(&again);
    }
    buf_fini(&first);
    buf_fini(&second);
}

static void config_file(struct span input)
{
    struct run_spec spec;
    struct opt_set set;
    struct err err = {""};
    int file;
    char *path = path_of(input, &file);
    opt_set_init(&set, run_rows, run_row_count, &spec);
    bool ok = config_read(&set, path, &err);
    must_say(ok, &err, input);
    show(&set);
    if (ok)
        dump_and_read(&set, input);
    opt_set_fini(&set);
    close(file);
    free(path);
}

static void experiment(struct span input)
{
    struct run_spec spec;
    struct opt_set set;
    struct list without = {.count = 0};
    struct err err = {""};
    opt_set_init(&set, run_rows, run_row_count, &spec);
    must_say(config_take(&set, input, false, &without, &err), &err, input);
    show(&set);
    list_fini(&without);
    opt_set_fini(&set);
}

static void environment_file(struct span input)
{
    struct err err = {""};
    int file;
    char *path = path_of(input, &file);
    must_say(env_file_read(path, &err), &err, input);
    clearenv(); /* what it set, so that the next input finds the same */
    close(file);
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const files[])(struct span input) = {config_file, environment_file, experiment};
    static void (*const commands[])(int argc, char **argv, struct span input) = {
        run_command,      mock_command,      report_command, export_command,
        tokenize_command, calibrate_command, try_command};
    enum { FILES = sizeof files / sizeof *files, COMMANDS = sizeof commands / sizeof *commands };
    if (size == 0)
        return 0;
    struct span input = span_of((const char *)data, size - 1);
    unsigned choice = data[size - 1] % (2 * FILES + COMMANDS);
    if (choice < 2 * FILES)
        files[choice % FILES](input);
    else
        command_line(input, commands[choice - 2 * FILES]);
    return 0;
}
