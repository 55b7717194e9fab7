#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/mem.h"

#if defined __has_feature
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_LOOKED_FOR 1
#endif
#elif defined __SANITIZE_ADDRESS__
#define LEAKS_ARE_LOOKED_FOR 1
#endif
#ifdef LEAKS_ARE_LOOKED_FOR
#include <sanitizer/lsan_interface.h>
#define IS_NO_LEAK(object) __lsan_ignore_object(object)
#else
#define IS_NO_LEAK(object) ((void)(object))
#endif

enum { LOOK_MS = 100 /* for a signal, while it waits */, STDERR_PATIENCE_MS = 1000 };

struct output {
    int fd;
    int patience_ms; /* for one write; -1 = until a signal comes, and never again after that */
    bool stuck;      /* the last write waited in vain */
    size_t lost;     /* bytes not taken since it was stuck */
};

/* ---- writing ---- */

static bool takes_now(const struct output *output, int wait_ms)
{
    struct pollfd fd = {.fd = output->fd, .events = POLLOUT};
    return poll(&fd, 1, wait_ms) > 0;
}

static bool wait_in_vain(struct output *output)
{
    int waited_ms = 0;
    while (!takes_now(output, LOOK_MS)) {
        waited_ms += LOOK_MS;
        if (signals_pending() || (output->patience_ms >= 0 && waited_ms >= output->patience_ms))
            return true;
    }
    return false;
}

/* A pipe that takes anything takes PIPE_BUF bytes, so that no write waits. */
static bool put(struct output *output, const char *data, size_t len, size_t *done)
{
    while (*done < len) {
        if (!takes_now(output, 0) && (output->stuck || wait_in_vain(output))) {
            output->stuck = true;
            errno = EINTR;
            return false;
        }
        size_t piece = len - *done < PIPE_BUF ? len - *done : PIPE_BUF;
        ssize_t n = write(output->fd, data + *done, piece);
        if (n > 0)
            *done += (size_t)n;
        else if (n == 0 || (errno != EINTR && errno != EAGAIN))
            return false;
    }
    return true;
}

/* What was not shown is said before what is shown again. */
static bool put_loss(struct output *output)
{
    size_t done = 0;
    if (!output->stuck)
        return true;
    char *text = mem_printf("\nllmbench: %zu bytes of messages are missing here\n", output->lost);
    bool ok = put(output, text, strlen(text), &done);
    if (ok) {
        output->stuck = false;
        output->lost = 0;
    }
    free(text);
    return ok;
}

static ssize_t output_write(void *cookie, const char *data, size_t len)
{
    struct output *output = cookie;
    size_t done = 0;
    bool given_up = output->stuck && output->patience_ms < 0;
    if (given_up)
        errno = EINTR;
    if (given_up || !put_loss(output) || !put(output, data, len, &done))
        output->lost += len - done;
    return (ssize_t)done;
}

static int output_close(void *cookie)
{
    struct output *output = cookie;
    int fd = output->fd;
    free(output);
    return fd > STDERR_FILENO ? close(fd) : 0;
}

static FILE *output_stream(int fd, int patience_ms)
{
    struct output *output = MEM_NEW(struct output);
    *output = (struct output){.fd = fd, .patience_ms = patience_ms};
    /* Its own fopencookie keeps the cookie where a leak detector does not look for pointers. */
    IS_NO_LEAK(output);
    FILE *file = fopencookie(output, "w",
                             (cookie_io_functions_t){.write = output_write, .close = output_close});
    if (!file)
        free(output);
    return file;
}

void outputs_guard(bool read_whole)
{
    if (fileno(stdout) < 0)
        return;
    fflush(stdout);
    FILE *out = output_stream(STDOUT_FILENO, -1);
    FILE *err = output_stream(STDERR_FILENO, read_whole ? -1 : STDERR_PATIENCE_MS);
    if (!out || !err) /* they stay what they were */
        return;
    setvbuf(out, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, BUFSIZ);
    setvbuf(err, NULL, _IONBF, 0);
    stdout = out;
    stderr = err;
}

int output_descriptor(FILE *file)
{
    if (file == stdout)
        return STDOUT_FILENO;
    return file == stderr ? STDERR_FILENO : fileno(file);
}

/* ---- pipes ---- */

FILE *output_open(const char *path)
{
    const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};
    struct stat info;
    bool pipe = stat(path, &info) == 0 && S_ISFIFO(info.st_mode);
    int fd;
    while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0 && errno == ENXIO && pipe) {
        if (signals_pending()) {
            errno = EINTR;
            return NULL;
        }
        nanosleep(&look, NULL);
    }
    FILE *file = fd >= 0 ? output_stream(fd, -1) : NULL;
    if (fd >= 0 && !file)
        close(fd);
    return file;
}
