/* The items of the data set: asked of build_messages' iterator one ahead, brought into one shape.
 */
#include <stdio.h>
#include <string.h>

#include "script/state.h"

static const char the_iterator[] = "the iterator";

/* ---- one item ---- */

static void check_message(lua_State *lua, int number)
{
    if (!lua_istable(lua, -1))
        throw_error(lua, "messages[%d] must be a table {role=, content=}, not %s", number,
                    value_kind(lua, -1));
    lua_getfield(lua, -1, "role"); // -- message role
    if (lua_type(lua, -1) != LUA_TSTRING)
        throw_error(lua, "messages[%d]: 'role' must be a string, not %s", number,
                    value_kind(lua, -1));
    lua_pop(lua, 1); // -- message
}

static void check_messages(lua_State *lua)
{
    int count = (int)lua_objlen(lua, -1);
    if (count == 0)
        throw_error(lua, "'messages' is empty; it must be a list of {role=, content=}");
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(lua, -1, i); // -- messages message
        check_message(lua, i);
        lua_pop(lua, 1); // -- messages
    }
}

/* Of an item's fields only the contract's own are checked; the others are the script's. */
static void check_item_fields(lua_State *lua)
{
    const struct script_word *word;
    bool says_something = false;
    for (size_t i = 0; (word = script_word_at(i)); i++) {
        if (word->kind != WORD_ITEM)
            continue;
        lua_getfield(lua, -1, word->name); // -- item value
        if (!lua_isnil(lua, -1)) {
            word_check(lua, word, "the item");
            if (strcmp(word->name, "messages") == 0)
                check_messages(lua);
            says_something |= strcmp(word->name, "messages") == 0 ||
                              strcmp(word->name, "prompt") == 0 || strcmp(word->name, "body") == 0;
        }
        lua_pop(lua, 1); // -- item
    }
    if (!says_something)
        throw_error(lua, "the item has neither messages nor prompt nor body");
}

/* A list with named fields beside its messages would lose them. */
static void check_pure_list(lua_State *lua)
{
    lua_pushnil(lua); // -- list key
    while (lua_next(lua, -2)) {
        // -- list key value
        if (lua_type(lua, -2) == LUA_TSTRING)
            throw_error(
                lua,
                "an item that is a list of messages cannot have the field '%s' as well; put "
                "the list into the field 'messages'",
                lua_tostring(lua, -2));
        lua_pop(lua, 1); // -- list key
    }
}

static void unused_time(struct script *script, bool *warned, const char *name, const char *why)
{
    if (!*warned)
        log_warn(script->log,
                 "data set '%s': the times that its items give in '%s' are not used; %s",
                 script->facts.dataset_name, name, why);
    *warned = true;
}

/* A trace has to say when each of its items is due, in order. */
static void check_trace(lua_State *lua, struct script *script, bool has_at, double at)
{
    if (!has_at)
        throw_error(lua,
                    "the item has no 'at', the time at which --arrival trace sends it (seconds "
                    "from 0 to 10^9, counted from the start)");
    if (at < script->item_at)
        throw_error(lua,
                    "the item's 'at' is %.17g, less than the %.17g of the item before it; the "
                    "times of a trace must not decrease",
                    at, script->item_at);
    script->item_at = at;
}

/* Which of an item's times count depends on the load. */
static void check_times(lua_State *lua, struct script *script)
{
    // -- item
    lua_getfield(lua, -1, "at");    // -- item at
    lua_getfield(lua, -2, "delay"); // -- item at delay
    bool has_at = !lua_isnil(lua, -2);
    double at = lua_tonumber(lua, -2), delay = lua_tonumber(lua, -1);
    lua_pop(lua, 2); // -- item
    if (script->pace == SCRIPT_TRACE)
        check_trace(lua, script, has_at, at);
    else if (has_at)
        unused_time(script, &script->warned_at, "at", "--arrival trace replays them");
    if (script->pace != SCRIPT_CLOSED && delay > 0)
        unused_time(script, &script->warned_delay, "delay",
                    "they are think time in a closed loop, and here each request has its own time");
}

/* value → item: a string is a prompt, a list is messages. */
static void shape_item(lua_State *lua)
{
    const char *field = NULL;
    if (lua_type(lua, -1) == LUA_TSTRING) {
        field = "prompt";
    } else if (lua_istable(lua, -1)) {
        lua_rawgeti(lua, -1, 1); // -- value first
        field = lua_isnil(lua, -1) ? NULL : "messages";
        lua_pop(lua, 1); // -- value
        if (field)
            check_pure_list(lua);
    } else {
        throw_error(lua, "an item must be messages, a string or a table, not %s",
                    value_kind(lua, -1));
    }
    if (field) {
        lua_newtable(lua);            // -- value item
        lua_insert(lua, -2);          // -- item value
        lua_setfield(lua, -2, field); // -- item
    }
    check_item_fields(lua);
}

/* ---- the iterator ---- */

static void begin_items(lua_State *lua, struct script *script, void *arg)
{
    (void)arg;
    static const char wanted[] = "an iterator (one function that gives the next item)";
    slot_push(lua, SLOT_DATASET); // -- dataset
    int base = lua_gettop(lua);
    lua_getfield(lua, -1, "build_messages");              // -- dataset hook
    slot_push(lua, SLOT_OPTS);                            // -- dataset hook opts
    lua_createtable(lua, 0, 2);                           // -- dataset hook opts ctx
    slot_push(lua, SLOT_SETUP);                           // -- dataset hook opts ctx setup
    lua_setfield(lua, -2, "setup");                       // -- dataset hook opts ctx
    lua_pushnumber(lua, script_seed(script, UINT64_MAX)); // -- dataset hook opts ctx seed
    lua_setfield(lua, -2, "seed");                        // -- dataset hook opts ctx
    lua_call(lua, 2, LUA_MULTRET);                        // -- dataset iterator
    results_keep(lua, base, 1, wanted);                   // -- dataset iterator
    if (!lua_isfunction(lua, -1))
        throw_error(lua, "must return %s, not %s", wanted, value_kind(lua, -1));
    place_note(lua, script, the_iterator);
    slot_take(lua, SLOT_ITERATOR); // -- dataset
    script->item_count = 0;
    script->item_at = 0;
    script->item_taken = false;
}

static void take_prompt(lua_State *lua, struct script *script)
{
    script->item_taken = !script->prompt_used;
    script->prompt_used = true;
    lua_createtable(lua, 0, 1);          // -- item
    lua_pushstring(lua, script->prompt); // -- item prompt
    lua_setfield(lua, -2, "prompt");     // -- item
    slot_take(lua, SLOT_ITEM);           // --
}

/* An item is counted once, however often the data is read. */
static void leave_out(struct script *script)
{
    if (script->item_count > script->item_seen)
        script->outside++;
}

/* The iterator's next item. -- item, or nil at the end */
static void push_item(lua_State *lua, struct script *script)
{
    slot_push(lua, SLOT_ITERATOR); // -- iterator
    if (lua_isnil(lua, -1))        /* it has ended before */
        return;
    lua_call(lua, 0, 2); // -- value second
    if (lua_isnil(lua, -2) && lua_type(lua, -1) == LUA_TSTRING)
        throw_error(lua,
                    "the iterator gave nil and \"%.200s\"; nil alone ends the data, and what "
                    "went wrong is raised: error(message)",
                    lua_tostring(lua, -1));
    lua_pop(lua, 1); // -- value
    if (lua_isnil(lua, -1)) {
        slot_clear(lua, SLOT_ITERATOR);
        return;
    }
    shape_item(lua); // -- item
    check_times(lua, script);
    script->item_count++;
}

static void take_item(lua_State *lua, struct script *script, void *arg)
{
    (void)arg;
    if (script->prompt) {
        take_prompt(lua, script);
        return;
    }
    for (;;) {
        push_item(lua, script); // -- item
        if (lua_isnil(lua, -1))
            return;
        bool fits = prompt_fits(lua, script, lua_gettop(lua));
        if (!fits)
            leave_out(script);
        if (script->item_count > script->item_seen)
            script->item_seen = script->item_count;
        if (fits)
            break;
        lua_pop(lua, 1); // --
    }
    slot_take(lua, SLOT_ITEM); // --
    script->item_taken = true;
}

bool items_blame(const struct script *script, struct err *err)
{
    state_place(script, the_iterator, err);
    return err_prefix(err, "data set '%s', item %llu", script->facts.dataset_name,
                      (unsigned long long)script->item_count);
}

static bool take_ahead(struct script *script, struct err *err)
{
    if (state_do(script, the_iterator, take_item, NULL, err))
        return true;
    state_place(script, the_iterator, err);
    return err_prefix(err, "data set '%s', item %llu", script->facts.dataset_name,
                      (unsigned long long)script->item_count + 1);
}

bool script_rewind(struct script *script, struct err *err)
{
    script->prompt_used = false;
    script->item_taken = false;
    return script->prompt || state_run(script, "build_messages", begin_items, NULL, err);
}

/* Those passed over have been counted before, by whoever used them. */
static void pass_over(lua_State *lua, struct script *script, void *arg)
{
    const uint64_t *items = arg;
    while (script->item_count < *items) {
        push_item(lua, script); // -- item
        bool ended = lua_isnil(lua, -1);
        lua_pop(lua, 1); // --
        if (ended)
            return;
    }
    script->item_seen = script->item_count;
}

uint64_t script_place(const struct script *script)
{
    return script->item_count - (script->item_taken && script->item_count > 0);
}

bool script_pass_over(struct script *script, uint64_t items, struct err *err)
{
    if (script->prompt || script->item_count > items)
        return true; /* the item taken is beyond them */
    script->item_taken = false;
    if (!state_do(script, the_iterator, pass_over, &items, err)) {
        state_place(script, the_iterator, err);
        return err_prefix(err, "data set '%s', item %llu", script->facts.dataset_name,
                          (unsigned long long)script->item_count + 1);
    }
    return script->item_count == items || script_rewind(script, err);
}

bool items_open(struct script *script, struct err *err)
{
    if (!script_rewind(script, err) || !take_ahead(script, err))
        return false;
    if (script->item_taken)
        return true;
    const char *where = script->data_path ? script->data_path : script->facts.dataset_where;
    struct buf why;
    buf_init(&why, 256);
    if (script->malformed)
        buf_printf(&why, "; malformed rows: %llu", (unsigned long long)script->malformed);
    if (script->outside)
        buf_printf(&why, "; outside the prompt length asked for: %llu",
                   (unsigned long long)script->outside);
    err_set(err, "data set '%s' (%s) holds no usable prompt%.*s", script->facts.dataset_name, where,
            (int)why.len, why.len ? why.data : "");
    buf_fini(&why);
    return false;
}

/* "more than 10 and fewer than 100 characters, at most 20 tokens" */
static void length_asked(const struct script *script, char *out, size_t size)
{
    char fewer[64] = "", least[64] = "", most[64] = "";
    if (script->prompt_max != UINT64_MAX)
        snprintf(fewer, sizeof fewer, " and fewer than %llu",
                 (unsigned long long)script->prompt_max);
    if (script->prompt_tokens_min)
        snprintf(least, sizeof least, ", at least %llu tokens",
                 (unsigned long long)script->prompt_tokens_min);
    if (script->prompt_tokens_max != UINT64_MAX)
        snprintf(most, sizeof most, ", at most %llu tokens",
                 (unsigned long long)script->prompt_tokens_max);
    snprintf(out, size, "more than %llu%s characters%s%s", (unsigned long long)script->prompt_min,
             fewer, least, most);
}

void items_report(const struct script *script)
{
    char asked[256] = "";
    if (!script->outside)
        return;
    length_asked(script, asked, sizeof asked);
    log_info(script->log,
             "data set '%s': %llu row%s outside the prompt length asked for (%s) left out",
             script->facts.dataset_name, (unsigned long long)script->outside,
             script->outside == 1 ? "" : "s", asked);
}

bool items_next(struct script *script, bool *end, struct err *err)
{
    if (!script->item_taken && !take_ahead(script, err))
        return false;
    *end = !script->item_taken;
    return true;
}
