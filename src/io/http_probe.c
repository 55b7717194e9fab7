#include <ctype.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/http_inner.h"

enum { RESOLVE_LIMIT = 64 * 1024 };

static bool probe_fail(CURL *easy, CURLcode code, const char *text, const struct http_url *url,
                       const struct http_config *config, struct err *err)
{
    long number = 0;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, "cannot reach %s: no connection within %g s", url->shown,
                       clock_seconds(config->connect_timeout_ns));
    if (code == CURLE_COULDNT_CONNECT)
        curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
    if (number > 0) {
        const char *reason = strerror((int)number);
        return err_set(err, "cannot reach %s: %c%s", url->shown, tolower((unsigned char)reason[0]),
                       reason + 1);
    }
    return err_set(err, "cannot reach %s: %s", url->shown,
                   text[0] ? text : curl_easy_strerror(code));
}

static void probe_add(struct buf *out, const struct addrinfo *info)
{
    char text[NI_MAXHOST];
    if (getnameinfo(info->ai_addr, info->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST))
        return;
    buf_printf(out, info->ai_family == AF_INET6 ? ",[%s]" : ",%s", text);
}

/* The addresses of the family that answered; empty if the one that answered is not among them,
 * which means that a proxy did. */
static void probe_addresses(const struct addrinfo *list, const char *answered, struct buf *out)
{
    bool seen = false;
    int family = strchr(answered, ':') ? AF_INET6 : AF_INET;
    for (const struct addrinfo *info = list; info; info = info->ai_next) {
        char text[NI_MAXHOST];
        if (info->ai_family != family || getnameinfo(info->ai_addr, info->ai_addrlen, text,
                                                     sizeof text, NULL, 0, NI_NUMERICHOST))
            continue;
        seen = seen || strcmp(text, answered) == 0;
        probe_add(out, info);
    }
    if (!seen)
        buf_clear(out);
}

static char *probe_resolve(CURL *easy, const struct http_url *url)
{
    char *answered = NULL;
    long port = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &answered);
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
    if (url->literal || !answered || port != atol(url->port) ||
        getaddrinfo(url->host, url->port, &hints, &list) != 0)
        return NULL;
    struct buf addresses;
    buf_init(&addresses, RESOLVE_LIMIT);
    probe_addresses(list, answered, &addresses);
    freeaddrinfo(list);
    char *resolve = addresses.len && !addresses.full
                        ? mem_printf("%s:%s:%.*s", url->host, url->port, (int)addresses.len - 1,
                                     addresses.data + 1)
                        : NULL;
    buf_fini(&addresses);
    return resolve;
}

static bool probe_connect(CURL *easy, const char *text, const struct http_url *url,
                          const struct http_config *config, struct err *err)
{
    char reason[CURL_ERROR_SIZE] = "";
    http_easy_secure(easy, config);
    http_easy_direct(easy, url->loopback);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, text);
    if (code == CURLE_OK)
        code = curl_easy_perform(easy);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    return code == CURLE_OK || probe_fail(easy, code, reason, url, config, err);
}

bool http_probe(const char *text, const struct http_config *config, char **resolve, struct err *err)
{
    struct http_url url;
    *resolve = NULL;
    if (!http_url_parse(text, &url, err))
        return false;
    CURL *easy = curl_easy_init();
    bool ok = easy ? probe_connect(easy, text, &url, config, err)
                   : err_set(err, "libcurl gave no easy handle");
    if (ok)
        *resolve = probe_resolve(easy, &url);
    curl_easy_cleanup(easy);
    http_url_fini(&url);
    return ok;
}
