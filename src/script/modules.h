/* The C functions of the bundled Lua modules, for the table in contract.c that registers them. */
#pragma once

struct lua_State;

int json_lua_decode(struct lua_State *lua);
int json_lua_encode(struct lua_State *lua);
int json_lua_array(struct lua_State *lua);
int json_lua_object(struct lua_State *lua);
int dataset_lua_lines(struct lua_State *lua);
int dataset_lua_jsonl(struct lua_State *lua);
int dataset_lua_json_list(struct lua_State *lua);
/* log_write(level, text): what the prelude builds log.* and print from. */
int log_lua_write(struct lua_State *lua);
