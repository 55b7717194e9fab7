#include "mock/mock.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mock/conn.h"
#include "mock/dialect.h"
#include "mock/server.h"

enum {
    BACKLOG = 4096,
    IN_BYTES = 64 << 10,
    EVENTS = 1024,        /* of one wait */
    EVENTS_PER_LOOK = 16, /* sockets handled before the timers are looked at again */
    TIMERS_PER_LOOK = 512,
    ACCEPTS_PER_LOOK = 64,
    ACCEPT_PAUSE_MS = 100, /* at most, when there are no descriptors */
};

/* ---- listening ---- */

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool explain_bind(int code, const char *host, uint16_t port, struct err *err)
{
    if (code == EADDRINUSE)
        return err_set(err, "port %u on %s is in use: choose another port", port, host);
    if (code == EACCES)
        return err_set(err, "port %u may not be opened by this user: choose one above 1023", port);
    if (code == EADDRNOTAVAIL)
        return err_set(err, "%s is not an address of this machine", host);
    return err_set(err, "cannot listen on %s port %u: %s", host, port, strerror(code));
}

/* The listening socket or -1 with errno. */
static int listen_at(const struct addrinfo *address)
{
    int on = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

static bool open_listener(struct mock_server *server, const char *host, struct err *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    uint16_t port = server->config->port;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int problem = getaddrinfo(host, service, &hints, &found);
    if (problem)
        return err_set(err, "cannot listen on '%s': %s", host, gai_strerror(problem));
    int code = 0;
    for (struct addrinfo *at = found; at && server->listen_fd < 0; at = at->ai_next) {
        server->listen_fd = listen_at(at);
        code = errno;
    }
    freeaddrinfo(found);
    return server->listen_fd >= 0 || explain_bind(code, host, port, err);
}

static void announce(const struct mock_server *server, const char *host)
{
    union {
        struct sockaddr any;
        struct sockaddr_storage room;
    } address;
    socklen_t len = sizeof address;
    char service[NI_MAXSERV] = "0";
    if (!server->config->listening)
        return;
    if (getsockname(server->listen_fd, &address.any, &len) == 0)
        getnameinfo(&address.any, len, NULL, 0, service, sizeof service, NI_NUMERICSERV);
    server->config->listening(server->config->arg, host, (uint16_t)atoi(service));
}

/* ---- accepting ---- */

static void watch_listener(struct mock_server *server, bool accepting)
{
    struct epoll_event event = {.events = accepting ? EPOLLIN : 0, .data.ptr = &server->listen_fd};
    epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, server->listen_fd, &event);
    server->accepting = accepting;
}

static void accept_some(struct mock_server *server)
{
    for (int i = 0; i < ACCEPTS_PER_LOOK; i++) {
        int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            mock_conn_open(server, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            server->stats.accept_stalls++;
            watch_listener(server, false);
        }
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

/* ---- time ---- */

static void fire_due(struct mock_server *server)
{
    uint64_t now_ns = clock_now_ns();
    for (int i = 0; i < TIMERS_PER_LOOK; i++) {
        struct mock_timer *timer = mock_timers_take(&server->timers, now_ns);
        if (!timer)
            return;
        char *owner = (char *)timer - offsetof(struct mock_conn, timer);
        mock_conn_due(server, (struct mock_conn *)(void *)owner);
    }
}

/* The wait's timeout in milliseconds. A later time is left to the timerfd, which is exact. */
static int arm(struct mock_server *server)
{
    uint64_t next_ns = mock_timers_next_ns(&server->timers);
    if (next_ns <= clock_now_ns())
        return 0;
    int idle = server->accepting ? -1 : ACCEPT_PAUSE_MS;
    if (next_ns == UINT64_MAX || next_ns == server->armed_ns)
        return idle;
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(next_ns / NS_PER_S),
                                         .tv_nsec = (long)(next_ns % NS_PER_S)}};
    timerfd_settime(server->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
    server->armed_ns = next_ns;
    return idle;
}

/* ---- the loop ---- */

/* What an event's pointer may be beside a connection. */
static bool handle(struct mock_server *server, const struct epoll_event *event)
{
    if (event->data.ptr == &server->config->stop_fd)
        return false;
    if (event->data.ptr == &server->listen_fd)
        accept_some(server);
    else if (event->data.ptr == &server->timer_fd)
        server->armed_ns = UINT64_MAX;
    else
        mock_conn_ready(server, event->data.ptr, event->events);
    return true;
}

static void run(struct mock_server *server)
{
    struct epoll_event *events = mem_zero(EVENTS, sizeof *events);
    bool going = true;
    while (going) {
        fire_due(server);
        int count = epoll_wait(server->epoll_fd, events, EVENTS, arm(server));
        for (int i = 0; i < count && going; i++) {
            if (i % EVENTS_PER_LOOK == 0)
                fire_due(server);
            going = handle(server, &events[i]);
        }
        if (!server->accepting && (server->dead || count == 0))
            watch_listener(server, true); /* a descriptor is free, or it is time to look again */
        mock_conn_bury(server);
    }
    free(events);
}

static bool watch(struct mock_server *server, int fd, const void *tag, unsigned events,
                  struct err *err)
{
    struct epoll_event event = {.events = events, .data.ptr = (void *)(uintptr_t)tag};
    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return true;
    return err_set(err, "the mock server cannot watch a descriptor: %s", strerror(errno));
}

static bool open_all(struct mock_server *server, const char *host, struct err *err)
{
    if (!open_listener(server, host, err))
        return false;
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (server->epoll_fd < 0 || server->timer_fd < 0)
        return err_set(err, "the mock server gets no descriptors: %s", strerror(errno));
    return watch(server, server->listen_fd, &server->listen_fd, EPOLLIN, err) &&
           watch(server, server->timer_fd, &server->timer_fd, EPOLLIN | EPOLLET, err) &&
           watch(server, server->config->stop_fd, &server->config->stop_fd, EPOLLIN, err);
}

static void close_all(struct mock_server *server)
{
    while (server->conns)
        mock_conn_close(server, server->conns);
    mock_conn_bury(server);
    const int fds[] = {server->listen_fd, server->timer_fd, server->epoll_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

bool mock_serve(const struct mock_config *config, struct err *err)
{
    const char *host = config->host ? config->host : "127.0.0.1";
    const struct mock_dialect *dialect = mock_dialect_find(config->dialect, err);
    if (!dialect)
        return false;
    struct mock_server server = {.config = config,
                                 .dialect = dialect,
                                 .epoll_fd = -1,
                                 .listen_fd = -1,
                                 .timer_fd = -1,
                                 .armed_ns = UINT64_MAX,
                                 .accepting = true};
    raise_descriptors();
    if (config->tokenizer)
        server.voice = mock_voice_new(config->tokenizer);
    server.in = mem_alloc(IN_BYTES);
    buf_init(&server.event, SIZE_MAX / 2); /* one answer's body at most: see MOCK_MAX_TOKENS */
    buf_init(&server.out, SIZE_MAX / 2);
    mock_stats_init(&server.stats, clock_now_ns());
    bool ok = mock_faults_add_all(&server.every, err) && open_all(&server, host, err);
    if (ok) {
        announce(&server, host);
        run(&server);
    }
    close_all(&server);
    mock_voice_free(server.voice);
    mock_stats_fini(&server.stats);
    mock_timers_fini(&server.timers);
    mock_faults_fini(&server.every);
    buf_fini(&server.event);
    buf_fini(&server.out);
    free(server.in);
    return ok;
}
