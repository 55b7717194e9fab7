/* libcurl reads certificate and key when a handshake begins. So one is begun with a port of this
 * process's own, and given up as soon as they have been read: nothing is sent. */
#include "io/identity.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/http_inner.h"

/* Certificate and key are in order. */
static CURLcode on_context(CURL *easy, void *context, void *arg)
{
    (void)easy, (void)context, (void)arg;
    return CURLE_ABORTED_BY_CALLBACK;
}

/* A port that takes connections and never answers; -1 = there is none. */
static int listen_here(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 1) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        *port = ntohs(address.sin_port);
        return fd;
    }
    close(fd);
    return -1;
}

static CURLcode begin_handshake(CURL *easy, const struct http_config *config, uint16_t port)
{
    http_easy_secure(easy, config);
    http_easy_direct(easy, true);
    curl_easy_setopt(easy, CURLOPT_URL, "https://127.0.0.1/");
    curl_easy_setopt(easy, CURLOPT_PORT, (long)port);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context);
    return curl_easy_perform(easy);
}

static bool judge(const struct http_config *config, CURLcode code, const char *reason,
                  struct err *err)
{
    if (code != CURLE_SSL_CERTPROBLEM)
        return true;
    return err_set(err, "--cert %s%s%s: %s", config->cert, config->key ? " --key " : "",
                   config->key ? config->key : "", reason[0] ? reason : curl_easy_strerror(code));
}

bool identity_check(const struct http_config *config, struct err *err)
{
    uint16_t port = 0;
    char reason[CURL_ERROR_SIZE] = "";
    if (!config->cert)
        return true;
    int fd = listen_here(&port);
    if (fd < 0)
        return err_set(err, "cannot listen on 127.0.0.1 to try --cert: %s", strerror(errno));
    CURL *easy = curl_easy_init();
    bool ok = easy || err_set(err, "libcurl gave no easy handle");
    if (easy) {
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, reason);
        ok = judge(config, begin_handshake(easy, config, port), reason, err);
    }
    curl_easy_cleanup(easy);
    close(fd);
    return ok;
}
