#include "base/spelling.h"

#include <stdint.h>

enum {
    SHORTEST_CUT = 2,   /* bytes of a value before a cut that are worth hiding */
    PERCENT_LAYERS = 2, /* percent-encoded, and that once more */
    PERCENT_RUN = 256,  /* percent-encoded backslashes looked at together */
    CUT_ESCAPE = 32,    /* bytes of an escape that a cut went through */
    LONGEST_BACK = 5,   /* from the last digit of "\u0000" to its backslash */
    UNICODE_ESCAPE = 6, /* its bytes */
};

static const char json_escapes[] = "\"\\/bfnrt", json_meanings[] = "\"\\/\b\f\n\r\t";
static const char cut_mark[] = "…";

static struct span after(struct span text, size_t taken)
{
    return span_of(text.data + taken, text.len - taken);
}

/* ---- reading through percent-encoding ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte at `*at` (below text.len), within so many layers of percent-encoding; what is no escape
 * stands for itself. */
static char read_byte(unsigned layers, struct span text, size_t *at)
{
    if (layers == 0)
        return text.data[(*at)++];
    char c = read_byte(layers - 1, text, at);
    size_t ahead = *at;
    int high = 0, low = 0;
    if (c == '+')
        return ' ';
    if (c != '%' || ahead >= text.len ||
        (high = hex_digit(read_byte(layers - 1, text, &ahead))) < 0 || ahead >= text.len ||
        (low = hex_digit(read_byte(layers - 1, text, &ahead))) < 0)
        return c;
    *at = ahead;
    return (char)(high << 4 | low);
}

size_t spelling_percent(struct span text, bool plus, char *out)
{
    size_t len = 0;
    for (size_t at = 0; at < text.len;)
        out[len++] = read_byte(text.data[at] == '+' && !plus ? 0 : 1, text, &at);
    return len;
}

/* ---- comparing ---- */

/* A value is compared with text in which every character may stand behind a run of backslashes: one
 * JSON string within the other doubles them each time, so that their number tells nothing. */
struct reader {
    unsigned layers; /* of percent-encoding */
    struct span text, value;
    size_t at, done; /* read, and found equal */
};

static bool next_byte(struct reader *reader, char *c)
{
    if (reader->at >= reader->text.len)
        return false;
    *c = read_byte(reader->layers, reader->text, &reader->at);
    return true;
}

static size_t skip_backslashes(struct reader *reader, size_t most)
{
    size_t count = 0;
    while (count < most && reader->at < reader->text.len) {
        size_t ahead = reader->at;
        if (read_byte(reader->layers, reader->text, &ahead) != '\\')
            break;
        reader->at = ahead;
        count++;
    }
    return count;
}

static size_t skip_run(struct reader *reader)
{
    return skip_backslashes(reader, reader->layers ? PERCENT_RUN : SIZE_MAX);
}

static bool next_hex(struct reader *reader, uint32_t *value)
{
    char c = 0;
    *value = 0;
    for (int i = 0; i < 4; i++) {
        if (!next_byte(reader, &c) || hex_digit(c) < 0)
            return false;
        *value = *value << 4 | (uint32_t)hex_digit(c);
    }
    return true;
}

static size_t utf8_encode(uint32_t code, char out[4])
{
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[len] | code);
    return len;
}

/* What follows "\u", a surrogate pair as one. */
static bool next_unicode(struct reader *reader)
{
    uint32_t code = 0, low = 0;
    char bytes[4], c = 0;
    if (!next_hex(reader, &code))
        return false;
    struct reader pair = *reader;
    if (code >= 0xd800 && code < 0xdc00 && skip_run(&pair) && next_byte(&pair, &c) && c == 'u' &&
        next_hex(&pair, &low) && low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        *reader = pair;
    }
    size_t len = utf8_encode(code, bytes);
    if (len > reader->value.len - reader->done ||
        memcmp(bytes, reader->value.data + reader->done, len) != 0)
        return false;
    reader->done += len;
    return true;
}

/* The value ends with `own` backslashes, `run` stand in the text: those that belong to the value
 * are doubled so often as there is room, since what follows has fewer. */
static void take_last(struct reader *reader, size_t own, size_t run)
{
    size_t taken = own;
    while (taken <= run / 2)
        taken *= 2;
    skip_backslashes(reader, taken);
}

/* A character as "\u0041", behind however many backslashes. */
static bool next_escaped(struct reader *reader)
{
    struct reader ahead = *reader;
    char c = 0;
    if (!skip_run(&ahead) || !next_byte(&ahead, &c) || c != 'u' || !next_unicode(&ahead))
        return false;
    *reader = ahead;
    return true;
}

/* One character of the value, and the backslashes before it that are in the value too. */
static bool next_equal(struct reader *reader)
{
    if (next_escaped(reader))
        return true;
    size_t own = 0, rest = reader->value.len - reader->done;
    const char *wanted = reader->value.data + reader->done;
    while (own < rest && wanted[own] == '\\')
        own++;
    struct reader run_begin = *reader;
    size_t run = skip_run(reader);
    if (run < own)
        return false;
    reader->done += own;
    if (own == rest) {
        reader->at = run_begin.at;
        take_last(reader, own, run);
        return true;
    }
    char c = 0;
    if (!next_byte(reader, &c))
        return false;
    const char *escape = run ? memchr(json_escapes, c, sizeof json_escapes - 1) : NULL;
    if (((!run || own) && c == wanted[own]) ||
        (escape && json_meanings[escape - json_escapes] == wanted[own])) {
        reader->done++;
        return true;
    }
    return run && c == 'u' && next_unicode(reader);
}

/* The text goes on with the mark of a cut, perhaps behind the beginning of an escape. */
static bool is_cut(struct span text)
{
    size_t at = 0, mark = sizeof cut_mark - 1;
    if (text.len && (text.data[0] == '\\' || text.data[0] == '%'))
        while (at < text.len && at < CUT_ESCAPE &&
               (memchr("\\u%", text.data[at], 3) || hex_digit(text.data[at]) >= 0))
            at++;
    return text.len - at >= mark && memcmp(text.data + at, cut_mark, mark) == 0;
}

static size_t match_coded(unsigned layers, struct span text, struct span value)
{
    struct reader reader = {.layers = layers, .text = text, .value = value};
    while (reader.done < value.len) {
        struct reader before = reader;
        if (!next_equal(&reader))
            return before.done >= SHORTEST_CUT && is_cut(after(text, before.at)) ? before.at : 0;
    }
    return reader.at;
}

bool spelling_is_special(char c)
{
    return c == '\\' || c == '%' || c == '+';
}

size_t spelling_match(struct span text, struct span value)
{
    size_t same = 0, longest = 0;
    bool special = false;
    for (; same < value.len && same < text.len && text.data[same] == value.data[same]; same++)
        special = special || spelling_is_special(text.data[same]);
    if (same == value.len || (same >= SHORTEST_CUT && is_cut(after(text, same))))
        longest = same;
    /* Without an escape up to the first difference all codings read the same. */
    if (!special &&
        (same == value.len || same == text.len || !spelling_is_special(text.data[same])))
        return longest;
    for (unsigned layers = 0; layers <= PERCENT_LAYERS; layers++) {
        size_t len = match_coded(layers, text, value);
        longest = len > longest ? len : longest;
    }
    return longest;
}

/* By the digits of "\u0041"; one that is cut, percent-encoded or of a pair may be anything. */
static bool unicode_may_begin(struct span digits, const bool first[256])
{
    struct reader reader = {.text = digits};
    uint32_t code = 0;
    char bytes[4];
    if (!next_hex(&reader, &code) || (code >= 0xd800 && code < 0xe000))
        return true;
    utf8_encode(code, bytes);
    return first[(unsigned char)bytes[0]];
}

/* By what stands behind all the backslashes. */
static bool escape_may_begin(struct span text, const bool first[256])
{
    size_t run = 1;
    if (first['\\'])
        return true;
    while (run < text.len && text.data[run] == '\\')
        run++;
    if (run == text.len)
        return false;
    const char *escape = memchr(json_escapes, text.data[run], sizeof json_escapes - 1);
    if (text.data[run] == 'u')
        return unicode_may_begin(after(text, run + 1), first);
    return (escape && first[(unsigned char)json_meanings[escape - json_escapes]]);
}

bool spelling_may_begin(struct span text, size_t at, const bool first[256])
{
    size_t ahead = at;
    char c = text.data[at];
    if (c == '\\') /* a run of them is looked at as one */
        return (at == 0 || text.data[at - 1] != '\\') && escape_may_begin(after(text, at), first);
    if (first[(unsigned char)c] || (c == '+' && first[' ']))
        return true;
    if (c != '%')
        return false;
    c = read_byte(1, text, &ahead);
    return first[(unsigned char)c] || spelling_is_special(c);
}

/* ---- whole escapes ---- */

/* Of the escape that begins here with a backslash; 0 = it is none. */
static size_t escape_len(struct span text)
{
    if (text.len < 2 || text.data[0] != '\\')
        return 0;
    if (text.data[1] != 'u')
        return memchr(json_escapes, text.data[1], sizeof json_escapes - 1) ? 2 : 0;
    for (size_t i = 2; i < UNICODE_ESCAPE; i++)
        if (i >= text.len || hex_digit(text.data[i]) < 0)
            return 0;
    return UNICODE_ESCAPE;
}

static size_t run_begin(struct span text, size_t least, size_t at)
{
    while (at > least && text.data[at - 1] == '\\')
        at--;
    return at;
}

size_t spelling_escape_begin(struct span text, size_t least, size_t at)
{
    for (size_t back = 1; back <= LONGEST_BACK && at >= least + back; back++)
        if (escape_len(after(text, at - back)) > back)
            return run_begin(text, least, at - back);
    return at;
}

/* Of a run of backslashes only every other begins an escape. */
size_t spelling_escape_end(struct span text, size_t at)
{
    for (size_t back = 1; back <= LONGEST_BACK && at >= back; back++) {
        size_t begin = at - back, len = escape_len(after(text, begin));
        if (len > back && (begin - run_begin(text, 0, begin)) % 2 == 0)
            return begin + len;
    }
    return at;
}
