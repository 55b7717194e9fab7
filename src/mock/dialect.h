/* What differs between the APIs that the mock server speaks: paths, what a body may say, and what
 * answers look like. When something is sent, and how often, is no business of a dialect. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "mock/ask.h"
#include "mock/http_request.h"
#include "mock/overrides.h"
#include "mock/speech.h"
#include "mock/stats.h"

struct mock_server;
struct mock_conn;
struct mock_scenario;

/* One answer as decided when its request had been read. */
struct mock_answer {
    struct mock_ask ask;
    struct mock_overrides over;
    uint64_t request;  /* number of the request, from 1 */
    uint64_t seed;     /* of the texts */
    uint64_t read_ns;  /* when the request had been read */
    uint64_t begun_ns; /* when its work began; later if it had to wait for a slot */
    const struct mock_scenario *scenario; /* that serves it; NULL = the usual answer */
    uint32_t least;                       /* tokens of each choice that it must have */
    uint32_t tokens;                      /* of each choice */
    bool cut;                             /* ended by the request's max_tokens */
    bool whole; /* nothing is missing: counts as completed once it has left */
    /* One a choice: in a tokenizer's tokens; owned, NULL = the mock's own words. */
    struct mock_speech *speeches;
    struct buf prefix; /* of every event and body, up to and with the model */
    struct buf said;   /* the inside of a JSON string: the text so far, where ask.whole wants it */
    uint64_t frames;   /* events numbered so far, where the dialect numbers them */
    uint64_t
        first_ns; /* when the first token was written, where the dialect tells it; 0 = not yet */
};

/* What the requests and answers of an endpoint look like. A writer appends one event with its blank
 * line (sent_ns is the time of the call) or one body; NULL: the dialect has no such event. */
struct mock_shape {
    const char *stream_type; /* of a stream; NULL = text/event-stream */
    /* Fills the ask, which owns nothing when this fails. */
    bool (*parse)(const struct mock_http *http, struct mock_ask *ask, struct mock_refusal *no);
    void (*prefix)(struct mock_answer *answer, uint64_t wall_ns);
    void (*opening)(struct buf *out, struct mock_answer *answer, uint32_t choice);
    uint32_t openings; /* of each choice, a call for each; 0 = 1 */
    /* Token event k of a choice: tokens k · per_event and on. */
    void (*token)(struct buf *out, struct mock_answer *answer, uint32_t choice, uint32_t k);
    void (*finish)(struct buf *out, struct mock_answer *answer, uint32_t choice);
    uint32_t finishes; /* of each choice, a call for each; 0 = 1 */
    void (*usage)(struct buf *out, struct mock_answer *answer);
    void (*failure)(struct buf *out, struct mock_answer *answer);
    bool failure_ends; /* `done` does not follow a failure */
    void (*done)(struct buf *out, struct mock_answer *answer);
    /* What keeps a stream alive; NULL = a comment line. */
    void (*ping)(struct buf *out, struct mock_answer *answer);
    void (*plain)(struct buf *out, struct mock_answer *answer);
    void (*refusal)(struct buf *out, const struct mock_refusal *no);
    /* How an error that the API itself finds travels; NULL: as its status. Errors of HTTP and those
     * that a URL asks for stay what they are. */
    void (*disguise)(const struct mock_ask *ask, struct mock_refusal *no);
    const char *parameter; /* a URL parameter that is the dialect's, not an override; or NULL */
};

struct mock_route {
    const char *path; /* one that ends in '/' is followed by one more segment; "*" = any */
    const char *method;
    enum mock_endpoint endpoint;
    bool uncounted; /* a look at the server, not part of a run */
    void (*serve)(struct mock_server *server, struct mock_conn *conn);
    const struct mock_shape *shape; /* NULL = the dialect's */
    /* NULL = nobody needs a key */
    bool (*check_key)(const struct mock_server *server, const struct mock_http *http,
                      struct mock_refusal *no);
};

struct mock_dialect {
    const char *name;
    const struct mock_shape *shape; /* for errors of paths that it does not know */
    const struct mock_route *routes;
    size_t route_count;
};

/* NULL = openai. An unknown name is an error that lists the known ones. */
const struct mock_dialect *mock_dialect_find(const char *name, struct err *err) MUST_CHECK;

/* ---- what several dialects need ---- */

/* A dialect's own word for an error: the first row that fits. */
struct mock_error_name {
    int status;       /* 0 = any: the last row */
    const char *code; /* NULL = any */
    const char *name;
};
const char *mock_error_name(const struct mock_error_name *names, const struct mock_refusal *no);

static inline uint64_t mock_answer_tokens(const struct mock_answer *answer)
{
    return (uint64_t)answer->tokens * answer->ask.choices;
}

/* Token events of all choices. */
static inline uint64_t mock_answer_events(const struct mock_answer *answer)
{
    uint64_t per = answer->ask.per_event;
    return (answer->tokens + per - 1) / per * answer->ask.choices;
}

/* Tokens in token event k of each choice. */
static inline uint32_t mock_answer_in_event(const struct mock_answer *answer, uint64_t k)
{
    uint64_t before = k * answer->ask.per_event;
    uint64_t left = before < answer->tokens ? answer->tokens - before : 0;
    return (uint32_t)(left < answer->ask.per_event ? left : answer->ask.per_event);
}
