#include "script/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The bottom of every state's stack: the traceback handler and the function that runs a job. */
enum { STACK_HANDLER = 1, STACK_RUNNER = 2 };

enum {
    JOB_STACK = 64,          /* values a job may push before it asks for more room */
    COLLECT_BYTES = 1 << 20, /* what collecting garbage may take when the heap is full */
};

/* ---- memory ---- */

/* Lua's allocator. Outside a protected call a refusal would end the program, so there the cap does
 * not bind: what the bridge itself does there is small. */
static void *state_allocate(void *owner, void *block, size_t old, size_t size)
{
    struct script *script = owner;
    if (size == 0) {
        free(block);
        script->memory_used -= old;
        return NULL;
    }
    size_t more = size > old ? size - old : 0;
    bool over = script->memory_used > script->memory_limit ||
                more > script->memory_limit - script->memory_used;
    if (script->memory_capped && more > 0 && over) {
        script->memory_refused = true;
        return NULL;
    }
    void *moved = mem_resize(block, size, 1);
    script->memory_used += size - old;
    return moved;
}

struct script *script_of(lua_State *lua)
{
    void *owner = NULL;
    lua_getallocf(lua, &owner);
    return owner;
}

/* ---- the one protected call ---- */

/* The innermost Lua function; false: none is running, so that a traceback would say nothing. */
static bool running_function(lua_State *lua, lua_Debug *frame)
{
    for (int level = 0; lua_getstack(lua, level, frame); level++)
        if (lua_getinfo(lua, "S", frame) && strcmp(frame->what, "C") != 0)
            return true;
    return false;
}

/* A traceback ends in the C functions of the bridge, which are no news to anyone. */
static size_t without_bridge(struct span text)
{
    static const char frame[] = "\n\t[C]:";
    size_t len = text.len;
    for (size_t at = text.len; at > 0; at--) {
        if (text.data[at - 1] != '\n')
            continue;
        if (len - (at - 1) < sizeof frame - 1 ||
            memcmp(text.data + at - 1, frame, sizeof frame - 1) != 0)
            break;
        len = at - 1;
    }
    return len;
}

/* Whether the message begins with a place in one of the functions under way. */
static bool begins_with_place(lua_State *lua, const char *message)
{
    lua_Debug frame;
    for (int level = 0; lua_getstack(lua, level, &frame); level++) {
        if (!lua_getinfo(lua, "S", &frame) || strcmp(frame.what, "C") == 0)
            continue;
        size_t len = strlen(frame.short_src);
        if (strncmp(message, frame.short_src, len) == 0 && message[len] == ':')
            return true;
    }
    return false;
}

/* The user's mistake, told in a sentence: by error(message, 0), or by the program itself on behalf
 * of one of its own scripts. What was raised has no place in front and comes from a C function
 * (`error` is one). Where in the script that was is no news to the user. */
static bool is_plain_refusal(lua_State *lua, const char *message)
{
    static const char shipped[] = "=builtin:";
    lua_Debug raiser, caller;
    if (lua_type(lua, 1) != LUA_TSTRING || !lua_getstack(lua, 1, &raiser) ||
        !lua_getstack(lua, 2, &caller) || !lua_getinfo(lua, "Sf", &raiser)) // -- … [function]
        return false;
    slot_push(lua, SLOT_ERROR); // -- … function error
    bool by_error = lua_rawequal(lua, -1, -2);
    lua_pop(lua, 2); // -- …
    return lua_getinfo(lua, "S", &caller) && strcmp(raiser.what, "C") == 0 &&
           (by_error || strncmp(caller.source, shipped, sizeof shipped - 1) == 0) &&
           !begins_with_place(lua, message);
}

static int handle_error(lua_State *lua)
{
    lua_Debug frame;
    if (!lua_isstring(lua, 1) && !luaL_callmeta(lua, 1, "__tostring"))
        lua_pushfstring(lua, "(the error is a %s value)", luaL_typename(lua, 1));
    // -- error … message
    const char *message = lua_tostring(lua, -1);
    bool interrupted = watched_interrupted(script_of(lua));
    if (interrupted) /* what the handler itself does is not to be */
        lua_sethook(lua, NULL, 0, 0);
    script_of(lua)->error_placed = running_function(lua, &frame);
    if (!message || !script_of(lua)->error_placed ||
        (!interrupted && is_plain_refusal(lua, message)))
        return 1;
    if (strstr(message, "stack overflow")) {
        /* looking for line numbers now, LuaJIT 2.1.0-beta3 may read in front of its own memory */
        lua_pushfstring(lua, "%s in the function at %s:%d", message, frame.short_src,
                        frame.linedefined);
        return 1;
    }
    luaL_traceback(lua, lua, message, 1); // -- error … message traced
    struct span traced = lua_span(lua, -1);
    lua_pushlstring(lua, traced.data, without_bridge(traced)); // -- error … message traced cut
    return 1;
}

static int run_job(lua_State *lua)
{
    struct script *script = script_of(lua);
    luaL_checkstack(lua, JOB_STACK, "too little room for a job");
    script->job(lua, script, script->job_arg);
    return 0;
}

static int protected_call(struct script *script, script_job_fn *job, void *arg)
{
    script->job = job;
    script->job_arg = arg;
    script->error_placed = false;
    script->memory_capped = true;
    lua_pushvalue(script->lua, STACK_RUNNER);                 // -- handler runner runner
    int status = lua_pcall(script->lua, 0, 0, STACK_HANDLER); // -- handler runner [message]
    script->memory_capped = false;
    return status;
}

static void collect(lua_State *lua, struct script *script, void *arg)
{
    (void)script;
    (void)arg;
    lua_gc(lua, LUA_GCCOLLECT, 0);
}

/* After a refusal the state holds much that nobody wants any more. */
static void give_memory_back(struct script *script)
{
    if (!script->memory_refused)
        return;
    script->memory_refused = false;
    script->memory_limit += COLLECT_BYTES;
    if (protected_call(script, collect, NULL) != 0)
        lua_settop(script->lua, STACK_RUNNER);
    script->memory_limit -= COLLECT_BYTES;
}

const char *place_of(const struct script *script, const char *doing)
{
    for (size_t i = 0; i < script->place_count; i++)
        if (strcmp(script->places[i].hook, doing) == 0)
            return script->places[i].place;
    return NULL;
}

const char *place_in(const struct script *script, const char *field, const char *where)
{
    const char *place = place_of(script, field);
    size_t len = strlen(where);
    return place && strncmp(place, where, len) == 0 && place[len] == ':' ? place : where;
}

bool state_place(const struct script *script, const char *doing, struct err *err)
{
    static const char shipped[] = "builtin:";
    const char *place = script->error_placed ? NULL : place_of(script, doing);
    if (place && strncmp(place, shipped, sizeof shipped - 1) != 0)
        err_prefix(err, "%s", place);
    return false;
}

static void tell(struct script *script, int status, struct err *err)
{
    const char *message = lua_tostring(script->lua, -1);
    if (status == LUA_ERRMEM)
        err_set(err, "out of memory: the Lua heap may hold %zu bytes (--lua-memory)",
                script->memory_limit);
    else
        err_set(err, "%s", message ? message : "an error without a message");
    lua_settop(script->lua, STACK_RUNNER);
}

bool state_do(struct script *script, const char *doing, script_job_fn *job, void *arg,
              struct err *err)
{
    guard_begin(script);
    watched_begin(script, doing);
    int status = protected_call(script, job, arg);
    bool placed = script->error_placed;
    if (status != 0) {
        tell(script, status, err);
        give_memory_back(script);
    }
    bool interrupted = watched_end(script, status != 0, err);
    script->error_placed = placed || interrupted;
    return !interrupted && status == 0;
}

bool state_run(struct script *script, const char *hook, script_job_fn *job, void *arg,
               struct err *err)
{
    if (state_do(script, hook ? hook : "the script", job, arg, err))
        return true;
    if (!hook)
        return false;
    err_prefix(err, "%s", hook);
    return state_place(script, hook, err);
}

void place_put(struct script *script, const char *field, char *place)
{
    size_t i = 0;
    while (i < script->place_count && strcmp(script->places[i].hook, field) != 0)
        i++;
    if (i == HOOK_PLACES) {
        free(place);
        return;
    }
    script->place_count += i == script->place_count;
    free(script->places[i].place);
    script->places[i].hook = field;
    script->places[i].place = place;
}

void place_note(lua_State *lua, struct script *script, const char *hook)
{
    lua_Debug function;
    lua_pushvalue(lua, -1); // -- function function
    if (!lua_getinfo(lua, ">S", &function))
        return;
    bool known = function.linedefined > 0; /* C functions lie nowhere */
    place_put(script, hook,
              known ? mem_printf("%s:%d", function.short_src, function.linedefined) : NULL);
}

/* ---- birth and death ---- */

static int panic(lua_State *lua)
{
    const char *message = lua_tostring(lua, -1);
    fprintf(stderr, "llmbench: Lua failed outside its protected call: %s\n",
            message ? message : "");
    abort();
}

static void open_libraries(lua_State *lua, struct script *script, void *arg)
{
    (void)arg;
    lua_gc(lua, LUA_GCSTOP, 0);
    luaL_openlibs(lua);
    lua_getglobal(lua, "error"); // -- error
    slot_take(lua, SLOT_ERROR);  // --
    modules_open(lua, script);
    lua_gc(lua, LUA_GCRESTART, 0);
}

bool state_open(struct script *script, struct watch *watch, struct err *err)
{
    script->lua = lua_newstate(state_allocate, script);
    if (!script->lua)
        return err_set(err, "Lua cannot start: this build of LuaJIT takes no allocator of ours");
    guard_open(script);
    lua_atpanic(script->lua, panic);
    watch_join(watch, script);
    lua_pushcfunction(script->lua, handle_error); // -- handler
    lua_pushcfunction(script->lua, run_job);      // -- handler runner
    return state_run(script, NULL, open_libraries, NULL, err);
}

void state_close(struct script *script)
{
    watch_leave(script);
    if (script->lua)
        lua_close(script->lua);
    script->lua = NULL;
    for (size_t i = 0; i < script->place_count; i++)
        free(script->places[i].place);
    free(script->loading);
    free(script->watched.overdue);
}

/* ---- small helpers ---- */

void slot_push(lua_State *lua, enum slot slot)
{
    lua_rawgeti(lua, LUA_REGISTRYINDEX, (int)slot);
}

void slot_take(lua_State *lua, enum slot slot)
{
    lua_rawseti(lua, LUA_REGISTRYINDEX, (int)slot);
}

void slot_clear(lua_State *lua, enum slot slot)
{
    lua_pushnil(lua);
    slot_take(lua, slot);
}

static void format_error(char *text, size_t size, const char *format, va_list args)
{
    int len = vsnprintf(text, size, format, args);
    if (len >= (int)size)
        err_mark_cut(text, size);
}

void throw_error(lua_State *lua, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    format_error(text, sizeof text, format, args);
    va_end(args);
    luaL_error(lua, "%s", text);
    abort(); /* luaL_error does not return, but does not say so */
}

void throw_plain(lua_State *lua, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    format_error(text, sizeof text, format, args);
    va_end(args);
    lua_pushstring(lua, text); // -- text
    lua_error(lua);
    abort(); /* as above */
}

struct span lua_span(lua_State *lua, int index)
{
    size_t len = 0;
    const char *text = lua_tolstring(lua, index, &len);
    return span_of(text, len);
}

void push_span(lua_State *lua, struct span span)
{
    lua_pushlstring(lua, span.len ? span.data : "", span.len);
}

void results_keep(lua_State *lua, int base, int most, const char *wanted)
{
    int count = lua_gettop(lua) - base;
    while (count > 0 && lua_isnil(lua, base + count))
        count--;
    if (count == 2 && lua_isnil(lua, base + 1) && lua_type(lua, base + 2) == LUA_TSTRING)
        throw_error(lua, "gave nil and \"%.200s\"; what went wrong is raised: error(message)",
                    lua_tostring(lua, base + 2));
    if (count > most)
        throw_error(lua, "must return %s, not %d values", wanted, count);
    lua_settop(lua, base + most);
}

int absolute(lua_State *lua, int index)
{
    return index > 0 || index <= LUA_REGISTRYINDEX ? index : lua_gettop(lua) + index + 1;
}

bool whole_number(double value)
{
    return value >= 0 && value <= 9007199254740992.0 && floor(value) == value;
}

const char *value_kind(lua_State *lua, int index)
{
    static const char *const kinds[] = {
        [LUA_TNIL] = "nil",
        [LUA_TBOOLEAN] = "a boolean",
        [LUA_TLIGHTUSERDATA] = "userdata",
        [LUA_TNUMBER] = "a number",
        [LUA_TSTRING] = "a string",
        [LUA_TTABLE] = "a table",
        [LUA_TFUNCTION] = "a function",
        [LUA_TUSERDATA] = "userdata",
        [LUA_TTHREAD] = "a coroutine",
        [LUA_TTHREAD + 1] = "no value",
        [LUA_TTHREAD + 2] = "FFI data",
    };
    if (json_is_null(lua, index))
        return "json.null";
    int type = lua_type(lua, index);
    if (type < 0 || (size_t)type >= sizeof kinds / sizeof *kinds || !kinds[type])
        return "nothing";
    return kinds[type];
}

/* ---- values against their rows ---- */

static bool fits(lua_State *lua, const struct script_word *word)
{
    int type = lua_type(lua, -1);
    switch (word->type) {
    case WORD_ANY: return true;
    case WORD_FUNCTION: return type == LUA_TFUNCTION;
    case WORD_TEXT: return type == LUA_TSTRING;
    case WORD_FLAG: return type == LUA_TBOOLEAN;
    case WORD_COUNT: return type == LUA_TNUMBER && whole_number(lua_tonumber(lua, -1));
    case WORD_SECONDS:
        return type == LUA_TNUMBER && lua_tonumber(lua, -1) >= 0 && lua_tonumber(lua, -1) <= 1e9;
    case WORD_NUMBER: return type == LUA_TNUMBER && !isnan(lua_tonumber(lua, -1));
    case WORD_TABLE: return type == LUA_TTABLE;
    case WORD_TEXT_OR_TABLE: return type == LUA_TSTRING || type == LUA_TTABLE;
    case WORD_TEXT_OR_NUMBER: return type == LUA_TSTRING || type == LUA_TNUMBER;
    }
    return false;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *at = choices; *at; at += strspn(at, " ")) {
        size_t word = strcspn(at, " ");
        if (word == len && memcmp(at, text, len) == 0)
            return true;
        at += word;
    }
    return false;
}

void word_check(lua_State *lua, const struct script_word *word, const char *where)
{
    if (!fits(lua, word)) {
        if (lua_type(lua, -1) == LUA_TNUMBER)
            throw_error(lua, "%s: '%s' must be %s, not %.17g", where, word->name,
                        word_type_name(word->type), lua_tonumber(lua, -1));
        throw_error(lua, "%s: '%s' must be %s, not %s", where, word->name,
                    word_type_name(word->type), value_kind(lua, -1));
    }
    if (word->choices && !is_choice(word->choices, lua_tostring(lua, -1)))
        throw_error(lua, "%s: '%s' is \"%s\"; it must be one of: %s", where, word->name,
                    lua_tostring(lua, -1), word->choices);
}

void word_unknown(lua_State *lua, enum word_kind kind, const char *name, const char *where)
{
    const char *nearest = script_word_nearest(kind, name);
    if (nearest)
        throw_error(lua, "%s: unknown field '%s' (did you mean '%s'?)", where, name, nearest);
    const struct word_group *group;
    bool table = kind == WORD_API || kind == WORD_DATASET;
    for (size_t i = 0; table && (group = word_group_at(i)); i++)
        if (group->kind != WORD_MODULE && script_word_find(group->kind, name))
            throw_error(lua, "%s: unknown field '%s'; it is one of the %s", where, name,
                        group->title);
    char known[400] = "";
    const struct script_word *word;
    for (size_t i = 0, len = 0; (word = script_word_at(i)) && len < sizeof known; i++)
        if (word->kind == kind)
            len += (size_t)snprintf(known + len, sizeof known - len, "%s%s", len ? ", " : "",
                                    word->name);
    throw_error(lua, "%s: unknown field '%s'; there are: %s", where, name, known);
}
