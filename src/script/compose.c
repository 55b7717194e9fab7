/* From a data set's item to a request: build_request, the merge of options into the body, headers.
 */
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

/* ---- options that travel in the body ---- */

static bool travels(const struct script *script, const struct opt_row *row)
{
    return row->body && opt_origin(script->opts, row) > OPT_DEFAULT;
}

/* "--temperature, --stop": those given; empty when none is. */
static void given_names(const struct script *script, struct buf *names)
{
    for (size_t i = 0; script->opts && i < script->opts->count; i++)
        if (travels(script, &script->opts->rows[i]))
            buf_printf(names, "%s--%s", names->len ? ", " : "", script->opts->rows[i].name);
}

/* The body key of --max-tokens, and whether the command line gave it. */
static const char *max_tokens_key(const struct script *script, bool *given)
{
    const struct opt_row *row = script->opts ? opt_find(script->opts, "max-tokens") : NULL;
    *given = row && travels(script, row);
    return row && row->body ? row->body : "max_tokens";
}

/* -- copy: of the table at the top, one level deep, its mark kept */
static void push_copy(lua_State *lua)
{
    lua_newtable(lua);             // -- table copy
    if (lua_getmetatable(lua, -2)) // -- table copy [meta]
        lua_setmetatable(lua, -2); // -- table copy
    lua_pushnil(lua);              // -- table copy key
    while (lua_next(lua, -3)) {    // -- table copy key value
        lua_pushvalue(lua, -2);    // -- table copy key value key
        lua_insert(lua, -2);       // -- table copy key key value
        lua_rawset(lua, -4);       // -- table copy key
    }
}

/* Goes from the body's copy to the table at params_at, copying or making the tables on the way: the
 * script may keep using its own. -- body → -- body place */
static void push_params_place(lua_State *lua, const struct script *script)
{
    struct span rest = script->params_at;
    lua_pushvalue(lua, -1); // -- body place
    while (rest.len > 0) {
        const char *dot = memchr(rest.data, '.', rest.len);
        struct span name = span_of(rest.data, dot ? (size_t)(dot - rest.data) : rest.len);
        rest = dot ? span_of(dot + 1, rest.len - name.len - 1) : span_of(NULL, 0);
        push_span(lua, name); // -- body place name
        lua_rawget(lua, -2);  // -- body place old
        if (lua_istable(lua, -1))
            push_copy(lua); // -- body place old new
        else if (lua_isnil(lua, -1))
            lua_newtable(lua); // -- body place old new
        else
            throw_error(lua, "body.%.*s is %s, so no option can be put there",
                        (int)(name.data + name.len - script->params_at.data),
                        script->params_at.data, value_kind(lua, -1));
        lua_remove(lua, -2);    // -- body place new
        push_span(lua, name);   // -- body place new name
        lua_pushvalue(lua, -2); // -- body place new name new
        lua_rawset(lua, -4);    // -- body place new
        lua_remove(lua, -2);    // -- body new
    }
}

/* The item's max_tokens, if it has one and the command line did not. -- body place */
static void put_item_tokens(lua_State *lua, const struct script *script, int item)
{
    bool given = false;
    const char *key = max_tokens_key(script, &given);
    lua_getfield(lua, item, "max_tokens"); // -- body place tokens
    if (given || lua_isnil(lua, -1))
        lua_pop(lua, 1); // -- body place
    else
        lua_setfield(lua, -2, key); // -- body place
}

static void put_given(lua_State *lua, const struct script *script)
{
    for (size_t i = 0; script->opts && i < script->opts->count; i++) {
        const struct opt_row *row = &script->opts->rows[i];
        if (!travels(script, row))
            continue;
        opt_push(lua, script->opts, row); // -- body place value
        lua_setfield(lua, -2, row->body); // -- body place
    }
}

static void put_item_model(lua_State *lua, int item)
{
    lua_getfield(lua, item, "model"); // -- body model
    lua_getfield(lua, -2, "model");   // -- body model old
    if (lua_isnil(lua, -1) || lua_isnil(lua, -2))
        lua_pop(lua, 2); // -- body
    else {
        lua_pop(lua, 1);                // -- body model
        lua_setfield(lua, -2, "model"); // -- body
    }
}

static void merge_options(lua_State *lua, const struct script *script, int item)
{
    push_copy(lua);                     // -- table body
    put_item_model(lua, item);          // -- table body
    push_params_place(lua, script);     // -- table body place
    put_item_tokens(lua, script, item); // -- table body place
    put_given(lua, script);             // -- table body place
    lua_pop(lua, 1);                    // -- table body
    lua_remove(lua, -2);                // -- body
}

static void refuse_given(lua_State *lua, struct script *script)
{
    buf_clear(&script->text);
    given_names(script, &script->text);
    if (script->text.len > 0)
        throw_error(lua,
                    "a body that is a string cannot take options from the command line (%.*s); "
                    "return a table or leave them out",
                    (int)script->text.len, script->text.data);
}

/* ---- the body ---- */

static void store_text(lua_State *lua, struct script *script, struct compose_job *job)
{
    struct span text = lua_span(lua, -1);
    if (!buf_add_span(&job->body, text))
        throw_error(lua, "the body has %zu bytes, more than the %zu allowed", text.len,
                    script->body_limit);
}

static void store_table(lua_State *lua, struct script *script, struct compose_job *job)
{
    json_encode(lua, script, -1, "body", &job->body);
}

/* -- result: build_request's first */
static void store_body(lua_State *lua, struct script *script, struct compose_job *job, int item)
{
    if (lua_type(lua, -1) == LUA_TSTRING) {
        refuse_given(lua, script);
        store_text(lua, script, job);
    } else if (lua_istable(lua, -1)) {
        merge_options(lua, script, item); // -- body
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
        given_names(script, &script->text);
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

/* The `headers` of the table at `index`: a map, or a list of lines. */
static void take_headers(lua_State *lua, struct list *lines, int index, const char *where)
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

static const char *text_field(lua_State *lua, int index, const char *name)
{
    lua_getfield(lua, index, name); // -- text: stays, so that it lives
    return lua_tostring(lua, -1);
}

static void take_target(lua_State *lua, struct request *request, int send)
{
    const char *url = text_field(lua, send, "url");       // -- url
    const char *method = text_field(lua, send, "method"); // -- url method
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
    take_headers(lua, &job->script_headers, send, where);
    lua_getfield(lua, send, "user"); // -- user
    if (!lua_isnil(lua, -1)) {
        value_pack(lua, -1, "user", &job->packed);
        take_packed(job, &job->request->user, &job->request->user_len);
    }
    lua_pop(lua, 1); // --
}

static void take_item_facts(lua_State *lua, struct compose_job *job, int item)
{
    take_headers(lua, &job->script_headers, item, "the item");
    lua_getfield(lua, item, "delay"); // -- delay
    job->request->delay_ns = (uint64_t)(lua_tonumber(lua, -1) * (double)NS_PER_S);
    lua_pop(lua, 1); // --
    value_pack(lua, item, "the item", &job->packed);
    take_packed(job, &job->request->prompt, &job->request->prompt_len);
}

/* What build_request is given of an item. -- messages */
static void push_messages(lua_State *lua, int item)
{
    lua_getfield(lua, item, "messages"); // -- messages
    if (!lua_isnil(lua, -1))
        return;
    lua_pop(lua, 1);                   // --
    lua_createtable(lua, 1, 0);        // -- messages
    lua_createtable(lua, 0, 2);        // -- messages message
    lua_pushliteral(lua, "user");      // -- messages message role
    lua_setfield(lua, -2, "role");     // -- messages message
    lua_getfield(lua, item, "prompt"); // -- messages message prompt
    lua_setfield(lua, -2, "content");  // -- messages message
    lua_rawseti(lua, -2, 1);           // -- messages
}

static void build(lua_State *lua, struct script *script, void *arg)
{
    struct compose_job *job = arg;
    slot_push(lua, SLOT_ITEM); // -- item
    int item = lua_gettop(lua);
    take_item_facts(lua, job, item);
    lua_getfield(lua, item, "body"); // -- item body
    if (!lua_isnil(lua, -1)) {
        store_item_body(lua, script, job);
        return;
    }
    slot_push(lua, SLOT_API);                                        // -- item nil api
    lua_getfield(lua, -1, "build_request");                          // -- … hook
    push_messages(lua, item);                                        // -- … hook messages
    slot_push(lua, SLOT_OPTS);                                       // -- … hook messages opts
    ctx_push(lua, script, job->request->index, job->request->stage); // -- … ctx
    lua_pushvalue(lua, item);                                        // -- … ctx item
    lua_setfield(lua, -2, "prompt");                                 // -- … ctx
    lua_call(lua, 3, 2);                                             // -- … body send
    take_send(lua, job, lua_gettop(lua));
    lua_pop(lua, 1); // -- … body
    store_body(lua, script, job, item);
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
    buf_init(&job.body, script->body_limit);
    buf_init(&job.packed, PACK_LIMIT);
    if (!state_run(script, "build_request", build, &job, &fault))
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
