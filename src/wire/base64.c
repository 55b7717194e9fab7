#include "wire/base64.h"

#include <stdint.h>

enum { NO_DIGIT = 64 };

static uint32_t digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : NO_DIGIT;
}

/* A group of `digits` (2 to 4) becomes one byte fewer. */
static bool decode_group(const char *at, unsigned digits, char *to)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t value = i < digits ? digit(at[i]) : 0;
        if (value == NO_DIGIT)
            return false;
        bits = bits << 6 | value;
    }
    for (unsigned i = 0; i < 3; i++)
        to[i] = (char)(bits >> (16 - 8 * i));
    return !(bits & ((1U << 8 * (4 - digits)) - 1));
}

bool base64_decode(struct span text, struct buf *out)
{
    if (text.len % 4)
        return false;
    unsigned padding = 0;
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=')
        padding++;
    char *to = buf_reserve(out, text.len / 4 * 3);
    if (!to)
        return text.len == 0;
    for (size_t i = 0; i < text.len; i += 4) {
        bool last = i + 4 == text.len;
        char bytes[3];
        unsigned digits = last ? 4 - padding : 4;
        if (!decode_group(text.data + i, digits, bytes))
            return false;
        memcpy(to + i / 4 * 3, bytes, digits - 1);
    }
    out->len += text.len / 4 * 3 - padding;
    return true;
}
