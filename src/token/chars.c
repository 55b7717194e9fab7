#include "token/chars.h"

#include <utf8proc.h>

#include "wire/utf8.h"

uint32_t char_next(const char **at)
{
    unsigned char first = (unsigned char)**at;
    if (first < 0x80) {
        ++*at;
        return first;
    }
    unsigned length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t code = utf8_code(*at, length);
    *at += length;
    return code;
}

bool char_is_space(uint32_t code)
{
    if (code < 0x80)
        return code == ' ' || (code >= '\t' && code <= '\r');
    return code == 0x85 || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
           code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

static utf8proc_category_t category(uint32_t code)
{
    return utf8proc_category((utf8proc_int32_t)code);
}

bool char_is_number(uint32_t code)
{
    utf8proc_category_t of = category(code);
    return of == UTF8PROC_CATEGORY_ND || of == UTF8PROC_CATEGORY_NL || of == UTF8PROC_CATEGORY_NO;
}

bool char_is_punctuation(uint32_t code)
{
    if (code < 0x80)
        return (code >= '!' && code <= '/') || (code >= ':' && code <= '@') ||
               (code >= '[' && code <= '`') || (code >= '{' && code <= '~');
    utf8proc_category_t of = category(code);
    return of >= UTF8PROC_CATEGORY_PC && of <= UTF8PROC_CATEGORY_PO;
}

bool char_is_mark(uint32_t code)
{
    utf8proc_category_t of = category(code);
    return of == UTF8PROC_CATEGORY_MN || of == UTF8PROC_CATEGORY_MC || of == UTF8PROC_CATEGORY_ME;
}

bool char_is_nonspacing(uint32_t code)
{
    return category(code) == UTF8PROC_CATEGORY_MN;
}

bool char_is_control(uint32_t code)
{
    utf8proc_category_t of = category(code);
    return of == UTF8PROC_CATEGORY_CC || of == UTF8PROC_CATEGORY_CF || of == UTF8PROC_CATEGORY_CO;
}

struct span chars_strip(struct span text, bool left, bool right)
{
    const char *begin = text.data, *end = text.data + text.len;
    while (left && begin < end) {
        const char *next = begin;
        if (!char_is_space(char_next(&next)))
            break;
        begin = next;
    }
    while (right && end > begin) {
        const char *last = end - 1;
        while (last > begin && ((unsigned char)*last & 0xc0) == 0x80)
            last--;
        const char *next = last;
        if (!char_is_space(char_next(&next)))
            break;
        end = last;
    }
    return span_of(begin, (size_t)(end - begin));
}

/* Alphabetic beyond letters, marks and letter numbers: the letters in circles and squares. */
static bool is_enclosed_letter(uint32_t code)
{
    return (code >= 0x24b6 && code <= 0x24e9) || (code >= 0x1f130 && code <= 0x1f149) ||
           (code >= 0x1f150 && code <= 0x1f169) || (code >= 0x1f170 && code <= 0x1f189);
}

bool char_is_word(uint32_t code)
{
    static const bool words[] = {
        [UTF8PROC_CATEGORY_LU] = true, [UTF8PROC_CATEGORY_LL] = true,
        [UTF8PROC_CATEGORY_LT] = true, [UTF8PROC_CATEGORY_LM] = true,
        [UTF8PROC_CATEGORY_LO] = true, [UTF8PROC_CATEGORY_MN] = true,
        [UTF8PROC_CATEGORY_MC] = true, [UTF8PROC_CATEGORY_ME] = true,
        [UTF8PROC_CATEGORY_ND] = true, [UTF8PROC_CATEGORY_NL] = true,
        [UTF8PROC_CATEGORY_PC] = true, [UTF8PROC_CATEGORY_CO] = false,
    };
    return words[category(code)] || code == 0x200c || code == 0x200d || is_enclosed_letter(code);
}
