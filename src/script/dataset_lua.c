/* The module `dataset`: iterators over data files of any size, in constant memory. */
#include <string.h>

#include "script/dataset_reader.h"
#include "script/modules.h"

/* ---- lines ---- */

static int step_lines(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    struct span line;
    if (!reader->path)
        return 0;
    if (!reader_line(lua, reader, &line)) {
        reader_end(lua, reader);
        return 0;
    }
    push_span(lua, line); // -- line
    return 1;
}

/* ---- one JSON value a line ---- */

static bool is_blank(struct span line)
{
    for (size_t i = 0; i < line.len; i++)
        if (!strchr(" \t\r", line.data[i]) || !line.data[i])
            return false;
    return true;
}

static int step_jsonl(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    struct script *script = script_of(lua);
    struct span line;
    while (reader->path && reader_line(lua, reader, &line)) {
        if (is_blank(line))
            continue;
        if (!json_push_text(lua, script, line, false)) {
            reader_skip(lua, reader, ", not JSON", json_text_error(script));
            continue;
        }
        // -- value
        if (!lua_isnil(lua, -1))
            return 1;
        lua_pop(lua, 1); // --
        reader_skip(lua, reader, "", "null is no row");
    }
    if (reader->path)
        reader_end(lua, reader);
    return 0;
}

/* ---- one JSON list ---- */

static void list_failed(lua_State *lua, struct reader *reader)
{
    reader_check(lua, reader);
    script_of(lua)->malformed++;
    throw_plain(lua, "%s: %s (after %llu whole elements of its list)", reader->path,
                json_error(&reader->json), (unsigned long long)reader->line);
}

/* What dataset.rows has looked at comes first. */
static struct span list_refill(void *arg)
{
    struct reader *reader = arg;
    struct span piece = reader->rest;
    reader->rest = span_of(NULL, 0);
    return piece.len ? piece : reader_refill(reader);
}

static void begin_list(lua_State *lua, struct reader *reader)
{
    reader->list = reader->list_begun = true;
    json_init_refill(&reader->json, list_refill, reader, reader->text.limit);
    enum json_token token = json_next(&reader->json);
    if (token == JSON_ERROR)
        list_failed(lua, reader);
    if (token != JSON_ARRAY_BEGIN)
        throw_plain(lua, "%s: a JSON list ([…]) is expected, this is %s", reader->path,
                    token == JSON_OBJECT_BEGIN ? "an object (for one value a line use "
                                                 "dataset.jsonl)"
                                               : "a single value");
}

/* `line` counts elements here. */
static int step_list(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    if (!reader->path)
        return 0;
    if (!reader->list_begun)
        begin_list(lua, reader);
    enum json_token token = json_next(&reader->json);
    if (token == JSON_ARRAY_END) {
        if (json_next(&reader->json) != JSON_END)
            list_failed(lua, reader);
        reader_end(lua, reader);
        return 0;
    }
    if (token == JSON_NULL)
        json_push_null(lua); // -- null: nil would end the loop
    else if (!json_push_value(lua, &reader->json, token, false))
        list_failed(lua, reader);
    reader->line++;
    return 1;
}

/* ---- either of them ---- */

/* A file whose first sign is a '[' is one list. */
static bool begins_list(lua_State *lua, struct reader *reader)
{
    reader->rest = reader_refill(reader);
    reader_check(lua, reader);
    for (size_t i = 0; i < reader->rest.len; i++)
        if (!strchr(" \t\r\n", reader->rest.data[i]) || !reader->rest.data[i])
            return reader->rest.data[i] == '[';
    return false;
}

static int step_rows(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    if (reader->path && !reader->begun) {
        reader->begun = true;
        reader->list = begins_list(lua, reader);
    }
    return reader->list ? step_list(lua) : step_jsonl(lua);
}

/* ---- what a script says of the row it got last ---- */

int dataset_lua_skip(lua_State *lua)
{
    const char *why = luaL_checkstring(lua, 2);
    struct reader *reader = reader_argument(lua);
    reader_skip(lua, reader, "", why);
    return 0;
}

int dataset_lua_text(lua_State *lua)
{
    struct reader *reader = reader_argument(lua);
    if (reader->list)
        return luaL_argerror(lua, 1, "an iterator over lines is expected, this is one over a list");
    push_span(lua, buf_span(&reader->text)); // -- … text
    return 1;
}

/* ---- making readers ---- */

int dataset_lua_lines(lua_State *lua)
{
    reader_make(lua, step_lines); // -- … step
    return 1;
}

int dataset_lua_jsonl(lua_State *lua)
{
    reader_make(lua, step_jsonl); // -- … step
    return 1;
}

int dataset_lua_json_list(lua_State *lua)
{
    reader_make(lua, step_list); // -- … step
    return 1;
}

int dataset_lua_rows(lua_State *lua)
{
    reader_make(lua, step_rows); // -- … step
    return 1;
}
