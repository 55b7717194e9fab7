/* --preconnect: before a stage's clock starts, each slot's connection is opened by one cheap
 * request, so that the first requests find kept ones. Whatever the server answers will do. A
 * worker's; these requests are in no metric and no row. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "io/http.h"

struct preconnect {
    struct http *http; /* the worker's */
    const char *url;   /* borrowed; NULL = nothing is to be opened */
    struct log *log;
    uint32_t asked; /* connections */
    uint32_t open;  /* of them, once it is over; a server may have closed the others */
    uint32_t started, ended;
    uint64_t until_ns; /* then what is not answered is cancelled; 0 = not begun */
    bool stopped, told, over;
};

/* Starts some. Call again when one has ended, when `until_ns` has come, and at once while it
 * returns true. `stop`: no more is to be started, and the rest ends soon. */
bool preconnect_turn(struct preconnect *preconnect, bool stop);
/* http's on_end: takes the exchange. */
void preconnect_ended(struct preconnect *preconnect, struct exchange *exchange);
