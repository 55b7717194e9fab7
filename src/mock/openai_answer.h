/* OpenAI's dialect, the answering side: the texts of events, plain answers and errors. Knows no
 * schedule and no sockets. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "mock/openai_request.h"
#include "mock/overrides.h"

/* One answer as decided when its request had been read. */
struct mock_answer {
    struct mock_ask ask;
    struct mock_overrides over;
    uint64_t request; /* number of the request, from 1 */
    uint64_t seed;    /* of the texts */
    uint64_t read_ns; /* when the request had been read */
    uint32_t tokens;  /* of each choice */
    bool cut;         /* ended by max_tokens */
    bool whole;       /* nothing is missing: counts as completed once it has left */
    struct buf prefix; /* of every event and body: {"id":…,"object":…,"created":…,"model":…, */
};

/* Reads the ask, the overrides and the number; makes the rest. */
void mock_answer_prefix(struct mock_answer *answer, uint64_t wall_ns);

/* Each writes one event, its blank line included; sent_ns is the time of the call. */
void mock_write_opening(struct buf *out, const struct mock_answer *answer, uint32_t choice);
void mock_write_token(struct buf *out, const struct mock_answer *answer, uint32_t choice,
                      uint32_t k);
void mock_write_finish(struct buf *out, const struct mock_answer *answer, uint32_t choice);
void mock_write_usage(struct buf *out, const struct mock_answer *answer);
void mock_write_failure(struct buf *out, const struct mock_answer *answer);
void mock_write_done(struct buf *out, const struct mock_answer *answer);
void mock_write_ping(struct buf *out, const struct mock_answer *answer);

/* The body of an answer that is not streamed. */
void mock_write_plain(struct buf *out, const struct mock_answer *answer);
/* The body of an error answer. */
void mock_write_refusal(struct buf *out, const struct mock_refusal *no);
/* The body of /v1/models. */
void mock_write_models(struct buf *out, const char *model, uint64_t wall_ns);

/* Digits of a number; much faster than printf. */
void mock_write_uint(struct buf *out, uint64_t value);

static inline uint64_t mock_answer_tokens(const struct mock_answer *answer)
{
    return (uint64_t)answer->tokens * answer->ask.choices;
}
