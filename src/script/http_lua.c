/* The module `http`: requests of setup and refresh, sent by whoever opened the script. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "script/modules.h"
#include "script/state.h"

enum {
    TIMEOUT_DEFAULT = 30, /* seconds */
    TIMEOUT_LONGEST = 3600,
};

static const char where[] = "http.request";

static const struct {
    const char *name;
    int type;
    const char *said;
} fields[] = {
    {"url", LUA_TSTRING, "a string"},    {"method", LUA_TSTRING, "a string"},
    {"headers", LUA_TTABLE, "a table"},  {"body", LUA_TSTRING, "a string"},
    {"timeout", LUA_TNUMBER, "seconds"},
};

static void check_field(lua_State *lua)
{
    // -- key value
    const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "[1]";
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(fields[i].name, name) != 0)
            continue;
        if (lua_type(lua, -1) != fields[i].type)
            throw_error(lua, "%s: '%s' must be %s, not %s", where, name, fields[i].said,
                        value_kind(lua, -1));
        return;
    }
    throw_error(lua, "%s: unknown field '%s'", where, name);
}

static void check_fields(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_pushnil(lua); // -- key
    while (lua_next(lua, 1)) {
        // -- key value
        check_field(lua);
        lua_pop(lua, 1); // -- key
    }
}

/* The field as a text without NUL, or NULL; the value stays on the stack. */
static const char *text_field(lua_State *lua, const char *name)
{
    lua_getfield(lua, 1, name); // -- text
    const char *text = lua_tostring(lua, -1);
    if (text && strlen(text) != lua_objlen(lua, -1))
        throw_error(lua, "%s: '%s' holds a NUL byte", where, name);
    return text;
}

static uint64_t timeout_field(lua_State *lua)
{
    lua_getfield(lua, 1, "timeout"); // -- timeout
    double seconds = luaL_optnumber(lua, -1, TIMEOUT_DEFAULT);
    if (!(seconds >= 0.001 && seconds <= TIMEOUT_LONGEST))
        throw_error(lua, "%s: 'timeout' must be 0.001 to %d seconds, not %.17g", where,
                    TIMEOUT_LONGEST, seconds);
    lua_pop(lua, 1); // --
    return (uint64_t)(seconds * (double)NS_PER_S);
}

static void check_target(lua_State *lua, const char *url, const char *method)
{
    if (!url)
        throw_error(lua, "%s: 'url' is missing", where);
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        throw_error(lua, "%s: 'url' must begin with http:// or https://", where);
    for (const char *at = method; *at; at++)
        if (!isupper((unsigned char)*at))
            throw_error(lua, "%s: 'method' must be capital letters such as POST", where);
    if (!*method)
        throw_error(lua, "%s: 'method' is empty", where);
}

static void forget_last(struct script *script)
{
    list_fini(&script->sent_headers);
    buf_fini(&script->answer.headers);
    buf_fini(&script->answer.body);
    script->sent_headers = (struct list){0};
    script->answer = (struct script_http_answer){0};
    buf_init(&script->answer.headers, script->limits.head);
    buf_init(&script->answer.body, script->limits.answer);
}

static void push_answer(lua_State *lua, struct script *script)
{
    lua_createtable(lua, 0, 3);                                   // -- answer
    lua_pushnumber(lua, script->answer.status);                   // -- answer status
    lua_setfield(lua, -2, "status");                              // -- answer
    headers_push(lua, script, buf_span(&script->answer.headers)); // -- answer headers
    lua_setfield(lua, -2, "headers");                             // -- answer
    push_span(lua, buf_span(&script->answer.body));               // -- answer body
    lua_setfield(lua, -2, "body");                                // -- answer
}

int http_lua_request(lua_State *lua)
{
    struct script *script = script_of(lua);
    only_where_blocking(lua, "http");
    guard_check(lua);
    if (!script->services || !script->services->http)
        throw_error(lua, "%s: this program sends no HTTP requests for scripts", where);
    check_fields(lua);
    lua_settop(lua, 1); // -- options
    struct script_http_request request = {.timeout_ns = timeout_field(lua)};
    request.url = text_field(lua, "url");       // -- options url
    request.method = text_field(lua, "method"); // -- options url method
    lua_getfield(lua, 1, "body");               // -- options url method body
    if (!lua_isnil(lua, -1))
        request.body = lua_span(lua, -1);
    if (!request.method)
        request.method = request.body.data ? "POST" : "GET";
    check_target(lua, request.url, request.method);
    forget_last(script);
    headers_take(lua, &script->sent_headers, 1, where);
    request.headers = &script->sent_headers;
    struct err err;
    watched_wait(script);
    bool ok = script->services->http(script->services->arg, &request, &script->answer, &err);
    watched_go_on(script);
    if (ok) {
        push_answer(lua, script); // -- … answer
        return 1;
    }
    lua_pushnil(lua);              // -- … nil
    lua_pushstring(lua, err.text); // -- … nil message
    return 2;
}
