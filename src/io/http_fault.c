#include <string.h>

#include "base/mem.h"
#include "io/http_inner.h"

/* What libcurl's result means, before and after the request had left. The first row that fits
 * counts; `text` must occur in libcurl's own message where one result stands for two things. */
static const struct fault {
    CURLcode code;
    const char *text;
    enum outcome unsent, sent;
    const char *sentence; /* in the place of libcurl's, of an answer; NULL = its own will do */
} FAULTS[] = {
    {CURLE_OPERATION_TIMEDOUT, NULL, OUTCOME_TIMEOUT_CONNECT, OUTCOME_TIMEOUT_CONNECT, NULL},
    {CURLE_COULDNT_RESOLVE_HOST, NULL, OUTCOME_CONNECT_FAILED, OUTCOME_CONNECT_FAILED, NULL},
    {CURLE_COULDNT_RESOLVE_PROXY, NULL, OUTCOME_CONNECT_FAILED, OUTCOME_CONNECT_FAILED, NULL},
    {CURLE_COULDNT_CONNECT, NULL, OUTCOME_CONNECT_FAILED, OUTCOME_CONNECT_FAILED, NULL},
    {CURLE_PROXY, NULL, OUTCOME_CONNECT_FAILED, OUTCOME_CONNECT_FAILED, NULL},
    {CURLE_SSL_CONNECT_ERROR, NULL, OUTCOME_TLS_FAILED, OUTCOME_TLS_FAILED, NULL},
    {CURLE_SSL_ENGINE_NOTFOUND, NULL, OUTCOME_TLS_FAILED, OUTCOME_TLS_FAILED, NULL},
    {CURLE_SSL_ENGINE_SETFAILED, NULL, OUTCOME_TLS_FAILED, OUTCOME_TLS_FAILED, NULL},
    {CURLE_SSL_CERTPROBLEM, NULL, OUTCOME_TLS_FAILED, OUTCOME_TLS_FAILED, NULL},
    {CURLE_SSL_CIPHER, NULL, OUTCOME_TLS_FAILED, OUTCOME_TLS_FAILED, NULL},
    {CURLE_PEER_FAILED_VERIFICATION, NULL, OUTCOME_TLS_FAILED, OUTCOME_TLS_FAILED, NULL},
    {CURLE_SSL_ENGINE_INITFAILED, NULL, OUTCOME_TLS_FAILED, OUTCOME_TLS_FAILED, NULL},
    {CURLE_SSL_CACERT_BADFILE, NULL, OUTCOME_TLS_FAILED, OUTCOME_TLS_FAILED, NULL},
    {CURLE_SSL_CRL_BADFILE, NULL, OUTCOME_TLS_FAILED, OUTCOME_TLS_FAILED, NULL},
    {CURLE_SSL_ISSUER_ERROR, NULL, OUTCOME_TLS_FAILED, OUTCOME_TLS_FAILED, NULL},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, NULL, OUTCOME_TLS_FAILED, OUTCOME_TLS_FAILED, NULL},
    {CURLE_SSL_INVALIDCERTSTATUS, NULL, OUTCOME_TLS_FAILED, OUTCOME_TLS_FAILED, NULL},
    {CURLE_SSL_CLIENTCERT, NULL, OUTCOME_TLS_FAILED, OUTCOME_TLS_FAILED, NULL},
    {CURLE_SEND_ERROR, NULL, OUTCOME_CONNECT_FAILED, OUTCOME_SEND_FAILED, NULL},
    {CURLE_SEND_FAIL_REWIND, NULL, OUTCOME_CONNECT_FAILED, OUTCOME_SEND_FAILED, NULL},
    /* libcurl's own ceilings: 4 KB a line of trailers, 300 KB of headers, 100 KB a line of them */
    {CURLE_RECV_ERROR, "Out of memory in chunked-encod", OUTCOME_CONNECT_FAILED, OUTCOME_TOO_LARGE,
     "a line of the response's trailers is longer than libcurl takes"},
    {CURLE_RECV_ERROR, "Too large response headers", OUTCOME_CONNECT_FAILED, OUTCOME_TOO_LARGE,
     NULL},
    {CURLE_OUT_OF_MEMORY, NULL, OUTCOME_CONNECT_FAILED, OUTCOME_TOO_LARGE,
     "a line of the response's headers is longer than 100 KB"},
    {CURLE_RECV_ERROR, "chunked-encod", OUTCOME_CONNECT_FAILED, OUTCOME_BAD_RESPONSE, NULL},
    {CURLE_RECV_ERROR, NULL, OUTCOME_CONNECT_FAILED, OUTCOME_RESET, NULL},
    {CURLE_GOT_NOTHING, NULL, OUTCOME_CONNECT_FAILED, OUTCOME_RESET, NULL},
    {CURLE_PARTIAL_FILE, NULL, OUTCOME_CONNECT_FAILED, OUTCOME_TRUNCATED, NULL},
};

static const struct fault OTHER = {
    .unsent = OUTCOME_CONNECT_FAILED,
    .sent = OUTCOME_BAD_RESPONSE,
};

static const struct fault *http_fault_row(CURLcode code, const char *text)
{
    for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++)
        if (FAULTS[i].code == code && (!FAULTS[i].text || strstr(text, FAULTS[i].text)))
            return &FAULTS[i];
    return &OTHER;
}

int http_on_words(CURL *easy, curl_infotype kind, char *data, size_t len, void *arg)
{
    struct transfer *transfer = arg;
    char words[sizeof transfer->text];
    (void)easy;
    if (kind != CURLINFO_TEXT || transfer->text[0] || len >= sizeof words)
        return 0;
    memcpy(words, data, len);
    words[len] = '\0';
    words[strcspn(words, "\n")] = '\0';
    for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++)
        if (FAULTS[i].text && strstr(words, FAULTS[i].text))
            memcpy(transfer->text, words, strlen(words) + 1);
    return 0;
}

enum outcome http_fault_of(const struct transfer *transfer, CURLcode code)
{
    if (transfer->error[0])
        return transfer->fault;
    if (code == CURLE_OK) /* libcurl takes a cut in the middle of the headers for an end */
        return OUTCOME_TRUNCATED;
    const struct fault *row = http_fault_row(code, transfer->text);
    return transfer->exchange->sent_ns ? row->sent : row->unsent;
}

char *http_fault_text(const struct transfer *transfer, CURLcode code)
{
    if (transfer->error[0])
        return mem_text(transfer->error);
    if (code == CURLE_OK)
        return mem_text("the connection was closed in the middle of the response's headers");
    const char *sentence = http_fault_row(code, transfer->text)->sentence;
    if (sentence && transfer->exchange->sent_ns)
        return mem_text(sentence);
    const char *text = transfer->text[0] ? transfer->text : curl_easy_strerror(code);
    long number = 0;
    if (code == CURLE_COULDNT_CONNECT &&
        curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number) == CURLE_OK && number > 0)
        return mem_printf("%s (%s)", text, strerror((int)number));
    return mem_text(text);
}
