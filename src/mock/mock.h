/* The mock LLM server: truthful about what it saw (read and send stamps in every event, /stats),
 * one thread, 10,000 streams. What it sends is described in docs/mock.md.
 *
 * It opens its own sockets and shares nothing with other threads: several servers may run in one
 * process, each in a thread of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct mock_faults;
struct mock_scenario;
struct tokenizer;

struct mock_config {
    const char *dialect; /* NULL = openai */
    const char *host;    /* address to listen on; NULL = 127.0.0.1 */
    uint16_t port;       /* 0 = any free one */
    uint64_t ttft_ns, itl_ns;
    double jitter;   /* share of ttft and itl, uniform in ±jitter */
    uint32_t tokens; /* of an answer, unless the request or its URL asks for another length */
    uint32_t slots;  /* answers at once, others wait in line; 0 = any number */
    uint64_t seed;   /* decides the texts and the jitter */
    const struct tokenizer *tokenizer; /* answers and prompts are counted in its tokens; borrowed,
                                          NULL = in the mock's own words */
    bool no_usage;                     /* as if every URL asked for `nousage` */
    const char *api_key;               /* NULL = any; else 401 without it */
    const char *model;                 /* NULL = any; else 404 for another */
    uint64_t token_life_ns;            /* of Qianfan's access tokens; 0 = 30 days */
    size_t max_body;                   /* bytes of a request's body, 413 beyond; 0 = 64 MiB */
    const struct mock_faults *faults;  /* NULL = it behaves */
    const struct mock_scenario *scenario; /* serves every request for text; NULL = none */
    int stop_fd;                          /* readable = stop */
    void (*listening)(void *arg, const char *host, uint16_t port); /* once bound; may be NULL */
    void *arg;
};

/* Serves until stop_fd becomes readable; false when it could not listen or the dialect is unknown.
 * Raises the process's limit of open descriptors as far as it may. */
bool mock_serve(const struct mock_config *config, struct err *err) MUST_CHECK;
