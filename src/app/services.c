#include "app/services.h"

#include <curl/curl.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "app/fetch.h"
#include "base/clock.h"
#include "io/http.h"
#include "io/loop.h"
#include "model/run_spec.h"

/* One request of a script's. */
struct service {
    const struct script_http_request *request;
    struct script_http_answer *answer;
    CURL *easy;
    struct curl_slist *lines;
    char text[CURL_ERROR_SIZE];
    bool interrupted;
};

/* ---- what libcurl calls ---- */

/* A new status line begins anew: what came before was provisional or a proxy's. */
static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
    struct service *service = arg;
    struct buf *headers = &service->answer->headers;
    (void)one;
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
        buf_clear(headers);
        return len;
    }
    if (len <= 2)
        return len;
    return buf_add(headers, line, len) ? len : 0;
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
    struct service *service = arg;
    (void)one;
    return buf_add(&service->answer->body, data, len) ? len : CURL_WRITEFUNC_ERROR;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct service *service = arg;
    (void)a, (void)b, (void)c, (void)d;
    service->interrupted = signals_pending();
    return service->interrupted;
}

/* ---- the request ---- */

static bool add_line(struct service *service, const char *line, struct err *err)
{
    struct curl_slist *longer = curl_slist_append(service->lines, line);
    if (!longer)
        return err_set(err, "libcurl is out of memory");
    service->lines = longer;
    return true;
}

/* Lines without a value take libcurl's own header away; the script's own, if any, follows. */
static bool set_lines(struct service *service, struct err *err)
{
    const struct list *headers = service->request->headers;
    if (!add_line(service, "Expect:", err))
        return false;
    bool typed = false;
    for (size_t i = 0; i < headers->count; i++) {
        typed = typed || strncasecmp(headers->items[i], "Content-Type:", 13) == 0;
        if (!add_line(service, headers->items[i], err))
            return false;
    }
    if (!typed && !add_line(service, "Content-Type:", err))
        return false;
    curl_easy_setopt(service->easy, CURLOPT_HTTPHEADER, service->lines);
    return true;
}

static void set_body(CURL *easy, const struct script_http_request *request)
{
    if (request->body.data) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.data);
    } else if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static long milliseconds(uint64_t ns)
{
    uint64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS != 0);
    return ms < INT_MAX ? (long)ms : INT_MAX;
}

static void set_options(struct service *service, const struct run_spec *spec)
{
    CURL *easy = service->easy;
    const struct script_http_request *request = service->request;
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "llmbench/" LLMBENCH_VERSION);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, spec->insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, spec->insecure ? 0L : 2L);
    if (spec->cacert)
        curl_easy_setopt(easy, CURLOPT_CAINFO, spec->cacert);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(spec->connect_timeout_ns));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds(request->timeout_ns));
    if (http_is_local(request->url))
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

static void set_callbacks(struct service *service)
{
    CURL *easy = service->easy;
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, service->text);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, service);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, service);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, service);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
}

/* The URL may hold keys, so messages name the host at most, as libcurl's do. */
static bool finish(struct service *service, CURLcode code, struct err *err)
{
    long status = 0;
    if (service->interrupted)
        return err_set(err, "interrupted");
    if (service->answer->body.full || service->answer->headers.full)
        return err_set(err, "the answer is larger than %zu bytes",
                       service->answer->body.full ? service->answer->body.limit
                                                  : service->answer->headers.limit);
    if (code != CURLE_OK)
        return err_set(err, "%s", service->text[0] ? service->text : curl_easy_strerror(code));
    curl_easy_getinfo(service->easy, CURLINFO_RESPONSE_CODE, &status);
    service->answer->status = (int)status;
    return true;
}

static bool service_http(void *arg, const struct script_http_request *request,
                         struct script_http_answer *answer, struct err *err)
{
    struct service service = {.request = request, .answer = answer, .easy = curl_easy_init()};
    if (!service.easy)
        return err_set(err, "libcurl is out of memory");
    set_options(&service, arg);
    set_callbacks(&service);
    set_body(service.easy, request);
    bool ok = set_lines(&service, err) && finish(&service, curl_easy_perform(service.easy), err);
    curl_easy_cleanup(service.easy);
    curl_slist_free_all(service.lines);
    return ok;
}

struct script_services services_of(const struct run_spec *spec,
                                   const struct script_tokenizer *tokenizer)
{
    union {
        const struct run_spec *borrowed;
        void *arg;
    } spec_arg = {.borrowed = spec};
    return (struct script_services){
        .http = service_http, .arg = spec_arg.arg, .tokenizer = tokenizer};
}
