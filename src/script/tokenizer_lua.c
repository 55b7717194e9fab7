/* The module `tokenizer`: the run's tokenizer, lent by whoever opened the script. */
#include <string.h>

#include "base/mem.h"
#include "script/modules.h"
#include "script/state.h"

enum { IDS_MOST = 16 << 20 }; /* in one call of decode */
#define TEXT_LIMIT ((size_t)256 << 20)

static const struct script_tokenizer *tokenizer_of(const struct script *script)
{
    return script->services ? script->services->tokenizer : NULL;
}

static void *tokens_of(struct script *script)
{
    const struct script_tokenizer *tokenizer = tokenizer_of(script);
    if (!script->tokens)
        script->tokens = tokenizer->open(tokenizer->arg);
    return script->tokens;
}

void tokenizer_close(struct script *script)
{
    if (script->tokens)
        tokenizer_of(script)->close(script->tokens);
    script->tokens = NULL;
}

static int push_none(lua_State *lua)
{
    lua_pushnil(lua);                                                 // -- nil
    lua_pushliteral(lua, "no tokenizer: --tokenizer-path names one"); // -- nil message
    return 2;
}

static int push_failed(lua_State *lua, const struct err *err)
{
    lua_pushnil(lua);               // -- nil
    lua_pushstring(lua, err->text); // -- nil message
    return 2;
}

uint64_t tokenizer_count_of(lua_State *lua, struct script *script, struct span text)
{
    const struct script_tokenizer *tokenizer = tokenizer_of(script);
    const uint32_t *ids;
    size_t count = 0;
    struct err err;
    if (!tokenizer)
        throw_plain(lua, "the tokens of a prompt cannot be counted without --tokenizer-path");
    if (!tokenizer->encode(tokens_of(script), text, false, &ids, &count, &err))
        throw_plain(lua, "the tokens of the prompt cannot be counted: %s", err.text);
    return count;
}

/* (text, {special=true}): whether special tokens are wanted. */
static bool wants_special(lua_State *lua, const char *where)
{
    if (lua_isnoneornil(lua, 2))
        return false;
    luaL_checktype(lua, 2, LUA_TTABLE);
    lua_pushnil(lua); // -- key
    while (lua_next(lua, 2)) {
        // -- key value
        if (lua_type(lua, -2) != LUA_TSTRING || strcmp(lua_tostring(lua, -2), "special") != 0)
            throw_error(lua, "%s takes the field 'special' and no other", where);
        if (!lua_isboolean(lua, -1))
            throw_error(lua, "%s: 'special' must be true or false, not %s", where,
                        value_kind(lua, -1));
        lua_pop(lua, 1); // -- key
    }
    lua_getfield(lua, 2, "special"); // -- special
    bool special = lua_toboolean(lua, -1);
    lua_pop(lua, 1); // --
    return special;
}

/* Encodes argument 1; false: what is to be returned has been pushed. */
static bool encode(lua_State *lua, const char *where, const uint32_t **ids, size_t *count,
                   int *results)
{
    struct script *script = script_of(lua);
    struct err err;
    luaL_checktype(lua, 1, LUA_TSTRING);
    bool special = wants_special(lua, where);
    const struct script_tokenizer *tokenizer = tokenizer_of(script);
    if (!tokenizer)
        *results = push_none(lua);
    else if (!tokenizer->encode(tokens_of(script), lua_span(lua, 1), special, ids, count, &err))
        *results = push_failed(lua, &err);
    else
        return true;
    return false;
}

int tokenizer_lua_encode(lua_State *lua)
{
    const uint32_t *ids;
    size_t count;
    int results;
    if (!encode(lua, "tokenizer.encode", &ids, &count, &results))
        return results;
    lua_createtable(lua, count < IDS_MOST ? (int)count : 0, 0); // -- ids
    for (size_t i = 0; i < count; i++) {
        lua_pushnumber(lua, ids[i]);      // -- ids id
        lua_rawseti(lua, -2, (int)i + 1); // -- ids
    }
    return 1;
}

int tokenizer_lua_count(lua_State *lua)
{
    const uint32_t *ids;
    size_t count;
    int results;
    if (!encode(lua, "tokenizer.count", &ids, &count, &results))
        return results;
    lua_pushnumber(lua, (lua_Number)count); // -- count
    return 1;
}

/* The list at index 1 into memory that Lua owns. -- … ids */
static const uint32_t *take_ids(lua_State *lua, size_t *count, size_t vocabulary)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    *count = lua_objlen(lua, 1);
    if (*count > IDS_MOST)
        throw_error(lua, "tokenizer.decode takes at most %d ids, not %zu", IDS_MOST, *count);
    uint32_t *ids = lua_newuserdata(lua, (*count + 1) * sizeof *ids); // -- … ids
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(lua, 1, (int)i + 1); // -- … ids id
        double id = lua_tonumber(lua, -1);
        if (lua_type(lua, -1) != LUA_TNUMBER || !whole_number(id) || id >= (double)vocabulary)
            throw_error(
                lua, "tokenizer.decode: ids[%zu] must be a whole number from 0 to %zu, not %s",
                i + 1, vocabulary - 1,
                lua_type(lua, -1) == LUA_TNUMBER ? lua_tostring(lua, -1) : value_kind(lua, -1));
        ids[i] = (uint32_t)id;
        lua_pop(lua, 1); // -- … ids
    }
    return ids;
}

int tokenizer_lua_decode(lua_State *lua)
{
    struct script *script = script_of(lua);
    const struct script_tokenizer *tokenizer = tokenizer_of(script);
    struct err err;
    size_t count;
    luaL_checktype(lua, 1, LUA_TTABLE);
    bool special = wants_special(lua, "tokenizer.decode");
    if (!tokenizer)
        return push_none(lua);
    const uint32_t *ids = take_ids(lua, &count, tokenizer->vocabulary); // -- … ids
    buf_clear(&script->text);
    if (!tokenizer->decode(tokens_of(script), ids, count, special, &script->text, &err))
        return push_failed(lua, &err);
    if (script->text.len > TEXT_LIMIT)
        throw_error(lua, "tokenizer.decode: the text has more than %zu bytes", TEXT_LIMIT);
    push_span(lua, buf_span(&script->text)); // -- … text
    return 1;
}

int tokenizer_lua_vocabulary(lua_State *lua)
{
    const struct script_tokenizer *tokenizer = tokenizer_of(script_of(lua));
    if (!tokenizer)
        return push_none(lua);
    lua_pushnumber(lua, (lua_Number)tokenizer->vocabulary); // -- n
    return 1;
}
