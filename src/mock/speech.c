#include "mock/speech.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "mock/text.h"
#include "token/places.h"
#include "token/tokenizer.h"

enum { ATTEMPTS = 64 }; /* at words of which the first tokens make a text of their own */

struct mock_voice {
    struct tokens *tokens;
    struct places *places;
};

struct mock_voice *mock_voice_new(const struct tokenizer *tokenizer)
{
    struct mock_voice *voice = MEM_NEW(struct mock_voice);
    voice->tokens = tokens_new(tokenizer);
    voice->places = places_new(tokenizer);
    return voice;
}

void mock_voice_free(struct mock_voice *voice)
{
    if (!voice)
        return;
    tokens_free(voice->tokens);
    places_free(voice->places);
    free(voice);
}

bool mock_voice_count(struct mock_voice *voice, struct span text, uint64_t *count)
{
    struct err err;
    return tokens_count(voice->tokens, text, TOKENS_PLAIN, count, &err);
}

/* ---- making ---- */

/* Words of at least `tokens` tokens, and where those end. */
static bool say_enough(struct mock_voice *voice, uint64_t seed, uint64_t request, uint32_t choice,
                       uint32_t tokens, struct buf *text, struct place_list *list)
{
    struct err err;
    list->count = 0;
    for (uint32_t k = 0, more = tokens; list->count < tokens && more; more /= 2) {
        for (uint32_t end = k + more; k < end; k++)
            mock_text_add(text, seed, request, choice, k);
        if (!places_find(voice->places, buf_span(text), list, &err))
            return false;
    }
    return list->exact && list->count >= tokens;
}

/* Whether the text breaks off cleanly behind so many tokens: with a whole character, and what is
 * left is divided as before. */
static bool breaks_off(struct mock_voice *voice, struct buf *text, uint32_t tokens,
                       struct place_list *list)
{
    struct err err;
    if (list->count > tokens && list->ends[tokens] == list->ends[tokens - 1])
        return false;
    text->len = list->ends[tokens - 1];
    return places_find(voice->places, buf_span(text), list, &err) && list->exact &&
           list->count == tokens;
}

static bool attempt(struct mock_voice *voice, uint64_t seed, uint64_t request, uint32_t choice,
                    uint32_t tokens, struct mock_speech *out)
{
    struct place_list list;
    struct buf text;
    buf_init(&text, SIZE_MAX / 2); /* bounded by MOCK_MAX_TOKENS */
    bool ok = say_enough(voice, seed, request, choice, tokens, &text, &list) &&
              breaks_off(voice, &text, tokens, &list);
    if (ok) {
        *out = (struct mock_speech){.ends = mem_zero(tokens, sizeof *out->ends), .tokens = tokens};
        memcpy(out->ends, list.ends, tokens * sizeof *out->ends);
        out->text = mem_copy(text.data, text.len);
    }
    buf_fini(&text);
    return ok;
}

bool mock_speech_make(struct mock_voice *voice, uint64_t seed, uint64_t request, uint32_t choice,
                      uint32_t tokens, struct mock_speech *out)
{
    *out = (struct mock_speech){0};
    for (uint64_t i = 0; tokens && i < ATTEMPTS; i++)
        if (attempt(voice, seed ^ i << 48, request, choice, tokens, out))
            return true;
    return tokens == 0;
}

void mock_speech_fini(struct mock_speech *speech)
{
    free(speech->text);
    free(speech->ends);
    *speech = (struct mock_speech){0};
}

/* ---- saying ---- */

struct span mock_speech_token(const struct mock_speech *speech, uint32_t k)
{
    const size_t *ends = speech->ends;
    if (k >= speech->tokens || (k + 1 < speech->tokens && ends[k + 1] == ends[k]))
        return span_of("", 0);
    uint32_t first = k;
    while (first > 0 && ends[first - 1] == ends[k])
        first--;
    size_t from = first > 0 ? ends[first - 1] : 0;
    return span_of(speech->text + from, ends[k] - from);
}
