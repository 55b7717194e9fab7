#include "base/tame.h"

enum { LINE_FEED = '\n', TAB = '\t', DELETE = 0x7f };

/* How long a sequence of UTF-8 is that begins so; 1 for what begins none. */
static size_t length_of(unsigned char first)
{
    return first < 0xc2 || first > 0xf4 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The bytes at `at` that belong together: a whole sequence, or one byte. Longer spellings than need
 * be are none: what a terminal makes of them is its own affair. */
static size_t step(struct span text, size_t at)
{
    unsigned char first = (unsigned char)text.data[at];
    size_t length = length_of(first);
    unsigned second = length > 1 && at + 1 < text.len ? (unsigned char)text.data[at + 1] : 0;
    if ((first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90))
        return 1;
    for (size_t i = 1; i < length; i++)
        if (at + i >= text.len || ((unsigned char)text.data[at + i] & 0xc0) != 0x80)
            return 1;
    return length;
}

static bool steers(unsigned code)
{
    return (code < 0x20 && code != TAB) || (code >= DELETE && code < 0xa0) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0x200e || code == 0x200f || code == 0x061c;
}

/* A byte alone is itself; of four, none steers. */
static unsigned code_of(const char *at, size_t length)
{
    const unsigned char *byte = (const unsigned char *)at;
    switch (length) {
    case 1: return byte[0];
    case 2: return (byte[0] & 0x1fu) << 6 | (byte[1] & 0x3fu);
    case 3: return (byte[0] & 0x0fu) << 12 | (byte[1] & 0x3fu) << 6 | (byte[2] & 0x3fu);
    default: return TAB; /* which does not either */
    }
}

void tame(struct buf *out, struct span text, bool indent)
{
    size_t length = 0;
    for (size_t at = 0; at < text.len; at += length) {
        length = step(text, at);
        unsigned code = code_of(text.data + at, length);
        if (code == LINE_FEED)
            buf_add_text(out, indent ? "\n  " : "\n");
        else if (!steers(code) && (length > 1 || code < 0x80))
            buf_add(out, text.data + at, length);
        else if (length == 1)
            buf_printf(out, "\\x%02x", code);
        else
            buf_printf(out, "\\u%04x", code);
    }
}
