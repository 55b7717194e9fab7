/* What goes into a body beside what build_request returned. Later ones win: the query template, the
 * data item's own model and max_tokens, the sampling options, --hyperparameters, --parameters,
 * --extra-args. Objects are merged field by field, everything else is replaced. */
#include <stdlib.h>
#include <string.h>

#include "script/state.h"

/* ---- options ---- */

static bool travels(const struct script *script, const struct opt_row *row)
{
    return row->body && opt_origin(script->opts, row) > OPT_DEFAULT;
}

/* Options that are no single field of the body. */
static const char *const whole_options[] = {"query-template", "hyperparameters", "parameters",
                                            "extra-args"};

static bool option_there(const struct script *script, const char *name)
{
    const char *text = opts_text(script->opts, name);
    const struct list *list = opts_list(script->opts, name);
    return text || (list && list->count > 0);
}

void merge_names(const struct script *script, struct buf *names)
{
    for (size_t i = 0; script->opts && i < script->opts->count; i++)
        if (travels(script, &script->opts->rows[i]))
            buf_printf(names, "%s--%s", names->len ? ", " : "", script->opts->rows[i].name);
    for (size_t i = 0; i < sizeof whole_options / sizeof *whole_options; i++)
        if (option_there(script, whole_options[i]))
            buf_printf(names, "%s--%s", names->len ? ", " : "", whole_options[i]);
}

/* ---- tables ---- */

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

/* A table that would be a JSON object: no list, and not marked as one. */
static bool is_object(lua_State *lua, int index)
{
    if (!lua_istable(lua, index))
        return false;
    index = absolute(lua, index);
    lua_rawgeti(lua, index, 1); // -- first
    bool object = lua_isnil(lua, -1);
    lua_pop(lua, 1); // --
    if (object && lua_getmetatable(lua, index)) {
        // -- meta
        slot_push(lua, SLOT_ARRAY_MARK); // -- meta mark
        object = !lua_rawequal(lua, -1, -2);
        lua_pop(lua, 2); // --
    }
    return object;
}

static void merge_object(lua_State *lua, int into, int from);

/* -- key value → -- key */
static void merge_field(lua_State *lua, int into)
{
    int value = lua_gettop(lua), key = value - 1;
    lua_pushvalue(lua, key); // -- key value key
    lua_rawget(lua, into);   // -- key value old
    if (is_object(lua, value) && is_object(lua, value + 1)) {
        push_copy(lua);                            // -- key value old new
        merge_object(lua, lua_gettop(lua), value); // -- key value old new
    } else {
        lua_pushvalue(lua, value); // -- key value old new
    }
    lua_pushvalue(lua, key); // -- key value old new key
    lua_insert(lua, -2);     // -- key value old key new
    lua_rawset(lua, into);   // -- key value old
    lua_settop(lua, key);    // -- key
}

/* Puts the fields of `from` into the table at `into`, which is ours; the tables within it may be
 * the script's and are copied before they change. */
static void merge_object(lua_State *lua, int into, int from)
{
    luaL_checkstack(lua, 16, "objects are nested too deep to be merged");
    lua_pushnil(lua); // -- key
    while (lua_next(lua, from))
        merge_field(lua, into); // -- key
}

/* -- into → -- into */
static void merge_slot(lua_State *lua, enum slot slot)
{
    int into = lua_gettop(lua);
    slot_push(lua, slot); // -- into from
    if (lua_istable(lua, -1))
        merge_object(lua, into, into + 1);
    lua_settop(lua, into); // -- into
}

/* ---- reading the options ---- */

/* -- object */
static void push_option(lua_State *lua, struct script *script, const char *name, const char *text)
{
    if (!json_push_text(lua, script, span_text(text), JSON_KEEP_NULL | JSON_EXACT))
        throw_error(lua, "--%s is not JSON: %s", name, json_text_error(script));
    // -- object
    if (!is_object(lua, -1))
        throw_error(lua, "--%s must be a JSON object ({…}), not %s", name,
                    lua_istable(lua, -1) ? "a list" : value_kind(lua, -1));
    buf_clear(&script->text);
    json_encode(lua, script, -1, name, "", &script->text); /* throws if no body could hold it */
}

static void take_option(lua_State *lua, struct script *script, const char *name, enum slot slot)
{
    const char *text = opts_text(script->opts, name);
    if (text) {
        push_option(lua, script, name, text); // -- object
        slot_take(lua, slot);                 // --
    }
}

/* Whether the text is a number as JSON has it. */
static bool is_json_number(struct span text)
{
    struct json json;
    json_init(&json, text.data, text.len);
    bool number = json_next(&json) == JSON_NUMBER && json.text.len == text.len &&
                  json_next(&json) == JSON_END;
    json_fini(&json);
    return number;
}

/* "bool_true", "bool_false", a number (its digits as they stand), else a string. -- value */
static void push_parameter(lua_State *lua, const char *text)
{
    char *end = NULL;
    double number = strtod(text, &end);
    bool numeric =
        *text && !*end && strspn(text, "+-.0123456789eE") == strlen(text) && number - number == 0;
    if (strcmp(text, "bool_true") == 0 || strcmp(text, "bool_false") == 0)
        lua_pushboolean(lua, text[5] == 't');
    else if (is_json_number(span_text(text)))
        json_push_exact(lua, span_text(text));
    else if (numeric) /* "+5", ".5": numbers, but not as JSON writes them */
        lua_pushnumber(lua, number);
    else
        lua_pushstring(lua, text);
}

static void take_parameters(lua_State *lua, const struct script *script)
{
    const struct list *list = opts_list(script->opts, "parameters");
    lua_newtable(lua); // -- parameters
    for (size_t i = 0; list && i < list->count; i++) {
        const char *word = list->items[i], *equals = strchr(word, '=');
        if (!equals || equals == word)
            throw_error(lua, "--parameters \"%.200s\": a parameter is NAME=VALUE", word);
        lua_pushlstring(lua, word, (size_t)(equals - word)); // -- parameters name
        push_parameter(lua, equals + 1);                     // -- parameters name value
        lua_rawset(lua, -3);                                 // -- parameters
    }
    slot_take(lua, SLOT_PARAMETERS); // --
}

/* ---- whether answers are streamed ---- */

/* Takes `stream` of an option's object, if it says so there. */
static bool stream_of(lua_State *lua, enum slot slot, bool *stream)
{
    bool said = false;
    slot_push(lua, slot); // -- object
    if (lua_istable(lua, -1)) {
        lua_getfield(lua, -1, "stream"); // -- object stream
        said = lua_isboolean(lua, -1);
        if (said)
            *stream = lua_toboolean(lua, -1);
        lua_pop(lua, 1); // -- object
    }
    lua_pop(lua, 1); // --
    return said;
}

static void forget_field(lua_State *lua, enum slot slot, const char *name)
{
    slot_push(lua, slot); // -- object
    lua_pushnil(lua);     // -- object nil
    lua_setfield(lua, -2, name);
    lua_pop(lua, 1); // --
}

/* The script shall know of streaming whoever asked for it. */
static void settle_stream(lua_State *lua, struct script *script)
{
    bool given = script->opts && opt_given(script->opts, "stream");
    bool flag = opts_flag(script->opts, "stream");
    script->stream = flag;
    if (given && script->has_template) {
        /* --stream beats the template */
        forget_field(lua, SLOT_TEMPLATE, "stream");
        if (!flag)
            forget_field(lua, SLOT_TEMPLATE, "stream_options");
    }
    if (!stream_of(lua, SLOT_EXTRA_ARGS, &script->stream) &&
        !stream_of(lua, SLOT_PARAMETERS, &script->stream) &&
        !stream_of(lua, SLOT_HYPERPARAMETERS, &script->stream))
        stream_of(lua, SLOT_TEMPLATE, &script->stream);
}

/* ---- the template ---- */

/* Whether a field of the table at the top holds the mark. */
static bool field_has(lua_State *lua, const char *name, char mark)
{
    lua_getfield(lua, -1, name); // -- table field
    bool has = template_has(lua, -1, mark);
    lua_pop(lua, 1); // -- table
    return has;
}

static void read_template(lua_State *lua, struct script *script)
{
    slot_push(lua, SLOT_TEMPLATE); // -- template
    script->has_template = lua_istable(lua, -1);
    if (!script->has_template)
        return;
    if (template_has(lua, -1, 'm') && !script->model)
        throw_error(lua, "--query-template has %%m, the model, but there is no --model");
    script->template_model = field_has(lua, "model", 'm');
    script->template_messages = field_has(lua, "messages", 'p');
    lua_getfield(lua, -1, "input"); // -- template input
    if (lua_istable(lua, -1))
        script->template_input = field_has(lua, "messages", 'p');
    lua_pop(lua, 2); // --
}

/* The template's messages stay only if they hold the prompt, and the prompt is one message.
 * -- … body … template → the same */
static void settle_messages(lua_State *lua, int body, int template, int messages, bool marked)
{
    lua_getfield(lua, template, "messages"); // -- old
    bool there = !lua_isnil(lua, -1);
    lua_pop(lua, 1); // --
    if (!there || (marked && messages_single(lua, messages)))
        return;
    bool built = false;
    if (lua_istable(lua, body)) {
        lua_getfield(lua, body, "messages"); // -- own
        built = !lua_isnil(lua, -1);
        lua_pop(lua, 1); // --
    }
    if (built || !lua_istable(lua, messages))
        lua_pushnil(lua); // -- nil
    else
        lua_pushvalue(lua, messages);        // -- messages
    lua_setfield(lua, template, "messages"); // --
}

static void settle_input(lua_State *lua, struct script *script, int body, int template,
                         int messages)
{
    lua_getfield(lua, body, "input");     // -- own
    lua_getfield(lua, template, "input"); // -- own input
    if (lua_istable(lua, -1))
        settle_messages(lua, lua_gettop(lua) - 1, lua_gettop(lua), messages,
                        script->template_input);
    lua_pop(lua, 2); // --
}

/* A model that was given, which the script has put in its place, beats the template's, unless that
 * is made of it. */
static void settle_model(lua_State *lua, struct script *script, int body, int template,
                         struct span model)
{
    lua_getfield(lua, body, "model"); // -- own
    if (model.data && !lua_isnil(lua, -1) && !script->template_model) {
        lua_pushnil(lua);                     // -- own nil
        lua_setfield(lua, template, "model"); // -- own
    }
    lua_pop(lua, 1); // --
}

/* -- model: the item's own, else the run's */
static void push_model(lua_State *lua, const struct script *script, int item)
{
    lua_getfield(lua, item, "model"); // -- model
    if (lua_isnil(lua, -1) && script->model) {
        lua_pop(lua, 1);                    // --
        lua_pushstring(lua, script->model); // -- model
    }
}

/* -- body → -- body */
static void lay_template(lua_State *lua, struct script *script, int item, int messages)
{
    if (!script->has_template)
        return;
    int body = lua_gettop(lua);
    push_model(lua, script, item);      // -- body model
    prompt_push(lua, script, messages); // -- body model prompt
    struct fill fill = {.model = lua_span(lua, -2), .prompt = lua_span(lua, -1)};
    if (!fill.prompt.data)
        fill.prompt = span_of("", 0);
    slot_push(lua, SLOT_TEMPLATE);         // -- body model prompt template
    template_push(lua, script, -1, &fill); // -- … filled
    int filled = lua_gettop(lua);
    settle_messages(lua, body, filled, messages, script->template_messages);
    settle_input(lua, script, body, filled, messages);
    settle_model(lua, script, body, filled, fill.model);
    merge_object(lua, body, filled);
    lua_settop(lua, body); // -- body
}

/* ---- the rest ---- */

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

/* -- body place → the same */
static void put_item_tokens(lua_State *lua, const struct script *script, int item)
{
    const struct opt_row *row = script->opts ? opt_find(script->opts, "max-tokens") : NULL;
    lua_getfield(lua, item, "max_tokens"); // -- body place tokens
    if (lua_isnil(lua, -1))
        lua_pop(lua, 1); // -- body place
    else
        param_put(lua, row && row->body ? row->body : "max_tokens"); // -- body place
}

/* -- value: a number with the digits it was given with */
static void push_given(lua_State *lua, const struct opt_set *opts, const struct opt_row *row)
{
    if (row->type == &opt_exact_integer || row->type == &opt_exact_number)
        json_push_exact(lua, span_text(*(char *const *)opt_field(opts, row)));
    else
        opt_push(lua, opts, row);
}

static void put_given(lua_State *lua, const struct script *script)
{
    for (size_t i = 0; script->opts && i < script->opts->count; i++) {
        const struct opt_row *row = &script->opts->rows[i];
        if (!travels(script, row))
            continue;
        push_given(lua, script->opts, row); // -- body place value
        param_put(lua, row->body);          // -- body place
    }
}

/* -- body → the same */
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

void merge_body(lua_State *lua, struct script *script, int item, int messages)
{
    push_copy(lua);                            // -- table body
    put_item_model(lua, item);                 // -- table body
    lay_template(lua, script, item, messages); // -- table body
    push_params_place(lua, script);            // -- table body place
    put_item_tokens(lua, script, item);        // -- table body place
    put_given(lua, script);                    // -- table body place
    merge_slot(lua, SLOT_HYPERPARAMETERS);     // -- table body place
    merge_slot(lua, SLOT_PARAMETERS);          // -- table body place
    merge_slot(lua, SLOT_EXTRA_ARGS);          // -- table body place
    lua_pop(lua, 1);                           // -- table body
    lua_remove(lua, -2);                       // -- body
}

void merge_read(lua_State *lua, struct script *script, void *arg)
{
    (void)arg;
    take_option(lua, script, "query-template", SLOT_TEMPLATE);
    take_option(lua, script, "hyperparameters", SLOT_HYPERPARAMETERS);
    take_option(lua, script, "extra-args", SLOT_EXTRA_ARGS);
    take_parameters(lua, script);
    read_template(lua, script);
    settle_stream(lua, script);
}
