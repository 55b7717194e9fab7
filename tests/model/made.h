/* Samples made by hand for the tests of model. Times are milliseconds after a base, 0 excepted. */
#pragma once

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "check.h"
#include "model/sample.h"

static inline uint64_t made_ms(double ms)
{
    return NS_PER_S + (uint64_t)llround(ms * 1e6);
}

/* A success with times but without an answer; made_event adds that. */
static inline struct sample *made_sample(double due, double started, double sent, double end)
{
    struct sample *sample = MEM_NEW(struct sample);
    sample->exchange = exchange_new(MEM_NEW(struct request), EXCHANGE_HEAD_MOST, 1 << 20);
    sample->exchange->due_ns = made_ms(due);
    sample->exchange->started_ns = made_ms(started);
    sample->exchange->sent_ns = made_ms(sent);
    sample->exchange->end_ns = made_ms(end);
    sample->exchange->finish = FINISH_COMPLETE;
    sample->outcome = OUTCOME_OK;
    sample_no_tokens(sample);
    return sample;
}

static inline struct event *made_event(struct sample *sample, double at, char kind)
{
    sample->streamed = true;
    sample->events = mem_resize(sample->events, sample->event_count + 1, sizeof *sample->events);
    struct event *event = &sample->events[sample->event_count++];
    *event = (struct event){.time_ns = made_ms(at), .bytes = 10, .kind = kind};
    sample->data_events += event_is_data(event);
    if (!sample->first_chunk_ns && (kind == EVENT_OPENING || event_has_text(event)))
        sample->first_chunk_ns = event->time_ns;
    if (!event_has_text(event))
        return event;
    sample->text_events++;
    if (!sample->first_token_ns)
        sample->first_token_ns = event->time_ns;
    if (!sample->first_answer_ns && kind != EVENT_REASONING)
        sample->first_answer_ns = event->time_ns;
    sample->last_token_ns = event->time_ns;
    return event;
}

static inline void made_tokens(struct sample *sample, int64_t prompt, int64_t completion)
{
    sample->prompt_tokens = prompt;
    sample->completion_tokens = completion;
    sample->prompt_source = prompt < 0 ? TOKENS_NONE : TOKENS_USAGE;
    sample->completion_source = completion < 0 ? TOKENS_NONE : TOKENS_USAGE;
}

/* Equal to a few units in the last place, or both without a value. */
static inline void check_near(const char *name, double got, double want, double tolerance)
{
    if (isnan(got) && isnan(want))
        return;
    if (isinf(got) && isinf(want))
        return;
    double error = fabs(got - want);
    if (!(error <= tolerance * fabs(want) + 1e-15))
        fail_msg("%s: got %.17g, want %.17g", name, got, want);
}

#define EXACTLY 1e-12
