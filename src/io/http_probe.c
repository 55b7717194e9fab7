#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/http_inner.h"
#include "io/loop.h"

static bool probe_fail(CURL *easy, CURLcode code, const char *text, const struct http_url *url,
                       const struct http_config *config, struct err *err)
{
    long number = 0;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return err_set(err, "interrupted");
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

/* May it be a proxy that answered at the target's own port? libcurl does not tell. */
static bool probe_may_be_proxy(long port)
{
    static const char *const NAMES[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        const char *proxy = getenv(NAMES[i]);
        const char *colon = proxy ? strrchr(proxy, ':') : NULL;
        char *rest = NULL;
        long other = colon ? strtol(colon + 1, &rest, 10) : 0;
        bool named = other > 0 && strspn(rest, "/") == strlen(rest);
        if (proxy && *proxy && (!named || other == port))
            return true;
    }
    return false;
}

/* Only where the address alone says where it leads, which a link's own does not. */
static bool probe_is_global(const char *address)
{
    struct in6_addr v6;
    return inet_pton(AF_INET6, address, &v6) != 1 || !IN6_IS_ADDR_LINKLOCAL(&v6);
}

static char *probe_resolve(CURL *easy, const struct http_url *url)
{
    char *address = NULL;
    long port = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address);
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
    if (url->literal || !address || !*address || port != atol(url->port) ||
        !probe_is_global(address) || (!url->loopback && probe_may_be_proxy(port)))
        return NULL;
    return mem_printf(strchr(address, ':') ? "%s:%s:[%s]" : "%s:%s:%s", url->host, url->port,
                      address);
}

/* CURLOPT_XFERINFOFUNCTION, which libcurl calls at least once a second. */
static int probe_on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)arg, (void)a, (void)b, (void)c, (void)d;
    return signals_pending();
}

static bool probe_connect(CURL *easy, const char *text, const struct http_url *url,
                          const struct http_config *config, struct err *err)
{
    char reason[CURL_ERROR_SIZE] = "";
    http_easy_secure(easy, config);
    http_easy_direct(easy, url->loopback);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a thread that resolves is not waited for */
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, probe_on_progress);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
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
