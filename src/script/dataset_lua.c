/* The module `dataset`: iterators over data files of any size, in constant memory. A reader is a
 * userdata with a finaliser, so that its file is closed however the script leaves it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "script/modules.h"
#include "script/state.h"

enum {
    PIECE_BYTES = 64 * 1024,
    LINE_LIMIT = 64 * 1024 * 1024, /* bytes of one line, one JSON string */
    MALFORMED_SHOWN = 10,          /* rows named in the log, per reader */
};

static const char *const reader_name = "llmbench.dataset";

struct reader {
    char *path;
    FILE *file;
    char *piece;
    struct span rest; /* of the piece, for lines */
    uint64_t line;    /* number of the line or element read last, from 1 */
    uint64_t bytes;   /* read so far */
    struct buf text;  /* the line read last */
    struct json json;
    bool list;       /* lines else */
    bool begun;      /* dataset.rows has looked which of them */
    bool list_begun; /* its '[' has been read */
    int read_errno;
    uint64_t malformed;
};

/* ---- bytes ---- */

static bool reader_open(struct reader *reader, const char *path)
{
    reader->path = mem_text(path);
    reader->piece = mem_alloc(PIECE_BYTES);
    buf_init(&reader->text, LINE_LIMIT);
    reader->file = fopen(path, "rbe");
    return reader->file != NULL;
}

static void reader_close(struct reader *reader)
{
    if (reader->file)
        fclose(reader->file);
    free(reader->path);
    free(reader->piece);
    buf_fini(&reader->text);
    json_fini(&reader->json);
    *reader = (struct reader){0};
}

/* The next piece of the file, without the byte order mark it may begin with; empty at the end and
 * after an error (read_errno). */
static struct span reader_refill(void *arg)
{
    struct reader *reader = arg;
    size_t len = fread(reader->piece, 1, PIECE_BYTES, reader->file);
    if (len == 0 && ferror(reader->file))
        reader->read_errno = errno ? errno : EIO;
    struct span piece = span_of(reader->piece, len);
    if (reader->bytes == 0 && len >= 3 && memcmp(piece.data, "\xEF\xBB\xBF", 3) == 0)
        piece = span_of(piece.data + 3, len - 3);
    reader->bytes += len;
    return piece;
}

static void check_read(lua_State *lua, const struct reader *reader)
{
    if (reader->read_errno)
        throw_plain(lua, "%s: cannot be read: %s", reader->path, strerror(reader->read_errno));
}

/* ---- lines ---- */

/* Moves what stands before the next line feed into reader->text; true when the line is whole. */
static bool take_line_part(struct reader *reader)
{
    const char *end = memchr(reader->rest.data, '\n', reader->rest.len);
    size_t len = end ? (size_t)(end - reader->rest.data) : reader->rest.len;
    buf_add(&reader->text, reader->rest.data, len);
    size_t used = end ? len + 1 : len;
    reader->rest = span_of(reader->rest.data + used, reader->rest.len - used);
    return end != NULL;
}

/* The next line without its end; false at the end of the file. */
static bool next_line(lua_State *lua, struct reader *reader, struct span *line)
{
    buf_clear(&reader->text);
    bool whole = false, any = false;
    while (!whole) {
        if (reader->rest.len == 0)
            reader->rest = reader_refill(reader);
        if (reader->rest.len == 0)
            break;
        any = true;
        whole = take_line_part(reader);
    }
    check_read(lua, reader);
    reader->line += any;
    if (reader->text.full)
        throw_plain(lua, "%s:%llu: this line is longer than %d MiB", reader->path,
                    (unsigned long long)reader->line, LINE_LIMIT / 1024 / 1024);
    *line = buf_span(&reader->text);
    if (line->len > 0 && line->data[line->len - 1] == '\r')
        line->len--;
    return any;
}

static struct reader *reader_of(lua_State *lua)
{
    return lua_touserdata(lua, lua_upvalueindex(1));
}

/* ---- one JSON value a line ---- */

/* How far rows of this file have been counted. */
static struct data_seen *seen_of(struct script *script, const char *path)
{
    for (size_t i = 0; i < script->seen_count; i++)
        if (strcmp(script->seen[i].path, path) == 0)
            return &script->seen[i];
    script->seen = mem_resize(script->seen, script->seen_count + 1, sizeof *script->seen);
    script->seen[script->seen_count] = (struct data_seen){.path = mem_text(path)};
    return &script->seen[script->seen_count++];
}

static void skip_row(lua_State *lua, struct reader *reader, const char *before, const char *why)
{
    struct script *script = script_of(lua);
    struct data_seen *seen = seen_of(script, reader->path);
    if (reader->line <= seen->line)
        return; /* counted in an earlier pass over the data */
    seen->line = reader->line;
    script->malformed++;
    if (++reader->malformed <= MALFORMED_SHOWN)
        log_warn(script->log, "%s%s%llu: skipped%s: %s", reader->path,
                 reader->list ? ", element " : ":", (unsigned long long)reader->line, before, why);
}

static void end_rows(lua_State *lua, struct reader *reader)
{
    if (reader->malformed > MALFORMED_SHOWN)
        log_warn(script_of(lua)->log, "%s: %llu further malformed %s were skipped", reader->path,
                 (unsigned long long)(reader->malformed - MALFORMED_SHOWN),
                 reader->list ? "elements" : "lines");
    reader_close(reader);
}

static bool is_blank(struct span line)
{
    for (size_t i = 0; i < line.len; i++)
        if (!strchr(" \t\r", line.data[i]) || !line.data[i])
            return false;
    return true;
}

static int step_lines(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    struct span line;
    if (!reader->path)
        return 0;
    if (!next_line(lua, reader, &line)) {
        end_rows(lua, reader);
        return 0;
    }
    push_span(lua, line); // -- line
    return 1;
}

static int step_jsonl(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    struct script *script = script_of(lua);
    struct span line;
    while (reader->path && next_line(lua, reader, &line)) {
        if (is_blank(line))
            continue;
        if (!json_push_text(lua, script, line, false)) {
            skip_row(lua, reader, ", not JSON", json_text_error(script));
            continue;
        }
        // -- value
        if (!lua_isnil(lua, -1))
            return 1;
        lua_pop(lua, 1); // --
        skip_row(lua, reader, "", "null is no row");
    }
    if (reader->path)
        end_rows(lua, reader);
    return 0;
}

/* ---- one JSON list ---- */

static void list_failed(lua_State *lua, struct reader *reader)
{
    check_read(lua, reader);
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
    json_init_refill(&reader->json, list_refill, reader, LINE_LIMIT);
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
        end_rows(lua, reader);
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
    check_read(lua, reader);
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

/* The reader behind the iterator at index 1; throws when there is none, or no row. */
static struct reader *reader_arg(lua_State *lua)
{
    struct reader *reader = NULL;
    if (lua_iscfunction(lua, 1) && lua_getupvalue(lua, 1, 1)) // -- … reader
        reader = luaL_checkudata(lua, -1, reader_name);
    if (!reader)
        luaL_argerror(lua, 1, "an iterator of this module is expected");
    else if (!reader->path || !reader->line)
        luaL_argerror(lua, 1, "it stands at no row");
    return reader;
}

int dataset_lua_skip(lua_State *lua)
{
    const char *why = luaL_checkstring(lua, 2);
    struct reader *reader = reader_arg(lua);
    skip_row(lua, reader, "", why);
    return 0;
}

int dataset_lua_text(lua_State *lua)
{
    struct reader *reader = reader_arg(lua);
    if (reader->list)
        return luaL_argerror(lua, 1, "an iterator over lines is expected, this is one over a list");
    push_span(lua, buf_span(&reader->text)); // -- … text
    return 1;
}

/* ---- making readers ---- */

static int make_reader(lua_State *lua, lua_CFunction step)
{
    if (lua_isnoneornil(lua, 1))
        throw_plain(lua, "the path of the data is missing: name the file by --dataset-path FILE");
    if (lua_type(lua, 1) != LUA_TSTRING)
        return luaL_argerror(lua, 1, "the path of the data is expected");
    struct reader *reader = lua_newuserdata(lua, sizeof *reader); // -- path reader
    *reader = (struct reader){0};
    luaL_getmetatable(lua, reader_name); // -- path reader meta
    lua_setmetatable(lua, -2);           // -- path reader
    lua_pushcclosure(lua, step, 1);      // -- path next
    if (!reader_open(reader, lua_tostring(lua, 1)))
        throw_plain(lua, "%s: cannot be opened: %s", lua_tostring(lua, 1), strerror(errno));
    return 1;
}

int dataset_lua_lines(lua_State *lua)
{
    return make_reader(lua, step_lines);
}

int dataset_lua_jsonl(lua_State *lua)
{
    return make_reader(lua, step_jsonl);
}

int dataset_lua_json_list(lua_State *lua)
{
    return make_reader(lua, step_list);
}

int dataset_lua_rows(lua_State *lua)
{
    return make_reader(lua, step_rows);
}

static int collect_reader(lua_State *lua)
{
    reader_close(lua_touserdata(lua, 1));
    return 0;
}

void dataset_open(lua_State *lua)
{
    luaL_newmetatable(lua, reader_name);    // -- meta
    lua_pushcfunction(lua, collect_reader); // -- meta collect
    lua_setfield(lua, -2, "__gc");          // -- meta
    lua_pop(lua, 1);                        // --
}
