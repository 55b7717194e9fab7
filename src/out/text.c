#include "out/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "wire/utf8.h"

struct range {
    uint32_t first, last;
};

/* Bytes of the valid UTF-8 sequence at the start of `rest` and its code point; 0 = invalid. */
static size_t decode(struct span rest, uint32_t *code)
{
    static const struct {
        uint8_t mask, lead;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    const uint8_t *bytes = (const uint8_t *)rest.data;
    size_t extra = 0;
    while (extra < 4 && (bytes[0] & forms[extra].mask) != forms[extra].lead)
        extra++;
    if (extra == 4 || extra >= rest.len)
        return 0;
    uint32_t value = bytes[0] & (uint8_t)~forms[extra].mask;
    for (size_t i = 1; i <= extra; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3f);
    }
    if (value < forms[extra].least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *code = value;
    return extra + 1;
}

/* Takes one character off the front; an invalid byte counts as U+FFFD. `piece` are its bytes. */
static uint32_t next(struct span *rest, struct span *piece)
{
    uint32_t code = 0;
    size_t len = decode(*rest, &code);
    *piece = len ? span_of(rest->data, len) : span_text(UTF8_REPLACEMENT);
    *rest = span_of(rest->data + (len ? len : 1), rest->len - (len ? len : 1));
    return len ? code : 0xfffd;
}

/* Most text is plain: how much of it is ASCII without NUL, eight bytes at a time. */
static size_t plain_words(struct span text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    size_t len = 0;
    uint64_t word;
    for (; len + sizeof word <= text.len; len += sizeof word) {
        memcpy(&word, text.data + len, sizeof word);
        if ((word & tops) || ((word - ones) & tops))
            break;
    }
    while (len < text.len && (uint8_t)text.data[len] - 1U < 0x7f)
        len++;
    return len;
}

bool text_sound(struct span text)
{
    while (text.len) {
        size_t plain = plain_words(text);
        text = span_of(text.data + plain, text.len - plain);
        if (!text.len)
            break;
        uint32_t code = 0;
        size_t len = decode(text, &code);
        if (!len || !code)
            return false;
        text = span_of(text.data + len, text.len - len);
    }
    return true;
}

void text_clean(struct span text, struct buf *out)
{
    while (text.len) {
        struct span piece;
        uint32_t code = next(&text, &piece);
        buf_add_span(out, code ? piece : span_text(UTF8_REPLACEMENT));
    }
}

static size_t columns_of(uint32_t code)
{
    static const struct range wide[] = {
        {0x1100, 0x115f},   {0x2e80, 0xa4cf},   {0xac00, 0xd7a3}, {0xf900, 0xfaff},
        {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
        {0x1f900, 0x1faff}, {0x20000, 0x3fffd},
    };
    static const struct range none[] = {{0x300, 0x36f}, {0x200b, 0x200f}, {0xfe00, 0xfe0f}};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (code >= wide[i].first && code <= wide[i].last)
            return 2;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (code >= none[i].first && code <= none[i].last)
            return 0;
    return 1;
}

size_t text_columns(struct span text)
{
    size_t columns = 0;
    while (text.len) {
        struct span piece;
        columns += columns_of(next(&text, &piece));
    }
    return columns;
}

static bool is_space(uint32_t code)
{
    return code == ' ' || (code >= '\t' && code <= '\r');
}

/* What one character looks like in a line: escaped, or as it is. */
static struct span shown(uint32_t code, struct span piece, char escape[16])
{
    if (is_space(code))
        return span_text(" ");
    if (!utf8_steers(code))
        return piece;
    snprintf(escape, 16, code < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)code);
    return span_text(escape);
}

void text_line(struct span text, size_t columns, struct buf *out)
{
    size_t used = 0, cut_at = out->len, dots = columns < 3 ? columns : 3;
    bool blank = true; /* leading white space is dropped */
    while (text.len) {
        struct span piece;
        char escape[16];
        uint32_t code = next(&text, &piece);
        if (is_space(code) && blank)
            continue;
        blank = is_space(code);
        piece = shown(code, piece, escape);
        used += text_columns(piece);
        if (used > columns) {
            out->len = cut_at;
            buf_add(out, "...", dots);
            return;
        }
        buf_add_span(out, piece);
        if (used + dots <= columns)
            cut_at = out->len;
    }
}
