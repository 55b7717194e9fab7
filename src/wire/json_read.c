#include "wire/json.h"

#include <stdarg.h>
#include <stdio.h>

#include "wire/utf8.h"

/* What may come next, in the order of a value's life. */
enum state {
    STATE_START,
    STATE_VALUE,
    STATE_FIRST_ELEMENT, /* or the end of the array */
    STATE_FIRST_KEY,     /* or the end of the object */
    STATE_COLON,
    STATE_AFTER_VALUE,
    STATE_FINISHED,
    STATE_FAILED,
};

/* ---- beginning and end ---- */

static void init(struct json *json, struct span piece, size_t limit)
{
    *json = (struct json){.line = 1, .state = STATE_START, .last = JSON_END};
    json->piece = json->at = piece.len ? piece.data : "";
    json->end = json->at + piece.len;
    buf_init(&json->scratch, limit);
}

void json_init(struct json *json, const char *bytes, size_t len)
{
    /* one byte of input makes at most the three of a U+FFFD */
    init(json, span_of(bytes, len), len > SIZE_MAX / 3 ? SIZE_MAX : len * 3);
}

void json_init_refill(struct json *json, json_refill_fn *refill, void *arg, size_t string_limit)
{
    init(json, span_of(NULL, 0), string_limit);
    json->refill = refill;
    json->refill_arg = arg;
}

void json_fini(struct json *json)
{
    buf_fini(&json->scratch);
}

const char *json_error(const struct json *json)
{
    return json->message;
}

uint64_t json_offset(const struct json *json)
{
    return json->consumed + (uint64_t)(json->at - json->piece);
}

/* ---- errors ---- */

static bool fail(struct json *json, const char *format, ...) PRINTF_LIKE(2, 3);

static bool fail(struct json *json, const char *format, ...)
{
    char what[112];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(json->message, sizeof json->message, "line %llu, byte %llu: %s",
             (unsigned long long)json->line, (unsigned long long)json_offset(json), what);
    json->state = STATE_FAILED;
    json->mark = NULL;
    return false;
}

/* `c` is the byte that stands there, or -1 for the end of the input. */
static enum json_token unexpected(struct json *json, const char *wanted, int c)
{
    if (c < 0)
        fail(json, "expected %s, not the end of the input", wanted);
    else if (c > ' ' && c < 0x7f)
        fail(json, "expected %s, not '%c'", wanted, c);
    else
        fail(json, "expected %s, not byte 0x%02x", wanted, (unsigned)c);
    return JSON_ERROR;
}

/* ---- bytes ---- */

/* Adds what has been read of the current text to scratch. */
static void keep(struct json *json)
{
    buf_add(&json->scratch, json->mark, (size_t)(json->at - json->mark));
}

static bool refill(struct json *json)
{
    if (!json->refill)
        return false;
    if (json->mark)
        keep(json);
    struct span piece = json->refill(json->refill_arg);
    json->consumed += (uint64_t)(json->end - json->piece);
    json->piece = json->at = piece.len ? piece.data : "";
    json->end = json->at + piece.len;
    if (json->mark)
        json->mark = json->at;
    if (piece.len == 0)
        json->refill = NULL;
    return piece.len > 0;
}

/* The next byte, or -1 at the end of the input. */
static int peek(struct json *json)
{
    if (json->at == json->end && !refill(json))
        return -1;
    return (unsigned char)*json->at;
}

static int skip_space(struct json *json)
{
    for (;;) {
        int c = peek(json);
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            return c;
        if (c == '\n')
            json->line++;
        json->at++;
    }
}

/* Takes the bytes if they all stand there; leaves `at` at the first that does not. */
static bool take_word(struct json *json, const char *word)
{
    for (; *word; word++) {
        if (peek(json) != (unsigned char)*word)
            return false;
        json->at++;
    }
    return true;
}

/* ---- texts: borrowed where they stand in one piece, else assembled in scratch ---- */

static void begin_text(struct json *json)
{
    buf_clear(&json->scratch);
    json->mark = json->at;
}

static bool too_long(struct json *json)
{
    return fail(json, "a string or number is longer than the limit of %zu bytes",
                json->scratch.limit);
}

static bool finish_text(struct json *json)
{
    struct span rest = span_of(json->mark, (size_t)(json->at - json->mark));
    json->mark = NULL;
    json->text = rest;
    if (json->scratch.len > 0) {
        buf_add_span(&json->scratch, rest);
        json->text = buf_span(&json->scratch);
    }
    if (json->scratch.full || json->text.len > json->scratch.limit)
        return too_long(json);
    return true;
}

/* ---- strings ---- */

static void replace(struct json *json)
{
    buf_add_text(&json->scratch, UTF8_REPLACEMENT);
    json->replaced++;
}

static void add_code(struct json *json, uint32_t code)
{
    char bytes[4];
    unsigned len = utf8_encode(code, bytes);
    buf_add(&json->scratch, bytes, len);
}

/* Adds a UTF-16 unit of an escape; `high` keeps a high surrogate until its other half comes. */
static void add_unit(struct json *json, uint32_t unit, uint32_t *high)
{
    bool is_low = unit >= 0xdc00 && unit <= 0xdfff;
    bool is_high = unit >= 0xd800 && unit <= 0xdbff;
    if (*high && is_low)
        add_code(json, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
    else if (*high)
        replace(json);
    if (is_low && !*high)
        replace(json);
    else if (!is_low && !is_high)
        add_code(json, unit);
    *high = is_high ? unit : 0;
}

static bool read_hex(struct json *json, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(json);
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            unexpected(json, "four hexadecimal digits after \\u", c);
            return false;
        }
        *unit = *unit << 4 | (uint32_t)digit;
        json->at++;
    }
    return true;
}

static bool read_escape(struct json *json, uint32_t *high)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    keep(json);
    json->mark = NULL;
    json->at++;
    int c = peek(json);
    const char *letter = c > 0 ? strchr(letters, c) : NULL;
    if (!letter && c != 'u') {
        unexpected(json, "one of \"\\/bfnrtu after a backslash", c);
        return false;
    }
    json->at++;
    uint32_t unit;
    if (letter)
        unit = (unsigned char)meanings[letter - letters];
    else if (!read_hex(json, &unit))
        return false;
    add_unit(json, unit, high);
    json->mark = json->at;
    return true;
}

/* A character that the end of the piece cuts, or that is invalid. */
static void read_odd_character(struct json *json)
{
    keep(json);
    json->mark = NULL;
    const struct utf8_lead *lead = utf8_lead((unsigned char)*json->at);
    char bytes[4];
    unsigned n = 0;
    bytes[n++] = *json->at++;
    while (lead && n < lead->length && utf8_follows(lead, n, peek(json)))
        bytes[n++] = *json->at++;
    if (lead && n == lead->length)
        buf_add(&json->scratch, bytes, n);
    else
        replace(json);
    json->mark = json->at;
}

/* Passes whatever can be borrowed as it stands. */
static void skip_plain(struct json *json)
{
    const char *at = json->at;
    while (at < json->end) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        if (c < 0x80) {
            at++;
            continue;
        }
        bool valid;
        unsigned n = utf8_step(at, json->end, &valid);
        if (!valid)
            break;
        at += n;
    }
    json->at = at;
}

static bool read_string(struct json *json)
{
    uint32_t high = 0;
    json->at++;
    begin_text(json);
    for (;;) {
        int c = peek(json);
        if (high && c != '\\') {
            replace(json);
            high = 0;
        }
        if (c == '"')
            break;
        if (c < 0)
            return fail(json, "the input ends inside a string");
        if (c < 0x20)
            return fail(json, "byte 0x%02x inside a string must be escaped", (unsigned)c);
        const char *before = json->at;
        skip_plain(json);
        if (c == '\\' && !read_escape(json, &high))
            return false;
        if (c >= 0x80 && json->at == before)
            read_odd_character(json);
        if (json->scratch.full)
            return too_long(json);
    }
    bool ok = finish_text(json);
    json->at++;
    return ok;
}

/* ---- numbers ---- */

static bool take_digits(struct json *json)
{
    int c = peek(json);
    if (c < '0' || c > '9') {
        unexpected(json, "a digit", c);
        return false;
    }
    while (c >= '0' && c <= '9') {
        json->at++;
        c = peek(json);
    }
    return true;
}

static bool take_exponent(struct json *json)
{
    int c = peek(json);
    if (c != 'e' && c != 'E')
        return true;
    json->at++;
    c = peek(json);
    if (c == '+' || c == '-')
        json->at++;
    return take_digits(json);
}

static bool read_number(struct json *json)
{
    begin_text(json);
    if (*json->at == '-')
        json->at++;
    if (peek(json) == '0')
        json->at++;
    else if (!take_digits(json))
        return false;
    if (peek(json) == '.') {
        json->at++;
        if (!take_digits(json))
            return false;
    }
    return take_exponent(json) && finish_text(json);
}

/* ---- values ---- */

static bool in_object(const struct json *json)
{
    unsigned level = json->depth - 1;
    return json->stack[level / 8] >> level % 8 & 1;
}

static enum json_token enter(struct json *json, bool object)
{
    if (json->depth == JSON_MAX_DEPTH) {
        fail(json, "more than %d values are nested in each other", JSON_MAX_DEPTH);
        return JSON_ERROR;
    }
    unsigned level = json->depth++, bit = 1U << level % 8;
    unsigned byte = json->stack[level / 8];
    json->stack[level / 8] = (unsigned char)(object ? byte | bit : byte & ~bit);
    json->state = object ? STATE_FIRST_KEY : STATE_FIRST_ELEMENT;
    json->at++;
    return object ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN;
}

static enum json_token leave(struct json *json)
{
    enum json_token token = in_object(json) ? JSON_OBJECT_END : JSON_ARRAY_END;
    json->depth--;
    json->state = STATE_AFTER_VALUE;
    json->at++;
    return token;
}

static enum json_token read_word(struct json *json, const char *word, enum json_token token)
{
    if (!take_word(json, word))
        return unexpected(json, word, peek(json));
    json->state = STATE_AFTER_VALUE;
    return token;
}

static enum json_token read_value(struct json *json, int c)
{
    switch (c) {
    case '{': return enter(json, true);
    case '[': return enter(json, false);
    case 't': return read_word(json, "true", JSON_TRUE);
    case 'f': return read_word(json, "false", JSON_FALSE);
    case 'n': return read_word(json, "null", JSON_NULL);
    default: break;
    }
    if (c != '"' && c != '-' && (c < '0' || c > '9'))
        return unexpected(json, "a value", c);
    if (!(c == '"' ? read_string(json) : read_number(json)))
        return JSON_ERROR;
    json->state = STATE_AFTER_VALUE;
    return c == '"' ? JSON_STRING : JSON_NUMBER;
}

static enum json_token read_key(struct json *json, int c)
{
    if (c != '"')
        return unexpected(json, "a key in quotes", c);
    if (!read_string(json))
        return JSON_ERROR;
    json->state = STATE_COLON;
    return JSON_KEY;
}

static enum json_token read_after_value(struct json *json, int c)
{
    if (json->depth == 0) {
        if (c >= 0)
            return unexpected(json, "nothing after the value", c);
        json->state = STATE_FINISHED;
        return JSON_END;
    }
    bool object = in_object(json);
    if (c == (object ? '}' : ']'))
        return leave(json);
    if (c != ',')
        return unexpected(json, object ? "',' or '}'" : "',' or ']'", c);
    json->at++;
    c = skip_space(json);
    return object ? read_key(json, c) : read_value(json, c);
}

static enum json_token read_after_key(struct json *json, int c)
{
    if (c != ':')
        return unexpected(json, "':'", c);
    json->at++;
    return read_value(json, skip_space(json));
}

/* ---- tokens ---- */

static enum json_token step(struct json *json)
{
    if (json->state == STATE_START) {
        json->state = STATE_VALUE;
        if (peek(json) == 0xef && !take_word(json, "\xef\xbb\xbf"))
            return unexpected(json, "a value or a whole byte-order mark", peek(json));
    }
    int c = skip_space(json);
    switch ((enum state)json->state) {
    case STATE_VALUE: return read_value(json, c);
    case STATE_FIRST_ELEMENT: return c == ']' ? leave(json) : read_value(json, c);
    case STATE_FIRST_KEY: return c == '}' ? leave(json) : read_key(json, c);
    case STATE_COLON: return read_after_key(json, c);
    case STATE_AFTER_VALUE: return read_after_value(json, c);
    case STATE_START:
    case STATE_FINISHED:
    case STATE_FAILED: break;
    }
    return JSON_END;
}

enum json_token json_next(struct json *json)
{
    json->text = span_of(NULL, 0);
    json->last = json->state == STATE_FAILED ? JSON_ERROR : step(json);
    return json->last;
}

bool json_skip(struct json *json)
{
    if (json->last != JSON_OBJECT_BEGIN && json->last != JSON_ARRAY_BEGIN)
        return json->last != JSON_ERROR;
    unsigned outside = json->depth - 1;
    while (json->depth > outside)
        if (json_next(json) == JSON_ERROR)
            return false;
    return true;
}
