/* Turns a finished exchange into a sample: frames the bytes, has the API script read each event,
 * counts, and decides the outcome. */
#pragma once

#include "model/sample.h"

struct counter;
struct delta;
struct script;

/* What an onlooker is told of an event, or of one of the choices that it carries. */
struct answer_seen {
    size_t number; /* among the sample's events */
    size_t choice; /* 0, or which of the further choices of the same event */
    struct span name, data;
    const struct delta *delta; /* what read_event said; NULL = it failed, now or before */
};

/* Somebody who looks on while an answer is read. */
struct answer_watch {
    void *arg;
    void (*framed)(void *arg, const char *how); /* "server-sent events" */
    void (*event)(void *arg, const struct answer_seen *seen);
    void (*fault)(void *arg, const char *text);                     /* a hook failed */
    void (*counted)(void *arg, int64_t prompt, int64_t completion); /* by parse_responses */
};

/* Takes the exchange. `script` is the scorer's own state; `counter` too, NULL = no tokenizer. */
struct sample *answer_score(struct script *script, struct counter *counter,
                            struct exchange *exchange);
/* The same under the eyes of `watch`, all of whose functions are there. */
struct sample *answer_score_watched(struct script *script, struct counter *counter,
                                    struct exchange *exchange, const struct answer_watch *watch);
/* The same without any Lua: nothing of the answer is read, and `why` is its fault unless the server
 * or the connection failed too. The script is only asked for what never changes. */
struct sample *answer_unread(const struct script *script, struct exchange *exchange,
                             const char *why);
