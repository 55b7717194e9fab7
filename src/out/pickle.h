/* Python's pickle format (protocol 2), as far as JSON values need it: dict, list, str, int, float,
 * bool, None. A pickle is a program for a stack machine, so values are written one after another
 * and nothing is kept: no tree, no memo. Pure.
 *
 * The buffer's ceiling is the only thing that can fail: look at `full` once at the end. */
#pragma once

#include "base/buf.h"
#include "wire/json.h"

/* Python refuses to read longer whole numbers from text (sys.int_info.default_max_str_digits). */
enum { PICKLE_MAX_DIGITS = 4300 };

void pickle_begin(struct buf *out);
void pickle_end(struct buf *out);
void pickle_list_begin(struct buf *out); /* values follow, then pickle_list_end */
void pickle_list_end(struct buf *out);
void pickle_text(struct buf *out, struct span text); /* valid UTF-8, may hold NUL */
/* A number as it stands in JSON: int, exact at any size, if it has neither fraction nor exponent,
 * else float; an int of more than PICKLE_MAX_DIGITS digits becomes a str. */
void pickle_number(struct buf *out, struct span text);
/* The whole JSON document. False when it is not valid (json_error says why); what has been written
 * until then is no pickle. */
bool pickle_json(struct buf *out, struct json *json) MUST_CHECK;
