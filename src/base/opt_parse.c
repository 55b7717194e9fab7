/* The command line: opt_parse and the search for what an unknown name meant. */
#include <ctype.h>
#include <string.h>

#include "base/near.h"
#include "base/opt_internal.h"

#define SHOWN 100 /* of a wrong word, in bytes */

struct parser {
    struct opt_set *set;
    int argc;
    char **argv;
    int at; /* the next word */
    struct list *words;
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

const char *opt_nearest(const struct opt_set *set, struct span name)
{
    struct near near = near_to(name);
    for (size_t i = 0; i < set->count; i++) {
        struct span known = {0};
        while (opt_next_name(&set->rows[i], &known))
            near_try(&near, known, set->rows[i].name);
    }
    return near.found;
}

static bool unknown_long(const struct opt_set *set, struct span name, struct err *err)
{
    const char *near = opt_nearest(set, name);
    return err_set(err, "unknown option --%.*s%s%s%s", (int)smaller(name.len, SHOWN), name.data,
                   near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

static size_t find_letter(const struct opt_set *set, char letter)
{
    for (size_t i = 0; i < set->count; i++)
        if (letter && set->rows[i].letter == letter)
            return i;
    return set->count;
}

/* "--name=value" → name. */
static struct span long_name(const char *word)
{
    return span_of(word + 2, strcspn(word + 2, "="));
}

/* Whether a word must not be swallowed as the value of the option before it. */
static bool is_option(const struct opt_set *set, const char *word)
{
    if (word[0] != '-' || !word[1])
        return false;
    if (word[1] == '-')
        return !word[2] || opt_index(set, long_name(word)) < set->count;
    return !word[2] && find_letter(set, word[1]) < set->count;
}

/* "-5" and "-.5" are values and words unless a letter of the table says otherwise. */
static bool is_negative_number(const struct opt_set *set, const char *word)
{
    return word[0] == '-' && (isdigit((unsigned char)word[1]) || word[1] == '.') &&
           find_letter(set, word[1]) == set->count;
}

static bool needs_value(const struct parser *p, const char *option, struct err *err)
{
    if (p->at >= p->argc)
        return err_set(err, "option %s needs a value", option);
    return err_set(err, "option %s needs a value, but '%.*s' %s", option, SHOWN, p->argv[p->at],
                   p->argv[p->at][2] || p->argv[p->at][1] != '-' ? "is an option"
                                                                 : "ends the options");
}

/* Whether the next word is one more value of an option that takes many. */
static bool fits(const struct parser *p, size_t row)
{
    if (p->at >= p->argc)
        return false;
    const char *word = p->argv[p->at];
    const struct opt_row *r = &p->set->rows[row];
    if (word[0] == '-' && word[1] && !is_negative_number(p->set, word))
        return false;
    return r->type->kind != OPT_KIND_NUMBERS || opt_check(r, word, NULL);
}

/* Takes the value of `row` from the following words. `option` is it as typed, for messages. */
static bool parse_following(struct parser *p, size_t row, const char *option, struct err *err)
{
    if (p->at >= p->argc || is_option(p->set, p->argv[p->at]))
        return needs_value(p, option, err);
    do {
        if (!opt_set_value(p->set, row, p->argv[p->at++], OPT_COMMAND_LINE, err))
            return false;
    } while (p->set->rows[row].type->many && fits(p, row));
    return true;
}

static bool parse_flag(struct parser *p, size_t row, const char *word, const char *value,
                       struct err *err)
{
    if (!value)
        return opt_set_value(p->set, row, "true", OPT_COMMAND_LINE, err);
    if (!opt_set_value(p->set, row, value, OPT_COMMAND_LINE, NULL))
        return err_set(err, "option --%s takes no value ('%.*s')", p->set->rows[row].name, SHOWN,
                       word);
    return true;
}

static bool parse_long(struct parser *p, const char *word, struct err *err)
{
    struct span name = long_name(word);
    const char *value = name.data[name.len] ? name.data + name.len + 1 : NULL;
    size_t row = opt_index(p->set, name);
    if (row == p->set->count)
        return unknown_long(p->set, name, err);
    if (!p->set->rows[row].type->takes_value)
        return parse_flag(p, row, word, value, err);
    if (value)
        return opt_set_value(p->set, row, value, OPT_COMMAND_LINE, err);
    return parse_following(p, row, word, err);
}

static bool unknown_letter(const char *word, const char *at, struct err *err)
{
    if (word[2])
        return err_set(err, "unknown option -%c in '%.*s'", *at, SHOWN, word);
    return err_set(err, "unknown option -%c", *at);
}

/* "-stream" where -s takes a value would in silence mean the value "tream". */
static bool lacks_dash(const struct parser *p, const char *word, struct err *err)
{
    struct span name = span_of(word + 1, strcspn(word + 1, "="));
    size_t row = opt_index(p->set, name);
    if (name.len < 3 || row == p->set->count)
        return false;
    err_set(err, "option '%.*s' has only one dash: write --%s", SHOWN, word,
            p->set->rows[row].name);
    return true;
}

/* "-n 5", "-n5", "-qn5": flags, of which the last letter may be an option with a value. */
static bool parse_short(struct parser *p, const char *word, struct err *err)
{
    if (lacks_dash(p, word, err))
        return false;
    for (const char *at = word + 1; *at; at++) {
        size_t row = find_letter(p->set, *at);
        if (row == p->set->count)
            return unknown_letter(word, at, err);
        if (!p->set->rows[row].type->takes_value) {
            if (!opt_set_value(p->set, row, "true", OPT_COMMAND_LINE, err))
                return false;
            continue;
        }
        if (at[1])
            return opt_set_value(p->set, row, at + 1, OPT_COMMAND_LINE, err);
        char option[] = {'-', *at, '\0'};
        return parse_following(p, row, option, err);
    }
    return true;
}

static bool parse_word(struct parser *p, const char *word, struct err *err)
{
    if (!p->words)
        return err_set(err, "unexpected word '%.*s'", SHOWN, word);
    list_add(p->words, word);
    return true;
}

/* `strict`: what is wrong ends it. */
static bool parse_all(struct parser *p, bool strict, struct err *err)
{
    bool ended = false, ok = true;
    while ((ok || !strict) && p->at < p->argc) {
        const char *word = p->argv[p->at++];
        if (ended || word[0] != '-' || !word[1] || is_negative_number(p->set, word))
            ok = parse_word(p, word, err);
        else if (word[1] != '-')
            ok = parse_short(p, word, err);
        else if (word[2])
            ok = parse_long(p, word, err);
        else
            ended = true;
    }
    return ok;
}

bool opt_parse(struct opt_set *set, int argc, char **argv, int first, struct list *words,
               struct err *err)
{
    struct parser p = {.set = set, .argc = argc, .argv = argv, .at = first, .words = words};
    return parse_all(&p, true, err);
}

void opt_look(struct opt_set *set, int argc, char **argv, int first)
{
    struct err passed_over;
    struct parser p = {.set = set, .argc = argc, .argv = argv, .at = first};
    (void)parse_all(&p, false, &passed_over);
}
