#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/http_inner.h"

/* At least a millisecond; none at all is as long as libcurl can wait (24 days). */
static long timeout_ms(uint64_t ns)
{
    uint64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS != 0);
    return ns && ms < INT_MAX ? (long)ms : INT_MAX;
}

void http_easy_secure(CURL *easy, const struct http_config *config)
{
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, config->insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, config->insecure ? 0L : 2L);
    if (config->cacert)
        curl_easy_setopt(easy, CURLOPT_CAINFO, config->cacert);
    if (config->cert) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, config->cert);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, config->key);
        /* Without any, OpenSSL would ask the terminal. */
        curl_easy_setopt(easy, CURLOPT_KEYPASSWD, config->key_password ? config->key_password : "");
    }
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms(config->connect_timeout_ns));
}

/* Without this libcurl takes the proxy, and the exceptions, from the environment. */
void http_easy_direct(CURL *easy, bool direct)
{
    curl_easy_setopt(easy, CURLOPT_PROXY, direct ? "" : NULL);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, direct ? "*" : NULL);
}

static void easy_wire(CURL *easy, struct transfer *transfer)
{
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->text);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, http_on_words);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, http_on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, http_on_socket);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, http_on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, transfer->http); /* outlives the transfer */
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, http_on_resolve);
    curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, transfer);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, http_on_ready);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

/* What libcurl reads into and keeps for each running transfer. It reads the headers, and of a plain
 * stream no more; half of 4 KB saves 10,000 streams some 50 MB. */
enum { HTTP_BUFFER = 2048 };

/* What never changes. A prompt over 64 KB is sent through an upload buffer, of which 16 KB is the
 * least. */
static void easy_prepare(CURL *easy, struct transfer *transfer)
{
    const struct http *http = transfer->http;
    easy_wire(easy, transfer);
    http_easy_secure(easy, &http->config);
    curl_easy_setopt(easy, CURLOPT_SHARE, http->share);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)HTTP_BUFFER);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, ""); /* decode whatever libcurl can */
    curl_easy_setopt(easy, CURLOPT_USERAGENT, http->config.user_agent);
    if (http->resolve)
        curl_easy_setopt(easy, CURLOPT_RESOLVE, http->resolve);
}

struct transfer *http_transfer_new(struct http *http)
{
    CURL *easy = curl_easy_init();
    CURLU *parts = curl_url();
    if (!easy || !parts) {
        curl_easy_cleanup(easy);
        curl_url_cleanup(parts);
        return NULL;
    }
    struct transfer *transfer = MEM_NEW(struct transfer);
    transfer->http = http;
    transfer->easy = easy;
    transfer->parts = parts;
    easy_prepare(easy, transfer);
    return transfer;
}

void http_transfer_free(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    curl_url_cleanup(transfer->parts);
    curl_slist_free_all(transfer->lines);
    free(transfer->url);
    free(transfer);
}

/* libcurl would parse a URL that is given as text anew for each request, and write it out again. */
static bool easy_set_url(struct transfer *transfer, const char *url, struct err *err)
{
    if (transfer->url && strcmp(transfer->url, url) == 0)
        return true;
    free(transfer->url);
    transfer->url = NULL;
    CURLUcode code = curl_url_set(transfer->parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    if (code != CURLUE_OK)
        return err_set(err, "libcurl does not take the URL: %s", curl_url_strerror(code));
    curl_easy_setopt(transfer->easy, CURLOPT_CURLU, transfer->parts);
    transfer->url = mem_text(url);
    return true;
}

static bool easy_set_proxy(struct transfer *transfer)
{
    if (transfer->direct != transfer->http->direct)
        http_easy_direct(transfer->easy, transfer->http->direct);
    transfer->direct = transfer->http->direct;
    return true;
}

static bool easy_is_token(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("!#$%&'*+-.^_`|~", *c))
            return false;
    return text[0];
}

/* The body stays where it is: it is the request's, which does not change until the end. */
static bool easy_set_method(CURL *easy, const struct request *request, struct err *err)
{
    bool sends = request->body_len || strcmp(request->method, "POST") == 0;
    if (!easy_is_token(request->method))
        return err_set(err, "\"%s\" is no HTTP method; it should be one such as POST",
                       request->method);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L); /* forgets the last one's body */
    if (sends) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
    } else if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    bool usual = strcmp(request->method, sends ? "POST" : "GET") == 0;
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, usual ? NULL : request->method);
    return true;
}

/* Lines without a value, which take libcurl's own headers away unless the request has its own:
 * no pause for a "100 Continue", no form's Content-Type, and no Accept-Encoding unless asked. */
static const struct mute {
    const char *line;
    bool unless_compressed;
} MUTES[] = {
    {.line = "Expect:"},
    {.line = "Content-Type:"},
    {.line = "Accept-Encoding:", .unless_compressed = true},
};

/* Is there a line of the same name? */
static bool easy_has_header(const struct list *headers, const char *line)
{
    size_t name = strcspn(line, ":");
    for (size_t i = 0; i < headers->count; i++)
        if (strncasecmp(headers->items[i], line, name) == 0 &&
            strcspn(headers->items[i], ":;") == name)
            return true;
    return false;
}

static bool easy_lines_match(const struct transfer *transfer, const struct list *headers)
{
    if (!transfer->lines || transfer->line_count != headers->count)
        return false;
    const struct curl_slist *line = transfer->lines;
    for (size_t i = 0; i < headers->count; i++, line = line->next)
        if (strcmp(line->data, headers->items[i]) != 0)
            return false;
    return true;
}

static bool easy_check_header(const char *line, struct err *err)
{
    size_t name = strcspn(line, ":;\r\n");
    bool one_line = !line[name + strcspn(line + name, "\r\n")];
    if (name && one_line && (line[name] == ':' || strcmp(line + name, ";") == 0))
        return true;
    return err_set(err,
                   "header \"%.*s\" is not of the form \"Name: value\" in one line, nor \"Name;\" "
                   "for one without a value",
                   (int)name, line);
}

static bool easy_add_line(struct curl_slist **lines, const char *line, struct err *err)
{
    struct curl_slist *longer = curl_slist_append(*lines, line);
    if (!longer)
        return err_set(err, "libcurl is out of memory");
    *lines = longer;
    return true;
}

static bool easy_build_lines(struct transfer *transfer, const struct list *headers,
                             struct curl_slist **lines, struct err *err)
{
    for (size_t i = 0; i < headers->count; i++)
        if (!easy_check_header(headers->items[i], err) ||
            !easy_add_line(lines, headers->items[i], err))
            return false;
    for (size_t i = 0; i < sizeof MUTES / sizeof *MUTES; i++) {
        if (easy_has_header(headers, MUTES[i].line) ||
            (MUTES[i].unless_compressed && transfer->http->config.compressed))
            continue;
        if (!easy_add_line(lines, MUTES[i].line, err))
            return false;
    }
    return true;
}

/* Most requests of a run have the same headers as the one before. */
static bool easy_set_lines(struct transfer *transfer, const struct list *headers, struct err *err)
{
    if (easy_lines_match(transfer, headers))
        return true;
    struct curl_slist *lines = NULL;
    if (!easy_build_lines(transfer, headers, &lines, err)) {
        curl_slist_free_all(lines);
        return false;
    }
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, lines);
    curl_slist_free_all(transfer->lines);
    transfer->lines = lines;
    transfer->line_count = headers->count;
    return true;
}

void http_easy_talk(struct transfer *transfer, bool talks)
{
    if (transfer->talks != talks)
        curl_easy_setopt(transfer->easy, CURLOPT_VERBOSE, talks ? 1L : 0L);
    transfer->talks = talks;
}

static void easy_set_fresh(struct transfer *transfer, bool fresh)
{
    if (transfer->fresh != fresh)
        curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
    transfer->fresh = fresh;
}

bool http_transfer_dress(struct transfer *transfer, struct exchange *exchange, struct err *err)
{
    const struct request *request = exchange->request;
    easy_set_fresh(transfer, exchange->fresh);
    http_easy_talk(transfer, false);
    return easy_set_url(transfer, request->url, err) && easy_set_proxy(transfer) &&
           easy_set_method(transfer->easy, request, err) &&
           easy_set_lines(transfer, &request->headers, err);
}
