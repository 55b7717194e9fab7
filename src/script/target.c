/* Where requests go and what headers they carry: the URL with the API's path, the API key,
 * --header. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "script/state.h"

/* ---- header lines ---- */

bool header_name_valid(struct span name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];
        if (!isalnum(c) && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return name.len > 0;
}

static bool is_value(struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return false;
    }
    return true;
}

static struct span trim(struct span text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = span_of(text.data + 1, text.len - 1);
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

static bool same_name(const char *line, struct span name)
{
    return strncasecmp(line, name.data, name.len) == 0 && line[name.len] == ':';
}

bool header_put(struct list *lines, struct span name, struct span value, struct err *err)
{
    if (!header_name_valid(name))
        return err_set(err, "\"%.*s\" cannot be the name of a header",
                       name.len > 80 ? 80 : (int)name.len, name.data);
    value = trim(value);
    if (!is_value(value))
        return err_set(err,
                       "the value of the header %.*s holds a line end or another control "
                       "character",
                       (int)name.len, name.data);
    char *line = mem_printf("%.*s:%s%.*s", (int)name.len, name.data, value.len ? " " : "",
                            (int)value.len, value.len ? value.data : "");
    size_t i = 0;
    while (i < lines->count && !same_name(lines->items[i], name))
        i++;
    if (i < lines->count) {
        free(lines->items[i]);
        lines->items[i] = line;
        return true;
    }
    list_add(lines, line);
    free(line);
    return true;
}

bool header_put_line(struct list *lines, struct span line, struct err *err)
{
    size_t at = 0;
    while (at < line.len && line.data[at] != ':' && line.data[at] != '=')
        at++;
    if (at == line.len)
        return err_set(err, "\"%.*s\" is no header; it must be \"Name: value\"",
                       line.len > 80 ? 80 : (int)line.len, line.data);
    return header_put(lines, trim(span_of(line.data, at)),
                      span_of(line.data + at + 1, line.len - at - 1), err);
}

/* ---- secrets ---- */

static bool is_secret_name(const char *line)
{
    static const char *const signs[] = {"auth", "key", "token", "secret", "cookie", "password"};
    char name[64];
    size_t len = 0;
    for (; line[len] && line[len] != ':' && len < sizeof name - 1; len++)
        name[len] = (char)tolower((unsigned char)line[len]);
    name[len] = '\0';
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strstr(name, signs[i]))
            return true;
    return false;
}

static void hide(struct script *script, const char *what, struct span value)
{
    if (script->secrets && value.len > 0 && !secrets_add(script->secrets, value))
        log_warn(script->log, "%s is too short to be hidden in logs and results", what);
}

/* The whole value, and in "Bearer X" the X alone, too. */
static void hide_value(struct script *script, const char *line)
{
    const char *colon = strchr(line, ':');
    struct span value = trim(span_text(colon + 1));
    hide(script, "a header's secret value", value);
    const char *blank = value.len ? memchr(value.data, ' ', value.len) : NULL;
    if (blank)
        hide(script, "a header's secret value",
             trim(span_of(blank, value.len - (size_t)(blank - value.data))));
}

/* ---- the run's own headers ---- */

static const struct list *option_list(const struct opt_set *opts, const char *name)
{
    const struct opt_row *row = opts ? opt_find(opts, name) : NULL;
    return row && row->type->kind == OPT_KIND_LIST ? opt_field(opts, row) : NULL;
}

static const char *option_text(const struct opt_set *opts, const char *name)
{
    const struct opt_row *row = opts ? opt_find(opts, name) : NULL;
    if (!row || row->type->kind != OPT_KIND_TEXT)
        return NULL;
    return *(char *const *)opt_field(opts, row);
}

static bool take_user_headers(struct script *script, struct err *err)
{
    const struct list *given = option_list(script->opts, "header");
    for (size_t i = 0; given && i < given->count; i++)
        if (!header_put_line(&script->user_headers, span_text(given->items[i]), err))
            return err_prefix(err, "--header");
    for (size_t i = 0; i < script->user_headers.count; i++)
        if (is_secret_name(script->user_headers.items[i]))
            hide_value(script, script->user_headers.items[i]);
    return true;
}

/* How the API script wants --api-key to travel. */
static bool take_api_key(struct script *script, struct err *err)
{
    const char *key = option_text(script->opts, "api-key");
    const char *auth = script->api_auth ? script->api_auth : "bearer";
    if (!key || !*key)
        return true;
    hide(script, "--api-key", trim(span_text(key)));
    if (strcmp(auth, "none") == 0)
        return true;
    bool bearer = strcmp(auth, "bearer") == 0;
    char *value = mem_printf("%s%s", bearer ? "Bearer " : "", key);
    bool ok = header_put(&script->host_headers, span_text(bearer ? "Authorization" : auth),
                         span_text(value), err);
    free(value);
    return ok || err_prefix(err, "--api-key");
}

/* ---- the URL ---- */

/* The URL, with the API's path if it names only a host; owned. */
static char *full_url(const char *url, const char *api_path)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t len = strcspn(host, "/?#");
    const char *rest = host + len;
    bool bare = *rest != '/' || rest[1] == '\0' || rest[1] == '?' || rest[1] == '#';
    if (!api_path || !bare)
        return mem_text(url);
    if (*rest == '/')
        rest++;
    return mem_printf("%.*s%s%s", (int)(host + len - url), url, api_path, rest);
}

bool target_open(struct script *script, const struct script_config *config, struct err *err)
{
    if (config->url)
        script->facts.url = script->url = full_url(config->url, script->api_path);
    return header_put(&script->host_headers, span_text("Content-Type"),
                      span_text("application/json"), err) &&
           take_api_key(script, err) && take_user_headers(script, err);
}
