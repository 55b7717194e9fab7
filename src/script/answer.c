/* Reading an answer in the scorer's state: ctx, read_event, parse_responses. */
#include <ctype.h>
#include <string.h>

#include "script/state.h"

/* ---- ctx ---- */

/* -- headers name value → -- headers; values of a repeated header are joined by commas */
static void put_header(lua_State *lua, int headers)
{
    lua_pushvalue(lua, -2);   // -- name value name
    lua_rawget(lua, headers); // -- name value old
    if (!lua_isnil(lua, -1)) {
        lua_pushliteral(lua, ", "); // -- name value old ", "
        lua_pushvalue(lua, -3);     // -- name value old ", " value
        lua_concat(lua, 3);         // -- name value joined
        lua_replace(lua, -2);       // -- name joined
    } else {
        lua_pop(lua, 1); // -- name value
    }
    lua_rawset(lua, headers); // --
}

static void put_header_line(lua_State *lua, struct script *script, struct span line, int headers)
{
    const char *colon = memchr(line.data, ':', line.len);
    if (!colon)
        return;
    size_t len = (size_t)(colon - line.data);
    buf_clear(&script->text);
    for (size_t i = 0; i < len; i++)
        buf_add_char(&script->text, (char)tolower((unsigned char)line.data[i]));
    struct span value = span_of(colon + 1, line.len - len - 1);
    while (value.len > 0 && strchr(" \t", value.data[0]) && value.data[0])
        value = span_of(value.data + 1, value.len - 1);
    while (value.len > 0 && strchr(" \t\r", value.data[value.len - 1]) && value.data[value.len - 1])
        value.len--;
    push_span(lua, buf_span(&script->text)); // -- name
    push_span(lua, value);                   // -- name value
    put_header(lua, headers);                // --
}

void headers_push(lua_State *lua, struct script *script, struct span raw)
{
    lua_newtable(lua); // -- headers
    int headers = lua_gettop(lua);
    while (raw.len > 0) {
        const char *end = memchr(raw.data, '\n', raw.len);
        size_t len = end ? (size_t)(end - raw.data) : raw.len;
        put_header_line(lua, script, span_of(raw.data, len), headers);
        len += end != NULL;
        raw = span_of(raw.data + len, raw.len - len);
    }
}

static void begin_answer(lua_State *lua, struct script *script, void *arg)
{
    const struct exchange *exchange = arg;
    const struct request *request = exchange->request;
    ctx_push(lua, script, request->index, request->stage);            // -- ctx
    value_unpack(lua, span_of(request->prompt, request->prompt_len)); // -- ctx prompt
    lua_setfield(lua, -2, "prompt");                                  // -- ctx
    value_unpack(lua, span_of(request->user, request->user_len));     // -- ctx user
    lua_setfield(lua, -2, "user");                                    // -- ctx
    lua_pushnumber(lua, exchange->status);                            // -- ctx status
    lua_setfield(lua, -2, "status");                                  // -- ctx
    headers_push(lua, script, buf_span(&exchange->headers));          // -- ctx headers
    lua_setfield(lua, -2, "headers");                                 // -- ctx
    push_span(lua, span_of(request->body, request->body_len));        // -- ctx body
    lua_setfield(lua, -2, "body");                                    // -- ctx
    slot_take(lua, SLOT_CTX);                                         // --
}

bool script_answer_begin(struct script *script, const struct exchange *exchange, struct err *err)
{
    union {
        const struct exchange *borrowed;
        void *arg;
    } job = {.borrowed = exchange};
    return state_run(script, "ctx", begin_answer, job.arg, err);
}

static void end_answer(lua_State *lua, struct script *script, void *arg)
{
    (void)script;
    (void)arg;
    slot_clear(lua, SLOT_CTX);
    slot_clear(lua, SLOT_DELTA);
    slot_clear(lua, SLOT_BYTES);
}

void script_answer_end(struct script *script)
{
    struct err err;
    if (!state_run(script, NULL, end_answer, NULL, &err))
        log_warn(script->log, "%s", err.text);
}

/* ---- frame ---- */

struct frame_job {
    struct span bytes;
    size_t pos;
    bool found;
    size_t from, to, next;
};

/* One of frame's results, from `low` to `high`. */
static size_t frame_place(lua_State *lua, int index, const char *name, size_t low, size_t high)
{
    double place = lua_tonumber(lua, index);
    if (lua_type(lua, index) != LUA_TNUMBER)
        throw_error(lua, "must return from, to, next or nil, but '%s' is %s", name,
                    value_kind(lua, index));
    if (!whole_number(place) || place < (double)low || place > (double)high)
        throw_error(lua, "'%s' is %.17g; it must be a whole number from %zu to %zu", name, place,
                    low, high);
    return (size_t)place;
}

/* The bytes become one Lua string, kept for the calls that follow. -- bytes */
static void push_framed(lua_State *lua, struct span bytes, bool first)
{
    if (first) {
        push_span(lua, bytes);      // -- bytes
        slot_take(lua, SLOT_BYTES); // --
    }
    slot_push(lua, SLOT_BYTES); // -- bytes
}

/* Lua counts from 1 and includes the last byte. */
static void frame(lua_State *lua, struct script *script, void *arg)
{
    (void)script;
    struct frame_job *job = arg;
    size_t len = job->bytes.len;
    slot_push(lua, SLOT_API); // -- api
    int base = lua_gettop(lua);
    lua_getfield(lua, -1, "frame");                // -- api hook
    push_framed(lua, job->bytes, job->pos == 0);   // -- api hook bytes
    lua_pushnumber(lua, (lua_Number)job->pos + 1); // -- api hook bytes pos
    lua_call(lua, 2, 3);                           // -- api from to next
    job->found = !lua_isnil(lua, base + 1);
    if (!job->found)
        return;
    size_t from = frame_place(lua, base + 1, "from", job->pos + 1, len + 1);
    size_t to = frame_place(lua, base + 2, "to", from - 1, len);
    size_t low = to + 1 > job->pos + 2 ? to + 1 : job->pos + 2;
    job->next = frame_place(lua, base + 3, "next", low, len + 1) - 1;
    job->from = from - 1;
    job->to = to;
}

bool script_frame(struct script *script, struct span bytes, size_t pos, bool *found, size_t *from,
                  size_t *to, size_t *next, struct err *err)
{
    struct frame_job job = {.bytes = bytes, .pos = pos};
    *found = false;
    if (pos >= bytes.len)
        return true;
    if (!state_run(script, "frame", frame, &job, err))
        return false;
    *found = job.found;
    *from = job.from;
    *to = job.to;
    *next = job.next;
    return true;
}

/* ---- read_event ---- */

struct event_job {
    struct span data, name;
    struct delta *delta;
};

static void take_usage(lua_State *lua, struct usage *usage)
{
    static const char where[] = "its 'usage'";
    *usage = (struct usage){TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
    lua_pushnil(lua); // -- key
    while (lua_next(lua, -2)) {
        // -- key value
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "[1]";
        const struct script_word *word = script_word_find(WORD_USAGE, name);
        if (!word)
            word_unknown(lua, WORD_USAGE, name, where);
        word_check(lua, word, where);
        int64_t count = (int64_t)lua_tonumber(lua, -1);
        memcpy((char *)usage + word->offset, &count, sizeof count);
        lua_pop(lua, 1); // -- key
    }
}

/* Stores the value at the top in the delta's field of that name. */
static void take_field(lua_State *lua, const struct script_word *word, struct delta *delta)
{
    void *field = (char *)delta + word->offset;
    if (word->type == WORD_TEXT) {
        struct span text = lua_span(lua, -1);
        if (text.len > 0)
            memcpy(field, &text, sizeof text);
    } else if (word->type == WORD_COUNT) {
        int64_t count = (int64_t)lua_tonumber(lua, -1);
        memcpy(field, &count, sizeof count);
    } else if (word->type == WORD_FLAG) {
        bool flag = lua_toboolean(lua, -1);
        memcpy(field, &flag, sizeof flag);
    } else {
        delta->has_usage = true;
        take_usage(lua, field);
    }
}

static void delta_init(struct delta *delta)
{
    *delta = (struct delta){.tokens = TOKENS_UNKNOWN};
    delta->usage = (struct usage){TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN};
}

/* -- result */
static void take_delta(lua_State *lua, struct delta *delta)
{
    static const char where[] = "its result";
    delta->understood = true;
    lua_pushnil(lua); // -- result key
    while (lua_next(lua, -2)) {
        // -- result key value
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "[1]";
        const struct script_word *word = script_word_find(WORD_DELTA, name);
        if (!word)
            word_unknown(lua, WORD_DELTA, name, where);
        word_check(lua, word, where);
        take_field(lua, word, delta);
        lua_pop(lua, 1); // -- result key
    }
}

/* A list of deltas gives its first and says how many follow. -- result */
static void take_result(lua_State *lua, struct delta *delta)
{
    if (lua_isnil(lua, -1))
        return;
    if (!lua_istable(lua, -1))
        throw_error(lua, "must return nil or a table, not %s", value_kind(lua, -1));
    lua_rawgeti(lua, -1, 1); // -- result first
    if (lua_istable(lua, -1)) {
        delta->more = lua_objlen(lua, -2) - 1;
        take_delta(lua, delta);
    } else {
        lua_pop(lua, 1); // -- result
        take_delta(lua, delta);
    }
}

struct more_job {
    size_t i;
    struct delta *delta;
};

static void read_more(lua_State *lua, struct script *script, void *arg)
{
    (void)script;
    struct more_job *job = arg;
    slot_push(lua, SLOT_DELTA);            // -- list
    lua_rawgeti(lua, -1, (int)job->i + 1); // -- list delta
    if (!lua_istable(lua, -1))
        throw_error(lua, "its result[%zu] must be a table, not %s", job->i + 1,
                    value_kind(lua, -1));
    take_delta(lua, job->delta);
}

bool script_read_more(struct script *script, size_t i, struct delta *out, struct err *err)
{
    struct more_job job = {.i = i, .delta = out};
    delta_init(out);
    return state_run(script, "read_event", read_more, &job, err);
}

static void read_event(lua_State *lua, struct script *script, void *arg)
{
    (void)script;
    struct event_job *job = arg;
    slot_push(lua, SLOT_API);            // -- api
    lua_getfield(lua, -1, "read_event"); // -- api hook
    push_span(lua, job->data);           // -- api hook data
    push_span(lua, job->name);           // -- api hook data name
    slot_push(lua, SLOT_CTX);            // -- api hook data name ctx
    lua_call(lua, 3, 1);                 // -- api result
    lua_pushvalue(lua, -1);              // -- api result result
    slot_take(lua, SLOT_DELTA);          // -- api result: its strings live on
    take_result(lua, job->delta);
}

/* Whether the payload is the end marker's, "data: " left out. */
static bool is_end_marker(struct span marker, struct span data)
{
    static const char field[] = "data:";
    if (marker.len > sizeof field - 1 && memcmp(marker.data, field, sizeof field - 1) == 0) {
        marker = span_of(marker.data + sizeof field - 1, marker.len - (sizeof field - 1));
        if (marker.data[0] == ' ')
            marker = span_of(marker.data + 1, marker.len - 1);
    }
    return marker.len > 0 && marker.len == data.len &&
           memcmp(marker.data, data.data, data.len) == 0;
}

/* What stands for the hook in a script without one. */
static void guess_event(const struct script *script, struct span data, struct span name,
                        struct delta *out)
{
    out->understood = data.len > 0;
    if (is_end_marker(script->facts.end_marker, data))
        out->done = true;
    else if (span_equals(name, "error"))
        out->error = data;
    else if (data.len > 0)
        out->content = data;
}

bool script_read_event(struct script *script, struct span data, struct span name, struct delta *out,
                       struct err *err)
{
    delta_init(out);
    if (!script->facts.has_read_event) {
        guess_event(script, data, name, out);
        return true;
    }
    struct event_job job = {.data = data, .name = name, .delta = out};
    return state_run(script, "read_event", read_event, &job, err);
}

/* ---- parse_responses ---- */

struct tokens_job {
    const struct span *payloads;
    size_t count;
    struct span request_body;
    int64_t *prompt, *completion;
};

static int64_t token_count(lua_State *lua, int index, const char *name)
{
    if (lua_isnoneornil(lua, index))
        return TOKENS_UNKNOWN;
    if (lua_type(lua, index) != LUA_TNUMBER)
        throw_error(lua, "%s must be a whole number from 0 or nil, not %s", name,
                    value_kind(lua, index));
    if (!whole_number(lua_tonumber(lua, index)))
        throw_error(lua, "%s must be a whole number from 0 or nil, not %.17g", name,
                    lua_tonumber(lua, index));
    return (int64_t)lua_tonumber(lua, index);
}

static void parse_responses(lua_State *lua, struct script *script, void *arg)
{
    struct tokens_job *job = arg;
    slot_push(lua, SLOT_API); // -- api
    int base = lua_gettop(lua);
    lua_getfield(lua, base, "parse_responses");                                // -- api hook
    lua_createtable(lua, job->count > INT_MAX ? INT_MAX : (int)job->count, 0); // -- api hook list
    for (size_t i = 0; i < job->count; i++) {
        push_span(lua, job->payloads[i]); // -- api hook list payload
        lua_rawseti(lua, -2, (int)i + 1); // -- api hook list
    }
    if (!json_push_text(lua, script, job->request_body, false))
        push_span(lua, job->request_body); // -- api hook list request
    slot_push(lua, SLOT_CTX);              // -- api hook list request ctx
    lua_call(lua, 3, LUA_MULTRET);         // -- api results…
    if (lua_gettop(lua) - base > 2)
        throw_error(lua, "must return prompt_tokens, completion_tokens, not %d values",
                    lua_gettop(lua) - base);
    *job->prompt = token_count(lua, base + 1, "prompt_tokens");
    *job->completion = token_count(lua, base + 2, "completion_tokens");
}

bool script_parse_responses(struct script *script, const struct span *payloads, size_t count,
                            struct span request_body, int64_t *prompt, int64_t *completion,
                            struct err *err)
{
    struct tokens_job job = {
        .payloads = payloads,
        .count = count,
        .request_body = request_body,
        .prompt = prompt,
        .completion = completion,
    };
    *prompt = *completion = TOKENS_UNKNOWN;
    bool ok = state_run(script, "parse_responses", parse_responses, &job, err);
    if (!ok)
        *prompt = *completion = TOKENS_UNKNOWN;
    return ok;
}
