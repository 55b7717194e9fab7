#include "token/byte_level.h"

#include "token/chars.h"
#include "wire/utf8.h"

/* Bytes that look like something stand for themselves; the other 68 follow from U+0100 on. */
static bool stands_for_itself(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

static uint32_t character_of(unsigned byte)
{
    if (stands_for_itself(byte))
        return byte;
    if (byte <= ' ')
        return 0x100 + byte;
    return byte == 0xad ? 0x143 : 0x100 + 33 + byte - 0x7f;
}

static int byte_of(uint32_t code)
{
    if (code < 0x100)
        return stands_for_itself(code) ? (int)code : -1;
    if (code <= 0x120)
        return (int)(code - 0x100);
    if (code <= 0x142)
        return (int)(code - 0x121 + 0x7f);
    return code == 0x143 ? 0xad : -1;
}

bool byte_level_write(struct buf *out, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        char text[4];
        buf_add(out, text, utf8_encode(character_of((unsigned char)bytes.data[i]), text));
    }
    return !out->full;
}

bool byte_level_read(struct buf *out, struct span text)
{
    const char *end = text.data + text.len;
    for (const char *at = text.data; at < end;) {
        int byte = byte_of(char_next(&at));
        if (byte < 0)
            return false;
        buf_add_char(out, (char)byte);
    }
    return !out->full;
}
