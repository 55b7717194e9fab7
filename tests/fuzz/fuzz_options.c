/* Options from anywhere. By its last byte an input is a command line (a word a line), a config file
 * or an environment file. It is refused with a sentence, or everything it gave can be shown. */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "app/config.h"
#include "app/env_file.h"
#include "app/options.h"
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

/* Words that name no files: what lies on the disk is no part of the input. */
static void command_line(struct span input)
{
    char *text = mem_copy(input.data, input.len), *argv[WORDS + 2] = {(char *)"llmbench"};
    int argc = 1;
    for (size_t i = 0; i < input.len; i++)
        if (text[i] == '\0' ||
            (text[i] == '/' && (i < 2 || (text[i - 1] != ':' && text[i - 2] != ':'))))
            text[i] = '.';
    for (char *word = strtok(text, "\n"); word && argc <= WORDS; word = strtok(NULL, "\n"))
        argv[argc++] = word;
    struct options options;
    struct err err = {""};
    bool ok = options_read(&options, argc, argv, 1, NULL, &err);
    must_say(ok, &err, input);
    if (ok)
        show(&options.set);
    options_fini(&options);
    free(text);
}

/* The path of a file of this content in memory; *file is to be closed. */
static char *path_of(struct span input, int *file)
{
    *file = memfd_create("fuzz", 0);
    if (*file < 0 || write(*file, input.data, input.len) != (ssize_t)input.len)
        fuzz_fail("no file can be made in memory", input);
    return mem_printf("/proc/self/fd/%d", *file);
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
    if (ok) {
        struct buf dump;
        buf_init(&dump, SIZE_MAX);
        config_dump(&set, &dump);
        buf_fini(&dump);
    }
    opt_set_fini(&set);
    close(file);
    free(path);
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
    static void (*const kinds[])(struct span input) = {command_line, config_file, environment_file};
    if (size > 0)
        kinds[data[size - 1] % 3](span_of((const char *)data, size - 1));
    return 0;
}
