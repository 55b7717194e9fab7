/* The contract's rows lie in several files, one table each; contract.c strings them together. */
#pragma once

#include "script/contract.h"

struct script_words {
    const struct script_word *rows;
    size_t count;
};

extern const struct script_words script_words_script, script_words_answer, script_words_main,
    script_words_modules, script_words_bench;
