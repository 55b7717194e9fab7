/* The pieces of which the dialects make their events and bodies. */
#pragma once

#include "mock/dialect.h"

/* `before` followed by the number. */
void mock_write_field(struct buf *out, const char *before, uint64_t value);
void mock_write_text_or_null(struct buf *out, const char *text);
/* Token k of a choice as a JSON string. */
void mock_write_token(struct buf *out, const struct mock_answer *answer, uint32_t choice,
                      uint32_t k);
/* Tokens from…to − 1 of a choice as one JSON string. */
void mock_write_tokens(struct buf *out, const struct mock_answer *answer, uint32_t choice,
                       uint32_t from, uint32_t to);

/* The stamps and the closing brace of an event's or a body's JSON. They come last, so that as
 * little as possible stands between sent_ns and the send. `read`: read_ns too. */
void mock_write_stamps(struct buf *out, const struct mock_answer *answer, bool read);
/* The end of a line, and the end of an event's last line with its blank line. */
void mock_write_line_end(struct buf *out, const struct mock_answer *answer);
void mock_write_event_end(struct buf *out, const struct mock_answer *answer);

void mock_write_ping(struct buf *out, struct mock_answer *answer);
/* "data: [DONE]" */
void mock_write_done(struct buf *out, struct mock_answer *answer);
/* {"prompt_tokens":…,"completion_tokens":…,"total_tokens":…} after `completion` tokens. */
void mock_write_usage(struct buf *out, const struct mock_answer *answer, uint64_t completion);
