#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "io/http_inner.h"

size_t http_url_origin(const char *text)
{
    const char *mark = strstr(text, "://");
    size_t len = mark ? strcspn(mark + 3, "/?#\\") : 0;
    return len ? (size_t)(mark + 3 - text) + len : 0;
}

char *http_url_with_path(const char *url, const char *path)
{
    return mem_printf("%.*s%s", (int)http_url_origin(url), url, path);
}

static char *http_url_part(CURLU *parsed, CURLUPart part)
{
    char *text = NULL;
    if (curl_url_get(parsed, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK)
        return NULL;
    char *copy = mem_text(text);
    curl_free(text);
    return copy;
}

/* The host without the brackets of an IPv6 address. */
static void http_url_bare(const char *host, char *out, size_t size)
{
    size_t len = strlen(host), skip = host[0] == '[' && len > 2;
    len -= skip * 2;
    if (len >= size)
        len = size - 1;
    memcpy(out, host + skip, len);
    out[len] = '\0';
}

static void http_url_place(struct http_url *url)
{
    char bare[256];
    struct in_addr v4;
    struct in6_addr v6;
    http_url_bare(url->host, bare, sizeof bare);
    if (inet_pton(AF_INET, bare, &v4) == 1) {
        url->literal = true;
        url->loopback = ntohl(v4.s_addr) >> 24 == 127;
    } else if (strchr(bare, ':')) {
        bare[strcspn(bare, "%")] = '\0'; /* without its zone */
        url->literal = true;
        url->loopback = inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    } else {
        url->loopback = strcasecmp(bare, "localhost") == 0 || strcasecmp(bare, "localhost.") == 0;
    }
}

static bool http_url_read(CURLU *parsed, const char *text, struct http_url *url, struct err *err)
{
    CURLUcode code = curl_url_set(parsed, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    if (code != CURLUE_OK)
        return err_set(err,
                       "URL \"%s\" cannot be read (%s); it should look like "
                       "http://127.0.0.1:8000/v1/chat/completions",
                       text, curl_url_strerror(code));
    url->scheme = http_url_part(parsed, CURLUPART_SCHEME);
    if (!url->scheme || (strcmp(url->scheme, "http") != 0 && strcmp(url->scheme, "https") != 0))
        return err_set(err, "URL \"%s\" has the scheme \"%s\"; it must be http or https", text,
                       url->scheme ? url->scheme : "");
    url->host = http_url_part(parsed, CURLUPART_HOST);
    url->port = http_url_part(parsed, CURLUPART_PORT);
    if (!url->host || !url->host[0] || !url->port || !http_url_origin(text))
        return err_set(err, "URL \"%s\" names no host", text);
    char *path = http_url_part(parsed, CURLUPART_PATH);
    url->shown = mem_printf("%s://%s:%s%s", url->scheme, url->host, url->port, path ? path : "");
    free(path);
    http_url_place(url);
    return true;
}

bool http_url_parse(const char *text, struct http_url *url, struct err *err)
{
    memset(url, 0, sizeof *url);
    CURLU *parsed = curl_url();
    if (!parsed)
        return err_set(err, "libcurl is out of memory");
    bool ok = http_url_read(parsed, text ? text : "", url, err);
    curl_url_cleanup(parsed);
    if (!ok)
        http_url_fini(url);
    return ok;
}

bool http_is_local(const char *url)
{
    struct http_url parsed;
    struct err err;
    bool local = http_url_parse(url, &parsed, &err) && parsed.loopback;
    http_url_fini(&parsed);
    return local;
}

void http_url_fini(struct http_url *url)
{
    free(url->scheme);
    free(url->host);
    free(url->port);
    free(url->shown);
    memset(url, 0, sizeof *url);
}
