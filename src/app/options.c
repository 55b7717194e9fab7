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
    return (!spec->config || config_read(&options->set, spec->config, err)) &&
           (!spec->env_file || env_file_read(spec->env_file, err));
}

/* Before the checks, which change values into what the run needs. */
static bool take_dump(struct options *options, struct err *err)
{
    if (!options->spec.dump_config)
        return true;
    struct buf text;
    buf_init(&text, CONFIG_LIMIT);
    config_dump(&options->set, &text);
    bool full = text.full;
    options->dump = buf_take(&text);
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

/* ---- the first look ---- */

static bool look_around(struct options *options, int argc, char **argv, int first, struct err *err)
{
    struct run_spec *spec = &options->spec;
    opt_look(&options->set, argc, argv, first);
    return (!spec->config || config_look(&options->set, spec->config, err)) &&
           (!spec->env_file || env_file_read(spec->env_file, err)) &&
           opt_environment(&options->set, err) && checks_dataset(&options->set, spec, err);
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

bool options_look(struct options *options, int argc, char **argv, int first,
                  struct secrets *secrets, struct err *err)
{
    memset(options, 0, sizeof *options);
    options->code = EXIT_BAD_OPTIONS;
    opt_set_init(&options->set, run_rows, run_row_count, &options->spec);
    if (!look_around(options, argc, argv, first, err))
        return false;
    options->code = EXIT_CANNOT_START;
    return look_into_scripts(options, secrets, err);
}

/* ---- the reading ---- */

/* The rows of the program, then those of the scripts, and no values yet. */
static void join_rows(struct options *options)
{
    const struct opt_row *rows = run_rows;
    size_t count = run_row_count;
    opt_set_fini(&options->set);
    if (options->declared.count) {
        rows = options->rows = mem_zero(count + options->declared.count, sizeof *rows);
        memcpy(options->rows, run_rows, count * sizeof *rows);
        for (size_t i = 0; i < options->declared.count; i++) {
            struct opt_row *row = &options->rows[count++];
            *row = options->declared.rows[i];
            row->offset = offsetof(struct options, own) + i * sizeof(union option_value);
        }
    }
    opt_set_init(&options->set, rows, count, options);
}

bool options_read(struct options *options, int argc, char **argv, int first,
                  struct secrets *secrets, struct err *err)
{
    return options_read_with(options, NULL, argc, argv, first, secrets, err);
}

bool options_read_with(struct options *options, const char *url, int argc, char **argv, int first,
                       struct secrets *secrets, struct err *err)
{
    struct list words = {0};
    if (!options_look(options, argc, argv, first, secrets, err))
        return false;
    options->code = EXIT_BAD_OPTIONS;
    join_rows(options);
    bool ok = opt_parse(&options->set, argc, argv, first, &words, err) &&
              take_words(options, &words, err) && take_files(options, err) &&
              opt_environment(&options->set, err) && opt_defaults(&options->set, err) &&
              take_stand_in(options, url, err) && take_dump(options, err) &&
              take_endpoint(options, err) && checks_run(&options->set, &options->spec, err) &&
              check_output(options, err);
    list_fini(&words);
    return ok;
}

void options_fini(struct options *options)
{
    free(options->dump);
    opt_set_fini(&options->set);
    free(options->rows);
    script_options_fini(&options->declared);
}
