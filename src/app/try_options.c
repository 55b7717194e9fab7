#include "app/try_options.h"

#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/mem.h"

#define TRYING "Trying"

static const char stand_in[] = "http://127.0.0.1:8000";

const struct opt_row try_rows[] = {
    {
        .name = "requests",
        .type = &opt_integer,
        OPT_FIELD(struct try_spec, requests, int64_t),
        .min = 0,
        .max = 100000,
        .metavar = "N",
        .group = TRYING,
        .help = "how many requests are shown; 3 without --replay, else 1, the one that the answer "
                "belongs to",
    },
    {
        .name = "replay",
        .type = &opt_text,
        OPT_FIELD(struct try_spec, replay, char *),
        .metavar = "FILE",
        .group = TRYING,
        .help = "have the script read this recorded answer: a whole HTTP response (what curl -i "
                "writes) or the bytes of a body",
    },
    {
        .name = "content-type",
        .type = &opt_text,
        OPT_FIELD(struct try_spec, content_type, char *),
        .metavar = "TYPE",
        .group = TRYING,
        .help = "the answer's Content-Type, in place of the recorded one",
    },
    {
        .name = "status",
        .type = &opt_integer,
        OPT_FIELD(struct try_spec, status, int64_t),
        .min = 100,
        .max = 599,
        .metavar = "N",
        .group = TRYING,
        .help = "the answer's HTTP status, in place of the recorded one",
    },
    {
        .name = "no-setup",
        .type = &opt_flag,
        OPT_FIELD(struct try_spec, no_setup, bool),
        .group = TRYING,
        .help = "do not call setup, which may send requests of its own; ctx.setup is nil then",
    },
};
const size_t try_row_count = sizeof try_rows / sizeof *try_rows;

/* The words of a command line, its own and those of the run; all borrowed. */
struct words {
    char **own, **run;
    int own_count, run_count;
};

static const struct opt_row *own_row(const struct opt_set *set, const char *word)
{
    char name[64];
    size_t len = strncmp(word, "--", 2) == 0 ? strcspn(word + 2, "=") : 0;
    if (len == 0 || len >= sizeof name)
        return NULL;
    memcpy(name, word + 2, len);
    name[len] = '\0';
    return opt_find(set, name);
}

static void part_words(struct words *words, const struct opt_set *set, int argc, char **argv,
                       int first)
{
    words->own = mem_zero((size_t)argc, sizeof *words->own);
    words->run = mem_zero((size_t)argc, sizeof *words->run);
    for (int i = first; i < argc; i++) {
        const struct opt_row *row = own_row(set, argv[i]);
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc)
                words->run[words->run_count++] = argv[i++];
        } else if (!row) {
            words->run[words->run_count++] = argv[i];
        } else {
            words->own[words->own_count++] = argv[i];
            if (row->type->takes_value && !strchr(argv[i], '=') && i + 1 < argc)
                words->own[words->own_count++] = argv[++i];
        }
    }
}

static bool check(const struct try_options *options, struct err *err)
{
    const struct try_spec *spec = &options->spec;
    if (!spec->replay && (spec->content_type || spec->status))
        return err_set(err, "--%s is said of a recorded answer; give one by --replay FILE",
                       spec->content_type ? "content-type" : "status");
    return true;
}

bool try_options_read(struct try_options *options, int argc, char **argv, int first,
                      struct secrets *secrets, struct err *err)
{
    struct words words = {0};
    memset(&options->spec, 0, sizeof options->spec);
    opt_set_init(&options->set, try_rows, try_row_count, &options->spec);
    part_words(&words, &options->set, argc, argv, first);
    bool own =
        opt_parse(&options->set, words.own_count, words.own, 0, NULL, err) && check(options, err);
    struct err rest;
    bool run = options_read_with(&options->options, stand_in, words.run_count, words.run, 0,
                                 secrets, &rest);
    if (own && !run)
        *err = rest;
    options->code = own ? options->options.code : EXIT_BAD_OPTIONS;
    if (!opt_given(&options->set, "requests"))
        options->spec.requests = options->spec.replay ? 1 : 3;
    free(words.own);
    free(words.run);
    return own && run;
}

void try_options_fini(struct try_options *options)
{
    options_fini(&options->options);
    opt_set_fini(&options->set);
}
