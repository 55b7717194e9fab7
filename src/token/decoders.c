#include "token/decoders.h"

#include <stdlib.h>

#include "base/mem.h"
#include "token/byte_level.h"
#include "token/decoder_words.h"
#include "token/replace.h"
#include "wire/utf8.h"

enum { STEPS_MOST = 64 };

struct decoder_row {
    const char *type;
    void *(*load)(const struct node *node, struct err *err);
    void (*free)(void *self);
    bool (*run)(const void *self, struct regex_work *regexes, const struct words *in,
                struct words *out, struct err *err);
};

/* ---- words ---- */

void words_init(struct words *words, size_t limit)
{
    *words = (struct words){.count = 0};
    buf_init(&words->text, limit);
}

void words_fini(struct words *words)
{
    buf_fini(&words->text);
    free(words->ends);
}

void words_clear(struct words *words)
{
    buf_clear(&words->text);
    words->count = 0;
}

void words_end(struct words *words)
{
    if (words->count == words->room) {
        words->room = words->room ? words->room * 2 : 64;
        words->ends = mem_resize(words->ends, words->room, sizeof *words->ends);
    }
    words->ends[words->count++] = words->text.len;
}

static void add_lossy(struct buf *out, struct span bytes)
{
    for (const char *at = bytes.data, *end = at + bytes.len; at < end;) {
        bool valid;
        unsigned n = utf8_step(at, end, &valid);
        if (valid)
            buf_add(out, at, n);
        else
            buf_add_text(out, UTF8_REPLACEMENT);
        at += n;
    }
}

/* ---- ByteLevel ---- */

static void *byte_level_load_decoder(const struct node *node, struct err *err)
{
    static const char known[] = "type add_prefix_space trim_offsets use_regex";
    return node_check(node, "the decoder ByteLevel", known, err) ? mem_zero(1, 1) : NULL;
}

/* A token that is not written in the alphabet stands for itself. */
static bool byte_level_run(const void *self, struct regex_work *regexes, const struct words *in,
                           struct words *out, struct err *err)
{
    struct buf bytes;
    (void)self, (void)regexes, (void)err;
    buf_init(&bytes, TOKEN_MAX_TEXT);
    for (size_t i = 0; i < in->count; i++) {
        size_t before = bytes.len;
        if (!byte_level_read(&bytes, words_get(in, i))) {
            bytes.len = before;
            buf_add_span(&bytes, words_get(in, i));
        }
    }
    if (bytes.len > 0)
        add_lossy(&out->text, buf_span(&bytes));
    words_end(out);
    buf_fini(&bytes);
    return true;
}

/* ---- ByteFallback ---- */

static void *plain_load(const struct node *node, struct err *err)
{
    return node_check(node, "the decoder", "type", err) ? mem_zero(1, 1) : NULL;
}

/* "<0x0A>" → 10; else -1. */
static int byte_of(struct span token)
{
    if (token.len != 6 || memcmp(token.data, "<0x", 3) != 0 || token.data[5] != '>')
        return -1;
    char digits[3] = {token.data[3], token.data[4], '\0'}, *end;
    if (digits[0] == '+' || digits[0] == '-' || digits[0] == ' ')
        return -1;
    long byte = strtol(digits, &end, 16);
    return *end ? -1 : (int)byte;
}

/* Bytes that make no UTF-8 together become U+FFFD, each of them. */
static void flush_bytes(struct buf *bytes, struct words *out)
{
    if (bytes->len == 0)
        return;
    bool valid = true;
    const char *end = bytes->data + bytes->len;
    for (const char *at = bytes->data; at < end && valid;)
        at += utf8_step(at, end, &valid);
    if (valid)
        buf_add_span(&out->text, buf_span(bytes));
    for (size_t i = 0; i < bytes->len && !valid; i++)
        buf_add_text(&out->text, UTF8_REPLACEMENT);
    words_end(out);
    buf_clear(bytes);
}

static bool fallback_run(const void *self, struct regex_work *regexes, const struct words *in,
                         struct words *out, struct err *err)
{
    struct buf bytes;
    (void)self, (void)regexes, (void)err;
    buf_init(&bytes, TOKEN_MAX_TEXT);
    for (size_t i = 0; i < in->count; i++) {
        struct span token = words_get(in, i);
        int byte = byte_of(token);
        if (byte >= 0) {
            buf_add_char(&bytes, (char)byte);
            continue;
        }
        flush_bytes(&bytes, out);
        buf_add_span(&out->text, token);
        words_end(out);
    }
    flush_bytes(&bytes, out);
    buf_fini(&bytes);
    return true;
}

/* ---- Fuse ---- */

static bool fuse_run(const void *self, struct regex_work *regexes, const struct words *in,
                     struct words *out, struct err *err)
{
    (void)self, (void)regexes, (void)err;
    buf_add_span(&out->text, buf_span(&in->text));
    words_end(out);
    return true;
}

/* ---- Replace ---- */

static bool replace_run(const void *self, struct regex_work *regexes, const struct words *in,
                        struct words *out, struct err *err)
{
    for (size_t i = 0; i < in->count; i++) {
        struct span token = words_get(in, i);
        if (token.len && !replace_in(self, regexes, token, &out->text, err))
            return false;
        words_end(out);
    }
    return true;
}

/* ---- Strip, Metaspace, WordPiece, BPEDecoder: see decoder_words.c ---- */

static const struct decoder_row rows[] = {
    {.type = "ByteLevel", .load = byte_level_load_decoder, .free = free, .run = byte_level_run},
    {.type = "Replace", .load = replace_load, .free = replace_free, .run = replace_run},
    {.type = "ByteFallback", .load = plain_load, .free = free, .run = fallback_run},
    {.type = "Fuse", .load = plain_load, .free = free, .run = fuse_run},
    {.type = "Strip", .load = decoder_strip_load, .free = free, .run = decoder_strip_run},
    {.type = "Metaspace", .load = decoder_meta_load, .free = free, .run = decoder_meta_run},
    {.type = "WordPiece", .load = decoder_piece_load, .free = free, .run = decoder_piece_run},
    {.type = "BPEDecoder", .load = decoder_suffix_load, .free = free, .run = decoder_suffix_run},
};

/* ---- the chain ---- */

static bool load_step(struct decoder *decoder, const struct node *node, struct err *err)
{
    struct span type = {0};
    if (!node_is(node, JSON_OBJECT_BEGIN))
        return err_set(err, "decoder must be an object");
    if (!node_string(node, "decoder", "type", &type, err))
        return false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!span_equals(type, rows[i].type))
            continue;
        void *self = rows[i].load(node, err);
        if (self)
            decoder->steps[decoder->count++] = (struct decoder_step){&rows[i], self};
        return self;
    }
    return err_set(err, "the decoder \"%.*s\" is not supported", SHOWN(type));
}

bool decoder_load(struct decoder *decoder, const struct node *node, struct err *err)
{
    struct span type = {0};
    *decoder = (struct decoder){.none = !node};
    if (!node)
        return true;
    decoder->steps = mem_zero(STEPS_MOST, sizeof *decoder->steps);
    if (!node_is(node, JSON_OBJECT_BEGIN) || !node_string(node, "decoder", "type", &type, err) ||
        !span_equals(type, "Sequence"))
        return load_step(decoder, node, err);
    const struct node *list = node_get(node, "decoders");
    if (!node_check(node, "decoder", "type decoders", err))
        return false;
    if (!node_is(list, JSON_ARRAY_BEGIN) || list->count > STEPS_MOST)
        return err_set(err, "decoder.decoders must be a list of at most %d", STEPS_MOST);
    for (const struct node *at = node_first(list); at; at = node_next(list, at))
        if (!load_step(decoder, at, err))
            return false;
    return true;
}

void decoder_fini(struct decoder *decoder)
{
    for (size_t i = 0; i < decoder->count; i++)
        decoder->steps[i].row->free(decoder->steps[i].self);
    free(decoder->steps);
}

bool decoder_run(const struct decoder *decoder, struct regex_work *regexes, struct words *words,
                 struct words *other, struct buf *out, struct err *err)
{
    for (size_t i = 0; i < decoder->count; i++) {
        const struct decoder_step *step = &decoder->steps[i];
        words_clear(other);
        if (!step->row->run(step->self, regexes, words, other, err))
            return false;
        struct words swapped = *words;
        *words = *other;
        *other = swapped;
    }
    for (size_t i = 0; i < words->count; i++) {
        if (decoder->none && i > 0)
            buf_add_char(out, ' ');
        buf_add_span(out, words_get(words, i));
    }
    return (!out->full && !words->text.full) || err_set(err, "the text is too long");
}
