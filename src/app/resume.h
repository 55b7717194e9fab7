/* --resume: the options of a run that was cut off, from its database, and what they were read from.
 * Main thread. */
#pragma once

#include <stdbool.h>

#include "app/data.h"
#include "base/err.h"
#include "base/list.h"
#include "base/opt.h"
#include "base/secrets.h"
#include "model/run_spec.h"
#include "out/remains.h"
#include "script/script.h"

struct resume_options {
    bool read; /* the rest is there: --resume was given */
    struct remains remains;
    struct list again; /* names of options that held a secret and have to be given again */
};

/* If `path` (NULL = not given): reads what the run was given and gives it to the set as if a config
 * file said it. `look`: passes over what scripts will declare. Release with resume_options_fini in
 * any case. */
bool resume_take(struct resume_options *resume, const char *path, struct opt_set *set, bool look,
                 struct err *err) MUST_CHECK;
/* Whether the command line says only what may differ, and secrets have been given again. `url`: the
 * one that will be asked. */
bool resume_check(const struct resume_options *resume, const struct opt_set *set,
                  struct err *err) MUST_CHECK;
void resume_options_fini(struct resume_options *resume);

/* Hashes of what the requests are made of, as a JSON object; owned. `tokenizer`: its name with its
 * hash, NULL = none. */
char *resume_files(const struct run_spec *spec, const struct data_source *data,
                   const struct script_facts *scripts, const char *tokenizer);
/* False: the sentence names what is not as it was. */
bool resume_same_files(const struct resume_options *resume, const char *files,
                       struct err *err) MUST_CHECK;
