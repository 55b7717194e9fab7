/* Precompiled: SentencePiece's charsmap. A double array maps the bytes of some texts to places in a
 * run of replacements that end in NUL. A grapheme of fewer than six bytes is looked up as a whole,
 * then its characters one by one; the shortest entry that a text begins with decides, and replaces
 * all of it. That is what the reference does, and models were trained with it. */
#include "token/precompiled.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "token/chars.h"
#include "wire/base64.h"
#include "wire/utf8.h"

enum {
    MAX_CHARSMAP = 64 * 1024 * 1024,
    MAX_GRAPHEME = 5, /* bytes of one that is looked up as a whole */
};

struct precompiled {
    char *bytes; /* owns what the others point into */
    const unsigned char *units;
    size_t unit_count;
    struct span texts;
};

/* ---- loading ---- */

static uint32_t read_unit(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool is_utf8(struct span text)
{
    const char *at = text.data, *end = at + text.len;
    bool valid = true;
    while (valid && at < end)
        at += utf8_step(at, end, &valid);
    return valid;
}

static bool cut(struct precompiled *precompiled, size_t len, struct err *err)
{
    uint32_t size = len < 4 ? 0 : read_unit((const unsigned char *)precompiled->bytes);
    if (size == 0 || size % 4 || size > len - 4)
        return err_set(err,
                       "Precompiled.precompiled_charsmap is cut short or damaged: its trie has "
                       "%u bytes, and it has %zu",
                       size, len);
    precompiled->units = (const unsigned char *)precompiled->bytes + 4;
    precompiled->unit_count = size / 4;
    precompiled->texts = span_of(precompiled->bytes + 4 + size, len - 4 - size);
    if (!is_utf8(precompiled->texts))
        return err_set(err, "Precompiled.precompiled_charsmap has replacements that are not UTF-8");
    return true;
}

void precompiled_free(void *self)
{
    struct precompiled *precompiled = self;
    free(precompiled->bytes);
    free(precompiled);
}

void *precompiled_load(const struct node *node, struct err *err)
{
    struct span text = {.len = 0};
    if (!node_check(node, "Precompiled", "type precompiled_charsmap", err) ||
        !node_string(node, "Precompiled", "precompiled_charsmap", &text, err))
        return NULL;
    struct buf bytes;
    buf_init(&bytes, MAX_CHARSMAP);
    if (!base64_decode(text, &bytes)) {
        buf_fini(&bytes);
        err_set(err, "Precompiled.precompiled_charsmap is no base64 of at most %d bytes",
                MAX_CHARSMAP);
        return NULL;
    }
    struct precompiled *precompiled = MEM_NEW(struct precompiled);
    size_t len = bytes.len;
    precompiled->bytes = buf_take(&bytes);
    if (cut(precompiled, len, err))
        return precompiled;
    precompiled_free(precompiled);
    return NULL;
}

/* ---- looking up ---- */

enum found { FOUND_ERROR = -1, FOUND_NOTHING, FOUND };

static uint32_t offset_of(uint32_t unit)
{
    return unit >> 10 << ((unit & 1U << 9) >> 6);
}

static bool unit_at(const struct precompiled *precompiled, uint32_t place, uint32_t *unit)
{
    if (place >= precompiled->unit_count)
        return false;
    *unit = read_unit(precompiled->units + (size_t)place * 4);
    return true;
}

static bool replacement_at(const struct precompiled *precompiled, uint32_t leaf, struct span *text)
{
    size_t at = leaf & 0x7fffffff;
    struct span texts = precompiled->texts;
    if (at > texts.len || (at < texts.len && ((unsigned char)texts.data[at] & 0xc0) == 0x80))
        return false;
    const char *end = at < texts.len ? memchr(texts.data + at, 0, texts.len - at) : NULL;
    *text = span_of(texts.data + at, end ? (size_t)(end - texts.data) - at : texts.len - at);
    return true;
}

static enum found look_up(const struct precompiled *precompiled, struct span key, struct span *text)
{
    uint32_t unit, place;
    if (!unit_at(precompiled, 0, &unit))
        return FOUND_ERROR;
    place = offset_of(unit);
    for (size_t i = 0; i < key.len && key.data[i]; i++) {
        unsigned char byte = (unsigned char)key.data[i];
        place ^= byte;
        if (!unit_at(precompiled, place, &unit))
            return FOUND_ERROR;
        if ((unit & (1U << 31 | 0xff)) != byte)
            return FOUND_NOTHING;
        place ^= offset_of(unit);
        if (!(unit & 1U << 8))
            continue;
        bool ok = unit_at(precompiled, place, &unit) && replacement_at(precompiled, unit, text);
        return ok ? FOUND : FOUND_ERROR;
    }
    return FOUND_NOTHING;
}

/* ---- running ---- */

/* Where the grapheme at `at` ends. */
static const char *grapheme_end(const char *at, const char *end)
{
    bool plain = (unsigned char)*at < 0x80 && *at != '\r';
    if (plain && (at + 1 == end || (unsigned char)at[1] < 0x80))
        return at + 1;
    utf8proc_int32_t state = 0;
    uint32_t before = char_next(&at);
    while (at < end) {
        const char *next = at;
        uint32_t code = char_next(&next);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)code,
                                             &state))
            break;
        before = code;
        at = next;
    }
    return at;
}

static enum found add_mapped(const struct precompiled *precompiled, struct span key,
                             struct buf *out)
{
    struct span text;
    enum found found = look_up(precompiled, key, &text);
    if (found == FOUND)
        buf_add_span(out, text);
    return found;
}

static enum found add_grapheme(const struct precompiled *precompiled, struct span grapheme,
                               struct buf *out)
{
    enum found found = FOUND_NOTHING;
    if (grapheme.len <= MAX_GRAPHEME)
        found = add_mapped(precompiled, grapheme, out);
    const char *at = grapheme.data, *end = at + grapheme.len;
    while (found == FOUND_NOTHING && at < end) {
        const char *start = at;
        char_next(&at);
        struct span one = span_of(start, (size_t)(at - start));
        enum found each = add_mapped(precompiled, one, out);
        if (each == FOUND_ERROR)
            return each;
        if (each == FOUND_NOTHING)
            buf_add_span(out, one);
    }
    return found;
}

bool precompiled_run(const void *self, struct regex_work *regexes, struct span text,
                     struct buf *out, struct err *err)
{
    (void)regexes;
    const char *at = text.data, *end = text.data + text.len;
    while (at < end) {
        const char *next = grapheme_end(at, end);
        if (add_grapheme(self, span_of(at, (size_t)(next - at)), out) == FOUND_ERROR)
            return err_set(err,
                           "Precompiled.precompiled_charsmap is damaged: it leads outside of "
                           "itself at \"%.*s\"",
                           SHOWN(span_of(at, (size_t)(next - at))));
        at = next;
    }
    return !out->full ||
           err_set(err, "Precompiled makes a text of more than %zu bytes", out->limit);
}
