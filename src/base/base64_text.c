#include "base/base64_text.h"

#include <stdint.h>

void base64_text(struct buf *out, struct span bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < bytes.len; at += 3) {
        size_t left = bytes.len - at < 3 ? bytes.len - at : 3;
        uint32_t group = 0;
        for (size_t i = 0; i < 3; i++)
            group = group << 8 | (i < left ? (unsigned char)bytes.data[at + i] : 0);
        for (size_t i = 0; i <= left; i++)
            buf_add_char(out, digits[group >> (18 - 6 * i) & 0x3f]);
    }
}
