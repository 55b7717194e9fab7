/* A text's way through the parts of a tokenizer, and back. */
#include "token/pipeline.h"

#include <stdlib.h>

#include "base/mem.h"
#include "token/regex.h"
#include "wire/utf8.h"

struct tokens {
    const struct tokenizer *tokenizer;
    struct regex_work *regexes;
    void *model_work;
    struct buf clean;     /* the text without invalid UTF-8 */
    struct buf normal[2]; /* between normalizers */
    struct pieces pieces[2];
    struct ids ids;
    struct words words[2]; /* for decoding */
};

struct tokens *tokens_new(const struct tokenizer *tokenizer)
{
    struct tokens *tokens = MEM_NEW(struct tokens);
    tokens->tokenizer = tokenizer;
    tokens->regexes = regex_work_new();
    if (tokenizer->model->work_new)
        tokens->model_work = tokenizer->model->work_new(tokenizer->model_self);
    buf_init(&tokens->clean, TOKEN_MAX_TEXT);
    for (int i = 0; i < 2; i++) {
        buf_init(&tokens->normal[i], TOKEN_MAX_TEXT);
        buf_init(&tokens->pieces[i].own, TOKEN_MAX_TEXT);
        words_init(&tokens->words[i], TOKEN_MAX_TEXT);
    }
    return tokens;
}

void tokens_free(struct tokens *tokens)
{
    if (!tokens)
        return;
    if (tokens->model_work)
        tokens->tokenizer->model->work_free(tokens->model_work);
    regex_work_free(tokens->regexes);
    buf_fini(&tokens->clean);
    for (int i = 0; i < 2; i++) {
        buf_fini(&tokens->normal[i]);
        buf_fini(&tokens->pieces[i].own);
        free(tokens->pieces[i].items);
        words_fini(&tokens->words[i]);
    }
    free(tokens->ids.items);
    free(tokens);
}

/* ---- valid UTF-8 ---- */

static size_t valid_part(struct span text)
{
    const char *at = text.data, *end = at + text.len;
    while (at < end) {
        uint64_t eight;
        if (end - at >= 8 && (memcpy(&eight, at, 8), (eight & 0x8080808080808080ULL) == 0)) {
            at += 8;
            continue;
        }
        bool valid;
        unsigned n = utf8_step(at, end, &valid);
        if (!valid)
            break;
        at += n;
    }
    return (size_t)(at - text.data);
}

/* *text itself where it is valid, else a copy with U+FFFD in `clean`. */
static bool clean_text(struct tokens *tokens, struct span *text, struct err *err)
{
    struct buf *clean = &tokens->clean;
    struct span rest = *text;
    buf_clear(clean);
    while (rest.len > 0) {
        size_t good = valid_part(rest);
        if (good == text->len)
            return true;
        buf_add(clean, rest.data, good);
        rest = span_of(rest.data + good, rest.len - good);
        if (rest.len > 0) {
            bool valid;
            unsigned n = utf8_step(rest.data, rest.data + rest.len, &valid);
            buf_add_text(clean, UTF8_REPLACEMENT);
            rest = span_of(rest.data + n, rest.len - n);
        }
    }
    *text = buf_span(clean);
    return !clean->full || err_set(err, "the text is longer than %zu bytes", TOKEN_MAX_TEXT);
}

/* ---- one way ---- */

bool pipeline_normalize(const struct tokenizer *tokenizer, struct regex_work *regexes,
                        struct span text, struct buf buffers[2], struct span *out, struct err *err)
{
    *out = text;
    for (size_t i = 0; i < tokenizer->normalizer_count && out->len > 0; i++) {
        const struct normalizer_step *step = &tokenizer->normalizers[i];
        struct buf *next = &buffers[i % 2];
        buf_clear(next);
        if (!step->row->run(step->self, regexes, *out, next, err))
            return false;
        *out = buf_span(next);
    }
    return true;
}

static bool encode_pieces(struct tokens *tokens, const struct pieces *pieces, struct err *err)
{
    const struct tokenizer *tokenizer = tokens->tokenizer;
    const struct model_row *model = tokenizer->model;
    for (size_t i = 0; i < pieces->count; i++)
        if (!model->encode(tokenizer->model_self, tokens->model_work, piece_text(pieces, i),
                           &tokens->ids, err))
            return false;
    return true;
}

/* A step that leaves the text as it is hands on the buffer that holds it, too. */
static void hand_on(struct pieces *in, struct pieces *out)
{
    if (out->own.len > 0)
        return;
    struct buf swapped = in->own;
    in->own = out->own;
    out->own = swapped;
}

/* Text that is normalized and holds no added tokens. */
static bool encode_plain(struct tokens *tokens, struct span text, bool first, struct err *err)
{
    const struct tokenizer *tokenizer = tokens->tokenizer;
    struct pieces *in = &tokens->pieces[0], *out = &tokens->pieces[1];
    if (text.len == 0)
        return true;
    in->text = text;
    in->count = 0;
    pieces_add(in, 0, text.len, first);
    for (size_t i = 0; i < tokenizer->pretokenizer_count; i++) {
        const struct pretokenizer_step *step = &tokenizer->pretokenizers[i];
        buf_clear(&out->own);
        out->count = 0;
        out->text = in->text;
        if (!step->row->run(step->self, tokens->regexes, in, out, err))
            return false;
        hand_on(in, out);
        struct pieces *swapped = in;
        in = out;
        out = swapped;
    }
    return encode_pieces(tokens, in, err);
}

/* Text without the added tokens that are looked for first. */
static bool encode_section(struct tokens *tokens, struct span text, bool first, struct err *err)
{
    const struct added *added = &tokens->tokenizer->added;
    if (text.len == 0)
        return true;
    if (!pipeline_normalize(tokens->tokenizer, tokens->regexes, text, tokens->normal, &text, err))
        return false;
    struct added_walk walk = {.added = added, .finder = &added->normalized, .text = text};
    struct added_match match;
    size_t done = 0;
    while (added_walk_next(&walk, &match)) {
        if (done < match.start &&
            !encode_plain(tokens, span_of(text.data + done, match.start - done), first && !done,
                          err))
            return false;
        ids_add(&tokens->ids, match.token->id);
        done = match.end;
    }
    return encode_plain(tokens, span_of(text.data + done, text.len - done), first && !done, err);
}

static bool encode_text(struct tokens *tokens, struct span text, struct err *err)
{
    const struct added *added = &tokens->tokenizer->added;
    struct added_walk walk = {.added = added, .finder = &added->plain, .text = text};
    struct added_match match;
    size_t done = 0;
    while (added_walk_next(&walk, &match)) {
        if (done < match.start &&
            !encode_section(tokens, span_of(text.data + done, match.start - done), !done, err))
            return false;
        ids_add(&tokens->ids, match.token->id);
        done = match.end;
    }
    return encode_section(tokens, span_of(text.data + done, text.len - done), !done, err);
}

static void add_all(struct ids *ids, const struct ids *more)
{
    for (size_t i = 0; i < more->count; i++)
        ids_add(ids, more->items[i]);
}

bool tokens_encode(struct tokens *tokens, struct span text, unsigned flags, const uint32_t **ids,
                   size_t *count, struct err *err)
{
    const struct post *post = &tokens->tokenizer->post;
    bool special = flags & TOKENS_SPECIAL;
    tokens->ids.count = 0;
    if (text.len > TOKEN_MAX_TEXT)
        return err_set(err, "the text is longer than %zu bytes", TOKEN_MAX_TEXT);
    if (special)
        add_all(&tokens->ids, &post->before);
    if (text.len > 0 && (!clean_text(tokens, &text, err) || !encode_text(tokens, text, err)))
        return false;
    if (special)
        add_all(&tokens->ids, &post->behind);
    *ids = tokens->ids.items;
    *count = tokens->ids.count;
    return true;
}

bool tokens_count(struct tokens *tokens, struct span text, unsigned flags, uint64_t *count,
                  struct err *err)
{
    const uint32_t *ids;
    size_t found = 0;
    bool ok = tokens_encode(tokens, text, flags, &ids, &found, err);
    *count = found;
    return ok;
}

/* ---- and back ---- */

static bool add_word(struct tokens *tokens, uint32_t id, bool special, struct err *err)
{
    const struct tokenizer *tokenizer = tokens->tokenizer;
    const struct added_token *added = added_by_id(&tokenizer->added, id);
    if (!added && !vocabulary_has(&tokenizer->vocabulary, id))
        return err_set(err, "the tokenizer %s has no token %u", tokenizer->name, id);
    if (added && added->special && !special)
        return true;
    buf_add_span(&tokens->words[0].text,
                 added ? added_shown(added) : vocabulary_text(&tokenizer->vocabulary, id));
    words_end(&tokens->words[0]);
    return true;
}

bool tokens_decode(struct tokens *tokens, const uint32_t *ids, size_t count, bool special,
                   struct buf *out, struct err *err)
{
    words_clear(&tokens->words[0]);
    for (size_t i = 0; i < count; i++)
        if (!add_word(tokens, ids[i], special, err))
            return false;
    return decoder_run(&tokens->tokenizer->decoder, tokens->regexes, &tokens->words[0],
                       &tokens->words[1], out, err);
}
