/* Which of the user's words are secret: in URLs, and in header lines. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base64_text.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "base/spelling.h"

static const char mark[] = "[redacted]";

static struct span part(struct span text, size_t from, size_t to)
{
    return span_of(text.data + from, to - from);
}

/* ---- names ---- */

/* "max_tokens" counts tokens. */
static bool names_token(const char *name)
{
    const char *token = strcasestr(name, "token");
    return token && tolower((unsigned char)token[5]) != 's';
}

static bool is_confidential(struct span coded)
{
    static const char *const words[] = {"auth",     "key",    "secret",     "cookie",
                                        "password", "passwd", "credential", "signature"};
    char name[256];
    struct span head = coded.len < sizeof name ? coded : span_of(coded.data, sizeof name - 1);
    size_t len = spelling_percent(head, true, name);
    for (size_t i = 0; i < len; i++)
        name[i] = name[i] ? name[i] : ' ';
    name[len] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(name, words[i]))
            return true;
    return names_token(name) || strcasecmp(name, "sig") == 0;
}

bool secrets_name(struct span name)
{
    return is_confidential(name);
}

bool secrets_field(struct span name)
{
    static const char *const words[] = {
        "apikey",     "secret",      "password",  "passwd",      "credential", "authorization",
        "privatekey", "accesstoken", "authtoken", "bearertoken", "accesskey",
    };
    char bare[256];
    size_t len = 0;
    for (size_t i = 0; i < name.len && len + 1 < sizeof bare; i++)
        if (name.data[i] && name.data[i] != '_' && name.data[i] != '-')
            bare[len++] = name.data[i];
    bare[len] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(bare, words[i]))
            return true;
    return false;
}

/* ---- the parts of a URL ---- */

/* Where they stand in the URL; those that are not there are empty. */
struct parts {
    struct span user, password; /* percent-encoded */
    struct span *fields;        /* values of token-like fields */
    size_t field_count;
};

/* "user:password@host…" up to the end of the authority. */
static size_t take_login(struct span url, size_t from, struct parts *parts)
{
    size_t end = from;
    while (end < url.len && !memchr("/?#", url.data[end], 3))
        end++;
    const char *at = end > from ? memrchr(url.data + from, '@', end - from) : NULL;
    if (!at)
        return end;
    struct span login = part(url, from, (size_t)(at - url.data));
    const char *colon = login.len ? memchr(login.data, ':', login.len) : NULL;
    size_t user = colon ? (size_t)(colon - login.data) : login.len;
    parts->user = part(login, 0, user);
    if (colon)
        parts->password = part(login, user + 1, login.len);
    return end;
}

static void take_field(struct span field, struct parts *parts)
{
    const char *equals = field.len ? memchr(field.data, '=', field.len) : NULL;
    size_t name = equals ? (size_t)(equals - field.data) : field.len;
    if (name + 1 >= field.len || !is_confidential(part(field, 0, name)))
        return;
    parts->fields = mem_resize(parts->fields, parts->field_count + 1, sizeof *parts->fields);
    parts->fields[parts->field_count++] = part(field, name + 1, field.len);
}

static struct parts parts_of(const char *text)
{
    struct parts parts = {0};
    struct span url = span_text(text);
    const char *authority = strstr(text, "://");
    bool has = authority && authority < text + strcspn(text, "?#");
    size_t at = take_login(url, has ? (size_t)(authority - text) + 3 : 0, &parts);
    at += strcspn(text + at, "?#");
    while (at < url.len) {
        size_t len = strcspn(text + ++at, "?&;#");
        take_field(span_of(text + at, len), &parts);
        at += len;
    }
    return parts;
}

static size_t add_hidden(struct buf *out, const char *url, size_t from, struct span hidden)
{
    if (hidden.len == 0)
        return from;
    size_t start = (size_t)(hidden.data - url);
    buf_add(out, url + from, start - from);
    buf_add_text(out, mark);
    return start + hidden.len;
}

char *secrets_url(struct secrets *secrets, const char *url)
{
    if (!url)
        return NULL;
    struct buf out;
    buf_init(&out, SIZE_MAX / 4);
    struct parts parts = parts_of(url);
    size_t at = add_hidden(&out, url, 0, parts.password.len ? parts.password : parts.user);
    for (size_t i = 0; i < parts.field_count; i++)
        at = add_hidden(&out, url, at, parts.fields[i]);
    buf_add_text(&out, url + at);
    free(parts.fields);
    char *shown = buf_take(&out), *hidden = secrets_hidden(secrets, shown);
    free(shown);
    return hidden;
}

/* ---- logins ---- */

void secrets_register_login(struct secrets *secrets, struct span user, struct span password,
                            const char *what, struct log *log)
{
    struct buf login, coded;
    secrets_register(secrets, password.len ? password : user, what, log);
    buf_init(&login, SIZE_MAX / 4);
    buf_init(&coded, SIZE_MAX / 4);
    buf_add_span(&login, user);
    buf_add_char(&login, ':');
    buf_add_span(&login, password);
    base64_text(&coded, buf_span(&login)); /* found with its padding and without it */
    if (coded.len >= SECRETS_SHORTEST)     /* of shorter ones the warning has spoken */
        secrets_register(secrets, buf_span(&coded), what, log);
    buf_fini(&login);
    buf_fini(&coded);
}

/* ---- URLs ---- */

/* As it stands there, and what it means. */
static void register_coded(struct secrets *secrets, struct span value, bool plus, const char *what,
                           struct log *log)
{
    char *plain = mem_alloc(value.len + 1);
    size_t len = spelling_percent(value, plus, plain);
    secrets_register(secrets, span_of(plain, len), what, log);
    if (len >= SECRETS_SHORTEST)
        secrets_register(secrets, value, what, log);
    free(plain);
}

static struct span decoded(struct span coded, char **plain)
{
    *plain = mem_alloc(coded.len + 1);
    return span_of(*plain, spelling_percent(coded, false, *plain));
}

void secrets_register_url(struct secrets *secrets, const char *url, const char *what,
                          struct log *log)
{
    struct parts parts = parts_of(url);
    if (parts.user.len || parts.password.len) {
        char *user = NULL, *password = NULL;
        struct span coded = parts.password.len ? parts.password : parts.user;
        secrets_register_login(secrets, decoded(parts.user, &user),
                               decoded(parts.password, &password), what, log);
        register_coded(secrets, coded, false, what, log);
        free(user);
        free(password);
    }
    for (size_t i = 0; i < parts.field_count; i++)
        register_coded(secrets, parts.fields[i], true, what, log);
    free(parts.fields);
}

/* ---- headers ---- */

static void register_cookies(struct secrets *secrets, struct span value, struct log *log)
{
    for (size_t at = 0; at < value.len;) {
        const char *end = memchr(value.data + at, ';', value.len - at);
        struct span pair = part(value, at, end ? (size_t)(end - value.data) : value.len);
        const char *equals = pair.len ? memchr(pair.data, '=', pair.len) : NULL;
        size_t name = equals ? (size_t)(equals + 1 - pair.data) : 0;
        secrets_register(secrets, part(pair, name, pair.len), "the value of a cookie", log);
        at += pair.len + 1;
    }
}

void secrets_register_header(struct secrets *secrets, const char *line, struct log *log)
{
    static const char what[] = "the value of a confidential header";
    struct span text = span_text(line);
    size_t name = strcspn(line, ":=");
    if (name == text.len) /* no header, but what says so repeats it */
        name = strcspn(line, " \t");
    if (name == text.len || !is_confidential(part(text, 0, name)))
        return;
    struct span value = part(text, name + 1, text.len);
    value = part(value, strspn(value.data, " \t"), value.len);
    secrets_register(secrets, value, what, log);
    if (name == 6 && strncasecmp(line, "cookie", name) == 0) {
        register_cookies(secrets, value, log);
        return;
    }
    const char *blank = value.len ? memchr(value.data, ' ', value.len) : NULL;
    if (blank)
        secrets_register(secrets, part(value, (size_t)(blank - value.data), value.len), what, log);
}
