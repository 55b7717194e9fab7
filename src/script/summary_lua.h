/* A stage's report as a plain Lua table: what `done` gets, and whatever else tells a script how a
 * stage went. The rows of WORD_SUMMARY name its fields. */
#pragma once

struct lua_State;
struct report;

/* Pushes the table. Raises a Lua error when memory is short: call it under the protected call. The
 * keys are those of the JSON report, with `counts` laid flat; what has no value is nil. */
void summary_push(struct lua_State *lua, const struct report *report); // -- summary
