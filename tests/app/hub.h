/* A small HTTP server in a thread that behaves as the path says: well, badly, or half way. It
 * serves one connection after another, each for one request. Included by the tests of downloads. */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

enum { HUB_LINE = 45, HUB_BODY = 100000, HUB_HITS = 32 };

struct hub_hit {
    char target[256];
    char range[64]; /* "" = none */
};

struct hub {
    int fd;
    uint16_t port;
    char *body;          /* HUB_BODY bytes of JSON lines */
    const char *watched; /* a file that must not exist while an answer is under way */
    _Atomic bool seen;   /* … but did */
    _Atomic size_t sent; /* bytes of bodies */
    _Atomic size_t hit_count;
    struct hub_hit hits[HUB_HITS];
    _Atomic bool stop;
    pthread_t thread;
};

struct hub_answer {
    int status;
    const char *etag;  /* NULL = none */
    size_t from;       /* first byte of the body */
    size_t send;       /* bytes to send before closing; SIZE_MAX = all */
    const char *other; /* instead of the body */
    size_t claim_from; /* in Content-Range */
    char location[64]; /* of a 302 */
};

static void hub_send(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t put = send(fd, at, len, MSG_NOSIGNAL);
        if (put <= 0)
            return;
        at += put;
        len -= (size_t)put;
    }
}

static void hub_answer(struct hub *hub, int fd, const struct hub_answer *answer)
{
    char head[512];
    const char *body = answer->other ? answer->other : hub->body + answer->from;
    size_t len = answer->other ? strlen(answer->other) : HUB_BODY - answer->from;
    int at =
        snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %zu\r\n",
                 answer->status, len);
    if (answer->etag)
        at += snprintf(head + at, sizeof head - (size_t)at, "ETag: %s\r\n", answer->etag);
    if (answer->status == 206)
        at += snprintf(head + at, sizeof head - (size_t)at, "Content-Range: bytes %zu-%d/%d\r\n",
                       answer->claim_from, HUB_BODY - 1, HUB_BODY);
    if (answer->status == 302)
        at += snprintf(head + at, sizeof head - (size_t)at, "Location: %s\r\n", answer->location);
    at += snprintf(head + at, sizeof head - (size_t)at, "\r\n");
    hub_send(fd, head, (size_t)at);
    if (len > answer->send)
        len = answer->send;
    hub_send(fd, body, len);
    atomic_fetch_add(&hub->sent, len);
    if (hub->watched && access(hub->watched, F_OK) == 0)
        atomic_store(&hub->seen, true);
}

/* Chunked, with trailers of 4 MB. */
static void hub_trailers(int fd)
{
    static const char HEAD[] =
        "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n";
    char line[1024];
    memset(line, 'x', sizeof line);
    memcpy(line, "X: ", 3);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    hub_send(fd, HEAD, sizeof HEAD - 1);
    for (int i = 0; i < 4096; i++)
        hub_send(fd, line, sizeof line);
}

static void hub_line(const char *request, const char *name, char *out, size_t size)
{
    const char *at = strcasestr(request, name);
    out[0] = 0;
    if (at)
        snprintf(out, size, "%.*s", (int)strcspn(at + strlen(name), "\r\n"), at + strlen(name));
}

/* What each path does; `hit` counts the requests for this path, from 1. `changed` is what /changed
 * has at first. */
static void hub_decide(const char *path, size_t hit, const char *range, const char *if_range,
                       const char *changed, struct hub_answer *out)
{
    const char *etag = strcmp(path, "/changed") == 0 && hit > 1 ? "\"two\"" : "\"one\"";
    bool first = hit == 1, ranged = range[0] && (!if_range[0] || strcmp(if_range, etag) == 0);
    *out = (struct hub_answer){.status = 200, .etag = etag, .send = SIZE_MAX};
    if (strcmp(path, "/404") == 0)
        out->status = 404;
    else if (strcmp(path, "/redirect") == 0 || strcmp(path, "/elsewhere") == 0)
        out->status = 302;
    else if (strcmp(path, "/html") == 0)
        out->other = "\n <html>please log in</html>";
    else if (strcmp(path, "/empty") == 0)
        out->other = "";
    else if (strcmp(path, "/blank") == 0)
        out->other = " \n \n";
    else if (strcmp(path, "/tail416") == 0 && ranged)
        out->status = 416;
    if (strcmp(path, "/changed") == 0 && first)
        out->other = changed;
    if (strcmp(path, "/noetag") == 0)
        out->etag = NULL;
    if (strcmp(path, "/weak") == 0)
        out->etag = "W/\"one\"";
    bool cuts = strcmp(path, "/cut") == 0 || strcmp(path, "/norange") == 0 ||
                strcmp(path, "/changed") == 0 || strcmp(path, "/noetag") == 0 ||
                strcmp(path, "/weak") == 0 || strcmp(path, "/wrong206") == 0 ||
                strcmp(path, "/later") == 0 || strcmp(path, "/tail416") == 0;
    if (cuts && first)
        out->send = HUB_BODY / 2;
    if (strcmp(path, "/trickle") == 0)
        out->send = 1000;
    if (strcmp(path, "/later") == 0 && hit == 2)
        out->status = 0; /* hangs up */
    if (ranged && strcmp(path, "/norange") != 0 && out->status == 200) {
        out->status = 206;
        out->from = out->claim_from = (size_t)strtoull(range + strlen("bytes="), NULL, 10);
        if (strcmp(path, "/wrong206") == 0)
            out->claim_from++;
    }
}

static void hub_serve(struct hub *hub, int fd)
{
    char request[4096], path[256] = "", range[64], if_range[64];
    size_t len = 0, hit = 1;
    ssize_t got;
    while (len < sizeof request - 1 &&
           (got = recv(fd, request + len, sizeof request - 1 - len, 0)) > 0) {
        len += (size_t)got;
        request[len] = 0;
        if (strstr(request, "\r\n\r\n"))
            break;
    }
    request[len] = 0;
    sscanf(request, "GET %255s", path);
    hub_line(request, "\nRange: ", range, sizeof range);
    hub_line(request, "\nIf-Range: ", if_range, sizeof if_range);
    size_t count = atomic_load(&hub->hit_count);
    for (size_t i = 0; i < count; i++)
        hit += strcmp(hub->hits[i].target, path) == 0;
    if (count < HUB_HITS) {
        snprintf(hub->hits[count].target, sizeof hub->hits[count].target, "%s", path);
        snprintf(hub->hits[count].range, sizeof hub->hits[count].range, "%s", range);
        atomic_store(&hub->hit_count, count + 1);
    }
    if (strcmp(path, "/silent") == 0) {
        while (recv(fd, request, sizeof request, 0) > 0)
            continue;
        return;
    }
    struct hub_answer answer;
    hub_decide(path, hit, range, if_range, hub->body + HUB_LINE, &answer);
    snprintf(answer.location, sizeof answer.location, "/ok");
    if (strcmp(path, "/elsewhere") == 0)
        snprintf(answer.location, sizeof answer.location, "http://0.0.0.0:%u/ok", hub->port);
    if (strcmp(path, "/trailers") == 0)
        hub_trailers(fd);
    else if (answer.status)
        hub_answer(hub, fd, &answer);
}

static void *hub_thread(void *arg)
{
    struct hub *hub = arg;
    while (!atomic_load(&hub->stop)) {
        struct pollfd ready = {.fd = hub->fd, .events = POLLIN};
        if (poll(&ready, 1, 20) <= 0)
            continue;
        int fd = accept(hub->fd, NULL, NULL);
        if (fd < 0)
            continue;
        hub_serve(hub, fd);
        shutdown(fd, SHUT_WR); /* then the rest of the request, so that close does not reset */
        char rest[256];
        while (recv(fd, rest, sizeof rest, MSG_DONTWAIT) > 0)
            continue;
        close(fd);
    }
    return NULL;
}

static void hub_start(struct hub *hub)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    memset(hub, 0, sizeof *hub);
    hub->body = malloc(HUB_BODY + 1);
    for (size_t i = 0; i < HUB_BODY; i += HUB_LINE)
        snprintf(hub->body + i, HUB_BODY + 1 - i,
                 "{\"question\": \"why is it so, number %06zu?\"}\n", i);
    hub->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(hub->fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(hub->fd, 16), 0);
    assert_int_equal(getsockname(hub->fd, (struct sockaddr *)&address, &size), 0);
    hub->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&hub->thread, NULL, hub_thread, hub), 0);
}

static void hub_stop(struct hub *hub)
{
    atomic_store(&hub->stop, true);
    pthread_join(hub->thread, NULL);
    close(hub->fd);
    free(hub->body);
}
