#include "mock/text.h"

#include <string.h>

#include "wire/json.h"

static const char *const words[] = {
    "the",     "a",      "server",  "answers", "every",     "request", "with",   "words",
    "that",    "mean",   "little",  "but",     "arrive",    "on",      "time",   "and",
    "river",   "stone",  "morning", "light",   "garden",    "bridge",  "window", "paper",
    "carries", "counts", "follows", "keeps",   "opens",     "slowly",  "early",  "often",
    "seven",   "twelve", "green",   "quiet",   "naïve",     "café",    "über",   "Ωmega",
    ",",       ".",      ";",       "?",       "\n",        "\"",      "\\",     "/",
    "你好",    "世界",   "时间",    "的",      "是",        "山",      "水",     "。",
    "，",      "测试",   "服务器",  "🙂",    "naïveté's", "東京",    "한국",   "e.g.",
};

enum { WORDS = sizeof words / sizeof *words };

/* The finaliser of splitmix64: every bit of the input reaches every bit of the result. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static struct span token(char out[32], uint64_t seed, uint64_t request, uint32_t choice, uint32_t k)
{
    uint64_t place = mix(mix(mix(seed) ^ request) ^ ((uint64_t)choice << 32 | k));
    const char *word = words[place % WORDS];
    bool spaced = k > 0 && ((word[0] >= 'a' && word[0] <= 'z') || (unsigned char)word[0] < 0xe0);
    if (strchr(",.;?\n\"\\/", word[0]))
        spaced = false;
    size_t len = strlen(word);
    out[0] = ' ';
    memcpy(out + spaced, word, len);
    return span_of(out, len + spaced);
}

void mock_text_write(struct buf *out, uint64_t seed, uint64_t request, uint32_t choice, uint32_t k)
{
    char text[32];
    json_write_string(out, token(text, seed, request, choice, k));
}

void mock_text_add(struct buf *out, uint64_t seed, uint64_t request, uint32_t choice, uint32_t k)
{
    char text[32];
    buf_add_span(out, token(text, seed, request, choice, k));
}

/* ---- UTF-8 ---- */

/* Length of the valid sequence at `at` with its code point, or 0. */
static size_t decode(struct span text, size_t at, uint32_t *code)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least; /* smaller ones would be overlong */
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    const unsigned char *byte = (const unsigned char *)text.data + at;
    size_t form = 0;
    while (form < 4 && (byte[0] & forms[form].mask) != forms[form].lead)
        form++;
    if (form == 4 || form >= text.len - at)
        return 0;
    uint32_t value = byte[0] & (unsigned char)~forms[form].mask;
    for (size_t i = 1; i <= form; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (byte[i] & 0x3f);
    }
    *code = value;
    bool surrogate = value >= 0xd800 && value <= 0xdfff;
    return value < forms[form].least || value > 0x10ffff || surrogate ? 0 : form + 1;
}

size_t mock_text_invalid(struct span text)
{
    size_t at = 0;
    uint32_t code;
    while (at < text.len) {
        size_t len = decode(text, at, &code);
        if (!len)
            break;
        at += len;
    }
    return at;
}

static bool is_cjk(uint32_t code)
{
    static const struct {
        uint32_t from, to;
    } ranges[] = {
        {0x2e80, 0x9fff},   /* radicals, punctuation, kana, ideographs */
        {0xac00, 0xd7af},   /* hangul syllables */
        {0xf900, 0xfaff},   /* compatibility ideographs */
        {0xff00, 0xffef},   /* full-width forms */
        {0x20000, 0x3ffff}, /* further ideographs */
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i].from && code <= ranges[i].to)
            return true;
    return false;
}

uint64_t mock_text_count(struct span text)
{
    uint64_t count = 0;
    bool inside = false; /* a run of other characters */
    for (size_t at = 0; at < text.len;) {
        uint32_t code = 0xfffd;
        size_t len = decode(text, at, &code);
        bool cjk = is_cjk(code), blank = code <= ' ';
        count += cjk || (!blank && !inside);
        inside = !cjk && !blank;
        at += len ? len : 1;
    }
    return count;
}
