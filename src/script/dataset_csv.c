/* dataset.csv: rows of a CSV file as tables by the names of the columns, or as lists. */
#include <string.h>

#include "script/dataset_reader.h"
#include "script/modules.h"

/* ---- rows ---- */

/* The next record without its line end, blank ones included; false at the end of the file. */
static bool next_record(lua_State *lua, struct reader *reader)
{
    struct buf *text = &reader->text;
    bool whole = false, any = false;
    buf_clear(text);
    csv_begin(&reader->csv, reader->separator);
    while (!whole) {
        if (reader->rest.len == 0)
            reader->rest = reader_refill(reader);
        if (reader->rest.len == 0)
            break;
        any = true;
        size_t used = csv_scan(&reader->csv, reader->rest, &whole);
        buf_add(text, reader->rest.data, used - whole);
        reader->rest = span_of(reader->rest.data + used, reader->rest.len - used);
        if (text->full)
            break;
    }
    reader_check(lua, reader);
    reader->line = reader->lines + any;
    if (text->full)
        reader_too_long(lua, reader, "this row (is a quote left open?)");
    reader->lines += reader->csv.lines + any;
    if (text->len > 0 && text->data[text->len - 1] == '\r' && reader->csv.state != CSV_QUOTED)
        text->len--;
    return any;
}

/* Whether the record's quotes are in order; counts and names it when they are not. */
static bool is_sound(lua_State *lua, struct reader *reader)
{
    char why[120];
    if (reader->csv.text_after_quote) {
        reader_skip(lua, reader, ", not CSV", "text follows a closing quote");
        return false;
    }
    if (reader->csv.state != CSV_QUOTED)
        return true;
    snprintf(why, sizeof why,
             "a quote is never closed (the rest of the file, %llu further lines, is lost with it)",
             (unsigned long long)reader->csv.lines);
    reader_skip(lua, reader, ", not CSV", why);
    return false;
}

/* -- … row, a list of the record's fields */
static size_t push_list(lua_State *lua, const struct reader *reader)
{
    struct buf *field = &script_of(lua)->text;
    struct span record = buf_span(&reader->text);
    size_t count = 0;
    lua_createtable(lua, (int)reader->columns, 0); // -- row
    while (csv_field(reader->separator, &record, field)) {
        push_span(lua, buf_span(field));    // -- row text
        lua_rawseti(lua, -2, (int)++count); // -- row
    }
    return count;
}

/* -- row when the record has as many fields as the header; counts and names it else */
static bool push_named(lua_State *lua, struct reader *reader)
{
    struct buf *field = &script_of(lua)->text;
    struct span record = buf_span(&reader->text);
    size_t count = 0;
    lua_createtable(lua, 0, (int)reader->columns); // -- row
    while (csv_field(reader->separator, &record, field)) {
        if (++count > reader->columns)
            continue;
        lua_rawgeti(lua, lua_upvalueindex(2), (int)count); // -- row name
        push_span(lua, buf_span(field));                   // -- row name text
        lua_rawset(lua, -3);                               // -- row
    }
    if (count == reader->columns)
        return true;
    char why[80];
    snprintf(why, sizeof why, "%zu field%s, but the header names %zu", count, count == 1 ? "" : "s",
             reader->columns);
    lua_pop(lua, 1); // --
    reader_skip(lua, reader, "", why);
    return false;
}

/* ---- the header ---- */

static void check_names(lua_State *lua, const struct reader *reader)
{
    lua_newtable(lua); // -- seen
    for (size_t i = 1; i <= reader->columns; i++) {
        lua_rawgeti(lua, lua_upvalueindex(2), (int)i); // -- seen name
        lua_pushvalue(lua, -1);                        // -- seen name name
        lua_rawget(lua, -3);                           // -- seen name before
        if (!lua_isnil(lua, -1))
            throw_plain(lua,
                        "%s:%llu: the header names two columns '%s': {header=false} gives the rows "
                        "as lists",
                        reader->path, (unsigned long long)reader->line, lua_tostring(lua, -2));
        lua_pop(lua, 1);            // -- seen name
        lua_pushboolean(lua, true); // -- seen name true
        lua_rawset(lua, -3);        // -- seen
    }
    lua_pop(lua, 1); // --
}

static void read_header(lua_State *lua, struct reader *reader)
{
    if (reader->csv.text_after_quote || reader->csv.state == CSV_QUOTED)
        throw_plain(lua, "%s:%llu: this is no header of a CSV file: %s", reader->path,
                    (unsigned long long)reader->line,
                    reader->csv.text_after_quote ? "text follows a closing quote"
                                                 : "a quote is never closed");
    reader->columns = push_list(lua, reader); // -- names
    lua_replace(lua, lua_upvalueindex(2));    // --
    check_names(lua, reader);
}

static int step_csv(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    while (reader->path && next_record(lua, reader)) {
        if (reader->text.len == 0)
            continue;
        if (reader->header && !reader->columns) {
            read_header(lua, reader);
            continue;
        }
        if (!is_sound(lua, reader))
            continue;
        if (reader->header) {
            if (push_named(lua, reader)) // -- row
                return 1;
            continue;
        }
        push_list(lua, reader); // -- row
        return 1;
    }
    if (reader->path)
        reader_end(lua, reader);
    return 0;
}

/* ---- options ---- */

static char read_separator(lua_State *lua)
{
    struct span text = lua_type(lua, -1) == LUA_TSTRING ? lua_span(lua, -1) : span_of("", 0);
    if (text.len != 1 || strchr("\"\r\n", text.data[0]))
        throw_error(lua, "dataset.csv: separator must be one character, and no quote or line end");
    return text.data[0];
}

/* Reads the table at index 2. */
static void read_options(lua_State *lua, bool *header, char *separator)
{
    *header = true;
    *separator = ',';
    if (lua_isnoneornil(lua, 2))
        return;
    luaL_checktype(lua, 2, LUA_TTABLE);
    for (lua_pushnil(lua); lua_next(lua, 2); lua_pop(lua, 1)) { // -- … name value
        struct span name = lua_type(lua, -2) == LUA_TSTRING ? lua_span(lua, -2) : span_of("", 0);
        if (span_equals(name, "separator"))
            *separator = read_separator(lua);
        else if (!span_equals(name, "header"))
            throw_error(lua, "dataset.csv takes the fields header and separator, not '%.64s'",
                        name.len ? name.data : luaL_typename(lua, -2));
        else if (lua_isboolean(lua, -1))
            *header = lua_toboolean(lua, -1);
        else
            throw_error(lua, "dataset.csv: header must be true or false, not %s",
                        value_kind(lua, -1));
    }
}

int dataset_lua_csv(lua_State *lua)
{
    bool header;
    char separator;
    read_options(lua, &header, &separator);
    struct reader *reader = reader_make(lua, step_csv); // -- … step
    reader->header = header;
    reader->separator = separator;
    return 1;
}
