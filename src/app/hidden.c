#include "app/hidden.h"

#include <string.h>
#include <strings.h>

#include "base/span.h"

/* A header is confidential when its name has one of these in it. */
static const char *const confidential[] = {"auth", "key", "token", "secret", "cookie", "password"};

static bool is_confidential(struct span name)
{
    for (size_t i = 0; i < sizeof confidential / sizeof *confidential; i++) {
        size_t len = strlen(confidential[i]);
        for (size_t at = 0; at + len <= name.len; at++)
            if (strncasecmp(name.data + at, confidential[i], len) == 0)
                return true;
    }
    return false;
}

static void add(struct secrets *secrets, struct span value, const char *what, struct log *log)
{
    if (value.len > 0 && !secrets_add(secrets, value))
        log_warn(log, "%s is too short to be hidden in what is written", what);
}

/* "Bearer KEY" hides KEY, wherever it turns up without the first word. */
static void add_header(struct secrets *secrets, const char *line, struct log *log)
{
    const char *colon = strchr(line, ':');
    if (!colon || !is_confidential(span_of(line, (size_t)(colon - line))))
        return;
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    const char *blank = strrchr(value, ' ');
    if (blank && blank[1])
        value = blank + 1;
    add(secrets, span_text(value), "the value of a confidential header", log);
}

/* scheme://user:password@host/… */
static void add_password(struct secrets *secrets, const char *url, struct log *log)
{
    const char *start = strstr(url, "://");
    if (!start)
        return;
    start += 3;
    size_t len = strcspn(start, "/?#");
    const char *at = memrchr(start, '@', len);
    const char *colon = at ? memchr(start, ':', (size_t)(at - start)) : NULL;
    if (colon)
        add(secrets, span_of(colon + 1, (size_t)(at - colon - 1)), "the password in the URL", log);
}

void hidden_add(struct secrets *secrets, const struct run_spec *spec, struct log *log)
{
    if (spec->api_key)
        add(secrets, span_text(spec->api_key), "the API key", log);
    for (size_t i = 0; i < spec->headers.count; i++)
        add_header(secrets, spec->headers.items[i], log);
    if (spec->url)
        add_password(secrets, spec->url, log);
}
