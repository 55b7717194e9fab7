#include "wire/json.h"

#include "wire/utf8.h"

static void write_escape(struct buf *out, unsigned char c)
{
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', (char)c};
    if (c >= 0x20) {
        buf_add(out, text, 2);
    } else if (letters[c]) {
        text[1] = letters[c];
        buf_add(out, text, 2);
    } else {
        memcpy(text + 1, "u00", 3);
        text[4] = hex[c >> 4];
        text[5] = hex[c & 15];
        buf_add(out, text, 6);
    }
}

/* The end of what can be written as it stands. */
static const char *plain_end(const char *at, const char *end)
{
    while (at < end) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        bool valid = true;
        unsigned n = c < 0x80 ? 1 : utf8_step(at, end, &valid);
        if (!valid)
            break;
        at += n;
    }
    return at;
}

void json_write_string(struct buf *out, struct span text)
{
    const char *at = text.data, *end = text.len ? at + text.len : at;
    buf_add_char(out, '"');
    while (at < end) {
        const char *stop = plain_end(at, end);
        buf_add(out, at, (size_t)(stop - at));
        at = stop;
        if (at == end)
            break;
        bool ascii;
        unsigned n = utf8_step(at, end, &ascii);
        if (ascii)
            write_escape(out, (unsigned char)*at);
        else
            buf_add_text(out, UTF8_REPLACEMENT);
        at += n;
    }
    buf_add_char(out, '"');
}
