#include "base/secrets.h"

#include <ctype.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define SHORTEST 4

static const char mark[] = "[redacted]";

struct secrets {
    pthread_rwlock_t lock;
    struct span *values; /* owned texts */
    size_t count;
    bool begins[256];    /* first bytes of secrets */
    bool may_begin[256]; /* these and whatever may stand for them in some coding */
};

/* Reads one character of coded text: puts its bytes into `out`, their number into `*out_len`, and
 * returns how much text it took. What is not an escape stands for itself, so one reader covers
 * every mixture of escaped and plain characters. */
typedef size_t decode_one(struct span text, char out[4], size_t *out_len);

static size_t decode_plain(struct span text, char out[4], size_t *out_len)
{
    out[0] = text.data[0];
    *out_len = 1;
    return 1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_number(struct span text, size_t at, size_t digits, uint32_t *value)
{
    *value = 0;
    if (text.len < at + digits)
        return false;
    for (size_t i = at; i < at + digits; i++) {
        int digit = hex_digit(text.data[i]);
        if (digit < 0)
            return false;
        *value = *value << 4 | (uint32_t)digit;
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

static size_t decode_unicode(struct span text, char out[4], size_t *out_len)
{
    uint32_t code = 0, low = 0;
    if (!hex_number(text, 2, 4, &code))
        return decode_plain(text, out, out_len);
    size_t taken = 6;
    if (code >= 0xd800 && code < 0xdc00 && text.len >= 12 && text.data[6] == '\\' &&
        text.data[7] == 'u' && hex_number(text, 8, 4, &low) && low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        taken = 12;
    }
    *out_len = utf8_encode(code, out);
    return taken;
}

static size_t decode_json(struct span text, char out[4], size_t *out_len)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (text.data[0] != '\\' || text.len < 2)
        return decode_plain(text, out, out_len);
    if (text.data[1] == 'u')
        return decode_unicode(text, out, out_len);
    const char *escape = memchr(escapes, text.data[1], sizeof escapes - 1);
    if (!escape)
        return decode_plain(text, out, out_len);
    out[0] = meanings[escape - escapes];
    *out_len = 1;
    return 2;
}

static size_t decode_percent(struct span text, char out[4], size_t *out_len)
{
    uint32_t code = 0;
    *out_len = 1;
    if (text.data[0] == '%' && hex_number(text, 1, 2, &code)) {
        out[0] = (char)code;
        return 3;
    }
    out[0] = text.data[0] == '+' ? ' ' : text.data[0];
    return 1;
}

static decode_one *const codings[] = {decode_plain, decode_json, decode_percent};

struct secrets *secrets_new(void)
{
    struct secrets *secrets = MEM_NEW(struct secrets);
    pthread_rwlock_init(&secrets->lock, NULL);
    secrets->may_begin['\\'] = secrets->may_begin['%'] = true;
    return secrets;
}

void secrets_free(struct secrets *secrets)
{
    if (!secrets)
        return;
    for (size_t i = 0; i < secrets->count; i++)
        free((char *)secrets->values[i].data);
    free(secrets->values);
    pthread_rwlock_destroy(&secrets->lock);
    free(secrets);
}

static bool known(const struct secrets *secrets, struct span value)
{
    for (size_t i = 0; i < secrets->count; i++)
        if (secrets->values[i].len == value.len &&
            memcmp(secrets->values[i].data, value.data, value.len) == 0)
            return true;
    return false;
}

static void insert(struct secrets *secrets, struct span value)
{
    secrets->values = mem_resize(secrets->values, secrets->count + 1, sizeof *secrets->values);
    secrets->values[secrets->count++] = span_of(mem_copy(value.data, value.len), value.len);
    secrets->begins[(unsigned char)value.data[0]] = true;
    secrets->may_begin[(unsigned char)value.data[0]] = true;
    if (value.data[0] == ' ')
        secrets->may_begin['+'] = true;
}

bool secrets_add(struct secrets *secrets, struct span value)
{
    if (value.len < SHORTEST)
        return false;
    pthread_rwlock_wrlock(&secrets->lock);
    if (!known(secrets, value))
        insert(secrets, value);
    pthread_rwlock_unlock(&secrets->lock);
    return true;
}

/* How much text at its beginning is `value` in this coding; 0 = it is not. */
static size_t match_coded(struct span text, struct span value, decode_one *decode)
{
    size_t at = 0, done = 0;
    while (done < value.len) {
        char bytes[4];
        size_t len = 0;
        if (at == text.len)
            return 0;
        at += decode(span_of(text.data + at, text.len - at), bytes, &len);
        if (len > value.len - done || memcmp(bytes, value.data + done, len) != 0)
            return 0;
        done += len;
    }
    return at;
}

/* The longest secret, in whatever coding, with which the text begins; 0 = none. Most text is
 * dismissed by its first byte, escapes by what they stand for. */
static size_t match(const struct secrets *secrets, struct span text)
{
    size_t longest = 0;
    if (!secrets->may_begin[(unsigned char)text.data[0]])
        return 0;
    for (size_t c = 0; c < sizeof codings / sizeof *codings; c++) {
        char bytes[4];
        size_t len = 0;
        codings[c](text, bytes, &len);
        if (!secrets->begins[(unsigned char)bytes[0]])
            continue;
        for (size_t i = 0; i < secrets->count; i++) {
            len = match_coded(text, secrets->values[i], codings[c]);
            longest = len > longest ? len : longest;
        }
    }
    return longest;
}

/* The next stretch from `from` on that is covered by secrets, overlapping ones taken together;
 * its end, or 0 when there is none. */
static size_t next_secret(const struct secrets *secrets, struct span text, size_t from,
                          size_t *start)
{
    size_t end = 0;
    for (size_t at = from; at < text.len && (end == 0 || at < end); at++) {
        size_t len = match(secrets, span_of(text.data + at, text.len - at));
        if (len && end == 0)
            *start = at;
        if (len && at + len > end)
            end = at + len;
    }
    return end;
}

bool secrets_found(struct secrets *secrets, struct span text)
{
    size_t start = 0;
    if (!secrets)
        return false;
    pthread_rwlock_rdlock(&secrets->lock);
    bool found = secrets->count && next_secret(secrets, text, 0, &start) != 0;
    pthread_rwlock_unlock(&secrets->lock);
    return found;
}

void secrets_hide(struct secrets *secrets, struct span text, struct buf *out)
{
    size_t from = 0, start = 0, end = 0;
    if (!secrets) {
        buf_add_span(out, text);
        return;
    }
    pthread_rwlock_rdlock(&secrets->lock);
    while (secrets->count && (end = next_secret(secrets, text, from, &start)) != 0) {
        buf_add(out, text.data + from, start - from);
        buf_add_text(out, mark);
        from = end;
    }
    pthread_rwlock_unlock(&secrets->lock);
    if (from < text.len)
        buf_add(out, text.data + from, text.len - from);
}

char *secrets_hidden(struct secrets *secrets, const char *text)
{
    if (!text)
        return NULL;
    struct buf out;
    buf_init(&out, SIZE_MAX / 4);
    secrets_hide(secrets, span_text(text), &out);
    return buf_take(&out);
}

/* Copies "user:password@host…" up to the end of the authority, without the password. */
static size_t hide_password(struct span rest, struct buf *out)
{
    size_t end = 0;
    while (end < rest.len && !strchr("/?#", rest.data[end]))
        end++;
    const char *at = end ? memrchr(rest.data, '@', end) : NULL;
    const char *colon = at ? memchr(rest.data, ':', (size_t)(at - rest.data)) : NULL;
    if (!colon || colon + 1 == at)
        return buf_add(out, rest.data, end), end;
    buf_add(out, rest.data, (size_t)(colon + 1 - rest.data));
    buf_add_text(out, mark);
    buf_add(out, at, end - (size_t)(at - rest.data));
    return end;
}

static bool names_secret(struct span name)
{
    static const char *const words[] = {"key", "token", "secret", "password",
                                        "sig", "auth",  "passwd", "credential"};
    char plain[256];
    size_t len = 0, ignored = 0;
    for (size_t at = 0; at < name.len && len < sizeof plain - 1; len++) {
        char bytes[4];
        at += decode_percent(span_of(name.data + at, name.len - at), bytes, &ignored);
        plain[len] = bytes[0] ? bytes[0] : ' ';
    }
    plain[len] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(plain, words[i]))
            return true;
    return false;
}

/* Copies one "name=value" without a value that its name calls secret. */
static void hide_field(struct span field, struct buf *out)
{
    const char *equals = field.len ? memchr(field.data, '=', field.len) : NULL;
    size_t name = equals ? (size_t)(equals - field.data) : field.len;
    if (name + 1 >= field.len || !names_secret(span_of(field.data, name))) {
        buf_add_span(out, field);
        return;
    }
    buf_add(out, field.data, name + 1);
    buf_add_text(out, mark);
}

char *secrets_url(struct secrets *secrets, const char *url)
{
    if (!url)
        return NULL;
    struct buf out;
    buf_init(&out, SIZE_MAX / 4);
    const char *authority = strstr(url, "://");
    size_t at =
        authority && authority < url + strcspn(url, "?#") ? (size_t)(authority - url) + 3 : 0;
    buf_add(&out, url, at);
    at += hide_password(span_text(url + at), &out);
    size_t path = strcspn(url + at, "?#");
    buf_add(&out, url + at, path);
    at += path;
    while (url[at]) {
        buf_add_char(&out, url[at++]);
        size_t len = strcspn(url + at, "?&;#");
        hide_field(span_of(url + at, len), &out);
        at += len;
    }
    char *shown = buf_take(&out), *hidden = secrets_hidden(secrets, shown);
    free(shown);
    return hidden;
}
