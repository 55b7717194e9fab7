#include "app/wandb_curl.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "io/http.h"

#define PUBLIC_ROOT "https://api.wandb.ai"
#define API_HOST "https://api."

enum { CONNECT_MS = 5000, TOTAL_MS = 10000 };

/* ---- options ---- */

static const char *base_url(void)
{
    const char *url = getenv("WANDB_BASE_URL");
    return url && *url ? url : PUBLIC_ROOT;
}

static bool check_base_url(struct err *err)
{
    const char *url = base_url();
    if (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0)
        return true;
    return err_set(err,
                   "the environment variable WANDB_BASE_URL is \"%s\"; a URL begins with "
                   "http:// or https://",
                   url);
}

bool wandb_take_key(struct opt_set *set, struct run_spec *spec, struct err *err)
{
    const char *key = getenv("WANDB_API_KEY");
    bool given = opt_given(set, "wandb-api-key");
    if (!spec->wandb && !given)
        return true;
    if (!given && key && *key && !opt_assign(set, "wandb-api-key", key, OPT_ENVIRONMENT, err))
        return err_prefix(err, "the environment variable WANDB_API_KEY");
    if (!spec->wandb_api_key || !*spec->wandb_api_key)
        return err_set(err, "--wandb needs a key: give --wandb-api-key KEY, or set WANDB_API_KEY");
    if (!*spec->wandb_project)
        return err_set(err, "--wandb-project is empty; give it the project's name");
    spec->wandb = true;
    return check_base_url(err);
}

/* ---- requests ---- */

struct wandb_curl {
    char *root;  /* without a slash at its end */
    char *shown; /* the same without a password */
    char *page_root;
    char *key;
    CURL *easy; /* kept for its connection */
    struct curl_slist *headers;
    atomic_bool cancelled;
};

struct wandb_curl *wandb_curl_new(const char *key, struct secrets *secrets)
{
    struct wandb_curl *curl = MEM_NEW(struct wandb_curl);
    const char *root = base_url();
    size_t len = strlen(root);
    while (len > 0 && root[len - 1] == '/')
        len--;
    curl->root = mem_copy(root, len);
    curl->shown = secrets_url(secrets, curl->root);
    bool api = strncmp(curl->shown, API_HOST, strlen(API_HOST)) == 0;
    curl->page_root =
        api ? mem_printf("https://%s", curl->shown + strlen(API_HOST)) : mem_text(curl->shown);
    curl->key = mem_text(key);
    curl->headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl->headers = curl_slist_append(curl->headers, "Expect:");
    return curl;
}

void wandb_curl_free(struct wandb_curl *curl)
{
    if (!curl)
        return;
    curl_easy_cleanup(curl->easy);
    curl_slist_free_all(curl->headers);
    free(curl->key);
    free(curl->page_root);
    free(curl->shown);
    free(curl->root);
    free(curl);
}

const char *wandb_curl_page_root(const struct wandb_curl *curl)
{
    return curl->page_root;
}

static size_t on_data(char *data, size_t one, size_t len, void *answer)
{
    (void)one;
    return buf_add(answer, data, len) ? len : CURL_WRITEFUNC_ERROR;
}

/* libcurl asks at least once a second. */
static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct wandb_curl *curl = arg;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&curl->cancelled);
}

static void set_options(struct wandb_curl *curl, const char *url, const char *json,
                        struct buf *answer)
{
    CURL *easy = curl->easy;
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "llmbench/" LLMBENCH_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_USERNAME, "api");
    curl_easy_setopt(easy, CURLOPT_PASSWORD, curl->key);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, curl->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(json));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, json);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TOTAL_MS);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, curl);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    if (http_is_local(url))
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

static bool describe(const struct wandb_curl *curl, CURLcode code, const char *reason,
                     struct err *err)
{
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return err_set(err, "%s did not answer before the run's end had waited long enough",
                       curl->shown);
    return err_set(err, "%s: %s", curl->shown, *reason ? reason : curl_easy_strerror(code));
}

static bool post(void *self, const char *path, const char *json, long *status, struct buf *answer,
                 struct err *err)
{
    struct wandb_curl *curl = self;
    char reason[CURL_ERROR_SIZE] = "";
    if (!curl->easy && !(curl->easy = curl_easy_init()))
        return err_set(err, "libcurl gave no easy handle");
    char *url = mem_printf("%s%s", curl->root, path);
    set_options(curl, url, json, answer);
    curl_easy_setopt(curl->easy, CURLOPT_ERRORBUFFER, reason);
    CURLcode code = curl_easy_perform(curl->easy);
    curl_easy_setopt(curl->easy, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_getinfo(curl->easy, CURLINFO_RESPONSE_CODE, status);
    free(url);
    return code == CURLE_OK || describe(curl, code, reason, err);
}

static void cancel(void *self)
{
    struct wandb_curl *curl = self;
    atomic_store(&curl->cancelled, true);
}

struct wandb_transport wandb_curl_transport(struct wandb_curl *curl)
{
    return (struct wandb_transport){.self = curl, .post = post, .cancel = cancel};
}
