/* A request: complete and immutable once the composer has made it; owned by one station of the line
 * at a time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct request {
    uint64_t index; /* arrival number within the run, from 0 */
    uint32_t stage;
    uint64_t due_offset_ns; /* open loop: when it is due, counted from the start of the stage; 0 in
                               a closed loop */
    uint64_t delay_ns; /* closed loop: think time before it, counted from the moment the slot became
                          free */

    char *url;
    char *method;        /* "POST" */
    struct list headers; /* "Name: value" lines, all of them */
    char *body;          /* owned bytes, NUL-terminated beyond body_len */
    size_t body_len;

    /* What the scorer's Lua state gets back, packed by `script` (script_pack); NULL = nothing. */
    char *prompt;
    size_t prompt_len;
    char *user;
    size_t user_len;

    char *fault; /* not sendable: the script's error, with traceback; such a request is scored as
                    script_error */
};

void request_free(struct request *request);
size_t request_bytes(const struct request *request); /* what it weighs in a queue */
