#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "script/state.h"

/* Up to here every whole number is a double of its own. */
#define EXACT_LIMIT (INT64_C(1) << 53)

/* A zeroed FFI number from its constructor; its eight bytes are then ours to fill. */
static void *push_box(lua_State *lua, enum slot constructor)
{
    slot_push(lua, constructor); // -- constructor
    lua_call(lua, 0, 1);         // -- box
    /* an FFI number's pointer is that of its payload */
    union {
        const void *borrowed;
        void *own;
    } payload = {.borrowed = lua_topointer(lua, -1)};
    return payload.own;
}

void integer_push_signed(lua_State *lua, int64_t value)
{
    if (value >= -EXACT_LIMIT && value <= EXACT_LIMIT)
        lua_pushnumber(lua, (lua_Number)value);
    else
        memcpy(push_box(lua, SLOT_INT64), &value, sizeof value);
}

void integer_push_unsigned(lua_State *lua, uint64_t value)
{
    if (value <= INT64_MAX)
        integer_push_signed(lua, (int64_t)value);
    else
        memcpy(push_box(lua, SLOT_UINT64), &value, sizeof value);
}

bool integer_text(lua_State *lua, int index, char *out, size_t size)
{
    index = absolute(lua, index);
    slot_push(lua, SLOT_TOSTRING); // -- tostring
    lua_pushvalue(lua, index);     // -- tostring value
    lua_call(lua, 1, 1);           // -- text: "-12LL" or "12ULL" if it is an integer
    struct span text = lua_span(lua, -1);
    size_t sign = text.len > 0 && text.data[0] == '-' ? 1 : 0;
    size_t digits = strspn(text.data + sign, "0123456789");
    const char *suffix = text.data + sign + digits;
    bool whole = digits > 0 && (strcmp(suffix, "LL") == 0 || strcmp(suffix, "ULL") == 0);
    if (whole)
        snprintf(out, size, "%.*s", (int)(sign + digits), text.data);
    lua_pop(lua, 1); // --
    return whole;
}
