/* A sample: the finished facts of one exchange. Made by a scorer, read by stats and sinks, released
 * by main. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/exchange.h"
#include "model/outcome.h"

#define TOKENS_UNKNOWN INT64_C(-1)

enum token_source {
    TOKENS_NONE,
    TOKENS_SCRIPT,
    TOKENS_USAGE,
    TOKENS_TOKENIZER,
    TOKENS_EVENTS,
    TOKEN_SOURCES
};

const char *
token_source_name(enum token_source source); /* "none", "script", "usage", "tokenizer", "events" */

/* Event kinds, one letter each, as metrics.md lists them. */
enum event_kind {
    EVENT_OPENING = 'o',
    EVENT_CONTENT = 'c',
    EVENT_REASONING = 'r',
    EVENT_TOOL = 't',
    EVENT_REFUSAL = 'f',
    EVENT_USAGE = 'u',
    EVENT_DONE = 'd',
    EVENT_ERROR = 'e',
    EVENT_PING = 'p',
    EVENT_UNKNOWN = 'x',
};

struct event {
    uint64_t time_ns; /* of the read that brought its last byte */
    uint32_t read;    /* number of that read */
    uint32_t bytes;   /* length of its payload */
    uint32_t tokens;  /* how many it carries where known, else 0; see sample.event_source */
    uint32_t index;   /* choice it belongs to */
    char kind;        /* enum event_kind */
    bool coalesced;   /* its time is an upper bound only */
};

const char *event_kind_name(char kind); /* "content"; "unknown" for any other letter */

static inline bool event_has_text(const struct event *event)
{
    return event->kind == EVENT_CONTENT || event->kind == EVENT_REASONING ||
           event->kind == EVENT_TOOL || event->kind == EVENT_REFUSAL;
}
/* A data event ("package"): neither a ping nor the end marker. */
static inline bool event_is_data(const struct event *event)
{
    return event->kind != EVENT_DONE && event->kind != EVENT_PING;
}

struct own_metrics;

struct sample {
    struct exchange *exchange; /* owned */
    enum outcome outcome;
    char *error; /* one sentence (with traceback for script errors) when not ok; owned, or NULL */
    char *token_error; /* why parse_responses or the tokenizer gave no counts; owned, or NULL */
    bool uncounted;    /* it was the tokenizer */
    bool streamed;     /* the answer came as a stream of events */

    uint64_t first_chunk_ns, first_token_ns, first_answer_ns, last_token_ns; /* 0 = none */
    struct event *events;                                                    /* owned */
    size_t event_count;
    uint64_t data_events; /* "packages": data events with a payload, the end marker left out; 1 for
                             a plain answer */
    uint64_t text_events;
    uint64_t text_chars; /* code points of content and reasoning */

    int64_t prompt_tokens, completion_tokens, cached_tokens,
        reasoning_tokens; /* TOKENS_UNKNOWN where nobody said */
    enum token_source prompt_source, completion_source;
    int64_t usage_prompt, usage_completion;     /* what the server's usage says … */
    int64_t counted_prompt, counted_completion; /* … and what the tokenizer counts, where it did */
    int64_t template_tokens;        /* of prompt_tokens: estimated for the chat template */
    enum token_source event_source; /* of the events' tokens: script, tokenizer, or none */
    char finish_reason[64];

    char *responses; /* JSON list of the event payloads as text; owned */
    size_t responses_len;
    bool bodies_left_out; /* request and answer bodies were given up because the store was behind */
    bool bodies_unwanted; /* they are not to be stored, by --store or --store-max */
    bool exchange_kept;   /* a thread that was given up may still look at it: it is never freed */
    size_t text_len;      /* of text */
    /* Values of the script's own metrics, one each of `own`, NAN = no value; owned, NULL = none was
     * asked for. */
    double *own_values;
    const struct own_metrics *own; /* borrowed from the script, NULL = it has none */
    uint32_t own_failed;           /* bit i: metric i failed to give its value */
    char *own_error;               /* the first failure's sentence; owned, or NULL */
    char *text; /* the answer's text by choice, choices joined by a newline; owned; NULL = none */
};

void sample_free(struct sample *sample); /* the exchange too */
size_t sample_bytes(const struct sample *sample);
/* Nobody has said anything about its tokens. */
void sample_no_tokens(struct sample *sample);
/* Moves all its times by so much; wraps, so that it may be backwards. */
void sample_shift(struct sample *sample, uint64_t by_ns);
/* Seconds from one stamp to a later one; NAN when either never happened or the order is impossible
 * (sample_impossible counts those). */
double sample_interval(uint64_t from_ns, uint64_t to_ns);
/* The part of the answer (0…1) that had come by `until_ns`: by known per-event token counts when
 * every text event has one, else by the number of text events. All or nothing, by its end, for an
 * answer that was not streamed or has no text events. */
double sample_share_until(const struct sample *sample, uint64_t until_ns);
/* Completion tokens that came in events no later than `until_ns` (UINT64_MAX = all): the answer's
 * tokens times sample_share_until. 0 when the tokens are not known. */
double sample_tokens_until(const struct sample *sample, uint64_t until_ns);
/* Calls `gap` for each two successive text events of the same choice, in their order of arrival
 * when there is one choice, choice by choice when there are several. */
typedef void sample_gap_fn(void *arg, const struct event *before, const struct event *after);
void sample_gaps(const struct sample *sample, sample_gap_fn *gap, void *arg);
/* ITL per token: calls `add` with gap / k, k times over, for each gap before an event of k tokens.
 * Where the tokenizer counted, an event in which no token ends lengthens the next gap. */
typedef void sample_value_fn(void *arg, double value, uint64_t times);
void sample_gaps_per_token(const struct sample *sample, sample_value_fn *add, void *arg);
/* Whether two of its times stand in an order that cannot be: sent before started, an event before
 * the one that preceded it, a read before the kernel had it. */
bool sample_impossible(const struct sample *sample);
/* metrics.md: last_token − sent streamed, end − sent plain. NAN when not known. */
double sample_latency(const struct sample *sample);
