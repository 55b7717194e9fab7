#include "token/decoder_words.h"

#include <stdlib.h>

#include "base/mem.h"
#include "wire/utf8.h"

/* A short text of the file's, and two numbers or flags. */
struct affix {
    char text[64];
    size_t len;
    int64_t start, stop;
    bool flag;
};

static bool set_text(struct affix *affix, const char *what, struct span text, struct err *err)
{
    if (text.len == 0 || text.len > sizeof affix->text)
        return err_set(err, "%s has a text of %zu bytes; 1 to %zu are supported", what, text.len,
                       sizeof affix->text);
    memcpy(affix->text, text.data, text.len);
    affix->len = text.len;
    return true;
}

static struct affix *finish(struct affix affix, bool ok)
{
    struct affix *copy = ok ? MEM_NEW(struct affix) : NULL;
    if (copy)
        *copy = affix;
    return copy;
}

static bool begins(struct span text, const struct affix *affix)
{
    return text.len >= affix->len && memcmp(text.data, affix->text, affix->len) == 0;
}

/* The text with `to` for each `from`. */
static void add_replaced(struct buf *out, struct span text, struct span from, struct span to)
{
    const char *at = text.data, *end = at + text.len;
    while (at < end) {
        const char *found = memmem(at, (size_t)(end - at), from.data, from.len);
        buf_add(out, at, (size_t)((found ? found : end) - at));
        if (!found)
            break;
        buf_add_span(out, to);
        at = found + from.len;
    }
}

/* ---- Strip: so many of a character at either end ---- */

void *decoder_strip_load(const struct node *node, struct err *err)
{
    struct affix strip = {.start = 0};
    struct span text = {0};
    bool ok = node_check(node, "Strip", "type content start stop", err) &&
              node_string(node, "Strip", "content", &text, err) &&
              set_text(&strip, "Strip", text, err) &&
              node_integer(node, "Strip", "start", &strip.start, err) &&
              node_integer(node, "Strip", "stop", &strip.stop, err);
    return finish(strip, ok);
}

bool decoder_strip_run(const void *self, struct regex_work *regexes, const struct words *in,
                       struct words *out, struct err *err)
{
    const struct affix *strip = self;
    (void)regexes, (void)err;
    for (size_t i = 0; i < in->count; i++) {
        struct span text = words_get(in, i);
        for (int64_t n = 0; n < strip->start && begins(text, strip); n++)
            text = span_of(text.data + strip->len, text.len - strip->len);
        struct span tail = span_of(strip->text, strip->len);
        for (int64_t n = 0; n < strip->stop && span_ends_with(text, tail); n++)
            text.len -= strip->len;
        buf_add_span(&out->text, text);
        words_end(out);
    }
    return true;
}

/* ---- Metaspace: blanks for the sign, but for the one that was put before everything ---- */

void *decoder_meta_load(const struct node *node, struct err *err)
{
    struct affix meta = {.flag = true};
    struct span text = {0}, scheme = {0};
    bool add = true;
    bool ok = node_check(node, "Metaspace",
                         "type replacement str_rep add_prefix_space prepend_scheme split", err) &&
              node_string(node, "Metaspace", "replacement", &text, err) &&
              set_text(&meta, "Metaspace", text, err) &&
              node_flag(node, "Metaspace", "add_prefix_space", &add, err) &&
              node_string(node, "Metaspace", "prepend_scheme", &scheme, err);
    meta.flag = scheme.len ? !span_equals(scheme, "never") : add;
    return finish(meta, ok);
}

bool decoder_meta_run(const void *self, struct regex_work *regexes, const struct words *in,
                      struct words *out, struct err *err)
{
    const struct affix *meta = self;
    (void)regexes, (void)err;
    for (size_t i = 0; i < in->count; i++) {
        bool drop = i == 0 && meta->flag;
        add_replaced(&out->text, words_get(in, i), span_of(meta->text, meta->len),
                     span_text(drop ? "" : " "));
        words_end(out);
    }
    return true;
}

/* ---- WordPiece ---- */

void *decoder_piece_load(const struct node *node, struct err *err)
{
    struct affix piece = {.flag = true};
    struct span text = span_text("##");
    bool ok = node_check(node, "WordPiece", "type prefix cleanup", err) &&
              node_string(node, "WordPiece", "prefix", &text, err) &&
              set_text(&piece, "WordPiece", text, err) &&
              node_flag(node, "WordPiece", "cleanup", &piece.flag, err);
    return finish(piece, ok);
}

/* English as people write it. `spare` is for its own use. */
static void clean_up(struct buf *text, struct buf *spare)
{
    static const struct {
        const char *from, *to;
    } rules[] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (text->len == 0)
            return;
        buf_clear(spare);
        add_replaced(spare, buf_span(text), span_text(rules[i].from), span_text(rules[i].to));
        struct buf swapped = *text;
        *text = *spare;
        *spare = swapped;
    }
}

bool decoder_piece_run(const void *self, struct regex_work *regexes, const struct words *in,
                       struct words *out, struct err *err)
{
    const struct affix *piece = self;
    struct buf text, spare;
    (void)regexes, (void)err;
    buf_init(&text, TOKEN_MAX_TEXT);
    buf_init(&spare, TOKEN_MAX_TEXT);
    for (size_t i = 0; i < in->count; i++) {
        struct span token = words_get(in, i);
        bool inner = i > 0 && begins(token, piece);
        buf_clear(&text);
        if (i > 0 && !inner)
            buf_add_char(&text, ' ');
        if (inner)
            token = span_of(token.data + piece->len, token.len - piece->len);
        buf_add_span(&text, token);
        if (piece->flag)
            clean_up(&text, &spare);
        buf_add_span(&out->text, buf_span(&text));
        words_end(out);
    }
    buf_fini(&text);
    buf_fini(&spare);
    return true;
}

/* ---- BPEDecoder: blanks for the suffix of words ---- */

void *decoder_suffix_load(const struct node *node, struct err *err)
{
    struct affix suffix = {.flag = false};
    struct span text = span_text("</w>");
    bool ok = node_check(node, "BPEDecoder", "type suffix", err) &&
              node_string(node, "BPEDecoder", "suffix", &text, err) &&
              set_text(&suffix, "BPEDecoder", text, err);
    return finish(suffix, ok);
}

bool decoder_suffix_run(const void *self, struct regex_work *regexes, const struct words *in,
                        struct words *out, struct err *err)
{
    const struct affix *suffix = self;
    (void)regexes, (void)err;
    for (size_t i = 0; i < in->count; i++) {
        add_replaced(&out->text, words_get(in, i), span_of(suffix->text, suffix->len),
                     span_text(i + 1 == in->count ? "" : " "));
        words_end(out);
    }
    return true;
}
