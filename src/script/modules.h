/* The C functions of the bundled Lua modules, for the rows of the contract that register them. */
#pragma once

struct lua_State;

int json_lua_decode(struct lua_State *lua);
int json_lua_encode(struct lua_State *lua);
int json_lua_field(struct lua_State *lua);
int json_lua_array(struct lua_State *lua);
int json_lua_object(struct lua_State *lua);
int dataset_lua_lines(struct lua_State *lua);
int dataset_lua_jsonl(struct lua_State *lua);
int dataset_lua_json_list(struct lua_State *lua);
int dataset_lua_csv(struct lua_State *lua);
int dataset_lua_rows(struct lua_State *lua);
int dataset_lua_skip(struct lua_State *lua);
int dataset_lua_text(struct lua_State *lua);
int shared_lua_add(struct lua_State *lua);
int shared_lua_max(struct lua_State *lua);
int shared_lua_min(struct lua_State *lua);
int shared_lua_get(struct lua_State *lua);
int template_lua_fill(struct lua_State *lua);
int http_lua_request(struct lua_State *lua);
int crypto_lua_sha256(struct lua_State *lua);
int crypto_lua_sha512(struct lua_State *lua);
int crypto_lua_sha1(struct lua_State *lua);
int crypto_lua_md5(struct lua_State *lua);
int crypto_lua_hmac_sha256(struct lua_State *lua);
int crypto_lua_hmac_sha512(struct lua_State *lua);
int crypto_lua_hmac_sha1(struct lua_State *lua);
int crypto_lua_base64(struct lua_State *lua);
int crypto_lua_unbase64(struct lua_State *lua);
int crypto_lua_base64url(struct lua_State *lua);
int crypto_lua_unbase64url(struct lua_State *lua);
int crypto_lua_hex(struct lua_State *lua);
int crypto_lua_unhex(struct lua_State *lua);
int random_lua_integer(struct lua_State *lua);
int random_lua_float(struct lua_State *lua);
int random_lua_exponential(struct lua_State *lua);
int random_lua_normal(struct lua_State *lua);
/* generator(): a function draw(n) that gives whole numbers from 1 to n, the same ones from every
 * generator of a run. For the prelude. */
int random_lua_generator(struct lua_State *lua);
int time_lua_now(struct lua_State *lua);
int time_lua_monotonic(struct lua_State *lua);
int time_lua_iso8601(struct lua_State *lua);
int time_lua_sleep(struct lua_State *lua);
int tokenizer_lua_encode(struct lua_State *lua);
int tokenizer_lua_decode(struct lua_State *lua);
int tokenizer_lua_count(struct lua_State *lua);
int tokenizer_lua_vocabulary(struct lua_State *lua);
int secret_lua(struct lua_State *lua);
