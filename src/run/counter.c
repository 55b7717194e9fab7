#include "run/counter.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/request.h"
#include "run/reading.h"
#include "script/script.h"
#include "token/places.h"
#include "token/tokenizer.h"

/* One of an answer's texts: of a choice its content, reasoning, refusal or tool call. */
struct stream {
    size_t at, end; /* its tokens' ends, in counter->ends; `at` moves with the events */
};

struct counter {
    struct tokens *tokens;
    struct places *places;
    bool check;
    size_t *ends; /* of the tokens of all streams */
    size_t ends_cap;
    struct stream *streams;
    size_t streams_cap;

    /* the prompt counted last: runs with one prompt count it once */
    char *item;
    size_t item_len;
    int64_t prompt, guessed;
};

struct counter *counter_new(const struct tokenizer *tokenizer, bool check)
{
    struct counter *counter = MEM_NEW(struct counter);
    counter->tokens = tokens_new(tokenizer);
    counter->places = places_new(tokenizer);
    counter->check = check;
    return counter;
}

void counter_free(struct counter *counter)
{
    if (!counter)
        return;
    tokens_free(counter->tokens);
    places_free(counter->places);
    free(counter->ends);
    free(counter->streams);
    free(counter->item);
    free(counter);
}

bool counter_checks(const struct counter *counter)
{
    return counter->check;
}

/* ---- answers ---- */

static bool count_only(struct counter *counter, const struct reading *reading, int64_t *count,
                       struct err *err)
{
    *count = 0;
    for (size_t i = 0; i < reading->choice_count * TEXT_KINDS; i++) {
        const struct buf *text = &reading->choices[i / TEXT_KINDS].text[i % TEXT_KINDS];
        uint64_t tokens = 0;
        if (text->len && !tokens_count(counter->tokens, buf_span(text), TOKENS_PLAIN, &tokens, err))
            return false;
        *count += (int64_t)tokens;
    }
    return true;
}

static void add_ends(struct counter *counter, size_t have, const struct place_list *list)
{
    if (have + list->count > counter->ends_cap) {
        counter->ends_cap = 2 * (have + list->count);
        counter->ends = mem_resize(counter->ends, counter->ends_cap, sizeof *counter->ends);
    }
    if (list->count)
        memcpy(counter->ends + have, list->ends, list->count * sizeof *list->ends);
}

/* Finds where the tokens of each text end. */
static bool find_ends(struct counter *counter, const struct reading *reading, int64_t *count,
                      struct err *err)
{
    size_t streams = reading->choice_count * TEXT_KINDS, have = 0;
    if (streams > counter->streams_cap) {
        counter->streams_cap = streams;
        counter->streams = mem_resize(counter->streams, streams, sizeof *counter->streams);
    }
    for (size_t i = 0; i < streams; i++) {
        const struct buf *text = &reading->choices[i / TEXT_KINDS].text[i % TEXT_KINDS];
        struct place_list list = {0};
        if (text->len && !places_find(counter->places, buf_span(text), &list, err))
            return false;
        add_ends(counter, have, &list);
        counter->streams[i] = (struct stream){.at = have, .end = have + list.count};
        have += list.count;
    }
    *count = (int64_t)have;
    return true;
}

/* A token belongs to the event with which its text had come whole; the last step of a text brought
 * its end. */
static void share_out(struct counter *counter, struct reading *reading)
{
    struct sample *sample = reading->sample;
    for (size_t i = 0; i < sample->event_count; i++)
        sample->events[i].tokens = 0;
    for (size_t i = 0; i < reading->step_count; i++) {
        const struct text_step *step = &reading->steps[i];
        struct stream *stream = &counter->streams[step->stream];
        for (; stream->at < stream->end && counter->ends[stream->at] <= step->len; stream->at++)
            sample->events[step->event].tokens++;
    }
}

bool counter_answer(struct counter *counter, struct reading *reading, int64_t *count,
                    struct err *err)
{
    struct sample *sample = reading->sample;
    if (!sample->streamed || sample->event_source == TOKENS_SCRIPT)
        return count_only(counter, reading, count, err);
    if (!find_ends(counter, reading, count, err))
        return false;
    share_out(counter, reading);
    sample->event_source = TOKENS_TOKENIZER;
    return true;
}

/* ---- prompts ---- */

struct prompt_job {
    struct counter *counter;
    uint64_t tokens, messages;
    bool any, failed;
    struct err *err;
};

static void count_text(void *arg, struct span text, bool chat)
{
    struct prompt_job *job = arg;
    uint64_t tokens = 0;
    job->any = true;
    job->messages += chat;
    /* A server adds special tokens to a plain prompt; to a chat's, its template does. */
    if (!job->failed && !tokens_count(job->counter->tokens, text,
                                      chat ? TOKENS_PLAIN : TOKENS_SPECIAL, &tokens, job->err))
        job->failed = true;
    job->tokens += tokens;
}

static bool counted_last(const struct counter *counter, const struct request *request)
{
    return counter->item && counter->item_len == request->prompt_len &&
           memcmp(counter->item, request->prompt, request->prompt_len) == 0;
}

static void remember(struct counter *counter, const struct request *request,
                     const struct prompt_job *job)
{
    free(counter->item);
    counter->item = mem_copy(request->prompt, request->prompt_len);
    counter->item_len = request->prompt_len;
    counter->guessed =
        job->messages ? (int64_t)job->messages * TEMPLATE_PER_MESSAGE + TEMPLATE_PER_PROMPT : 0;
    counter->prompt = job->any ? (int64_t)job->tokens + counter->guessed : TOKENS_UNKNOWN;
}

bool counter_prompt(struct counter *counter, struct script *script, const struct request *request,
                    int64_t *count, int64_t *guessed, struct err *err)
{
    struct prompt_job job = {.counter = counter, .err = err};
    if (!counted_last(counter, request)) {
        struct span item = span_of(request->prompt, request->prompt_len);
        if (!script_prompt_texts(script, item, count_text, &job, err) || job.failed)
            return false;
        remember(counter, request, &job);
    }
    *count = counter->prompt;
    *guessed = counter->guessed;
    return true;
}
