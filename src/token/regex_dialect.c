/* Oniguruma's Ruby dialect in PCRE2's words. */
#include "token/regex.h"

#include <stdint.h>
#include <stdio.h>
#include <strings.h>

#include "token/tree.h"
#include "wire/utf8.h"

enum { DEPTH_MAX = 64 };

/* All but White_Space, as the inside of a class. */
#define NOT_SPACE                                                                                  \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"      \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"                 \
    "\\x{3001}-\\x{d7ff}\\x{e000}-\\x{10ffff}"

struct dialect {
    const char *at, *end;
    struct buf *out;
    struct err *err;
    size_t atom;    /* where in `out` the last thing begins that can be repeated */
    bool fold;      /* (?i) */
    char before;    /* the letter before this one, when case is folded */
    unsigned depth; /* of groups */
    size_t starts[DEPTH_MAX];
    bool folds[DEPTH_MAX]; /* what holds again behind each */
    bool fresh;            /* nothing stands yet in this group, or in the pattern */
};

static bool refuse(struct dialect *d, const char *what)
{
    return err_set(d->err, "it has %s, which is not supported", what);
}

static bool more(const struct dialect *d, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(d->end - d->at) >= len && memcmp(d->at, text, len) == 0;
}

static bool take(struct dialect *d, const char *text)
{
    if (!more(d, text))
        return false;
    d->at += strlen(text);
    return true;
}

static void put(struct dialect *d, const char *text)
{
    buf_add_text(d->out, text);
}

static void put_code(struct dialect *d, uint32_t code)
{
    buf_printf(d->out, "\\x{%x}", code);
}

/* ---- escapes that mean the same within a class and without ---- */

/* A letter that stands for a set; `inside` of a class, and what its opposite is. */
static const struct {
    char letter;
    const char *inside;
} sets[] = {
    {'s', REGEX_SPACE}, {'S', NOT_SPACE},   {'d', "\\p{Nd}"},
    {'D', "\\P{Nd}"},   {'h', "0-9a-fA-F"}, {'w', REGEX_WORD},
};

static const char *set_of(char letter)
{
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (sets[i].letter == letter)
            return sets[i].inside;
    return NULL;
}

/* Names of properties, and what PCRE2 calls them; categories (L, Lu, …) stand for themselves, and
 * any other name is that of a script. */
static const struct {
    const char *name, *inside;
} properties[] = {
    {"Any", "\\p{Any}"},
    {"Letter", "\\p{L}"},
    {"Mark", "\\p{M}"},
    {"Number", "\\p{N}"},
    {"Punctuation", "\\p{P}"},
    {"Symbol", "\\p{S}"},
    {"Separator", "\\p{Z}"},
    {"Other", "\\p{C}"},
    {"Uppercase_Letter", "\\p{Lu}"},
    {"Lowercase_Letter", "\\p{Ll}"},
    {"Decimal_Number", "\\p{Nd}"},
    {"Nonspacing_Mark", "\\p{Mn}"},
    {"Alphabetic", "\\p{Alphabetic}"},
    {"Alpha", "\\p{Alphabetic}"},
    {"Uppercase", "\\p{Uppercase}"},
    {"Lowercase", "\\p{Lowercase}"},
    {"Emoji", "\\p{Emoji}"},
    {"Extended_Pictographic", "\\p{Extended_Pictographic}"},
    {"White_Space", REGEX_SPACE},
    {"Space", REGEX_SPACE},
    {"Word", REGEX_WORD},
};

static bool is_category(struct span name)
{
    static const char *const minors[] = {
        ['C'] = "cfnos",   ['L'] = "lmotu", ['M'] = "cen", ['N'] = "dlo",
        ['P'] = "cdefios", ['S'] = "ckmo",  ['Z'] = "lps"};
    unsigned char major = name.len ? (unsigned char)name.data[0] : 0;
    if (major >= sizeof minors / sizeof *minors || !minors[major])
        return false;
    return name.len == 1 || (name.len == 2 && name.data[1] && strchr(minors[major], name.data[1]));
}

static bool put_script(struct dialect *d, bool negated, struct span name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ' '))
            return refuse(d, "an unknown property");
    }
    buf_printf(d->out, "\\%c{sc:%.*s}", negated ? 'P' : 'p', (int)name.len, name.data);
    return true;
}

/* Behind \p or \P. */
static bool put_property(struct dialect *d, bool negated, bool in_class)
{
    if (d->fold)
        return refuse(d, "\\p where case is ignored");
    const char *close = take(d, "{") ? memchr(d->at, '}', (size_t)(d->end - d->at)) : NULL;
    if (!close)
        return refuse(d, "\\p without {NAME}");
    if (take(d, "^"))
        negated = !negated;
    struct span name = span_of(d->at, (size_t)(close - d->at));
    d->at = close + 1;
    if (is_category(name)) {
        buf_printf(d->out, "\\%c{%.*s}", negated ? 'P' : 'p', (int)name.len, name.data);
        return true;
    }
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++) {
        const char *word = properties[i].name;
        if (strlen(word) != name.len || strncasecmp(word, name.data, name.len) != 0)
            continue;
        if (negated && in_class)
            return refuse(d, "the opposite of a named property within a class");
        buf_printf(d->out, in_class ? "%s%s" : "[%s%s]", negated ? "^" : "", properties[i].inside);
        return true;
    }
    return put_script(d, negated, name);
}

static bool take_hex(struct dialect *d, unsigned least, unsigned most, uint32_t *code)
{
    unsigned n = 0;
    for (*code = 0; n < most && d->at < d->end; n++, d->at++) {
        char c = *d->at;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            break;
        *code = *code << 4 | (uint32_t)digit;
    }
    return n >= least;
}

/* Behind \x and \u. */
static bool put_number(struct dialect *d, char letter)
{
    uint32_t code;
    bool braces = letter == 'x' && take(d, "{");
    if (!take_hex(d, letter == 'u' ? 4 : 1,
                  braces          ? 6
                  : letter == 'u' ? 4
                                  : 2,
                  &code) ||
        (braces && !take(d, "}")) || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return refuse(d, "\\x or \\u without a character's number");
    if (letter == 'x' && !braces && code >= 0x80)
        return refuse(d, "\\x of a single byte that is no character");
    if (d->fold)
        return refuse(d, "a character by its number where case is ignored");
    put_code(d, code);
    return true;
}

/* Escapes of single characters. False without a sentence: it is none. */
static bool put_simple(struct dialect *d, char letter)
{
    static const char letters[] = "nrtfvae";
    static const char codes[] = "\n\r\t\f\v\a\x1b";
    const char *found = letter ? strchr(letters, letter) : NULL;
    if (found) {
        put_code(d, (uint32_t)codes[found - letters]);
        return true;
    }
    bool plain = (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
                 (letter >= 'A' && letter <= 'Z') || (unsigned char)letter >= 0x80 || !letter;
    if (plain)
        return false;
    put_code(d, (uint32_t)letter);
    return true;
}

static bool refuse_escape(struct dialect *d, char letter)
{
    char what[16];
    snprintf(what, sizeof what, "\\%c", letter >= ' ' && letter < 0x7f ? letter : '?');
    return refuse(d, what);
}

/* ---- classes ---- */

/* `set` within a class; a '-' behind it is a character. */
static bool put_set(struct dialect *d, const char *set, bool range)
{
    if (range)
        return refuse(d, "a range that ends with a set");
    put(d, set);
    if (take(d, "-"))
        put(d, "\\-");
    return true;
}

static bool put_class_escape(struct dialect *d, bool range)
{
    char letter = d->at < d->end ? *d->at++ : '\0';
    const char *set = set_of(letter);
    if (set)
        return put_set(d, set, range);
    if (letter == 'p' || letter == 'P')
        return range ? refuse(d, "a range that ends with a set")
                     : put_property(d, letter == 'P', true) && put_set(d, "", false);
    if (letter == 'x' || letter == 'u')
        return put_number(d, letter);
    if (letter == 'b') {
        put_code(d, '\b');
        return true;
    }
    return put_simple(d, letter) || refuse_escape(d, letter);
}

static bool put_posix(struct dialect *d)
{
    static const struct {
        const char *name, *inside;
    } names[] = {
        {"[:space:]", REGEX_SPACE},      {"[:alpha:]", "\\p{Alphabetic}"},
        {"[:digit:]", "\\p{Nd}"},        {"[:alnum:]", "\\p{Alphabetic}\\p{Nd}"},
        {"[:upper:]", "\\p{Uppercase}"}, {"[:lower:]", "\\p{Lowercase}"},
        {"[:word:]", REGEX_LETTERS},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (take(d, names[i].name))
            return put_set(d, names[i].inside, false);
    return refuse(d, "a class within a class");
}

static bool put_character(struct dialect *d)
{
    bool valid;
    unsigned n = utf8_step(d->at, d->end, &valid);
    if (!valid)
        return refuse(d, "invalid UTF-8");
    if (d->fold && n > 1)
        return refuse(d, "a character beyond ASCII where case is ignored");
    buf_add(d->out, d->at, n);
    d->at += n;
    return true;
}

/* Behind the '['. */
static bool put_class(struct dialect *d)
{
    put(d, "[");
    if (take(d, "^"))
        put(d, "^");
    if (more(d, "]"))
        return refuse(d, "a class that begins with ']'");
    bool ok = true, range = false, first = true;
    while (d->at < d->end) {
        const char *before = d->at;
        if (take(d, "]")) {
            put(d, "]");
            return true;
        }
        if (more(d, "&&"))
            return refuse(d, "an intersection of classes");
        if (take(d, "\\"))
            ok = put_class_escape(d, range);
        else if (more(d, "["))
            ok = range ? refuse(d, "a range that ends with a set") : put_posix(d);
        else
            ok = put_character(d);
        if (!ok)
            return false;
        range = !first && !range && *before == '-';
        first = false;
    }
    return refuse(d, "a class without its ']'");
}

/* ---- what stands outside of classes ---- */

static bool put_escape(struct dialect *d)
{
    static const struct {
        char letter;
        const char *text;
    } words[] = {
        {'W', "[^" REGEX_WORD "]"},
        {'H', "[^0-9a-fA-F]"},
        {'A', "\\A"},
        {'z', "\\z"},
        {'Z', "\\Z"},
        {'b',
         "(?:(?<=[" REGEX_WORD "])(?![" REGEX_WORD "])|(?<![" REGEX_WORD "])(?=[" REGEX_WORD "]))"},
        {'B',
         "(?:(?<=[" REGEX_WORD "])(?=[" REGEX_WORD "])|(?<![" REGEX_WORD "])(?![" REGEX_WORD "]))"},
    };
    char letter = d->at < d->end ? *d->at++ : '\0';
    const char *set = set_of(letter);
    if (set) {
        buf_printf(d->out, "[%s]", set);
        return true;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].letter == letter) {
            put(d, words[i].text);
            return true;
        }
    if (letter == 'p' || letter == 'P')
        return put_property(d, letter == 'P', false);
    if (letter == 'x' || letter == 'u')
        return put_number(d, letter);
    return put_simple(d, letter) || refuse_escape(d, letter);
}

static bool open_group(struct dialect *d, const char *text, bool fold)
{
    if (d->depth == DEPTH_MAX)
        return refuse(d, "groups nested deeper than 64");
    d->starts[d->depth] = d->out->len;
    d->folds[d->depth++] = d->fold;
    d->fold = fold;
    put(d, text);
    d->fresh = true;
    return true;
}

/* Behind "(?", at letters and '-': "i-m:" or "i)". Ruby's m is what PCRE2 calls s. */
static bool put_flags(struct dialect *d)
{
    char text[16] = "(?";
    size_t len = 2;
    bool off = false, fold = d->fold, fresh = d->fresh;
    for (; d->at < d->end && memchr("im-", *d->at, 3) && len < 8; d->at++) {
        off = off || *d->at == '-';
        if (*d->at == 'i')
            fold = !off;
        text[len++] = *d->at == 'm' ? 's' : *d->at;
    }
    if (take(d, ":")) {
        text[len] = ':';
        return open_group(d, text, fold);
    }
    if (!take(d, ")"))
        return refuse(d, "a group of an unknown kind");
    if (!fresh)
        return refuse(d, "(?i) or (?m) in the middle");
    text[len] = ')';
    put(d, text);
    d->fold = fold;
    d->fresh = true;
    return true;
}

/* Behind the '('. */
static bool put_group(struct dialect *d)
{
    static const char *const kinds[] = {"?:", "?=", "?!", "?<=", "?<!", "?>"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char text[8];
        snprintf(text, sizeof text, "(%s", kinds[i]);
        if (take(d, kinds[i]))
            return open_group(d, text, d->fold);
    }
    if (take(d, "?"))
        return put_flags(d);
    if (more(d, "*"))
        return refuse(d, "\"(*\"");
    return open_group(d, "(", d->fold);
}

static bool close_group(struct dialect *d)
{
    if (d->depth == 0)
        return refuse(d, "a ')' without its '('");
    d->depth--;
    d->atom = d->starts[d->depth];
    d->fold = d->folds[d->depth];
    put(d, ")");
    return true;
}

/* Puts "(?:" before what was written from `at` on, and ")" behind it. */
static void wrap(struct dialect *d, size_t at)
{
    static const char open[] = "(?:";
    put(d, "(?:)");
    if (d->out->full)
        return;
    memmove(d->out->data + at + 3, d->out->data + at, d->out->len - 4 - at);
    memcpy(d->out->data + at, open, 3);
    d->out->data[d->out->len - 1] = ')';
}

/* Behind the '{': "{n}", "{n,}", "{n,m}", "{,m}"; anything else is a plain brace. */
static bool put_interval(struct dialect *d)
{
    const char *close = memchr(d->at, '}', (size_t)(d->end - d->at));
    size_t len = close ? (size_t)(close - d->at) : 0, commas = 0, digits = 0;
    for (size_t i = 0; i < len; i++) {
        commas += d->at[i] == ',';
        digits += d->at[i] >= '0' && d->at[i] <= '9';
    }
    if (!close || digits == 0 || commas > 1 || commas + digits != len) {
        put(d, "\\{");
        return true;
    }
    buf_printf(d->out, "{%s%.*s}", *d->at == ',' ? "0" : "", (int)len, d->at);
    d->at = close + 1;
    if (!commas && more(d, "?"))
        return refuse(d, "{n}?");
    /* Oniguruma repeats the interval, PCRE2 would make it possessive */
    if (more(d, "+"))
        wrap(d, d->atom);
    return true;
}

/* Oniguruma also takes one character for two where case is ignored ("ß" for "ss"). */
static bool check_fold(struct dialect *d)
{
    static const char *const pairs[] = {"ss", "st", "ff", "fi", "fl"};
    char pair[3] = {d->before, (char)(*d->at | 0x20), '\0'};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (strcmp(pair, pairs[i]) == 0)
            return refuse(d, "ss, st, ff, fi or fl where case is ignored");
    d->before = pair[1];
    return true;
}

static bool put_next(struct dialect *d)
{
    char c = *d->at;
    bool repeats = c == '*' || c == '+' || c == '?' || c == '{';
    if (d->fold && !check_fold(d))
        return false;
    if (c == ')') {
        d->at++;
        return close_group(d);
    }
    if (repeats) {
        d->at++;
        if (c == '{')
            return put_interval(d);
        buf_add_char(d->out, c);
        return true;
    }
    d->atom = d->out->len;
    if (take(d, "("))
        return put_group(d);
    d->fresh = false;
    if (take(d, "["))
        return put_class(d);
    if (take(d, "\\"))
        return put_escape(d);
    return put_character(d);
}

bool regex_translate(struct span pattern, struct buf *out, struct err *err)
{
    struct dialect d = {.at = pattern.data,
                        .end = pattern.data + pattern.len,
                        .out = out,
                        .err = err,
                        .fresh = true};
    while (d.at < d.end)
        if (!put_next(&d))
            return false;
    if (out->full)
        return refuse(&d, "more escapes than fit");
    if (d.depth)
        return refuse(&d, "a '(' without its ')'");
    return true;
}
