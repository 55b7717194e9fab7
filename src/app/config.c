#include "app/config.h"

#include <stdlib.h>
#include <string.h>

#include "app/about.h"
#include "app/config_inner.h"
#include "app/paths.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "wire/json.h"

enum { SHOWN = 100 }; /* bytes of a key or value in a message */

static bool among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

#define AMONG(name, names) among(name, names, sizeof(names) / sizeof *(names))

bool config_is_command_line(const struct opt_row *row)
{
    static const char *const names[] = {"config", "dump-config", "resume"};
    return AMONG(row->name, names);
}

bool config_is_json(const struct opt_row *row)
{
    static const char *const names[] = {"query-template", "hyperparameters", "extra-args"};
    return AMONG(row->name, names);
}

/* The names of both rows of headers; they are one list to the user. */
static bool is_headers(const struct opt_row *row)
{
    return strcmp(row->name, "header") == 0 || strcmp(row->name, "headers") == 0;
}

struct reader {
    struct opt_set *set;
    const char *path; /* NULL: not a file but what bench.run was given */
    struct span bytes;
    struct json json;
    struct list defaults; /* what "_origin" calls a default */
    bool *seen;           /* one a row */
    bool look;            /* what is unknown is passed over */
    enum opt_origin origin;
    struct list *without; /* options that were taken away; NULL = that cannot be said */
    const struct opt_row *row;
    char *key;         /* of the value being read, as it stood, owned */
    uint64_t line;     /* where it stood, from 1 */
    uint64_t replaced; /* of json.replaced, what is somebody else's */
    struct err *err;
};

/* ---- errors ---- */

/* Puts file and line before the sentence that is there. */
static bool place(struct reader *reader)
{
    if (!reader->path)
        return err_prefix(reader->err, CONFIG_BENCH);
    return err_prefix(reader->err, "%s:%llu", reader->path, (unsigned long long)reader->line);
}

static char *refused(struct reader *reader)
{
    place(reader);
    return NULL;
}

static const char *name_of(const struct reader *reader)
{
    return reader->path ? reader->path : CONFIG_BENCH;
}

static bool broken(struct reader *reader)
{
    return err_set(reader->err, "%s: not JSON: %s", name_of(reader), json_error(&reader->json));
}

static const char *token_name(enum json_token token)
{
    static const char *const names[] = {
        [JSON_OBJECT_BEGIN] = "an object",
        [JSON_ARRAY_BEGIN] = "a list",
        [JSON_STRING] = "a text",
        [JSON_NUMBER] = "a number",
        [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",
        [JSON_NULL] = "null",
    };
    size_t count = sizeof names / sizeof *names;
    return (size_t)token < count && names[token] ? names[token] : "nothing";
}

/* What the option wants, as JSON. */
static const char *wanted(const struct opt_row *row)
{
    bool object = is_headers(row) || strcmp(row->name, "parameters") == 0;
    switch (row->type->kind) {
    case OPT_KIND_FLAG: return "true or false";
    case OPT_KIND_TEXT:
        return config_is_json(row) ? "an object, or a text such as \"@file.json\""
                                   : "a text in quotes";
    case OPT_KIND_INTEGER:
        return row->type->plain ? "a whole number" : "a number, or a text with a unit";
    case OPT_KIND_NUMBER: return row->type->plain ? "a number" : "a number, or a text with a unit";
    case OPT_KIND_NUMBERS: return "a number or a list of numbers";
    case OPT_KIND_LIST:
        return object ? "an object or a list of texts" : "a text or a list of texts";
    }
    return "";
}

static bool wrong_type(struct reader *reader, const char *inside, enum json_token token)
{
    if (token == JSON_ERROR)
        return broken(reader);
    err_set(reader->err, "\"%.*s\"%s must be %s, not %s%s", SHOWN, reader->key, inside,
            wanted(reader->row), token_name(token),
            token == JSON_NULL ? " (leave the key out for no value)" : "");
    return place(reader);
}

/* ---- values ---- */

/* The value as the dump shows it is the option's default, and "_origin" says that it was one. */
static bool is_dumped_default(const struct reader *reader, const char *text)
{
    const struct opt_row *row = reader->row;
    bool named = false;
    for (size_t i = 0; i < reader->defaults.count; i++)
        named = named || strcmp(reader->defaults.items[i], reader->key) == 0;
    if (!named || !row->fallback || row->type->kind == OPT_KIND_LIST ||
        row->type->kind == OPT_KIND_NUMBERS)
        return false;
    struct buf shown;
    buf_init(&shown, CONFIG_LIMIT);
    void *field = mem_zero(1, row->type->size);
    bool same = row->type->parse(row, row->fallback, field, NULL);
    row->type->show(row, field, &shown);
    same = same && span_equals(buf_span(&shown), text);
    row->type->release(field);
    free(field);
    buf_fini(&shown);
    return same;
}

/* A text that an option can hold, owned; NULL = it cannot. */
static char *text_of(struct reader *reader, struct span text)
{
    char *copy = mem_copy(text.data ? text.data : "", text.len);
    const char *problem = NULL;
    if (strlen(copy) < text.len)
        problem = "holds a NUL character, which no option can";
    else if (reader->json.replaced > reader->replaced)
        problem = "holds what is no Unicode text";
    else if (strstr(copy, CONFIG_REDACTED))
        problem =
            "holds \"" CONFIG_REDACTED "\", which --dump-config puts in the place of a secret; "
            "write the secret itself, or leave the key out and give it in another way";
    if (!problem)
        return copy;
    free(copy);
    err_set(reader->err, "\"%.*s\" %s", SHOWN, reader->key, problem);
    return refused(reader);
}

/* A list of the command line replaces the file's, and the two kinds of headers are one list. */
static bool headers_typed(const struct reader *reader)
{
    return opt_origin(reader->set, opt_find(reader->set, "header")) > reader->origin ||
           opt_origin(reader->set, opt_find(reader->set, "headers")) > reader->origin;
}

static bool assign_as(struct reader *reader, const char *name, const char *text)
{
    if (is_headers(reader->row) && headers_typed(reader))
        return true;
    enum opt_origin origin = is_dumped_default(reader, text) ? OPT_DEFAULT : reader->origin;
    return opt_assign(reader->set, name, text, origin, reader->err) || place(reader);
}

static bool assign(struct reader *reader, struct span span)
{
    char *text = text_of(reader, span);
    bool ok = text && assign_as(reader, reader->row->name, text);
    free(text);
    return ok;
}

/* The JSON text of the object that has just begun. */
static bool object_text(struct reader *reader, struct span *text)
{
    uint64_t begin = json_offset(&reader->json) - 1;
    if (!json_skip(&reader->json))
        return broken(reader);
    uint64_t end = json_offset(&reader->json);
    reader->replaced = reader->json.replaced; /* it stays as it stands */
    *text = span_of(reader->bytes.data + begin, (size_t)(end - begin));
    return true;
}

static bool take_text(struct reader *reader, enum json_token token)
{
    struct span text = reader->json.text;
    if (token == JSON_OBJECT_BEGIN && config_is_json(reader->row))
        return object_text(reader, &text) && assign(reader, text);
    return token == JSON_STRING ? assign(reader, text) : wrong_type(reader, "", token);
}

/* Texts only where the command line knows units. */
static bool take_number(struct reader *reader, enum json_token token)
{
    bool units = !reader->row->type->plain;
    if (token == JSON_NUMBER || (token == JSON_STRING && units))
        return assign(reader, reader->json.text);
    return wrong_type(reader, "", token);
}

/* One item, or a list of items of that kind. */
static bool take_items(struct reader *reader, enum json_token token, enum json_token item)
{
    if (token == item)
        return assign(reader, reader->json.text);
    if (token != JSON_ARRAY_BEGIN)
        return wrong_type(reader, "", token);
    bool any = false;
    while ((token = json_next(&reader->json)) != JSON_ARRAY_END) {
        if (token != item)
            return wrong_type(reader, ": the list", token);
        if (!assign(reader, reader->json.text))
            return false;
        any = true;
    }
    if (any)
        return true;
    err_set(reader->err, "\"%.*s\" is an empty list; leave the key out for no value", SHOWN,
            reader->key);
    return place(reader);
}

/* ---- objects in the place of lists ---- */

/* "Name: value". */
static char *header_line(struct reader *reader, const char *name, enum json_token token)
{
    if (token != JSON_STRING || !*name || strpbrk(name, ":=")) {
        err_set(reader->err, "\"%.*s\": \"%.*s\" must be a header's name with a text as its value",
                SHOWN, reader->key, SHOWN, name);
        return refused(reader);
    }
    char *value = text_of(reader, reader->json.text);
    char *line = value ? mem_printf("%s: %s", name, value) : NULL;
    free(value);
    return line;
}

/* --parameters would take this text for something else. */
static bool looks_like_no_text(const char *text)
{
    char *end = NULL;
    if (strcmp(text, "bool_true") == 0 || strcmp(text, "bool_false") == 0)
        return true;
    strtod(text, &end);
    return *text && !*end;
}

/* "name=value" as --parameters has it. */
static char *parameter_word(struct reader *reader, const char *name, enum json_token token)
{
    bool truth = token == JSON_TRUE || token == JSON_FALSE;
    if (!*name || strchr(name, '=') || (!truth && token != JSON_STRING && token != JSON_NUMBER)) {
        err_set(reader->err,
                "\"%.*s\": \"%.*s\" must be a name without = and its value a text, a number, true "
                "or false; other values go into \"hyperparameters\"",
                SHOWN, reader->key, SHOWN, name);
        return refused(reader);
    }
    if (truth)
        return mem_printf("%s=bool_%s", name, token == JSON_TRUE ? "true" : "false");
    char *value = text_of(reader, reader->json.text);
    char *word = value ? mem_printf("%s=%s", name, value) : NULL;
    if (word && token == JSON_STRING && looks_like_no_text(value)) {
        err_set(reader->err,
                "\"%.*s\": \"%.*s\" is the text \"%.*s\", which would be sent as a number or a "
                "truth value; put it into \"hyperparameters\"",
                SHOWN, reader->key, SHOWN, name, SHOWN, value);
        free(word);
        word = refused(reader);
    }
    free(value);
    return word;
}

static bool take_field(struct reader *reader, bool headers, const char *name)
{
    enum json_token token = json_next(&reader->json);
    if (token == JSON_ERROR)
        return broken(reader);
    char *word = headers ? header_line(reader, name, token) : parameter_word(reader, name, token);
    bool ok = word && assign_as(reader, headers ? "header" : reader->row->name, word);
    free(word);
    return ok;
}

static bool take_fields(struct reader *reader, bool headers)
{
    enum json_token token;
    bool ok = true;
    while (ok && (token = json_next(&reader->json)) == JSON_KEY) {
        char *name = text_of(reader, reader->json.text);
        ok = name && take_field(reader, headers, name);
        free(name);
    }
    return ok && (token != JSON_ERROR || broken(reader));
}

static bool take_list(struct reader *reader, enum json_token token)
{
    bool headers = is_headers(reader->row);
    if (token == JSON_OBJECT_BEGIN && (headers || strcmp(reader->row->name, "parameters") == 0))
        return take_fields(reader, headers);
    return take_items(reader, token, JSON_STRING);
}

static bool take_value(struct reader *reader, enum json_token token)
{
    switch (reader->row->type->kind) {
    case OPT_KIND_FLAG:
        if (token != JSON_TRUE && token != JSON_FALSE)
            return wrong_type(reader, "", token);
        return assign(reader, span_text(token == JSON_TRUE ? "true" : "false"));
    case OPT_KIND_TEXT: return take_text(reader, token);
    case OPT_KIND_INTEGER:
    case OPT_KIND_NUMBER: return take_number(reader, token);
    case OPT_KIND_NUMBERS: return take_items(reader, token, JSON_NUMBER);
    case OPT_KIND_LIST: return take_list(reader, token);
    }
    return false;
}

/* ---- keys ---- */

static bool skip(struct reader *reader)
{
    if (json_next(&reader->json) == JSON_ERROR || !json_skip(&reader->json))
        return broken(reader);
    reader->replaced = reader->json.replaced;
    return true;
}

/* "command" may stand in the file, but there is only one that takes it. */
static bool take_command(struct reader *reader)
{
    enum json_token token = json_next(&reader->json);
    if (token == JSON_ERROR)
        return broken(reader);
    char *word = mem_copy(token == JSON_STRING ? reader->json.text.data : "",
                          token == JSON_STRING ? reader->json.text.len : 0);
    bool ok = about_command(word) == &about_commands[0];
    free(word);
    if (ok)
        return true;
    err_set(reader->err, "\"command\" must be \"%s\": only its options can stand in a file",
            about_commands[0].name);
    return place(reader);
}

static bool find_row(struct reader *reader)
{
    reader->row = opt_find(reader->set, reader->key);
    if (!reader->row) {
        if (!opt_assign(reader->set, reader->key, "", OPT_CONFIG, reader->err))
            place(reader);
        return false;
    }
    size_t index = (size_t)(reader->row - reader->set->rows);
    if (config_is_command_line(reader->row))
        err_set(reader->err, "\"%s\" belongs on the command line, not into a file", reader->key);
    else if (reader->seen[index])
        err_set(reader->err, "\"%.*s\" stands there twice (under this name or another of --%s)",
                SHOWN, reader->key, reader->row->name);
    else
        return reader->seen[index] = true;
    return place(reader);
}

/* Of one run of an experiment: what it is given replaces what the command line has, and false takes
 * that away. */
static bool take_given(struct reader *reader)
{
    const struct opt_row *row = reader->row;
    enum json_token token = json_next(&reader->json);
    if (is_headers(row)) {
        opt_unset(reader->set, opt_find(reader->set, "header"));
        opt_unset(reader->set, opt_find(reader->set, "headers"));
    }
    if (token != JSON_FALSE || row->type->kind == OPT_KIND_FLAG)
        return take_value(reader, token);
    opt_unset(reader->set, row);
    list_add(reader->without, row->name);
    return true;
}

static bool take_key(struct reader *reader)
{
    if (reader->key[0] == '_' || (reader->look && !opt_find(reader->set, reader->key) &&
                                  strcmp(reader->key, "command") != 0))
        return skip(reader);
    if (strcmp(reader->key, "command") == 0)
        return take_command(reader);
    if (!find_row(reader))
        return false;
    if (reader->without)
        return take_given(reader);
    return take_value(reader, json_next(&reader->json));
}

/* ---- the file ---- */

static bool read_keys(struct reader *reader)
{
    enum json_token token = json_next(&reader->json);
    if (token == JSON_ERROR)
        return broken(reader);
    if (token != JSON_OBJECT_BEGIN)
        return err_set(reader->err, "%s: an object {\"option\": value, …} is wanted, not %s",
                       name_of(reader), token_name(token));
    bool ok = true;
    while (ok && (token = json_next(&reader->json)) == JSON_KEY) {
        reader->line = reader->json.line;
        reader->key = mem_copy(reader->json.text.data, reader->json.text.len);
        ok = take_key(reader);
        free(reader->key);
        reader->key = NULL;
    }
    if (ok && (token == JSON_ERROR || json_next(&reader->json) != JSON_END))
        ok = broken(reader);
    return ok;
}

/* Collects what "_origin" calls a default; what is wrong with the file shows later. */
static void read_origin(struct reader *reader)
{
    char *name = NULL;
    if (json_next(&reader->json) != JSON_OBJECT_BEGIN) {
        json_skip(&reader->json);
        return;
    }
    while (json_next(&reader->json) == JSON_KEY) {
        free(name);
        name = mem_copy(reader->json.text.data, reader->json.text.len);
        enum json_token token = json_next(&reader->json);
        if (token == JSON_STRING && span_equals(reader->json.text, "default"))
            list_add(&reader->defaults, name);
        else if (token == JSON_ERROR || !json_skip(&reader->json))
            break;
    }
    free(name);
}

static void find_origin(struct reader *reader)
{
    if (json_next(&reader->json) != JSON_OBJECT_BEGIN)
        return;
    while (json_next(&reader->json) == JSON_KEY) {
        if (span_equals(reader->json.text, "_origin"))
            read_origin(reader);
        else if (json_next(&reader->json) == JSON_ERROR || !json_skip(&reader->json))
            return;
    }
}

static bool read_bytes(struct reader *reader)
{
    struct span bytes = reader->bytes;
    const char *data = bytes.data ? bytes.data : "";
    reader->seen = mem_zero(reader->set->count, sizeof(bool));
    json_init(&reader->json, data, bytes.len);
    find_origin(reader);
    json_fini(&reader->json);
    json_init(&reader->json, data, bytes.len);
    bool ok = read_keys(reader);
    json_fini(&reader->json);
    list_fini(&reader->defaults);
    free(reader->seen);
    return ok;
}

static bool read_file(struct opt_set *set, const char *path, bool look, struct err *err)
{
    struct buf content;
    buf_init(&content, CONFIG_LIMIT);
    bool ok = path_read(path, &content, err) || err_prefix(err, "--config");
    if (ok) {
        struct reader reader = {
            .set = set,
            .path = path,
            .bytes = buf_span(&content),
            .look = look,
            .origin = OPT_CONFIG,
            .err = err,
        };
        ok = read_bytes(&reader);
    }
    buf_fini(&content);
    return ok;
}

bool config_read(struct opt_set *set, const char *path, struct err *err)
{
    return read_file(set, path, false, err);
}

bool config_look(struct opt_set *set, const char *path, struct err *err)
{
    return read_file(set, path, true, err);
}

bool config_take(struct opt_set *set, struct span given, bool look, struct list *without,
                 struct err *err)
{
    struct reader reader = {
        .set = set,
        .bytes = given,
        .look = look,
        .origin = OPT_EXPERIMENT,
        .without = without,
        .err = err,
    };
    return read_bytes(&reader);
}

bool config_text(struct opt_set *set, struct span text, bool look, struct err *err)
{
    struct reader reader = {
        .set = set,
        .path = "the options in it",
        .bytes = text,
        .look = look,
        .origin = OPT_CONFIG,
        .err = err,
    };
    return read_bytes(&reader);
}
