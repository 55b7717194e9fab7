#include "script/dataset_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"

enum {
    PIECE_BYTES = 64 * 1024,
    MALFORMED_SHOWN = 10, /* rows named in the log, per reader */
};

static const char *const reader_name = "llmbench.dataset";

/* ---- bytes ---- */

static bool reader_open(struct reader *reader, const char *path, size_t row_limit)
{
    reader->path = mem_text(path);
    reader->piece = mem_alloc(PIECE_BYTES);
    buf_init(&reader->text, row_limit);
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

struct span reader_refill(void *arg)
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

void reader_check(lua_State *lua, const struct reader *reader)
{
    if (reader->read_errno)
        throw_plain(lua, "%s: cannot be read: %s", reader->path, strerror(reader->read_errno));
}

void reader_too_long(lua_State *lua, const struct reader *reader, const char *what)
{
    char limit[32];
    units_show_bytes(limit, sizeof limit, (double)reader->text.limit);
    throw_plain(lua, "%s:%llu: %s is longer than %s (--max-row-bytes)", reader->path,
                (unsigned long long)reader->line, what, limit);
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

bool reader_line(lua_State *lua, struct reader *reader, struct span *line)
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
    reader_check(lua, reader);
    reader->line += any;
    if (reader->text.full)
        reader_too_long(lua, reader, "this line");
    *line = buf_span(&reader->text);
    if (line->len > 0 && line->data[line->len - 1] == '\r')
        line->len--;
    return any;
}

/* ---- malformed rows ---- */

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

void reader_skip(lua_State *lua, struct reader *reader, const char *before, const char *why)
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

void reader_end(lua_State *lua, struct reader *reader)
{
    if (reader->malformed > MALFORMED_SHOWN)
        log_warn(script_of(lua)->log, "%s: %llu further malformed %s were skipped", reader->path,
                 (unsigned long long)(reader->malformed - MALFORMED_SHOWN),
                 reader->list ? "elements" : "lines");
    reader_close(reader);
}

/* ---- readers in Lua ---- */

struct reader *reader_make(lua_State *lua, lua_CFunction step)
{
    if (lua_isnoneornil(lua, 1))
        throw_plain(lua, "the path of the data is missing: name the file by --dataset-path FILE");
    if (lua_type(lua, 1) != LUA_TSTRING)
        luaL_argerror(lua, 1, "the path of the data is expected");
    struct reader *reader = lua_newuserdata(lua, sizeof *reader); // -- … reader
    *reader = (struct reader){0};
    luaL_getmetatable(lua, reader_name); // -- … reader meta
    lua_setmetatable(lua, -2);           // -- … reader
    lua_newtable(lua);                   // -- … reader names
    lua_pushcclosure(lua, step, 2);      // -- … step
    if (!reader_open(reader, lua_tostring(lua, 1), script_of(lua)->limits.row))
        throw_plain(lua, "%s: cannot be opened: %s", lua_tostring(lua, 1), strerror(errno));
    return reader;
}

struct reader *reader_of(lua_State *lua)
{
    return lua_touserdata(lua, lua_upvalueindex(1));
}

struct reader *reader_argument(lua_State *lua)
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
