/* The modules `time` and `random`, and the global function `secret`. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "script/modules.h"
#include "script/state.h"

void only_where_blocking(lua_State *lua, const char *what)
{
    if (!script_of(lua)->may_block)
        throw_error(lua,
                    "%s can only be used in setup and refresh: anywhere else it would hold up "
                    "the run",
                    what);
}

/* ---- time ---- */

int time_lua_now(lua_State *lua)
{
    lua_pushnumber(lua, clock_seconds(clock_wall_ns())); // -- seconds
    return 1;
}

int time_lua_monotonic(lua_State *lua)
{
    lua_pushnumber(lua, clock_seconds(clock_now_ns())); // -- seconds
    return 1;
}

int time_lua_iso8601(lua_State *lua)
{
    static const double year_10000 = 253402300800;
    double seconds =
        lua_isnoneornil(lua, 1) ? clock_seconds(clock_wall_ns()) : luaL_checknumber(lua, 1);
    if (!(seconds >= 0 && seconds < year_10000))
        throw_error(lua, "time.iso8601 takes seconds from 0 to the year 9999, not %.17g", seconds);
    double whole = floor(seconds);
    time_t stamp = (time_t)whole;
    struct tm parts;
    char date[32], text[48];
    gmtime_r(&stamp, &parts);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    /* doubles of today hold a quarter of a microsecond: what looks like .9999999 is the next */
    int ms = (int)((seconds - whole) * 1000 + 1e-3);
    snprintf(text, sizeof text, "%s.%03dZ", date, ms > 999 ? 999 : ms);
    lua_pushstring(lua, text); // -- text
    return 1;
}

/* False: told to leave. */
static bool sleep_until(struct script *script, uint64_t until_ns)
{
    static const uint64_t slice_ns = 100 * NS_PER_MS;
    for (uint64_t now; (now = clock_now_ns()) < until_ns && !watched_hurried(script);) {
        uint64_t rest_ns = until_ns - now < slice_ns ? until_ns - now : slice_ns;
        struct timespec rest = {.tv_nsec = (long)rest_ns};
        nanosleep(&rest, NULL);
    }
    return clock_now_ns() >= until_ns;
}

int time_lua_sleep(lua_State *lua)
{
    static const double longest = 3600;
    double seconds = luaL_checknumber(lua, 1);
    only_where_blocking(lua, "time.sleep");
    if (!(seconds >= 0 && seconds <= longest))
        throw_error(lua, "time.sleep takes 0 to 3600 seconds, not %.17g", seconds);
    watched_wait(script_of(lua));
    bool whole = sleep_until(script_of(lua), clock_now_ns() + (uint64_t)(seconds * 1e9));
    watched_go_on(script_of(lua));
    if (!whole)
        throw_error(lua, "time.sleep: interrupted");
    return 0;
}

/* ---- random ---- */

int random_lua_integer(lua_State *lua)
{
    double low = luaL_checknumber(lua, 1), high = luaL_checknumber(lua, 2);
    if (!whole_number(fabs(low)) || !whole_number(fabs(high)) || low > high)
        throw_error(lua,
                    "random.integer takes two whole numbers, the lower one first, not %.17g and "
                    "%.17g",
                    low, high);
    uint64_t drawn = rng_below(&script_of(lua)->random, (uint64_t)(high - low) + 1);
    lua_pushnumber(lua, low + (double)drawn); // -- number
    return 1;
}

int random_lua_float(lua_State *lua)
{
    lua_pushnumber(lua, rng_unit(&script_of(lua)->random)); // -- number
    return 1;
}

int random_lua_exponential(lua_State *lua)
{
    double mean = luaL_checknumber(lua, 1);
    if (!(mean >= 0 && isfinite(mean)))
        throw_error(lua, "random.exponential takes a mean from 0, not %.17g", mean);
    lua_pushnumber(lua, rng_exponential(&script_of(lua)->random, mean)); // -- number
    return 1;
}

int random_lua_normal(lua_State *lua)
{
    double mean = luaL_optnumber(lua, 1, 0), deviation = luaL_optnumber(lua, 2, 1);
    if (!isfinite(mean) || !(deviation >= 0 && isfinite(deviation)))
        throw_error(lua, "random.normal takes a mean and a deviation from 0, not %.17g and %.17g",
                    mean, deviation);
    lua_pushnumber(lua, mean + deviation * rng_normal(&script_of(lua)->random)); // -- number
    return 1;
}

static int draw(lua_State *lua)
{
    struct rng *rng = lua_touserdata(lua, lua_upvalueindex(1));
    double most = luaL_checknumber(lua, 1);
    if (!whole_number(most) || most < 1)
        throw_error(lua, "a draw is from 1 to a whole number, not to %.17g", most);
    lua_pushnumber(lua, 1 + (double)rng_below(rng, (uint64_t)most)); // -- number
    return 1;
}

int random_lua_generator(lua_State *lua)
{
    struct rng *rng = lua_newuserdata(lua, sizeof *rng); // -- rng
    rng_init(rng, script_of(lua)->seed);
    lua_pushcclosure(lua, draw, 1); // -- draw
    return 1;
}

/* ---- secret ---- */

int secret_lua(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TSTRING);
    struct script *script = script_of(lua);
    struct span value = lua_span(lua, 1);
    if (value.len < SECRETS_SHORTEST)
        secrets_register(script->secrets, value, "a script's secret", script->log);
    else if (!secrets_add(script->secrets, value))
        throw_error(lua, "secret: %d values are hidden already, and no more can be", SECRETS_MOST);
    lua_settop(lua, 1); // -- value
    return 1;
}
