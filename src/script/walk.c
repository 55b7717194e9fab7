#include <stdio.h>
#include <stdlib.h>

#include "script/state.h"

void walk_enter(lua_State *lua, struct walk *walk, int index)
{
    const void *table = lua_topointer(lua, index);
    for (unsigned i = 0; i < walk->depth; i++)
        if (walk->steps[i].table == table)
            walk_throw(lua, walk, "this table contains itself");
    if (walk->depth == WALK_DEPTH)
        walk_throw(lua, walk, "nested deeper than %d levels", WALK_DEPTH);
    if (!lua_checkstack(lua, 8))
        walk_throw(lua, walk, "nested too deep");
    walk->steps[walk->depth++] = (struct walk_step){.table = table, .key = span_of("", 0)};
}

void walk_name(struct walk *walk, struct span key)
{
    walk->steps[walk->depth - 1].key = key;
}

void walk_number(struct walk *walk, double index)
{
    walk->steps[walk->depth - 1].key = span_of(NULL, 0);
    walk->steps[walk->depth - 1].index = index;
}

void walk_leave(struct walk *walk)
{
    walk->depth--;
}

/* The path, cut at what `size` holds: it serves a message only. */
static void path_of(const struct walk *walk, char *out, size_t size)
{
    int used = snprintf(out, size, "%s", walk->root);
    for (unsigned i = 0; i < walk->depth && used >= 0 && (size_t)used < size; i++) {
        const struct walk_step *step = &walk->steps[i];
        int more = 0;
        if (!step->key.data)
            more = snprintf(out + used, size - (size_t)used, "[%.17g]", step->index);
        else if (step->key.len > 0)
            more = snprintf(out + used, size - (size_t)used, ".%.*s",
                            step->key.len > 60 ? 60 : (int)step->key.len, step->key.data);
        used += more;
    }
}

void walk_throw(lua_State *lua, const struct walk *walk, const char *format, ...)
{
    char path[512], what[256];
    path_of(walk, path, sizeof path);
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    throw_error(lua, "%s: %s", path, what);
}
