#include "app/fetch.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "app/part.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "io/http.h"
#include "io/loop.h"

enum {
    TRIES = 3, /* at one source, as long as each brings something */
    TAG_LIMIT = 512,
    HEADER_LIMIT = 256 * 1024, /* of one try, redirects and trailers included: libcurl keeps them */
    REDIRECTS = 10,
};

#define NO_RANGE UINT64_MAX
#define SHOW_EVERY_NS (100 * NS_PER_MS)
#define LOCK_POLL_NS (100 * NS_PER_MS)

/* One try at one source. */
struct transfer {
    const struct fetch_config *config;
    const char *url;
    struct part *part;
    CURL *curl;
    uint64_t asked_from; /* first byte asked for; 0 = the whole file */
    uint64_t came_from;  /* of Content-Range, NO_RANGE = none */
    char etag[TAG_LIMIT];
    size_t header_bytes;
    bool begun;  /* the body has begun and the part is ready for it */
    bool judged; /* its first byte that is not blank was right */
    bool interrupted;
    uint64_t shown_ns;
    struct err err; /* why our side gave up; empty = it did not */
};

enum try_result { TRY_DONE, TRY_AGAIN, TRY_GIVE_UP, TRY_INTERRUPTED };

/* ---- what the server says ---- */

static void copy_value(char *out, size_t size, const char *value, size_t len)
{
    while (len > 0 && strchr(" \t", *value))
        value++, len--;
    while (len > 0 && strchr(" \t\r\n", value[len - 1]))
        len--;
    if (len >= size)
        len = 0; /* too long to be kept: as if there were none */
    memcpy(out, value, len);
    out[len] = 0;
}

static bool header_is(const char *line, size_t len, const char *name)
{
    size_t want = strlen(name);
    return len > want && strncasecmp(line, name, want) == 0;
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
    struct transfer *transfer = arg;
    char value[TAG_LIMIT];
    (void)one;
    transfer->header_bytes += len;
    if (transfer->header_bytes > HEADER_LIMIT) {
        err_set(&transfer->err, "its headers are larger than the limit of %d bytes", HEADER_LIMIT);
        return 0;
    }
    if (header_is(line, len, "HTTP/")) {
        transfer->etag[0] = 0;
        transfer->came_from = NO_RANGE;
    } else if (header_is(line, len, "etag:")) {
        copy_value(transfer->etag, sizeof transfer->etag, line + 5, len - 5);
        if (strncmp(transfer->etag, "W/", 2) == 0)
            transfer->etag[0] = 0; /* a weak one does not promise the same bytes */
    } else if (header_is(line, len, "content-range:")) {
        unsigned long long from;
        copy_value(value, sizeof value, line + 14, len - 14);
        if (sscanf(value, "bytes %llu-", &from) == 1)
            transfer->came_from = from;
    }
    return len;
}

/* Data that somebody on the way can change is no data. */
static bool is_safe(const char *url, struct err *err)
{
    if (strncasecmp(url, "https:", 6) == 0 || http_is_local(url))
        return true;
    return err_set(err, "%s is not https, and not on this machine", url);
}

static bool begin_body(struct transfer *transfer)
{
    long status = 0;
    char *from = NULL; /* after all redirects */
    curl_easy_getinfo(transfer->curl, CURLINFO_EFFECTIVE_URL, &from);
    if (from && !is_safe(from, &transfer->err))
        return false;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 206 && transfer->asked_from > 0 && transfer->came_from == transfer->asked_from) {
        transfer->judged = true;
        return true;
    }
    if (status != 200)
        return err_set(&transfer->err, "an answer with status %ld that was not asked for", status);
    return part_restart(transfer->part, transfer->url, transfer->etag, &transfer->err);
}

/* A login page or an error message is not data. */
static bool judge(struct transfer *transfer, const char *data, size_t len)
{
    for (size_t i = 0; i < len && !transfer->judged; i++) {
        if (strchr(" \t\r\n\xef\xbb\xbf", data[i]) && data[i])
            continue; /* blanks and a byte order mark */
        if (data[i] != '{' && data[i] != '[')
            return err_set(&transfer->err, "what came is not JSON: it begins with \"%.*s\"",
                           (int)(len - i < 20 ? len - i : 20), data + i);
        transfer->judged = true;
    }
    return true;
}

static bool accept_piece(struct transfer *transfer, const char *data, size_t len)
{
    if (!transfer->begun && !begin_body(transfer))
        return false;
    transfer->begun = true;
    if (!judge(transfer, data, len))
        return false;
    if (len > transfer->config->limit - transfer->part->size) {
        char limit[32];
        units_show_bytes(limit, sizeof limit, (double)transfer->config->limit);
        return err_set(&transfer->err, "it is larger than the limit of %s", limit);
    }
    return part_add(transfer->part, data, len, &transfer->err);
}

static size_t on_data(char *data, size_t one, size_t len, void *arg)
{
    (void)one;
    return accept_piece(arg, data, len) ? len : CURL_WRITEFUNC_ERROR;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t a, curl_off_t b)
{
    struct transfer *transfer = arg;
    (void)now, (void)a, (void)b;
    transfer->interrupted = transfer->interrupted || signals_pending();
    uint64_t now_ns = clock_now_ns();
    if (transfer->config->show && transfer->begun && now_ns - transfer->shown_ns > SHOW_EVERY_NS) {
        char done[32], all[32];
        transfer->shown_ns = now_ns;
        double whole =
            (double)total + (double)(transfer->came_from == NO_RANGE ? 0 : transfer->came_from);
        fprintf(stderr, "\r\033[K%s of %s",
                units_show_bytes(done, sizeof done, (double)transfer->part->size),
                total > 0 ? units_show_bytes(all, sizeof all, whole) : "an unknown size");
        fflush(stderr);
    }
    return transfer->interrupted;
}

/* ---- one try ---- */

static void set_options(struct transfer *transfer)
{
    CURL *curl = transfer->curl;
    const struct fetch_config *config = transfer->config;
    curl_easy_setopt(curl, CURLOPT_URL, transfer->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR,
                     strncasecmp(transfer->url, "https:", 6) == 0 ? "https" : "http,https");
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "llmbench/" LLMBENCH_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(config->connect_timeout_ns / NS_PER_MS));
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)(config->stall_ns / NS_PER_S));
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    if (http_is_local(transfer->url))
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
}

/* Asks only for what is missing, and only if the file is still the same. */
static struct curl_slist *ask_for_rest(struct transfer *transfer)
{
    char *tag = part_tag(transfer->part, transfer->url);
    if (!tag)
        return NULL;
    transfer->asked_from = transfer->part->size;
    char *range = mem_printf("%llu-", (unsigned long long)transfer->asked_from);
    char *condition = mem_printf("If-Range: %s", tag);
    struct curl_slist *headers = curl_slist_append(NULL, condition);
    curl_easy_setopt(transfer->curl, CURLOPT_RANGE, range);
    curl_easy_setopt(transfer->curl, CURLOPT_HTTPHEADER, headers);
    free(condition);
    free(range);
    free(tag);
    return headers;
}

/* The sentence for a try that failed, and whether another one may go better. */
static enum try_result failed_try(struct transfer *transfer, CURLcode code, const char *detail,
                                  uint64_t before, struct err *err)
{
    long status = 0;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (transfer->err.text[0]) {
        *err = transfer->err;
        part_drop(transfer->part);
        return TRY_GIVE_UP;
    }
    if (code == CURLE_HTTP_RETURNED_ERROR) {
        err_set(err, "HTTP %ld", status);
        /* The range lies outside the file: what is here cannot be a piece of it. */
        bool stale = status == 416 && transfer->asked_from > 0;
        if (stale)
            part_drop(transfer->part);
        return stale ? TRY_AGAIN : TRY_GIVE_UP;
    }
    err_set(err, "%s", *detail ? detail : curl_easy_strerror(code));
    bool cut = code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR;
    return cut && transfer->begun && transfer->part->size > before ? TRY_AGAIN : TRY_GIVE_UP;
}

static enum try_result try_once(const struct fetch_config *config, const char *url,
                                struct part *part, struct err *err)
{
    char detail[CURL_ERROR_SIZE] = "";
    if (!is_safe(url, err))
        return TRY_GIVE_UP;
    struct transfer transfer = {.config = config,
                                .url = url,
                                .part = part,
                                .curl = curl_easy_init(),
                                .came_from = NO_RANGE};
    uint64_t before = part->size;
    if (!transfer.curl) {
        err_set(err, "libcurl does not start");
        return TRY_GIVE_UP;
    }
    set_options(&transfer);
    curl_easy_setopt(transfer.curl, CURLOPT_ERRORBUFFER, detail);
    struct curl_slist *headers = ask_for_rest(&transfer);
    CURLcode code = curl_easy_perform(transfer.curl);
    if (transfer.shown_ns)
        fprintf(stderr, "\r\033[K");
    enum try_result result = TRY_DONE;
    if (transfer.interrupted)
        result = TRY_INTERRUPTED;
    else if (code != CURLE_OK)
        result = failed_try(&transfer, code, detail, before, err);
    else if (!transfer.judged)
        result = err_set(err, "the answer is empty") ? TRY_DONE : TRY_GIVE_UP;
    curl_slist_free_all(headers);
    curl_easy_cleanup(transfer.curl);
    return result;
}

/* ---- the sources in their order ---- */

static enum try_result try_source(const struct fetch_config *config, const char *url,
                                  struct part *part, struct err *err)
{
    for (unsigned tries = 1;; tries++) {
        enum try_result result = try_once(config, url, part, err);
        if (result != TRY_AGAIN)
            return result;
        if (tries == TRIES)
            return TRY_GIVE_UP;
        log_warn(config->log, "the download from %s was cut after %llu bytes (%s); trying again",
                 url, (unsigned long long)part->size, err->text);
    }
}

static enum fetch_result try_sources(const struct fetch_config *config, struct part *part,
                                     size_t *source, struct err *err)
{
    err_set(err, "no source is known");
    for (size_t i = 0; i < config->url_count; i++) {
        log_info(config->log, "downloading %s", config->urls[i]);
        enum try_result result = try_source(config, config->urls[i], part, err);
        if (result == TRY_INTERRUPTED)
            return FETCH_INTERRUPTED;
        *source = i;
        if (result == TRY_DONE)
            return part_finish(part, err) ? FETCH_DONE : FETCH_FAILED;
        log_warn(config->log, "could not download %s: %s", config->urls[i], err->text);
    }
    return FETCH_FAILED;
}

static void pause_for(uint64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    nanosleep(&time, NULL);
}

/* Waits for another process that is at the same file, as long as that one gets on. */
static enum fetch_result lock_part(const struct fetch_config *config, struct part *part,
                                   struct err *err)
{
    uint64_t seen = UINT64_MAX, since = 0;
    for (;;) {
        enum part_lock lock = part_open(part, err);
        if (lock == PART_FAILED)
            return FETCH_FAILED;
        if (access(config->path, F_OK) == 0)
            return FETCH_THERE;
        if (lock == PART_LOCKED)
            return FETCH_DONE;
        uint64_t now = clock_now_ns();
        if (seen == UINT64_MAX)
            log_info(config->log, "another process downloads %s; waiting for it", config->path);
        if (part->size != seen) {
            seen = part->size;
            since = now;
        }
        if (now - since > config->stall_ns) {
            err_set(err, "another process holds %s and does not get on", part->part_path);
            return FETCH_FAILED;
        }
        if (signals_pending())
            return FETCH_INTERRUPTED;
        pause_for(LOCK_POLL_NS);
    }
}

enum fetch_result fetch_file(const struct fetch_config *config, size_t *source, struct err *err)
{
    struct part part;
    part_init(&part, config->path);
    enum fetch_result result = lock_part(config, &part, err);
    if (result == FETCH_DONE)
        result = try_sources(config, &part, source, err);
    part_fini(&part);
    return result;
}
