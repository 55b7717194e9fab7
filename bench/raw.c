/* The reference: what reading streams costs when nothing is in the way. Raw epoll, one thread, a
 * parser that knows one server, no library. It sends the same requests as llmbench, keeps
 * connections, and prints one line of JSON: CPU, events, and, when asked, how far its times are
 * from those that the mock server put into each event.
 *
 * Usage: raw PORT CONNECTIONS REQUESTS TOKENS [--query Q] [--errors] [--kernel] [--plain] */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 65536, READY = 256, CONNECTING = 256 };

struct conn {
    int fd;
    bool connected;
    bool headed; /* the head of this answer has been looked at */
    char *kept;  /* the part of an event that has come so far */
    size_t kept_len, kept_cap;
    uint64_t sent_ns, server_read_ns;
    uint64_t last_recv_ns, last_send_ns; /* of the last token; 0 = none in this answer */
};

struct errors {
    double *us;
    size_t count, cap;
};

struct bench {
    int epoll, port, connections, requests, tokens;
    const char *query;
    bool errors, kernel, plain;
    char request[1024];
    size_t request_len;
    struct conn *conns;
    int opened, connecting;
    int begun, ended;
    uint64_t events, bytes, tokens_seen;
    int64_t wall_offset_ns;
    struct errors itl, ttft;
    char *buffer;
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void *grow(void *block, size_t size)
{
    void *moved = realloc(block, size);
    if (!moved)
        die("memory");
    return moved;
}

/* ---- errors of the times ---- */

static void error_add(struct errors *errors, double us)
{
    if (errors->count == errors->cap) {
        errors->cap = errors->cap ? errors->cap * 2 : 4096;
        errors->us = grow(errors->us, errors->cap * sizeof *errors->us);
    }
    errors->us[errors->count++] = us;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double error_at(const struct errors *errors, double q)
{
    return errors->count ? errors->us[(size_t)(q * (double)(errors->count - 1))] : 0;
}

static uint64_t field(const char *event, size_t len, const char *name)
{
    const char *at = memmem(event, len, name, strlen(name));
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void note_token(struct bench *bench, struct conn *conn, const char *event, size_t len,
                       uint64_t recv_ns)
{
    uint64_t send_ns = field(event, len, "\"sent_ns\":");
    uint64_t read_ns = field(event, len, "\"read_ns\":");
    if (read_ns)
        conn->server_read_ns = read_ns;
    if (!memmem(event, len, "\"content\":\"", 11) || memmem(event, len, "\"content\":\"\"", 12))
        return;
    bench->tokens_seen++;
    if (conn->last_recv_ns)
        error_add(&bench->itl, fabs((double)(int64_t)(recv_ns - conn->last_recv_ns) -
                                    (double)(int64_t)(send_ns - conn->last_send_ns)) /
                                   1e3);
    else
        error_add(&bench->ttft, fabs((double)(int64_t)(recv_ns - conn->sent_ns) -
                                     (double)(int64_t)(send_ns - conn->server_read_ns)) /
                                    1e3);
    conn->last_recv_ns = recv_ns;
    conn->last_send_ns = send_ns;
}

/* ---- the life of a connection ---- */

static void request_send(struct bench *bench, struct conn *conn)
{
    conn->last_recv_ns = conn->last_send_ns = conn->server_read_ns = 0;
    conn->kept_len = 0;
    conn->headed = false;
    conn->sent_ns = clock_ns(CLOCK_MONOTONIC);
    bench->begun++;
    if (send(conn->fd, bench->request, bench->request_len, 0) != (ssize_t)bench->request_len)
        die("send");
}

static void conn_open(struct bench *bench, struct conn *conn)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)bench->port)};
    int on = 1;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (conn->fd < 0)
        die("socket");
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bench->kernel)
        setsockopt(conn->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    if (connect(conn->fd, (struct sockaddr *)&at, sizeof at) != 0 && errno != EINPROGRESS)
        die("connect");
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = conn};
    epoll_ctl(bench->epoll, EPOLL_CTL_ADD, conn->fd, &event);
    bench->opened++;
    bench->connecting++;
}

static void conn_connected(struct bench *bench, struct conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    epoll_ctl(bench->epoll, EPOLL_CTL_MOD, conn->fd, &event);
    conn->connected = true;
    bench->connecting--;
    request_send(bench, conn);
}

static void answer_ended(struct bench *bench, struct conn *conn)
{
    bench->ended++;
    if (bench->begun < bench->requests)
        request_send(bench, conn);
    else
        close(conn->fd);
}

/* Whole events; what is left of the last one is kept. True when the answer has ended. */
static bool events_read(struct bench *bench, struct conn *conn, const char *data, size_t len,
                        uint64_t recv_ns)
{
    const char *at = data, *end = data + len, *stop;
    bool ended = false;
    while ((stop = memmem(at, (size_t)(end - at), "\n\n", 2))) {
        const char *line = memmem(at, (size_t)(stop - at), "data: ", 6);
        if (line) {
            bench->events++;
            if (bench->errors)
                note_token(bench, conn, line, (size_t)(stop - line), recv_ns);
        }
        at = stop + 2;
    }
    ended = memmem(at, (size_t)(end - at), "\r\n0\r\n\r\n", 7) != NULL;
    size_t rest = (size_t)(end - at);
    if (rest > conn->kept_cap) {
        conn->kept_cap = rest * 2;
        conn->kept = grow(conn->kept, conn->kept_cap);
    }
    memmove(conn->kept, at, rest);
    conn->kept_len = rest;
    return ended;
}

/* A plain answer: the head says how long it is. */
static bool plain_read(struct conn *conn, const char *data, size_t len)
{
    const char *head = memmem(data, len, "\r\n\r\n", 4);
    const char *length = memmem(data, len, "content-length: ", 16);
    if (head && length && len >= (size_t)(head + 4 - data) + strtoull(length + 16, NULL, 10))
        return true;
    conn->kept_cap = conn->kept_cap > len ? conn->kept_cap : len;
    conn->kept = grow(conn->kept, conn->kept_cap);
    memmove(conn->kept, data, len);
    conn->kept_len = len;
    return false;
}

static uint64_t kernel_ns(struct bench *bench, struct msghdr *message, uint64_t own_ns)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        struct timespec t;
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&t, CMSG_DATA(part), sizeof t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec -
               (uint64_t)bench->wall_offset_ns;
    }
    return own_ns;
}

static ssize_t conn_receive(struct bench *bench, struct conn *conn, uint64_t *recv_ns)
{
    char *into = bench->buffer + conn->kept_len;
    size_t room = BUFFER;
    ssize_t got;
    if (!bench->kernel) {
        got = recv(conn->fd, into, room, 0);
        *recv_ns = clock_ns(CLOCK_MONOTONIC);
        return got;
    }
    char control[64];
    struct iovec place = {into, room};
    struct msghdr message = {.msg_iov = &place,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    got = recvmsg(conn->fd, &message, 0);
    *recv_ns = kernel_ns(bench, &message, clock_ns(CLOCK_MONOTONIC));
    return got;
}

static void conn_readable(struct bench *bench, struct conn *conn)
{
    uint64_t recv_ns;
    if (conn->kept_len > BUFFER)
        die("an event too large");
    memcpy(bench->buffer, conn->kept_len ? conn->kept : "", conn->kept_len);
    ssize_t got = conn_receive(bench, conn, &recv_ns);
    if (got <= 0) {
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        die("the server closed a connection");
    }
    size_t len = conn->kept_len + (size_t)got;
    if (!conn->headed && (len < 12 || memcmp(bench->buffer, "HTTP/1.1 200", 12) != 0)) {
        fprintf(stderr, "raw: the server refused: %.*s\n", (int)len, bench->buffer);
        exit(1);
    }
    conn->headed = true;
    bench->bytes += (size_t)got;
    conn->kept_len = 0;
    if (bench->plain ? plain_read(conn, bench->buffer, len)
                     : events_read(bench, conn, bench->buffer, len, recv_ns))
        answer_ended(bench, conn);
}

static void open_more(struct bench *bench)
{
    while (bench->opened < bench->connections && bench->connecting < CONNECTING)
        conn_open(bench, &bench->conns[bench->opened]);
}

static void run(struct bench *bench)
{
    struct epoll_event ready[READY];
    open_more(bench);
    while (bench->ended < bench->requests) {
        int count = epoll_wait(bench->epoll, ready, READY, -1);
        for (int i = 0; i < count; i++) {
            struct conn *conn = ready[i].data.ptr;
            if (conn->connected)
                conn_readable(bench, conn);
            else
                conn_connected(bench, conn);
        }
        open_more(bench);
    }
}

/* ---- the whole ---- */

static void request_make(struct bench *bench)
{
    char body[512];
    int len =
        snprintf(body, sizeof body,
                 "{\"ignore_eos\":true,\"max_tokens\":%d,\"messages\":[{\"content\":\"Count to "
                 "ten.\",\"role\":\"user\"}],\"model\":\"m\",\"stream\":%s,"
                 "\"stream_options\":{\"include_usage\":true}}",
                 bench->tokens, bench->plain ? "false" : "true");
    if (bench->plain)
        len = snprintf(body, sizeof body,
                       "{\"ignore_eos\":true,\"max_tokens\":%d,\"messages\":[{\"content\":\"Count "
                       "to ten.\",\"role\":\"user\"}],\"model\":\"m\"}",
                       bench->tokens);
    bench->request_len = (size_t)snprintf(
        bench->request, sizeof bench->request,
        "POST /v1/chat/completions%s%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: "
        "application/json\r\nContent-Length: %d\r\n\r\n%s",
        *bench->query ? "?" : "", bench->query, bench->port, len, body);
}

static bool options(struct bench *bench, int argc, char **argv)
{
    if (argc < 5)
        return false;
    bench->port = atoi(argv[1]);
    bench->connections = atoi(argv[2]);
    bench->requests = atoi(argv[3]);
    bench->tokens = atoi(argv[4]);
    bench->query = "";
    for (int i = 5; i < argc; i++) {
        if (strcmp(argv[i], "--query") == 0 && i + 1 < argc)
            bench->query = argv[++i];
        else if (strcmp(argv[i], "--errors") == 0)
            bench->errors = true;
        else if (strcmp(argv[i], "--kernel") == 0)
            bench->kernel = true;
        else if (strcmp(argv[i], "--plain") == 0)
            bench->plain = true;
        else
            return false;
    }
    return bench->connections > 0 && bench->requests >= bench->connections;
}

static void report(struct bench *bench, double seconds)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    struct errors *sets[] = {&bench->itl, &bench->ttft};
    for (int i = 0; i < 2; i++)
        if (sets[i]->count)
            qsort(sets[i]->us, sets[i]->count, sizeof(double), by_size);
    printf("{\"requests\":%d,\"events\":%llu,\"tokens\":%llu,\"bytes\":%llu,\"seconds\":%.3f,\"cpu_"
           "s\":%.4f,"
           "\"rss_kb\":%ld,\"itl_us\":{\"n\":%zu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f},"
           "\"ttft_us\":{\"n\":%zu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}}\n",
           bench->ended, (unsigned long long)bench->events, (unsigned long long)bench->tokens_seen,
           (unsigned long long)bench->bytes, seconds, cpu, usage.ru_maxrss, bench->itl.count,
           error_at(&bench->itl, 0.5), error_at(&bench->itl, 0.99), error_at(&bench->itl, 1),
           bench->ttft.count, error_at(&bench->ttft, 0.5), error_at(&bench->ttft, 0.99),
           error_at(&bench->ttft, 1));
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    if (!options(&bench, argc, argv)) {
        fprintf(stderr, "usage: raw PORT CONNECTIONS REQUESTS TOKENS [--query Q] [--errors] "
                        "[--kernel] [--plain]\n");
        return 2;
    }
    request_make(&bench);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    bench.wall_offset_ns = (int64_t)(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC));
    bench.conns = calloc((size_t)bench.connections, sizeof *bench.conns);
    bench.buffer = malloc(2 * BUFFER);
    bench.epoll = epoll_create1(0);
    if (!bench.conns || !bench.buffer || bench.epoll < 0)
        die("start");
    uint64_t from_ns = clock_ns(CLOCK_MONOTONIC);
    run(&bench);
    report(&bench, (double)(clock_ns(CLOCK_MONOTONIC) - from_ns) / 1e9);
    return 0;
}
