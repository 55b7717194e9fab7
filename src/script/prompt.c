/* The text of an item: what build_request is given of it, what %p stands for, how long it is. */
#include <string.h>

#include "script/state.h"
#include "wire/utf8.h"

/* ---- messages ---- */

static bool is_role(lua_State *lua, int message, const char *role)
{
    lua_getfield(lua, message, "role"); // -- role
    bool is = lua_type(lua, -1) == LUA_TSTRING && span_equals(lua_span(lua, -1), role);
    lua_pop(lua, 1); // --
    return is;
}

/* The texts of a list of content parts, joined. -- text, or nil when no part has any */
static void push_parts(lua_State *lua, struct script *script, int parts)
{
    struct buf *text = &script->text;
    size_t texts = 0;
    buf_clear(text);
    for (int i = 1; i <= (int)lua_objlen(lua, parts); i++) {
        lua_rawgeti(lua, parts, i); // -- part
        if (lua_istable(lua, -1)) {
            lua_getfield(lua, -1, "text"); // -- part text
            if (lua_type(lua, -1) == LUA_TSTRING) {
                buf_add_span(text, lua_span(lua, -1));
                texts++;
            }
            lua_pop(lua, 1); // -- part
        }
        lua_pop(lua, 1); // --
    }
    if (texts)
        push_span(lua, buf_span(text)); // -- text
    else
        lua_pushnil(lua); // -- nil
}

/* -- text, or nil */
static void push_content(lua_State *lua, struct script *script, int message)
{
    lua_getfield(lua, message, "content"); // -- content
    if (lua_istable(lua, -1)) {
        push_parts(lua, script, lua_gettop(lua)); // -- content text
        lua_remove(lua, -2);                      // -- text
    } else if (lua_type(lua, -1) != LUA_TSTRING) {
        lua_pop(lua, 1);  // --
        lua_pushnil(lua); // -- nil
    }
}

void prompt_push(lua_State *lua, struct script *script, int messages)
{
    messages = absolute(lua, messages);
    if (!lua_istable(lua, messages)) {
        lua_pushvalue(lua, messages); // -- text
        return;
    }
    int count = (int)lua_objlen(lua, messages), chosen = count;
    for (int i = count; i >= 1; i--) {
        lua_rawgeti(lua, messages, i); // -- message
        bool user = is_role(lua, lua_gettop(lua), "user");
        lua_pop(lua, 1); // --
        if (user) {
            chosen = i;
            break;
        }
    }
    lua_rawgeti(lua, messages, chosen);         // -- message
    push_content(lua, script, lua_gettop(lua)); // -- message text
    lua_remove(lua, -2);                        // -- text
}

bool messages_single(lua_State *lua, int messages)
{
    messages = absolute(lua, messages);
    if (!lua_istable(lua, messages))
        return true;
    lua_rawgeti(lua, messages, 1);    // -- message
    lua_getfield(lua, -1, "content"); // -- message content
    bool text = lua_type(lua, -1) == LUA_TSTRING;
    lua_pop(lua, 2); // --
    return text && lua_objlen(lua, messages) == 1;
}

/* -- text: all contents, one below the other */
static void push_joined(lua_State *lua, struct script *script, int messages)
{
    luaL_Buffer joined;
    int count = (int)lua_objlen(lua, messages);
    lua_createtable(lua, count, 0); // -- texts
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(lua, messages, i);              // -- texts message
        push_content(lua, script, lua_gettop(lua)); // -- texts message text
        lua_rawseti(lua, -3, i);                    // -- texts message
        lua_pop(lua, 1);                            // -- texts
    }
    int texts = lua_gettop(lua);
    luaL_buffinit(lua, &joined);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&joined, '\n');
        lua_rawgeti(lua, texts, i); // -- texts … text
        if (lua_isnil(lua, -1))
            lua_pop(lua, 1); // -- texts …
        else
            luaL_addvalue(&joined); // -- texts …
    }
    luaL_pushresult(&joined); // -- texts text
    lua_remove(lua, texts);   // -- text
}

/* -- messages: the prompt as the one message */
static void push_one(lua_State *lua, int item)
{
    lua_createtable(lua, 1, 0);        // -- messages
    lua_createtable(lua, 0, 2);        // -- messages message
    lua_pushliteral(lua, "user");      // -- messages message role
    lua_setfield(lua, -2, "role");     // -- messages message
    lua_getfield(lua, item, "prompt"); // -- messages message prompt
    lua_setfield(lua, -2, "content");  // -- messages message
    lua_rawseti(lua, -2, 1);           // -- messages
}

void messages_push(lua_State *lua, struct script *script, int item)
{
    lua_getfield(lua, item, "messages"); // -- messages
    bool list = !lua_isnil(lua, -1);
    if (list && script->raw_prompts) {
        push_joined(lua, script, lua_gettop(lua)); // -- messages text
        lua_remove(lua, -2);                       // -- text
    } else if (!list) {
        lua_pop(lua, 1); // --
        if (script->raw_prompts)
            lua_getfield(lua, item, "prompt"); // -- prompt
        else
            push_one(lua, item); // -- messages
    }
}

/* ---- texts ---- */

struct texts_job {
    struct span item;
    script_text_fn *text;
    void *arg;
};

static void give_texts(lua_State *lua, struct script *script, void *arg)
{
    const struct texts_job *job = arg;
    value_unpack(lua, job->item); // -- item
    int item = lua_gettop(lua);
    lua_getfield(lua, item, "body"); // -- item body
    if (!lua_isnil(lua, -1))
        return;
    messages_push(lua, script, item); // -- item nil messages
    int messages = lua_gettop(lua);
    if (!lua_istable(lua, messages)) {
        job->text(job->arg, lua_span(lua, messages), false);
        return;
    }
    for (int i = 1; i <= (int)lua_objlen(lua, messages); i++) {
        lua_rawgeti(lua, messages, i);              // -- … message
        push_content(lua, script, lua_gettop(lua)); // -- … message text
        bool text = lua_type(lua, -1) == LUA_TSTRING;
        job->text(job->arg, text ? lua_span(lua, -1) : span_of("", 0), true);
        lua_pop(lua, 2); // -- …
    }
}

bool script_prompt_texts(struct script *script, struct span item, script_text_fn *text, void *arg,
                         struct err *err)
{
    struct texts_job job = {item, text, arg};
    return state_do(script, "the prompt's texts", give_texts, &job, err);
}

/* ---- length ---- */

/* White space beyond ASCII, as UTF-8; no character's bytes end with those of another. */
static const char *const wide_blanks[] = {
    "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81",
    "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86",
    "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8",
    "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80",
};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F);
}

/* Bytes of the blank that the text begins with, or ends with; 0 = none. */
static size_t blank_at(struct span text, bool end)
{
    if (text.len > 0 && is_blank(text.data[end ? text.len - 1 : 0]))
        return 1;
    for (size_t i = 0; i < sizeof wide_blanks / sizeof *wide_blanks; i++) {
        size_t len = strlen(wide_blanks[i]);
        if (text.len >= len &&
            memcmp(text.data + (end ? text.len - len : 0), wide_blanks[i], len) == 0)
            return len;
    }
    return 0;
}

static struct span strip(struct span text)
{
    for (size_t len = 0; (len = blank_at(text, false)) > 0;)
        text = span_of(text.data + len, text.len - len);
    for (size_t len = 0; (len = blank_at(text, true)) > 0;)
        text.len -= len;
    return text;
}

static bool tokens_fit(lua_State *lua, struct script *script, struct span text)
{
    if (script->prompt_tokens_min == 0 && script->prompt_tokens_max == UINT64_MAX)
        return true;
    uint64_t count = tokenizer_count_of(lua, script, text);
    return count >= script->prompt_tokens_min && count <= script->prompt_tokens_max;
}

bool prompt_fits(lua_State *lua, struct script *script, int item)
{
    lua_getfield(lua, item, "body");     // -- body
    lua_getfield(lua, item, "messages"); // -- body messages
    bool body = !lua_isnil(lua, -2), list = !lua_isnil(lua, -1);
    if (list)
        prompt_push(lua, script, -1); // -- body messages text
    else
        lua_getfield(lua, item, "prompt"); // -- body messages text
    bool fits = true;
    if (!body && lua_type(lua, -1) == LUA_TSTRING) {
        struct span text = lua_span(lua, -1);
        uint64_t length = utf8_count(strip(text));
        fits = length > script->prompt_min && length < script->prompt_max &&
               tokens_fit(lua, script, text);
    }
    lua_pop(lua, 3); // --
    return fits;
}
