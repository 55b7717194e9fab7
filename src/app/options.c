#include "app/options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/about.h"
#include "app/app.h"
#include "app/checks.h"
#include "app/config.h"
#include "app/env_file.h"
#include "app/report_kinds.h"
#include "app/wandb_curl.h"
#include "app/work_dir.h"
#include "base/mem.h"
#include "base/units.h"
#include "script/watch.h"

_Static_assert(offsetof(struct options, spec) == 0, "offsets count from the spec");

/* The words that belong to no option: at most one, the URL. */
static bool take_words(struct options *options, const struct list *words, struct err *err)
{
    for (size_t i = 0; i < words->count; i++) {
        const char *word = words->items[i];
        if (about_command(word))
            return err_set(err, "the command has to stand first: llmbench %s …", word);
        if (!strstr(word, "://"))
            return err_set(
                err, "\"%s\" belongs to no option; a URL begins with http:// or https://", word);
        if (opt_given(&options->set, "url"))
            return err_set(err, "one URL is enough: \"%s\" and \"%s\" were given",
                           options->spec.url, word);
        if (!opt_assign(&options->set, "url", word, OPT_COMMAND_LINE, err))
            return false;
    }
    return true;
}

static bool take_files(struct options *options, struct err *err)
{
    const struct run_spec *spec = &options->spec;
    return resume_take(&options->resume, spec->resume, &options->set, false, err) &&
           (!spec->config || config_read(&options->set, spec->config, err)) &&
           (!spec->env_file || env_file_read(spec->env_file, err));
}

/* Before the checks, which change values into what the run needs. */
static bool take_dump(struct options *options, struct err *err)
{
    struct buf text;
    buf_init(&text, CONFIG_LIMIT);
    config_dump(&options->set, &text);
    bool full = text.full;
    options->given = buf_take(&text);
    if (!options->spec.dump_config)
        return true;
    options->dump = mem_text(options->given);
    return !full || err_set(err, "--dump-config: the options are too large to be shown");
}

static bool take_stand_in(struct options *options, const char *url, struct err *err)
{
    return options->spec.url || !url || opt_assign(&options->set, "url", url, OPT_DEFAULT, err);
}

/* What is deployed under a name of its own takes the model's place. */
static bool take_endpoint(struct options *options, struct err *err)
{
    struct run_spec *spec = &options->spec;
    if (!spec->endpoint)
        return true;
    if (spec->model)
        return err_set(err, "--model %s and --endpoint %s both say what is asked; give one of them",
                       spec->model, spec->endpoint);
    return opt_assign(&options->set, "model", spec->endpoint,
                      opt_origin(&options->set, opt_find(&options->set, "endpoint")), err);
}

static bool check_output(struct options *options, struct err *err)
{
    struct run_spec *spec = &options->spec;
    return report_kinds_check(&spec->reports, err) && work_dir_check(&options->set, spec, err) &&
           wandb_take_key(&options->set, spec, err);
}

static bool is_one_run(const struct options_more *more)
{
    return more && more->given.data;
}

/* ---- the first look ---- */

static bool look_around(struct options *options, int argc, char **argv, int first,
                        const struct options_more *more, struct err *err)
{
    struct run_spec *spec = &options->spec;
    struct list without = {0};
    opt_look(&options->set, argc, argv, first);
    if (more && (more->whole || is_one_run(more)) && spec->resume)
        return err_set(err, "--resume goes on with a run that was cut off, not with an experiment");
    bool ok = resume_take(&options->resume, spec->resume, &options->set, true, err) &&
              (!spec->config || config_look(&options->set, spec->config, err)) &&
              (!spec->env_file || env_file_read(spec->env_file, err)) &&
              opt_environment(&options->set, err) &&
              /* cppcheck-suppress nullPointer ; is_one_run looks */
              (!is_one_run(more) || config_take(&options->set, more->given, true, &without, err)) &&
              checks_dataset(&options->set, spec, err);
    list_fini(&without);
    return ok;
}

/* A script's own code does not end, and this thread is inside it. */
static void stuck(void *arg, struct script *script, const char *sentence)
{
    (void)arg, (void)script;
    fprintf(stderr, "llmbench: %s\n", sentence);
    _exit(EXIT_CANNOT_START);
}

/* Before any default is filled in. */
static struct watch *look_watch(const struct options *options, struct err *err)
{
    const struct opt_row *row = opt_find(&options->set, "hook-timeout");
    struct watch_config config = {.limit_ns = options->spec.hook_timeout_ns, .given_up = stuck};
    if (opt_origin(&options->set, row) == OPT_UNSET &&
        !units_duration(row->fallback, &config.limit_ns, err))
        return NULL;
    return watch_new(&config, err);
}

static bool look_into_scripts(struct options *options, struct secrets *secrets, struct err *err)
{
    const struct run_spec *spec = &options->spec;
    struct script_config config = {
        .role = SCRIPT_COMPOSER,
        .file = spec->script,
        .api = spec->api,
        .dataset = spec->dataset,
        .opts = &options->set,
        .memory_limit = (size_t)spec->lua_memory,
        .secrets = secrets,
    };
    if (!checks_scripts(spec, err) || !(config.watch = look_watch(options, err)))
        return false;
    bool ok = script_options(&config, &options->declared, err);
    watch_free(config.watch);
    return ok;
}

static bool look(struct options *options, int argc, char **argv, int first,
                 const struct options_more *more, struct secrets *secrets, struct err *err)
{
    memset(options, 0, sizeof *options);
    options->code = EXIT_BAD_OPTIONS;
    opt_set_init(&options->set, run_rows, run_row_count, &options->spec);
    if (!look_around(options, argc, argv, first, more, err))
        return false;
    options->code = EXIT_CANNOT_START;
    return look_into_scripts(options, secrets, err);
}

bool options_look(struct options *options, int argc, char **argv, int first,
                  struct secrets *secrets, struct err *err)
{
    return look(options, argc, argv, first, NULL, secrets, err);
}

/* ---- the reading ---- */

static void add_rows(struct options *options, size_t *count, const struct script_options *own,
                     size_t offset)
{
    for (size_t i = 0; i < own->count; i++) {
        struct opt_row *row = &options->rows[(*count)++];
        *row = own->rows[i];
        row->offset = offset + i * sizeof(union option_value);
    }
}

/* A name must not be taken twice; those of the program are known to be free. */
static bool check_names(const struct options *options, const struct script_options *own,
                        struct err *err)
{
    struct opt_set declared = {.rows = options->declared.rows, .count = options->declared.count};
    for (size_t i = 0; i < own->count; i++)
        if (opt_find(&declared, own->rows[i].name))
            return err_set(err, "both the experiment and a script it uses have the option --%s",
                           own->rows[i].name);
    return true;
}

/* The rows of the program, then those of the scripts and of the experiment, and no values yet. */
static bool join_rows(struct options *options, const struct script_options *own, struct err *err)
{
    static const struct script_options none = {0};
    const struct opt_row *rows = run_rows;
    size_t count = run_row_count;
    own = own ? own : &none;
    opt_set_fini(&options->set);
    if (options->declared.count + own->count) {
        rows = options->rows = mem_zero(count + options->declared.count + own->count, sizeof *rows);
        memcpy(options->rows, run_rows, count * sizeof *rows);
        add_rows(options, &count, &options->declared, offsetof(struct options, own));
        add_rows(options, &count, own, offsetof(struct options, experiment));
    }
    opt_set_init(&options->set, rows, count, options);
    return check_names(options, own, err);
}

/* What an experiment cannot say of one run: where results go, and its own options. */
static bool check_given(const struct options *options, struct err *err)
{
    static const char *const whole[] = {"name",          "outputs-dir",   "work-dir",
                                        "json",          "env-file",      "wandb",
                                        "wandb-api-key", "wandb-project", "debug"};
    const struct opt_set *set = &options->set;
    for (size_t i = 0; i < set->count; i++) {
        const struct opt_row *row = &set->rows[i];
        bool own = row->offset >= offsetof(struct options, experiment);
        for (size_t k = 0; k < sizeof whole / sizeof *whole; k++)
            own = own || strcmp(row->name, whole[k]) == 0;
        if (own && opt_origin(set, row) == OPT_EXPERIMENT)
            return err_set(err,
                           "bench.run: \"%s\" belongs to the experiment as a whole; give it on the "
                           "command line as --%s",
                           row->name, row->name);
    }
    return true;
}

static bool take_given(struct options *options, const struct options_more *more, struct err *err)
{
    return !is_one_run(more) ||
           (config_take(&options->set, more->given, false, &options->without, err) &&
            check_given(options, err));
}

/* Of an experiment as a whole, only what the results need: each run is checked by itself. */
static bool check_all(struct options *options, const struct options_more *more, struct err *err)
{
    struct run_spec *spec = &options->spec;
    if (more && more->whole)
        return checks_results(spec, err) && check_output(options, err);
    return take_stand_in(options, more ? more->stand_in : NULL, err) &&
           take_endpoint(options, err) && checks_run(&options->set, spec, err) &&
           check_output(options, err);
}

bool options_read_more(struct options *options, int argc, char **argv, int first,
                       const struct options_more *more, struct secrets *secrets, struct err *err)
{
    struct list words = {0};
    if (!look(options, argc, argv, first, more, secrets, err))
        return false;
    options->code = EXIT_BAD_OPTIONS;
    bool ok = join_rows(options, more ? more->experiment : NULL, err) &&
              opt_parse(&options->set, argc, argv, first, &words, err) &&
              take_words(options, &words, err) && take_files(options, err) &&
              opt_environment(&options->set, err) && take_given(options, more, err) &&
              resume_check(&options->resume, &options->set, err) &&
              opt_defaults(&options->set, err) && take_dump(options, err) &&
              check_all(options, more, err);
    list_fini(&words);
    return ok;
}

bool options_read(struct options *options, int argc, char **argv, int first,
                  struct secrets *secrets, struct err *err)
{
    return options_read_more(options, argc, argv, first, NULL, secrets, err);
}

bool options_read_with(struct options *options, const char *url, int argc, char **argv, int first,
                       struct secrets *secrets, struct err *err)
{
    struct options_more more = {.stand_in = url};
    return options_read_more(options, argc, argv, first, &more, secrets, err);
}

void options_fini(struct options *options)
{
    free(options->dump);
    free(options->given);
    resume_options_fini(&options->resume);
    list_fini(&options->without);
    opt_set_fini(&options->set);
    free(options->rows);
    script_options_fini(&options->declared);
}
