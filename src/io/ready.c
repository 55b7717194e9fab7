#include "io/ready.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "io/http_inner.h"
#include "io/loop.h"

#define BETWEEN_NS (500 * NS_PER_MS)
#define SLICE_NS (20 * NS_PER_MS) /* a signal is heard so soon */
#define TRY_NS (5 * NS_PER_S)     /* a try without an answer is given up */

enum { BODY_MOST = 64 << 10 };

enum answer { READY, NOT_YET, NEVER };

struct attempt {
    const char *url;
    const struct http_config *config;
    uint64_t until_ns;
    size_t body;
    char reason[CURL_ERROR_SIZE]; /* why it is not ready */
};

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    struct attempt *attempt = arg;
    attempt->body += size * count;
    return attempt->body > BODY_MOST ? 0 : size * count;
}

/* CURLOPT_XFERINFOFUNCTION, which libcurl calls at least once a second. */
static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)arg, (void)a, (void)b, (void)c, (void)d;
    return signals_pending();
}

static void set_options(CURL *easy, struct attempt *attempt, bool direct)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t left_ns = attempt->until_ns > now_ns ? attempt->until_ns - now_ns : 0;
    long ms = (long)((left_ns < TRY_NS ? left_ns : TRY_NS) / NS_PER_MS) + 1;
    http_easy_secure(easy, attempt->config);
    http_easy_direct(easy, direct);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, attempt->reason);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, ms);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, attempt->config->user_agent);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a thread that resolves is not waited for */
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, attempt);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
}

static bool is_for_ever(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
           code == CURLE_SSL_CACERT_BADFILE || code == CURLE_URL_MALFORMAT ||
           code == CURLE_UNSUPPORTED_PROTOCOL;
}

static enum answer judge(CURL *easy, CURLcode code, struct attempt *attempt)
{
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 502 && status <= 504)
        snprintf(attempt->reason, sizeof attempt->reason, "HTTP %ld", status);
    else if (status > 0)
        return READY;
    else if (!attempt->reason[0])
        snprintf(attempt->reason, sizeof attempt->reason, "%s", curl_easy_strerror(code));
    return is_for_ever(code) ? NEVER : NOT_YET;
}

static enum answer ask(struct attempt *attempt, bool direct)
{
    CURL *easy = curl_easy_init();
    attempt->reason[0] = '\0';
    attempt->body = 0;
    if (!easy) {
        snprintf(attempt->reason, sizeof attempt->reason, "libcurl gave no easy handle");
        return NEVER;
    }
    set_options(easy, attempt, direct);
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, attempt->url);
    enum answer answer = judge(easy, code ? code : curl_easy_perform(easy), attempt);
    curl_easy_cleanup(easy);
    return answer;
}

static void rest_until(uint64_t until_ns)
{
    struct timespec slice = {.tv_nsec = (long)SLICE_NS};
    while (clock_now_ns() < until_ns && !signals_pending())
        nanosleep(&slice, NULL);
}

static bool wait_for(struct attempt *attempt, const struct http_url *url, struct ready *out,
                     struct err *err)
{
    enum answer answer = NOT_YET;
    while (answer == NOT_YET && !signals_pending() &&
           (!out->asked || clock_now_ns() < attempt->until_ns)) {
        uint64_t next_ns = clock_now_ns() + BETWEEN_NS;
        answer = ask(attempt, url->loopback);
        out->asked++;
        if (answer == NOT_YET)
            rest_until(next_ns < attempt->until_ns ? next_ns : attempt->until_ns);
    }
    out->interrupted = answer != READY && signals_pending();
    if (answer == READY)
        return true;
    if (out->interrupted)
        return err_set(err, "interrupted");
    return err_set(err, answer == NEVER ? "cannot reach %s: %s" : "%s is not ready: %s", url->shown,
                   attempt->reason);
}

bool ready_wait(const char *text, const struct http_config *config, uint64_t limit_ns,
                struct ready *out, struct err *err)
{
    struct http_url url;
    uint64_t begun_ns = clock_now_ns();
    struct attempt attempt = {.url = text, .config = config, .until_ns = begun_ns + limit_ns};
    *out = (struct ready){0};
    if (!http_url_parse(text, &url, err))
        return false;
    bool ok = wait_for(&attempt, &url, out, err);
    out->waited_s = clock_seconds(clock_now_ns() - begun_ns);
    http_url_fini(&url);
    return ok;
}
