/* The tokenizer of --tokenizer-path: loaded once, lent to scorers and scripts. */
#pragma once

#include "base/err.h"
#include "script/script.h"

struct run_spec;
struct tokenizer;

struct tokenizing {
    struct tokenizer *tokenizer;   /* NULL = none was given */
    char *said;                    /* "qwen3 (BPE, 151669 entries, sha256 aeb13307a71acd8f)" */
    struct script_tokenizer words; /* for services; borrows the tokenizer */
};

/* A struct that is all zero when the option was not given. */
bool tokenizing_open(struct tokenizing *tokenizing, const struct run_spec *spec,
                     struct err *err) MUST_CHECK;
void tokenizing_close(struct tokenizing *tokenizing);
