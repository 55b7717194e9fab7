/* A script's own options: from the rows of its table to rows of base/opt.h. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "script/state.h"

enum { NAME_MOST = 40 /* letters of a name */, WHERE_MOST = 256 };

#define ANY_NUMBER 1e300 /* a bound that bounds nothing */

static const struct {
    const char *name;
    const struct opt_type *type;
    bool bounds;         /* min and max mean something */
    const char *metavar; /* NULL = what the help makes of the type */
} types[] = {
    {"text", &opt_text, false, NULL},          {"flag", &opt_flag, false, NULL},
    {"integer", &opt_integer, true, NULL},     {"number", &opt_number, true, NULL},
    {"duration", &opt_duration, true, "TIME"}, {"size", &opt_size, true, "SIZE"},
    {"share", &opt_share, true, "SHARE"},      {"list", &opt_list, false, NULL},
    {"words", &opt_words, false, NULL},        {"integers", &opt_integers, true, "N …"},
    {"numbers", &opt_numbers, true, "N …"},
};

/* One row being made; `where` is "mine.lua: options[2]". */
struct option_job {
    char where[WHERE_MOST];
    const struct opt_set *own;
    struct script_options *out;
    struct opt_row *row;
    bool bounds;
};

/* ---- the row's fields ---- */

static const char *keep(struct option_job *job, const char *text)
{
    struct list *texts = &job->out->texts;
    list_add(texts, text);
    return texts->items[texts->count - 1];
}

/* -- row: every field known and of its type, what is required there */
static void check_fields(lua_State *lua, const char *where)
{
    lua_pushnil(lua); // -- row key
    while (lua_next(lua, -2)) {
        // -- row key value
        if (lua_type(lua, -2) != LUA_TSTRING)
            throw_error(lua, "%s: a field is named by %s; names are strings such as name=", where,
                        value_kind(lua, -2));
        const char *name = lua_tostring(lua, -2);
        const struct script_word *word = script_word_find(WORD_OPTION, name);
        if (!word)
            word_unknown(lua, WORD_OPTION, name, where);
        word_check(lua, word, where);
        if (lua_type(lua, -1) == LUA_TSTRING &&
            strlen(lua_tostring(lua, -1)) != lua_objlen(lua, -1))
            throw_error(lua, "%s: '%s' holds a NUL byte", where, name);
        lua_pop(lua, 1); // -- row key
    }
    lua_getfield(lua, -1, "name"); // -- row name
    if (lua_isnil(lua, -1))
        throw_error(lua, "%s: 'name' is missing; it must be the option's name without the dashes",
                    where);
    lua_pop(lua, 1); // -- row
}

/* The field as a text that lives as long as the rows; NULL when absent. -- row */
static const char *text_of(lua_State *lua, struct option_job *job, const char *name)
{
    lua_getfield(lua, -1, name); // -- row text
    const char *text = lua_tostring(lua, -1);
    if (text && !text[strspn(text, " ")])
        throw_error(lua, "%s: '%s' is empty; leave it out", job->where, name);
    text = text ? keep(job, text) : NULL;
    lua_pop(lua, 1); // -- row
    return text;
}

static bool flag_of(lua_State *lua, const char *name)
{
    lua_getfield(lua, -1, name); // -- row flag
    bool flag = lua_toboolean(lua, -1);
    lua_pop(lua, 1); // -- row
    return flag;
}

/* ---- names ---- */

/* The row that has the name or alias: of the program, or of those before this one. */
static const struct opt_row *taken(const struct option_job *job, const char *name, bool *own)
{
    const struct opt_row *row = job->own ? opt_find(job->own, name) : NULL;
    *own = row != NULL;
    struct opt_set before = {.rows = job->out->rows, .count = job->out->count};
    return row ? row : opt_find(&before, name);
}

static bool is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t len = strlen(name);
    return islower((unsigned char)name[0]) && len <= NAME_MOST && strspn(name, letters) == len &&
           name[len - 1] != '-' && !strstr(name, "--");
}

static void check_name(lua_State *lua, const struct option_job *job, const char *field,
                       const char *name)
{
    bool own = false;
    if (!is_name(name))
        throw_error(lua,
                    "%s: '%s' is \"%.80s\"; it must be lower-case letters, digits and single '-' "
                    "between them, a letter first, at most %d",
                    job->where, field, name, NAME_MOST);
    const struct opt_row *row = taken(job, name, &own);
    bool help = strcmp(name, "help") == 0 || strcmp(name, "version") == 0;
    if (own || help)
        throw_error(lua, "%s: '%s' is \"%s\", but --%s is an option of the program; take another",
                    job->where, field, name, help ? name : row->name);
    if (row)
        throw_error(lua, "%s: '%s' is \"%s\", but there is an option of that name already (%s)",
                    job->where, field, name, row->group);
}

static void check_aliases(lua_State *lua, const struct option_job *job)
{
    char name[NAME_MOST + 2]; /* room for one letter too many, so that a long one shows as such */
    const char *at = job->row->aliases;
    while (at && *(at += strspn(at, " "))) {
        size_t len = strcspn(at, " ");
        snprintf(name, sizeof name, "%.*s", (int)len, at);
        check_name(lua, job, "aliases", name);
        at += len;
    }
}

static char letter_in(const struct opt_row *rows, size_t count, char letter)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].letter == letter)
            return letter;
    return 0;
}

static char letter_of(lua_State *lua, struct option_job *job)
{
    const char *text = text_of(lua, job, "letter");
    if (!text)
        return 0;
    if (!isalpha((unsigned char)text[0]) || text[1])
        throw_error(lua, "%s: 'letter' is \"%.20s\"; it must be one letter", job->where, text);
    bool own = text[0] == 'h' || (job->own && letter_in(job->own->rows, job->own->count, text[0]));
    if (own || letter_in(job->out->rows, job->out->count, text[0]))
        throw_error(lua, "%s: 'letter' is \"%s\", but there is an option -%s already%s", job->where,
                    text, text, own ? " (of the program)" : "");
    return text[0];
}

/* ---- type, bounds, default ---- */

static void take_type(lua_State *lua, struct option_job *job)
{
    const char *name = text_of(lua, job, "type");
    struct opt_row *row = job->row;
    size_t i = 0;
    while (name && strcmp(types[i].name, name) != 0) /* its choices have been checked */
        i++;
    row->type = types[i].type;
    job->bounds = types[i].bounds;
    if (!row->metavar)
        row->metavar = types[i].metavar;
    if (!row->choices)
        return;
    if (row->type != &opt_text)
        throw_error(lua, "%s: 'choices' belong to a text, not to 'type' \"%s\"", job->where, name);
    row->type = &opt_choice;
}

static double bound_of(lua_State *lua, const struct option_job *job, const char *name,
                       double absent, bool *given)
{
    lua_getfield(lua, -1, name); // -- row number
    bool there = !lua_isnil(lua, -1);
    double bound = there ? lua_tonumber(lua, -1) : absent;
    lua_pop(lua, 1); // -- row
    if (there && !job->bounds)
        throw_error(lua, "%s: '%s' belongs to a number, duration or size, not to %s", job->where,
                    name, job->row->type->name);
    *given |= there;
    return bound;
}

static void take_bounds(lua_State *lua, struct option_job *job)
{
    bool given = false;
    double min = bound_of(lua, job, "min", -ANY_NUMBER, &given);
    double max = bound_of(lua, job, "max", ANY_NUMBER, &given);
    if (!given)
        return;
    if (min >= max)
        throw_error(lua, "%s: 'min' is %.17g and 'max' is %.17g; nothing lies between them",
                    job->where, min, max);
    job->row->min = min;
    job->row->max = max;
}

/* The default as it would be typed. -- row default */
static const char *typed_default(lua_State *lua, struct option_job *job)
{
    enum opt_kind kind = job->row->type->kind;
    int type = lua_type(lua, -1);
    if (kind == OPT_KIND_FLAG && type == LUA_TBOOLEAN)
        return lua_toboolean(lua, -1) ? "true" : "false";
    bool number = kind == OPT_KIND_INTEGER || kind == OPT_KIND_NUMBER || kind == OPT_KIND_NUMBERS;
    if (number && type == LUA_TNUMBER) {
        char text[40];
        double value = lua_tonumber(lua, -1);
        snprintf(text, sizeof text, fabs(value) < 1e15 && floor(value) == value ? "%.0f" : "%.17g",
                 value);
        return keep(job, text);
    }
    if (kind == OPT_KIND_FLAG || type != LUA_TSTRING)
        throw_error(lua, "%s: 'default' must be %s, not %s", job->where,
                    kind == OPT_KIND_FLAG ? "true or false"
                    : number              ? "a number, or a string as it would be typed"
                                          : "a string",
                    value_kind(lua, -1));
    return keep(job, lua_tostring(lua, -1));
}

static void take_default(lua_State *lua, struct option_job *job)
{
    struct err err;
    lua_getfield(lua, -1, "default"); // -- row default
    if (!lua_isnil(lua, -1)) {
        job->row->fallback = typed_default(lua, job);
        if (!opt_check(job->row, job->row->fallback, &err))
            throw_error(lua, "%s: 'default' does not fit: %s", job->where, err.text);
        if (job->row->required)
            throw_error(lua, "%s: 'required' and 'default' contradict; give one of them",
                        job->where);
    }
    lua_pop(lua, 1); // -- row
}

static void check_secret(lua_State *lua, const struct option_job *job)
{
    const struct opt_row *row = job->row;
    bool words = row->type == &opt_text || row->type->kind == OPT_KIND_LIST;
    if (row->secret && !words)
        throw_error(lua, "%s: 'secret' belongs to a text without choices or a list, not to %s",
                    job->where, row->type->name);
}

/* ---- the rows ---- */

/* The row at the top becomes the next of `out`. -- row */
static void take_row(lua_State *lua, struct option_job *job, const char *group)
{
    struct opt_row row = {.group = group};
    job->row = &row;
    check_fields(lua, job->where);
    row.name = text_of(lua, job, "name");
    check_name(lua, job, "name", row.name);
    row.aliases = text_of(lua, job, "aliases");
    check_aliases(lua, job);
    row.letter = letter_of(lua, job);
    row.help = text_of(lua, job, "help");
    row.metavar = text_of(lua, job, "metavar");
    row.env = text_of(lua, job, "env");
    row.body = text_of(lua, job, "body");
    row.choices = text_of(lua, job, "choices");
    row.secret = flag_of(lua, "secret");
    row.required = flag_of(lua, "required");
    take_type(lua, job);
    take_bounds(lua, job);
    take_default(lua, job);
    check_secret(lua, job);
    struct script_options *out = job->out;
    out->rows = mem_resize(out->rows, out->count + 1, sizeof *out->rows);
    out->rows[out->count++] = row;
}

/* A list and nothing else, so that no row is passed over in silence. */
static void check_list(lua_State *lua, int index, const char *where)
{
    size_t count = lua_objlen(lua, index), seen = 0;
    lua_pushnil(lua); // -- key
    while (lua_next(lua, index)) {
        // -- key value
        seen++;
        if (lua_type(lua, -2) != LUA_TNUMBER)
            throw_error(lua,
                        "%s: 'options' must be a list of rows {name=, type=, …}; it has a "
                        "field named by %s",
                        where, value_kind(lua, -2));
        lua_pop(lua, 1); // -- key
    }
    if (seen != count)
        throw_error(lua, "%s: 'options' must be a list without gaps", where);
}

void option_rows_take(lua_State *lua, int index, const char *where, const char *group,
                      const struct opt_set *own, struct script_options *out)
{
    struct option_job job = {.own = own, .out = out};
    index = absolute(lua, index);
    check_list(lua, index, where);
    const char *heading = keep(&job, group);
    int count = (int)lua_objlen(lua, index);
    for (int i = 1; i <= count; i++) {
        snprintf(job.where, sizeof job.where, "%.200s: options[%d]", where, i);
        lua_rawgeti(lua, index, i); // -- row
        if (!lua_istable(lua, -1))
            throw_error(lua, "%s must be a table {name=, type=, …}, not %s", job.where,
                        value_kind(lua, -1));
        if (out->count == SCRIPT_OPTIONS_MOST)
            throw_error(lua, "%s: scripts may have at most %d options", job.where,
                        SCRIPT_OPTIONS_MOST);
        take_row(lua, &job, heading);
        lua_pop(lua, 1); // --
    }
}
