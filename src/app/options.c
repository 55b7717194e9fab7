#include "app/options.h"

#include <stdlib.h>
#include <string.h>

#include "app/about.h"
#include "app/checks.h"
#include "app/config.h"
#include "app/env_file.h"
#include "app/report_kinds.h"
#include "app/wandb_curl.h"
#include "app/work_dir.h"

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

/* The first variable that says something wins. */
static bool take_environment(struct options *options, struct err *err)
{
    static const char *const names[] = {"LLMBENCH_API_KEY", "OPENAI_API_KEY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (!value || !*value)
            continue;
        if (!opt_assign(&options->set, "api-key", value, OPT_ENVIRONMENT, err))
            return err_prefix(err, "the environment variable %s", names[i]);
        return true;
    }
    return true;
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

bool options_read(struct options *options, int argc, char **argv, int first, struct err *err)
{
    struct list words = {0};
    memset(&options->spec, 0, sizeof options->spec);
    options->dump = NULL;
    opt_set_init(&options->set, run_rows, run_row_count, &options->spec);
    bool ok = opt_parse(&options->set, argc, argv, first, &words, err) &&
              take_words(options, &words, err) && take_files(options, err) &&
              take_environment(options, err) && opt_defaults(&options->set, err) &&
              take_dump(options, err) && take_endpoint(options, err) &&
              checks_run(&options->set, &options->spec, err) && check_output(options, err);
    list_fini(&words);
    return ok;
}

void options_fini(struct options *options)
{
    free(options->dump);
    opt_set_fini(&options->set);
}
