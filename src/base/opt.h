/* Options as data: one row says all that parsing, checking, showing, the config file, the help and
 * Lua need to know.
 *
 * A row names a field of the caller's struct by offset; a type object knows how to parse into it,
 * release it and show it. Rows may be static (app's table) or built at run time (a script's own
 * options). This unit knows no particular option. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"

struct opt_row;

/* What Lua, JSON and the help see of a value. */
enum opt_kind {
    OPT_KIND_FLAG,
    OPT_KIND_TEXT,
    OPT_KIND_INTEGER,
    OPT_KIND_NUMBER,
    OPT_KIND_LIST,
    OPT_KIND_NUMBERS
};

/* The behaviour of one C type of field. */
struct opt_type {
    const char *name; /* in messages: "a whole number" */
    enum opt_kind kind;
    bool takes_value; /* false: a flag */
    bool many;        /* one use takes all following words that fit */
    bool plain;       /* a number without units: what `show` writes is one as JSON has it */
    size_t size;      /* of the field, checked by OPT_FIELD */
    bool (*parse)(const struct opt_row *row, const char *text, void *field, struct err *err);
    void (*release)(void *field);
    void (*show)(const struct opt_row *row, const void *field,
                 struct buf *out);       /* as it would be typed */
    double (*number)(const void *field); /* for OPT_KIND_INTEGER and _NUMBER: what Lua and JSON get
                                            (durations: seconds) */
};

extern const struct opt_type opt_flag;    /* bool */
extern const struct opt_type opt_text;    /* char *, owned */
extern const struct opt_type opt_choice;  /* char *, owned; one of row->choices */
extern const struct opt_type opt_integer; /* int64_t, within min…max */
extern const struct opt_type opt_number;  /* double, within min…max */
/* char *, owned, NULL = none: the number's own digits, made JSON where they are not ("+5", ".5"),
 * for values that are handed on; whole ones from -2^63 to 2^64-1. */
extern const struct opt_type opt_exact_integer;
extern const struct opt_type opt_exact_number;
extern const struct opt_type
    opt_duration; /* uint64_t ns, within min…max seconds; bare numbers are seconds */
extern const struct opt_type opt_size;  /* uint64_t bytes */
extern const struct opt_type opt_share; /* double 0…1; "10%" or 0.1 */
extern const struct opt_type opt_list;  /* struct list: each use adds one */
extern const struct opt_type
    opt_words; /* struct list: each use adds all words up to the next option */
/* struct numbers, each within min…max; a use takes all following words that are numbers; also
 * "1,2,4" */
extern const struct opt_type opt_integers; /* whole ones */
extern const struct opt_type opt_numbers;

struct opt_row {
    const char *name;    /* long name without dashes */
    char letter;         /* short name, 0 = none */
    const char *aliases; /* further long names, blank-separated, or NULL */
    const struct opt_type *type;
    size_t offset;
    const char *fallback; /* default as it would be typed; NULL = no value unless given */
    double min, max;      /* both 0: unbounded; max below min: no upper bound (integers, numbers,
                             shares, durations in seconds, sizes in bytes) */
    const char *choices;  /* blank-separated, for opt_choice */
    const char *metavar;  /* "N", "FILE", "URL" */
    const char *group;    /* heading in the help; rows of a group stand together */
    const char *help;     /* one sentence, no final full stop */
    const char *
        body; /* the request-body key under which a given value travels; NULL = not a body option */
    const char *env; /* environment variables that give it when nobody else does, the first that
                        says something; blank-separated, or NULL */
    bool secret;     /* its value is registered as a secret and shown as [redacted] */
    bool required;   /* without a value from anywhere there is no run */
};

/* For a row's `.offset` of struct S, field F, held to the C type T by the compiler. */
#define OPT_FIELD(S, F, T) .offset = offsetof(S, F) + 0 * sizeof((T *)0 == &((S *)0)->F)

/* The later ones win. */
enum opt_origin {
    OPT_UNSET,
    OPT_DEFAULT,
    OPT_ENVIRONMENT,
    OPT_CONFIG,
    OPT_COMMAND_LINE,
    OPT_EXPERIMENT, /* what an experiment says of one run */
};

/* A table, the struct its offsets point into, and for each row where its value came from. */
struct opt_set {
    const struct opt_row *rows;
    size_t count;
    void *base;
    unsigned char *origin; /* enum opt_origin, one a row; owned */
};

/* Also empties every field the rows name; `rows` and `base` are borrowed for the set's life. */
void opt_set_init(struct opt_set *set, const struct opt_row *rows, size_t count, void *base);
void opt_set_fini(struct opt_set *set); /* releases every field's value too */

/* Fills the rows that are still unset from their fallback; one that is required and has none is an
 * error. Call last. */
bool opt_defaults(struct opt_set *set, struct err *err) MUST_CHECK;

/* Reads argv[first…]: --name value, --name=value, -n value, -nvalue, bundled flags (-qv), "--",
 * negative numbers as values, lists. Words that belong to no option go to `words` (NULL: they are
 * an error). Of a scalar option given twice the last value counts, as users of wrapper scripts
 * expect; a list starts anew, whatever the config file had put into it. Flags also take --name=true
 * and =false. An unknown option suggests the nearest name. */
bool opt_parse(struct opt_set *set, int argc, char **argv, int first, struct list *words,
               struct err *err) MUST_CHECK;
/* The first look, for tables that are not whole yet: takes what it can, passes over all else
 * (words, unknown options, wrong values). */
void opt_look(struct opt_set *set, int argc, char **argv, int first);
/* What the rows' environment variables say. */
bool opt_environment(struct opt_set *set, struct err *err) MUST_CHECK;
/* Whether the row could take this text. */
bool opt_check(const struct opt_row *row, const char *text, struct err *err) MUST_CHECK;
/* One value from elsewhere (config, environment); does not override a higher origin, but is checked
 * all the same. */
bool opt_assign(struct opt_set *set, const char *name, const char *text, enum opt_origin origin,
                struct err *err) MUST_CHECK;

/* Takes the row's value away, whoever gave it. */
void opt_unset(struct opt_set *set, const struct opt_row *row);

const struct opt_row *opt_find(const struct opt_set *set,
                               const char *name); /* by name or alias, '-' and '_' alike; NULL */
const void *opt_field(const struct opt_set *set, const struct opt_row *row);
enum opt_origin opt_origin(const struct opt_set *set, const struct opt_row *row);
bool opt_given(const struct opt_set *set, const char *name); /* from anywhere but its default */
/* The value as it would be typed, secrets redacted, into `out`. Nothing when unset. */
void opt_show(const struct opt_set *set, const struct opt_row *row, struct buf *out);
/* The help text of the table: groups, names, defaults, wrapped at `width` columns. */
void opt_help(const struct opt_row *rows, size_t count, unsigned width, struct buf *out);
