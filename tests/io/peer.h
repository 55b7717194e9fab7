/* A scripted TCP server for tests: each connection carries out its list of acts, byte for byte. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum act_kind {
    ACT_END,     /* close */
    ACT_REQUEST, /* read a whole request */
    ACT_SEND,
    ACT_TRICKLE, /* send, one byte every `ms` */
    ACT_PAUSE,
    ACT_RESET, /* close with RST */
    ACT_HOLD,  /* until the other side closes */
    ACT_ECHO,  /* answer each request with its own body in two halves, `ms` between them */
};

struct act {
    enum act_kind kind;
    const char *bytes;
    size_t len; /* 0 = up to the final NUL */
    int ms;
};

enum { PEER_CONNECTIONS = 1024, PEER_REQUEST = 1 << 22 };

struct peer {
    int fd;
    int port;
    const struct act *const *scripts; /* of the first, second, … connection; the last one repeats */
    size_t script_count;
    atomic_int connections;
    atomic_int requests;
    atomic_int closed_by_client; /* ACT_HOLD saw the end */
    pthread_t acceptor;
    pthread_mutex_t lock;
    char *request; /* the last one, under the lock */
    size_t request_len;
    struct peer_connection {
        struct peer *peer;
        int fd;
        int number;
        pthread_t thread;
    } connection[PEER_CONNECTIONS];
};

static size_t peer_content_length(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");
    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static void peer_keep(struct peer *peer, const char *text, size_t len)
{
    pthread_mutex_lock(&peer->lock);
    free(peer->request);
    peer->request = malloc(len + 1);
    memcpy(peer->request, text, len + 1);
    peer->request_len = len;
    pthread_mutex_unlock(&peer->lock);
    peer->requests++;
}

/* The whole request, to be released; NULL at the end of the connection. */
static char *peer_read_text(struct peer_connection *c)
{
    size_t len = 0, cap = 4096, want = 0; /* want: 0 = not known yet */
    char *text = malloc(cap);
    while (!want || len < want) {
        if (len + 1 == cap)
            text = realloc(text, cap *= 2);
        ssize_t got = cap > PEER_REQUEST ? 0 : recv(c->fd, text + len, cap - 1 - len, 0);
        if (got <= 0) {
            free(text);
            return NULL;
        }
        len += (size_t)got;
        text[len] = '\0';
        const char *body = strstr(text, "\r\n\r\n");
        if (!want && body)
            want = (size_t)(body + 4 - text) + peer_content_length(text);
    }
    peer_keep(c->peer, text, len);
    return text;
}

static bool peer_read_request(struct peer_connection *c)
{
    char *text = peer_read_text(c);
    bool whole = text;
    free(text);
    return whole;
}

static void peer_sleep(int ms)
{
    poll(NULL, 0, ms);
}

static bool peer_send(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool peer_trickle(int fd, const struct act *act, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!peer_send(fd, act->bytes + i, 1))
            return false;
        peer_sleep(act->ms);
    }
    return true;
}

static bool peer_echo(struct peer_connection *c, int ms)
{
    char *text = peer_read_text(c);
    if (!text)
        return false;
    const char *body = strstr(text, "\r\n\r\n") + 4;
    char head[64];
    size_t len = strlen(body);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
    bool ok = peer_send(c->fd, head, strlen(head)) && peer_send(c->fd, body, len / 2);
    peer_sleep(ms);
    ok = ok && peer_send(c->fd, body + len / 2, len - len / 2);
    free(text);
    return ok;
}

static void peer_reset(int fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

static void peer_hold(struct peer_connection *c)
{
    char byte;
    ssize_t got;
    do
        got = recv(c->fd, &byte, 1, 0);
    while (got > 0);
    c->peer->closed_by_client++;
}

static bool peer_act(struct peer_connection *c, const struct act *act)
{
    size_t len = act->len ? act->len : act->bytes ? strlen(act->bytes) : 0;
    switch (act->kind) {
    case ACT_REQUEST: return peer_read_request(c);
    case ACT_SEND: return peer_send(c->fd, act->bytes, len);
    case ACT_TRICKLE: return peer_trickle(c->fd, act, len);
    case ACT_PAUSE: peer_sleep(act->ms); return true;
    case ACT_RESET: peer_reset(c->fd); return false;
    case ACT_HOLD: peer_hold(c); return false;
    case ACT_ECHO:
        while (peer_echo(c, act->ms))
            ;
        return false;
    case ACT_END: break;
    }
    return false;
}

static void *peer_serve(void *arg)
{
    struct peer_connection *c = arg;
    struct peer *peer = c->peer;
    int last = (int)peer->script_count - 1;
    const struct act *act = peer->scripts[c->number < last ? c->number : last];
    while (peer_act(c, act))
        act++;
    pthread_mutex_lock(&peer->lock);
    close(c->fd);
    c->fd = -1;
    pthread_mutex_unlock(&peer->lock);
    return NULL;
}

static void *peer_accept(void *arg)
{
    struct peer *peer = arg;
    for (;;) {
        int fd = accept(peer->fd, NULL, NULL);
        if (fd < 0 || peer->connections >= PEER_CONNECTIONS)
            return NULL;
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct peer_connection *c = &peer->connection[peer->connections];
        pthread_mutex_lock(&peer->lock);
        *c = (struct peer_connection){.peer = peer, .fd = fd, .number = peer->connections};
        pthread_mutex_unlock(&peer->lock);
        peer->connections++;
        pthread_create(&c->thread, NULL, peer_serve, c);
    }
}

static int peer_listen(int backlog, int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (void *)&at, size) || listen(fd, backlog) ||
        getsockname(fd, (void *)&at, &size))
        abort();
    *port = ntohs(at.sin_port);
    return fd;
}

static struct peer *peer_new(const struct act *const *scripts, size_t count)
{
    struct peer *peer = calloc(1, sizeof *peer);
    peer->scripts = scripts;
    peer->script_count = count;
    pthread_mutex_init(&peer->lock, NULL);
    peer->fd = peer_listen(1024, &peer->port);
    pthread_create(&peer->acceptor, NULL, peer_accept, peer);
    return peer;
}

static void peer_free(struct peer *peer)
{
    shutdown(peer->fd, SHUT_RDWR);
    pthread_join(peer->acceptor, NULL);
    close(peer->fd);
    pthread_mutex_lock(&peer->lock);
    for (int i = 0; i < peer->connections; i++)
        if (peer->connection[i].fd >= 0)
            shutdown(peer->connection[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&peer->lock);
    for (int i = 0; i < peer->connections; i++)
        pthread_join(peer->connection[i].thread, NULL);
    pthread_mutex_destroy(&peer->lock);
    free(peer->request);
    free(peer);
}
