/* What scripts may say, as data: fields, hooks and module functions by name, type and sentence. The
 * same rows check scripts when they are loaded, read what hooks return, register the modules and
 * are printed by the help. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct lua_State;

enum word_kind {
    WORD_API,     /* fields and hooks of an API script's table */
    WORD_DATASET, /* … of a dataset script's table */
    WORD_ITEM,    /* fields of one dataset item; items may carry others of their own */
    WORD_SEND,    /* fields of build_request's second result */
    WORD_CTX,     /* fields of ctx */
    WORD_DELTA,   /* fields of what read_event returns */
    WORD_USAGE,   /* fields of its `usage` */
    WORD_STATS,   /* fields of what interval gets */
    WORD_SUMMARY, /* fields of what done gets */
    WORD_DONE,    /* fields of what done returns */
    WORD_FIGURE,  /* fields of an element of its `metrics` */
    WORD_OPTION,  /* fields of one of a script's own options */
    WORD_METRIC,  /* fields of one of the script's own metrics */
    WORD_SAMPLE,  /* fields of the sample that its `of` gets; built-in metrics beside them */
    WORD_MODULE,  /* functions of the bundled modules, "module.name"; without a dot global ones */
    WORD_BENCH,   /* functions of the module that experiments have */
    WORD_KINDS
};

enum word_type {
    WORD_ANY,
    WORD_FUNCTION,
    WORD_TEXT,
    WORD_FLAG,
    WORD_COUNT,   /* a whole number from 0 */
    WORD_SECONDS, /* a number from 0 to 10^9 */
    WORD_NUMBER,  /* any but NaN */
    WORD_TABLE,
    WORD_TEXT_OR_TABLE,
    WORD_TEXT_OR_NUMBER,
};

struct script_word {
    enum word_kind kind;
    enum word_type type;
    const char *name;
    const char *arguments; /* of a function: "(messages, opts, ctx)" */
    const char *when;      /* when a hook is called, where a field counts; NULL = nothing to say */
    const char *sentence;  /* what it is for, without a final full stop */
    const char *choices;   /* of a text: blank-separated; NULL = any */
    bool required;
    bool alone;    /* WORD_API: may stand in a file of --script that is no API script */
    size_t offset; /* WORD_DELTA and WORD_USAGE: the field of struct delta, struct usage */
    int (*function)(struct lua_State *lua); /* WORD_MODULE: NULL = defined by the prelude */
};

/* A kind as the help and the manual show it. */
struct word_group {
    enum word_kind kind;
    const char *name;  /* one word: names its table in --help=lua-md and docs/scripting.md */
    const char *title; /* what its rows are */
};

/* One a kind, in the order in which a run meets them; NULL after the last. */
const struct word_group *word_group_at(size_t i);

/* Row `i` of all, in the order in which help shows them; NULL after the last. */
const struct script_word *script_word_at(size_t i);
const struct script_word *script_word_find(enum word_kind kind, const char *name); /* or NULL */
/* The known name that `name` was most likely meant to be; NULL when none is close. Of
 * "module.name" the module counts as right. */
const char *script_word_nearest(enum word_kind kind, const char *name);
/* The same for the names of the bundled modules; false: none is close. */
bool script_module_nearest(const char *name, char *out, size_t size);
/* How many letters off is still a slip; more is another word. */
unsigned word_slips(const char *name);
const char *word_type_name(enum word_type type);  /* "a string" */
const char *word_type_short(enum word_type type); /* "string" */
/* How many letters must change to make one text of the other; counts no further than 9. */
unsigned word_distance(const char *a, const char *b);
