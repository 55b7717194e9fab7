/* A stage's report and live figures as plain Lua tables: what `done` and `interval` get, and
 * whatever else tells a script how a stage went. The rows of WORD_SUMMARY and WORD_STATS name their
 * fields. All raise a Lua error when memory is short: call them under the protected call. */
#pragma once

struct lua_State;
struct live;
struct report;

/* The keys are those of the JSON report, with `counts` laid flat; what has no value is nil. `last`
 * is for the caller to add. */
void summary_push(struct lua_State *lua, const struct report *report); // -- summary
/* `shared` is for the caller to add. */
void live_push(struct lua_State *lua, const struct live *live); // -- stats
