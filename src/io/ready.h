/* Before a run: waits until a server that is still starting is ready. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct http_config;

struct ready {
    double waited_s;
    uint64_t asked;   /* requests that this took */
    bool interrupted; /* a signal that ends the program is pending */
};

/* Asks the URL by GET twice a second. Ready is whoever answers, but with 502, 503 or 504 ("loading
 * the model"; a gateway before a server that is not there). Blocks for at most `limit_ns`, then the
 * sentence says what the last try said; a TLS error that no waiting heals ends it at once. */
bool ready_wait(const char *url, const struct http_config *config, uint64_t limit_ns,
                struct ready *out, struct err *err) MUST_CHECK;
