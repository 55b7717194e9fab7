#include "wire/json.h"

#include "wire/utf8.h"

/* What is written for a byte: a letter behind a backslash, HEX for \u00.., PLAIN for itself, MORE
 * for a byte of a longer sequence. */
enum { PLAIN = 0, HEX = 1, MORE = 2 };

static unsigned char form_of(unsigned char c)
{
    static const unsigned char control[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (c >= 0x80)
        return MORE;
    if (c < 0x20)
        return control[c] ? control[c] : HEX;
    return c == '"' || c == '\\' ? c : PLAIN;
}

/* How long the text becomes, so that it is written in one go: events are stored by the million. */
static size_t written_len(struct span text)
{
    const char *at = text.data, *end = at + text.len;
    size_t len = 0;
    while (at < end) {
        unsigned char form = form_of((unsigned char)*at);
        unsigned n = 1;
        bool valid = true;
        if (form == MORE)
            n = utf8_step(at, end, &valid);
        len += !valid ? sizeof UTF8_REPLACEMENT - 1 : form == HEX ? 6 : form > MORE ? 2 : n;
        at += n;
    }
    return len;
}

static char *write_escape(char *to, unsigned char c, unsigned char form)
{
    static const char hex[] = "0123456789abcdef";
    *to++ = '\\';
    if (form != HEX) {
        *to++ = (char)form;
        return to;
    }
    memcpy(to, "u00", 3);
    to[3] = hex[c >> 4];
    to[4] = hex[c & 15];
    return to + 5;
}

static char *write_more(char *to, const char *at, unsigned n, bool valid)
{
    if (!valid) {
        at = UTF8_REPLACEMENT;
        n = sizeof UTF8_REPLACEMENT - 1;
    }
    memcpy(to, at, n);
    return to + n;
}

static char *write_text(char *to, struct span text)
{
    const char *at = text.data, *end = at + text.len;
    while (at < end) {
        unsigned char c = (unsigned char)*at, form = form_of(c);
        unsigned n = 1;
        if (form == PLAIN) {
            *to++ = *at;
        } else if (form == MORE) {
            bool valid;
            n = utf8_step(at, end, &valid);
            to = write_more(to, at, n, valid);
        } else {
            to = write_escape(to, c, form);
        }
        at += n;
    }
    return to;
}

void json_write_string(struct buf *out, struct span text)
{
    size_t len = text.len ? written_len(text) + 2 : 2;
    char *to = buf_reserve(out, len);
    if (!to)
        return;
    *to++ = '"';
    if (text.len)
        to = write_text(to, text);
    *to = '"';
    out->len += len;
}
