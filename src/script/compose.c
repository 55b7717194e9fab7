/* From a data set's item to a request: build_request, its body, its headers. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "script/state.h"

enum { PACK_LIMIT = 1 << 30 };

struct compose_job {
    struct request *request;
    struct list script_headers; /* of build_request and the item */
    struct buf body, packed;
};

double script_seed(const struct script *script, uint64_t index)
{
    struct rng rng;
    rng_init(&rng, script->seed ^ (index + 1) * UINT64_C(0x9E3779B97F4A7C15));
    return (double)(rng_u64(&rng) >> 11);
}

void ctx_push(lua_State *lua, const struct script *script, uint64_t index, uint32_t stage)
{
    lua_createtable(lua, 0, 8);                      // -- ctx
    slot_push(lua, SLOT_SETUP);                      // -- ctx setup
    lua_setfield(lua, -2, "setup");                  // -- ctx
    lua_pushnumber(lua, (lua_Number)index);          // -- ctx index
    lua_setfield(lua, -2, "index");                  // -- ctx
    lua_pushnumber(lua, stage);                      // -- ctx stage
    lua_setfield(lua, -2, "stage");                  // -- ctx
    lua_pushnumber(lua, script_seed(script, index)); // -- ctx seed
    lua_setfield(lua, -2, "seed");                   // -- ctx
}

/* ---- the body ---- */

static void refuse_given(lua_State *lua, struct script *script)
{
    buf_clear(&script->text);
    merge_names(script, &script->text);
    if (script->text.len > 0)
        throw_error(lua,
                    "a body that is a string cannot take options from the command line (%.*s); "
                    "return a table or leave them out",
                    (int)script->text.len, script->text.data);
}

static void store_text(lua_State *lua, struct script *script, struct compose_job *job)
{
    struct span text = lua_span(lua, -1);
    if (!buf_add_span(&job->body, text))
        throw_error(lua, "the body has %zu bytes, more than --max-request-bytes, %zu", text.len,
                    script->limits.body);
}

static void store_table(lua_State *lua, struct script *script, struct compose_job *job)
{
    json_encode(lua, script, -1, "body", "--max-request-bytes, ", &job->body);
}

/* -- result: build_request's first; `messages` is what it was given */
static void store_body(lua_State *lua, struct script *script, struct compose_job *job, int item,
                       int messages)
{
    if (lua_type(lua, -1) == LUA_TSTRING) {
        refuse_given(lua, script);
        store_text(lua, script, job);
    } else if (lua_istable(lua, -1)) {
        merge_body(lua, script, item, messages); // -- body
        store_table(lua, script, job);
    } else {
        throw_error(lua, "must return the body as a table or a string, not %s",
                    value_kind(lua, -1));
    }
}

/* An item's own body goes as it is. -- body */
static void store_item_body(lua_State *lua, struct script *script, struct compose_job *job)
{
    if (!script->warned_body) {
        buf_clear(&script->text);
        merge_names(script, &script->text);
        if (script->text.len > 0)
            log_warn(script->log,
                     "data set '%s' gives whole bodies, so %.*s cannot be added to them",
                     script->facts.dataset_name, (int)script->text.len, script->text.data);
        script->warned_body = true;
    }
    if (lua_istable(lua, -1))
        store_table(lua, script, job);
    else
        store_text(lua, script, job);
}

/* ---- headers and the rest ---- */

static void put_script_header(lua_State *lua, struct list *lines, const char *where)
{
    // -- … name value
    struct err err;
    bool ok = false;
    if (lua_type(lua, -1) != LUA_TSTRING)
        throw_error(lua, "%s: a header's value must be a string, not %s", where,
                    value_kind(lua, -1));
    if (lua_type(lua, -2) == LUA_TSTRING)
        ok = header_put(lines, lua_span(lua, -2), lua_span(lua, -1), &err);
    else
        ok = header_put_line(lines, lua_span(lua, -1), &err);
    if (!ok)
        throw_error(lua, "%s: %s", where, err.text);
}

void headers_take(lua_State *lua, struct list *lines, int index, const char *where)
{
    lua_getfield(lua, index, "headers"); // -- headers
    if (!lua_isnil(lua, -1)) {
        lua_pushnil(lua); // -- headers name
        while (lua_next(lua, -2)) {
            // -- headers name value
            put_script_header(lua, lines, where);
            lua_pop(lua, 1); // -- headers name
        }
    }
    lua_pop(lua, 1); // --
}

/* A text that goes into the request's first line. */
static const char *line_field(lua_State *lua, int index, const char *name)
{
    lua_getfield(lua, index, name); // -- text: stays, so that it lives
    struct span text = lua_span(lua, -1);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f)
            throw_error(lua,
                        "'%s' holds the byte 0x%02x; blanks and control characters have to be "
                        "percent-encoded",
                        name, (unsigned char)text.data[i]);
    return text.data;
}

static void take_target(lua_State *lua, struct request *request, int send)
{
    const char *url = line_field(lua, send, "url");       // -- url
    const char *method = line_field(lua, send, "method"); // -- url method
    if (url && strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        throw_error(lua, "'url' is \"%s\"; it must begin with http:// or https://", url);
    for (const char *at = method; at && *at; at++)
        if (!isupper((unsigned char)*at))
            throw_error(lua, "'method' is \"%s\"; it must be capital letters such as POST", method);
    if (method && !*method)
        throw_error(lua, "'method' is empty");
    if (url) {
        free(request->url);
        request->url = mem_text(url);
    }
    if (method) {
        free(request->method);
        request->method = mem_text(method);
    }
    lua_pop(lua, 2); // --
}

static void take_packed(struct compose_job *job, char **out, size_t *len)
{
    *len = job->packed.len;
    *out = mem_copy(job->packed.data, job->packed.len);
    buf_clear(&job->packed);
}

/* build_request's second result, at index `send`. */
static void take_send(lua_State *lua, struct compose_job *job, int send)
{
    static const char where[] = "the second result";
    if (lua_isnil(lua, send))
        return;
    if (!lua_istable(lua, send))
        throw_error(lua, "%s must be a table {url=, method=, headers=, user=}, not %s", where,
                    value_kind(lua, send));
    lua_pushnil(lua); // -- key
    while (lua_next(lua, send)) {
        // -- key value
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "[1]";
        const struct script_word *word = script_word_find(WORD_SEND, name);
        if (!word)
            word_unknown(lua, WORD_SEND, name, where);
        word_check(lua, word, where);
        lua_pop(lua, 1); // -- key
    }
    take_target(lua, job->request, send);
    headers_take(lua, &job->script_headers, send, where);
    lua_getfield(lua, send, "user"); // -- user
    if (!lua_isnil(lua, -1)) {
        value_pack(lua, -1, "user", &job->packed);
        take_packed(job, &job->request->user, &job->request->user_len);
    }
    lua_pop(lua, 1); // --
}

static void take_item_facts(lua_State *lua, struct compose_job *job, int item)
{
    headers_take(lua, &job->script_headers, item, "the item");
    lua_getfield(lua, item, "delay"); // -- delay
    job->request->delay_ns = (uint64_t)(lua_tonumber(lua, -1) * (double)NS_PER_S);
    lua_pop(lua, 1); // --
    value_pack(lua, item, "the item", &job->packed);
    take_packed(job, &job->request->prompt, &job->request->prompt_len);
}

/* Apart from the hook, whose fault it is not when they are wrong. */
static void read_item(lua_State *lua, struct script *script, void *arg)
{
    (void)script;
    slot_push(lua, SLOT_ITEM); // -- item
    take_item_facts(lua, arg, lua_gettop(lua));
}

static void build(lua_State *lua, struct script *script, void *arg)
{
    struct compose_job *job = arg;
    slot_push(lua, SLOT_ITEM); // -- item
    int item = lua_gettop(lua);
    lua_getfield(lua, item, "body"); // -- item body
    if (!lua_isnil(lua, -1)) {
        store_item_body(lua, script, job);
        return;
    }
    messages_push(lua, script, item); // -- item nil messages
    int messages = lua_gettop(lua);
    slot_push(lua, SLOT_API); // -- … messages api
    int base = lua_gettop(lua);
    lua_getfield(lua, -1, "build_request");                            // -- … hook
    lua_pushvalue(lua, messages);                                      // -- … hook messages
    slot_push(lua, SLOT_OPTS);                                         // -- … hook messages opts
    ctx_push(lua, script, job->request->index, job->request->stage);   // -- … ctx
    lua_pushvalue(lua, item);                                          // -- … ctx item
    lua_setfield(lua, -2, "prompt");                                   // -- … ctx
    lua_call(lua, 3, LUA_MULTRET);                                     // -- … body send…
    results_keep(lua, base, 2, "the body and at most one table more"); // -- … body send
    take_send(lua, job, lua_gettop(lua));
    lua_pop(lua, 1); // -- … body
    store_body(lua, script, job, item, messages);
}

/* ---- the request ---- */

static void put_all(struct list *lines, const struct list *more)
{
    for (size_t i = 0; i < more->count; i++) {
        struct err err;
        /* they have passed the same test before */
        if (!header_put_line(lines, span_text(more->items[i]), &err))
            abort();
    }
}

static struct request *request_new(const struct script *script, uint64_t index, uint32_t stage)
{
    struct request *request = MEM_NEW(struct request);
    request->index = index;
    request->stage = stage;
    request->url = mem_text(script->url);
    request->method = mem_text("POST");
    return request;
}

enum script_step script_peek(struct script *script, uint64_t *at_ns, struct err *err)
{
    bool end = false;
    *at_ns = 0;
    if (!items_next(script, &end, err))
        return SCRIPT_STEP_FAILED;
    if (end)
        return SCRIPT_STEP_END;
    *at_ns = (uint64_t)(script->item_at * (double)NS_PER_S);
    return SCRIPT_STEP_OK;
}

enum script_step script_next(struct script *script, uint64_t index, uint32_t stage,
                             struct request **out, struct err *err)
{
    bool end = false;
    if (!items_next(script, &end, err))
        return SCRIPT_STEP_FAILED;
    if (end)
        return SCRIPT_STEP_END;
    struct err fault;
    struct request *request = request_new(script, index, stage);
    struct compose_job job = {.request = request};
    buf_init(&job.body, script->limits.body);
    buf_init(&job.packed, PACK_LIMIT);
    bool ok = state_run(script, NULL, read_item, &job, &fault) || items_blame(script, &fault);
    if (!ok || !state_run(script, "build_request", build, &job, &fault))
        request->fault = mem_text(fault.text);
    script->item_taken = false;
    put_all(&request->headers, &script->host_headers);
    put_all(&request->headers, &job.script_headers);
    put_all(&request->headers, &script->user_headers);
    request->body_len = job.body.len;
    request->body = buf_take(&job.body);
    buf_fini(&job.packed);
    list_fini(&job.script_headers);
    *out = request;
    return SCRIPT_STEP_OK;
}
