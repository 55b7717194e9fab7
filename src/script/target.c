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
    return strncasecmp(line, name.data, name.len) == 0 &&
           (line[name.len] == ':' || line[name.len] == ';');
}

/* Takes the line, in place of one of the same name. */
static void take_line(struct list *lines, struct span name, char *line)
{
    size_t i = 0;
    while (i < lines->count && !same_name(lines->items[i], name))
        i++;
    if (i < lines->count) {
        free(lines->items[i]);
        lines->items[i] = line;
        return;
    }
    list_add(lines, line);
    free(line);
}

static bool check_name(struct span name, struct err *err)
{
    return header_name_valid(name) || err_set(err, "\"%.*s\" cannot be the name of a header",
                                              name.len > 80 ? 80 : (int)name.len, name.data);
}

bool header_put(struct list *lines, struct span name, struct span value, struct err *err)
{
    if (!check_name(name, err))
        return false;
    value = trim(value);
    if (!is_value(value))
        return err_set(err,
                       "the value of the header %.*s holds a line end or another control "
                       "character",
                       (int)name.len, name.data);
    char *line = mem_printf("%.*s:%s%.*s", (int)name.len, name.data, value.len ? " " : "",
                            (int)value.len, value.len ? value.data : "");
    take_line(lines, name, line);
    return true;
}

/* "Name;" as curl has it: a header without a value. ("Name:" takes libcurl's own one away.) */
static bool put_empty(struct list *lines, struct span name, struct err *err)
{
    if (!check_name(name, err))
        return false;
    take_line(lines, name, mem_printf("%.*s;", (int)name.len, name.data));
    return true;
}

bool header_put_line(struct list *lines, struct span line, struct err *err)
{
    size_t at = 0;
    while (at < line.len && line.data[at] != ':' && line.data[at] != '=')
        at++;
    if (at == line.len && at > 0 && line.data[at - 1] == ';')
        return put_empty(lines, trim(span_of(line.data, at - 1)), err);
    if (at == line.len)
        return err_set(err,
                       "\"%.*s\" is no header; it must be \"Name: value\", or \"Name;\" for one "
                       "without a value",
                       line.len > 80 ? 80 : (int)line.len, line.data);
    return header_put(lines, trim(span_of(line.data, at)),
                      span_of(line.data + at + 1, line.len - at - 1), err);
}

/* ---- secrets ---- */

struct secrets *script_secrets(const struct script *script)
{
    return script->secrets;
}

static void hide_header(const struct script *script, const char *line)
{
    secrets_register_header(script->secrets, line, script->log);
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
        hide_header(script, script->user_headers.items[i]);
    return true;
}

struct header_job {
    size_t i; /* in user_headers */
};

static void run_given_header(lua_State *lua, struct script *script, void *arg)
{
    const struct header_job *job = arg;
    const char *line = script->user_headers.items[job->i];
    size_t len = strcspn(line, ":;");
    struct span name = span_of(line, len), value = trim(span_text(line + len + 1));
    struct err err;
    slot_push(lua, SLOT_API); // -- api
    int base = lua_gettop(lua);
    lua_getfield(lua, -1, "given_header"); // -- api hook
    if (lua_isnil(lua, -1))
        return;
    push_span(lua, name);                             // -- api hook name
    push_span(lua, value);                            // -- api hook name value
    lua_call(lua, 2, LUA_MULTRET);                    // -- api value…
    results_keep(lua, base, 1, "one string, or nil"); // -- api value
    if (lua_isnil(lua, -1))
        return;
    if (lua_type(lua, -1) != LUA_TSTRING)
        throw_error(lua, "must return a string or nil, not %s", value_kind(lua, -1));
    /* the name is borrowed from the line that is about to be replaced */
    push_span(lua, name); // -- api value name
    if (!header_put(&script->user_headers, lua_span(lua, -1), lua_span(lua, -2), &err))
        throw_error(lua, "%s", err.text);
}

static bool rewrite_headers(struct script *script, struct err *err)
{
    for (size_t i = 0; i < script->user_headers.count; i++) {
        struct header_job job = {.i = i};
        if (!state_run(script, "given_header", run_given_header, &job, err))
            return false;
        hide_header(script, script->user_headers.items[i]);
    }
    return true;
}

/* How the API script wants --api-key to travel. */
static bool take_api_key(struct script *script, struct err *err)
{
    const char *key = option_text(script->opts, "api-key");
    const char *auth = script->api_auth ? script->api_auth : "bearer";
    if (!key || !*key)
        return true;
    secrets_register(script->secrets, span_text(key), "the API key", script->log);
    if (strcmp(auth, "none") == 0)
        return true;
    if (strpbrk(key, "\r\n"))
        return err_set(err, "--api-key holds a line break; a header value cannot");
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
           take_api_key(script, err) && take_user_headers(script, err) &&
           rewrite_headers(script, err);
}
