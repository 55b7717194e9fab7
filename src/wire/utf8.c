#include "wire/utf8.h"

#include <stddef.h>

static const struct utf8_lead leads[] = {
    {.first = 0xe1, .last = 0xec, .length = 3, .second_first = 0x80, .second_last = 0xbf},
    {.first = 0xc2, .last = 0xdf, .length = 2, .second_first = 0x80, .second_last = 0xbf},
    {.first = 0xf0, .last = 0xf0, .length = 4, .second_first = 0x90, .second_last = 0xbf},
    {.first = 0xe0, .last = 0xe0, .length = 3, .second_first = 0xa0, .second_last = 0xbf},
    {.first = 0xed, .last = 0xed, .length = 3, .second_first = 0x80, .second_last = 0x9f},
    {.first = 0xee, .last = 0xef, .length = 3, .second_first = 0x80, .second_last = 0xbf},
    {.first = 0xf1, .last = 0xf3, .length = 4, .second_first = 0x80, .second_last = 0xbf},
    {.first = 0xf4, .last = 0xf4, .length = 4, .second_first = 0x80, .second_last = 0x8f},
};

const struct utf8_lead *utf8_lead(unsigned char byte)
{
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++)
        if (byte >= leads[i].first && byte <= leads[i].last)
            return &leads[i];
    return NULL;
}

bool utf8_follows(const struct utf8_lead *lead, unsigned index, int byte)
{
    if (index == 1)
        return byte >= lead->second_first && byte <= lead->second_last;
    return byte >= 0x80 && byte <= 0xbf;
}

unsigned utf8_step(const char *at, const char *end, bool *valid)
{
    unsigned char first = (unsigned char)*at;
    *valid = first < 0x80;
    if (*valid)
        return 1;
    const struct utf8_lead *lead = utf8_lead(first);
    if (!lead)
        return 1;
    unsigned n = 1;
    while (n < lead->length && at + n < end && utf8_follows(lead, n, (unsigned char)at[n]))
        n++;
    *valid = n == lead->length;
    return n;
}

uint32_t utf8_code(const char *at, unsigned length)
{
    static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)at[0] & first_bits[length];
    for (unsigned i = 1; i < length; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3f);
    return code;
}

bool utf8_steers(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x200e || code == 0x200f || code == 0x061c;
}

unsigned utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    unsigned length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (unsigned i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    static const unsigned char marks[] = {[2] = 0xc0, [3] = 0xe0, [4] = 0xf0};
    out[0] = (char)(marks[length] | code);
    return length;
}

uint64_t utf8_count(struct span text)
{
    uint64_t count = 0;
    const char *end = text.len ? text.data + text.len : text.data;
    for (const char *at = text.data; at < end; count++) {
        bool valid = true;
        unsigned n = (unsigned char)*at < 0x80 ? 1 : utf8_step(at, end, &valid);
        at += valid ? n : 1;
    }
    return count;
}
